"""What a trained network's numbers mean: thresholds and errors, measured on the validation split."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from scipy.optimize import nnls

from editfhf.schema import DIMENSIONS, REGION_KINDS
from refiner.data import Sample
from refiner.lite.composites import Composite, pairs_of
from refiner.lite.features import PairFeatures
from refiner.lite.metrics import predict
from refiner.lite.network import LiteNetwork
from refiner.lite.planes import edit_distance
from refiner.lite.reasons import MOST_REASONS, Reason, reasons_of
from refiner.lite.regions import regions_of_map
from refiner.lite.targets import Target
from refiner.matching import match

FALSE_ALARMS = 0.05  # share of edits without a flaw that is everywhere that may be said to have one all the same
SENSITIVITY_WEIGHT = 2.0  # of the share of flaws found, that of clean edits left alone weighing 1: see `_presence_gate`
# Standard deviations: 84 % of a normal distribution lie above minus that; of candidates that are chosen for what is
# predicted, fewer. Chosen on a rehearsal's validation photos, with an editor that makes few flaws: of the levels tried
# about the lowest with which the loop harmed fewer than one flawed edit in twenty there.
HALF_WIDTH_STD = 1.0
MATCHED = 0.5  # intersection over union of a region that was found
THRESHOLDS = np.round(np.arange(0.1, 0.65, 0.05), 2)  # share of people, from which a pixel belongs to a region
SMALLEST_NOISE = 2.0  # points of 100: no score is known more finely
FEWEST_REPAIRS = 24  # composites, to fit two numbers to
TYPICAL_DISTANCE = 5.0  # ΔE, of an image before and after a repair


class PairError(BaseModel):
    """The error of a paired difference: √(floor² + (growth × distance)²), in points of 100."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    floor: float
    growth: float

    def at(self, distance: float) -> float:
        """ΔE between the two images (`planes.edit_distance`) → points of 100."""
        return float(np.hypot(self.floor, self.growth * distance))


class Calibration(BaseModel):
    """Stored as `calibration.json`.

    Attributes:
        presence: kind → the presence from which an image gets a map. threshold: kind → of regions on the map.
        whole: the probability from which a flaw without a place is reported.
        missing: flaw types of which people mostly said, where they marked no place, that something is missing; of the
            others they said that they are everywhere.
        std: dimension → standard deviation of the error of a score, in points of 100.
        pair_error: `mean` and dimension → the error of a paired difference, by `planes.edit_distance` of the images.
        reasons: people's words for flaws in the training split.
    """

    model_config = ConfigDict(extra="forbid")

    presence: dict[str, float]
    threshold: dict[str, float]
    whole: float
    missing: list[str]
    std: dict[str, float]
    pair_error: dict[str, PairError]
    reasons: list[Reason]


def calibrate(
    network: LiteNetwork,
    validation: Sequence[Sample],
    features: Sequence[PairFeatures],
    train: Sequence[Sample],
    composites: Sequence[Composite],
    composed: Sequence[PairFeatures],
) -> dict[str, Any]:
    """Thresholds and errors on the validation split, as JSON.

    Args:
        network: trained, with the weights that are kept.
        features, composed: of `validation`, and of `composites`, which are made of its edits.
        train: what people's words for flaws are taken from.
    """
    targets = [Target.of(one) for one in validation]
    maps, presence, scores, whole = [], [], [], []
    for _, output in predict(network, features):
        maps.append(torch.sigmoid(output.maps).numpy())
        presence.append(torch.sigmoid(output.presence).numpy())
        scores.append(output.scores.numpy() * 100)
        whole.append(torch.sigmoid(output.whole).numpy())
    seen = np.concatenate(presence)
    judged, told = np.concatenate(scores), 100 * np.stack([one.scores for one in targets])
    all_maps = np.concatenate(maps)
    gates = {kind: _presence_gate(seen[:, number], validation, kind) for number, kind in enumerate(REGION_KINDS)}
    return Calibration(
        presence=gates,
        threshold={
            kind: _threshold(all_maps[:, number], seen[:, number] >= gates[kind], validation, kind)
            for number, kind in enumerate(REGION_KINDS)
        },
        whole=_gate_without_place(
            np.concatenate(whole).max(axis=1), np.array([one.whole.max() >= 0.5 for one in targets], float)
        ),
        missing=_missing_types(train),
        std={
            name: float(max(SMALLEST_NOISE, np.sqrt(np.mean((judged[:, number] - told[:, number]) ** 2))))
            for number, name in enumerate(DIMENSIONS)
        },
        pair_error=_pair_errors(
            lambda: _pairs_of_edits(validation, features, judged, told),
            _pairs_with_composites(network, validation, features, judged, told, composites, composed),
            np.sqrt(2 * np.mean((judged - told) ** 2, axis=0)),
        ),
        reasons=reasons_of(train, MOST_REASONS),
    ).model_dump(mode="json")


def _missing_types(samples: Iterable[Sample]) -> list[str]:
    """The flaw types whose regions without a place are `missing` more often than `whole`."""
    balance: Counter[str] = Counter()
    for sample in samples:
        for region in sample.regions:
            if region["extent"] != "region":
                balance[region["flaw_type"]] += 1 if region["extent"] == "missing" else -1
    return sorted(name for name, surplus in balance.items() if surplus > 0)


def _presence_gate(seen: np.ndarray, samples: Sequence[Sample], kind: str) -> float:
    """The presence that parts edits on which people agree on a flaw from those on which no two people do.

    The threshold with the largest weighted sum of both shares that it gets right (Youden's index, Cancer 1950; here
    weighted, as what is not shown stays as it is, and a false alarm is looked at and left alone); half way between two
    edits. What one person in two marked is left out: neither is right there.
    """
    there = np.array([one.is_present(kind) for one in samples])
    absent = np.array([not one.is_marked(kind) for one in samples])
    if not (there.any() and absent.any()):
        return 0.5
    values = np.unique(seen)
    thresholds = np.concatenate([[0.0], (values[1:] + values[:-1]) / 2, [1.0]])
    found, left_alone = seen[there][:, None] >= thresholds, seen[absent][:, None] < thresholds
    right = SENSITIVITY_WEIGHT * found.mean(axis=0) + left_alone.mean(axis=0)
    return float(thresholds[int(np.argmax(right))])


def _gate_without_place(seen: np.ndarray, there: np.ndarray) -> float:
    """The lowest presence that says of no more than `FALSE_ALARMS` of the edits without a flaw that is everywhere, or
    of something missing, that they have one.

    Half way to the next edit with one, so that few edits do not draw the line too closely.
    """
    absent = np.sort(seen[there < 0.5])
    if not (there >= 0.5).any():  # nothing to learn from: nothing is reported
        return 1.0
    if not len(absent):
        return 0.5
    highest = float(absent[len(absent) - 1 - int(FALSE_ALARMS * len(absent))])
    above = seen[(there >= 0.5) & (seen > highest)]
    return (highest + float(above.min())) / 2 if len(above) else float(np.nextafter(highest, np.inf))


def _threshold(maps: np.ndarray, shown: np.ndarray, samples: Sequence[Sample], kind: str) -> float:
    """The threshold on the maps whose regions match people's best: F1 at an intersection over union of 0.5."""
    best, chosen = -1.0, float(THRESHOLDS[len(THRESHOLDS) // 2])
    for threshold in THRESHOLDS:
        right = found = wanted = 0
        for map_, is_shown, sample in zip(maps, shown, samples, strict=True):
            people = [
                region["polygon"] for region in sample.agreed_regions(kind) if region["extent"] == "region"
            ]  # fmt: skip
            mine = [polygon for polygon, _ in regions_of_map(map_, float(threshold))] if is_shown else []
            right += len(match(mine, people, MATCHED))
            found, wanted = found + len(mine), wanted + len(people)
        f1 = 2 * right / max(1, found + wanted)
        if f1 > best:
            best, chosen = f1, float(threshold)
    return chosen


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Two images each of one photo and instruction.

    Attributes:
        errors: shape (n, 3), points of 100: predicted minus told difference of each dimension.
        told: shape (n, 3), points²: variance of the told difference that is no error of the prediction (people's own
            scatter) minus such that the prediction shares with it (a composite's doubt).
        distance: shape (n,), ΔE, see `planes.edit_distance`.
    """

    errors: np.ndarray
    told: np.ndarray
    distance: np.ndarray


def _pairs_of_edits(
    samples: Sequence[Sample], features: Sequence[PairFeatures], judged: np.ndarray, told: np.ndarray
) -> _Pairs:
    pairs = pairs_of([one.group for one in samples])
    left, right = np.array(pairs, int).reshape(-1, 2).T
    variance = _variance_of_people(samples)
    distance = [edit_distance(features[i].planes, features[j].planes) for i, j in pairs]
    errors = (judged[left] - judged[right]) - (told[left] - told[right])
    return _Pairs(errors, variance[left] + variance[right], np.array(distance))


def _pairs_with_composites(
    network: LiteNetwork,
    samples: Sequence[Sample],
    features: Sequence[PairFeatures],
    judged: np.ndarray,
    told: np.ndarray,
    composites: Sequence[Composite],
    composed: Sequence[PairFeatures],
) -> _Pairs:
    """Each composite beside the edit under its part: as a repair that did the edit again beside what it repairs."""
    below, above = (np.array([getattr(one, side) for one in composites], int) for side in ("below", "above"))
    if not len(composites):
        return _Pairs(np.zeros((0, len(DIMENSIONS))), np.zeros((0, len(DIMENSIONS))), np.zeros(0))
    scores = 100 * np.concatenate([output.scores.numpy() for _, output in predict(network, composed)])
    wanted = 100 * np.stack([one.target.scores for one in composites])
    moved = np.array([[one.moved] for one in composites])
    variance = _variance_of_people(samples)
    distance = [edit_distance(seen.planes, features[one].planes) for seen, one in zip(composed, below, strict=True)]
    errors = (scores - judged[below]) - (wanted - told[below])
    # The network learned from labels made in the same way: their doubt is not in its errors, and is put there.
    doubt = 100 * np.stack([one.doubt for one in composites])
    return _Pairs(errors, moved**2 * (variance[below] + variance[above]) - doubt**2, np.array(distance))


def _variance_of_people(samples: Sequence[Sample]) -> np.ndarray:
    return np.array([[sample.variance_of_mean(name) for name in DIMENSIONS] for sample in samples])


def _pair_errors(edits: Callable[[], _Pairs], repairs: _Pairs, spread: np.ndarray) -> dict[str, PairError]:
    """How far the difference of two images' scores may be off, given how different the two look.

    The model: variance of the error = people's own scatter + floor² + (growth × distance)², by non-negative least
    squares. Over composites, nearest to repairs of all that people judged, where there are enough; else over pairs of
    edits. A repair by inpainting is like neither.

    Args:
        spread: shape (3,), points of 100: the error of two scores that have nothing in common; used where there is no
            pair at all.
    """
    pairs = repairs if len(repairs.distance) >= FEWEST_REPAIRS else edits()
    if not len(pairs.distance):
        floors = {"mean": float(spread.mean()), **dict(zip(DIMENSIONS, map(float, spread), strict=True))}
        return {name: PairError(floor=floor, growth=0.0) for name, floor in floors.items()}
    # People's errors in three dimensions are taken for independent.
    found = {"mean": _fitted(pairs.errors.mean(axis=1), pairs.told.sum(axis=1) / 9, pairs.distance)}
    for number, name in enumerate(DIMENSIONS):
        found[name] = _fitted(pairs.errors[:, number], pairs.told[:, number], pairs.distance)
    return found


def _fitted(errors: np.ndarray, told: np.ndarray, distance: np.ndarray) -> PairError:
    # Pairs far apart scatter more: they count less, or they would decide alone how near ones are taken.
    weight = 1 / (distance**2 + TYPICAL_DISTANCE**2)
    above = np.maximum(errors**2 - told, -(SMALLEST_NOISE**2))
    design = np.stack([np.ones_like(distance), distance**2], axis=1)
    solved, _ = nnls(design * weight[:, None], above * weight)
    floor, growth = np.sqrt(solved)
    return PairError(floor=float(max(floor, SMALLEST_NOISE)), growth=float(growth))
