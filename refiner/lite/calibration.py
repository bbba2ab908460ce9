"""What a trained network's numbers mean: thresholds and errors, measured on the validation split."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict

from editfhf.schema import DIMENSIONS, REGION_KINDS
from refiner.data import Sample
from refiner.lite.features import PairFeatures
from refiner.lite.metrics import predict
from refiner.lite.network import LiteNetwork
from refiner.lite.planes import edit_distance
from refiner.lite.reasons import Reason, reasons_of
from refiner.lite.regions import regions_of_map
from refiner.lite.targets import Target

FALSE_ALARMS = 0.05  # share of edits without a flaw of a kind that may get a map of it all the same
CONFIDENCE = 1.28  # standard deviations: 90 % of a normal distribution lie above minus that
MATCHED = 0.5  # intersection over union of a region that was found
THRESHOLDS = np.round(np.arange(0.1, 0.65, 0.05), 2)  # share of people, from which a pixel belongs to a region
SMALLEST_NOISE = 2.0  # points of 100: no score is known more finely
LEAST_PAIR_ERROR = 0.05  # points for each unit of distance
TYPICAL_DISTANCE = 10.0  # of two edits of one photo
MOST_REASONS = 400  # kept of the training split for retrieval


class Calibration(BaseModel):
    """Stored as `calibration.json`.

    Attributes:
        presence: kind → the presence from which an image gets a map. threshold: kind → of regions on the map.
        whole: the probability from which a flaw without a place is reported.
        std: dimension → standard deviation of the error of a score, in points of 100.
        pair_error: `mean` and dimension → how fast the error of a paired difference grows, in points of 100 for each
            unit of `planes.edit_distance` between the two images.
        reasons: people's words for flaws in the training split.
    """

    model_config = ConfigDict(extra="forbid")

    presence: dict[str, float]
    threshold: dict[str, float]
    whole: float
    std: dict[str, float]
    pair_error: dict[str, float]
    reasons: list[Reason]


def calibrate(
    network: LiteNetwork, validation: Sequence[Sample], features: Sequence[PairFeatures], train: Sequence[Sample]
) -> dict[str, Any]:
    """Thresholds and errors on the validation split, as JSON."""
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
    # Empty maps are for edits on which nobody marked anything of that kind.
    marked = np.array([[one.is_marked(kind) for kind in REGION_KINDS] for one in validation], float)
    gates = {kind: _gate(seen[:, number], marked[:, number]) for number, kind in enumerate(REGION_KINDS)}
    return Calibration(
        presence=gates,
        threshold={
            kind: _threshold(all_maps[:, number], seen[:, number] >= gates[kind], validation, kind)
            for number, kind in enumerate(REGION_KINDS)
        },
        whole=_gate(np.concatenate(whole).max(axis=1), np.array([one.whole.max() >= 0.5 for one in targets], float)),
        std={
            name: float(max(SMALLEST_NOISE, np.sqrt(np.mean((judged[:, number] - told[:, number]) ** 2))))
            for number, name in enumerate(DIMENSIONS)
        },
        pair_error=_pair_error(validation, features, judged, told),
        reasons=reasons_of(train, MOST_REASONS),
    ).model_dump(mode="json")


def _gate(seen: np.ndarray, there: np.ndarray) -> float:
    """The lowest presence that raises a false alarm on no more than `FALSE_ALARMS` of the edits without a flaw.

    Half way to the next edit with one, so that few edits do not draw the line too closely.
    """
    absent = np.sort(seen[there < 0.5])
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
                region["polygon"]
                for region in sample.regions
                if region["kind"] == kind and region["extent"] == "region"
                and region["support"] >= 0.5 * max(1, sample.n_people)
            ]  # fmt: skip
            mine = [polygon for polygon, _ in regions_of_map(map_, float(threshold))] if is_shown else []
            right += n_matched(mine, people)
            found, wanted = found + len(mine), wanted + len(people)
        f1 = 2 * right / max(1, found + wanted)
        if f1 > best:
            best, chosen = f1, float(threshold)
    return chosen


def n_matched(found: Sequence[Any], wanted: Sequence[Any]) -> int:
    """How many polygons of one list match one of the other, each used once, the best pairs first."""
    from refiner.matching import match

    return len(match(found, wanted, MATCHED))


def _pair_error(
    samples: Sequence[Sample], features: Sequence[PairFeatures], judged: np.ndarray, told: np.ndarray
) -> dict[str, float]:
    """How fast the error of the difference of two edits' scores grows with how different the two images are.

    Edits of one photo by one instruction differ in their flaws, as an image before and after a repair does; two that
    hardly differ are hardly misjudged against each other. The model: variance of the error = people's own scatter +
    (k × distance)²; k by moments over the pairs of the validation split.
    """
    groups = defaultdict(list)
    for number, sample in enumerate(samples):
        groups[sample.group].append(number)
    pairs = [pair for group in groups.values() for pair in combinations(group, 2)]
    if not pairs:  # as far apart as any two edits may be
        spread = np.sqrt(2 * np.mean((judged - told) ** 2, axis=0)) / TYPICAL_DISTANCE
        return {"mean": float(spread.mean()), **dict(zip(DIMENSIONS, map(float, spread), strict=True))}
    left, right = (np.array(side) for side in zip(*pairs, strict=True))
    distance = np.array([edit_distance(features[i].planes, features[j].planes) for i, j in pairs])
    errors = (judged[left] - judged[right]) - (told[left] - told[right])
    variance = np.array([[sample.variance_of_mean(name) for name in DIMENSIONS] for sample in samples])
    people = variance[left] + variance[right]
    found = {"mean": _growth(errors.mean(axis=1), people.sum(axis=1) / 9, distance)}
    for number, name in enumerate(DIMENSIONS):
        found[name] = _growth(errors[:, number], people[:, number], distance)
    return found


def _growth(errors: np.ndarray, people: np.ndarray, distance: np.ndarray) -> float:
    """The k of `_pair_error`, for one score. People's errors in three dimensions are taken for independent."""
    above = ((errors**2 - people) * distance**2).sum() / max(float((distance**4).sum()), 1e-9)
    return float(max(LEAST_PAIR_ERROR, np.sqrt(max(above, 0.0))))
