"""A folder of photos as a user has it: every format and mode, odd names, and every kind of file that is no use."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

# Ends of the reasons that `init` must give, by file
BAD_FILES = (
    "truncated.jpg", "empty.png", "notes.jpg", "bomb.png", "tiny.png", "outside.jpg", "copy of cat.png",
)  # fmt: skip


def make_folder(folder: Path) -> Path:
    """Write the folder and return it. Good photos: cat, coffee, astronaut in several formats, nested, oddly named."""
    (folder / "2019 été" / "ネコ").mkdir(parents=True)
    cat = Image.fromarray(data.chelsea())
    coffee = Image.fromarray(data.coffee()).resize((480, 320))
    astronaut = Image.fromarray(data.astronaut())
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90°
    exif[0x013B] = "Erika Mustermann"
    exif.get_ifd(0x8825)[1] = "N"
    coffee.save(folder / "coffee cup.jpg", exif=exif, quality=92)
    cat.save(folder / "2019 été" / "ネコ" / "猫.webp", quality=90)
    astronaut.convert("CMYK").save(folder / "cmyk.tiff")
    astronaut.convert("L").rotate(180).save(folder / "grey.jpg")
    astronaut.transpose(Image.Transpose.FLIP_LEFT_RIGHT).quantize(64).save(folder / "palette.png")
    transparent = coffee.transpose(Image.Transpose.FLIP_LEFT_RIGHT).convert("RGBA")
    transparent.putalpha(200)
    transparent.save(folder / "transparent.png")
    sixteen_bit = np.asarray(cat.convert("L").rotate(90, expand=True)).astype(np.uint16) * 257
    Image.fromarray(sixteen_bit).save(folder / "sixteen bit.png")

    whole = io.BytesIO()
    astronaut.save(whole, "jpeg")
    (folder / "truncated.jpg").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    (folder / "empty.png").write_bytes(b"")
    (folder / "notes.jpg").write_text("milk, bread, eggs")
    (folder / "bomb.png").write_bytes(bomb())
    cat.resize((40, 30)).save(folder / "tiny.png")
    cat.save(folder / "a cat.png")
    cat.save(folder / "copy of cat.png")
    outside = folder.parent / "private.jpg"
    coffee.rotate(90, expand=True).save(outside)
    (folder / "outside.jpg").symlink_to(outside)
    (folder / ".DS_Store").write_bytes(b"\0")
    return folder


def bomb() -> bytes:
    """A PNG of a few hundred bytes that says it is 60,000 × 60,000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )
