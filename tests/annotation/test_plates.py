"""The plates, against eyes of other making: published matrices for dichromats, and pixels that are counted."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from annotation.interface import ACUITY_CONTROLS, CANNOT_TELL, COLOUR_CONTROLS, FIGURES, PLATE_CONTROLS, SIDES
from annotation.plates import CONFUSED, DENSITY, FIELD_CSS_PX, GAP_CSS_PX, Plate, dots, plates_of, right_of, ring

# What somebody without L or M cones sees, in linear sRGB (Machado, Oliveira & Fernandes, IEEE TVCG 2009, severity 1).
MACHADO = {
    0: np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    1: np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.119192, 0.9503041]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])


def linear(image: Image.Image) -> np.ndarray:
    srgb = np.asarray(image.convert("RGB")) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def lab(light: np.ndarray) -> np.ndarray:
    """CIELAB of linear sRGB."""
    x = light.clip(0, 1) @ TO_XYZ.T / WHITE
    f = np.where(x > 216 / 24389, np.cbrt(x), (24389 / 27 * x + 16) / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def apart(light: np.ndarray, figure: np.ndarray) -> tuple[float, float, float]:
    """By how much the mean colours of figure and ground differ: in lightness, and in hue and chroma; and how much the
    lightness of dots varies within either."""
    colours = lab(light)
    difference = colours[figure].mean(axis=0) - colours[~figure].mean(axis=0)
    return abs(difference[0]), float(np.hypot(*difference[1:])), float(colours[figure][:, 0].std())


def is_red(light: np.ndarray) -> np.ndarray:
    return light[..., 0] > light[..., 1]


@pytest.mark.parametrize("which", range(len(CONFUSED)))
def test_the_figure_shows_by_hue_alone_and_not_at_all_to_who_lacks_that_cone(which):
    cone, *colours = CONFUSED[which]
    plate = linear(dots("8", cone, *colours, np.random.default_rng(which)))
    seen = plate[plate.min(axis=2) < 0.5]
    figure = is_red(seen)
    assert 0.1 < figure.mean() < 0.9
    lightness, hue, spread = apart(seen, figure)
    assert hue > 40  # a difference of 2 is just seen
    assert lightness < 1.5 * spread
    lightness, hue, spread = apart(seen @ MACHADO[cone].T, figure)
    assert hue < 2
    assert lightness < spread / 4


@pytest.mark.parametrize("figure", FIGURES)
def test_the_dots_are_like_the_figure_that_they_spell_and_like_no_other(figure):
    def red(of: str, seed: int) -> np.ndarray:
        pixels = linear(dots(of, *CONFUSED[0], np.random.default_rng(seed)).resize((40, 40)))
        return np.where(pixels.min(axis=2) < 0.8, pixels[..., 0] - pixels[..., 1], 0).ravel()

    shown = red(figure, 1)
    likeness = {other: abs(np.corrcoef(shown, red(other, 2))[0, 1]) for other in FIGURES}
    assert max(likeness, key=likeness.__getitem__) == figure


@pytest.mark.parametrize(("side", "towards"), [("up", (0, -1)), ("right", (1, 0)), ("down", (0, 1)), ("left", (-1, 0))])
def test_the_ring_is_five_gaps_wide_and_open_where_it_says(side, towards):
    pixels = np.asarray(ring(side))
    assert pixels.shape == (FIELD_CSS_PX * DENSITY,) * 2
    dark = np.argwhere(pixels < 128)
    size = dark.max(axis=0) - dark.min(axis=0) + 1
    assert size == pytest.approx(5 * GAP_CSS_PX * DENSITY, abs=1)
    # Light reaches in at the gap alone: half way through the line, in each of the four directions.
    centre, reach = (pixels.shape[0] - 1) / 2, 2 * GAP_CSS_PX * DENSITY
    for name, (x, y) in {"up": (0, -1), "right": (1, 0), "down": (0, 1), "left": (-1, 0)}.items():
        shade = pixels[round(centre + reach * y), round(centre + reach * x)]
        assert (shade > 200) == (name == side)
    ahead = dark.mean(axis=0)[::-1] - centre
    assert np.dot(ahead, towards) < 0  # less ink on the open side


def test_each_person_has_answers_of_the_own_which_nobody_knows_without_the_key():
    of = {name: plates_of("key", name) for name in (f"person {n}" for n in range(200))}
    for name, plates in of.items():
        assert [plate.control for plate in plates] == list(PLATE_CONTROLS)
        assert plates == plates_of("key", name)
    files = Counter(plate.file for plates in of.values() for plate in plates)
    assert max(files.values()) == 1
    rings = Counter(plate.answer for plates in of.values() for plate in plates if plate.sort == "acuity")
    figures = Counter(plate.answer for plates in of.values() for plate in plates if plate.sort == "colour")
    assert set(rings) == set(SIDES)
    assert set(figures) == set(FIGURES)
    assert max(rings.values()) < 1.3 * min(rings.values())  # 800 rings, 1,200 figures
    assert max(figures.values()) < 1.5 * min(figures.values())
    others = [plate for name in of for plate in plates_of("another key", name)]
    ours = [plate for plates in of.values() for plate in plates]
    same = [one.answer == other.answer for one, other in zip(ours, others, strict=True)]
    assert 0.1 < np.mean(same) < 0.3  # by chance: 4 of 10 are of four sorts, 6 of seven
    assert not files.keys() & {plate.file for plate in others}


def test_both_lacking_cones_are_tried_and_the_same_plate_is_the_same_picture():
    plates = plates_of("key", "ann")
    tried = {CONFUSED[plate.number % len(CONFUSED)][0] for plate in plates if plate.sort == "colour"}
    assert tried == {0, 1}
    again = plates_of("key", "ann")
    assert all(a.picture().tobytes() == b.picture().tobytes() for a, b in zip(plates, again, strict=True))


def test_what_is_right_is_counted_by_sort():
    plates: list[Plate] = plates_of("key", "ann")
    said = {plate.control: plate.answer for plate in plates} | {ACUITY_CONTROLS[0]: CANNOT_TELL}
    assert (right_of(plates, "acuity", said), right_of(plates, "colour", said)) == (3, len(COLOUR_CONTROLS))
    assert right_of(plates, "colour", {}) == 0
