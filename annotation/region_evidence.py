"""What a person's regions say of how the person works: whether others see there something too, and what was missed."""

import numpy as np
import pandas as pd
import shapely

from annotation.intervals import share_of_each
from editfhf.schema import REGION_TYPES

TOUCH_IOU = (
    0.05  # from this intersection over union on, two regions are about the same place: one over all is about none
)


def region_evidence(regions: pd.DataFrame, answers: pd.DataFrame, people: pd.Index) -> pd.DataFrame:
    """A row for each of `people`, in their order.

    Two regions of one edit meet if their outlines share a twentieth of their union, whatever kind was chosen, or if
    neither has a place and the kind is the same. A region is the majority's for a person if more than half of the
    others who inspected the edit, and at least two, have one that meets it or is it.

    Args:
        regions, answers: columns of the records `Region` and `Answer`.

    Returns:
        columns n_inspected, n_regions; met (share of the person's regions that another person's meets, of those on
        edits that somebody else inspected), met_n, met_low, met_high; found (share of the others' majority regions
        that the person has, each flaw counting once), found_n, found_low, found_high. NaN where nothing is known.
    """
    inspected = inspections(answers)
    result = pd.DataFrame(index=people)
    result["n_inspected"] = inspected["annotator"].value_counts().reindex(people).fillna(0).to_numpy()
    result["n_regions"] = regions["annotator"].value_counts().reindex(people).fillna(0).to_numpy()
    marked = regions.merge(inspected, on=["edit_id", "annotator"])  # sets the regions' order and index anew
    meets = meetings(marked)
    counting = inspected[~inspected["screened"].astype(bool)]
    n_counting = counting["edit_id"].value_counts()
    # For each region the people who have it: its own, and those whose regions meet it; who was set aside is nobody.
    supporters = pd.DataFrame(
        {
            "region": np.concatenate([np.arange(len(marked)), meets[0]]),
            "annotator": np.concatenate([marked["annotator"].to_numpy(), marked["annotator"].to_numpy()[meets[1]]]),
            "screened": np.concatenate([marked["screened"].to_numpy(), marked["screened"].to_numpy()[meets[1]]]),
        }
    ).drop_duplicates(["region", "annotator"])
    having = supporters[~supporters["screened"].astype(bool)]
    support = np.bincount(having["region"].astype(int), minlength=len(marked))
    counted = ~marked["screened"].to_numpy(bool)
    others = marked["edit_id"].map(n_counting).fillna(0).to_numpy() - counted
    met = pd.DataFrame({"annotator": marked["annotator"], "edit_id": marked["edit_id"]})
    met = met.assign(k=support - counted > 0, n=1.0)[others > 0]
    result = result.join(_share(met, people, "met"))
    # Each region before each other person who inspected its edit.
    before = pd.DataFrame({"region": np.arange(len(marked)), "edit_id": marked["edit_id"], "counted": counted})
    before["support"] = support
    before = before[before["counted"] & (support >= 2)].merge(inspected, on="edit_id")
    before = before.merge(supporters[["region", "annotator"]].assign(has=True), on=["region", "annotator"], how="left")
    has = before["has"].eq(True).to_numpy()
    own = ~before["screened"].to_numpy(bool)
    by_others = before["support"].to_numpy() - (has & own)
    of_others = before["edit_id"].map(n_counting).fillna(0).to_numpy() - own
    majority = (by_others >= 2) & (by_others > of_others / 2)
    # The same flaw comes as often as there are people who drew it.
    once = 1 / np.maximum(before["support"].to_numpy(), 1)
    found = before[["annotator", "edit_id"]].assign(k=has * once, n=once)[majority]
    return result.join(_share(found, people, "found"))


def inspections(answers: pd.DataFrame) -> pd.DataFrame:
    """Who looked for flaws on which edit: columns edit_id, annotator, screened; each pair once."""
    seen = answers[answers["project_type"].isin(REGION_TYPES) & answers["outcome"].isin(["answered", "no_flaw"])]
    return seen[["edit_id", "annotator", "screened"]].drop_duplicates(["edit_id", "annotator"])


def meetings(regions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (both ways) of rows, of one edit and two people, whose regions meet as `region_evidence` says."""
    edit, _ = pd.factorize(regions["edit_id"])
    person, _ = pd.factorize(regions["annotator"])
    kind, _ = pd.factorize(regions["kind"])
    placed = np.array([len(polygon) > 0 for polygon in regions["polygon"]], bool)
    rows = np.flatnonzero(placed)
    left = right = np.empty(0, int)
    if len(rows):
        # Every edit lies on a place of its own along x, so that one index serves all.
        shapes = _outlines(regions["polygon"].to_numpy()[rows], 2.0 * edit[rows])
        i, j = shapely.STRtree(shapes).query(shapes, predicate="intersects")
        apart = (i < j) & (person[rows[i]] != person[rows[j]])
        i, j = i[apart], j[apart]
        area = shapely.area(shapes)
        shared = shapely.area(shapely.intersection(shapes[i], shapes[j]))
        meet = shared >= TOUCH_IOU * (area[i] + area[j] - shared)
        left, right = np.concatenate([rows[i[meet]], rows[j[meet]]]), np.concatenate([rows[j[meet]], rows[i[meet]]])
    placeless = pd.DataFrame({"row": np.arange(len(regions)), "edit": edit, "kind": kind, "person": person})[~placed]
    pairs = placeless.merge(placeless, on=["edit", "kind"])
    pairs = pairs[pairs["person_x"] != pairs["person_y"]]
    return np.concatenate([left, pairs["row_x"]]).astype(int), np.concatenate([right, pairs["row_y"]]).astype(int)


def _outlines(polygons: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """The outer rings as valid shapely polygons, each moved along x."""
    rings = [np.array([tuple(point) for point in polygon[0]], float) for polygon in polygons]
    lengths = np.array([len(ring) for ring in rings])
    points = np.concatenate(rings)
    points[:, 0] += np.repeat(shift, lengths)
    shapes = shapely.polygons(shapely.linearrings(points, indices=np.repeat(np.arange(len(rings)), lengths)))
    invalid = ~shapely.is_valid(shapes)
    shapes[invalid] = shapely.make_valid(shapes[invalid])
    return shapes


def _share(rows: pd.DataFrame, people: pd.Index, name: str) -> pd.DataFrame:
    person = people.get_indexer(pd.Index(rows["annotator"]))
    edit, _ = pd.factorize(rows["edit_id"])
    share, n, low, high = share_of_each(person, edit, rows["k"].to_numpy(float), rows["n"].to_numpy(float), len(people))
    return pd.DataFrame({name: share, f"{name}_n": n, f"{name}_low": low, f"{name}_high": high}, index=people)
