"""Who inspected each edit, and what they drew on it: the raw tables, edit by edit, without holding them as objects."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from analysis.regions import Consensus, find_consensus
from editfhf.schema import REGION_TYPES

INSPECTED = ("answered", "no_flaw")  # the other outcomes say that nobody looked for flaws
ANSWER_COLUMNS = ["edit_id", "annotator", "project_type", "outcome", "screened"]
REGION_COLUMNS = [
    "edit_id", "annotator", "region_id", "kind", "flaw_type", "extent", "polygon", "source_polygon", "description",
]  # fmt: skip


class Drawings:
    """The tables `answers` and `regions` of a workspace or of a dataset, ready to be asked about one edit.

    They stay Arrow tables (a campaign of 15,000 edits has 400,000 polygons): only the rows of one edit become objects.

    Args:
        answers: has `ANSWER_COLUMNS`; regions: has `REGION_COLUMNS`; both in any order.
    """

    def __init__(self, answers: pa.Table, regions: pa.Table) -> None:
        self._inspectors: dict[str, set[str]] = defaultdict(set)
        for row in answers.select(ANSWER_COLUMNS).to_pylist():
            if row["outcome"] in INSPECTED and row["project_type"] in REGION_TYPES and not row["screened"]:
                self._inspectors[row["edit_id"]].add(row["annotator"])
        self._regions = regions.select(REGION_COLUMNS).sort_by("edit_id").combine_chunks()
        ids = np.asarray(self._regions["edit_id"].to_pylist(), dtype=str)
        unique, starts, counts = np.unique(ids, return_index=True, return_counts=True)
        ranges = zip(starts.tolist(), (starts + counts).tolist(), strict=True)
        self._rows_of = dict(zip(unique.tolist(), ranges, strict=True))

    def n_inspected(self, edit_id: str) -> int:
        """How many different people looked for flaws on an edit."""
        return len(self._inspectors.get(edit_id, ()))

    def of(self, edit_id: str) -> list[Mapping[str, Any]]:
        """The regions that those who inspected an edit drew on it; nobody else's count, for they are in no share."""
        start, end = self._rows_of.get(edit_id, (0, 0))
        inspectors = self._inspectors.get(edit_id, set())
        rows: list[dict[str, Any]] = self._regions.slice(start, end - start).to_pylist()
        return [row for row in rows if row["annotator"] in inspectors]

    def consensus(self, edit_id: str, width: int, height: int) -> Consensus | None:
        """Consensus and maps of an edit of that size in pixels; None when nobody inspected it."""
        n_inspected = self.n_inspected(edit_id)
        return find_consensus(self.of(edit_id), n_inspected, width, height) if n_inspected else None
