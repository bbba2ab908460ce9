"""From a map to regions."""

import cv2
import numpy as np

from editfhf.geometry import rasterise, trace
from editfhf.schema import Polygon

SMALLEST_REGION = 0.0015  # of the image: less is a speck of the map
MOST_REGIONS = 8  # of one kind on one image: people draw four on average
TRACE_SIDE = 160  # pixels of the square on which a map is cut: outlines keep no staircase


def regions_of_map(people: np.ndarray, threshold: float) -> list[tuple[Polygon, float]]:
    """The connected parts of a map above a threshold, the most certain first.

    Args:
        people: float32, any size, 0..1.

    Returns:
        (polygon in 0..1, its confidence: the 90 % quantile of the map inside).
    """
    fine = cv2.resize(people, (TRACE_SIDE, TRACE_SIDE), interpolation=cv2.INTER_LINEAR)
    above = fine >= threshold
    if not above.any():
        return []
    regions = []
    for polygon in trace(above, tolerance=1 / TRACE_SIDE, min_area=SMALLEST_REGION):
        inside = fine[rasterise(polygon, TRACE_SIDE, TRACE_SIDE)]
        regions.append((polygon, float(np.quantile(inside, 0.9)) if len(inside) else threshold))
    return sorted(regions, key=lambda region: -region[1])[:MOST_REGIONS]
