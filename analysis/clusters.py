"""Which drawings are about one flaw: overlap of every two that touch, and clusters many-to-many.

One person outlines a hand where another outlines its three fingers; one says artifact where another says failure.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform
from shapely import STRtree, area, bounds, box

from analysis.marks import REGION, Marks
from analysis.shared_area import shared_area

SAME_REGION = 0.3  # average similarity from which on drawings are about one flaw; docs/analysis_regions.md: the study
# Similarity is IoU^(1 − a) · containment^a: how much it forgives that one draws generously what another draws tightly.
CONTAINMENT_WEIGHT = 0.3
CONTAINED = 0.7  # a drawing is a piece of another's when this share of it lies within
SAME_PLACE = 0.3  # similarity from which on two clusters of different kinds are one place
LEAST_OVERLAP = 0.02  # of the smaller of two: outlines whose boxes share less are apart
TREE = 200  # drawings whose distances are in one matrix: its area is what time goes by
NO_AREA = 1e-9  # of the smaller: what rounding leaves of none


@dataclass(frozen=True)
class Overlaps:
    """Every two drawings of one edit that share area, each pair once.

    Attributes:
        left, right: positions in `Marks`, left < right; shared: the area of both; similarity: 0..1.
        iou, within: intersection over union, and over the smaller.
    """

    left: np.ndarray
    right: np.ndarray
    shared: np.ndarray
    iou: np.ndarray
    within: np.ndarray

    @classmethod
    def of(cls, marks: Marks) -> "Overlaps":
        placed = np.flatnonzero(marks.extent == REGION)
        shapes = marks.shapes[placed]
        frames = bounds(shapes) if len(placed) else np.empty((0, 4))
        # Every edit on a place of its own along x, so that one index of boxes serves all.
        shift = 2.0 * marks.edit[placed]
        boxes = box(frames[:, 0] + shift, frames[:, 1], frames[:, 2] + shift, frames[:, 3])
        i, j = STRtree(boxes).query(boxes)
        i, j = i[i < j], j[i < j]
        width = np.minimum(frames[i, 2], frames[j, 2]) - np.maximum(frames[i, 0], frames[j, 0])
        height = np.minimum(frames[i, 3], frames[j, 3]) - np.maximum(frames[i, 1], frames[j, 1])
        size = area(shapes)
        smaller = np.minimum(size[i], size[j])
        near = np.maximum(width, 0) * np.maximum(height, 0) >= LEAST_OVERLAP * smaller
        order = np.lexsort((j[near], i[near]))
        i, j = i[near][order], j[near][order]
        shared = shared_area(shapes, i, j)
        touch = shared > NO_AREA * np.minimum(size[i], size[j])
        i, j, shared = i[touch], j[touch], shared[touch]
        iou = shared / (size[i] + size[j] - shared)
        within = np.minimum(1.0, shared / np.minimum(size[i], size[j]))
        return cls(placed[i], placed[j], shared, iou, within)


def cluster(marks: Marks, overlaps: Overlaps) -> np.ndarray:
    """The cluster of each drawing: int, shape (n,), numbered by first member.

    Outlines of one kind are joined by average linkage, then clusters of two kinds on one place that no person marked
    twice: people disagree about the kind. Flaws without an outline are one if kind, extent and flaw type are the same.
    """
    similarity = _similarity(marks, overlaps)
    same_kind = marks.kind[overlaps.left] == marks.kind[overlaps.right]
    label = _average_linkage(len(marks), *_joined(marks, overlaps, similarity, same_kind))
    loose = marks.extent != REGION
    key = pd.MultiIndex.from_arrays([marks.edit, marks.kind, marks.extent, marks.flaw_type])
    label[loose] = len(marks) + pd.factorize(key)[0][loose]
    label = pd.factorize(label)[0]
    return _settle_kinds(marks, overlaps, similarity, same_kind, label)


def _similarity(marks: Marks, overlaps: Overlaps) -> np.ndarray:
    """Of each pair: pieces that one person drew within one drawing of another's are measured together."""
    left, right, shared = overlaps.left, overlaps.right, overlaps.shared
    size = area(marks.shapes)
    best = overlaps.iou ** (1 - CONTAINMENT_WEIGHT) * overlaps.within**CONTAINMENT_WEIGHT
    apart = (marks.person[left] != marks.person[right]) & (marks.kind[left] == marks.kind[right])
    for whole, piece in ((left, right), (right, left)):
        pairs = np.flatnonzero(apart & (shared >= CONTAINED * size[piece]))
        pieces = pd.DataFrame(
            {
                "whole": whole[pairs],
                "person": marks.person[piece[pairs]],
                "shared": shared[pairs],
                "area": size[piece[pairs]],
            }
        )
        sums = pieces.groupby(["whole", "person"])[["shared", "area"]].transform("sum").to_numpy()
        inside = np.minimum(sums[:, 0], size[whole[pairs]])
        iou = np.minimum(1.0, inside / np.maximum(size[whole[pairs]] + sums[:, 1] - inside, 1e-300))
        within = np.minimum(1.0, inside / sums[:, 1])
        best[pairs] = np.maximum(best[pairs], iou ** (1 - CONTAINMENT_WEIGHT) * within**CONTAINMENT_WEIGHT)
    return best


def _joined(
    marks: Marks, overlaps: Overlaps, similarity: np.ndarray, same_kind: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of one kind with their similarity; a person's own drawings as others or their own overlap join them."""
    left, right = overlaps.left, overlaps.right
    own = marks.person[left] == marks.person[right]
    cross = same_kind & ~own
    # Drawn over each other and called the same by one person: one flaw. Called otherwise: two, unless others join them.
    again = same_kind & own & (marks.flaw_type[left] == marks.flaw_type[right])
    tables = [
        pd.DataFrame({"left": left[chosen], "right": right[chosen], "value": value[chosen]})
        for chosen, value in ((cross, similarity), (again, similarity))
    ]
    strong = cross & (similarity >= SAME_REGION)
    links = pd.DataFrame(
        {
            "holder": np.r_[left[strong], right[strong]],
            "piece": np.r_[right[strong], left[strong]],
            "value": np.r_[similarity[strong], similarity[strong]],
        }
    )
    links["person"] = marks.person[links["piece"]]
    several = links.duplicated(["holder", "person"], keep=False)
    pairs = links[several].merge(links[several], on=["holder", "person"])
    pairs = pairs[pairs["piece_x"] < pairs["piece_y"]]
    value = np.minimum(pairs["value_x"], pairs["value_y"])
    held = pd.DataFrame({"left": pairs["piece_x"], "right": pairs["piece_y"], "value": value})
    table = pd.concat([*tables, held]).groupby(["left", "right"], as_index=False)["value"].max()
    return table["left"].to_numpy(int), table["right"].to_numpy(int), table["value"].to_numpy(float)


def _average_linkage(n: int, left: np.ndarray, right: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Clusters at `SAME_REGION`, over all edits: the components of the linked pairs, and linkage only where it matters.

    Clusters of average linkage lie within these components; where all pairs of a component are linked, it is one.
    """
    linked = value >= SAME_REGION
    graph = sparse.coo_array((np.ones(linked.sum()), (left[linked], right[linked])), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    size = np.bincount(label, minlength=n)
    n_links = np.bincount(label[left[linked]], minlength=n)
    incomplete = np.flatnonzero(n_links < size * (size - 1) // 2)
    if not len(incomplete):
        return label
    members = np.argsort(label, kind="stable")
    starts = np.searchsorted(label[members], np.arange(len(size)))
    inside = np.flatnonzero((label[left] == label[right]) & np.isin(label[left], incomplete))
    inside = inside[np.argsort(label[left[inside]], kind="stable")]
    first, last = (np.searchsorted(label[left[inside]], incomplete, side) for side in ("left", "right"))
    position = np.empty(n, int)
    fresh = int(label.max()) + 1
    # Many components in one tree: between them the distance is 1, beyond any that joins.
    end_of = np.cumsum(size[incomplete])
    batches = np.split(np.arange(len(incomplete)), np.flatnonzero(np.diff(end_of // TREE)) + 1)
    for batch in batches:
        group = np.concatenate([members[starts[one] : starts[one] + size[one]] for one in incomplete[batch]])
        if len(group) < 2:
            continue
        position[group] = np.arange(len(group))
        distance = np.ones((len(group), len(group)))
        pairs = inside[first[batch[0]] : last[batch[-1]]]
        i, j = position[left[pairs]], position[right[pairs]]
        distance[i, j] = distance[j, i] = 1 - value[pairs]
        np.fill_diagonal(distance, 0)
        parts = fcluster(linkage(squareform(distance, checks=False), "average"), 1 - SAME_REGION + 1e-12, "distance")
        label[group] = fresh + parts
        fresh += int(parts.max()) + 1
    return label


def _settle_kinds(
    marks: Marks, overlaps: Overlaps, similarity: np.ndarray, same_kind: np.ndarray, label: np.ndarray
) -> np.ndarray:
    """Joins each cluster with the one of the other kind that lies on its place, unless a person marked both."""
    left, right = overlaps.left[~same_kind], overlaps.right[~same_kind]
    first = marks.kind[left] < marks.kind[right]
    pairs = pd.DataFrame(
        {
            "one": label[np.where(first, left, right)],
            "other": label[np.where(first, right, left)],
            "value": similarity[~same_kind],
        }
    )
    pairs = pairs.groupby(["one", "other"])["value"].sum().reset_index()
    size = np.bincount(label)
    pairs["value"] /= size[pairs["one"]] * size[pairs["other"]]
    pairs = pairs[pairs["value"] >= SAME_PLACE]
    who = sparse.csr_array((np.ones(len(marks)), (label, marks.person)))
    both = who[pairs["one"].to_numpy(int)].multiply(who[pairs["other"].to_numpy(int)]).sum(axis=1)
    pairs = pairs[np.asarray(both).ravel() == 0]
    # Each with its best, if it is the best of that one, too.
    ranked = pairs.sort_values(["value", "one", "other"], ascending=[False, True, True])
    mutual = ~ranked.duplicated("one") & ~ranked.duplicated("other")
    target = np.arange(len(size))
    target[ranked.loc[mutual, "other"].to_numpy(int)] = ranked.loc[mutual, "one"].to_numpy(int)
    return pd.factorize(target[label])[0]
