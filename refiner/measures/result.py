"""All that a benchmark measured, as it is kept and shown: read without torch."""

from dataclasses import dataclass, field
from typing import Any

from refiner.measures.entries import ALL, Entry, Figure


@dataclass(frozen=True)
class BenchmarkResult:
    """What came of it.

    Attributes:
        dataset, run: the names of their folders or repositories; a path would be of this machine alone.
        marks: what has to be declared before any number, such as simulated people.
        judges: who judged the loop → how far to trust it.
        notes: what else a reader must know.
        counts: of edits, photos, edits refined and so on.
        predictions: dimension → (predicted, told by people) of each edit.
        entries: every number.
    """

    dataset: str
    run: str
    seed: int
    marks: list[str]
    judges: dict[str, str]
    notes: list[str]
    counts: dict[str, float]
    predictions: dict[str, list[tuple[float, float]]]
    entries: list[Entry] = field(default_factory=list)

    def figure(
        self, part: str, what: str, method: str, measure: str, judged_by: str | None = None, group: str = ALL
    ) -> Figure:
        """One number.

        Raises:
            KeyError: it was not measured.
        """
        wanted = (part, what, method, measure, group)
        for one in self.entries:
            if (one.part, one.what, one.method, one.measure, one.group) == wanted and judged_by in (
                None,
                one.judged_by,
            ):
                return one.figure
        raise KeyError(wanted)

    def rows(self) -> list[dict[str, Any]]:
        """The short table for a console: the headline numbers, the run and what it is compared with side by side."""
        headlines = [one for one in self.entries if one.headline]
        places: dict[tuple[str, str, str, str], int] = {}
        for one in headlines:
            places.setdefault(_question(one), len(places))
        return [
            {
                "part": one.part,
                "what": one.what,
                "measure": one.measure,
                "method": one.method,
                "value": one.figure.value,
                "low": one.figure.low,
                "high": one.figure.high,
                "n": one.figure.n,
                "judged_by": one.judged_by,
            }
            for one in sorted(headlines, key=lambda one: places[_question(one)])
        ]


def _question(entry: Entry) -> tuple[str, str, str, str]:
    """What is asked, whatever the method."""
    return entry.part, entry.what, entry.judged_by, entry.measure
