"""The places of flaws that people agree on, over many edits at once: outlines, and whose drawings stand behind each."""

from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
import pandas as pd
import shapely

from analysis.clusters import CONTAINED, Overlaps, cluster
from analysis.marks import REGION, Marks
from analysis.merging import agreed_area, drawn_by, parts_of, votes_needed
from analysis.shared_area import shared_area

CHUNK_EDITS = 1000  # of which the geometry is in memory at once
COVERED = 0.25  # a person stands behind a part of a cluster whose outline covers this share of it


@dataclass(frozen=True)
class Places:
    """One place for each flaw that somebody marked, and the drawings and people behind it.

    Attributes:
        edit, extent: int codes, of each place; ascending by edit.
        shapes: polygons in 0..1; None where nothing was outlined.
        place, mark: of each drawing in a place: the place, and its position in `Marks`; nearness: IoU of both, 0..1.
        seen_place, seen_person: who marked which place, each pair once; also who outlined it together with others.
    """

    edit: np.ndarray
    extent: np.ndarray
    shapes: np.ndarray
    place: np.ndarray
    mark: np.ndarray
    nearness: np.ndarray
    seen_place: np.ndarray
    seen_person: np.ndarray

    @classmethod
    def of(cls, marks: Marks) -> "Places":
        """The places of all marks, chunk by chunk of the edits."""
        if not len(marks):
            none = np.empty(0, int)
            return cls(none, none, np.empty(0, object), none, none, np.empty(0), none, none)
        starts = np.flatnonzero(np.r_[True, marks.edit[1:] != marks.edit[:-1]])
        bounds = [*starts[::CHUNK_EDITS].tolist(), len(marks)]
        chunks, n_places = [], 0
        for begin, end in pairwise(bounds):
            found = _places(marks.take(slice(begin, end)))
            chunks.append(
                Places(
                    found.edit, found.extent, found.shapes, found.place + n_places, found.mark + begin, found.nearness,
                    found.seen_place + n_places, found.seen_person,
                )
            )  # fmt: skip
            n_places += len(found.edit)
        return cls(*(np.concatenate([getattr(one, field.name) for one in chunks]) for field in fields(cls)))


def _places(marks: Marks) -> Places:
    overlaps = Overlaps.of(marks)
    label = cluster(marks, overlaps)
    n_clusters = int(label.max()) + 1
    outlined = marks.extent == REGION
    # A voter is a person in a cluster.
    voter, voters = pd.factorize(pd.MultiIndex.from_arrays([label, marks.person]))
    voter_cluster = np.array(voters.get_level_values(0), int)
    n_voters = np.bincount(voter_cluster, minlength=n_clusters)
    shapes = drawn_by(marks.shapes[outlined], voter[outlined], len(voters))
    placed = np.zeros(n_clusters, bool)
    placed[label[outlined]] = True
    number = np.cumsum(placed) - 1  # of each outlined cluster
    drawn = placed[voter_cluster]
    in_pieces = np.zeros(n_clusters, bool)
    in_pieces[voter_cluster[np.bincount(voter, minlength=len(voters)) > 1]] = True
    needed = votes_needed(n_voters[placed], in_pieces[placed])
    areas = agreed_area(shapes[drawn], number[voter_cluster[drawn]], needed)
    areas = _or_most_central(areas, np.flatnonzero(placed), marks, overlaps, label)
    parts = parts_of(areas, n_voters[placed] == 1)
    part_cluster = np.flatnonzero(placed)[parts.group]
    loose = np.flatnonzero(~placed)
    first = pd.Series(np.arange(len(marks))).groupby(label).first().to_numpy(int)
    cluster_of = np.r_[part_cluster, loose]
    place_shapes = np.r_[parts.shapes, np.full(len(loose), None, object)]
    order = np.argsort(marks.edit[first[cluster_of]], kind="stable")
    cluster_of, place_shapes = cluster_of[order], place_shapes[order]

    behind = pd.DataFrame({"cluster": cluster_of, "place": np.arange(len(cluster_of))}).merge(
        pd.DataFrame({"cluster": label, "mark": np.arange(len(marks))}), on="cluster"
    )
    place, mark = behind["place"].to_numpy(int), behind["mark"].to_numpy(int)
    nearness, covered = _nearness(place_shapes, place, marks, mark, n_voters[cluster_of])
    several = np.bincount(cluster_of, minlength=n_clusters)[cluster_of[place]] > 1
    stands = ~several | (covered >= COVERED)
    # A part that nobody covers by so much alone is its whole cluster's.
    alone = np.bincount(place[stands], minlength=len(cluster_of))[place] == 0
    place, mark, nearness = (array[stands | alone] for array in (place, mark, nearness))
    seen = _seen(marks, overlaps, label, place, mark)
    return Places(
        marks.edit[first[cluster_of]], marks.extent[first[cluster_of]], place_shapes, place, mark, nearness, *seen
    )


def _or_most_central(
    areas: np.ndarray, cluster_of: np.ndarray, marks: Marks, overlaps: Overlaps, label: np.ndarray
) -> np.ndarray:
    """Where no point has the votes that it needs, the drawing stands that overlaps most with the others."""
    lost = shapely.area(areas) <= 0
    if not lost.any():
        return areas
    inside = label[overlaps.left] == label[overlaps.right]
    score = np.bincount(overlaps.left[inside], overlaps.iou[inside], len(marks))
    score += np.bincount(overlaps.right[inside], overlaps.iou[inside], len(marks))
    ranked = np.lexsort((np.arange(len(marks)), -score, label))
    starts = np.searchsorted(label[ranked], cluster_of[lost])
    areas[lost] = marks.shapes[ranked[starts]]
    return areas


def _nearness(
    shapes: np.ndarray, place: np.ndarray, marks: Marks, mark: np.ndarray, n_voters: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """IoU of each drawing with its place, and the share of the place that it covers; 1 for who drew it alone."""
    nearness, covered = np.ones(len(place)), np.ones(len(place))
    compared = ~shapely.is_missing(shapes[place]) & (n_voters[place] > 1)
    both = np.r_[shapes, marks.shapes]
    shared = shared_area(both, place[compared], len(shapes) + mark[compared])
    size = shapely.area(shapes)[place[compared]]
    nearness[compared] = shared / (size + shapely.area(marks.shapes)[mark[compared]] - shared)
    covered[compared] = shared / size
    return nearness, covered


def _seen(
    marks: Marks, overlaps: Overlaps, label: np.ndarray, place: np.ndarray, mark: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Who marked which place: whose drawings are in it, and who drew around it together with something else."""
    size = shapely.area(marks.shapes)
    tables = [pd.DataFrame({"place": place, "person": marks.person[mark]})]
    for whole, piece in ((overlaps.left, overlaps.right), (overlaps.right, overlaps.left)):
        around = (
            (label[whole] != label[piece])
            & (marks.person[whole] != marks.person[piece])
            & (marks.kind[whole] == marks.kind[piece])
            & (overlaps.shared >= CONTAINED * size[piece])
        )
        pieces = pd.DataFrame({"mark": piece[around], "person": marks.person[whole[around]]})
        tables.append(pieces.merge(pd.DataFrame({"mark": mark, "place": place}), on="mark")[["place", "person"]])
    seen = pd.concat(tables).drop_duplicates().sort_values(["place", "person"])
    return seen["place"].to_numpy(int), seen["person"].to_numpy(int)
