"""What calibration makes of a network whose errors are known: thresholds by counting, and each score's own error."""

import io
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.optimize import curve_fit

from editfhf.flaws import FLAW_TYPES
from editfhf.schema import DIMENSIONS, REGION_KINDS
from refiner.data import Sample
from refiner.lite import calibration
from refiner.lite.calibration import (
    FALSE_ALARMS,
    FEWEST_REPAIRS,
    SMALLEST_NOISE,
    TYPICAL_DISTANCE,
    _fitted,
    _pair_errors,
    _Pairs,
    _pairs_of_edits,
    _pairs_with_composites,
    _threshold,
    calibrate,
)
from refiner.lite.composites import Composite
from refiner.lite.network import Output
from refiner.lite.planes import NAMES, PLANE_SIDE
from refiner.lite.targets import UNMARKED, Target

ERRORS = np.array([3.0, -5.0, 1.0])  # of each dimension, points of 100
N_RATERS = 4
DEVIATIONS = np.array([4.0, 6.0, 10.0])  # of people's ratings: variances of the mean of 4, 9 and 25
Box = tuple[float, float, float, float]  # left, top, right, bottom, in 0..1
LEFT_TOP, RIGHT_TOP, LEFT_BOTTOM, RIGHT_BOTTOM = (
    (x, y, x + 0.2, y + 0.2) for y in (0.1, 0.6) for x in (0.1, 0.6)
)  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """Features of a pair, and what the network says of it."""

    planes: np.ndarray
    said: dict[str, np.ndarray]


def seen(lightness: float = 0.0, scores: object = 0.5, presence: object = 0.5, whole: float = 0.0, maps=None) -> Seen:
    """Two images whose `lightness` differs by d are ΔE d apart; everything that is said, as a share of 1."""
    planes = np.zeros((len(NAMES), 4, 4), np.float32)
    planes[0] = lightness / 50
    said = {
        "maps": np.zeros((2, PLANE_SIDE, PLANE_SIDE)) if maps is None else maps,
        "presence": np.broadcast_to(presence, 2),
        "scores": np.broadcast_to(scores, 3),
        "whole": np.full(len(FLAW_TYPES), whole),
    }
    return Seen(planes, said)


@pytest.fixture(autouse=True)
def _network_says_what_it_is_told(monkeypatch):
    def predict(_network, features):
        for number, one in enumerate(features):
            said = {
                name: torch.tensor(np.array(values), dtype=torch.float32)[None] for name, values in one.said.items()
            }
            logits = {name: torch.logit(said[name], eps=1e-6) for name in ("maps", "presence", "whole")}
            nothing = torch.zeros(1)
            yield slice(number, number + 1), Output(**logits, scores=said["scores"], cells=nothing, context=nothing)

    monkeypatch.setattr(calibration, "predict", predict)


def sample(group: str, told: np.ndarray, regions: tuple[dict, ...] = ()) -> Sample:
    grey = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(grey, "PNG")
    return Sample(
        "edit", group, b"", b"", "make it red", "color_change", "attribute", "model",
        dict(zip(DIMENSIONS, map(float, told), strict=True)), dict(zip(DIMENSIONS, DEVIATIONS, strict=True)),
        list(regions), dict.fromkeys(REGION_KINDS, grey.getvalue()), dict.fromkeys(DIMENSIONS, N_RATERS), 3,
    )  # fmt: skip


def region(kind: str, box: Box | None, support: int = 3) -> dict:
    flaw_type = next(flaw.id for flaw in FLAW_TYPES if flaw.kind == kind)
    polygon = [] if box is None else polygon_of(box)
    extent = "whole" if box is None else "region"
    return {
        "kind": kind, "flaw_type": flaw_type, "support": support, "extent": extent, "polygon": polygon,
        "description": f"a {kind}",
    }  # fmt: skip


def polygon_of(box: Box) -> list[list[list[float]]]:
    left, top, right, bottom = box
    return [[[left, top], [right, top], [right, bottom], [left, bottom]]]


def map_of(*boxes: tuple[Box, float]) -> np.ndarray:
    people = np.zeros((PLANE_SIDE, PLANE_SIDE), np.float32)
    for (left, top, right, bottom), value in boxes:
        rows = slice(round(top * PLANE_SIDE), round(bottom * PLANE_SIDE))
        people[rows, round(left * PLANE_SIDE) : round(right * PLANE_SIDE)] = value
    return people


def told_of(n: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(30, 70, (n, 3))


# Errors of scores and of differences


def test_each_score_has_its_own_error_and_no_pair_at_all_has_that_of_two():
    told = told_of(12)
    signs = np.where(np.arange(12) % 2, 1, -1)[:, None]
    validation = [sample(str(number), one) for number, one in enumerate(told)]
    features = [seen(scores=one / 100) for one in told + signs * ERRORS]
    found = calibrate(None, validation, features, validation, [], [])
    expected = {name: max(SMALLEST_NOISE, abs(error)) for name, error in zip(DIMENSIONS, ERRORS, strict=True)}
    assert found["std"] == pytest.approx(expected, rel=1e-4)
    floors = {name: np.sqrt(2) * abs(error) for name, error in zip(DIMENSIONS, ERRORS, strict=True)}
    floors["mean"] = np.mean(list(floors.values()))
    assert {name: one["floor"] for name, one in found["pair_error"].items()} == pytest.approx(floors, rel=1e-4)
    assert {one["growth"] for one in found["pair_error"].values()} == {0}


def test_the_error_of_two_edits_is_the_difference_of_theirs():
    groups = ["a", "b", "a", "c", "a"]
    told, errors = told_of(5), np.random.default_rng(1).normal(0, 9, (5, 3))
    samples = [sample(group, one) for group, one in zip(groups, told, strict=True)]
    features = [seen(lightness) for lightness in (0, 99, 3, 99, 10)]
    found = _pairs_of_edits(samples, features, told + errors, told)
    expected = {(0, 2): 3, (0, 4): 10, (2, 4): 7}
    np.testing.assert_allclose(found.errors, [errors[one] - errors[other] for one, other in expected])
    np.testing.assert_allclose(found.told, [2 * DEVIATIONS**2 / N_RATERS] * 3)
    np.testing.assert_allclose(found.distance, list(expected.values()), rtol=1e-6)


def composite(below: int, above: int, scores: np.ndarray, moved: float, doubt: np.ndarray) -> Composite:
    target = Target(
        UNMARKED, np.zeros(2, np.float32), scores / 100, np.zeros(len(FLAW_TYPES), np.float32), [], "a", 0.5
    )
    return Composite(below, above, None, target, moved, doubt / 100)


def test_the_error_of_a_repair_is_its_own_less_that_of_what_it_repairs():
    told, errors = told_of(3), np.random.default_rng(1).normal(0, 9, (3, 3))
    deviations = {0: DEVIATIONS, 1: 2 * DEVIATIONS, 2: 3 * DEVIATIONS}
    samples = [sample("a", one) for one in told]
    for number, one in enumerate(samples):
        one.deviations.update(zip(DIMENSIONS, deviations[number], strict=True))
    wanted, own = told_of(2) + 5, np.array([[1.0, 2.0, 4.0], [-8.0, 16.0, 32.0]])
    doubt = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    composites = [composite(0, 1, wanted[0], 0.25, doubt[0]), composite(2, 0, wanted[1], 1.0, doubt[1])]
    found = _pairs_with_composites(
        None, samples, [seen(0), seen(50), seen(10)], told + errors, told, composites,
        [seen(4, (one + error) / 100) for one, error in zip(wanted, own, strict=True)],
    )  # fmt: skip
    np.testing.assert_allclose(found.errors, own - errors[[0, 2]], atol=1e-4)
    variance = DEVIATIONS**2 / N_RATERS
    # A quarter of the other edit: a sixteenth of the variances of both (1 + 4). All of it: all of both (9 + 1).
    np.testing.assert_allclose(found.told, [variance * 5 / 16 - doubt[0] ** 2, variance * 10])
    np.testing.assert_allclose(found.distance, [4, 6], rtol=1e-6)


def test_errors_of_the_three_scores_are_told_apart_and_those_of_people_are_taken_out():
    # At two distances, where two numbers fit exactly.
    near, far, told = 2.0, 12.0, np.array([4.0, 9.0, 16.0])
    floor, growth = np.array([5.0, 6.0, 7.0]), np.array([1.0, 0.0, 2.0])
    distance = np.repeat([near, far], FEWEST_REPAIRS // 2)
    errors = np.sqrt(floor**2 + (growth * distance[:, None]) ** 2 + told)
    pairs = _Pairs(errors, np.tile(told, (len(distance), 1)), distance)
    found = _pair_errors(None, pairs, np.full(3, 30.0))
    for number, name in enumerate(DIMENSIONS):
        assert (found[name].floor, found[name].growth) == pytest.approx((floor[number], growth[number]), abs=1e-6)
    # The variance of the mean of three independent errors is a ninth of the sum of theirs.
    at_near, at_far = (errors[place].mean() ** 2 - told.sum() / 9 for place in (0, -1))
    assert found["mean"].at(near) == pytest.approx(np.sqrt(at_near))
    assert found["mean"].at(far) == pytest.approx(np.sqrt(at_far))


def test_pairs_far_apart_count_less_by_the_variance_that_they_have():
    random = np.random.default_rng(3)
    distance = random.uniform(0, 30, 60)
    errors, told = random.normal(0, np.hypot(6, 0.8 * distance)), random.uniform(0, 9, 60)
    told[7] = 1e6  # people scatter beyond all measure: that says no more than that the error is small
    squares = np.where(np.arange(60) == 7, -(SMALLEST_NOISE**2), np.maximum(errors**2 - told, -(SMALLEST_NOISE**2)))
    (floor, growth), _ = curve_fit(
        lambda d, floor, growth: floor + growth * d**2, distance, squares, sigma=distance**2 + TYPICAL_DISTANCE**2
    )
    found = _fitted(errors, told, distance)
    assert (found.floor**2, found.growth**2) == pytest.approx((floor, growth), rel=1e-4)


def test_no_score_is_known_better_than_to_the_smallest_noise():
    found = _fitted(np.zeros(30), np.zeros(30), np.arange(30.0))
    assert (found.floor, found.growth) == (SMALLEST_NOISE, 0)


# Thresholds


def gate_of(clean: np.ndarray, flawed: np.ndarray) -> float:
    """From which probability a flaw without a place is reported."""
    told = np.full(3, 50.0)
    validation = [sample(str(number), told) for number in range(len(clean))]
    validation += [sample("flawed", told, (region("artifact", None),)) for _ in flawed]
    features = [seen(whole=one) for one in (*clean, *flawed)]
    return calibrate(None, validation, features, validation[:1], [], [])["whole"]


@pytest.mark.parametrize("n_clean", [1, 19, 20, 39, 40])
def test_one_clean_edit_in_twenty_may_be_reported_and_no_lower_gate_keeps_to_that(n_clean):
    random = np.random.default_rng(n_clean)
    clean, flawed = random.uniform(0.1, 0.7, n_clean), random.uniform(0.1, 0.9, 12)
    gate = gate_of(clean, flawed)
    assert np.mean(clean >= gate) <= FALSE_ALARMS
    assert 0 < np.mean(flawed >= gate) < 1
    assert all(np.mean(clean >= one) > FALSE_ALARMS for one in flawed if one < gate)


def test_the_gate_lies_half_way_to_the_next_flaw():
    clean = np.arange(1, 41) / 100  # two of forty may be reported: 0.39 and 0.40
    assert gate_of(clean, np.array([0.2, 0.386, 0.9])) == pytest.approx((0.38 + 0.386) / 2, abs=1e-4)
    assert gate_of(clean, np.zeros(0)) == 1.0  # nothing to learn from
    assert gate_of(np.zeros(0), np.array([0.9])) == 0.5


def test_the_threshold_is_the_one_whose_regions_match_peoples_best():
    agreed = tuple(region("artifact", box) for box in (LEFT_TOP, RIGHT_TOP, LEFT_BOTTOM))
    samples = [
        sample("a", np.zeros(3), agreed),
        sample("b", np.zeros(3), (region("artifact", LEFT_TOP, support=1), region("editing_failure", RIGHT_TOP))),
        sample("c", np.zeros(3)),
    ]
    maps = [
        map_of((LEFT_TOP, 0.57), (RIGHT_TOP, 0.57), (LEFT_BOTTOM, 0.47), (RIGHT_BOTTOM, 0.47)),
        map_of((LEFT_TOP, 0.42), (RIGHT_TOP, 0.38)),  # one person of three, and another kind: found by mistake
        map_of((LEFT_TOP, 0.47), (RIGHT_BOTTOM, 0.47)),  # not shown: no mistake
    ]
    shown = np.array([True, True, False])
    # At 0.45: 3 right of 4 found and 3 wanted, F1 6/7; below, more mistakes; above, 2 of 2 found and 3 wanted, F1 4/5.
    assert _threshold(np.stack(maps), shown, samples, "artifact") == pytest.approx(0.45)


def test_thresholds_are_each_kinds_own():
    """Artifacts are seen surely and editing failures faintly; one flaw in four has no place."""
    artifact, failure = region("artifact", LEFT_TOP), region("editing_failure", RIGHT_BOTTOM)
    validation, features = [], []
    for number in range(16):
        has_artifact, has_failure, is_whole = number % 2 == 0, number % 4 < 2, number % 4 == 3
        regions = [artifact] * has_artifact + [failure] * has_failure
        regions += [region("artifact", None)] * is_whole
        maps = np.stack([
            map_of((LEFT_TOP, 0.62 * has_artifact), (RIGHT_TOP, 0.53)),
            map_of((RIGHT_BOTTOM, 0.32 * has_failure), (LEFT_BOTTOM, 0.23)),
        ])  # fmt: skip
        presence = (0.9 if has_artifact or is_whole else 0.7, 0.3 if has_failure else 0.1)
        validation.append(sample(str(number), np.full(3, 50.0), tuple(regions)))
        features.append(seen(presence=presence, whole=0.6 if is_whole else 0.2, maps=maps))
    found = calibrate(None, validation, features, validation[:1], [], [])
    assert found["presence"] == pytest.approx({"artifact": 0.8, "editing_failure": 0.2}, abs=1e-4)
    assert found["threshold"] == pytest.approx({"artifact": 0.55, "editing_failure": 0.25})
    assert found["whole"] == pytest.approx(0.4, abs=1e-4)
    assert {one["text"] for one in found["reasons"]} == {"a artifact", "a editing_failure"}


def test_the_error_of_a_difference_is_that_of_repairs_where_there_are_enough():
    told = np.full((2, 3), 50.0)
    validation = [sample("a", one) for one in told]
    for one in validation:
        one.deviations.update(dict.fromkeys(DIMENSIONS, 0.0))
    features = [seen(0, (one + error) / 100) for one, error in zip(told, (ERRORS, -ERRORS), strict=True)]
    own = np.array([10.0, 20.0, 30.0])
    for n, errors in ((FEWEST_REPAIRS, own - ERRORS), (FEWEST_REPAIRS - 1, 2 * ERRORS)):
        composites = [composite(0, 1, told[0], 0.5, np.zeros(3))] * n
        composed = [seen(0, (told[0] + own) / 100)] * n
        found = calibrate(None, validation, features, validation, composites, composed)["pair_error"]
        for number, name in enumerate(DIMENSIONS):
            assert found[name]["floor"] == pytest.approx(max(SMALLEST_NOISE, abs(errors[number])), rel=1e-3)
        assert found["mean"]["floor"] == pytest.approx(max(SMALLEST_NOISE, abs(errors.mean())), rel=1e-3)
