"""Opinion scores: how near to the truth each method comes, and how fast beside sureal.

python benchmarks/opinion_scores.py study     closeness and coverage, over designs and kinds of people (minutes)
python benchmarks/opinion_scores.py speed     beside the PyPI package sureal 0.9, in the same run
"""

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent.parent))

from analysis.mos import estimate_mos
from editfhf import console

STUDIES = 20
# (stimuli, people, people for each stimulus)
DESIGNS = [
    (500, 3, 3),
    (500, 5, 5),
    (500, 8, 8),
    (500, 15, 15),
    (500, 60, 3),
    (500, 60, 5),
    (500, 60, 8),
    (500, 60, 15),
]
DESIGNS += [(100, 60, 5), (30, 5, 5)]
KINDS = ("as modelled", "long tails", "disputed stimuli", "a fifth at random", "five grades")
METHODS = ("mean", "bt500", "bias_removed", "p910", "p910_marginal")
WIDE = 5  # grades


def main(what: str = "study") -> None:
    if what == "speed":
        console.show(speed_rows(), title="Seconds")
        return
    for kind in KINDS:
        console.show([study_row(kind, *design) for design in DESIGNS], title=f"Correlation with the truth: {kind}")
        console.show([coverage_row(kind, *design) for design in DESIGNS], title=f"Share covered by ci95, %: {kind}")


def study_row(kind: str, n_stimuli: int, n_people: int, k: int) -> dict[str, Any]:
    """Mean over studies of the correlation of the scores with the true qualities."""
    found: dict[str, list[float]] = {method: [] for method in METHODS}
    for truth, ratings in studies(kind, n_stimuli, n_people, k):
        for method, values in found.items():
            values.append(float(np.corrcoef(estimate_mos(ratings, method).stimuli["mos"], truth)[0, 1]))
    return named(n_stimuli, n_people, k) | {method: f"{np.mean(values):.3f}" for method, values in found.items()}


def coverage_row(kind: str, n_stimuli: int, n_people: int, k: int) -> dict[str, Any]:
    """Share of the stimuli whose truth lies in the interval; their common level is the people's and is taken out."""
    found: dict[str, list[float]] = {f"{method} {which}": [] for method in METHODS for which in ("ours", "standard")}
    for truth, ratings in studies(kind, n_stimuli, n_people, k):
        for method in METHODS:
            stimuli = estimate_mos(ratings, method).stimuli
            off = stimuli["mos"] - truth
            off = np.abs(off - off.mean())
            found[f"{method} ours"].append((off <= stimuli["ci95"]).mean())
            found[f"{method} standard"].append((off <= stimuli["ci95_standard"]).mean())
    return named(n_stimuli, n_people, k) | {
        method: " / ".join(f"{100 * np.mean(found[f'{method} {which}']):.0f}" for which in ("ours", "standard"))
        for method in METHODS
    }


def named(n_stimuli: int, n_people: int, k: int) -> dict[str, Any]:
    return {"stimuli": n_stimuli, "people": n_people, "each": k}


def studies(kind: str, n_stimuli: int, n_people: int, k: int) -> Any:
    """`STUDIES` times: the truth (the mean of what all people of this kind would say) and ratings."""
    for seed in range(STUDIES):
        rng = np.random.default_rng(seed)
        quality, bias = rng.normal(0, 1, n_stimuli), rng.normal(0, 0.5, n_people)
        inconsistency = np.exp(rng.normal(np.log(0.7), 0.4, n_people))
        people = np.array([rng.choice(n_people, k, replace=False) for _ in range(n_stimuli)]).ravel()
        stimuli = np.repeat(np.arange(n_stimuli), k)
        noise = rng.normal(size=len(people))
        if kind == "long tails":
            noise = rng.standard_t(3, len(people)) / np.sqrt(3)
        if kind == "disputed stimuli":
            noise *= np.exp(rng.normal(0, 0.4, n_stimuli))[stimuli]
        scores = quality[stimuli] + bias[people] + noise * inconsistency[people]
        if kind == "a fifth at random":
            random = np.isin(people, rng.choice(n_people, max(1, n_people // 5), replace=False))
            scores[random] = rng.normal(0, 1.4, random.sum())
        truth = quality
        if kind == "five grades":
            scores = grades(scores)
            crowd = rng.normal(0, 0.5, 4000) + rng.normal(size=4000) * np.exp(rng.normal(np.log(0.7), 0.4, 4000))
            truth = np.array([grades(one + crowd).mean() for one in quality])
        yield truth, pd.DataFrame({"stimulus": stimuli, "subject": people, "score": scores})


def grades(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(3 + values), 1, WIDE)


def speed_rows() -> list[dict[str, Any]]:
    from tests.analysis.sureal_peer import PEERS, run

    rows = []
    theirs = {"bt500": PEERS[2][2], "p910": PEERS[5][2]}
    for name, n_stimuli, n_people, k, peers in (
        ("dense", 15_000, 20, 20, ("bt500", "p910")),
        ("crowd", 15_000, 300, 15, ("p910",)),
        ("large crowd", 500_000, 300, 15, ()),
    ):
        ratings = crowd(n_stimuli, n_people, k)
        for method in ("bt500", "p910", "p910_marginal"):
            ours_s, estimate = timed(lambda method=method, ratings=ratings: estimate_mos(ratings, method))
            row = {"design": name, "ratings": len(ratings), "method": method, "ours": f"{ours_s:.3f}"}
            row |= {"sureal": "", "times": "", "largest difference": ""}
            if method in peers:
                matrix = np.full((n_stimuli, n_people), np.nan)
                matrix[ratings["stimulus"].astype(int), ratings["subject"].astype(int)] = ratings["score"]
                peer_s, peer = timed(lambda matrix=matrix, method=method: run(theirs[method], matrix), times=1)
                row |= {"sureal": f"{peer_s:.1f}", "times": f"{peer_s / ours_s:.0f}"}
                variant = {"variant": "sureal"} if method == "bt500" else {}
                estimate = estimate_mos(ratings, method, **variant)
                off = np.abs(estimate.stimuli["mos"].to_numpy() - np.array(peer["quality_scores"])).max()
                row["largest difference"] = f"{off:.0e}"
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            rows.append(row | {"peak of the process so far, MB": round(peak)})
    return rows


def crowd(n_stimuli: int, n_people: int, k: int) -> pd.DataFrame:
    """Grades 1..5 of k different people for each stimulus; names are text, as those of a campaign."""
    rng = np.random.default_rng(0)
    stimuli = np.repeat(np.arange(n_stimuli), k)
    steps = np.sort(np.argsort(rng.random((n_stimuli, n_people)), axis=1)[:, :k]) if k < n_people < 100 else None
    if steps is None:  # different people without a matrix of all: k places on a circle, turned at random
        spread = np.arange(k) * (n_people // k)
        steps = rng.integers(0, n_people, (n_stimuli, 1)) + spread + rng.integers(0, n_people // k, (n_stimuli, k))
        steps %= n_people
    people = steps.ravel()
    noise = rng.normal(size=len(people)) * np.exp(rng.normal(-0.4, 0.4, n_people))[people]
    scores = grades(rng.normal(0, 1, n_stimuli)[stimuli] + rng.normal(0, 0.4, n_people)[people] + noise)
    names = {
        "stimulus": pd.Series(np.char.zfill(stimuli.astype("U6"), 6)),
        "subject": pd.Series(np.char.zfill(people.astype("U4"), 4)),
    }
    table = pd.DataFrame({name: column.astype("str") for name, column in names.items()} | {"score": scores})
    return table.drop_duplicates(["stimulus", "subject"], ignore_index=True)


def timed(work: Callable[[], Any], times: int = 3) -> tuple[float, Any]:
    """The shortest of some runs, and the result."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


if __name__ == "__main__":
    main(*sys.argv[1:])
