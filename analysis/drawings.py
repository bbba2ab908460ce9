"""Who inspected each edit, and what they drew on it: the raw tables, and their consensus over the whole campaign."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from analysis.maps import mark_map
from analysis.marks import Marks, outlines
from analysis.regions import Agreement, Consensus, agree, region_rows
from analysis.second_looks import after_verdicts
from editfhf.schema import REGION_KINDS, REGION_TYPES

INSPECTED = ("answered", "no_flaw")  # the other outcomes say that nobody looked for flaws
ANSWER_COLUMNS = ["edit_id", "annotator", "project_type", "outcome", "screened"]
REGION_COLUMNS = [
    "edit_id", "annotator", "region_id", "kind", "flaw_type", "extent", "polygon", "source_polygon", "description",
]  # fmt: skip


class Drawings:
    """The tables `answers` and `regions` of a workspace or of a dataset, ready to be asked about one edit.

    They stay Arrow tables (a campaign of 15,000 edits has 400,000 polygons): only the rows of one edit become objects.
    What people are like is estimated over all edits of both tables, so leave out the edits that are not to count.

    Args:
        answers: has `ANSWER_COLUMNS`; regions: has `REGION_COLUMNS`; both in any order.
    """

    def __init__(self, answers: pa.Table, regions: pa.Table) -> None:
        table = answers.select(ANSWER_COLUMNS)
        looked = pc.and_(
            pc.is_in(table["outcome"], pa.array(INSPECTED)), pc.is_in(table["project_type"], pa.array(REGION_TYPES))
        )
        table = table.filter(pc.and_(looked, pc.invert(pc.fill_null(table["screened"], False))))
        pairs = table.select(["edit_id", "annotator"]).to_pandas().drop_duplicates()
        self._edits = pd.Index(np.unique(pairs["edit_id"].to_numpy(object)))
        self._people = pd.Index(np.unique(pairs["annotator"].to_numpy(object)))
        edit = self._edits.get_indexer(pairs["edit_id"])
        person = self._people.get_indexer(pairs["annotator"])
        order = np.lexsort((person, edit))
        self._inspected = edit[order], person[order]
        self._n_inspected = np.bincount(edit, minlength=len(self._edits))
        regions = regions.select(REGION_COLUMNS)
        codes = self._codes(regions)
        order = np.argsort(codes[0], kind="stable")
        order = order[codes[2][order]]
        self._regions = regions.take(pa.array(order)).combine_chunks()
        self._edit_of_row, self._person_of_row = codes[0][order], codes[1][order]
        self._starts = np.searchsorted(self._edit_of_row, np.arange(len(self._edits) + 1))

    def n_inspected(self, edit_id: str) -> int:
        """How many different people looked for flaws on an edit."""
        edit = self._edit(edit_id)
        return 0 if edit is None else int(self._n_inspected[edit])

    def of(self, edit_id: str) -> list[Mapping[str, Any]]:
        """The regions that those who inspected an edit drew on it; nobody else's count, for they are in no share."""
        edit = self._edit(edit_id)
        if edit is None:
            return []
        rows: list[Mapping[str, Any]] = self._regions.slice(
            self._starts[edit], self._starts[edit + 1] - self._starts[edit]
        ).to_pylist()
        return rows

    def consensus(self, edit_id: str, width: int, height: int) -> Consensus | None:
        """Consensus and maps of an edit of that size in pixels; None when nobody inspected it."""
        edit = self._edit(edit_id)
        if edit is None:
            return None
        rows = self.of(edit_id)
        start = int(self._starts[edit])
        first, last = np.searchsorted(self.agreement.places.edit, [edit, edit + 1])
        regions = region_rows(self.agreement, range(first, last), lambda index: rows[index - start])
        begin, end = np.searchsorted(self._inspected[0], [edit, edit + 1])
        people = self._inspected[1][begin:end]
        weights = dict(zip(self._people[people], self.agreement.rates.weight[people].tolist(), strict=True))
        maps = {
            kind: mark_map([row for row in rows if row["kind"] == kind], weights, width, height)
            for kind in REGION_KINDS
        }
        return Consensus(regions, maps)

    @cached_property
    def agreement(self) -> Agreement:
        """The consensus of all edits. Computed once: people's rates come from all of them."""
        table = self._regions
        columns = {
            name: table[name].to_pylist() for name in ("kind", "flaw_type", "extent", "description", "region_id")
        }
        marks = Marks.of(self._edit_of_row, self._person_of_row, columns, outlines(table["polygon"]))
        has_source = pc.greater(pc.list_value_length(table["source_polygon"]).fill_null(0), 0).to_pylist()
        return agree(marks, self._inspected, len(self._people), len(self._edits), columns["description"], has_source)

    def second_looks(self, verdicts: pa.Table) -> pd.DataFrame:
        """What the verdicts on single drawings make of the places that these are in.

        Args:
            verdicts: the table `verdicts`, in any order. Those on drawings that are not here, of people who were set
                aside, and those that judge nothing are left out.

        Returns:
            columns edit_id, region_id (of a drawing there that was verified), and those of `after_verdicts`.
        """
        found = self.agreement
        rows = verdicts.select(["region_id", "annotator", "verdict", "screened"]).to_pandas()
        rows = rows[rows["verdict"].isin(["flaw", "no_flaw"]) & ~rows["screened"].astype(bool)]
        # A drawing may stand behind several parts: its verdicts are on the one nearest to it.
        order = np.lexsort((found.places.place, -found.places.nearness, found.mark_rows))
        drawn, first = np.unique(found.mark_rows[order], return_index=True)
        names = pd.Index(self._regions["region_id"].to_pylist()).take(drawn)
        place_of = pd.Series(found.places.place[order][first], index=names)
        place_of = place_of[~place_of.index.duplicated()]
        rows = rows[rows["region_id"].isin(place_of.index)].sort_values(["region_id", "annotator"])
        places = place_of.loc[rows["region_id"]].to_numpy(int)
        people = self._people.get_indexer(rows["annotator"])
        table = after_verdicts(found, places, people, rows["verdict"].eq("flaw").to_numpy(bool))
        region_of = pd.Series(rows["region_id"].to_numpy(), index=places)
        region_of = region_of[~region_of.index.duplicated()]
        table.insert(0, "edit_id", self._edits.take(found.places.edit[table["place"].to_numpy(int)]))
        table.insert(1, "region_id", region_of.loc[table["place"].to_numpy(int)].to_numpy(object))
        return table.drop(columns="place")

    def _edit(self, edit_id: str) -> int | None:
        place = int(self._edits.get_indexer([edit_id])[0]) if len(self._edits) else -1
        return None if place < 0 else place

    def _codes(self, regions: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each region its edit, its person, and whether that person inspected that edit."""
        edit = self._edits.get_indexer(regions["edit_id"].to_pylist())
        person = self._people.get_indexer(regions["annotator"].to_pylist())
        pairs = self._inspected[0] * len(self._people) + self._inspected[1]
        known = (edit >= 0) & (person >= 0) & np.isin(edit * len(self._people) + person, pairs)
        return edit, person, known
