"""Images on their way to an API and back: photos as PNG, answers as RGB within a limit of pixels."""

import io
from dataclasses import dataclass

from PIL import Image

from generators.base import ModelEntry

MAX_PIXELS = 32 * 1024 * 1024  # the largest that either makes is 4K with 17 million
FORMATS = ("PNG", "JPEG", "WEBP")


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo as it is sent: PNG, width and height in pixels."""

    png: bytes
    width: int
    height: int


class UnreadableImage(Exception):
    """The answer's bytes are no image; another attempt may bring one."""


class OversizedImage(Exception):
    """The answer is an image of more pixels than any that was asked for."""


def encode_photo(entry: ModelEntry, photo: Image.Image) -> Photo:
    """The photo at the size that the model's policy says."""
    sized = entry.size.resize(photo)
    buffer = io.BytesIO()
    sized.save(buffer, "png")
    return Photo(buffer.getvalue(), sized.width, sized.height)


def decode_answer(data: bytes) -> Image.Image:
    """An image that a server sent, as RGB.

    Raises:
        UnreadableImage: it does not decode.
        OversizedImage: it claims more than `MAX_PIXELS`; nothing was decoded.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise OversizedImage(f"{image.width} × {image.height} pixels")
        return image.convert("RGB")
    except Image.DecompressionBombError as error:
        raise OversizedImage("too many pixels to say") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        # Pillow says `cannot identify image file <_io.BytesIO object at …>`: the type is all that helps.
        raise UnreadableImage(type(error).__name__) from error
