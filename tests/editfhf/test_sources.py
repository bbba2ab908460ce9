"""Photos in: no private data comes along, no pixel is lost, and what is no use is set aside and named."""

import csv
import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from editfhf.errors import BadInput
from editfhf.photo_file import UnusablePhotoError, read_photo, source_id_of, strip_jpeg
from editfhf.sources import SAMPLES, import_sources, init_workspace, set_aside_rows
from editfhf.workspace import Workspace
from tests.end_to_end.holiday_folder import BAD_FILES, make_folder
from tests.factories import photo

SECRET = "Erika-Mustermann-52.5163N"
ORIENTATION = 0x0112


def picture(width=96, height=72, seed=0) -> Image.Image:
    """A picture of which no turned or mirrored version is the same."""
    return Image.fromarray(photo(128, seed)[:height, :width])


def exif_with_secrets(orientation=1) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[0x013B] = SECRET  # artist
    exif[0x9C9B] = SECRET.encode("utf-16-le")  # title, as Windows writes it
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2] = "N", (52.0, 30.0, 58.68)
    gps[29] = SECRET
    return exif


def jpeg_segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def jpeg_with_secrets(image: Image.Image, orientation=1, **options) -> bytes:
    """Every place of a JPEG file in which programs leave data."""
    plain = io.BytesIO()
    image.save(plain, "jpeg", exif=exif_with_secrets(orientation), **options)
    data = plain.getvalue()
    extra = b"".join([
        jpeg_segment(0xE0, b"JFXX\0\x10" + SECRET.encode()),
        jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x>" + SECRET.encode() + b"</x>"),
        jpeg_segment(0xE2, b"MPF\0" + SECRET.encode()),
        jpeg_segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04" + SECRET.encode()),
        jpeg_segment(0xEC, b"Ducky" + SECRET.encode()),
        jpeg_segment(0xFE, SECRET.encode()),
    ])  # fmt: skip
    return data[:2] + extra + data[2:] + b"video of a moving photo " + SECRET.encode()


def jpeg_markers(data: bytes) -> set[int]:
    markers, position = set(), 2
    while position < len(data) - 1:
        assert data[position] == 0xFF
        marker = data[position + 1]
        markers.add(marker)
        if marker in (0xDA, 0xD9):
            break
        position += 2 + struct.unpack_from(">H", data, position + 2)[0]
    return markers


def png_chunks(data: bytes) -> list[bytes]:
    position, names = 8, []
    while position < len(data):
        length = struct.unpack_from(">I", data, position)[0]
        names.append(data[position + 4 : position + 8])
        position += 12 + length
    return names


def decode(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def read_bytes(tmp_path: Path, data: bytes, name="photo.jpg", **limits):
    path = tmp_path / name
    path.write_bytes(data)
    return read_photo(path, **limits)


def read_image(tmp_path: Path, image: Image.Image, format_: str, **options):
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return read_bytes(tmp_path, buffer.getvalue())


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


# What is set aside


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_a_photo_or_a_reason_and_nothing_else(tmp_path, data):
    format_ = data.draw(st.sampled_from(["jpeg", "png", "webp", "tiff", "gif", "bmp"]))
    buffer = io.BytesIO()
    picture(64, 64).save(buffer, format_)
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(0, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    try:
        stored = read_bytes(tmp_path, bytes(content))
    except UnusablePhotoError:
        return
    assert decode(stored.data).shape == (stored.height, stored.width, 3)


def test_what_counts_as_too_large_is_a_setting(tmp_path):
    picture().save(tmp_path / "a.png")
    assert read_photo(tmp_path / "a.png", max_megapixels=0.007).width == 96
    with pytest.raises(UnusablePhotoError, match=r"96 × 72 .*max_megapixels"):
        read_photo(tmp_path / "a.png", max_megapixels=0.006)
    assert Image.MAX_IMAGE_PIXELS  # the limit of other users of Pillow is as it was


def test_a_photo_that_is_too_small_says_its_size(tmp_path):
    picture().save(tmp_path / "a.png")
    with pytest.raises(UnusablePhotoError, match=r"96 × 72 .*min_side"):
        read_photo(tmp_path / "a.png", min_side=80)


def test_every_kind_of_bad_file_is_set_aside_with_a_reason(tmp_path):
    folder = make_folder(tmp_path / "my photos")
    workspace, counts = init_workspace(tmp_path / "ws", folder)
    reasons = {row["file"]: row["reason"] for row in set_aside_rows(workspace)}
    assert set(reasons) == set(BAD_FILES)
    assert counts.imported == len(workspace.sources()) == 8
    for file, word in {
        "truncated.jpg": "truncated", "empty.png": "empty", "notes.jpg": "not an image", "bomb.png": "60000 × 60000",
        "tiny.png": "40 × 30", "outside.jpg": "leaves the folder", "copy of cat.png": "a cat.png",
    }.items():  # fmt: skip
        assert word in reasons[file]
    assert "2019 été/ネコ/猫.webp" in {source.origin for source in workspace.sources()}
    for source in workspace.sources():
        pixels = workspace.read_image(source.file)
        assert pixels.shape[:2] == (source.height, source.width)
        assert source_id_of(Image.fromarray(pixels)) == source.source_id == Path(source.file).stem


def test_links_hidden_files_and_strange_names(tmp_path):
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    picture(seed=1).save(folder / "z real.png")
    (folder / "a link.png").symlink_to(folder / "z real.png")
    (folder / "b broken.png").symlink_to(folder / "nowhere.png")
    (folder / "up").symlink_to(tmp_path)
    (folder / "sub" / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.png")
    (folder / ".hidden.png").write_bytes(b"x")
    (folder / "Thumbs.db").write_bytes(b"x")
    picture(seed=2).save(folder / "ok.png")
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png")).write_bytes((folder / "ok.png").read_bytes()[:-1] + b"\0")
    workspace, counts = init_workspace(tmp_path / "ws", folder)
    reasons = {row["file"]: row["reason"] for row in set_aside_rows(workspace)}
    assert {source.origin for source in workspace.sources()} <= {"z real.png", "ok.png", "caf\ufffd.png"}
    assert "z real.png" in reasons["a link.png"]
    assert "nothing" in reasons["b broken.png"]
    assert "outside" in reasons["up"]
    assert "another folder" in reasons["sub/loop"]
    assert "regular file" in reasons["pipe.png"]
    assert not {".hidden.png", "Thumbs.db"} & set(reasons)
    assert counts.set_aside == len(reasons)


# Import


def folder_of(tmp_path: Path, *seeds: int) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir(exist_ok=True)
    for seed in seeds:
        picture(seed=seed).save(folder / f"{seed}.png")
    return folder


def test_importing_again_adds_what_is_new_and_keeps_the_rest(tmp_path):
    folder = folder_of(tmp_path, 1, 2)
    workspace, _ = init_workspace(tmp_path / "ws", folder)
    before = workspace.sources()
    (folder / "1.png").unlink()
    (folder / "3.png").write_bytes(b"")
    _, counts = init_workspace(tmp_path / "ws", folder_of(tmp_path, 4))
    assert (counts.imported, counts.already_there, counts.set_aside) == (1, 1, 1)
    assert workspace.sources()[:2] == before
    assert len(workspace.sources()) == 3
    picture(seed=3).save(folder / "3.png")
    init_workspace(tmp_path / "ws", folder)
    assert set_aside_rows(workspace) == []


def test_an_import_that_was_killed_can_be_run_again(tmp_path, monkeypatch):
    folder = folder_of(tmp_path, 1, 2, 3)
    with monkeypatch.context() as patch:
        patch.setattr(Workspace, "write_table", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            init_workspace(tmp_path / "ws", folder)
    (tmp_path / "ws" / "sources" / ".half.png.x.tmp").write_bytes(b"half")
    workspace, counts = init_workspace(tmp_path / "ws", folder)
    assert counts.imported == 3
    assert {path.name for path in workspace.sources_dir.iterdir()} == {Path(s.file).name for s in workspace.sources()}


def test_settings_that_the_user_wrote_are_never_overwritten(tmp_path):
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "editfhf.yaml").write_text("sources:\n  licence: CC0-1.0\n  min_side: 90\n")
    workspace, counts = init_workspace(tmp_path / "ws", make_two_sizes(tmp_path))
    assert "min_side: 90" in (tmp_path / "ws" / "editfhf.yaml").read_text()
    assert (counts.imported, counts.set_aside) == (1, 1)
    assert workspace.sources()[0].licence == "CC0-1.0"


def make_two_sizes(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    picture(96, 96).save(folder / "large.png")
    picture(96, 72).save(folder / "small.png")
    return folder


@pytest.mark.parametrize("name", ["ws", "x", "my: campaign #1", "'quoted\" {name}", "ネコ", "a" * 90])
def test_a_workspace_of_any_name_has_valid_settings(tmp_path, name):
    workspace, _ = init_workspace(tmp_path / name, folder_of(tmp_path, 1))
    assert workspace.config.build.name == name
    assert workspace.config.annotation.title


def test_a_photos_csv_says_more_and_may_be_corrected_later(tmp_path):
    folder = folder_of(tmp_path, 1, 2)
    sheet = folder / "photos.csv"
    sheet.write_bytes("\ufefffile;licence;subject;subject_box\r\n1.png;CC0-1.0;red cup;0.1 0.2 0.5 0.9\r\n".encode())
    workspace, _ = init_workspace(tmp_path / "ws", folder)
    first, second = workspace.sources()
    assert (first.licence, first.subject, first.subject_box) == ("CC0-1.0", "red cup", (0.1, 0.2, 0.5, 0.9))
    assert (second.licence, second.subject, second.subject_box) == ("unknown", "", None)
    sheet.write_text("file,subject,origin\n2.png,dog,Erika\n")
    _, counts = init_workspace(tmp_path / "ws", folder)
    assert counts.described_anew == 1
    assert workspace.sources()[0] == first
    assert (workspace.sources()[1].subject, workspace.sources()[1].origin) == ("dog", "Erika")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "file,subject\n\n1.png,cup\n3.png,dog\n",
            r"photos.csv: line 4: no file '3.png'.*'1.png'|line 4: no file '3.png'",
        ),
        ("file,subject_box\n1.png,0 0 1\n", r"line 2: subject_box '0 0 1'"),
        ("file,subject_box\n1.png,0.5 0 0.5 1\n", r"line 2: subject_box"),
        ("file,subject_box\n1.png,a b c d\n", r"line 2: subject_box"),
        ("file,subject_box\n1.png,nan 0 1 1\n", r"line 2: subject_box"),
        ('file,subject\n1.png,"a ""cup"""\n', r"line 2: subject"),
        (f"file,subject\n1.png,{'x' * 61}\n", r"line 2: subject"),
        ("file\n1.png\n2.png\n1.png\n", r"line 4: '1.png' stands there twice"),
        ("name,subject\n1.png,cup\n", r"line 1: no column file"),
        ("file,subject\n1.png,cup,saucer\n", r"line 2: 3 cells"),
        ("", r"is empty"),
    ],
)
def test_a_wrong_row_of_photos_csv_is_named_by_its_line(tmp_path, text, message):
    folder = folder_of(tmp_path, 1, 2)
    (folder / "photos.csv").write_text(text)
    with pytest.raises(BadInput, match=message):
        init_workspace(tmp_path / "ws", folder)


def test_a_photos_csv_in_another_encoding_is_one_sentence(tmp_path):
    folder = folder_of(tmp_path, 1)
    (folder / "photos.csv").write_bytes(b"file,subject\n1.png,caf\xe9\n")
    with pytest.raises(BadInput, match="line 2: not UTF-8"):
        init_workspace(tmp_path / "ws", folder)


@pytest.mark.parametrize(
    ("workspace", "photos", "message"),
    [
        ("photos/ws", "photos", "would lie in the folder of the photos"),
        ("photos", "photos", "would lie in the folder of the photos"),
        ("ws", "ws/photos", "lie in the workspace"),
        ("full", "photos", "has other things in it"),
        ("full/thing.txt", "photos", "is a file"),
        ("ws", "nowhere", "does not exist"),
        ("ws", "full/thing.txt", "is not a folder"),
        ("ws", "nothing usable", r"no photo that can be used \(a.txt: not an image.*and 1 more\)"),
        ("ws", "empty", r"no photo that can be used \(it is empty\)"),
    ],
)
def test_folders_that_make_no_sense_are_one_clear_sentence(tmp_path, workspace, photos, message):
    for name in ("photos", "ws/photos", "full", "nothing usable", "empty"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "full" / "thing.txt").write_text("x")
    (tmp_path / "nothing usable" / "a.txt").write_text("x")
    (tmp_path / "nothing usable" / "b.txt").write_text("x")
    picture().save(tmp_path / "photos" / "1.png")
    if not photos.startswith("ws"):
        (tmp_path / "ws" / "photos").rmdir()
    with pytest.raises(BadInput, match=message):
        init_workspace(tmp_path / workspace, tmp_path / photos)


def test_the_samples_are_enough_small_licensed_and_free_of_metadata(tmp_path):
    workspace, counts = init_workspace(tmp_path / "ws")
    sources = workspace.sources()
    assert counts.imported == len(sources) >= 12
    assert not set_aside_rows(workspace)
    assert sum(path.stat().st_size for path in SAMPLES.iterdir()) < 2_000_000
    with (SAMPLES / "photos.csv").open(encoding="utf-8") as file:
        listed = {row["file"] for row in csv.DictReader(file)}
    assert listed == {path.name for path in SAMPLES.glob("*.jpg")}
    free = {"CC0-1.0", "CC-BY-2.0", "BSD-3-Clause", "public domain", "no known copyright restrictions"}
    assert {source.licence for source in sources} <= free
    for source in sources:
        assert max(source.width, source.height) <= 640
        assert source.file.endswith(".jpg")
    again, counts = init_workspace(tmp_path / "ws")
    assert (counts.imported, counts.already_there) == (0, len(sources))
    assert again.sources() == sources


def test_a_workspace_with_photos_of_its_own_gets_no_samples(tmp_path):
    init_workspace(tmp_path / "ws", folder_of(tmp_path, 1))
    workspace, _ = init_workspace(tmp_path / "ws")
    assert len(workspace.sources()) == 1


def test_two_imports_at_once_are_refused(tmp_path):
    workspace, _ = init_workspace(tmp_path / "ws", folder_of(tmp_path, 1))
    with workspace.lock("init"), pytest.raises(BadInput, match="Another"):
        import_sources(workspace, folder_of(tmp_path, 2))


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
