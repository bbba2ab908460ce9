"""What a worker believes of an image: a frame that a safety filter blanked is a refusal, a dark picture is not."""

import numpy as np
import pytest
from PIL import Image

from generators.base import EditOutcome, EditRequest
from generators.worker import checked
from tests.factories import photo


def one_colour(*rgb: int, noise: int = 0, side: int = 96) -> np.ndarray:
    """A frame of one colour, every channel of every pixel off by up to `noise`; uint8, side × side × 3."""
    off = np.random.default_rng(7).integers(-noise, noise, (side, side, 3), endpoint=True)
    return np.clip(np.array(rgb) + off, 0, 255).astype(np.uint8)


def judged(edit: np.ndarray, source: np.ndarray) -> EditOutcome:
    """What the worker makes of an edit of a photo."""
    request = EditRequest("e" * 16, Image.fromarray(source), "make it night", "style_transfer", 0, {})
    return checked(EditOutcome("image", Image.fromarray(edit), cost_usd=0.04), request)


@pytest.mark.parametrize("noise", [0, 1])
@pytest.mark.parametrize("side", [64, 1000])
@pytest.mark.parametrize("rgb", [(0, 0, 0), (255, 255, 255), (128, 128, 128), (200, 30, 90), (0, 0, 255)])
def test_a_frame_of_one_colour_is_a_refusal_whatever_the_colour(rgb, side, noise):
    """Filters blank an image to black, white, grey or a colour of their house, and a codec adds its noise."""
    outcome = judged(one_colour(*rgb, noise=noise, side=side), photo(96, seed=1))
    assert (outcome.status, outcome.image, outcome.cost_usd) == ("refused", None, 0.04)
    if not noise:
        assert outcome.reason.startswith(f"The image is one colour throughout (RGB {', '.join(map(str, rgb))})")


@pytest.mark.parametrize("noise", [0, 1])
@pytest.mark.parametrize("edit", [(0, 0, 0), (128, 128, 128), (200, 30, 90)])
def test_the_edit_of_a_photo_of_one_colour_may_be_of_one_colour(edit, noise):
    outcome = judged(one_colour(*edit), one_colour(90, 120, 160, noise=noise))
    assert outcome.status == "image"
    assert np.array_equal(np.asarray(outcome.image), one_colour(*edit))


def test_a_dark_or_plain_edit_is_no_refusal():
    """A night, a single colour in shades, a small thing on a white ground: people ask for them."""
    night = (photo(96, seed=2) // 24).astype(np.uint8)
    red = photo(96, seed=3) * np.array([1, 0, 0], np.uint8)
    on_white = one_colour(255, 255, 255)
    on_white[40:50, 40:50] = [30, 90, 30]
    assert [judged(edit, photo(96, seed=1)).status for edit in (night, red, on_white)] == ["image"] * 3
