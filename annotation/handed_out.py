"""What was handed out, by its id, in sixty bytes or fewer for each: a large campaign has a million items."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from operator import methodcaller

import pyarrow as pa
import pyarrow.compute as pc

from editfhf.schema import TABLES, Assignment

SHARED = ("annotator", "project_type", "edit_id", "role")  # columns in which many items have the same text


class HandedOut(Mapping[str, Assignment]):
    """The assignments by `item_id`; of several with one id the last counts.

    Held as Arrow columns in the order of the ids, in which a shared text stands once; a record is made when it is asked
    for.

    Args:
        table: rows of `assignments`.
    """

    def __init__(self, table: pa.Table) -> None:
        order = pc.sort_indices(table["item_id"])  # stable
        self._ids = _in_one(table["item_id"].take(order))
        self._columns = {
            name: _in_one((table[name].dictionary_encode() if name in SHARED else table[name]).take(order))
            for name in TABLES["assignments"].names
            if name != "item_id"
        }
        self._last: tuple[str, int | None] = ("", self._find(""))  # an item is asked for several times on end

    def place_of(self, item: str) -> int | None:
        """The number of an item among all, from 0; None for one that was not handed out."""
        if item != self._last[0]:
            self._last = item, self._find(item)
        return self._last[1]

    def _find(self, item: str) -> int | None:
        place = bisect_right(self._ids, item, key=methodcaller("as_py")) - 1
        return place if place >= 0 and self._ids[place].as_py() == item else None

    def __getitem__(self, item: str) -> Assignment:
        place = self.place_of(item)
        if place is None:
            raise KeyError(item)
        return Assignment(item, **{name: column[place].as_py() for name, column in self._columns.items()})

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        return (one.as_py() for one in self._ids)

    @property
    def nbytes(self) -> int:
        """What they take."""
        return sum(column.nbytes for column in (self._ids, *self._columns.values()))


class Marks:
    """One bit for each of `n` things, by their numbers: which of them were met."""

    def __init__(self, n: int) -> None:
        self._bits = bytearray(n // 8 + 1)

    def add(self, number: int) -> None:
        self._bits[number >> 3] |= 1 << (number & 7)

    def __contains__(self, number: int) -> bool:
        return bool(self._bits[number >> 3] >> (number & 7) & 1)


def _in_one(column: pa.ChunkedArray) -> pa.Array:
    """One array, whose items are found faster than those of several chunks."""
    whole = column.unify_dictionaries().combine_chunks()
    return whole if isinstance(whole, pa.Array) else whole.chunk(0)
