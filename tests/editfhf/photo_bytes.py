"""Photos as bytes, with secrets in them, for the tests of import."""

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from editfhf.photo_file import read_photo
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
