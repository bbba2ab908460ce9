"""Simulated people who draw flaws whose truth is known: for the study of consensus and for its speed. Nobody is real.

Not the people of a rehearsal (`annotation.people`): these here err in more ways, and thousands of edits take seconds.
"""

from dataclasses import dataclass, replace

import numpy as np
import shapely


@dataclass(frozen=True)
class Hand:
    """How one person errs. Lengths are shares of the image's side.

    Attributes:
        miss: share of the flaws that are not hard to see overlooked; tiring: added to it, from 0 at the first edit.
        alarms: regions drawn where nothing is, for each edit; lured: share of the places that look wrong and are not.
        coarse: how far an outline is simplified; halo: how far around the thing it is drawn; jitter: of its place.
        boxes: draws a box around everything. lumps: share of neighbouring pieces enclosed by one line.
        confusion: share of wrong types; wrong_kind: share of wrong kinds.
    """

    miss: float = 0.15
    tiring: float = 0.0
    alarms: float = 0.15
    lured: float = 0.1
    coarse: float = 0.006
    halo: float = 0.006
    jitter: float = 0.006
    boxes: bool = False
    lumps: float = 0.6
    confusion: float = 0.12
    wrong_kind: float = 0.05


MANNERS = {
    "careful": {},
    "coarse": {"coarse": 0.03, "jitter": 0.012},
    "over-enclosing": {"boxes": True, "halo": 0.015, "lumps": 0.8},
    "haloing": {"halo": 0.025},
    "tiring": {"miss": 0.1, "tiring": 0.6},
    "alarmed": {"alarms": 1.5, "lured": 0.4},
    "blind": {"miss": 0.6, "alarms": 0.1},
    "confused": {"confusion": 0.5, "wrong_kind": 0.3},
}


@dataclass(frozen=True)
class Truth:
    """The flaws: edit, kind (0, 1), flaw_type (code), shape and whether everybody tends to miss it, of each."""

    edit: np.ndarray
    kind: np.ndarray
    flaw_type: np.ndarray
    shapes: np.ndarray
    subtle: np.ndarray


@dataclass(frozen=True)
class Campaign:
    """What was drawn: a row for each drawing; `flaw` is the number of the flaw meant, -1 where there is none.

    `inspected`: (edit, person), each pair once. Flaw types are positions in `editfhf.flaws.FLAW_TYPES`, ten of a kind.
    """

    truth: Truth
    edit: np.ndarray
    person: np.ndarray
    kind: np.ndarray
    flaw_type: np.ndarray
    shapes: np.ndarray
    flaw: np.ndarray
    inspected: tuple[np.ndarray, np.ndarray]
    n_edits: int
    n_people: int


def make_hand(manner: str, rng: np.random.Generator) -> Hand:
    """A person of that manner; everybody is a little different."""
    hand = replace(Hand(), **MANNERS[manner])
    return replace(
        hand,
        miss=float(np.clip(hand.miss * rng.lognormal(0, 0.4), 0.02, 0.9)),
        alarms=hand.alarms * float(rng.lognormal(0, 0.5)),
        halo=max(-0.005, hand.halo + float(rng.normal(0, 0.003))),
        confusion=hand.confusion * float(rng.uniform(0.5, 1.5)),
    )


def make_campaign(
    seed: int,
    n_edits: int,
    each: int,
    manners: list[str],
    subtle: float = 0.3,
    flaws: float = 5.0,
) -> Campaign:
    """A campaign in which `each` of the people (one for each of `manners`) look at every edit.

    Args:
        subtle: share of the flaws that everybody tends to miss (each sees 35 % of what the person sees otherwise);
        flaws: of each edit, on average.
    """
    rng = np.random.default_rng(seed)
    hands = [make_hand(manner, rng) for manner in manners]
    truth = _truth(rng, n_edits, flaws, subtle)
    first = np.searchsorted(truth.edit, np.arange(n_edits + 1))
    rows, edits, people = [], [], []
    for edit in range(n_edits):
        flaws_here = range(first[edit], first[edit + 1])
        pieces = {flaw: _pieces(truth.shapes[flaw]) for flaw in flaws_here}
        lures = [(_blob(rng), int(rng.integers(2))) for _ in range(rng.poisson(0.5))]
        lure_types = [int(rng.integers(10)) for _ in lures]
        for person in rng.choice(len(hands), each, replace=False):
            hand = hands[person]
            edits.append(edit)
            people.append(person)
            miss = min(0.95, hand.miss + hand.tiring * edit / n_edits)
            for flaw in flaws_here:
                if rng.random() < (1 - miss) * (0.35 if truth.subtle[flaw] else 1.0):
                    kind, flaw_type = _call(hand, int(truth.kind[flaw]), int(truth.flaw_type[flaw]), rng)
                    lumped = len(pieces[flaw]) == 1 or rng.random() < hand.lumps
                    for shape in [truth.shapes[flaw]] if lumped else pieces[flaw]:
                        rows.append((edit, person, kind, flaw_type, _draw(hand, shape, rng), flaw))
            for (shape, kind), flaw_type in zip(lures, lure_types, strict=True):
                if rng.random() < hand.lured:
                    rows.append((edit, person, *_call(hand, kind, flaw_type, rng), _draw(hand, shape, rng), -1))
            for _ in range(rng.poisson(hand.alarms)):
                kind, flaw_type = int(rng.integers(2)), int(rng.integers(10))
                rows.append((edit, person, kind, 10 * kind + flaw_type, _draw(hand, _blob(rng), rng), -1))
    columns = [np.array(column) for column in list(zip(*rows, strict=True))[:4]]
    shapes = np.array([row[4] for row in rows], object)
    flaw = np.array([row[5] for row in rows])
    inspected = np.array(edits), np.array(people)
    return Campaign(truth, *columns, shapes, flaw, inspected, n_edits, len(hands))


def _truth(rng: np.random.Generator, n_edits: int, flaws: float, subtle: float) -> Truth:
    edit = np.repeat(np.arange(n_edits), rng.poisson(flaws, n_edits))
    kind = rng.integers(0, 2, len(edit))
    shapes = np.array([_blob(rng) if rng.random() < 0.8 else _hand_with_fingers(rng) for _ in edit], object)
    return Truth(edit, kind, 10 * kind + rng.integers(0, 10, len(edit)), shapes, rng.random(len(edit)) < subtle)


def _blob(rng: np.random.Generator) -> shapely.Polygon:
    """A smooth closed line."""
    angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    radius = np.exp(rng.normal(np.log(0.055), 0.45))
    wave = sum(rng.normal(0, 0.12 / n) * np.cos(n * angle + rng.uniform(0, 7)) for n in range(2, 5))
    stretch = np.exp(rng.normal(0, 0.3))
    outline = radius * (1 + wave) * np.stack([np.cos(angle) * stretch, np.sin(angle) / stretch])
    return _inside(shapely.Polygon((outline + rng.uniform(0.1, 0.9, (2, 1))).T))


def _hand_with_fingers(rng: np.random.Generator) -> shapely.Polygon:
    """Three strips side by side that touch in one place: a thing that may be drawn as one or as three."""
    x, y = rng.uniform(0.1, 0.7, 2)
    strips = [shapely.box(x + 0.05 * n, y, x + 0.05 * n + 0.04, y + rng.uniform(0.1, 0.16)) for n in range(3)]
    return _inside(shapely.union_all([*strips, shapely.box(x, y, x + 0.14, y + 0.02)]))


def _pieces(shape: shapely.Polygon) -> list[shapely.Polygon]:
    """What somebody may draw apart: the strips of a hand; anything else is one piece."""
    left, top, right, bottom = shape.bounds
    upper = shape.intersection(shapely.box(left, top + 0.021, right, bottom))
    parts = list(shapely.get_parts(upper))
    return parts if len(parts) == 3 else [shape]


def _draw(hand: Hand, shape: shapely.Polygon, rng: np.random.Generator) -> shapely.Polygon:
    drawn = shapely.box(*shape.bounds) if hand.boxes else shape
    drawn = drawn.buffer(hand.halo + rng.normal(0, 0.003), quad_segs=2)
    drawn = drawn.simplify(hand.coarse * rng.uniform(0.5, 1.5))
    points = shapely.get_coordinates(drawn.exterior if drawn.geom_type == "Polygon" else shape.exterior)[:-1]
    points = points + rng.normal(0, hand.jitter, 2) + rng.normal(0, hand.jitter / 3, points.shape)
    return _inside(shapely.Polygon(points), shape)


def _inside(shape: shapely.Polygon, otherwise: shapely.Polygon | None = None) -> shapely.Polygon:
    """The largest valid part within the image."""
    parts = shapely.get_parts(shapely.make_valid(shape).intersection(shapely.box(0, 0, 1, 1)))
    parts = parts[shapely.get_type_id(parts) == 3]
    if not len(parts):
        return otherwise if otherwise is not None else shapely.box(0.4, 0.4, 0.45, 0.45)
    return shapely.Polygon(parts[np.argmax(shapely.area(parts))].exterior)


def _call(hand: Hand, kind: int, flaw_type: int, rng: np.random.Generator) -> tuple[int, int]:
    if rng.random() < hand.wrong_kind:
        return 1 - kind, 10 * (1 - kind) + int(rng.integers(10))
    if rng.random() < hand.confusion:
        return kind, 10 * kind + int(rng.integers(10))
    return kind, 10 * kind + flaw_type % 10
