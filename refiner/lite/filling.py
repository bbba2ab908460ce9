"""Fill a region from what surrounds it, patch by patch from its border inwards, on a reduced copy; then at full size.

Where a strong edge meets the border the filling starts, so that edges run on into the region (Criminisi, Pérez, Toyama,
"Region filling and object removal by exemplar-based image inpainting", IEEE TIP 2004). Which place every pixel was
copied from is carried over to the full image, so texture stays sharp. Last, a difference of tone at the border is
spread over the region by push and pull (Gortler et al., "The Lumigraph", SIGGRAPH 1996). What cannot be filled so gets
Telea's method (Journal of Graphics Tools 2004). The procedural editors fill otherwise: by a randomised search.
"""

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

SIDE = 120  # pixels: longer side of the reduced copy; the time grows with its fourth power
HALF = 4  # pixels of the reduced copy: patches of 9 × 9, as in the paper
NEARER = 0.3  # grey levels for each pixel of distance: of two places that fit alike, the nearer
TONE_BORDER = 4  # pixels at full size: the tone is compared so close to the region
TONE_MOST = 24.0  # grey levels: more is another thing at the border, not another tone
MOST = 0.6  # of the image: then too little is left to fill from


def fill(image: np.ndarray, hole: np.ndarray) -> np.ndarray | None:
    """The image with the hole filled; unchanged outside. None where the hole leaves too little to fill from.

    Args:
        image: uint8, shape (height, width, 3). hole: bool, shape (height, width).
    """
    if hole.mean() > MOST:
        return None
    height, width = hole.shape
    scale = min(1.0, SIDE / max(height, width))
    size = (max(2 * HALF + 1, round(width * scale)), max(2 * HALF + 1, round(height * scale)))
    known = (~hole).astype(np.float32)
    # Only known pixels are averaged into the reduced copy.
    share = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    small = cv2.resize(image * known[..., None], size, interpolation=cv2.INTER_AREA)
    small = small / np.maximum(share, 1e-6)[..., None]
    places, unfilled = _places(small, share < 0.999)
    filled = _copied(image, hole, places)
    if unfilled.any():
        left = (
            cv2.resize(unfilled.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST).astype(bool) & hole
        )
        smeared = cv2.inpaint(np.clip(small, 0, 255).astype(np.uint8), unfilled.astype(np.uint8), 3, cv2.INPAINT_TELEA)
        filled[left] = cv2.resize(smeared, (width, height), interpolation=cv2.INTER_CUBIC)[left]
    if not hole.any():
        return image.copy()
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    margin = 4 * TONE_BORDER
    box = (
        slice(max(0, rows[0] - margin), rows[-1] + 1 + margin),
        slice(max(0, columns[0] - margin), columns[-1] + 1 + margin),
    )
    filled[box] += _tone(image[box], filled[box], hole[box])
    result = image.copy()
    result[hole] = np.clip(np.rint(filled[hole]), 0, 255).astype(np.uint8)
    return result


def spread(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Values known where the weight is not 0, carried smoothly everywhere: push and pull over a pyramid.

    Args:
        values: float32, shape (height, width, 3). weight: float32, 0..1, shape (height, width), not all 0.

    Returns:
        float32, the shape of `values`; the values themselves where the weight is 1.
    """
    height, width = weight.shape
    share = weight[..., None]
    if min(height, width) <= 1:
        mean = (values * share).sum(axis=(0, 1)) / max(float(weight.sum()), 1e-6)
        return (values * share + mean * (1 - share)).astype(np.float32)
    size = ((width + 1) // 2, (height + 1) // 2)
    lower_weight = cv2.pyrDown(weight, dstsize=size)
    lower = cv2.pyrDown(values * share, dstsize=size) / np.maximum(lower_weight, 1e-6)[..., None]
    # Below, the weight counts in full: a thin border fills a hole as well as a broad one.
    coarse = spread(lower, np.minimum(4 * lower_weight, 1))
    return values * share + cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR) * (1 - share)


def _places(small: np.ndarray, hole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each pixel of the reduced copy, how far away it is copied from (y, x), and which could not be filled.

    `small` is filled in place.
    """
    height, width = hole.shape
    places = np.zeros((height, width, 2), np.float32)
    unknown = hole.copy()
    confidence = (~hole).astype(np.float32)
    tops, pixels = _patches_of(small, hole)
    if not len(tops):
        return places, unknown
    squares = pixels * pixels
    while unknown.any():
        y, x, confident = _next_patch(small, unknown, confidence)
        shift_y, shift_x = np.subtract(_most_alike(small, unknown, y, x, tops, pixels, squares), (y - HALF, x - HALF))
        rows = slice(max(0, y - HALF), min(height, y + HALF + 1))
        columns = slice(max(0, x - HALF), min(width, x + HALF + 1))
        new = unknown[rows, columns].copy()
        copied = small[rows.start + shift_y : rows.stop + shift_y, columns.start + shift_x : columns.stop + shift_x]
        small[rows, columns][new] = copied[new]
        places[rows, columns][new] = (shift_y, shift_x)
        confidence[rows, columns][new] = confident
        unknown[rows, columns] = False
    return places, unknown


def _next_patch(small: np.ndarray, unknown: np.ndarray, confidence: np.ndarray) -> tuple[int, int, float]:
    """Row, column and confidence of the pixel of the border whose surroundings are best known and most structured."""
    ys, xs = np.flatnonzero(unknown.any(axis=1)), np.flatnonzero(unknown.any(axis=0))
    top, left = max(0, ys[0] - 2 * HALF), max(0, xs[0] - 2 * HALF)
    box = (slice(top, ys[-1] + 2 * HALF + 1), slice(left, xs[-1] + 2 * HALF + 1))
    hole = unknown[box].astype(np.uint8)
    inside = hole.astype(bool)
    border = inside & (cv2.erode(hole, np.ones((3, 3), np.uint8), borderValue=1) == 0)
    if not border.any():  # the hole is all that the box shows
        border = inside
    side = 2 * HALF + 1
    certain = cv2.boxFilter(np.where(inside, 0, confidence[box]), -1, (side, side), borderType=cv2.BORDER_REFLECT)
    grey = small[box].mean(axis=2)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=3), cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=3)
    near_hole = cv2.dilate(hole, np.ones((3, 3), np.uint8)) > 0
    across[near_hole], down[near_hole] = 0, 0
    # The strongest edge within a patch, as far as it runs into the hole and not along it.
    soft = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), 1.5)
    normal_x, normal_y = cv2.Sobel(soft, cv2.CV_32F, 1, 0, ksize=3), cv2.Sobel(soft, cv2.CV_32F, 0, 1, ksize=3)
    length = np.hypot(normal_x, normal_y) + 1e-6
    edge_x, edge_y = (cv2.boxFilter(part, -1, (side, side)) for part in (-down, across))
    structure = np.abs(edge_x * normal_x + edge_y * normal_y) / length / 255
    priority = np.where(border, certain * (structure + 0.01), -1)
    y, x = np.unravel_index(int(priority.argmax()), priority.shape)
    return int(y) + top, int(x) + left, float(certain[y, x])


def _patches_of(small: np.ndarray, hole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where whole patches lie that were known from the first, (n, 2) top and left, and their pixels, (n, 9 · 9 · 3)."""
    side = 2 * HALF + 1
    whole = sliding_window_view(~hole, (side, side)).all(axis=(2, 3))
    pixels = sliding_window_view(small, (side, side, 3))[:, :, 0][whole]
    return np.argwhere(whole), np.ascontiguousarray(pixels.reshape(len(pixels), side * side * 3))


def _most_alike(
    small: np.ndarray, unknown: np.ndarray, y: int, x: int, tops: np.ndarray, pixels: np.ndarray, squares: np.ndarray
) -> tuple[int, int]:
    """Top and left of the patch that is most like what is known around a pixel."""
    side = 2 * HALF + 1
    rows = np.clip(np.arange(y - HALF, y + HALF + 1), 0, unknown.shape[0] - 1)
    columns = np.clip(np.arange(x - HALF, x + HALF + 1), 0, unknown.shape[1] - 1)
    known = np.repeat(~unknown[np.ix_(rows, columns)].reshape(side * side), 3).astype(np.float32)
    patch = small[np.ix_(rows, columns)].reshape(side * side * 3) * known
    # Σ known · (pixels − patch)², multiplied out: two products of a matrix with a vector.
    misfit = squares @ known - 2 * (pixels @ patch) + patch @ patch
    away = np.hypot(tops[:, 0] - (y - HALF), tops[:, 1] - (x - HALF))
    best = np.argmin(np.sqrt(np.maximum(misfit, 0) / max(float(known.sum()), 1)) + NEARER * away)
    return int(tops[best, 0]), int(tops[best, 1])


def _copied(image: np.ndarray, hole: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The full image with the hole's pixels copied from their places: float32.

    Each pixel is the mean of what the four nearest pixels of the reduced copy were copied from, by distance: one value
    within a patch, a soft change between two.
    """
    height, width = hole.shape
    small_height, small_width = places.shape[:2]
    step_y, step_x = height / small_height, width / small_width
    y, x = np.nonzero(hole)
    at_y, at_x = (y + 0.5) / step_y - 0.5, (x + 0.5) / step_x - 0.5
    first_y, first_x = np.floor(at_y).astype(int), np.floor(at_x).astype(int)
    total, weights = np.zeros((len(y), 3), np.float32), np.zeros(len(y), np.float32)
    for down in (0, 1):
        for right in (0, 1):
            row = np.clip(first_y + down, 0, small_height - 1)
            column = np.clip(first_x + right, 0, small_width - 1)
            shift = places[row, column]
            from_y = np.clip(np.rint(y + shift[:, 0] * step_y).astype(int), 0, height - 1)
            from_x = np.clip(np.rint(x + shift[:, 1] * step_x).astype(int), 0, width - 1)
            weight = np.abs(1 - down - (at_y - first_y)) * np.abs(1 - right - (at_x - first_x))
            weight = np.where(hole[from_y, from_x], 1e-6, weight + 1e-4).astype(np.float32)
            total += weight[:, None] * image[from_y, from_x]
            weights += weight
    result = image.astype(np.float32)
    result[y, x] = total / weights[:, None]
    return result


def _tone(image: np.ndarray, filled: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """What to add to the filled hole so that its tone meets the border's."""
    side = np.ones((2 * TONE_BORDER + 1,) * 2, np.uint8)
    inner = hole & cv2.dilate((~hole).astype(np.uint8), side).astype(bool)
    if not inner.any() or hole.all():
        return np.zeros(image.shape, np.float32)
    size = (4 * TONE_BORDER + 1,) * 2

    def mean_of(values: np.ndarray, where: np.ndarray) -> np.ndarray:
        weight = cv2.boxFilter(where.astype(np.float32), -1, size)
        return (
            cv2.boxFilter(values * where[..., None].astype(np.float32), -1, size) / np.maximum(weight, 1e-6)[..., None]
        )

    difference = mean_of(image.astype(np.float32), ~hole) - mean_of(filled, hole)
    weight = inner & (np.abs(difference).max(axis=2) < TONE_MOST)
    if not weight.any():
        return np.zeros(image.shape, np.float32)
    return spread(difference.astype(np.float32), weight.astype(np.float32))
