import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from editfhf.oracle import Truth
from editfhf.true_quality import true_quality


def scene() -> np.ndarray:
    """A picture with edges, texture and colour."""
    rng = np.random.default_rng(0)
    grid = rng.integers(40, 215, (12, 16, 3)).astype(np.uint8)
    smooth = cv2.resize(grid, (160, 120), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth + rng.normal(0, 8, smooth.shape), 0, 255).astype(np.uint8)


def local_truth() -> Truth:
    """A square painted green; all else had to stay."""
    before = scene()
    flawless = before.copy()
    flawless[40:80, 50:100] = [46, 142, 62]
    keep = np.ones(before.shape[:2], bool)
    keep[38:82, 48:102] = False
    return Truth(flawless, keep, before)


def global_truth() -> Truth:
    before = scene()
    return Truth((before * 0.5).astype(np.uint8), np.zeros(before.shape[:2], bool), before)


TRUTHS = [pytest.param(local_truth(), id="local"), pytest.param(global_truth(), id="global")]


@pytest.mark.parametrize("truth", TRUTHS)
def test_the_flawless_edit_has_100_in_each_dimension(truth):
    assert list(true_quality(truth.flawless, truth).values()) == pytest.approx([100, 100, 100])


@pytest.mark.parametrize("truth", TRUTHS)
def test_the_untouched_photo_is_fine_but_follows_no_instruction(truth):
    assert list(true_quality(truth.before, truth).values()) == pytest.approx([100, 0, 100])


def test_noise_in_the_edit_is_ugly_and_leaves_the_rest_consistent():
    truth = local_truth()
    noisy = truth.flawless.copy()
    noise = np.random.default_rng(1).integers(-90, 91, (20, 25, 3))
    noisy[50:70, 60:85] = np.clip(noisy[50:70, 60:85].astype(int) + noise, 0, 255)
    quality = true_quality(noisy, truth)
    assert quality["perceptual_quality"] < 90
    assert quality["visual_consistency"] > 99
    assert 40 < quality["instruction_following"] < 95


def test_a_clean_other_colour_is_wrong_but_less_ugly_than_noise():
    truth = local_truth()
    red = truth.flawless.copy()
    red[40:80, 50:100] = [200, 32, 38]
    noisy = truth.flawless.copy()
    noisy[40:80, 50:100] = np.random.default_rng(1).integers(0, 256, (40, 50, 3))
    assert true_quality(red, truth)["instruction_following"] < 15
    assert true_quality(red, truth)["perceptual_quality"] > true_quality(noisy, truth)["perceptual_quality"] + 10


def test_a_change_elsewhere_costs_consistency_but_not_the_following_of_the_instruction():
    truth = local_truth()
    strayed = truth.flawless.copy()
    strayed[90:115, 5:40] = 255 - strayed[90:115, 5:40]
    quality = true_quality(strayed, truth)
    assert quality["visual_consistency"] < 85
    assert quality["instruction_following"] > 99


def test_where_nothing_had_to_stay_structure_is_what_must():
    truth = global_truth()
    other_tone = np.clip(truth.flawless.astype(int) + np.array([30, 5, 0]), 0, 255).astype(np.uint8)
    flat = np.full_like(truth.flawless, 90)
    assert true_quality(other_tone, truth)["visual_consistency"] > 95
    assert true_quality(flat, truth)["visual_consistency"] < 60


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_an_edit_nearer_to_the_flawless_one_follows_better(one, other):
    truth = local_truth()
    less, more = sorted((one, other))

    def followed(share: float) -> float:
        mixed = truth.before + share * (truth.flawless.astype(float) - truth.before)
        return true_quality(np.round(mixed).astype(np.uint8), truth)["instruction_following"]

    assert followed(less) <= followed(more) + 0.5


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_score_lies_between_0_and_100(seed):
    picture = np.random.default_rng(seed).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    for truth in (local_truth(), global_truth()):
        assert all(0 <= score <= 100 for score in true_quality(picture, truth).values())


def test_an_image_of_another_size_is_compared_in_the_frame_of_the_truth():
    truth = local_truth()
    larger = cv2.resize(truth.flawless, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    assert list(true_quality(larger, truth).values()) == pytest.approx([100, 100, 100], abs=1)


def test_what_is_no_picture_is_refused():
    with pytest.raises(ValueError, match="uint8"):
        true_quality(np.zeros((8, 8)), local_truth())
