"""One photo file: read safely, turned upright, brought to 8-bit sRGB or grey, and rid of everything but its pixels."""

import hashlib
import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from editfhf.errors import first_line
from editfhf.schema import ID_LENGTH

Image.init()  # Pillow knows PNG and JPEG from the start, WebP and TIFF only after this
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
# What Pillow's decoders raise on damaged data; OSError includes UnidentifiedImageError.
DECODE_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, TypeError, LookupError, OverflowError, AttributeError, RuntimeError,
    struct.error, zlib.error,
)  # fmt: skip
EXIF_ORIENTATION = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip


class UnusablePhotoError(Exception):
    """Why a file cannot be a source photo, in words for the table of what was set aside."""


@dataclass(frozen=True, slots=True)
class PhotoFile:
    """A photo as it will be stored: `data` are the bytes of a `png` or `jpg` file without metadata."""

    source_id: str
    data: bytes
    extension: str
    width: int
    height: int


def read_photo(path: Path, max_megapixels: float = 100.0, min_side: int = 64) -> PhotoFile:
    """Read a JPEG, PNG, WebP, TIFF, BMP or GIF (first frame) of any mode.

    A JPEG that is upright, RGB or grey, and sRGB keeps its compressed pixels byte for byte; everything else becomes
    PNG. Transparency is laid over white; other colour profiles are converted to sRGB; 16 bits become 8.

    Raises:
        UnusablePhotoError: empty, not an image, truncated or damaged, too large, too small, unreadable.
    """
    try:
        with path.open("rb") as file, _any_size(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a damaged EXIF block is no reason to worry a user
            if not file.read(1):
                raise UnusablePhotoError("the file is empty")
            file.seek(0)
            return _read(file, max_megapixels, min_side)
    except PermissionError as error:
        raise UnusablePhotoError("the file may not be read (permission denied)") from error
    except OSError as error:
        raise UnusablePhotoError(f"the file cannot be read ({error.strerror or error})") from error


def source_id_of(image: Image.Image) -> str:
    """16 hex digits of the sha-256 of the size and the RGB pixels: the same picture has the same id in any format."""
    digest = hashlib.sha256(f"{image.width}x{image.height}:".encode())
    digest.update(image.convert("RGB").tobytes())
    return digest.hexdigest()[:ID_LENGTH]


def encode_png(image: Image.Image) -> bytes:
    """A PNG file that holds nothing but the pixels."""
    bare = Image.frombytes(image.mode, image.size, image.tobytes())
    buffer = io.BytesIO()
    bare.save(buffer, "png")
    return buffer.getvalue()


def _read(file: io.BufferedReader, max_megapixels: float, min_side: int) -> PhotoFile:
    try:
        image = Image.open(file, formats=FORMATS)
    except Image.UnidentifiedImageError as error:
        raise UnusablePhotoError("not an image of a known kind (JPEG, PNG, WebP, TIFF, BMP, GIF)") from error
    except DECODE_ERRORS as error:
        raise UnusablePhotoError(f"truncated or damaged ({first_line(error)})") from error
    if image.width * image.height > max_megapixels * 1e6:
        raise UnusablePhotoError(
            f"it says {image.width} × {image.height} pixels; sources.max_megapixels is {max_megapixels:g}"
        )
    if min(image.size) < min_side:
        raise UnusablePhotoError(
            f"{image.width} × {image.height} pixels; each side needs sources.min_side ({min_side}) at least"
        )
    try:
        image.load()
        upright, turned = _turn_upright(image)
        profile = image.info.get("icc_profile")
        pixels, converted = _to_srgb(upright, profile)
    except MemoryError as error:
        raise UnusablePhotoError("too large for the memory of this machine") from error
    except DECODE_ERRORS as error:
        raise UnusablePhotoError(f"truncated or damaged ({first_line(error)})") from error
    source_id = source_id_of(pixels)
    if image.format in ("JPEG", "MPO") and not turned and not converted:
        file.seek(0)
        stripped = strip_jpeg(file.read())
        if stripped is not None and _decodes_to(stripped, pixels):
            return PhotoFile(source_id, stripped, "jpg", pixels.width, pixels.height)
    return PhotoFile(source_id, encode_png(pixels), "png", pixels.width, pixels.height)


@contextmanager
def _any_size() -> Iterator[None]:
    # Pillow has a limit of its own for the whole process; ours is a setting, checked before anything is decoded.
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _turn_upright(image: Image.Image) -> tuple[Image.Image, bool]:
    try:
        orientation = image.getexif().get(EXIF_ORIENTATION, 1)
    except DECODE_ERRORS:
        orientation = 1  # damaged metadata say nothing about the pixels
    if orientation not in UPRIGHT:
        return image, False
    return image.transpose(UPRIGHT[orientation]), True


def _to_srgb(image: Image.Image, icc_profile: bytes | None) -> tuple[Image.Image, bool]:
    """The image as RGB or L in sRGB, and whether any pixel had to be computed anew."""
    flat = _flatten(image)
    if icc_profile:
        converted = _apply_profile(flat, icc_profile)
        if converted is not None:
            return converted, True
    if flat.mode in ("RGB", "L"):
        return flat, flat is not image
    return flat.convert("RGB"), True


def _flatten(image: Image.Image) -> Image.Image:
    """No palette, no transparency, 8 bits: one of RGB, L, CMYK, YCbCr, LAB, HSV."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(_eight_bits(np.asarray(image), image.mode))
    if image.mode == "1":
        return image.convert("L")
    if image.mode in ("LA", "La") or (image.mode == "L" and "transparency" in image.info):
        image, target = image.convert("RGBA"), "L"
    elif image.mode in ("RGBA", "RGBa", "PA") or "transparency" in image.info:
        image, target = image.convert("RGBA"), "RGB"
    elif image.mode == "P":
        return image.convert("RGB")
    else:
        return image
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert(target)


def _eight_bits(values: np.ndarray, mode: str) -> np.ndarray:
    """Grey values of more than 8 bits as uint8: 0..65535 by their range; wider or fractional ones by their extremes."""
    values = values.astype(np.float64)
    if mode != "F" and values.min() >= 0 and values.max() <= 65535:
        return np.round(values / 257).astype(np.uint8)
    if mode == "F" and values.min() >= 0 and values.max() <= 1:
        return np.round(values * 255).astype(np.uint8)
    if not np.isfinite(values).all():
        raise ValueError("pixels that are not finite numbers")
    low, high = values.min(), values.max()
    return np.round((values - low) / max(high - low, 1e-9) * 255).astype(np.uint8)


def _apply_profile(image: Image.Image, icc_profile: bytes) -> Image.Image | None:
    """The image through its colour profile to sRGB; None when the profile is sRGB already, or of no use."""
    output = "L" if image.mode == "L" else "RGB"
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
        transform = ImageCms.buildTransform(
            profile, ImageCms.createProfile("sRGB"), image.mode, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC
        )
        if image.mode in ("RGB", "L"):
            probe = _probe(image.mode)
            changed = np.asarray(ImageCms.applyTransform(probe, transform)).astype(int)
            if np.abs(changed - np.asarray(probe.convert("RGB"))).max() <= 2:
                return None
        converted = ImageCms.applyTransform(image, transform)
    except (ImageCms.PyCMSError, *DECODE_ERRORS):
        return None  # a broken profile, or one for other channels than the image has
    return None if converted is None else converted.convert(output)


def _probe(mode: str) -> Image.Image:
    """A small image of colours from the whole range: what a profile does to them tells whether it is sRGB."""
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    if mode == "L":
        return Image.fromarray(steps[None])
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    return Image.fromarray(np.ascontiguousarray(grid))


def strip_jpeg(data: bytes) -> bytes | None:
    """A JPEG file reduced to what decoding needs: tables, frames and scans; None when its structure is not understood.

    Comments, all application segments but the bare JFIF header and Adobe's colour transform, thumbnails within them,
    and whatever follows the end of the image are left out.

    Source:
        ITU-T T.81, annex B (markers); JFIF 1.02; Adobe Technical Note 5116 (APP14).
    """
    if not data.startswith(b"\xff\xd8"):
        return None
    parts, position = [b"\xff\xd8"], 2
    while position + 1 < len(data):
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker == 0xD9:
            return b"".join([*parts, b"\xff\xd9"])
        if position + 4 > len(data):
            break
        length = struct.unpack_from(">H", data, position + 2)[0]
        body = data[position + 4 : position + 2 + length]
        if length < 2 or len(body) != length - 2:
            break
        kept = _kept_segment(marker, body)
        if kept is not None:
            parts.append(struct.pack(">BBH", 0xFF, marker, len(kept) + 2) + kept)
        position += 2 + length
        if marker == 0xDA:
            end = _end_of_scan(data, position)
            parts.append(data[position:end])
            position = end
    # No end marker: the decoder was content, so the image itself is whole.
    return b"".join([*parts, b"\xff\xd9"])


def _kept_segment(marker: int, body: bytes) -> bytes | None:
    if marker == 0xE0 and body.startswith(b"JFIF\0") and len(body) >= 14:
        return body[:12] + b"\0\0"  # without its thumbnail
    if marker == 0xEE and body.startswith(b"Adobe") and len(body) >= 12:
        return body[:12]
    is_frame_or_table = 0xC0 <= marker <= 0xCF and marker != 0xC8
    return body if is_frame_or_table or marker in (0xDA, 0xDB, 0xDC, 0xDD) else None


def _end_of_scan(data: bytes, position: int) -> int:
    """Where the next marker stands after entropy-coded data: FF that no 00, restart or fill follows."""
    while True:
        position = data.find(b"\xff", position)
        if position < 0 or position + 1 >= len(data):
            return len(data)
        following = data[position + 1]
        if following == 0 or 0xD0 <= following <= 0xD7:
            position += 2
        elif following == 0xFF:
            position += 1
        else:
            return position


def _decodes_to(data: bytes, pixels: Image.Image) -> bool:
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            return image.mode == pixels.mode and image.size == pixels.size and image.tobytes() == pixels.tobytes()
    except DECODE_ERRORS:
        return False
