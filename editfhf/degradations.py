"""Photos made worse on purpose: some tasks (colour it, restore it, sharpen it) make no sense on a good photo.

What was done is recorded and seeded, and the clean photo stays as the reference.
"""

from typing import Any

import cv2
import numpy as np

NOISE = (14.0, 22.0)  # standard deviation of the noise, of 255
SCRATCHES = (4, 8)  # how many
BLUR_SHARE = (0.003, 0.005)  # standard deviation of the blur, of the image's diagonal


def degrade(image: np.ndarray, kind: str, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
    """A worse version of a photo. The same image, kind and seed give the same pixels.

    Args:
        image: uint8, shape (height, width, 3), RGB.
        kind: `greyscale`, `damaged` (noise and scratches) or `blurred`.

    Returns:
        The photo made worse, uint8 of the same shape (height, width for `greyscale`), and what was done, for JSON.

    Raises:
        ValueError: unknown kind.
    """
    random = np.random.default_rng(seed)
    if kind == "greyscale":
        return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), {"kind": kind}
    if kind == "damaged":
        noise, scratches = round(float(random.uniform(*NOISE)), 2), int(random.integers(*SCRATCHES, endpoint=True))
        done = {"kind": kind, "noise": noise, "scratches": scratches, "seed": seed}
        return _scratch(_add_noise(image, noise, random), scratches, random), done
    if kind == "blurred":
        sigma = round(float(random.uniform(*BLUR_SHARE)) * float(np.hypot(*image.shape[:2])), 2)
        return cv2.GaussianBlur(image, (0, 0), sigma), {"kind": kind, "sigma": sigma, "seed": seed}
    raise ValueError(f"unknown degradation {kind!r}: greyscale, damaged or blurred")


def _add_noise(image: np.ndarray, sigma: float, random: np.random.Generator) -> np.ndarray:
    # An old black-and-white print has grey grain.
    is_grey = (image.min(axis=2) == image.max(axis=2)).all()
    grain = random.normal(0, sigma, (*image.shape[:2], 1 if is_grey else 3))
    return np.clip(np.round(image + grain), 0, 255).astype(np.uint8)


def _scratch(image: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Long thin lines, slightly bent, brighter or darker than all around, as on an old print."""
    height, width = image.shape[:2]
    scratched = image.copy()
    for _ in range(count):
        start = random.uniform(0, [width, height])
        angle, length = random.uniform(0, np.pi), random.uniform(0.3, 0.9) * max(height, width)
        steps = np.linspace(0, length, 12)[:, None]
        points = start + steps * [np.cos(angle), np.sin(angle)] + np.cumsum(random.normal(0, 1.2, (12, 2)), axis=0)
        shade = int(random.choice([20, 235])) + int(random.integers(-15, 16))
        thickness = max(1, round(max(height, width) / 500))
        cv2.polylines(scratched, [np.round(points).astype(np.int32)], False, (shade,) * 3, thickness, cv2.LINE_AA)
    return scratched
