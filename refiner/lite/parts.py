"""A part of an image that is of another image: where it is, and how much of the two images' difference lies in it."""

import cv2
import numpy as np


def random_box(height: int, width: int, sides: tuple[float, float], random: np.random.Generator) -> np.ndarray:
    """A box somewhere, each side a share between `sides` of the image's: float32, shape (height, width), 0 or 1."""
    shares = random.uniform(*sides, 2)
    left, top = (random.uniform(0, 1 - share) for share in shares)
    mask = np.zeros((height, width), np.float32)
    mask[int(top * height) : int((top + shares[1]) * height), int(left * width) : int((left + shares[0]) * width)] = 1
    return mask


def with_soft_rim(mask: np.ndarray, soft: float) -> np.ndarray:
    """The mask with a rim of which σ is `soft` of the diagonal: float32, 0..1."""
    return np.clip(cv2.GaussianBlur(mask, (0, 0), soft * float(np.hypot(*mask.shape))), 0, 1)


def share_in(part: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """The share of two images' difference that lies in the part, 0..1; 0 where they are equal."""
    change = np.abs(first.astype(np.float32) - second).sum(axis=2)
    return float((change * part).sum()) / max(float(change.sum()), 1.0)
