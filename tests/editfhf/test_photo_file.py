"""Reading one photo: nothing private survives, every pixel does."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from editfhf.photo_file import UnusablePhotoError, source_id_of, strip_jpeg
from editfhf.sources import init_workspace
from tests.editfhf.photo_bytes import (
    ORIENTATION,
    SECRET,
    decode,
    exif_with_secrets,
    jpeg_markers,
    jpeg_segment,
    jpeg_with_secrets,
    picture,
    png_chunks,
    read_bytes,
    read_image,
)

# Privacy


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}, {"subsampling": 0}], ids=str
)
def test_a_jpeg_loses_all_metadata_and_not_one_pixel(tmp_path, mode, options):
    original = jpeg_with_secrets(picture().convert(mode), **options)
    stored = read_bytes(tmp_path, original)
    assert SECRET.encode() in original
    assert SECRET.encode() not in stored.data
    assert stored.extension == "jpg"
    assert jpeg_markers(stored.data) <= {0xE0, 0xC0, 0xC2, 0xC4, 0xDB, 0xDD, 0xDA}
    assert stored.data.endswith(b"\xff\xd9")
    np.testing.assert_array_equal(decode(stored.data), decode(original))


def test_a_jpeg_keeps_its_compressed_data_byte_for_byte():
    original = jpeg_with_secrets(picture())
    scan = original[original.index(b"\xff\xda") : original.index(b"\xff\xd9", original.index(b"\xff\xda"))]
    assert scan in strip_jpeg(original)


def test_a_thumbnail_inside_the_jfif_header_goes_too(tmp_path):
    plain = io.BytesIO()
    picture().save(plain, "jpeg")
    data = plain.getvalue()
    end = 4 + struct.unpack_from(">H", data, 4)[0]
    header = b"JFIF\0\x01\x02\0\0\x01\0\x01\x08\x02" + (SECRET.encode() * 2)[:48]
    stored = read_bytes(tmp_path, data[:2] + jpeg_segment(0xE0, header) + data[end:])
    assert SECRET[:20].encode() not in stored.data
    assert stored.extension == "jpg"


def test_png_text_exif_and_profile_do_not_survive(tmp_path):
    information = PngImagePlugin.PngInfo()
    information.add_text("Author", SECRET)
    information.add_text("Comment", SECRET, zip=True)
    information.add_itxt("XML:com.adobe.xmp", SECRET)
    buffer = io.BytesIO()
    picture().save(buffer, "png", pnginfo=information, exif=exif_with_secrets())
    stored = read_bytes(tmp_path, buffer.getvalue() + SECRET.encode())
    assert set(png_chunks(stored.data)) == {b"IHDR", b"IDAT", b"IEND"}
    assert SECRET.encode() not in stored.data
    np.testing.assert_array_equal(decode(stored.data), np.asarray(picture()))


@pytest.mark.parametrize("format_", ["webp", "tiff"])
def test_other_formats_become_png_without_metadata(tmp_path, format_):
    options = {"lossless": True} if format_ == "webp" else {"description": SECRET, "artist": SECRET}
    stored = read_image(tmp_path, picture(), format_, exif=exif_with_secrets(), **options)
    assert set(png_chunks(stored.data)) == {b"IHDR", b"IDAT", b"IEND"}
    np.testing.assert_array_equal(decode(stored.data), np.asarray(picture()))


def test_nothing_in_the_workspace_says_where_the_photos_came_from(tmp_path):
    folder = tmp_path / "home-of-erika" / "photos"
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_bytes(jpeg_with_secrets(picture()))
    workspace, _ = init_workspace(tmp_path / "ws", folder)
    assert [source.origin for source in workspace.sources()] == ["a.jpg"]
    for path in workspace.root.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes()
            assert b"home-of-erika" not in path.read_bytes()


# Pixels


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["jpeg", "png", "webp", "tiff"])
def test_a_photo_is_turned_upright_whatever_its_orientation(tmp_path, format_, orientation):
    options = {"jpeg": {"quality": 95}, "webp": {"lossless": True}}.get(format_, {})
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    buffer = io.BytesIO()
    picture().save(buffer, format_, exif=exif, **options)
    stored = read_bytes(tmp_path, buffer.getvalue())
    # EXIF 2.3, tag 274: where row 0 and column 0 of the file lie in the picture.
    file = decode(strip_jpeg(buffer.getvalue())) if format_ == "jpeg" else np.asarray(picture())
    upright = {
        1: file, 2: file[:, ::-1], 3: file[::-1, ::-1], 4: file[::-1], 5: file.transpose(1, 0, 2),
        6: np.rot90(file, -1), 7: file.transpose(1, 0, 2)[::-1, ::-1], 8: np.rot90(file),
    }[orientation]  # fmt: skip
    np.testing.assert_array_equal(decode(stored.data), upright)
    assert (stored.height, stored.width) == upright.shape[:2]


def test_a_damaged_exif_block_costs_no_photo(tmp_path):
    plain = io.BytesIO()
    picture().save(plain, "jpeg")
    data = plain.getvalue()
    stored = read_bytes(tmp_path, data[:2] + jpeg_segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff") + data[2:])
    np.testing.assert_array_equal(decode(stored.data), decode(data))


def test_transparency_is_laid_over_white(tmp_path):
    see_through = picture().convert("RGBA")
    see_through.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, 96).astype(np.uint8), (72, 1))))
    stored = read_image(tmp_path, see_through, "png")
    alpha = np.asarray(see_through)[..., 3:].astype(float) / 255
    expected = np.asarray(picture()) * alpha + 255 * (1 - alpha)
    np.testing.assert_allclose(decode(stored.data), expected, atol=1)


@pytest.mark.parametrize("mode", ["P", "1", "L", "LA", "RGB", "CMYK", "I;16", "I", "F"])
def test_every_mode_becomes_eight_bit_grey_or_rgb(tmp_path, mode):
    grey = np.asarray(picture().convert("L"))
    wide = {
        "I;16": grey.astype(np.uint16) * 257,
        "I": grey.astype(np.int32) * 257,
        "F": (grey / 255).astype(np.float32),
    }
    image = Image.fromarray(wide[mode]) if mode in wide else picture().convert(mode)
    stored = read_image(tmp_path, image, "tiff")
    with Image.open(io.BytesIO(stored.data)) as opened:
        assert opened.mode in ("RGB", "L")
    if mode in wide:
        np.testing.assert_array_equal(decode(stored.data)[..., 0], grey)
    if mode == "CMYK":
        # The picture itself, but for the rounding of a conversion without profile.
        np.testing.assert_allclose(decode(stored.data), np.asarray(picture()), atol=2)


def test_the_first_frame_of_an_animation_is_taken(tmp_path):
    first, second = picture(seed=1).quantize(32), picture(seed=2).quantize(32)
    stored = read_image(tmp_path, first, "gif", save_all=True, append_images=[second])
    np.testing.assert_array_equal(decode(stored.data), np.asarray(first.convert("RGB")))


def test_an_srgb_profile_is_no_reason_to_encode_a_jpeg_anew(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert read_image(tmp_path, picture(), "jpeg", icc_profile=profile).extension == "jpg"


# Columns: where red, green and blue of each space lie in XYZ, adapted to D50 (Adobe RGB 1998, annex; IEC 61966-2-1).
ADOBE_RGB = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
ADOBE_GAMMA = 563 / 256


def adobe_rgb_profile() -> bytes:
    """A matrix profile (ICC.1:2001), byte by byte."""

    def xyz(values) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, 563) + b"\0\0"
    tags = {b"wtpt": xyz((0.9642, 1, 0.8249)), b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    tags |= {name: xyz(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), ADOBE_RGB.T, strict=True)}
    table, body = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += struct.pack(">4sII", name, 132 + 12 * len(tags) + len(body), len(value))
        body += value
    header = struct.pack(
        ">I4xI4s4s4s12x4s", 132 + 12 * len(tags) + len(body), 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"acsp"
    )
    header += b"\0" * 28 + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + body


@pytest.mark.parametrize("format_", ["png", "jpeg"])
def test_another_profile_is_converted_to_srgb(tmp_path, format_):
    options = {"quality": 100, "subsampling": 0} if format_ == "jpeg" else {}
    buffer = io.BytesIO()
    picture().save(buffer, format_, icc_profile=adobe_rgb_profile(), **options)
    stored = read_bytes(tmp_path, buffer.getvalue())
    linear = np.linalg.inv(SRGB) @ ADOBE_RGB @ ((decode(buffer.getvalue()) / 255.0) ** ADOBE_GAMMA)[..., None]
    linear = np.clip(linear[..., 0], 0, 1)
    expected = 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(decode(stored.data), expected, atol=2.5)
    assert np.abs(decode(stored.data).astype(int) - np.asarray(picture())).max() > 20
    assert stored.extension == "png"


def test_a_broken_profile_costs_no_photo(tmp_path):
    stored = read_image(tmp_path, picture(), "png", icc_profile=b"not a profile" * 20)
    np.testing.assert_array_equal(decode(stored.data), np.asarray(picture()))


def test_the_same_pixels_have_the_same_id_in_every_format(tmp_path):
    ids = {read_image(tmp_path, picture(), format_).source_id for format_ in ("png", "tiff", "bmp")}
    ids.add(read_image(tmp_path, picture(), "webp", lossless=True).source_id)
    assert ids == {source_id_of(picture())}
    assert source_id_of(picture(seed=1)) not in ids
    row = Image.fromarray(np.zeros((2, 8, 3), np.uint8))
    assert source_id_of(row) != source_id_of(row.resize((4, 4)))


def test_the_upright_table_agrees_with_pillow():
    # A second, independent reading of the orientation tag.
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        buffer = io.BytesIO()
        picture().save(buffer, "png", exif=exif)
        with Image.open(buffer) as image:
            expected = np.asarray(ImageOps.exif_transpose(image))
        from editfhf.photo_file import UPRIGHT

        ours = picture().transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else picture()
        np.testing.assert_array_equal(np.asarray(ours), expected)


def test_a_text_chunk_that_unpacks_to_a_bomb_does_no_harm(tmp_path):
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    buffer = io.BytesIO()
    picture().save(buffer, "png")
    data = buffer.getvalue()
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"\0" * 50_000_000))
    with pytest.raises(UnusablePhotoError, match="damaged"):
        read_bytes(tmp_path, data[:33] + bomb + data[33:])
