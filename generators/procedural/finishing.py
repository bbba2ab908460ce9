"""The last steps of every image, flawed or not, and what a viewer sees of the difference between two of them.

Finishing is local (a 3 × 3 kernel) and its grain depends on the photo alone. So where a flawed image does not differ
from the flawless one before it, the finished pixels are the same to the bit: nothing betrays that an operator was at
work.
"""

import cv2
import numpy as np

from generators.procedural.compositing import close, largest_parts, open_, to_lab
from generators.procedural.context import rng_of

RESAMPLING = 0.03  # share that each direct neighbour gives, as after a resampling by a fraction of a pixel
GRAIN = 0.8  # standard deviation, 0..255: just enough to dither away the flatness of what was painted
# A colour difference that a viewer notices without looking for it; 2.3 is the smallest one can (Mahy et al., 1994).
VISIBLE_DELTA_E = 4.5
SMALLEST_PART = 0.0003  # of the image: specks below are no region that anybody would draw
SMALLEST_FLAW = 0.0006


def finish(image: np.ndarray, photo_digest: str) -> np.ndarray:
    """A mild resampling, grain, and rounding: uint8 of the shape of `image` (float32, 0..255)."""
    side = RESAMPLING
    kernel = np.array([[0, side, 0], [side, 1 - 4 * side, side], [0, side, 0]], np.float32)
    resampled = cv2.filter2D(np.clip(image, 0, 255).astype(np.float32), -1, kernel)
    grain = rng_of("grain", photo_digest, image.shape[:2]).standard_normal(image.shape[:2], np.float32)
    return np.clip(np.round(resampled + GRAIN * grain[..., None]), 0, 255).astype(np.uint8)


def visible_difference(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Where two images of one shape (uint8 or float, 0..255) visibly differ, cleaned of specks and pinholes: bool."""
    delta = np.sqrt(((to_lab(left) - to_lab(right)) ** 2).sum(axis=2))
    differs = cv2.GaussianBlur(delta, (0, 0), 0.003 * max(delta.shape)) > VISIBLE_DELTA_E
    if not differs.any():
        return differs
    return largest_parts(open_(close(differs, round(0.008 * max(delta.shape))), 1), SMALLEST_PART)
