"""What is found in a photo: checked on drawn pictures whose truth is known, and on samples that a person looked at."""

import csv

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from skimage import data

from editfhf.photo_content import describe_photo, find_faces, find_lettering, find_sky, is_greyscale
from editfhf.sources import SAMPLES

RANDOM = np.random.default_rng(0)


def sample(name: str) -> np.ndarray:
    return np.asarray(Image.open(SAMPLES / f"{name}.jpg").convert("RGB"))


def textured(height: int, width: int, colour, noise=10) -> np.ndarray:
    return np.clip(np.array(colour) + RANDOM.normal(0, noise, (height, width, 3)), 0, 255).astype(np.uint8)


def disc(height: int, width: int, x: int, y: int, radius: int) -> np.ndarray:
    rows, columns = np.indices((height, width))
    return (rows - y) ** 2 + (columns - x) ** 2 < radius**2


def overlap(left: np.ndarray, right: np.ndarray) -> float:
    return (left & right).sum() / (left | right).sum()


@pytest.mark.parametrize("size", [(240, 320), (900, 1200)])
@pytest.mark.parametrize("boxed", [False, True])
def test_a_thing_that_stands_out_is_the_subject(size, boxed):
    height, width = size
    image = textured(height, width, (60, 110, 60))
    truth = disc(height, width, int(width * 0.55), int(height * 0.5), height // 5)
    image[truth] = textured(height, width, (200, 50, 40))[truth]
    box = (0.3, 0.2, 0.8, 0.8) if boxed else None
    content = describe_photo(image, box)
    assert content.subject.shape == (height, width)
    assert overlap(content.subject, truth) > 0.9


def test_a_box_decides_between_two_things():
    image = textured(240, 320, (60, 110, 60))
    left, right = disc(240, 320, 80, 120, 40), disc(240, 320, 240, 120, 40)
    image[left | right] = textured(240, 320, (200, 50, 40))[left | right]
    assert overlap(describe_photo(image, (0.55, 0.2, 0.95, 0.8)).subject, right) > 0.9
    assert overlap(describe_photo(image, (0.05, 0.2, 0.45, 0.8)).subject, left) > 0.9


@pytest.mark.parametrize(
    "image",
    [
        textured(200, 300, (120, 120, 120)),
        np.zeros((200, 300, 3), np.uint8),
        RANDOM.integers(0, 256, (200, 300, 3), dtype=np.uint8),
        np.repeat(data.grass()[:256, :256, None], 3, axis=2),
        np.repeat(data.brick()[:256, :256, None], 3, axis=2),
    ],
    ids=["flat", "black", "noise", "grass", "brick"],
)
def test_where_nothing_stands_out_nothing_is_found(image):
    content = describe_photo(image)
    assert content.subject is None
    assert content.faces == ()
    assert content.lettering == ()


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (3, 500), (64, 64)])
def test_tiny_and_narrow_pictures_are_described_too(shape):
    content = describe_photo(textured(*shape, (90, 120, 200)), (0.2, 0.2, 0.7, 0.7))
    assert content.subject is None or content.subject.shape == shape


def test_faces_of_people_are_found_and_those_of_animals_and_things_are_not():
    for name, (x, y) in {"astronaut": (0.44, 0.22), "admiral": (0.51, 0.36)}.items():
        left, top, right, bottom = find_faces(sample(name))[0]
        assert left < x < right
        assert top < y < bottom
    for name in ("cat", "raccoon", "temple", "coffee", "dahlia", "coins", "brick_wall", "page"):
        assert find_faces(sample(name)) == []


# By eye, on the photo: points (x, y) in 0..1 that are subject or sky, and points that are neither.
@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("astronaut", [(0.45, 0.2), (0.4, 0.6)], [(0.05, 0.2), (0.65, 0.05), (0.85, 0.6)]),
        ("dahlia", [(0.48, 0.5), (0.3, 0.5)], [(0.1, 0.5), (0.8, 0.2), (0.5, 0.05)]),
        ("coffee", [(0.45, 0.35), (0.3, 0.7)], [(0.05, 0.9), (0.95, 0.1)]),
        ("temple", [(0.33, 0.3), (0.35, 0.6)], [(0.8, 0.2), (0.75, 0.8), (0.05, 0.3)]),
        ("coins", [(0.9, 0.62)], [(0.7, 0.62), (0.9, 0.2), (0.2, 0.2)]),
    ],
)
def test_the_subject_of_a_sample_lies_where_a_person_sees_it(name, inside, outside):
    with (SAMPLES / "photos.csv").open(encoding="utf-8") as file:
        row = next(row for row in csv.DictReader(file) if row["file"] == f"{name}.jpg")
    image = sample(name)
    height, width = image.shape[:2]
    mask = describe_photo(image, tuple(map(float, row["subject_box"].split()))).subject
    assert all(mask[int(y * height), int(x * width)] for x, y in inside)
    assert not any(mask[int(y * height), int(x * width)] for x, y in outside)


def test_sky_is_found_above_a_landscape_and_nowhere_indoors():
    for name, above, below in [("temple", (0.8, 0.2), (0.3, 0.5)), ("rocket", (0.5, 0.1), (0.5, 0.97))]:
        image = sample(name)
        height, width = image.shape[:2]
        content = describe_photo(image)
        assert content.outdoor
        assert content.sky[int(above[1] * height), int(above[0] * width)]
        assert not content.sky[int(below[1] * height), int(below[0] * width)]
    for name in ("coffee", "cat", "coins", "page", "deep_field", "raccoon"):
        assert find_sky(sample(name)) is None
    assert describe_photo(sample("admiral")).sky is None  # the blue behind a portrait is a wall


def test_the_drawn_horizon_is_where_the_sky_ends():
    image = textured(300, 400, (80, 70, 50), noise=25)
    image[:140] = textured(140, 400, (120, 170, 230), noise=2)
    truth = np.zeros((300, 400), bool)
    truth[:140] = True
    assert overlap(find_sky(image), truth) > 0.95
    assert find_sky(image[::-1].copy()) is None


@pytest.mark.parametrize("colours", [("white", (30, 40, 90)), ("black", (220, 210, 190)), ("yellow", (20, 90, 30))])
def test_written_words_are_found_where_they_stand(colours):
    ink, ground = colours
    image = Image.fromarray(textured(300, 500, ground, noise=3))
    font = ImageFont.load_default(36)
    ImageDraw.Draw(image).text((60, 120), "BOULANGERIE", font=font, fill=ink)
    true = [side / scale for side, scale in zip(font.getbbox("BOULANGERIE"), (500, 300) * 2, strict=True)]
    (left, top, right, bottom), *others = find_lettering(np.asarray(image))
    assert not others
    assert (left, right) == pytest.approx((0.12 + true[0], 0.12 + true[2]), abs=0.02)
    assert (top, bottom) == pytest.approx((0.4 + true[1], 0.4 + true[3]), abs=0.03)


def test_of_the_samples_only_the_printed_page_has_lettering():
    with_letters = {path.stem for path in SAMPLES.glob("*.jpg") if find_lettering(sample(path.stem))}
    assert with_letters == {"page"}


def test_grey_is_told_from_colour():
    assert is_greyscale(sample("cameraman"))
    assert not is_greyscale(sample("cat"))
    almost = np.full((100, 100, 3), 90, np.uint8)
    almost[:10, :10, 0] = 200  # a red dot in a grey picture is a colour
    assert not is_greyscale(almost)


def test_the_same_photo_is_described_the_same_and_nobody_can_spoil_it():
    image = sample("dahlia")
    first = describe_photo(image)
    from editfhf import photo_content

    photo_content._describe.cache_clear()
    again = describe_photo(image.copy())
    np.testing.assert_array_equal(first.subject, again.subject)
    with pytest.raises(ValueError, match="read-only"):
        first.subject[0, 0] = True


@pytest.mark.parametrize("image", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3)), np.zeros((8, 8, 4), np.uint8)])
def test_other_arrays_are_refused(image):
    with pytest.raises(ValueError, match="uint8"):
        describe_photo(image)
