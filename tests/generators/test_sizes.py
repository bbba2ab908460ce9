"""The photo's frame: kept as the policy of each registered model says, whatever the photo."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import floats, integers, sampled_from
from PIL import Image

from generators.registry import registered_models
from generators.sizes import Framing, SizePolicy
from tests.factories import photo

OURS = sorted(entry.id for entry in registered_models().values() if not entry.id.startswith("test/"))
LEAST_SIDE = 256  # pixels; a photo of fewer is made of too few steps of a coarse multiple


def aspect_error(size: tuple[int, int], photo_size: tuple[int, int]) -> float:
    return abs(math.log(size[0] / size[1] * photo_size[1] / photo_size[0]))


def allowed_error(policy: SizePolicy, size: tuple[int, int]) -> float:
    """What the docstring of `SizePolicy` promises, and half a pixel of rounding in each direction."""
    rounding = 1.0 / min(size)
    if policy.fixed or policy.framed:
        return rounding
    if policy.width:
        return policy.multiple / 2 / (policy.width / policy.max_aspect) + rounding
    return 0.65 * policy.multiple / math.sqrt(size[0] * size[1]) + rounding


@given(
    model=sampled_from(OURS), shorter=integers(LEAST_SIDE, 6000), aspect=floats(1.0, 4.0), upright=sampled_from([0, 1])
)
def test_no_model_stretches_a_photo_by_more_than_its_policy_says(model, shorter, aspect, upright):
    policy = registered_models()[model].size
    sides = (round(shorter * min(aspect, policy.max_aspect)), shorter)
    size = sides[::-1] if upright else sides
    framing = policy.framing(*size)
    assert aspect_error(framing.size, size) <= allowed_error(policy, framing.size)
    assert aspect_error(framing.size, size) < 0.035
    if policy.fixed:
        assert framing.canvas in policy.fixed
    else:
        assert framing.canvas[0] * framing.canvas[1] <= policy.max_pixels
        assert framing.canvas[0] % policy.multiple == framing.canvas[1] % policy.multiple == 0


@given(
    model=sampled_from(OURS), shorter=integers(1, 300), aspect=floats(1.0, 60.0), limit=sampled_from([None, 64, 4096])
)
def test_every_photo_has_a_size_however_small_or_thin(model, shorter, aspect, limit):
    policy = registered_models()[model].size
    framing = policy.framing(round(shorter * aspect), shorter, limit)
    left, top, right, lower = framing.box
    assert 0 <= left < right <= framing.canvas[0]
    assert 0 <= top < lower <= framing.canvas[1]


@pytest.mark.parametrize("size", [(2000, 1500), (1900, 1000), (1500, 2000)])
def test_joyimage_keeps_the_aspect_of_a_photo_that_its_multiple_of_64_would_stretch(size):
    """4 : 3 became 1.385 : 1 (3.8 % wider), 1.9 : 1 became 2 : 1, when each side was rounded down by itself."""
    policy = registered_models()["joyimage-edit"].size
    assert aspect_error(policy.fit(*size), size) < 0.002


@pytest.mark.parametrize(
    ("size", "expected"), [((2000, 1500), (512, 384)), ((3000, 4000), (512, 688)), ((512, 1024), (512, 1024))]
)
def test_icedit_is_given_512_pixels_of_width_whatever_the_height(size, expected):
    """Its authors: "We can only deal with the case where the image's width is 512." (scripts/gradio_demo.py)"""
    assert registered_models()["icedit"].size.fit(*size) == expected


def test_a_framed_photo_is_whole_and_its_edges_fill_the_rest():
    policy = SizePolicy(fixed=((96, 64),))
    source = Image.fromarray(photo(64, seed=1)).crop((0, 0, 40, 64))
    sent = np.asarray(policy.resize(source))
    assert sent.shape == (64, 96, 3)
    assert np.array_equal(sent[:, 28:68], np.asarray(source))
    assert (sent[:, :28] == sent[:, 28:29]).all()
    assert (sent[:, 68:] == sent[:, 67:68]).all()


@pytest.mark.parametrize("times", [1, 2, 4])
def test_an_edit_larger_than_what_was_sent_is_cut_at_the_same_place(times):
    framing = Framing((96, 64), (28, 0, 68, 64))
    whole = Image.new("RGB", (96 * times, 64 * times), "red")
    whole.paste("blue", (28 * times, 0, 68 * times, 64 * times))
    cut = framing.cut(whole)
    assert cut.size == (40 * times, 64 * times)
    assert cut.getcolors() == [(cut.width * cut.height, (0, 0, 255))]
