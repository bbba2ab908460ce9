from typing import get_args

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data
from skimage.metrics import structural_similarity

from generators.base import EditOutcome, EditRequest
from refiner.agents import Operation, Pair, RepairStep
from refiner.lite.expectation import named_colour
from refiner.lite.filling import fill, spread
from refiner.lite.repair import DILATION, FEATHER, LiteAction, feathered_mask
from refiner.lite.simple_editor import SimpleEditor, understood
from tests.factories import photo

BOX = [[[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]]]


class Reddener:
    """A model of somebody else: all red, in half the size; or nothing at all."""

    id, revision = "test/reddener", "1"

    def __init__(self, refuses: bool = False) -> None:
        self.refuses = refuses
        self.asked: list[EditRequest] = []

    def edit(self, requests):
        self.asked += requests
        if self.refuses:
            return [EditOutcome("refused", reason="no") for _ in requests]
        size = (requests[0].source.width // 2, requests[0].source.height // 2)
        return [EditOutcome("image", Image.new("RGB", size, (200, 30, 30))) for _ in requests]


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return cv2.resize(data.astronaut(), (200, 160), interpolation=cv2.INTER_AREA)


def far_from(polygons, width: int, height: int) -> np.ndarray:
    """Pixels further than dilation and feather from the polygons, by shapely and not by masks."""
    import shapely

    shapes = [shapely.make_valid(shapely.Polygon([(x * width, y * height) for x, y in one[0]])) for one in polygons]
    y, x = np.mgrid[:height, :width] + 0.5
    reach = (DILATION + FEATHER) * np.hypot(width, height) + 1.5
    return shapely.distance(shapely.union_all(shapes), shapely.points(x, y)) > reach


points = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(list)
polygons = st.lists(points, min_size=3, max_size=7).map(lambda ring: [ring])


@settings(max_examples=60)
@given(
    shapes=st.lists(polygons, min_size=1, max_size=3),
    operation=st.sampled_from(get_args(Operation)),
    size=st.tuples(st.integers(32, 90), st.integers(32, 90)),
)
def test_outside_the_feathered_region_every_pixel_is_the_same_bit_for_bit(shapes, operation, size):
    width, height = size
    random = np.random.default_rng(width * height)
    edited = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    source = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    pair = Pair(source, edited, "make it red")
    before = edited.copy()
    changed = LiteAction(Reddener()).act(pair, RepairStep(operation, tuple(shapes), ""))
    np.testing.assert_array_equal(edited, before)
    if changed is None:
        return
    assert changed.shape == edited.shape
    assert changed.dtype == np.uint8
    _, alpha = feathered_mask(shapes, width, height)
    np.testing.assert_array_equal(changed[alpha == 0], edited[alpha == 0])
    far = far_from(shapes, width, height)
    np.testing.assert_array_equal(changed[far], edited[far])


def test_the_mask_is_whole_inside_and_falls_to_nothing_without_a_step():
    region, alpha = feathered_mask([BOX], 400, 300)
    diagonal = 500
    assert (alpha[120:180, 160:240] == 1).all()
    assert (alpha[region] == 1).all()
    row = alpha[150, 240:]
    reach = (DILATION + FEATHER) * diagonal
    assert (np.diff(row) <= 0).all()
    assert np.abs(np.diff(row)).max() < 0.4
    assert np.count_nonzero(row) == pytest.approx(reach, abs=1.5)
    assert all((part == 1).all() for part in feathered_mask([], 40, 30))


def test_source_pixels_come_back_where_the_edit_damaged_them(astronaut):
    damaged = astronaut.copy()
    damaged[64:96, 80:120] = 255 - damaged[64:96, 80:120]
    restored = LiteAction().act(Pair(astronaut, damaged, "make it red"), RepairStep("restore_source", (BOX,), ""))
    np.testing.assert_array_equal(restored, astronaut)
    large = cv2.resize(astronaut, (400, 320), interpolation=cv2.INTER_CUBIC)
    restored = LiteAction().act(Pair(large, damaged, "make it red"), RepairStep("restore_source", (BOX,), ""))
    assert np.abs(restored.astype(int) - astronaut).mean() < 1
    everywhere = LiteAction().act(Pair(astronaut, damaged, "x"), RepairStep("restore_source", (), ""))
    np.testing.assert_array_equal(everywhere, astronaut)


def test_what_cannot_be_done_gives_none(astronaut):
    wide = Pair(astronaut[:, :150], astronaut, "make it red")
    assert LiteAction().act(wide, RepairStep("restore_source", (BOX,), "")) is None
    assert LiteAction().act(wide, RepairStep("reapply", (BOX,), "")) is None
    pair = Pair(astronaut, astronaut, "put a hat on the astronaut")
    assert LiteAction().act(pair, RepairStep("inpaint", (), "")) is None
    assert LiteAction().act(pair, RepairStep("reapply", (BOX,), "")) is None
    assert LiteAction(Reddener(refuses=True)).act(pair, RepairStep("reapply", (BOX,), "")) is None
    assert LiteAction().act(pair, RepairStep("inpaint", ([],), "")) is None


def test_any_editor_can_do_again_what_was_asked_there(astronaut):
    editor = Reddener()
    action = LiteAction(editor, seed=7)
    pair = Pair(astronaut, astronaut.copy(), "make it red")
    changed = action.act(pair, RepairStep("reapply", (BOX,), ""))
    assert (changed[70:90, 90:110] == (200, 30, 30)).all()
    (request,) = editor.asked
    assert (request.instruction, request.task, request.seed) == ("make it red", "color_change", 7)
    np.testing.assert_array_equal(np.asarray(request.source), astronaut)
    # Another region of the same photo does not pay for another edit.
    action.act(pair, RepairStep("reapply", (), ""))
    assert len(editor.asked) == 1
    action.act(Pair(astronaut, astronaut, "make it blue"), RepairStep("reapply", (), ""))
    assert len(editor.asked) == 2


def test_a_re_applied_edit_takes_the_tone_of_the_image_around_it(astronaut):
    class Nothing(Reddener):
        def edit(self, requests):
            return [EditOutcome("image", requests[0].source) for _ in requests]

    brighter = np.clip(astronaut.astype(int) + 30, 0, 255).astype(np.uint8)
    changed = LiteAction(Nothing()).act(Pair(astronaut, brighter, "make it red"), RepairStep("reapply", (BOX,), ""))
    assert np.abs(changed.astype(int) - brighter)[60:100, 75:125].mean() < 6


def test_filling_a_hole_in_a_texture_looks_like_the_texture():
    photo = cv2.resize(data.brick(), (256, 256), interpolation=cv2.INTER_AREA)
    photo = np.dstack([photo] * 3)
    hole = np.zeros((256, 256), bool)
    hole[100:150, 90:160] = True
    spoiled = photo.copy()
    spoiled[hole] = (255, 0, 255)
    filled = fill(spoiled, hole)
    np.testing.assert_array_equal(filled[~hole], photo[~hole])
    inside = filled[100:150, 90:160].astype(float)
    assert inside.std() > 0.6 * photo[100:150, 90:160].std()  # no smear
    assert np.abs(inside[..., 0] - inside[..., 1]).max() == 0  # nothing of what was there
    assert abs(inside.mean() - photo.mean()) < 15


def test_filling_a_smooth_gradient_continues_it():
    x = np.linspace(40, 220, 300)
    photo = np.dstack([np.tile(x, (200, 1))] * 3).astype(np.uint8)
    hole = np.zeros((200, 300), bool)
    hole[60:140, 100:200] = True
    filled = fill(np.where(hole[..., None], 0, photo).astype(np.uint8), hole)
    assert np.abs(filled.astype(int) - photo).max() <= 16
    assert structural_similarity(filled, photo, channel_axis=2) > 0.95


def test_a_hole_too_large_to_be_filled_is_refused_and_one_at_the_edge_is_not(astronaut):
    hole = np.ones((160, 200), bool)
    assert fill(astronaut, hole) is None
    hole[:, 90:] = False
    assert fill(astronaut, hole) is not None
    stripes = np.tile(np.arange(200) % 4 < 3, (160, 1))  # no patch is known whole
    assert fill(astronaut, stripes & (np.arange(160) % 2 == 0)[:, None]) is not None


def test_spread_keeps_what_is_known_and_a_constant_stays_one():
    weight = np.zeros((37, 53), np.float32)
    weight[5:9, 7:30] = 1
    values = np.full((37, 53, 3), 7.5, np.float32) * weight[..., None]
    np.testing.assert_allclose(spread(values, weight), 7.5, atol=1e-3)


@pytest.mark.parametrize("operation", get_args(Operation))
def test_the_same_step_gives_the_same_pixels(astronaut, operation):
    step = RepairStep(operation, (BOX,), "")
    pair = Pair(astronaut[:, ::-1].copy(), astronaut, "make it warmer")
    np.testing.assert_array_equal(LiteAction().act(pair, step), LiteAction().act(pair, step))


@pytest.mark.parametrize("colour", ["red", "yellow", "teal", "purple", "white", "black"])
def test_recolouring_comes_near_the_colour_and_keeps_the_texture(astronaut, colour):
    request = EditRequest("1", Image.fromarray(astronaut), f"turn the suit {colour}", "color_change", 0)
    (outcome,) = SimpleEditor().edit([request])
    result = np.asarray(outcome.image)
    lab = cv2.cvtColor(result.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    before = cv2.cvtColor(astronaut.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    target = named_colour(colour)
    assert np.linalg.norm(lab.mean((0, 1)) - target) < 0.8 * np.linalg.norm(before.mean((0, 1)) - target)

    def detail(values):
        return values - cv2.GaussianBlur(values, (0, 0), 5)

    assert np.corrcoef(detail(lab[..., 0]).ravel(), detail(before[..., 0]).ravel())[0, 1] > 0.7


@pytest.mark.parametrize(
    "instruction",
    [
        "make the car red", "Turn the umbrella yellow.", "change the colour of the car from red to blue",
        "make it black and white", "give it a warm vintage grade", "make the room brighter", "darken the photo",
        "blur the photo", "make the letters yellow", "change the red car to blue",
    ],
)  # fmt: skip
def test_the_simple_editor_understands_colour_and_tone(instruction):
    assert understood(instruction) is not None


@pytest.mark.parametrize(
    "instruction",
    [
        "make it snow", "add a red bicycle", "put teal round glasses on the person", "turn the apple into an orange",
        "colour this black-and-white photo", "sharpen the blurred picture", "blur the background behind the subject",
        "keep only the coin, on a plain white background", "make it night", "light the scene warmly from the left",
        "paint the house red instead of blue", "make the dress not red", "make the room less warm",
        "do not blur the face", "make the car red and the roof blue", "don't make it darker",
        "remove the hat and make the coat green", "make the woman smile", "turn the photo into a watercolour",
    ],
)  # fmt: skip
def test_the_simple_editor_refuses_what_is_more_than_that(instruction):
    request = EditRequest("1", Image.new("RGB", (40, 40)), instruction, "color_change", 0)
    (outcome,) = SimpleEditor().edit([request])
    assert (outcome.status, outcome.image) == ("refused", None)
    assert "nothing else" in outcome.reason


def test_a_photo_that_does_not_go_on_around_the_region_is_not_brought_back():
    """A zoomed edit has the photo's aspect, but its pixels lie elsewhere; a new style has them in another tone."""
    source = photo(128, seed=4)
    inner = source[24:104, 24:104]
    zoomed = np.array(Image.fromarray(inner).resize((128, 128)))
    night = (source * 0.3).astype(np.uint8)
    step = RepairStep("restore_source", ([[[0.3, 0.3], [0.6, 0.3], [0.6, 0.6], [0.3, 0.6]]],), "unintended change")
    for edited in (zoomed, night):
        assert LiteAction().act(Pair(source, edited, "zoom in"), step) is None
    assert LiteAction().act(Pair(source, source.copy(), "zoom in"), step) is not None
