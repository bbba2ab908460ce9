"""Colour spaces, soft masks, cut-outs and shadows: what every editor composes with. Images are float32 in 0..255."""

from dataclasses import dataclass

import cv2
import numpy as np

# Where the photo's own sharpness ends: cut-outs get an edge about this soft, in pixels (Gaussian sigma).
EDGE_SOFTNESS = 1.1


def as_float(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float32)


def to_lab(image: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of RGB in 0..255: float32, L in 0..100."""
    return cv2.cvtColor(np.clip(image, 0, 255).astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def from_lab(lab: np.ndarray) -> np.ndarray:
    """RGB, float32 in 0..255, of CIE L*a*b*."""
    return np.clip(cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_LAB2RGB), 0, 1) * 255


def luminance(image: np.ndarray) -> np.ndarray:
    """Rec. 601 luma of RGB: float32, shape (height, width), 0..255."""
    return cv2.cvtColor(np.clip(image, 0, 255).astype(np.float32), cv2.COLOR_RGB2GRAY)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(image.astype(np.float32), (0, 0), sigma) if sigma > 0.05 else image


def sample(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Each pixel taken from (x, y) in pixels, in between interpolated; outside, the image is mirrored."""
    x, y = x.astype(np.float32), y.astype(np.float32)
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def dilate(mask: np.ndarray, radius: int) -> np.ndarray:
    return _morph(cv2.MORPH_DILATE, mask, radius)


def erode(mask: np.ndarray, radius: int) -> np.ndarray:
    return _morph(cv2.MORPH_ERODE, mask, radius)


def close(mask: np.ndarray, radius: int) -> np.ndarray:
    return _morph(cv2.MORPH_CLOSE, mask, radius)


def open_(mask: np.ndarray, radius: int) -> np.ndarray:
    return _morph(cv2.MORPH_OPEN, mask, radius)


def soften(mask: np.ndarray, sigma: float = EDGE_SOFTNESS) -> np.ndarray:
    """A mask with a soft edge: float32, shape (height, width, 1), 0..1."""
    return blur(mask.astype(np.float32), sigma)[..., None]


def mix(below: np.ndarray, above: np.ndarray, alpha: np.ndarray | float) -> np.ndarray:
    """`above` over `below`; alpha in 0..1, shape (height, width[, 1]) or a number."""
    if isinstance(alpha, np.ndarray) and alpha.ndim == 2:
        alpha = alpha[..., None]
    return (below + (above.astype(np.float32) - below) * alpha).astype(np.float32)


def bounding_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in pixels (right and bottom outside); all 0 for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return 0, 0, 0, 0
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def largest_parts(mask: np.ndarray, min_share: float) -> np.ndarray:
    """The mask without connected parts smaller than `min_share` of the image."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    large = [label for label in range(1, count) if stats[label, cv2.CC_STAT_AREA] >= min_share * mask.size]
    return np.isin(labels, large)


@dataclass(frozen=True)
class CutOut:
    """A piece of a photo with a soft edge, in the frame of the photo.

    Attributes:
        colour: float32, shape (height, width, 3), 0..255.
        alpha: float32, shape (height, width), 0..1.
    """

    colour: np.ndarray
    alpha: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        return self.alpha > 0.5

    def moved(self, dx: float, dy: float, scale: float = 1.0, anchor: tuple[float, float] = (0.0, 0.0)) -> "CutOut":
        """Shifted by (dx, dy) pixels and scaled about `anchor` (x, y); what leaves the frame is lost."""
        matrix = np.array(
            [[scale, 0, dx + (1 - scale) * anchor[0]], [0, scale, dy + (1 - scale) * anchor[1]]], np.float32
        )
        return self.warped(matrix)

    def warped(self, matrix: np.ndarray) -> "CutOut":
        """Through a 2 × 3 affine matrix."""
        size = (self.alpha.shape[1], self.alpha.shape[0])
        # Colours are carried outward over the border of the frame; the alpha ends there.
        colour = cv2.warpAffine(self.colour, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        alpha = cv2.warpAffine(self.alpha, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return CutOut(np.clip(colour, 0, 255), alpha)


def cut_out(image: np.ndarray, mask: np.ndarray) -> CutOut:
    """The masked part. Its colours reach a little outward over its edge, so that no old background shines through."""
    core = erode(mask, 2)
    colour = as_float(image)
    if core.any():
        # Colours of the nearest pixel well inside, for the rim of a few pixels where subject and background mix.
        _, labels = cv2.distanceTransformWithLabels(
            (~core).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        ys, xs = np.nonzero(core)
        lookup = np.zeros(labels.max() + 1, np.int64)
        lookup[labels[ys, xs]] = np.arange(len(ys))
        nearest = lookup[labels]
        outward = colour[ys[nearest], xs[nearest]]
        rim = soften(~erode(mask, 1), 1.0)
        colour = mix(colour, blur(outward, 0.8), rim)
    # A subject that is cut by the frame stays solid up to the frame.
    padded = cv2.copyMakeBorder(mask.astype(np.float32), 8, 8, 8, 8, cv2.BORDER_REPLICATE)
    alpha = blur(cv2.erode(padded, np.ones((3, 3), np.uint8)), EDGE_SOFTNESS)[8:-8, 8:-8]
    return CutOut(colour, alpha)


def put(image: np.ndarray, piece: CutOut) -> np.ndarray:
    return mix(image, piece.colour, piece.alpha)


def cast_shadow(image: np.ndarray, mask: np.ndarray, light_from_left: bool, strength: float = 0.42) -> np.ndarray:
    """Darken the ground where a standing thing touches it: an ellipse at the foot of `mask`, away from the light."""
    _, top, _, bottom = bounding_box(mask)
    height, width = mask.shape
    foot = mask[max(top, bottom - max(3, (bottom - top) // 6)) : bottom]
    columns = np.flatnonzero(foot.any(axis=0))
    if len(columns) == 0 or bottom >= height - 1:
        return image
    half = max(4.0, (columns[-1] - columns[0]) / 2)
    centre_x = (columns[-1] + columns[0]) / 2 + (0.25 if light_from_left else -0.25) * half
    thickness = max(2.0, min(0.22 * half, 0.12 * (bottom - top)))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    distance = ((x - centre_x) / (1.15 * half)) ** 2 + ((y - (bottom - 0.3 * thickness)) / thickness) ** 2
    shade = strength * np.exp(-(distance**1.5))
    return image * (1 - shade[..., None])


def light_comes_from_left(image: np.ndarray) -> bool:
    """Whether the left half of the photo is the brighter one."""
    grey = luminance(image)
    middle = grey.shape[1] // 2
    return bool(grey[:, :middle].mean() >= grey[:, middle:].mean())


def grain_level(image: np.ndarray) -> float:
    """Standard deviation of the photo's own fine noise, 0..255.

    Source: Immerkær, "Fast noise variance estimation" (CVIU 1996); here with the median, which edges do not disturb.
    """
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    response = np.abs(cv2.filter2D(luminance(image), -1, kernel))
    # 6 is the norm of the kernel, 0.6745 the median of |N(0, 1)|.
    return float(np.median(response) / 6 / 0.6745)


def add_grain(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Photographic grain, mostly the same in all channels."""
    if sigma <= 0:
        return image
    shared = rng.standard_normal(image.shape[:2], np.float32)[..., None]
    return image + blur(shared, 0.5)[..., None] * sigma * 1.3 if sigma < 6 else image + shared * sigma


def _morph(operation: int, mask: np.ndarray, radius: int) -> np.ndarray:
    if radius < 1:
        return mask.copy()
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    # Outside the frame nothing is known: neither dilation nor erosion may come in from there.
    border = cv2.BORDER_REPLICATE if operation in (cv2.MORPH_CLOSE, cv2.MORPH_OPEN) else cv2.BORDER_CONSTANT
    if border == cv2.BORDER_REPLICATE:
        return cv2.morphologyEx(mask.astype(np.uint8), operation, kernel, borderType=border).astype(bool)
    return cv2.morphologyEx(mask.astype(np.uint8), operation, kernel).astype(bool)
