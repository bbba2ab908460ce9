"""Which found region is which of people's: a one-to-one assignment by overlap."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment
from shapely import area, intersection, make_valid

from editfhf.geometry import to_shape
from editfhf.schema import Polygon


def match(found: Sequence[Polygon], wanted: Sequence[Polygon], least_iou: float) -> list[tuple[int, int, float]]:
    """The assignment of found regions to wanted ones with the largest sum of overlaps.

    Args:
        found, wanted: polygons in 0..1 of one image.
        least_iou: pairs that overlap less do not match; 0..1.

    Returns:
        (index in found, index in wanted, intersection over union) of each match.

    Source:
        Hungarian method (Kuhn, 1955) on the Jaccard index, as in DETR (Carion et al., ECCV 2020).
    """
    if not (len(found) and len(wanted)):
        return []
    left = np.array([make_valid(to_shape(polygon)) for polygon in found], dtype=object)
    right = np.array([make_valid(to_shape(polygon)) for polygon in wanted], dtype=object)
    shared = area(intersection(left[:, None], right[None, :]))
    iou = shared / np.maximum(area(left)[:, None] + area(right)[None, :] - shared, 1e-12)
    # Pairs below the bar count for nothing: they may not push aside a pair that matches.
    gain = np.where(iou >= least_iou, iou, 0.0)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    return [(int(i), int(j), float(iou[i, j])) for i, j in zip(rows, columns, strict=True) if gain[i, j] > 0]
