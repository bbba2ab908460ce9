"""Which sizes of image a model takes, and how a photo is brought to one and its edit back to the photo's frame."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

# Of two sizes, the one that is off by less in aspect + 0.1 × area (both in logarithm) is taken. A smaller weight gives
# up area for aspects that nobody can tell apart; with 0.2, the aspect is off by up to a third more.
AREA_WEIGHT = 0.1


@dataclass(frozen=True, slots=True)
class Framing:
    """Where a photo lies in the image that a model is given.

    Attributes:
        canvas: width and height of that image, in pixels.
        box: left, top, right and lower edge of the photo in it, in pixels; most often all of it.
    """

    canvas: tuple[int, int]
    box: tuple[int, int, int, int]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the photo, and so of its edit."""
        left, top, right, lower = self.box
        return right - left, lower - top

    def cut(self, image: "Image.Image") -> "Image.Image":
        """The photo's part of what the model made, also where that is larger or smaller than the canvas."""
        across, down = image.width / self.canvas[0], image.height / self.canvas[1]
        left, top, right, lower = self.box
        part = (round(left * across), round(top * down), round(right * across), round(lower * down))
        return image if part == (0, 0, image.width, image.height) else image.crop(part)


@dataclass(frozen=True, slots=True)
class SizePolicy:
    """Sizes that a model was made for, and how a photo of another is brought to one. Nothing is ever cropped away.

    A `multiple` alone stretches the photo a little: of the sizes it allows, the one nearest in aspect, and then in
    area, is taken. The aspect is then off by at most 0.65 × multiple / √pixels: at a megapixel 1 % with a multiple of
    16, 2 % with 32; with a `width` of 512, half a multiple of the height: 3 % for a photo of 2 : 1.
    Where that would be more (`framed`, and always with `fixed` sizes), the photo keeps its aspect to the pixel: it
    fills one direction of the size, its edge pixels fill the rest, and the edit is cut back to the photo.

    Attributes:
        multiple: width and height given to the model are multiples of it, in pixels.
        max_pixels: photos with more are made smaller.
        min_pixels: photos with fewer are made larger (a model that was trained near one area does worse below it).
        max_aspect: the longer side over the shorter, at most; a photo beyond it is not planned for this model.
        width: the only width that the model knows, whatever the height; 0 for any.
        fixed: the only sizes (width, height) it knows; the one with the nearest aspect is taken.
        framed: keep the aspect to the pixel, as above.
    """

    multiple: int = 1
    max_pixels: int = 1024 * 1024
    min_pixels: int = 0
    max_aspect: float = 4.0
    width: int = 0
    fixed: tuple[tuple[int, int], ...] = ()
    framed: bool = False

    def takes(self, width: int, height: int) -> bool:
        """Whether a photo of this size has an aspect that the model can keep."""
        return max(width, height) / min(width, height) <= self.max_aspect

    def fit(self, width: int, height: int, max_pixels: int | None = None) -> tuple[int, int]:
        """The size (width, height) in pixels of the edit of a photo of this size.

        The area is at most `max_pixels` (the policy's own unless given), except with `fixed` sizes.
        """
        return self.framing(width, height, max_pixels).size

    def framing(self, width: int, height: int, max_pixels: int | None = None) -> Framing:
        """The image that the model is given for a photo of this size, and where in it the photo lies."""
        canvas = _canvas(self, width, height, max_pixels or self.max_pixels)
        if not (self.fixed or self.framed):
            return Framing(canvas, (0, 0, *canvas))
        scale = min(canvas[0] / width, canvas[1] / height)
        across, down = (
            min(max(1, round(side * scale)), whole) for side, whole in zip((width, height), canvas, strict=True)
        )
        left, top = (canvas[0] - across) // 2, (canvas[1] - down) // 2
        return Framing(canvas, (left, top, left + across, top + down))

    def resize(self, photo: "Image.Image", max_pixels: int | None = None) -> "Image.Image":
        """The photo as RGB on the canvas that `framing` says (Lanczos)."""
        from PIL import Image

        framing = self.framing(photo.width, photo.height, max_pixels)
        rgb = photo.convert("RGB")
        sized = rgb if rgb.size == framing.size else rgb.resize(framing.size, Image.Resampling.LANCZOS)
        return sized if framing.size == framing.canvas else _on_canvas(sized, framing)


@lru_cache(maxsize=2**16)  # a plan asks for the same photos again and again
def _canvas(policy: SizePolicy, width: int, height: int, limit: int) -> tuple[int, int]:
    if policy.fixed:
        wanted = math.log(width / height)
        return min(policy.fixed, key=lambda size: (abs(math.log(size[0] / size[1]) - wanted), size))
    step = policy.multiple
    if policy.width:
        down = max(1, round(height * policy.width / width / step)) * step
        if policy.width * down <= limit:
            return policy.width, down
    area = min(max(width * height, min(policy.min_pixels, limit)), limit)

    def cost(size: tuple[int, int]) -> tuple[float, tuple[int, int]]:
        aspect = abs(math.log(size[0] / size[1]) - math.log(width / height))
        return aspect + AREA_WEIGHT * abs(math.log(size[0] * size[1] / area)), size

    exact = math.sqrt(area * width / height) / step
    # Down to three quarters of the side; where that is many steps, a few are enough to meet the aspect.
    least, most = max(1, math.floor(exact * 0.75), math.floor(exact) - 8), math.ceil(exact * 1.25)
    downs = {across: across * height / width for across in range(least, min(most, math.ceil(exact) + 4) + 1)}
    sizes = {(across, max(1, side)) for across, down in downs.items() for side in (math.floor(down), math.ceil(down))}
    allowed = [(across * step, down * step) for across, down in sizes if across * down * step * step <= limit]
    rounded_down = max(1, math.floor(exact)) * step, max(1, math.floor(exact * height / width)) * step
    return min(allowed or [rounded_down], key=cost)


def _on_canvas(photo: "Image.Image", framing: Framing) -> "Image.Image":
    """The photo in its box, its edge pixels repeated to the edges of the canvas."""
    import numpy as np
    from PIL import Image

    (width, height), (left, top, right, lower) = framing.canvas, framing.box
    around = ((top, height - lower), (left, width - right), (0, 0))
    return Image.fromarray(np.pad(np.asarray(photo), around, mode="edge"))
