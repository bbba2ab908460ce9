"""Saliency maps: the share of people who marked each pixel, weighted by how much their marks are worth, smoothed."""

from collections.abc import Iterable, Mapping
from typing import Any

import cv2
import numpy as np

from editfhf.schema import Polygon

SMOOTHING_SHARE = 0.01  # standard deviation of the maps' kernel, as a share of the diagonal: a hand's accuracy


def mark_map(
    regions: Iterable[Mapping[str, Any]],
    inspectors: Mapping[str, float] | int,
    width: int,
    height: int,
) -> np.ndarray:
    """The share of people who marked each pixel, smoothed: uint8, shape (height, width), 0 (nobody) to 255 (everybody).

    A flaw of the whole image marks every pixel for that person; one that is missing has no place on the edited image.

    Args:
        regions: of one kind, with annotator, extent and polygon.
        inspectors: the weight of everybody who looked, or how many people looked, all alike.
    """
    regions = list(regions)
    if isinstance(inspectors, int):
        weights = dict.fromkeys((row["annotator"] for row in regions), 1.0)
        total = float(max(inspectors, 1))
    else:
        weights, total = dict(inspectors), float(sum(inspectors.values()))
    marks = count_marks(regions, width, height, weights)
    top, left, bottom, right = _frame(marks)
    if bottom <= top:
        return np.zeros((height, width), np.uint8)
    sigma = SMOOTHING_SHARE * float(np.hypot(width, height))
    # Only what the kernel reaches is smoothed. OpenCV cuts it off at four deviations; a pixel more for rounding.
    reach = int(np.ceil(4 * sigma)) + 2
    top, left = max(0, top - reach), max(0, left - reach)
    bottom, right = min(height, bottom + reach), min(width, right + reach)
    share = (marks[top:bottom, left:right] / total).astype(
        np.float32
    )  # half the time, and far finer than a step of 255
    smooth = cv2.GaussianBlur(share, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    result = np.zeros((height, width), np.uint8)
    result[top:bottom, left:right] = np.clip(np.round(smooth * 255), 0, 255).astype(np.uint8)
    return result


def count_marks(
    regions: Iterable[Mapping[str, Any]], width: int, height: int, weights: Mapping[str, float] | None = None
) -> np.ndarray:
    """How many different people marked each pixel, each with a weight (1): float64, shape (height, width)."""
    by_person: dict[str, list[Mapping[str, Any]]] = {}
    for row in regions:
        by_person.setdefault(row["annotator"], []).append(row)
    total = np.zeros((height, width))
    for person in sorted(by_person):
        weight = 1.0 if weights is None else weights[person]
        if any(row["extent"] == "whole" for row in by_person[person]):
            total += weight
            continue
        drawn = [row["polygon"] for row in by_person[person] if row["polygon"]]
        if not drawn:
            continue
        points = np.concatenate([np.asarray(polygon[0], float) for polygon in drawn]) * [width, height]
        left, top = np.clip(np.floor(points.min(axis=0)).astype(int) - 1, 0, [width, height])
        right, bottom = np.clip(np.ceil(points.max(axis=0)).astype(int) + 1, 0, [width, height])
        mask = np.zeros((bottom - top, right - left), bool)
        for polygon in drawn:
            mask |= _window(polygon, width, height, left, top, right, bottom)
        total[top:bottom, left:right] += weight * mask
    return total


def _window(polygon: Polygon, width: int, height: int, left: int, top: int, right: int, bottom: int) -> np.ndarray:
    """As `editfhf.geometry.rasterise`, of one window of the image."""
    fine = np.zeros((3 * (bottom - top), 3 * (right - left)), np.uint8)
    corner = np.array([3 * left, 3 * top], float)
    rings = [
        np.round((np.array(ring, float) * [3 * width, 3 * height] - 0.5 - corner) * 16).astype(np.int32)
        for ring in polygon
    ]
    cv2.fillPoly(fine, rings, 1, lineType=cv2.LINE_8, shift=4)
    return fine[1::3, 1::3].astype(bool)


def _frame(marks: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(marks.any(axis=1)), np.flatnonzero(marks.any(axis=0))
    if not len(rows):
        return 0, 0, 0, 0
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
