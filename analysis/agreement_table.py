"""How far people agree, as one table: of all edits, of each model's and of each group of tasks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from analysis.agreement import alpha_interval, krippendorff_alpha
from analysis.drawings import INSPECTED
from analysis.region_agreement import Figure, region_agreement
from analysis.reliability import icc, kendall_w, split_half
from editfhf.files import whole_file
from editfhf.schema import DIMENSIONS, REGION_TYPES
from editfhf.tasks import TASKS
from editfhf.workspace import Workspace

FEWEST_EDITS = 5  # that two people answered; of fewer nothing is said
OUTLINED_EDITS = 3000  # whose outlines are compared: millions of polygons as objects would fill the memory
COLUMNS = ("about", "of", "name", "measure", "value", "low", "high", "p", "edits", "people")
LEAST_BLOCK = 0.25  # share of the ratings that a complete block holds; two people of a crowd do not speak for it
ICC_SHOWN = ("ICC(A,1)", "ICC(C,1)", "ICC(A,k)", "ICC(C,k)")


def agreement_table(workspace: Workspace) -> pd.DataFrame:
    """Every measure of agreement, of what was pulled; who was set aside does not count.

    Returns:
        columns about (a dimension, or `regions`), of (`all`, `model`, `task group`), name (of that model or group, ""
        for all), measure, value, low and high (95 %: of an ICC by F, of alpha and of regions over other photos and
        the same people; of split halves what 95 % of the halvings give; NaN where there is none), p (that there is no
        agreement; NaN where not reckoned), edits and people it rests on. ICC and W: of the block in which everybody
        rated everything; left out where it holds less than a quarter of the ratings.
    """
    edits = {edit.edit_id: edit for edit in workspace.edits()}
    about = pd.DataFrame(
        [(edit.edit_id, edit.model, TASKS[edit.task].group if edit.task in TASKS else "") for edit in edits.values()],
        columns=["edit_id", "model", "task group"],
    ).set_index("edit_id")
    roots = {source.source_id: source.root_id for source in workspace.sources()}
    photos = {edit.edit_id: roots.get(edit.source_id, edit.source_id) for edit in edits.values()}
    rows: list[dict[str, Any]] = []
    ratings = workspace.read_table("ratings").to_pandas()
    ratings = ratings[~ratings["repeat"] & ~ratings["check"] & ~ratings["screened"]]
    ratings = ratings[ratings["edit_id"].isin(about.index) & (ratings["scale_max"] > ratings["scale_min"])]
    share = (ratings["score"] - ratings["scale_min"]) / (ratings["scale_max"] - ratings["scale_min"])
    ratings = ratings.assign(share=share)
    for dimension in DIMENSIONS:
        own = ratings[ratings["dimension"] == dimension]
        matrix = own.pivot_table(index="annotator", columns="edit_id", values="share", aggfunc="mean")
        for of, name, ids in _parts(about):
            part = matrix.loc[:, matrix.columns.isin(ids)].dropna(how="all")
            photo_of = [photos[edit] for edit in part.columns]
            found = _of_ratings(part.to_numpy(float), photo_of)
            rows += [{"about": dimension, "of": of, "name": name, **row} for row in found]
    looked = workspace.read_table("answers").to_pandas()
    looked = looked[
        looked["project_type"].isin(REGION_TYPES) & looked["outcome"].isin(INSPECTED) & ~looked["screened"].astype(bool)
    ]
    looked = looked[looked["edit_id"].isin(about.index)]
    # Ids are hashes: the first of them are any.
    some = sorted(looked["edit_id"].unique())[:OUTLINED_EDITS]
    looked = looked[looked["edit_id"].isin(some)]
    drawn = workspace.read_table("regions").select(["edit_id", "annotator", "kind", "flaw_type", "extent", "polygon"])
    drawn = drawn.filter(pc.is_in(drawn["edit_id"], pa.array(some, pa.string())))
    regions = pd.DataFrame(drawn.to_pylist(), columns=drawn.column_names)
    for of, name, ids in _parts(about):
        found = _of_regions(looked[looked["edit_id"].isin(ids)], regions[regions["edit_id"].isin(ids)], photos)
        rows += [{"about": "regions", "of": of, "name": name, **row} for row in found]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def write_agreement(workspace: Workspace) -> pd.DataFrame:
    """Write `WS/analysis/agreement.csv`; returns the table."""
    table = agreement_table(workspace)
    path = workspace.analysis_dir / "agreement.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.4f")
    return table


def _parts(about: pd.DataFrame) -> Iterator[tuple[str, str, pd.Index]]:
    yield "all", "", about.index
    for of in ("model", "task group"):
        for name, some in about.groupby(of, sort=True):
            yield of, str(name), some.index


def _of_ratings(matrix: np.ndarray, photos: Sequence[str]) -> Iterable[dict[str, Any]]:
    together = int(((~np.isnan(matrix)).sum(axis=0) > 1).sum()) if matrix.size else 0
    if together < FEWEST_EDITS:
        return
    people = len(matrix)
    n_ratings = int((~np.isnan(matrix)).sum())
    low, high = alpha_interval(matrix, clusters=photos)
    value = krippendorff_alpha(matrix)
    yield _row("Krippendorff's alpha (interval)", value, low, high, np.nan, together, people)
    for form, one in icc(matrix).items():
        if form in ICC_SHOWN and one.stimuli * one.people >= LEAST_BLOCK * n_ratings:
            yield _row(form, one.value, one.low, one.high, one.p, one.stimuli, one.people)
    order = kendall_w(matrix)
    if order.stimuli * order.people >= LEAST_BLOCK * n_ratings:
        yield _row("Kendall's W", order.w, np.nan, np.nan, order.p, order.stimuli, order.people)
    halves = split_half(matrix)
    yield _row("SRCC of split halves", halves.srcc, np.nan, np.nan, np.nan, round(halves.stimuli), people)
    stepped = "SRCC of split halves, Spearman–Brown"
    yield _row(stepped, halves.spearman_brown, halves.low, halves.high, np.nan, round(halves.stimuli), people)


def _of_regions(looked: pd.DataFrame, regions: pd.DataFrame, photos: Mapping[str, str]) -> Iterable[dict[str, Any]]:
    found = region_agreement(looked, regions, photos)
    people = int(looked["annotator"].nunique())
    named: dict[str, Figure] = {
        "F1 of two people (IoU 0.5)": found.f1,
        "mean IoU of matched regions": found.iou,
        "Krippendorff's alpha of flaw types (nominal)": found.flaw_type,
    }
    for measure, one in named.items():
        if one.edits:
            yield _row(measure, one.value, one.low, one.high, np.nan, one.edits, people)


def _row(
    measure: str, value: float, low: float, high: float, p: float, edits: int, people: int
) -> dict[str, Any]:  # fmt: skip
    return {"measure": measure, "value": value, "low": low, "high": high, "p": p, "edits": edits, "people": people}
