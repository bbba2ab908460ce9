"""Rows of a built dataset, one row group at a time, for checks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from editfhf.dataset_schema import shard_pattern
from editfhf.schema import SPLITS


def shards(folder: Path, config: str) -> Iterator[tuple[str, Path]]:
    """(split, file) of every shard of a config."""
    for split in SPLITS:
        for path in sorted(folder.glob(shard_pattern(config, split))):
            yield split, path


def read_groups(path: Path, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """The row groups of one file, with the columns asked for (`a.b` is a field within a struct)."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=columns)


def read_rows(folder: Path, config: str, columns: list[str] | None = None) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(split, file name, row) of every row; only a row group is in memory at a time."""
    for split, path in shards(folder, config):
        for table in read_groups(path, columns):
            for batch in table.to_batches(max_chunksize=64):
                for row in batch.to_pylist():
                    yield split, path.name, row
