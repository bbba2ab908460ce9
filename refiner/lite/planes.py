"""What can be said of two images pixel by pixel, without learning: the planes beside the backbone's features."""

import cv2
import numpy as np

from refiner.lite.backbone import SIDE, square
from refiner.lite.expectation import Expectation

PLANE_SIDE = SIDE // 2
FINE_SIDE = 2 * SIDE  # pixels of the square on which images are compared: grain and blur do not survive a smaller one
CELL = FINE_SIDE // PLANE_SIDE
NAMES = (
    "edited L", "edited a", "edited b", "source L", "source a", "source b", "change L", "change a", "change b",
    "difference", "highest difference", "structure lost", "structure lost, coarse", "edited detail", "source detail",
    "detail change", "fine detail change",
    "edited has the colour", "source has the colour", "place", "x", "y",
)  # fmt: skip
COLOUR_REACH = 25.0  # ΔE: a colour this far from the one that is asked for still looks like it, a little
WINDOW = 1.5  # pixels, sigma of the local statistics (SSIM: 1.5)
STRUCTURE_FLOOR = (0.03 * 100) ** 2  # C2 of SSIM (Wang et al., 2004), for lightness on 0..100
STATISTICS = ("mean", "deviation", "90 %", "99 %")


def compare(source: np.ndarray, edited: np.ndarray, expectation: Expectation) -> np.ndarray:
    """The planes of one pair.

    Args:
        source, edited: uint8, shape (height, width, 3), of any sizes: both are compared as squares of `FINE_SIDE`.

    Returns:
        float32, shape (len(NAMES), PLANE_SIDE, PLANE_SIDE), each of about unit scale.
    """
    before, after = (_lab(square(image, FINE_SIDE)) for image in (source, edited))
    lost = _structure_lost(before[..., 0], after[..., 0], WINDOW)
    lost_coarse = _structure_lost(before[..., 0], after[..., 0], 6 * WINDOW)
    detail_before, detail_after = (_detail(image[..., 0], 2 * WINDOW) for image in (before, after))
    grain_before, grain_after = (_detail(image[..., 0], 0.5 * WINDOW) for image in (before, after))
    change = after - before
    difference = np.sqrt((change**2).sum(axis=2))  # CIE76
    rows, columns = np.mgrid[0:FINE_SIDE, 0:FINE_SIDE].astype(np.float32) / FINE_SIDE
    fine = [
        *np.moveaxis(after / 50, 2, 0),
        *np.moveaxis(before / 50, 2, 0),
        *np.moveaxis(change / 25, 2, 0),
        np.sqrt(difference / 20),
        np.sqrt(cv2.dilate(difference, np.ones((CELL, CELL), np.uint8)) / 20),
        lost,
        lost_coarse,
        detail_after,
        detail_before,
        detail_after - detail_before,
        grain_after - grain_before,
        _likeness(after, expectation.colour),
        _likeness(before, expectation.colour),
        _place(expectation.place),
        columns,
        rows,
    ]
    # The mean of each cell of CELL × CELL pixels.
    return np.stack([cv2.resize(plane, (PLANE_SIDE, PLANE_SIDE), interpolation=cv2.INTER_AREA) for plane in fine])


def edit_distance(planes: np.ndarray, others: np.ndarray) -> float:
    """How different two edited images of one photo look: the root of the mean squared CIE76 ΔE, 0 or more.

    Args:
        planes, others: of each, as `compare` gives them.
    """
    change = 50 * (planes[:3].astype(np.float32) - others[:3])  # L*a*b* of the edited image come first, divided by 50
    return float(np.sqrt((change**2).sum(axis=0).mean()))


def statistics(planes: np.ndarray) -> np.ndarray:
    """`STATISTICS` of every plane: float32, shape (len(NAMES) × len(STATISTICS),)."""
    flat = planes.reshape(len(planes), -1)
    tails = np.quantile(flat, (0.9, 0.99), axis=1)
    return np.concatenate([flat.mean(axis=1), flat.std(axis=1), tails[0], tails[1]]).astype(np.float32)


def _lab(image: np.ndarray) -> np.ndarray:
    """CIE L*a*b*: float32, L 0..100."""
    return np.asarray(cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))


def _structure_lost(before: np.ndarray, after: np.ndarray, sigma: float) -> np.ndarray:
    """1 − the contrast–structure term of SSIM: 0 (the same texture) to 2 (its negative)."""

    def local(values: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(values, (0, 0), sigma)

    mean_before, mean_after = local(before), local(after)
    both = local(before * after) - mean_before * mean_after
    spread = np.maximum(local(before**2) - mean_before**2, 0) + np.maximum(local(after**2) - mean_after**2, 0)
    return 1 - (2 * both + STRUCTURE_FLOOR) / (spread + STRUCTURE_FLOOR)


def _detail(lightness: np.ndarray, sigma: float) -> np.ndarray:
    """How much detail finer than `sigma` pixels is around each pixel, as a logarithm: −1 (smooth) to 1 (grass)."""
    fine = np.abs(lightness - cv2.GaussianBlur(lightness, (0, 0), sigma))
    return np.log10(cv2.GaussianBlur(fine, (0, 0), 2 * WINDOW) + 0.05)


def _likeness(lab: np.ndarray, colour: np.ndarray | None) -> np.ndarray:
    """How near each pixel is to the colour that is asked for, 0..1, lightness counting half; 0 where none is."""
    if colour is None:
        return np.zeros(lab.shape[:2], np.float32)
    distance = np.sqrt((((lab - colour) * [0.5, 1, 1]) ** 2).sum(axis=2))
    return np.exp(-((distance / COLOUR_REACH) ** 2)).astype(np.float32)


def _place(box: tuple[float, float, float, float] | None) -> np.ndarray:
    """1 inside the place that is named, 0 outside; 0 everywhere where none is."""
    plane = np.zeros((FINE_SIDE, FINE_SIDE), np.float32)
    if box is not None:
        left, top, right, bottom = (round(side * FINE_SIDE) for side in box)
        plane[top:bottom, left:right] = 1
    return plane
