"""Each editor does what its instruction says, judged by simple measures that no editor uses."""

import numpy as np
import pytest

from editfhf.tasks import SLOTS
from generators.procedural.compositing import dilate, luminance, to_lab
from generators.procedural.context import CannotEditError
from generators.procedural.editors import EDITORS
from generators.procedural.filling import fill_region
from generators.procedural.finishing import visible_difference
from generators.procedural.palette import COLOURS
from tests.generators.procedural_edits import context, degraded, photo


@pytest.mark.parametrize("task", EDITORS)
def test_an_edit_shows_and_is_repeatable(task):
    asked = context(task)
    draft = EDITORS[task].draw(asked)
    again = EDITORS[task].draw(context(task))
    assert np.array_equal(draft.image, again.image)
    assert draft.image.shape == draft.before.shape
    assert np.isfinite(draft.image).all()
    assert visible_difference(draft.image, draft.before).mean() > 0.0005
    assert draft.place.any()
    # Outside of what it says it changed, nothing changed.
    outside = ~dilate(draft.changed, 3)
    assert np.abs(draft.image - draft.before)[outside].max(initial=0) < 4


@pytest.mark.parametrize("colour", SLOTS["colour"])
def test_a_recoloured_thing_is_nearest_to_the_colour_that_was_asked_for(colour):
    draft = EDITORS["color_change"].draw(context("color_change", choice=SLOTS["colour"].index(colour)))
    lab = np.median(to_lab(draft.image)[draft.place], axis=0)
    # Shade and light stay: hue and strength of the colour decide.
    weight = np.array([0.4, 1, 1])
    distances = {
        name: np.linalg.norm(weight * (to_lab(np.array([[rgb]], np.float32))[0, 0] - lab))
        for name, rgb in COLOURS.items()
    }
    assert min(distances, key=distances.get) == colour


@pytest.mark.parametrize("direction", ["left", "right"])
def test_a_moved_thing_lies_where_it_was_asked_to(direction):
    asked = context("object_move", choice=SLOTS["direction"].index(direction))
    draft = EDITORS["object_move"].draw(asked)
    step = np.nonzero(draft.place)[1].mean() - np.nonzero(asked.subject())[1].mean()
    assert (step < 0) == (direction == "left")
    assert abs(step) > 0.04 * asked.size[1]


@pytest.mark.parametrize("choice", range(4))
def test_a_ball_and_a_word_lie_in_the_corner_that_was_asked_for(choice):
    vertical, horizontal = SLOTS["corner"][choice].split()
    for task in ("object_add", "text_add"):
        draft = EDITORS[task].draw(context(task, choice=choice))
        rows, columns = np.nonzero(draft.place)
        assert (rows.mean() < draft.place.shape[0] / 2) == (vertical == "upper")
        assert (columns.mean() < draft.place.shape[1] / 2) == (horizontal == "left")


def test_a_resized_thing_has_the_size_that_was_asked_for():
    asked = context("object_resize", choice=0)
    draft = EDITORS["object_resize"].draw(asked)
    factor = float(asked.slots["factor"]) / 100
    assert draft.place.sum() / asked.subject().sum() == pytest.approx(factor**2, rel=0.15)


def test_a_hole_is_filled_from_its_surroundings_and_nothing_else_changes():
    # Stripes go on through the hole: the mean over the hole would not do.
    pixels = np.zeros((96, 128, 3), np.uint8)
    pixels[:, (np.arange(128) // 8) % 2 == 0] = 200
    hole = np.zeros((96, 128), bool)
    hole[36:60, 48:80] = True
    broken = pixels.copy()
    broken[hole] = [255, 0, 0]
    filled = fill_region(broken, hole)
    assert np.array_equal(filled[~dilate(hole, 4)], pixels[~dilate(hole, 4)])
    assert np.abs(filled[hole].astype(int) - pixels[hole]).mean() < 35
    assert np.abs(filled[hole].astype(int)[:, 0] - filled[hole][:, 1]).mean() < 10


def test_restoring_brings_a_damaged_photo_nearer_to_the_clean_one():
    damaged = context("restoration", side=480)
    clean = np.asarray(photo("coffee").resize(damaged.pixels.shape[1::-1]), float)
    draft = EDITORS["restoration"].draw(damaged)
    assert _error(draft.image, clean) < 0.75 * _error(damaged.pixels, clean)


def test_sharpening_brings_a_blurred_photo_nearer_to_the_sharp_one():
    blurred = context("deblur_enhance", side=600)
    sharp = np.asarray(photo("coffee").resize(blurred.pixels.shape[1::-1]), float)
    draft = EDITORS["deblur_enhance"].draw(blurred)
    assert _error(draft.image, sharp) < _error(blurred.pixels, sharp)


def test_colouring_keeps_the_lightness_and_adds_colour():
    asked = context("colorize")
    draft = EDITORS["colorize"].draw(asked)
    assert np.abs(to_lab(draft.image)[..., 0] - to_lab(asked.pixels)[..., 0]).mean() < 1.5
    assert np.abs(to_lab(draft.image)[..., 1:]).mean() > 5


def test_zooming_out_enlarges_the_frame_around_the_same_photo():
    asked = context("outpaint_zoom", choice=1)
    draft = EDITORS["outpaint_zoom"].draw(asked)
    height, width = asked.size
    top, left = (draft.image.shape[0] - height) // 2, (draft.image.shape[1] - width) // 2
    assert draft.image.shape[0] == pytest.approx(1.4 * height, abs=2)
    assert np.abs(draft.image[top : top + height, left : left + width] - asked.pixels).mean() < 1


def test_a_blurred_background_is_softer_and_the_subject_as_sharp_as_before():
    asked = context("depth_of_field")
    draft = EDITORS["depth_of_field"].draw(asked)

    def detail(image: np.ndarray, mask: np.ndarray) -> float:
        grey = luminance(image)
        return float(np.abs(np.diff(grey, axis=1))[mask[:, 1:]].mean())

    assert detail(draft.image, draft.keep) == pytest.approx(detail(asked.pixels, draft.keep), rel=0.05)
    assert detail(draft.image, ~dilate(asked.subject(), 4)) < 0.7 * detail(asked.pixels, ~dilate(asked.subject(), 4))


def test_night_is_darker_and_light_comes_from_the_side_that_was_asked_for():
    night = EDITORS["time_of_day"].draw(context("time_of_day", "temple", SLOTS["time"].index("night")))
    assert luminance(night.image).mean() < 0.5 * luminance(night.before).mean()
    for choice, side in enumerate(SLOTS["direction"]):
        lit = EDITORS["lighting_change"].draw(context("lighting_change", choice=choice))
        gain = luminance(lit.image) - luminance(lit.before)
        half = gain.shape[1] // 2
        assert (gain[:, :half].mean() > gain[:, half:].mean()) == (side == "left")


def test_a_photo_without_sky_is_refused():
    with pytest.raises(CannotEditError, match="No sky"):
        EDITORS["sky_replace"].draw(context("sky_replace", "coffee"))


def test_the_degraded_sources_of_these_tests_are_worse():
    assert _error(np.asarray(degraded(photo("coffee"), "restoration")), np.asarray(photo("coffee"), float)) > 10


def _error(image: np.ndarray, clean: np.ndarray) -> float:
    return float(np.sqrt(((image.astype(float) - clean) ** 2).mean()))
