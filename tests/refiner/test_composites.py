"""Composites of two edits: what people said of both carries over, and the interval of a repair comes from them."""

import io
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from editfhf.flaws import FLAW_TYPES
from editfhf.schema import DIMENSIONS
from refiner.data import Sample
from refiner.lite.calibration import _fitted, _pair_errors, _Pairs, _presence_gate
from refiner.lite.composites import Composite, compose, partners, target_of, worth
from refiner.lite.expectation import expectations
from refiner.lite.features import FeatureCache, Look, Picture
from refiner.lite.planes import PLANE_SIDE
from refiner.lite.targets import CELL_SIDE, PARTS, Target
from tests.factories import photo

NO_COST = np.zeros((3, 2))
KINDS = [flaw.kind for flaw in FLAW_TYPES]
ARTIFACT, FAILURE = KINDS.index("artifact"), KINDS.index("editing_failure")
TOP = [[[0.1, 0.1], [0.6, 0.1], [0.6, 0.4], [0.1, 0.4]]]
BOTTOM = [[[0.2, 0.6], [0.9, 0.6], [0.9, 0.9], [0.2, 0.9]]]


def target(seed: int, regions: Sequence[tuple[slice, int, float]] = (), group: str = "a") -> Target:
    random = np.random.default_rng(seed)
    masks = []
    for rows, number, share in regions:
        mask = np.zeros((CELL_SIDE, CELL_SIDE), np.uint8)
        mask[rows, 5:20] = PARTS
        masks.append((mask, number, share))
    marked = random.integers(0, 256, (2, PLANE_SIDE, PLANE_SIDE)).astype(np.uint8)
    scores = random.uniform(0.2, 0.9, len(DIMENSIONS)).astype(np.float32)
    return Target(marked, np.zeros(2, np.float32), scores, np.zeros(len(FLAW_TYPES), np.float32), masks, group, 0.5)


@pytest.mark.parametrize("cost", [NO_COST, np.array([[0.4, 0.3], [0.6, 0.8], [0.1, 0.4]])])
def test_all_of_an_edit_is_that_edit_and_nothing_of_it_the_other(cost):
    first, second = target(1, [(slice(2, 9), ARTIFACT, 0.9)]), target(2, [(slice(2, 9), FAILURE, 0.9)])
    for share, same in ((0.0, first), (1.0, second)):
        part = np.full((PLANE_SIDE, PLANE_SIDE), share, np.float32)
        made = target_of(first, second, part, share, cost)
        np.testing.assert_array_equal(made.marked, same.marked)
        np.testing.assert_allclose(made.scores, same.scores, atol=1e-6)
        assert [number for _, number, _ in made.regions] == [number for _, number, _ in same.regions]
        assert made.presence.tolist() == [
            float(KINDS[made.regions[0][1]] == kind) for kind in ("artifact", "editing_failure")
        ]


def test_marks_are_of_the_one_outside_the_part_and_of_the_other_inside():
    first, second = target(1, [(slice(2, 9), ARTIFACT, 0.9), (slice(30, 38), ARTIFACT, 0.2)]), target(2)
    part = np.zeros((PLANE_SIDE, PLANE_SIDE), np.float32)
    part[: PLANE_SIDE // 2] = 1
    made = target_of(first, second, part, 0.5, NO_COST)
    np.testing.assert_array_equal(made.marked[:, : PLANE_SIDE // 2], second.marked[:, : PLANE_SIDE // 2])
    np.testing.assert_array_equal(made.marked[:, PLANE_SIDE // 2 :], first.marked[:, PLANE_SIDE // 2 :])
    # The flaw on which people agreed went with the part; one in five marked the other.
    assert len(made.regions) == 1
    assert not made.presence.any()


@pytest.mark.parametrize(("n_inspected", "support"), [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (8, 3), (8, 4)])
def test_a_flaw_is_there_by_the_same_rule_in_an_edit_and_in_a_composite(n_inspected, support):
    region = {
        "kind": "artifact", "flaw_type": FLAW_TYPES[ARTIFACT].id, "support": support, "extent": "region",
        "polygon": TOP,
    }  # fmt: skip
    grey = io.BytesIO()
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(grey, "PNG")
    maps = dict.fromkeys(("artifact", "editing_failure"), grey.getvalue())
    sample = Sample(
        "edit", "photo", b"", b"", "make the car red", "color_change", "attribute", "model",
        dict.fromkeys(DIMENSIONS, 50.0), dict.fromkeys(DIMENSIONS, 5.0), [region], maps, {}, n_inspected,
    )  # fmt: skip
    told = Target.of(sample)
    clean = target(2)
    everything = np.ones((PLANE_SIDE, PLANE_SIDE), np.float32)
    assert sample.is_present("artifact") == bool(told.presence[0])
    assert target_of(clean, told, everything, 1.0, NO_COST).presence.tolist() == told.presence.tolist()
    assert target_of(told, clean, 0 * everything, 0.0, NO_COST).presence.tolist() == told.presence.tolist()


@pytest.mark.parametrize(
    ("moved", "artifact_is_there", "failure_is_there"), [(0.0, 1, 0), (0.4, 1, 0), (0.5, 0, 1), (1.0, 0, 1)]
)
def test_a_flaw_without_a_place_stays_and_comes_with_the_share_of_the_difference_that_is_moved(
    moved, artifact_is_there, failure_is_there
):
    first, second = target(1), target(2)
    first.whole[ARTIFACT], second.whole[FAILURE] = 0.85, 1.0  # shares of people; from half of them on it is there
    made = target_of(first, second, np.full((PLANE_SIDE, PLANE_SIDE), moved, np.float32), moved, NO_COST)
    assert made.whole[ARTIFACT] == pytest.approx(0.85 * (1 - moved))
    assert made.whole[FAILURE] == pytest.approx(moved)
    assert made.presence.tolist() == [artifact_is_there, failure_is_there]
    assert not made.regions


@pytest.mark.parametrize(("level", "limit"), [(0.98, 1.0), (0.02, 0.0)])
def test_scores_stay_on_their_scale_whatever_marks_cost(level, limit):
    # The marks of one go or those of the other come, where the scores are at the end of the scale already.
    marked, clean = target(1), target(2)
    marked = replace(marked, marked=np.full_like(marked.marked, 255), scores=np.full(3, level, np.float32))
    clean = replace(clean, marked=np.zeros_like(clean.marked), scores=np.full(3, level, np.float32))
    first, second = (marked, clean) if limit else (clean, marked)
    everywhere = np.ones((PLANE_SIDE, PLANE_SIDE), np.float32)
    made = target_of(first, second, everywhere, 0.0, np.full((3, 2), 0.3))
    assert made.scores.tolist() == [limit] * 3


def test_a_flaw_that_goes_gives_back_what_it_costs():
    flawed, clean = target(1), target(2)
    flawed = replace(flawed, marked=np.full_like(flawed.marked, 255))
    clean = replace(clean, marked=np.zeros_like(clean.marked), scores=flawed.scores + np.float32(0.1))
    part = np.zeros((PLANE_SIDE, PLANE_SIDE), np.float32)
    part[: PLANE_SIDE // 4] = 1
    cost = np.array([[0.1, 0.0], [0.0, 0.1], [0.05, 0.05]])  # together: the very difference of the two
    made = target_of(flawed, clean, part, 0.0, cost)
    # √ of the three quarters that stay.
    np.testing.assert_allclose(made.scores - flawed.scores, 0.1 * (1 - np.sqrt(0.75)), atol=1e-6)


def test_what_marks_cost_is_found_again():
    random = np.random.default_rng(0)
    true = np.array([[0.5, 0.0], [0.2, 0.7], [0.0, 0.3]])
    told = []
    for number in range(60):
        one = target(number, group=str(number // 3))
        one = replace(one, marked=(one.marked * random.uniform(0, 1, (2, 1, 1))).astype(np.uint8))
        load = np.sqrt(one.maps.mean(axis=(1, 2)))
        level = 0.9 - 0.1 * (number // 3 % 4)  # photos differ, whatever their marks
        told.append(replace(one, scores=(level - true @ load).astype(np.float32)))
    np.testing.assert_allclose(worth(told), true, atol=0.01)
    assert not worth(told[:3]).any()  # too few pairs to tell


def test_partners_are_of_the_same_photo_and_instruction():
    assert partners(["a", "b", "a", "a", "c"]) == {0: [2, 3], 2: [0, 3], 3: [0, 2]}


def edits(side: int = 120) -> tuple[list[SimpleNamespace], list[Look], list[Target]]:
    pixels = photo(side, 0)
    others = [
        np.clip(pixels.astype(int) + 40, 0, 255).astype(np.uint8),
        np.clip(pixels.astype(int) - 40, 0, 255).astype(np.uint8),
    ]
    (told,) = expectations(["make the car red"])
    looks = [
        Look(Picture("photo", lambda: pixels), Picture(f"edit {n}", lambda one=one: one), told)
        for n, one in enumerate(others)
    ]
    samples = [SimpleNamespace(regions=[{"polygon": place, "extent": "region"}]) for place in (TOP, BOTTOM)]
    return samples, looks, [target(1), target(2)]


def test_the_image_is_of_one_edit_here_and_of_the_other_there(tmp_path):
    samples, looks, targets = edits()
    below, above = (look.edited.pixels() for look in looks)
    moved = []
    for seed in range(12):
        made = compose(samples, looks, targets, (0, 1), NO_COST, FeatureCache(tmp_path), seed)
        again = compose(samples, looks, targets, (0, 1), NO_COST, FeatureCache(tmp_path / "other"), seed)
        assert isinstance(made, Composite)
        image = made.look.edited.pixels()
        np.testing.assert_array_equal(image, again.look.edited.pixels())
        is_below, is_above = (image == below).all(axis=2), (image == above).all(axis=2)
        assert is_below.mean() > 0.02
        assert is_above.mean() > 0.02
        # Between the two lies a rim of a few pixels.
        assert (is_below | is_above).mean() > 0.75
        change = np.abs(below.astype(float) - above).sum(axis=2)
        assert made.moved == pytest.approx(float((change * is_above).sum() / change.sum()), abs=0.15)
        moved.append(made.moved)
    assert len(set(moved)) > 3


def test_edits_that_are_equal_or_of_other_sizes_make_no_composite(tmp_path):
    samples, looks, targets = edits()
    same = [looks[0], replace(looks[0], edited=replace(looks[0].edited, name="another file"))]
    assert compose(samples, same, targets, (0, 1), NO_COST, FeatureCache(tmp_path), 0) is None
    small = Picture("small", lambda: photo(60, 3))
    assert (
        compose(
            samples, [looks[0], replace(looks[1], edited=small)], targets, (0, 1), NO_COST, FeatureCache(tmp_path), 0
        )
        is None
    )


def pairs(n: int, floor: float, growth: float, seed: int) -> _Pairs:
    random = np.random.default_rng(seed)
    distance = random.uniform(0, 20, n)
    spread = np.hypot(floor, growth * distance)
    errors = random.normal(size=(n, 1)) * spread[:, None] * np.ones(3)
    return _Pairs(errors, np.zeros((n, 3)), distance)


def test_the_error_of_a_difference_is_found_again_and_repairs_count_where_there_are_enough():
    repairs, between = pairs(4000, 5.0, 1.2, 0), pairs(4000, 12.0, 0.5, 1)
    found = _pair_errors(lambda: between, repairs, np.full(3, 30.0))
    assert set(found) == {"mean", *DIMENSIONS}
    assert found["mean"].floor == pytest.approx(5.0, rel=0.15)
    assert found["mean"].growth == pytest.approx(1.2, rel=0.1)
    few = _pair_errors(lambda: between, pairs(5, 5.0, 1.2, 2), np.full(3, 30.0))
    assert few["mean"].floor == pytest.approx(12.0, rel=0.1)
    none = _pair_errors(lambda: pairs(0, 1, 1, 3), pairs(0, 1, 1, 4), np.array([20.0, 30.0, 40.0]))
    assert none["mean"].at(50) == 30


def test_what_people_scatter_is_not_the_networks_error():
    # Of one spread whatever the distance, and people's own beside it.
    random = np.random.default_rng(0)
    errors = random.normal(0, 10, 8000) + random.normal(0, 6, 8000)
    found = _fitted(errors, np.full(8000, 36.0), random.uniform(0, 20, 8000))
    assert found.at(5.0) == pytest.approx(10, rel=0.05)


def test_the_share_of_flaws_found_weighs_twice():
    class Said(SimpleNamespace):
        def is_present(self, _):
            return self.there

        def is_marked(self, _):
            return self.there

    seen = np.array([0.1, 0.2, 0.25, 0.3, 0.35, 0.5])
    samples = [Said(there=one) for one in (False, True, False, False, False, True)]
    # To find the flaw at 0.2 as well (half of the flaws) raises three false alarms of four: not worth it one to one.
    assert _presence_gate(seen, samples, "artifact") == pytest.approx(0.15)
