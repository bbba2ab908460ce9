"""Edits that nobody made: one edit with a part of another of the same photo and instruction, as when a repair does
again what was asked.

What people said of both carries over. Their marks outside the part are those of the one, inside those of the other
(CutMix; Yun et al., ICCV 2019); what the cut itself spoils, nobody marked. The scores lose what the marks cost that
come, and gain what those cost that go (`worth`); of what marks do not explain, they have as much from the other edit as
of the difference between the two lies in the part. With the whole of the other edit they are that edit's very scores;
in between they are a guess, and `Composite.doubt` says how good a one.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from scipy.optimize import nnls

from editfhf.geometry import rasterise
from editfhf.schema import DIMENSIONS, REGION_KINDS, Polygon
from refiner.data import Sample
from refiner.lite.features import FeatureCache, Look, Picture, hash_of
from refiner.lite.parts import random_box, share_in, with_soft_rim
from refiner.lite.planes import PLANE_SIDE
from refiner.lite.repair import composite
from refiner.lite.targets import CELL_SIDE, PARTS, Target
from refiner.lite.terms import KIND_OF_TYPE

GROWN = 0.02  # of the diagonal: people cut a flaw's rim off
SOFT = 0.006  # of the diagonal: σ of the part's rim
SMALLEST, LARGEST = 0.002, 0.98  # of the image: a smaller part is no part, of a larger one nothing is left around it
INSIDE = 0.5  # of a region's cells: with more of it the region goes with the part
AROUND_OWN, AROUND_OTHERS = 0.5, 0.25  # share of parts around flaws of the one edit, and of the other; else a box
ALL_FLAWS = 0.5  # share of those parts that take all flaws in, not some
MOST_SOME = 3  # flaws
BOX = (0.25, 0.8)  # of each side
# All that a part is drawn by: what is kept on disk goes by it.
RECIPE = (GROWN, SOFT, SMALLEST, LARGEST, AROUND_OWN, AROUND_OTHERS, ALL_FLAWS, MOST_SOME, BOX)
FEWEST_PAIRS = 12  # of edits, to tell by what marks cost
PartOf = Callable[[int, int], np.ndarray]  # height, width → float32, shape (height, width), 0..1


@dataclass(frozen=True, slots=True)
class Composite:
    """An edit with a part of another.

    Attributes:
        below: the number of the edit that is under the part; above: of the one that the part is of.
        moved: the share of the difference between both edits that lies in the part, 0..1.
        doubt: shape (3,), the standard deviation of the target's scores, of 0..1: as if what marks do not explain were
            of one place, which lies in the part with the probability `moved`.
    """

    below: int
    above: int
    look: Look
    target: Target
    moved: float
    doubt: np.ndarray


def pairs_of(groups: Sequence[str]) -> list[tuple[int, int]]:
    """The numbers of any two edits of one photo and instruction, the lower first."""
    members = defaultdict(list)
    for number, group in enumerate(groups):
        members[group].append(number)
    return [pair for some in members.values() for pair in combinations(some, 2)]


def partners(groups: Sequence[str]) -> dict[int, list[int]]:
    """Number of an edit → the others of its photo and instruction."""
    found = defaultdict(list)
    for one, other in pairs_of(groups):
        found[one].append(other)
        found[other].append(one)
    return {number: sorted(others) for number, others in found.items()}


def worth(targets: Sequence[Target]) -> np.ndarray:
    """What marks cost: float64, shape (3, 2), ≥ 0, scores of 0..1 for each unit of √(mean of a kind's map).

    By non-negative least squares over the differences of edits of one photo and instruction. The root, since a small
    flaw costs more than its area; simulated people rate by a truth that pools by the same root, so in a rehearsal it is
    right by construction.
    """
    pairs = pairs_of([one.group for one in targets])
    if len(pairs) < FEWEST_PAIRS:
        return np.zeros((len(DIMENSIONS), len(REGION_KINDS)))
    below, above = np.array(pairs).T
    load = np.stack([_load(one.maps) for one in targets])
    scores = np.stack([one.scores for one in targets])
    return np.stack(
        [nnls(load[below] - load[above], scores[above, n] - scores[below, n])[0] for n in range(len(DIMENSIONS))]
    )


def compose(
    samples: Sequence[Sample],
    looks: Sequence[Look],
    targets: Sequence[Target],
    pair: tuple[int, int],
    cost: np.ndarray,
    cache: FeatureCache,
    seed: int,
) -> Composite | None:
    """The composite of two edits of one photo and instruction; its features are in the cache then.

    The part is the same for the same images, marks and seed. None where the two are not of one size or equal, or the
    part is too small or too large.

    Args:
        samples, looks, targets: of all edits, by number.
        pair: numbers of the edit below, and of the one that a part is taken from.
        cost: see `worth`.
        cache: keeps the part, too.
        seed: of what the part is drawn by.
    """
    below, above = pair
    one, other = looks[below], looks[above]
    flaws = [[region["polygon"] for region in samples[n].regions if region["extent"] == "region"] for n in pair]
    name = hash_of("composite", RECIPE, one.edited.name, other.edited.name, flaws, seed)

    def part(height: int, width: int) -> np.ndarray:
        return _part(flaws[0], flaws[1], height, width, np.random.default_rng(int(name, 16)))

    def mixed() -> np.ndarray:
        first = one.edited.pixels()
        return composite(first, other.edited.pixels(), part(*first.shape[:2]))

    def measured() -> dict[str, np.ndarray]:
        moved, small = _measure(one.edited.pixels(), other.edited.pixels(), part)
        return {"moved": np.array([moved]), "part": small}

    known = cache.kept(f"{name}-part", measured)
    moved = float(known["moved"][0])
    if np.isnan(moved):
        return None
    look = Look(one.source, Picture(name, mixed), one.expectation)
    cache.prepare(look)
    target = target_of(targets[below], targets[above], known["part"], moved, cost)
    left, right = (unexplained(targets[number], cost) for number in pair)
    return Composite(below, above, look, target, moved, np.abs(right - left) * np.sqrt(moved * (1 - moved)))


def target_of(first: Target, second: Target, part: np.ndarray, moved: float, cost: np.ndarray) -> Target:
    """What people would say of `first` with a part of `second`.

    Args:
        part: float32, shape (PLANE_SIDE, PLANE_SIDE), 0..1. moved: see `Composite`. cost: see `worth`.
    """
    maps = first.maps * (1 - part) + second.maps * part
    scores = (1 - moved) * unexplained(first, cost) + moved * unexplained(second, cost) - cost @ _load(maps)
    cells = cv2.resize(part, (CELL_SIDE, CELL_SIDE), interpolation=cv2.INTER_AREA)
    stay, come = list(_mostly_in(first, 1 - cells)), list(_mostly_in(second, cells))
    whole = (1 - moved) * first.whole + moved * second.whole
    agreed_share = max(first.agreed_share, second.agreed_share)
    types = [
        *(number for _, number, share in stay if share >= first.agreed_share),
        *(number for _, number, share in come if share >= second.agreed_share),
        *np.flatnonzero(whole >= agreed_share),
    ]
    kinds = {int(KIND_OF_TYPE[number]) for number in types}
    presence = np.array([kind in kinds for kind in range(len(REGION_KINDS))], np.float32)
    return Target(
        np.rint(255 * maps).astype(np.uint8),
        presence,
        np.clip(scores, 0, 1).astype(np.float32),
        whole.astype(np.float32),
        [*stay, *come],
        first.group,
        agreed_share,
    )


def unexplained(target: Target, cost: np.ndarray) -> np.ndarray:
    """What the scores would be without marks: shape (3,), about 0..1."""
    return np.asarray(target.scores + cost @ _load(target.maps))


def _load(maps: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(maps.reshape(len(maps), -1).mean(axis=1)))


def _mostly_in(target: Target, cells: np.ndarray) -> Iterator[tuple[np.ndarray, int, float]]:
    for mask, number, share in target.regions:
        covered = mask.astype(np.float32) / PARTS
        if float((covered * cells).sum()) > INSIDE * float(covered.sum()):
            yield mask, number, share


def _measure(first: np.ndarray, second: np.ndarray, part: PartOf) -> tuple[float, np.ndarray]:
    """Which share of the two edits' difference lies in the part (NaN: no composite), and the part on the maps' grid."""
    nothing = np.zeros((PLANE_SIDE, PLANE_SIDE), np.float32)
    if first.shape != second.shape:
        return float("nan"), nothing
    alpha = part(*first.shape[:2])
    if np.array_equal(first, second) or not SMALLEST < alpha.mean() < LARGEST:
        return float("nan"), nothing
    small = np.clip(cv2.resize(alpha, (PLANE_SIDE, PLANE_SIDE), interpolation=cv2.INTER_AREA), 0, 1)
    return share_in(alpha, first, second), small


def _part(
    own: Sequence[Polygon], others: Sequence[Polygon], height: int, width: int, random: np.random.Generator
) -> np.ndarray:
    """Around flaws of the one edit (a repair) or of the other (the harm that one may do), or a random box, with a soft
    rim: float32, shape (height, width), 0..1."""
    choice = random.random()
    around = own if choice < AROUND_OWN else others if choice < AROUND_OWN + AROUND_OTHERS else ()
    if around:
        mask = np.zeros((height, width), np.float32)
        some = len(around) if random.random() < ALL_FLAWS else 1 + int(random.integers(min(MOST_SOME, len(around))))
        for number in random.permutation(len(around))[:some]:
            mask[rasterise(around[number], width, height)] = 1
        side = 2 * int(GROWN * float(np.hypot(height, width))) + 1
        mask = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    else:
        mask = random_box(height, width, BOX, random)
    return with_soft_rim(mask, SOFT)
