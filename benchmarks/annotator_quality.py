"""Who is found and who is wronged when simulated people rate: `annotation.quality.assess` at its default thresholds.

    nice -n 10 python benchmarks/annotator_quality.py [--seeds 20] [--first-seed 300] [--edits 200] [--mix lazy=0.2]...

In memory, without a server: true qualities and flaws are drawn at random, people of `annotation.people` judge and draw,
and the tables are those that a pull would bring home. Checks are those of the product: its sorts, mixed in by
`with_checks_and_repeats`, answered on its screens (`annotation_of`), judged by `passes`; photos are in colour. Each row
is one mix of 30 people, 12 ratings and 4 drawings for each edit (so that with 200 edits everybody rates 80), summed
over the seeds; k of n comes with the limits of Clopper and Pearson, 95 %. AUC: of `suspicion`, for the manner of the
row against everybody else, mean and least of the seeds. Thresholds were tuned on seeds 100 to 119, and once after a
look at 0 to 19; nothing was on 300 to 319.
"""

import argparse
from collections import Counter
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from shapely.geometry import box

from annotation.answers import About, parse_annotation
from annotation.checks import BLOCK, COLOURLESS, SORTS_OF, Check, passes
from annotation.intervals import share_interval
from annotation.manners import GROUPS, mix_of
from annotation.order import with_checks_and_repeats
from annotation.people import Person, rng_of
from annotation.quality import assess
from annotation.sight import see_check
from annotation.simulate import annotation_of
from annotation.worklist import CHECK, REPEAT
from editfhf.flaws import FLAW_TYPES, flaw_types_of
from editfhf.geometry import to_shape
from editfhf.schema import DIMENSIONS, REGION_KINDS, TABLES, Answer, CheckAnswer, Rating, Region

PEOPLE = 30
SIZE = (1024, 768)  # pixels of an image
RATERS, DRAWERS = 12, 4
CHECKS, REPEATS = 0.05, 0.05
COLUMNS = (
    "mix", "AUC (least)", "found", "called good", "watch", "opinion", "honest suspended", "honest watched",
    "honest of another opinion", "biased, dissenting, upside down suspended",
)  # fmt: skip
OPINIONS = ("biased", "dissenting", "upside_down")
SUSPEND, WATCH, OPINION, GOOD = "suspend", "watch", "opinion", "good"
LEAST_AUC = 0.95  # the goal, with 20 % careless; and no honest person's suspension
PLACES = ("face", "left hand", "sky", "wall", "sign", "car", "tree", "roof", "table", "water", "sleeve", "shadow")
MIXES = (
    "careless=0.2", "careless=0.2,dissenting=0.1,biased=0.1", "random=0.2", "straight_lining=0.2", "too_fast=0.2",
    "half_careless=0.2", "tiring=0.2", "lazy=0.2", "hostile=0.2", "pasting=0.2", "biased=0.2", "dissenting=0.2",
    "upside_down=0.2", "",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Thing:
    """An edit with its truth: dimension → quality 0..100; (flaw type, severity, outline, description)."""

    name: str
    quality: dict[str, float]
    flaws: list[tuple[str, float, list[list[float]], str]]


def main() -> None:
    """Print a table for each design, what was to be reached, and what a check of regions tells."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=300)
    parser.add_argument("--edits", type=int, default=200)
    parser.add_argument("--mix", action="append", help="instead of all of them")
    arguments = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    goals = []
    for title, checks, repeats, drawers, mixes in (
        ("5 % checks, 5 % repeats, regions", CHECKS, REPEATS, DRAWERS, MIXES),
        ("No checks, no repeats, regions", 0.0, 0.0, DRAWERS, MIXES),
        ("5 % checks, 5 % repeats, ratings only", CHECKS, REPEATS, 0, MIXES[:7]),
    ):
        print(f"\n{title} (seeds {seeds.start} to {seeds.stop - 1}, {arguments.edits} edits):\n", flush=True)
        print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
        for mix in arguments.mix or mixes:
            row = row_of(mix, seeds, arguments.edits, checks, repeats, drawers)
            print(row.line, flush=True)
            if mix == MIXES[0]:
                goals.append(f"| {title} | {row.goal} |")
    if goals:
        print("\n| 20 % careless | AUC, least of the seeds | honest suspended | goal reached |\n|---|---|---|---|")
        print("\n".join(goals))
    after, before = (sum(one) for one in zip(*(block_of_a_random_drawer(n) for n in range(DRAWINGS)), strict=True))
    print(f"\nBlocks that simulated random drawers pass: {share(after, DRAWINGS)}")
    print(f"that they would if any outline that touches one were enough: {share(before, DRAWINGS)}")


DRAWINGS = 2000


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table, and cells that say how it compares with the goal."""

    line: str
    goal: str


def row_of(mix: str, seeds: range, n_edits: int, checks: float, repeats: float, drawers: int) -> Row:
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

    def counted(manners: tuple[str, ...], verdict: str) -> str:
        total = sum(n for (manner, _), n in verdicts.items() if manner in manners)
        return share(sum(verdicts[manner, verdict] for manner in manners), total) if total else ""

    ranked = f"{np.mean(aucs):.3f} ({min(aucs):.3f})" if aucs else ""
    found = [counted(sought, verdict) for verdict in (SUSPEND, GOOD, WATCH, OPINION)]
    honest = [counted(("honest",), verdict) for verdict in (SUSPEND, WATCH, OPINION)]
    cells = [mix or "all honest", ranked, *found, *honest, counted(OPINIONS, SUSPEND)]
    is_reached = bool(aucs) and min(aucs) >= LEAST_AUC and not verdicts["honest", SUSPEND]
    goal = f"{min(aucs, default=np.nan):.3f} | {honest[0]} | {'yes' if is_reached else 'no'}"
    return Row(f"| {' | '.join(cells)} |", goal)


def share(k: int, n: int) -> str:
    low, high = share_interval(np.array(k), np.array(n))
    return f"{k} of {n} ({100 * low:.1f}–{100 * high:.1f} %)"


def block_of_a_random_drawer(number: int) -> tuple[bool, bool]:
    """Whether somebody who draws anywhere passes a check of regions; and would, if touching the block were enough."""
    person = Person.make(number, 0, "random")
    check = Check(f"block-{number}", "block", "", "", "", SIZE)
    answer, _, regions = _said_of(person, check, "regions", seed=0)
    touched = any(to_shape(region.polygon).intersects(box(*BLOCK)) for region in regions)
    return bool(passes(check, {}, regions, answer.outcome)), touched


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
    loads: dict[str, Counter[str]] = {"ratings": Counter(), "regions": Counter()}
    shares: dict[tuple[str, str], list[str]] = {}
    person_of = {name_of(person): person for person in people}
    thing_of = {thing.name: thing for thing in things}
    for thing in things:
        for screen, n in (("ratings", RATERS), ("regions", drawers)):
            load = loads[screen]
            chosen = sorted(person_of, key=lambda name: (load[name], rng.random()))[:n]
            load.update(chosen)
            for name in chosen:
                shares.setdefault((screen, name), []).append(thing.name)
    for (screen, name), seen in shares.items():
        again = repeats if screen == "ratings" else 0.0
        known = checks_for(screen, len(seen), checks, again, rng)
        order = with_checks_and_repeats(seen, list(known), checks, again, 0, int(rng.integers(2**31)))
        for position, (item, role) in enumerate(order, start=1):
            person = person_of[name].after(position - 1)
            if role == CHECK:
                _answer_check(person, known[item], screen, seed, position, rows)
            elif screen == "ratings":
                _rate(person, thing_of[item], seed, position, rows, nth=2 if role == REPEAT else 1)
            else:
                _draw(person, thing_of[item], seed, rows)
    ratings, regions, answers, check_answers = (
        pd.DataFrame(rows[name], columns=TABLES[name].names)
        for name in ("ratings", "regions", "answers", "check_answers")
    )
    return ratings, regions, answers, check_answers


def checks_for(screen: str, n: int, checks: float, repeats: float, rng: np.random.Generator) -> dict[str, Check]:
    """As many as a person with n edits may need, the sorts in turn, in an order of the person's own."""
    sorts = SORTS_OF[screen]
    made = [
        Check(f"{sort}-{number}", sort, "", "", COLOURLESS[number % 2], SIZE)
        for number in range(round(n * checks / (1 - checks - repeats)) + 1)
        for sort in (sorts[number % len(sorts)],)
    ]
    return {made[index].check_id: made[index] for index in rng.permutation(len(made))}


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


def _answer_check(
    person: Person, check: Check, screen: str, seed: int, position: int, rows: dict[str, list[dict[str, object]]]
) -> None:
    answer, scores, regions = _said_of(person, check, screen, seed, position)
    passed = passes(check, scores, regions, answer.outcome)
    if passed is not None:
        row = CheckAnswer(
            check.check_id, answer.annotator, "simulated", screen, CHECK, passed, str(scores), answer.lead_time_s,
            answer.submitted_at,
        )  # fmt: skip
        rows["check_answers"].append(asdict(row))


def _said_of(
    person: Person, check: Check, screen: str, seed: int, position: int = 0
) -> tuple[Answer, dict[str, float], list[Region]]:
    """What the person says of a check, through the product's own screen and reader."""
    said = annotation_of(person, see_check(check), screen, seed) | {"created_at": _time(position)}
    parsed = parse_annotation(said, About(screen, check.check_id, name_of(person), "simulated"))
    assert parsed.answer is not None
    return parsed.answer, {rating.dimension: rating.score for rating in parsed.ratings}, parsed.regions


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
