"""Which was the how-manieth answer of a session, once all are known: in some forty bytes for each answer."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from annotation.batches import read_batches
from editfhf.schema import ID_LENGTH, TABLES

# What makes ratings those of one answer. Of times, ids and the flag also the order counts.
KEY = {"annotator": "i4", "session": "i4", "submitted_at": "i8", "edit_id": f"S{ID_LENGTH}", "repeat": "?"}


def add_positions(source: Path, target: Path) -> None:
    """Write the table `ratings` of a project anew, with `position`; the rows stay in their order.

    Args:
        source, target: Parquet.
    """
    position = positions(read_batches(source, list(KEY)))
    place = TABLES["ratings"].get_field_index("position")
    begin = 0
    with pq.ParquetWriter(target, TABLES["ratings"]) as writer:
        for batch in read_batches(source):
            own = pa.array(position[begin : begin + batch.num_rows])
            writer.write_batch(batch.set_column(place, TABLES["ratings"].field(place), own))
            begin += batch.num_rows


def positions(batches: Iterable[Any]) -> np.ndarray:
    """The how-manieth answer of its annotator in its session each rating belongs to, from 1: by time, then by edit.

    Args:
        batches: rows of `ratings` with the columns of `KEY`, as Arrow tables or record batches.

    Returns:
        int32, one for each row.
    """
    codes: dict[str, dict[str, int]] = {"annotator": {}, "session": {}}
    held, lengths = bytearray(), bytearray()  # of each answer, its key and how many rows it has here
    for batch in batches:
        keys = np.empty(batch.num_rows, list(KEY.items()))
        for name, known in codes.items():
            keys[name] = _coded(batch[name], known)
        keys["submitted_at"] = batch["submitted_at"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
        keys["edit_id"] = batch["edit_id"].to_pylist()
        keys["repeat"] = batch["repeat"].to_numpy(zero_copy_only=False)
        starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]][: len(keys)])
        held += keys[starts].tobytes()
        lengths += np.diff(np.r_[starts, len(keys)]).astype(np.int32).tobytes()
    keys = np.frombuffer(held, list(KEY.items()))
    return np.repeat(_in_session(keys), np.frombuffer(lengths, np.int32))


def _in_session(keys: np.ndarray) -> np.ndarray:
    order = np.lexsort([keys[name] for name in reversed(KEY)])
    new_session, new_answer = np.zeros(len(keys), bool), np.zeros(len(keys), bool)
    new_session[:1] = new_answer[:1] = True
    for name in KEY:
        column = keys[name][order]
        differs = column[1:] != column[:-1]
        new_answer[1:] |= differs
        if name in ("annotator", "session"):
            new_session[1:] |= differs
    number = np.cumsum(new_answer, dtype=np.int32)
    before = np.maximum.accumulate(np.where(new_session, number, 0))
    position = np.empty(len(keys), np.int32)
    position[order] = number - before + 1
    return position


def _coded(column: Any, known: dict[str, int]) -> np.ndarray:
    """A number for each text; the same text has the same in every batch."""
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    coded = column.dictionary_encode()
    numbers = [known.setdefault(text, len(known)) for text in coded.dictionary.to_pylist()]
    return np.array(numbers, np.int32)[coded.indices.to_numpy()]
