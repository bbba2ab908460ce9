"""From several people's polygons on one edit to consensus regions, and to the maps of where people saw flaws.

A first version: people who marked the same place are grouped by overlap, and each group votes pixel by pixel on a
raster of its own box. Regions and maps come from one call, over the same drawings.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from shapely import STRtree, area, intersection, make_valid, union_all

from editfhf.flaws import FLAW_TYPES
from editfhf.geometry import from_shape, polygon_parts, rasterise, to_shape, trace
from editfhf.schema import REGION_KINDS, Polygon

# Two people who mean the same flaw overlap by about half when one draws tightly and the other generously.
SAME_REGION_IOU = 0.3
VOTE_SHARE = 0.5  # a pixel belongs to the consensus when half of those who marked the group marked it
RASTER_SIDE = (
    256  # pixels of each side of a group's box, on which it votes: finer than any hand, however small the flaw
)
BOX_MARGIN = 0.02  # of the box, so that no outline runs along the border of the raster
# Beta(1, 2) prior: before anybody looked, a mark is more often a slip than a flaw that half of the people would see.
PRIOR_MARKED, PRIOR_NOT_MARKED = 1.0, 2.0
CRUMB_SHARE = 0.05  # parts of a consensus smaller than this share of its largest are crumbs of the vote
SMOOTHING_SHARE = 0.01  # standard deviation of the maps' kernel, as a share of the diagonal: a hand's accuracy

_FLAW_ORDER = {flaw.id: number for number, flaw in enumerate(FLAW_TYPES)}


@dataclass(frozen=True)
class Consensus:
    """What people together said about one edit.

    Attributes:
        regions: rows of the table `consensus`, without edit_id.
        maps: kind → uint8, shape (height, width): the share (0..255) of inspecting people who marked the pixel,
            smoothed, never normalised.
    """

    regions: list[dict[str, Any]]
    maps: dict[str, np.ndarray]


def find_consensus(regions: Sequence[Mapping[str, Any]], n_inspected: int, width: int, height: int) -> Consensus:
    """Consensus regions and maps of one edit.

    Args:
        regions: rows of the table `regions` about this edit, in any order.
        n_inspected: people who looked for flaws (outcome answered or no_flaw); at least 1.
        width, height: of the edited image, in pixels.
    """
    # By what was drawn and not by who drew it: ties must not depend on names.
    ordered = sorted(regions, key=_content)
    rows = []
    for kind in REGION_KINDS:
        of_kind = [row for row in ordered if row["kind"] == kind]
        drawn = [row for row in of_kind if row["extent"] == "region"]
        for group in _group_by_overlap(drawn):
            rows += _agree_on_place(group, n_inspected)
        for group in _group_by_type([row for row in of_kind if row["extent"] != "region"]):
            polygon: Polygon = next((row["polygon"] for row in group if row["polygon"]), [])
            rows.append(_summarise(group, polygon, n_inspected))
    rows.sort(key=lambda row: (-row["probability"], row["kind"], _FLAW_ORDER[row["flaw_type"]], str(row["polygon"])))
    maps = {
        kind: mark_map([row for row in ordered if row["kind"] == kind], n_inspected, width, height)
        for kind in REGION_KINDS
    }
    return Consensus(rows, maps)


def mark_map(regions: Iterable[Mapping[str, Any]], n_inspected: int, width: int, height: int) -> np.ndarray:
    """The share of people who marked each pixel, smoothed: uint8, shape (height, width), 0 (nobody) to 255 (everybody).

    A flaw of the whole image marks every pixel for that person; one that is missing has no place on the edited image.
    """
    share = count_marks(regions, width, height) / max(n_inspected, 1)
    if not share.any():
        return np.zeros((height, width), np.uint8)
    sigma = SMOOTHING_SHARE * float(np.hypot(width, height))
    smooth = cv2.GaussianBlur(share, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.clip(np.round(smooth * 255), 0, 255).astype(np.uint8)


def count_marks(regions: Iterable[Mapping[str, Any]], width: int, height: int) -> np.ndarray:
    """How many different people marked each pixel: float64, shape (height, width)."""
    people: dict[str, np.ndarray] = {}
    for row in regions:
        mask = people.setdefault(row["annotator"], np.zeros((height, width), bool))
        mask |= True if row["extent"] == "whole" else rasterise(row["polygon"], width, height)
    return np.sum(list(people.values()), axis=0, dtype=float) if people else np.zeros((height, width))


def pairwise_iou(polygons: Sequence[Polygon]) -> np.ndarray:
    """Intersection over union of every polygon with every other: float64, shape (n, n), in 0..1.

    The image's aspect plays no part: stretching changes no ratio of areas.

    Source:
        Jaccard index; the area of overlap of the PASCAL VOC detection task (Everingham et al., IJCV 2010).
    """
    shapes = np.array([make_valid(to_shape(polygon)) for polygon in polygons], dtype=object)
    iou = np.eye(len(shapes))
    # Most pairs do not touch: ask the index which do, and compute only those.
    i, j = STRtree(shapes).query(shapes, predicate="intersects")
    shared = area(intersection(shapes[i], shapes[j]))
    iou[i, j] = shared / (area(shapes[i]) + area(shapes[j]) - shared)
    return iou


def _group_by_overlap(rows: list[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Average-linkage groups: a chain of small overlaps does not join two flaws that lie side by side."""
    if len(rows) < 2:
        return [list(rows)] if rows else []
    distance = 1 - pairwise_iou([row["polygon"] for row in rows])
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average")
    labels = fcluster(tree, 1 - SAME_REGION_IOU, "distance")
    return [[row for row, label in zip(rows, labels, strict=True) if label == one] for one in np.unique(labels)]


def _group_by_type(rows: list[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["extent"], row["flaw_type"]), []).append(row)
    return list(groups.values())


def _agree_on_place(group: list[Mapping[str, Any]], n_inspected: int) -> list[dict[str, Any]]:
    """The pixels that at least half of the group's people marked, as one row for each separate part."""
    n_people = len({row["annotator"] for row in group})
    if n_people == 1:
        return _join_own_drawings(group, n_inspected)
    frame = _Frame.around(group)
    masks = [frame.mask(row["polygon"]) for row in group]
    agreed = _count_people(group, masks) >= VOTE_SHARE * n_people
    traced = trace(agreed, tolerance=1 / RASTER_SIDE)  # about a pixel: outlines keep no staircase
    largest = to_shape(traced[0]).area if traced else 0.0
    parts = [part for part in traced if to_shape(part).area >= CRUMB_SHARE * largest]
    if not parts:  # no pixel has half of the votes: the first drawing stands
        return [_summarise(group, group[0]["polygon"], n_inspected)]
    nearest = np.argsort([-_overlap(mask, agreed) for mask in masks], kind="stable")
    rows = []
    for part in parts:
        inside = rasterise(part, RASTER_SIDE, RASTER_SIDE)
        supporters = [group[index] for index in nearest if (masks[index] & inside).any()]
        rows.append(_summarise(supporters or group, frame.back(part), n_inspected))
    return rows


def _join_own_drawings(group: list[Mapping[str, Any]], n_inspected: int) -> list[dict[str, Any]]:
    """What one person drew alone: drawings of one flaw type that lie over each other become one."""
    rows = []
    for flaw_type in sorted({row["flaw_type"] for row in group}, key=_FLAW_ORDER.__getitem__):
        same = [row for row in group if row["flaw_type"] == flaw_type]
        if len(same) == 1:
            rows.append(_summarise(same, same[0]["polygon"], n_inspected))
            continue
        joined = union_all([make_valid(to_shape(row["polygon"])) for row in same])
        rows += [_summarise(same, from_shape(part), n_inspected) for part in polygon_parts(joined)]
    return rows


@dataclass(frozen=True)
class _Frame:
    """The box in which a group votes: 0..1 of the box and 0..1 of the image, and how one becomes the other."""

    corner: np.ndarray
    size: np.ndarray

    @classmethod
    def around(cls, group: Sequence[Mapping[str, Any]]) -> "_Frame":
        points = np.array([point for row in group for point in row["polygon"][0]], dtype=float)
        low, high = points.min(axis=0), points.max(axis=0)
        return cls(low - BOX_MARGIN * (high - low), (1 + 2 * BOX_MARGIN) * (high - low))

    def mask(self, polygon: Polygon) -> np.ndarray:
        """bool, shape (RASTER_SIDE, RASTER_SIDE)."""
        inside = [((np.array(ring, dtype=float) - self.corner) / self.size).tolist() for ring in polygon]
        return rasterise(inside, RASTER_SIDE, RASTER_SIDE)

    def back(self, polygon: Polygon) -> Polygon:
        return [np.clip(np.array(ring, dtype=float) * self.size + self.corner, 0, 1).tolist() for ring in polygon]


def _count_people(group: Sequence[Mapping[str, Any]], masks: Sequence[np.ndarray]) -> np.ndarray:
    """How many different people marked each pixel: one person's drawings count once."""
    people: dict[str, np.ndarray] = {}
    for row, mask in zip(group, masks, strict=True):
        people[row["annotator"]] = people.get(row["annotator"], False) | mask
    return np.sum(list(people.values()), axis=0, dtype=int)


def _overlap(left: np.ndarray, right: np.ndarray) -> float:
    union = (left | right).sum()
    return float((left & right).sum() / union) if union else 0.0


def _content(row: Mapping[str, Any]) -> tuple[str, ...]:
    return str(row["polygon"]), row["flaw_type"], row["description"], row["annotator"], row["region_id"]


def _summarise(group: Sequence[Mapping[str, Any]], polygon: Polygon, n_inspected: int) -> dict[str, Any]:
    """One consensus region of people's regions, the closest to it first: its reason is one of its flaw type."""
    support = len({row["annotator"] for row in group})
    # A person has one vote for each type that they gave, however many regions they drew.
    votes = Counter(flaw_type for _, flaw_type in {(row["annotator"], row["flaw_type"]) for row in group})
    flaw_type = min(votes, key=lambda name: (-votes[name], _FLAW_ORDER[name]))
    inspected = max(n_inspected, support)
    return {
        "kind": group[0]["kind"],
        "flaw_type": flaw_type,
        "extent": group[0]["extent"],
        "polygon": polygon,
        "source_polygon": next((row["source_polygon"] for row in group if row["source_polygon"]), []),
        "description": next(row["description"] for row in group if row["flaw_type"] == flaw_type),
        "support": support,
        "probability": (support + PRIOR_MARKED) / (inspected + PRIOR_MARKED + PRIOR_NOT_MARKED),
    }
