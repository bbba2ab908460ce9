"""How far two people who looked at the same edit drew the same flaws, and gave them the same type."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from shapely import STRtree, area, get_coordinates, intersection, make_valid, set_coordinates
from shapely.geometry import box

from analysis.agreement import krippendorff_alpha
from editfhf.flaws import FLAW_TYPES
from editfhf.geometry import to_shape

SAME_IOU = 0.5  # PASCAL VOC's: from here on two outlines are of one thing
DRAWS = 300  # of the edits, with replacement, for an interval
FEWEST_EDITS = 10  # for an interval


@dataclass(frozen=True)
class Figure:
    """A figure with its 95 % interval over other edits (NaN with fewer than ten) and how many of what it rests on."""

    value: float
    low: float
    high: float
    edits: int
    n: int


@dataclass(frozen=True)
class RegionAgreement:
    """Between two people who looked at the same edit.

    Attributes:
        f1: of all regions of the two, the share that has a partner with the other: 2 · pairs ÷ all regions, over all
            pairs of people together; `n` regions, each once for every other person who looked.
        iou: mean intersection over union of partners; `n` pairs of partners.
        flaw_type: Krippendorff's alpha (nominal) of the types that partners were given; `n` pairs of partners.
    """

    f1: Figure
    iou: Figure
    flaw_type: Figure


def region_agreement(
    looked: pd.DataFrame,
    regions: pd.DataFrame,
    photos: Mapping[str, str] | None = None,
    least_iou: float = SAME_IOU,
    seed: int = 0,
) -> RegionAgreement:
    """Detection F1, overlap and agreement on the flaw type.

    Partners are two people's regions of one kind on one edit, matched one to one so that the sum of their
    intersections over unions is largest (the Hungarian method), of those that overlap by `least_iou`. What is `missing`
    has no place: it finds a partner of its type. `whole` is the whole image.

    Args:
        looked: columns edit_id, annotator: who looked for flaws, who found none too.
        regions: columns edit_id, annotator, kind, flaw_type, extent, polygon; of others than these nothing counts.
        photos: edit id → the photo that it was made from: the intervals draw photos. None: each edit has its own.

    Returns:
        NaN where nothing was drawn that somebody else could have drawn, or nothing has a partner.

    Source:
        IoU and its threshold: Everingham et al., IJCV 2010; Kuhn, Naval Research Logistics Quarterly 2, 1955.
    """
    looked = looked[["edit_id", "annotator"]].drop_duplicates()
    drawn = regions.merge(looked).reset_index(drop=True)
    edits = pd.Index(sorted(looked["edit_id"].unique()))
    edit = edits.get_indexer(pd.Index(drawn["edit_id"]))
    others = looked.groupby("edit_id").size().reindex(edits).to_numpy() - 1
    chances = np.bincount(edit, others[edit], len(edits)) if len(drawn) else np.zeros(len(edits))
    left, right, iou = _partners(drawn, edit, least_iou)
    of_edit = edit[left]
    found = 2.0 * np.bincount(of_edit, minlength=len(edits))
    overlap = np.bincount(of_edit, iou, len(edits))
    with_pairs, with_chances = int((found > 0).sum()), int((chances > 0).sum())

    rng = np.random.default_rng(seed)
    photo, _ = pd.factorize(edits if photos is None else np.array([photos.get(one, one) for one in edits], object))
    n = int(photo.max(initial=-1)) + 1
    drawn_again = (
        rng.multinomial(n, np.full(n, 1 / n), size=DRAWS)[:, photo].astype(float) if n else np.zeros((DRAWS, 0))
    )
    types = {flaw.id: number for number, flaw in enumerate(FLAW_TYPES)}
    codes = drawn["flaw_type"].map(types).fillna(-1).to_numpy(float)
    pair_types = np.stack([codes[left], codes[right]])
    alphas = np.array([_nominal_alpha(pair_types, times[of_edit]) for times in drawn_again])
    alpha = krippendorff_alpha(pair_types, "nominal") if len(left) else float("nan")
    return RegionAgreement(
        _ratio(found, chances, drawn_again, n, with_chances, int(chances.sum())),
        _ratio(overlap, found / 2, drawn_again, n, with_pairs, len(left)),
        Figure(alpha, *_limits(alphas, min(n, with_pairs)), with_pairs, len(left)),
    )


def _partners(drawn: pd.DataFrame, edit: np.ndarray, least_iou: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of the two of each pair of partners, and their intersection over union (of `missing` ones 1)."""
    person, _ = pd.factorize(drawn["annotator"])
    sort, _ = pd.factorize(drawn["kind"])
    extents = drawn["extent"].to_numpy()
    placed = np.flatnonzero(extents != "missing")
    i, j, iou = _overlaps(drawn, edit, placed)
    absent = pd.DataFrame({
        "edit": edit, "kind": sort, "type": drawn["flaw_type"], "row": np.arange(len(drawn)), "who": person,
    })[extents == "missing"]  # fmt: skip
    pairs = absent.merge(absent, on=["edit", "kind", "type"])
    pairs = pairs[pairs["who_x"] < pairs["who_y"]]
    i = np.concatenate([i, pairs["row_x"].to_numpy(int)])
    j = np.concatenate([j, pairs["row_y"].to_numpy(int)])
    iou = np.concatenate([iou, np.ones(len(pairs))])
    same = (sort[i] == sort[j]) & (person[i] < person[j]) & (iou >= least_iou)
    i, j, iou = i[same], j[same], iou[same]
    # Whose only possible partners have no other possible partner need no search.
    key = pd.MultiIndex.from_arrays([edit[i], sort[i], person[i], person[j]])
    group, _ = pd.factorize(key)
    clash = np.zeros(len(i), dtype=bool)
    for rows in (i, j):
        _, place, times = np.unique(np.stack([group, rows]), axis=1, return_inverse=True, return_counts=True)
        clash |= times[place.ravel()] > 1
    searched = np.flatnonzero(np.isin(group, np.unique(group[clash])))
    kept = [np.flatnonzero(~np.isin(group, np.unique(group[clash])))]
    searched = searched[np.argsort(group[searched], kind="stable")]
    for rows in np.split(searched, np.flatnonzero(np.diff(group[searched])) + 1) if len(searched) else []:
        ones, one = np.unique(i[rows], return_inverse=True)
        twos, two = np.unique(j[rows], return_inverse=True)
        gain = np.zeros((len(ones), len(twos)))
        gain[one, two] = iou[rows]
        chosen = set(zip(*linear_sum_assignment(gain, maximize=True), strict=True))
        kept.append(rows[[pair in chosen for pair in zip(one, two, strict=True)]])
    best = np.sort(np.concatenate(kept))
    return i[best], j[best], iou[best]


def _overlaps(drawn: pd.DataFrame, edit: np.ndarray, placed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every two rows whose places meet, both ways round, and their intersection over union."""
    nothing = np.zeros(0, dtype=int)
    if not len(placed):
        return nothing, nothing, np.zeros(0)
    rows = zip(drawn["extent"].to_numpy()[placed], drawn["polygon"].to_numpy()[placed], strict=True)
    shapes = np.array(
        [box(0, 0, 1, 1) if extent == "whole" else make_valid(to_shape(polygon)) for extent, polygon in rows],
        dtype=object,
    )
    # One index for all: each edit lies beside the others, two image widths apart.
    points, shape_of = get_coordinates(shapes, return_index=True)
    points[:, 0] += 2.0 * edit[placed][shape_of]
    moved = set_coordinates(shapes.copy(), points)
    i, j = STRtree(moved).query(moved, predicate="intersects")
    shared = area(intersection(shapes[i], shapes[j]))
    union = area(shapes)[i] + area(shapes)[j] - shared
    return placed[i], placed[j], np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _nominal_alpha(pairs: np.ndarray, times: np.ndarray) -> float:
    """Alpha of two ratings of each unit, which counts `times`."""
    n = 2 * times.sum()
    if n < 2:
        return float("nan")
    observed = float((times * (pairs[0] != pairs[1])).sum()) * 2 / n
    codes, place = np.unique(pairs, return_inverse=True)
    shares = np.bincount(place.ravel(), np.tile(times, 2), len(codes))
    expected = float(n**2 - np.square(shares).sum()) / (n * (n - 1))
    return 1 - observed / expected if expected > 0 else float("nan")


def _ratio(top: np.ndarray, bottom: np.ndarray, drawn: np.ndarray, photos: int, edits: int, n: int) -> Figure:
    value = float(top.sum() / bottom.sum()) if bottom.sum() else float("nan")
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = (drawn @ top) / (drawn @ bottom)
    return Figure(value, *_limits(ratios, min(photos, edits)), edits, n)


def _limits(values: np.ndarray, photos: int) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    if photos < FEWEST_EDITS or not len(values):
        return float("nan"), float("nan")
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
