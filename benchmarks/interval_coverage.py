"""Do 95 % intervals hold the truth 95 % of the time? Simulated campaigns whose truth is known.

python benchmarks/interval_coverage.py            every interval of analysis/ but those of opinion scores (minutes)
python benchmarks/interval_coverage.py others     those of agreement, preferences, metrics and the mixed model alone
python benchmarks/interval_coverage.py power      whether campaigns of the size that `power` names tell models apart
python benchmarks/interval_coverage.py speed      the leaderboard on 675,000 ratings

Those of opinion scores: benchmarks/opinion_scores.py study.
"""

import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from analysis.agreement import alpha_interval
from analysis.leaderboard import Standing, stand
from analysis.metric_comparison import compare_metrics, correlation_rows
from analysis.mixed_model import mixed_model
from analysis.mos import mos_by_dimension
from analysis.power import Components, edits_needed, power
from analysis.preferences import bradley_terry
from analysis.reliability import icc
from editfhf import console
from tests.analysis.campaigns import ASPECT, BIAS, EDIT, MEANS, NOISE, PAIR, PHOTO, TASTE, rated_campaign
from tests.analysis.test_preferences import choices

STUDIES = 200
DESIGNS = {
    "dense: 40 photos × 2 tasks, 15 people rate all": {},
    "dense, nobody has a taste": {"taste": 0.0},
    "crowd: 30 people, 5 for each edit": {"n_people": 30, "each": 5},
    "crowd: 60 photos, 30 people, 3 for each edit": {"n_photos": 60, "n_people": 30, "each": 3},
    "few: 15 photos × 2 tasks, 6 people rate all": {"n_photos": 15, "n_people": 6, "each": 6},
}
Covered = dict[str, list[float]]


def main(what: str = "coverage") -> None:
    if what == "power":
        console.show(power_rows(), title="Campaigns of the size that was named")
        return
    if what == "speed":
        console.show([speed_row()], title="Leaderboard, seconds")
        return
    for name, design in DESIGNS.items() if what == "coverage" else ():
        console.show(ranking_rows(design), title=f"Share of {STUDIES} campaigns, %: {name}")
    console.show(other_rows(), title="Other intervals, share covered, %")


def ranking_rows(design: dict[str, Any]) -> list[dict[str, Any]]:
    """Ours (photos and people, paired); photos alone; and from two models' own intervals, unpaired."""
    found: dict[str, Covered] = defaultdict(lambda: defaultdict(list))
    truth = {f"m{number}": mean for number, mean in enumerate(MEANS)}
    for seed in range(STUDIES):
        ratings, edits = rated_campaign(np.random.default_rng(seed), **design)
        scores = mos_by_dimension(ratings).merge(edits)
        ours, photos = stand(scores, seed=seed, ratings=ratings), stand(scores, seed=seed)
        for name, standing in (("photos and people", ours), ("photos alone", photos)):
            count(found[name], standing, truth)
        board = photos.board()
        half = (board["overall_high"] - board["overall_low"]) / 2
        for i, one in enumerate(board.index):
            for other in board.index[i + 1 :]:
                off = board.loc[one, "overall"] - board.loc[other, "overall"] - truth[one] + truth[other]
                found["unpaired, photos alone"]["difference"].append(abs(off) <= np.hypot(half[one], half[other]))
    columns = ("mean", "difference", "all ranks at once", "equal models told apart (any)")
    return [
        {"interval": name}
        | {column: f"{100 * np.mean(values[column]):.1f}" if values[column] else "" for column in columns}
        for name, values in found.items()
    ]


def count(found: Covered, standing: Standing, truth: dict[str, float]) -> None:
    board, pairs = standing.board(), standing.comparisons()
    told = board.index.map(truth)
    found["mean"] += list((board["overall_low"] <= told) & (told <= board["overall_high"]))
    own = pairs[pairs["dimension"] == "overall"]
    gap = own["better"].map(truth) - own["worse"].map(truth)
    found["difference"] += list((own["low"] <= gap) & (gap <= own["high"]))
    found["equal models told apart (any)"].append(bool(((gap == 0) & (own["p_adjusted"] < 0.05)).any()))
    above, level = (
        (told.to_numpy()[:, None] < told.to_numpy()).sum(axis=1),
        (told.to_numpy()[:, None] == told.to_numpy()),
    )
    best, worst = above + 1, above + level.sum(axis=1)  # of equal models any order is right
    held = (board["best_rank"] <= worst) & (board["worst_rank"] >= best)
    found["all ranks at once"].append(bool(held.all()))


def other_rows() -> list[dict[str, Any]]:
    rows = []

    def row(name: str, studies: int, covers: Callable[[int], list[bool]]) -> None:
        held = [covers(seed) for seed in range(studies)]
        rows.append({"interval": name, "studies": studies, "covers": f"{100 * np.mean(held):.1f}"})

    for form, truth in (("ICC(1,1)", 0.5), ("ICC(A,1)", 0.4), ("ICC(C,1)", 0.5), ("ICC(A,k)", 8 / 9.5)):

        def of_icc(seed: int, form: str = form, truth: float = truth) -> list[bool]:
            rng = np.random.default_rng(seed)
            people = 0.0 if form == "ICC(1,1)" else rng.normal(0, np.sqrt(0.5), (8, 1))
            found = icc(rng.normal(size=(1, 50)) + people + rng.normal(size=(8, 50)))[form]
            return [found.low <= truth <= found.high]

        row(f"{form}, 8 people × 50 stimuli", 1000, of_icc)

    def of_alpha(seed: int) -> list[bool]:
        rng = np.random.default_rng(seed)
        matrix = rng.normal(size=(1, 200)) + rng.normal(size=(6, 200))
        low, high = alpha_interval(matrix, seed=seed)
        return [low <= 0.5 <= high]

    row("Krippendorff's alpha, other stimuli, 6 × 200", 300, of_alpha)

    truth_of = bradley_terry(choices(np.random.default_rng(99), n_photos=6000, n_people=6000, each=6), n_bootstrap=2)
    strengths = truth_of["strength"].sort_index()

    def of_strengths(seed: int) -> list[bool]:
        found = bradley_terry(choices(np.random.default_rng(seed))).sort_index()
        return list((found["strength_low"] <= strengths) & (strengths <= found["strength_high"]))

    row("Bradley–Terry, 40 photos, 12 people, 4 of each pair", 300, of_strengths)

    def of_srcc(seed: int) -> list[bool]:
        rng = np.random.default_rng(seed)
        shared = rng.normal(size=100)
        pred, mos = shared + rng.normal(size=100), shared + rng.normal(size=100)
        found = correlation_rows(pred, mos, seed=seed)[0]
        # Spearman's ρ of two normal with r = 0.5: 6 / π · asin(r / 2)
        return [found["srcc_low"] <= 6 / np.pi * np.arcsin(0.25) <= found["srcc_high"]]

    row("SRCC, 100 edits", 300, of_srcc)

    def of_metrics(seed: int) -> list[bool]:
        rng = np.random.default_rng(seed)
        shared = rng.normal(size=100)
        first, second = shared + rng.normal(size=100), shared + 2 * rng.normal(size=100)
        told = [6 / np.pi * np.arcsin(r / 2) for r in (1 / np.sqrt(2), 1 / np.sqrt(5))]
        found = compare_metrics(first, second, shared, seed=seed)
        return [found.low <= told[0] - told[1] <= found.high]

    row("difference of two metrics' SRCC, 100 edits", 300, of_metrics)

    def of_mixed(seed: int) -> list[bool]:
        design = {"n_photos": 30, "n_tasks": 1, "n_people": 300, "each": 5, "taste": 0.0}
        ratings, edits = rated_campaign(np.random.default_rng(seed), **design)
        found = mixed_model(mos_by_dimension(ratings).merge(edits))
        one = found.loc["m0"]  # ten points below the best, which is always the same model: nothing is chosen by chance
        return [bool(one["below_best_low"] <= max(MEANS) - MEANS[0] <= one["below_best_high"])]

    row("mixed model, how far below the best, 30 photos", 300, of_mixed)
    return rows


def power_rows() -> list[dict[str, Any]]:
    truth = Components(
        float(np.hypot(PHOTO, PAIR)), float(np.hypot(EDIT, ASPECT / 3**0.5)), BIAS, TASTE, NOISE / 3**0.5
    )
    rows = []
    for people, raters, difference in ((16, 4, 6.0), (12, 12, 5.0), (60, 3, 4.0)):
        needed = edits_needed(truth, difference, raters, people) or 0
        for edits in (needed, needed // 2):
            seen = 0
            for seed in range(STUDIES):
                rng = np.random.default_rng(seed)
                ratings, table = rated_campaign(rng, edits, 1, people, raters, means=(50.0, 50.0 + difference))
                standing = stand(mos_by_dimension(ratings).merge(table), n_bootstrap=50, ratings=ratings)
                own = standing.comparisons().iloc[0]
                seen += own["p"] < 0.05 and own["better"] == "m1"
            told = power(truth, difference, edits, raters, people)
            rows.append(
                {
                    "points apart": difference,
                    "people": people,
                    "raters of each edit": raters,
                    "edits of each model": edits,
                    "power as planned, %": f"{100 * told:.0f}",
                    f"told apart in {STUDIES} campaigns, %": f"{100 * seen / STUDIES:.0f}",
                }
            )
    return rows


def speed_row() -> dict[str, Any]:
    means = tuple(np.linspace(40, 60, 12))
    ratings, edits = rated_campaign(np.random.default_rng(0), 125, 10, 300, 15, means)
    start = time.perf_counter()
    scores = mos_by_dimension(ratings).merge(edits)
    scored = time.perf_counter()
    stand(scores, n_bootstrap=1000, ratings=ratings).board()
    return {
        "ratings": len(ratings), "edits": len(edits), "models": len(means), "draws": 1000,
        "opinion scores": f"{scored - start:.2f}", "leaderboard": f"{time.perf_counter() - scored:.2f}",
        "peak, MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
