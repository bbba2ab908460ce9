"""The Parquet files of a dataset: rows and image bytes of a workspace, a row group at a time.

A split without rows has no file: `datasets` (5.2) refuses to load a whole config when one of its splits is empty.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from editfhf.dataset_schema import arrow_schema_of, shard_name
from editfhf.errors import BadInput
from editfhf.schema import DIMENSIONS, SPLITS, Edit, Source, canonical_json
from editfhf.tasks import TASKS
from editfhf.workspace import Workspace

SHARD_BYTES = 500 * 2**20  # the Hub's advice for Parquet shards
ROW_GROUP_BYTES = 48 * 2**20  # the Hub's viewer reads a whole row group to show a page of rows
ROW_GROUP_ROWS = 100
RAW_ROWS = 50_000  # rows of the raw tables in a row group
_NO_SCORE: dict[str, Any] = {f"{name}_n": 0 for name in DIMENSIONS}


class Opinions:
    """What analysis says about each edit, without a Python object for every region of the campaign.

    Attributes:
        scores: edit_id → the columns `D`, `D_std`, `D_ci95`, `D_n`; nothing for an edit that nobody rated.
        consensus: the table `consensus`, sorted by edit.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.scores: dict[str, dict[str, Any]] = {}
        for row in workspace.read_table("mos").to_pylist():
            name = row["dimension"]
            self.scores.setdefault(row["edit_id"], {}).update(
                {name: row["mos"], f"{name}_std": row["std"], f"{name}_ci95": row["ci95"], f"{name}_n": row["n"]}
            )
        self.consensus = workspace.read_table("consensus").sort_by("edit_id").combine_chunks()
        self._regions = self.consensus.drop_columns("edit_id")
        self._places: dict[str, tuple[int, int]] = {}
        start = 0
        for edit_id, rows in groupby(self.consensus["edit_id"].to_pylist()):
            count = sum(1 for _ in rows)
            self._places[edit_id] = (start, count)
            start += count

    def regions(self, edit_id: str) -> list[dict[str, Any]]:
        """The consensus regions of one edit."""
        start, count = self._places.get(edit_id, (0, 0))
        return self._regions.slice(start, count).to_pylist()


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """An edit and the files of its images (None where there is no map), `size` bytes in all."""

    edit: Edit
    files: dict[str, Path | None]
    size: int


def plan_shards(workspace: Workspace, edits: list[Edit], sources: dict[str, Source]) -> list[list[PlannedRow]]:
    """The edits of a split, in their order, in shards of about `SHARD_BYTES`; an empty split has none.

    Raises:
        BadInput: an image is missing.
    """
    maps = workspace.analysis_dir / "maps"
    photos = {source_id: workspace.path_of(source.file) for source_id, source in sources.items()}
    shards: list[list[PlannedRow]] = []
    filled = 0
    for edit in edits:
        files: dict[str, Path | None] = {
            "source_image": photos[edit.source_id],
            "edited_image": workspace.path_of(edit.image),
        }
        for column, kind in (("artifact_map", "artifact"), ("failure_map", "failure")):
            path = maps / f"{edit.edit_id}_{kind}.png"
            files[column] = path if path.is_file() else None
        try:
            size = sum(path.stat().st_size for path in files.values() if path)
        except FileNotFoundError as error:
            again = "init" if Path(error.filename) == photos[edit.source_id] else "generate"
            raise BadInput(
                f"{error.filename}: the image of edit {edit.edit_id} is missing.",
                mend=f"`editfhf {again}` on {workspace.root} makes it again.",
            ) from error
        if not shards or filled + size > SHARD_BYTES:
            shards.append([])
            filled = 0
        shards[-1].append(PlannedRow(edit, files, size))
        filled += size
    return shards


def write_edits(path: Path, rows: list[PlannedRow], opinions: Opinions) -> Iterator[Edit]:
    """Write a shard of config `default`; yields each edit once its row is there."""
    schema = arrow_schema_of("default")
    with _writer(path, schema) as writer:
        group: list[PlannedRow] = []
        size = 0
        for row in rows:
            group.append(row)
            size += row.size
            if size >= ROW_GROUP_BYTES or len(group) >= ROW_GROUP_ROWS or row is rows[-1]:
                values = [_row(one, opinions) for one in group]
                writer.write_table(pa.Table.from_pylist(values, schema=schema))
                yield from (one.edit for one in group)
                group, size = [], 0


def _row(planned: PlannedRow, opinions: Opinions) -> dict[str, Any]:
    edit = planned.edit
    images = {
        column: {"bytes": path.read_bytes(), "path": path.name} if path else None
        for column, path in planned.files.items()
    }
    return {
        "edit_id": edit.edit_id,
        "parent_edit_id": edit.parent_edit_id,
        "source_id": edit.source_id,
        "instruction": edit.instruction,
        "task": edit.task,
        "task_group": TASKS[edit.task].group,
        "model": edit.model,
        "model_revision": edit.model_revision,
        "params": canonical_json(edit.params),
        "seed": edit.seed,
        "width": edit.width,
        "height": edit.height,
        "regions": opinions.regions(edit.edit_id),
        **images,
        **_NO_SCORE,
        **opinions.scores.get(edit.edit_id, {}),
    }


def write_raw(table: pa.Table, config: str, split_of: dict[str, str], folder: Path) -> dict[str, int]:
    """Write the rows of a raw table whose edits are in the dataset, a shard for each split that has any.

    Rows stand in an order of their own content, so that the same answers give the same bytes.

    Returns:
        split → number of rows.
    """
    schema = arrow_schema_of(config)
    table = table.select(schema.names).combine_chunks()
    first = [name for name in ("edit_id", "annotator", "dimension", "region_id") if name in table.column_names]
    rest = [name for name in table.column_names if name not in first and not pa.types.is_list(schema.field(name).type)]
    order = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in (*first, *rest)])
    codes = [SPLITS.index(split_of[edit_id]) if edit_id in split_of else -1 for edit_id in table["edit_id"].to_pylist()]
    sorted_codes = np.array(codes, np.int8)[order.to_numpy()] if codes else np.empty(0, np.int8)
    counts = {}
    for code, split in enumerate(SPLITS):
        chosen = order.filter(pa.array(sorted_codes == code))
        counts[split] = len(chosen)
        if not len(chosen):
            continue
        with _writer(folder / shard_name(config, split, 0, 1), schema) as writer:
            for start in range(0, len(chosen), RAW_ROWS):
                writer.write_table(table.take(chosen.slice(start, RAW_ROWS)).cast(schema))
    return counts


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Content-defined chunks: a later version of the dataset shares the bytes of what did not change.
    return pq.ParquetWriter(path, schema, write_page_index=True, use_content_defined_chunking=True)
