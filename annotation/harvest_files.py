"""The tables that are read from one export, written while it is read: of each some rows are in memory at one time."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from annotation.harvest import HARVESTED
from annotation.positions import add_positions
from editfhf.files import whole_file
from editfhf.schema import TABLES

Put = Callable[[str, pa.Table], None]


@contextmanager
def harvest_files(folder: Path) -> Iterator[Put]:
    """Takes rows of every one of `HARVESTED`, which become the tables of a folder in the order in which they came.

    Every file is whole or not there; where the block ends badly, those of before stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as files:
        paths = {name: files.enter_context(whole_file(folder / f"{name}.parquet")) for name in HARVESTED}
        # Which answer of a session a rating belongs to is known when all have been read.
        unplaced = files.enter_context(tempfile.NamedTemporaryFile(prefix=".ratings.", suffix=".tmp", dir=folder))
        with ExitStack() as open_files:
            writers = {
                name: open_files.enter_context(
                    pq.ParquetWriter(unplaced.name if name == "ratings" else path, TABLES[name])
                )
                for name, path in paths.items()
            }
            yield lambda name, rows: writers[name].write_table(rows)
        add_positions(Path(unplaced.name), paths["ratings"])
