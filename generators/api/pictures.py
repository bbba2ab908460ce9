"""Images on their way to an API and back: photos as PNG, answers as RGB within a limit of pixels."""

import io
from dataclasses import dataclass

from PIL import Image

from generators.sizes import Framing, SizePolicy

MAX_PIXELS = 32 * 1024 * 1024  # the largest that either makes is 4K with 17 million
FORMATS = ("PNG", "JPEG", "WEBP")


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo as it is sent: PNG, and where in it the photo lies."""

    png: bytes
    framing: Framing

    @property
    def canvas(self) -> tuple[int, int]:
        """Width and height of what is sent, in pixels."""
        return self.framing.canvas


class UnreadableImage(Exception):
    """The answer's bytes are no image; another attempt may bring one."""


class OversizedImage(Exception):
    """The answer is an image of more pixels than any that was asked for."""


def encode_photo(size: SizePolicy, photo: Image.Image) -> Photo:
    """The photo at the size that the policy says."""
    buffer = io.BytesIO()
    size.resize(photo).save(buffer, "png")
    return Photo(buffer.getvalue(), size.framing(photo.width, photo.height))


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
