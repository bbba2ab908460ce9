"""Checks of the images of a dataset: that they decode, their size, and that they carry nothing but pixels."""

import io
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, JpegImagePlugin, PngImagePlugin

from editfhf.checks.rows import read_rows
from editfhf.photo_file import DECODE_ERRORS

IMAGES = ("source_image", "edited_image", "artifact_map", "failure_map")
# What a JPEG needs beside its pixels: the bare header, the colour profile, and Adobe's colour transform.
JPEG_SEGMENTS = ((b"JFIF\0", "APP0"), (b"ICC_PROFILE\0", "APP2"), (b"Adobe", "APP14"))
METADATA = ("exif", "xmp", "photoshop", "comment", "mp")  # keys of Pillow's `Image.info`, whatever the format


def check_images(folder: Path) -> Iterator[str]:
    """Every image decodes, has the stated size and no metadata; a map is 8-bit grey, as large as the edited image."""
    for _, file, row in read_rows(folder, "default", ["edit_id", "width", "height", *IMAGES]):
        for column in IMAGES:
            where = f"{file}: {row['edit_id']}: {column}"
            if row[column] is None:
                if not column.endswith("_map"):
                    yield f"{where} is missing"
            elif not row[column]["bytes"]:
                yield f"{where} has no bytes"
            else:
                size = None if column == "source_image" else (row["width"], row["height"])
                yield from _check_image(where, row[column]["bytes"], size, is_map=column.endswith("_map"))


def _check_image(where: str, data: bytes, size: tuple[int, int] | None, is_map: bool) -> Iterator[str]:
    try:
        with Image.open(io.BytesIO(data)) as image:
            if size and image.size != size:
                yield f"{where} is {image.width} × {image.height}, not {size[0]} × {size[1]}"
            image.load()
            if is_map and image.mode != "L":
                yield f"{where} has mode {image.mode}, not L"
            if carried := _metadata(image):
                yield f"{where} carries metadata ({', '.join(carried)})"
    except (Image.DecompressionBombError, *DECODE_ERRORS) as error:
        yield f"{where} does not decode: {error}"


def _metadata(image: Image.Image) -> list[str]:
    """What an image carries beside its pixels and what they need to be shown."""
    found = {key for key in METADATA if image.info.get(key)}
    if len(image.getexif()):
        found.add("exif")
    if isinstance(image, PngImagePlugin.PngImageFile):
        found |= {f"text {key!r}" for key in image.text}
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        for name, body in image.applist:
            if not any(name == segment and bytes(body).startswith(start) for start, segment in JPEG_SEGMENTS):
                found.add(name)
    return sorted(found)
