"""A Parquet file read some rows at a time, however large it is."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 1000


def read_batches(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows in their order, `ROWS` of them at most in each batch."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):  # one after the other: pyarrow fetches all that it is asked for
            yield from file.iter_batches(ROWS, row_groups=[group], columns=columns)
