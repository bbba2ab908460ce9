"""Consensus of regions as one would write it first: loops over edits, pairs and groups with shapely. The peer of ours.

Average linkage at a plain intersection over union of 0.3, a vote of half of the group, support as the only evidence.
"""

from itertools import combinations

import numpy as np
import shapely
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from shapely.ops import unary_union

SAME_REGION_IOU = 0.3


def pairwise(shapes: list[shapely.Polygon]) -> np.ndarray:
    """IoU of every two shapes of one edit, pair by pair."""
    iou = np.eye(len(shapes))
    for i, left in enumerate(shapes):
        for j in range(i + 1, len(shapes)):
            right = shapes[j]
            shared = left.intersection(right).area
            iou[i, j] = iou[j, i] = shared / (left.area + right.area - shared)
    return iou


def pairwise_by_union(shapes: list[shapely.Polygon]) -> np.ndarray:
    """The same as the definition says it: intersection over union."""
    iou = np.eye(len(shapes))
    for i, left in enumerate(shapes):
        for j in range(i + 1, len(shapes)):
            right = shapes[j]
            iou[i, j] = iou[j, i] = left.intersection(right).area / left.union(right).area
    return iou


def consensus(
    shapes: list[shapely.Polygon], people: list[int], kinds: list[int], iou: np.ndarray
) -> list[tuple[int, shapely.Geometry, int]]:
    """(kind, polygon, support) of every region of one edit."""
    regions = []
    for kind in sorted(set(kinds)):
        rows = [index for index, one in enumerate(kinds) if one == kind]
        label = np.ones(len(rows), int)
        if len(rows) > 1:
            distance = 1 - iou[np.ix_(rows, rows)]
            np.fill_diagonal(distance, 0)
            label = fcluster(linkage(squareform(distance, checks=False), "average"), 1 - SAME_REGION_IOU, "distance")
        for one in np.unique(label):
            by_person: dict[int, list[shapely.Polygon]] = {}
            for index, of in zip(rows, label, strict=True):
                if of == one:
                    by_person.setdefault(people[index], []).append(shapes[index])
            drawn = [unary_union(own) if len(own) > 1 else own[0] for own in by_person.values()]
            needed = (len(drawn) + 1) // 2
            agreed = unary_union([_all_of(some) for some in combinations(drawn, needed)])
            parts = [part for part in shapely.get_parts(agreed) if part.area >= 0.05 * agreed.area and part.area > 0]
            for part in parts or [drawn[0]]:
                support = sum(part.intersection(own).area > 0 for own in drawn) if len(parts) > 1 else len(drawn)
                regions.append((kind, part, support))
    return regions


def _all_of(shapes: tuple[shapely.Geometry, ...]) -> shapely.Geometry:
    common = shapes[0]
    for shape in shapes[1:]:
        common = common.intersection(shape)
    return common
