"""Rows of a built dataset, one row group at a time, for checks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from editfhf.dataset_schema import shard_pattern
from editfhf.schema import SPLITS


def manifest_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def shards(folder: Path, config: str) -> Iterator[tuple[str, Path]]:
    """(split, file) of every shard of a config."""
    for split in SPLITS:
        for path in sorted(folder.glob(shard_pattern(config, split))):
            yield split, path


def read_rows(folder: Path, config: str, columns: list[str] | None = None) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(split, file name, row) of every row; only a row group is in memory at a time."""
    for split, path in shards(folder, config):
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                for row in _rows(file.read_row_group(group, columns=columns)):
                    yield split, path.name, row


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=64):
        yield from batch.to_pylist()
