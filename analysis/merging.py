"""The outline that people agree on: every point that enough of them enclosed, cut from their own lines, no pixels."""

from dataclasses import dataclass

import numpy as np
import shapely

from analysis.marks import areal

CRUMB_SHARE = 0.05  # parts of a consensus smaller than this share of its largest are crumbs of the vote
# How far a merged outline may leave the lines that it was cut from, as a share of the diagonal of its own box: no eye
# sees it, and it takes out the short edges where people's lines cross.
SIMPLIFIED = 0.003


@dataclass(frozen=True)
class Parts:
    """Connected parts of what groups agreed on.

    Attributes:
        group: which group each part is of, ascending; within it the largest first.
        shapes: polygons.
    """

    group: np.ndarray
    shapes: np.ndarray


def votes_needed(n_people: np.ndarray, in_pieces: np.ndarray) -> np.ndarray:
    """How many of those who marked a flaw have to enclose a point: more than half (of two, both).

    Half are enough where somebody drew several pieces: if as many say that it is one thing as say that it is several,
    it is one.
    """
    return np.where(in_pieces, (n_people + 1) // 2, n_people // 2 + 1)


def drawn_by(shapes: np.ndarray, voter: np.ndarray, n_voters: int) -> np.ndarray:
    """What each voter enclosed, all drawings together: one shape for each voter, None where there is none.

    Args:
        shapes, voter: of each drawing. A voter is a person in a group: drawings over each other count once.
    """
    order = np.argsort(voter, kind="stable")
    count = np.bincount(voter, minlength=n_voters)
    start = np.cumsum(count) - count
    result = np.full(n_voters, None, object)
    result[count == 1] = shapes[order[start[count == 1]]]
    for n in np.unique(count[count > 1]):
        several = np.flatnonzero(count == n)
        result[several] = shapely.union_all(shapes[order[start[several][:, None] + np.arange(n)]], axis=1)
    return result


def agreed_area(shapes: np.ndarray, group: np.ndarray, needed: np.ndarray) -> np.ndarray:
    """The points that at least `needed[g]` of the shapes of each group g enclose: one (multi)polygon a group.

    Shape by shape, over all groups of one size at once: what at least k of the first m cover is what k of the first
    m − 1 cover, and what k − 1 of them cover and the m-th, too.

    Args:
        shapes: valid areas; group: int, 0 to len(needed) − 1, of each; every group has `needed` of them or more.
    """
    order = np.argsort(group, kind="stable")
    size = np.bincount(group, minlength=len(needed))
    start = np.cumsum(size) - size
    result = np.full(len(needed), shapely.Polygon(), object)
    for n, k in sorted(set(zip(size.tolist(), needed.tolist(), strict=True))):
        chosen = np.flatnonzero((size == n) & (needed == k))
        if not n:
            continue
        table = shapes[order[start[chosen][:, None] + np.arange(n)]]
        if k == n:
            covered = table[:, 0]
            for m in range(1, n):
                covered = areal(shapely.intersection(covered, table[:, m]))
            result[chosen] = covered
            continue
        levels: list[np.ndarray | None] = [None] * (k + 1)
        levels[1] = table[:, 0]
        for m in range(1, n):
            for level in range(min(m + 1, k), 1, -1):
                # A level from which k can no longer be reached is not needed.
                if level < k - (n - 1 - m):
                    continue
                below = levels[level - 1]
                both = areal(shapely.intersection(below, table[:, m]))
                levels[level] = both if levels[level] is None else shapely.union(levels[level], both)
            if k - (n - 1 - m) <= 1:
                levels[1] = shapely.union(levels[1], table[:, m])
        result[chosen] = levels[k]
    return result


def parts_of(shapes: np.ndarray, whole: np.ndarray) -> Parts:
    """Connected parts without crumbs, their outlines simplified.

    Args:
        whole: bool, of each shape: a drawing as it is, of which nothing is left out or simplified.
    """
    smooth = np.array(shapes, object, copy=True)
    left, top, right, bottom = shapely.bounds(shapes[~whole]).T
    tolerance = SIMPLIFIED * np.hypot(right - left, bottom - top)
    smooth[~whole] = areal(shapely.simplify(shapes[~whole], tolerance, preserve_topology=True))
    lost = shapely.area(smooth) <= 0
    smooth[lost] = shapes[lost]
    parts, group = shapely.get_parts(smooth, return_index=True)
    size = shapely.area(parts)
    largest = np.zeros(len(shapes))
    np.maximum.at(largest, group, size)
    keep = (size > 0) & (whole[group] | (size >= CRUMB_SHARE * largest[group]))
    parts, group, size = parts[keep], group[keep], size[keep]
    order = np.lexsort((*shapely.bounds(parts).T[::-1], -size, group)) if len(parts) else np.empty(0, int)
    return Parts(group[order], parts[order])
