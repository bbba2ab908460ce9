"""Who is found and who is wronged when simulated people rate: `annotation.quality.assess` at its default thresholds.

    python benchmarks/annotator_quality.py [--seeds 20] [--first-seed 0] [--edits 200] [--mix careless=0.2]...

In memory, without a server: true qualities and flaws are drawn at random, people of `annotation.people` judge and draw,
and the tables are those that a pull would bring home. Each row is one mix of 30 people, 12 ratings and 4 drawings for
each edit (so that with 200 edits everybody rates 80), summed over the seeds. AUC: of `suspicion`, for the manner of the
row against everybody else, mean and least of the seeds. Thresholds were tuned on seeds 100 to 119.
"""

import argparse
from collections import Counter
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from annotation.manners import GROUPS, mix_of
from annotation.people import Person, rng_of
from annotation.quality import assess
from editfhf.flaws import FLAW_TYPES, flaw_types_of
from editfhf.schema import DIMENSIONS, REGION_KINDS, TABLES, Answer, CheckAnswer, Rating, Region

PEOPLE = 30
RATERS, DRAWERS = 12, 4
CHECKS, REPEATS = 0.05, 0.05
COLUMNS = (
    "mix", "AUC", "least AUC", "found", "watched", "honest suspended", "honest watched", "biased, dissenting suspended",
)  # fmt: skip
PLACES = ("face", "left hand", "sky", "wall", "sign", "car", "tree", "roof", "table", "water", "sleeve", "shadow")
MIXES = (
    "careless=0.2", "careless=0.2,dissenting=0.1,biased=0.1", "random=0.2", "straight_lining=0.2", "too_fast=0.2",
    "lazy=0.2", "hostile=0.2", "pasting=0.2", "biased=0.2", "dissenting=0.2", "",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Thing:
    """An edit with its truth: dimension → quality 0..100; (flaw type, severity, outline, description)."""

    name: str
    quality: dict[str, float]
    flaws: list[tuple[str, float, list[list[float]], str]]


def main() -> None:
    """Print a table for each design."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--edits", type=int, default=200)
    parser.add_argument("--mix", action="append", help="instead of all of them")
    arguments = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    for title, checks, repeats, drawers, mixes in (
        ("5 % checks, 5 % repeats, regions", CHECKS, REPEATS, DRAWERS, MIXES),
        ("no checks, no repeats, regions", 0.0, 0.0, DRAWERS, MIXES),
        ("5 % checks, 5 % repeats, ratings only", CHECKS, REPEATS, 0, MIXES[:3]),
    ):
        print(f"\n{title} (seeds {seeds.start} to {seeds.stop - 1}, {arguments.edits} edits)\n", flush=True)
        print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
        for mix in arguments.mix or mixes:
            print(row_of(mix, seeds, arguments.edits, checks, repeats, drawers), flush=True)


def row_of(mix: str, seeds: range, n_edits: int, checks: float, repeats: float, drawers: int) -> str:
    """One line of the table."""
    wanted = mix.partition("=")[0]
    sought = GROUPS.get(wanted, (wanted,))
    aucs = []
    verdicts: Counter[tuple[str, str]] = Counter()
    for seed in seeds:
        assessed, manner_of = assess_simulated(mix, seed, n_edits, checks, repeats, drawers)
        manners = assessed["annotator"].map(manner_of)
        verdicts.update(zip(manners, assessed["verdict"], strict=True))
        if wanted:
            aucs.append(auc(assessed["suspicion"].to_numpy(), manners.isin(sought).to_numpy()))

    def share(manners: tuple[str, ...], *of: str) -> str:
        total = sum(n for (manner, _), n in verdicts.items() if manner in manners)
        return f"{sum(verdicts[manner, verdict] for manner in manners for verdict in of)} of {total}" if total else ""

    ranked = [f"{np.mean(aucs):.3f}", f"{min(aucs):.3f}"] if aucs else ["", ""]
    found = [share(sought, "suspend"), share(sought, "watch")]
    honest = ("honest",)
    cells = [mix or "all honest", *ranked, *found, share(honest, "suspend"), share(honest, "watch")]
    return f"| {' | '.join([*cells, share(('biased', 'dissenting'), 'suspend')])} |"


def auc(score: np.ndarray, is_sought: np.ndarray) -> float:
    """Chance that one who is sought scores above one who is not; ties count half."""
    ranks = rankdata(score)
    n, m = is_sought.sum(), (~is_sought).sum()
    return float((ranks[is_sought].sum() - n * (n + 1) / 2) / (n * m))


def assess_simulated(
    mix: str, seed: int, n_edits: int, checks: float, repeats: float, drawers: int
) -> tuple[pd.DataFrame, dict[str, str]]:
    """What `assess` says of a simulated campaign, and the manner of each annotator."""
    manners = mix_of(mix, PEOPLE, seed)
    people = [Person.make(number, seed, manner) for number, manner in enumerate(manners, start=1)]
    tables = answer(people, [make_thing(seed, index) for index in range(n_edits)], seed, checks, repeats, drawers)
    return assess(*tables), {name_of(person): person.manner for person in people}


def answer(
    people: list[Person], things: list[Thing], seed: int, checks: float, repeats: float, drawers: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The tables `ratings`, `regions`, `answers`, `check_answers` of a campaign in which everybody has equal work."""
    rng = rng_of("campaign", seed)
    rows: dict[str, list[dict[str, object]]] = {"ratings": [], "regions": [], "answers": [], "check_answers": []}
    load: Counter[str] = Counter()
    rated: dict[str, list[Thing]] = {name_of(person): [] for person in people}
    drawn: Counter[str] = Counter()
    person_of = {name_of(person): person for person in people}

    def least_loaded(loads: Counter[str], n: int) -> list[str]:
        chosen = sorted(person_of, key=lambda name: (loads[name], rng.random()))[:n]
        loads.update(chosen)
        return chosen

    for thing in things:
        for name in least_loaded(load, RATERS):
            rated[name].append(thing)
        for name in least_loaded(drawn, drawers):
            _draw(person_of[name], thing, seed, rows)
    nothing = Thing("noise", dict.fromkeys(DIMENSIONS, 0.0), [])
    for name, seen in rated.items():
        person = person_of[name]
        for position, thing in enumerate(seen):
            _rate(person, thing, seed, position, rows, nth=1)
        again = rng.permutation(len(seen))[: round(repeats * len(seen))]
        for position, index in enumerate(again, start=len(seen)):
            _rate(person, seen[index], seed, position, rows, nth=2)
        for number in range(round(checks * len(seen))):
            own = rng_of("check", seed, name, number)
            grades = [person.rate(dimension, nothing.quality[dimension], own) for dimension in DIMENSIONS]
            # Nobody honest finds noise good, in any respect.
            row = CheckAnswer(
                f"noise-{number}", name, "simulated", "ratings", "check", max(grades) <= 3, str(grades),
                person.seconds(0, own), _time(number),
            )  # fmt: skip
            rows["check_answers"].append(asdict(row))
    ratings, regions, answers, check_answers = (
        pd.DataFrame(rows[name], columns=TABLES[name].names)
        for name in ("ratings", "regions", "answers", "check_answers")
    )
    return ratings, regions, answers, check_answers


def make_thing(seed: int, index: int) -> Thing:
    """An edit: its dimensions go together as far as they do in life, and the worse it is the more flaws it has."""
    rng = rng_of("thing", seed, index)
    common = rng.beta(1.5, 1.5)
    quality = {dimension: float(100 * (0.6 * common + 0.4 * rng.beta(1.5, 1.5))) for dimension in DIMENSIONS}
    flaws = []
    for _ in range(rng.poisson(3 * (1 - common))):
        flaw = FLAW_TYPES[rng.integers(len(FLAW_TYPES))]
        left, top = rng.uniform(0, 0.75, 2)
        width, height = rng.uniform(0.08, 0.25, 2)
        outline = [[left, top], [left + width, top], [left + width, top + height], [left, top + height]]
        where = PLACES[rng.integers(len(PLACES))]
        flaws.append((flaw.id, float(rng.uniform(0.4, 1)), outline, f"{flaw.description}, at the {where}"))
    return Thing(f"edit-{index:05d}", quality, flaws)


def name_of(person: Person) -> str:
    return f"person-{person.number:03d}"


def _rate(
    person: Person, thing: Thing, seed: int, position: int, rows: dict[str, list[dict[str, object]]], nth: int
) -> None:
    rng = rng_of("answer", seed, person.number, thing.name, nth)
    seconds = person.seconds(0, rng)
    for dimension in DIMENSIONS:
        grade = float(person.rate(dimension, thing.quality[dimension], rng))
        rating = Rating(
            thing.name, name_of(person), "simulated", dimension, grade, 1.0, 5.0, "1", position, seconds,
            _time(position), repeat=nth > 1,
        )  # fmt: skip
        rows["ratings"].append(asdict(rating))
    said = Answer(thing.name, name_of(person), "simulated", "ratings", "answered", "", seconds, _time(position))
    rows["answers"].append(asdict(said))


def _draw(person: Person, thing: Thing, seed: int, rows: dict[str, list[dict[str, object]]]) -> None:
    rng = rng_of("drawing", seed, person.number, thing.name)
    drawings = []
    for flaw_type, severity, outline, description in thing.flaws:
        if person.notices(severity, rng):
            named = person.name_flaw(flaw_type, rng)
            drawings.append((named, person.draw(outline, rng), person.word(description, named, rng)))
    for outline in person.imagine(rng):
        named = str(rng.choice(flaw_types_of(str(rng.choice(REGION_KINDS)))))
        drawings.append((named, outline, person.word("something is odd here", named, rng, mistaken=True)))
    seconds = person.seconds(len(drawings), rng)
    kinds = {flaw.id: flaw.kind for flaw in FLAW_TYPES}
    for index, (named, outline, reason) in enumerate(drawings):
        region = Region(
            thing.name, name_of(person), "simulated", f"{thing.name}-{person.number}-{index}", kinds[named], named,
            "region", [outline], [], reason, False, seconds, _time(0),
        )  # fmt: skip
        rows["regions"].append(asdict(region))
    outcome = "answered" if drawings else "no_flaw"
    said = Answer(thing.name, name_of(person), "simulated", "regions", outcome, "", seconds, _time(0))
    rows["answers"].append(asdict(said))


def _time(position: int) -> str:
    return f"2026-01-01T{position // 3600:02d}:{position // 60 % 60:02d}:{position % 60:02d}+00:00"


if __name__ == "__main__":
    main()
