import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from editfhf.errors import BadInput
from refiner.inputs import LEAST_LIKENESS, language_note, likeness, make_pair, read_pair, same_frame

ASK = "make the car red"


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return cv2.resize(data.astronaut(), (256, 256), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="module")
def cat() -> np.ndarray:
    return cv2.resize(data.chelsea(), (256, 256), interpolation=cv2.INTER_AREA)


def test_arrays_come_through_as_they_are_and_as_copies(astronaut):
    edited = astronaut.copy()
    pair = make_pair(astronaut, edited, f"  {ASK}\n")
    np.testing.assert_array_equal(pair.edited, edited)
    edited[:] = 0
    assert pair.edited.any()
    assert pair.instruction == ASK


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F", "I;16"])
def test_images_of_any_mode_become_rgb(astronaut, mode):
    photo = Image.fromarray(astronaut)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257)
    else:
        image = photo.convert("L").convert(mode) if mode in ("I", "F") else photo.convert(mode)
    pair = make_pair(image, astronaut, ASK)
    assert pair.source.shape == (256, 256, 3)
    assert pair.source.dtype == np.uint8
    if mode != "1":
        grey = np.asarray(photo.convert("L"), float)
        assert np.abs(np.asarray(Image.fromarray(pair.source).convert("L"), float) - grey).mean() < (
            25 if mode == "P" else 6
        )


def test_grey_and_rgba_arrays_become_rgb(astronaut):
    grey = cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY)
    pair = make_pair(grey, np.dstack([astronaut, np.full((256, 256), 255, np.uint8)]), ASK)
    np.testing.assert_array_equal(pair.source, np.dstack([grey] * 3))
    np.testing.assert_array_equal(pair.edited, astronaut)


def test_a_photo_is_turned_upright_and_transparency_is_white(astronaut, tmp_path):
    photo = Image.fromarray(astronaut[:200])
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the stored image has to be turned right by 90°
    photo.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    photo.save(tmp_path / "edited.png")
    pair = read_pair(tmp_path / "turned.png", tmp_path / "edited.png", ASK)
    np.testing.assert_array_equal(pair.source, pair.edited)
    clear = Image.fromarray(np.dstack([astronaut, np.zeros((256, 256), np.uint8)]))
    assert (make_pair(clear, astronaut, ASK, force=True).source == 255).all()


@pytest.mark.parametrize(
    "array",
    [np.zeros((64, 64, 3), np.float32), np.zeros((64, 64, 3), bool), np.zeros((64, 64, 1), np.uint8),
     np.zeros((3, 64, 64), np.uint8), np.zeros((2, 64, 64, 3), np.uint8), np.zeros(64, np.uint8)],
)  # fmt: skip
def test_other_arrays_are_refused_with_what_is_wanted(astronaut, array):
    with pytest.raises(BadInput, match=r"The edited image is an array of .*Give uint8, shape \(height, width, 3\)"):
        make_pair(astronaut, array, ASK)


def test_what_is_no_image_at_all_is_refused(astronaut):
    with pytest.raises(BadInput, match="The source photo is a str"):
        make_pair("photo.jpg", astronaut, ASK)
    with pytest.raises(BadInput, match="31 × 64 pixels; each side needs 32"):
        make_pair(astronaut, np.zeros((64, 31, 3), np.uint8), ASK)


def _huge_png() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def _jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "jpeg")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "does not exist"),
        (b"", "not an image"),
        (b"hello", "not an image"),
        (_jpeg(data.astronaut())[:9000], "truncated or damaged"),
        (_huge_png(), "12000 × 12000 pixels; 100 million"),
        (
            _huge_png().replace(struct.pack(">II", 12_000, 12_000), struct.pack(">II", 60_000, 60_000)),
            "too large|damaged",
        ),
    ],
)
def test_a_file_that_is_no_photo_is_refused_by_its_name(tmp_path, astronaut, content, said):
    good, bad = tmp_path / "good.png", tmp_path / "bad.jpg"
    Image.fromarray(astronaut).save(good)
    if content is not None:
        bad.write_bytes(content)
    with pytest.raises(BadInput, match=rf"bad\.jpg.*({said})"):
        read_pair(good, bad, ASK)
    with pytest.raises(BadInput, match="is a folder"):
        read_pair(tmp_path, good, ASK)


@pytest.mark.parametrize(
    ("instruction", "said"),
    [
        ("", "is empty"), (" \n\t ", "is empty"), ("?!… —", "has no words"), ("42", "has no words"),
        ("a " * 600, "1,199 characters"), ("make it\x00 red", r"control character \(U\+0000\)"),
        ("make it\nred", r"control character \(U\+000A\)"), ("make \u202eder ti", "turns the direction"),
        ("把车变成红色", "not in English"), ("сделай машину красной", "not in English"),
        ("اجعل السيارة حمراء", "not in English"), ("\ud800 make it red", "control character"), (None, "NoneType"),
    ],
)  # fmt: skip
def test_what_is_no_instruction_is_refused(astronaut, instruction, said):
    with pytest.raises(BadInput, match=said):
        make_pair(astronaut, astronaut, instruction)


@pytest.mark.parametrize("instruction", [ASK, "write “你好” on the sign", "add a café with 3 naïve cats", "x" * 1000])
def test_an_english_instruction_passes_without_a_note(astronaut, instruction):
    assert make_pair(astronaut, astronaut, instruction).instruction == instruction
    assert not language_note(instruction)


@pytest.mark.parametrize(
    "instruction",
    [
        "mach das Auto auf dem Bild rot",
        "pon el coche de la foto en color rojo",
        "mets la voiture dans le noir et les gens sur une plage",
    ],
)
def test_another_language_in_latin_letters_passes_with_a_note(astronaut, instruction):
    assert make_pair(astronaut, astronaut, instruction).instruction == instruction
    assert "seems not to be English" in language_note(instruction)


@given(st.text(max_size=60))
def test_any_text_is_an_instruction_or_one_sentence(text):
    flat = np.zeros((32, 32, 3), np.uint8)
    said = ""
    try:
        pair = make_pair(flat, flat, text)
    except BadInput as error:
        said = str(error)
    assert (said.endswith(".") and "\n" not in said) or pair.instruction == text.strip()


def test_frames_may_differ_as_in_outpainting_and_no_more(astronaut):
    wide = cv2.copyMakeBorder(astronaut, 0, 0, 100, 100, cv2.BORDER_REFLECT)
    assert make_pair(astronaut, wide, "extend the photo to both sides").edited.shape == (256, 456, 3)
    with pytest.raises(BadInput, match=r"256 × 256 .* 768 × 256: their frames differ"):
        make_pair(astronaut, cv2.copyMakeBorder(astronaut, 0, 0, 256, 256, cv2.BORDER_REFLECT), ASK)
    assert same_frame(astronaut, cv2.resize(astronaut, (130, 128)))
    assert not same_frame(astronaut, wide)


CHANGES = {
    "nothing": lambda image: image,
    "another size": lambda image: cv2.resize(image, (190, 190)),
    "night": lambda image: (image * 0.25).astype(np.uint8),
    "negative": lambda image: 255 - image,
    "black and white": lambda image: np.dstack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)] * 3),
    "soft": lambda image: cv2.GaussianBlur(image, (0, 0), 4),
    "noise": lambda image: np.clip(image + np.random.default_rng(0).normal(0, 25, image.shape), 0, 255).astype(
        np.uint8
    ),
    "drawn": lambda image: cv2.stylization(image, sigma_s=40, sigma_r=0.4),
    "half replaced": lambda image: np.vstack([image[:128], np.full_like(image[128:], 90)]),
    "zoomed out": lambda image: cv2.resize(
        cv2.copyMakeBorder(image, 50, 50, 50, 50, cv2.BORDER_CONSTANT), (256, 256), interpolation=cv2.INTER_AREA
    ),
    "extended to the right": lambda image: cv2.copyMakeBorder(image, 0, 0, 0, 180, cv2.BORDER_CONSTANT),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_edit_that_changes_everything_but_the_structure_passes(astronaut, cat, change):
    for photo in (astronaut, cat):
        assert likeness(photo, CHANGES[change](photo)) >= LEAST_LIKENESS + 0.1


def test_a_strangers_photo_is_refused_unless_one_insists(astronaut, cat):
    for one, other in ((astronaut, cat), (cat, astronaut), (astronaut, data.coffee()), (cat, data.rocket())):
        with pytest.raises(BadInput, match=r"does not look like an edit of it.*force"):
            make_pair(one, other, ASK)
        assert make_pair(one, other, ASK, force=True).instruction == ASK


def test_a_photo_without_structure_says_nothing_and_passes():
    flat = np.full((64, 64, 3), 200, np.uint8)
    make_pair(flat, np.full((64, 64, 3), 20, np.uint8), "make it darker")
