"""Which sizes of image a model takes, and how a photo is brought to one."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, slots=True)
class SizePolicy:
    """Sizes that a model was made for.

    Attributes:
        multiple: width and height are multiples of it, in pixels.
        max_pixels: photos with more are made smaller.
        min_pixels: photos with fewer are made larger (a model that was trained near one area does worse below it).
        max_aspect: the longer side over the shorter, at most; a photo beyond it is not planned for this model.
        fixed: the only sizes (width, height) it knows; the one with the nearest aspect is taken.
    """

    multiple: int = 1
    max_pixels: int = 1024 * 1024
    min_pixels: int = 0
    max_aspect: float = 4.0
    fixed: tuple[tuple[int, int], ...] = ()

    def takes(self, width: int, height: int) -> bool:
        """Whether a photo of this size has an aspect that the model can keep."""
        return max(width, height) / min(width, height) <= self.max_aspect

    def fit(self, width: int, height: int, max_pixels: int | None = None) -> tuple[int, int]:
        """The size (width, height) in pixels at which a photo of this size is edited.

        The aspect is kept as well as the multiple allows; with `fixed` sizes, the nearest aspect (in logarithm) wins.
        The area is at most `max_pixels` (the policy's own unless given).
        """
        if self.fixed:
            wanted = math.log(width / height)
            return min(self.fixed, key=lambda size: (abs(math.log(size[0] / size[1]) - wanted), size))
        limit = max_pixels or self.max_pixels
        area = min(max(width * height, min(self.min_pixels, limit)), limit)
        scale = math.sqrt(area / (width * height))
        # Down to the multiple, or the area could come out above the limit; but never to nothing.
        across = max(self.multiple, math.floor(width * scale / self.multiple + 1e-6) * self.multiple)
        down = max(self.multiple, math.floor(height * scale / self.multiple + 1e-6) * self.multiple)
        return across, down

    def resize(self, photo: "Image.Image", max_pixels: int | None = None) -> "Image.Image":
        """The photo as RGB at the size that `fit` says (Lanczos)."""
        from PIL import Image

        size = self.fit(photo.width, photo.height, max_pixels)
        rgb = photo.convert("RGB")
        return rgb if rgb.size == size else rgb.resize(size, Image.Resampling.LANCZOS)
