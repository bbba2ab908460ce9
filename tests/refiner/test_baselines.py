"""What needs no training, beside other implementations and what must hold whatever the images are."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data
from skimage.color import deltaE_cie76, rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from editfhf.flaws import flaw_types_of
from editfhf.schema import DIMENSIONS, REGION_KINDS
from generators.base import EditOutcome
from refiner import baselines
from refiner.agents import Pair, Scores
from refiner.data import Sample
from tests.factories import photo

ASKED = "make it brighter"


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return cv2.resize(data.astronaut(), (120, 96), interpolation=cv2.INTER_AREA)


def broken(image: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
    edited = image.copy()
    edited[rows, columns] = [255, 0, 255]
    return edited


def sample_with(*regions: tuple[str, str, int], n_people: int = 4) -> Sample:
    rows = [{"kind": kind, "flaw_type": flaw, "support": support} for kind, flaw, support in regions]
    return Sample("e", "s", b"", b"", ASKED, "t", "g", "m", {}, {}, rows, {}, {}, n_people)


@pytest.mark.parametrize("n_people", range(1, 7))
def test_a_flaw_that_people_agree_on_is_marked_and_its_edit_is_not_clean_however_few_looked(n_people):
    for support in range(1, n_people + 1):
        sample = sample_with(("artifact", "texture_noise", support), n_people=n_people)
        assert sample.is_present("artifact") == (support >= min(2, n_people) and 2 * support >= n_people)
        assert sample.is_marked("artifact") == (support >= min(2, n_people))
        assert sample.is_clean() == (not sample.is_marked("artifact"))
        assert not sample.is_present("editing_failure")
        assert not sample.is_marked("editing_failure")


@settings(max_examples=20)
@given(seed=st.integers(0, 99), strength=st.integers(0, 255))
def test_psnr_agrees_with_scikit_image(seed, strength):
    source = photo(32, seed)
    noise = np.random.default_rng(seed).integers(-strength, strength + 1, source.shape)
    edited = np.clip(source + noise, 0, 255).astype(np.uint8)
    pair = Pair(source, edited, ASKED)
    if np.array_equal(source, edited):
        assert baselines.psnr(pair) == baselines.IDENTICAL
    else:
        wanted = peak_signal_noise_ratio(pair.source, pair.edited, data_range=255)
        assert baselines.psnr(pair) == pytest.approx(min(wanted, baselines.IDENTICAL))


def test_ssim_is_the_one_of_wang_and_others_on_lightness(astronaut):
    edited = broken(astronaut, slice(20, 50), slice(30, 70))
    light = [rgb2lab(one)[..., 0] for one in (astronaut, edited)]
    _, whole = structural_similarity(
        *light, data_range=100, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    assert baselines.ssim(Pair(astronaut, edited, ASKED)) == pytest.approx(whole.mean(), abs=0.002)
    assert baselines.ssim(Pair(astronaut, astronaut, ASKED)) == pytest.approx(1)


def test_the_difference_map_is_delta_e_where_a_wide_area_changed(astronaut):
    edited = broken(astronaut, slice(20, 76), slice(20, 100))
    seen = baselines.difference_map(Pair(astronaut, edited, ASKED))
    wanted = cv2.GaussianBlur(deltaE_cie76(rgb2lab(astronaut), rgb2lab(edited)), (0, 0), 0.01 * np.hypot(120, 96))
    np.testing.assert_allclose(seen, wanted, atol=0.5)


@pytest.mark.parametrize("make", [baselines.difference_map, baselines.dissimilarity_map])
def test_maps_are_empty_for_equal_images_and_highest_where_they_differ(make, astronaut):
    assert make(Pair(astronaut, astronaut, ASKED)).max() == pytest.approx(0, abs=1e-4)
    seen = make(Pair(astronaut, broken(astronaut, slice(30, 50), slice(60, 90)), ASKED))
    assert seen.shape == astronaut.shape[:2]
    row, column = np.unravel_index(seen.argmax(), seen.shape)
    assert 28 <= row <= 52
    assert 58 <= column <= 92


def test_the_centre_prior_is_symmetric_and_follows_the_aspect():
    seen = baselines.centre_prior(Pair(np.zeros((40, 80, 3), np.uint8), np.zeros((40, 80, 3), np.uint8), ASKED))
    assert seen.shape == (40, 80)
    np.testing.assert_allclose(seen, seen[::-1, ::-1], rtol=1e-5)
    assert seen[20, 40] == seen.max()
    assert seen[20, 0] == pytest.approx(seen[0, 40], rel=0.1)


@pytest.mark.parametrize("measure", [baselines.psnr, baselines.ssim, baselines.feature_distance])
def test_every_measure_falls_when_an_image_is_blurred_more(measure, astronaut):
    values = [measure(Pair(astronaut, cv2.GaussianBlur(astronaut, (0, 0), s), ASKED)) for s in (0.6, 1.5, 4)]
    assert measure(Pair(astronaut, astronaut, ASKED)) > values[0] > values[1] > values[2]


@pytest.mark.parametrize("measure", [baselines.psnr, baselines.ssim, baselines.feature_distance])
@pytest.mark.parametrize("side", [(8, 5), (240, 192), (33, 70)])
def test_images_of_other_sizes_are_measured_too(measure, side, astronaut):
    assert np.isfinite(measure(Pair(astronaut, cv2.resize(astronaut, side), ASKED)))


def test_the_majority_type_is_what_half_of_the_people_agreed_on_most_often():
    samples = [
        sample_with(("artifact", "garbled_text", 2), ("editing_failure", "not_edited", 1)),
        sample_with(("artifact", "garbled_text", 4), ("artifact", "texture_noise", 4)),
        *[sample_with(("artifact", "color_bleed", 1))] * 5,
    ]
    assert baselines.majority_types(samples) == {
        "artifact": "garbled_text",
        "editing_failure": flaw_types_of("editing_failure")[0],
    }
    assert set(baselines.majority_types([])) == set(REGION_KINDS)


def test_restoring_the_source_brings_the_photo_back_in_the_frame_of_the_edit(astronaut):
    pair = Pair(astronaut, cv2.resize(astronaut, (60, 48)), ASKED)
    assert baselines.restore_source(pair).shape == (48, 60, 3)
    same = Pair(astronaut, broken(astronaut, slice(5), slice(5)), ASKED)
    np.testing.assert_array_equal(baselines.restore_source(same), astronaut)


class Painter:
    """Paints everything in the seed's grey, in another size; refuses odd seeds."""

    id, revision = "test/painter", "1"

    def edit(self, requests):
        assert [one.instruction for one in requests] == [ASKED]
        if requests[0].seed % 2:
            return [EditOutcome("refused", reason="odd")]
        return [EditOutcome("image", Image.new("RGB", (50, 40), (requests[0].seed,) * 3))]


def test_editing_again_leaves_out_what_was_refused_and_keeps_the_frame(astronaut):
    images = baselines.edit_again(Pair(astronaut, astronaut, ASKED), Painter(), [10, 11, 12])
    assert [(one.shape, int(one[0, 0, 0])) for one in images] == [((96, 120, 3), 10), ((96, 120, 3), 12)]


def test_the_best_of_several_is_the_evaluators_choice_and_the_edit_itself_may_be_it(astronaut):
    class LikesGrey:
        def __init__(self, grey):
            self.grey = grey

        def evaluate(self, pair):
            return Scores(dict.fromkeys(DIMENSIONS, -abs(float(pair.edited.mean()) - self.grey)), {})

    pair = Pair(astronaut, np.full_like(astronaut, 50), ASKED)
    candidates = [np.full_like(astronaut, grey) for grey in (20, 90)]
    assert baselines.best_of(pair, candidates, LikesGrey(95)).mean() == 90
    assert baselines.best_of(pair, candidates, LikesGrey(52)).mean() == 50
    assert baselines.best_of(pair, [], LikesGrey(95)).mean() == 50
