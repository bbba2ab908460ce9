"""`editfhf score`: the evaluation agent alone, on the pairs of a CSV file."""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from editfhf.errors import BadInput
from editfhf.files import require_apart, whole_file
from editfhf.schema import DIMENSIONS
from refiner.inputs import language_note
from refiner.pairs import NamedPair, read_pair_sheet
from refiner.refiner import Refiner

SCORE_COLUMNS = tuple(name for dimension in DIMENSIONS for name in (dimension, f"{dimension}_std"))
COLUMNS = ("source", "edited", "instruction", *SCORE_COLUMNS, "note", "reason")
DECIMALS = 2  # of scores on 0..100; their errors are of several points


def score_pairs(
    refiner: Refiner,
    sheet: Path | str,
    force: bool = False,
    track: Callable[[Sequence[NamedPair]], Iterable[NamedPair]] = iter,
) -> list[dict[str, Any]]:
    """The three scores of every pair, in the order of the file.

    Args:
        sheet: a CSV file (`refiner.pairs.read_pair_sheet`).
        track: wraps the pairs, to show progress.

    Returns:
        Rows with `COLUMNS`: for each dimension a score, 0..100, and `…_std`, the standard deviation of its error. A
        pair that cannot be scored has None there and says why in `reason`, which is "" for the others. `note`: see
        `refiner.inputs.language_note`.

    Raises:
        BadInput: the file cannot be read or has no pairs; the run has no evaluation agent.
    """
    rows = []
    for named in track(read_pair_sheet(Path(sheet), force)):
        scores: dict[str, float | None] = dict.fromkeys(SCORE_COLUMNS)
        note = reason = ""
        try:
            pair = named.read()
        except BadInput as error:
            reason = f"{named.where}: {error}"
        else:
            note = language_note(pair.instruction)
            found = refiner.model.evaluate(pair)
            for name in DIMENSIONS:
                scores |= {
                    name: round(found.values[name], DECIMALS),
                    f"{name}_std": round(found.std[name], DECIMALS),
                }
        written = {"source": named.source, "edited": named.edited, "instruction": named.instruction}
        rows.append({**written, **scores, "note": note, "reason": reason})
    return rows


def common_errors(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Dimension → the standard deviation of its score's error, where that is one for all rows; empty where it is not.

    Args:
        rows: that were scored (`score_pairs`).
    """
    found = {tuple(row[f"{name}_std"] for name in DIMENSIONS) for row in rows}
    return dict(zip(DIMENSIONS, found.pop(), strict=True)) if len(found) == 1 else {}


def require_writable(out: Path, sheet: Path, pairs: Iterable[NamedPair]) -> None:
    """Whether a table of scores can go there: asked before the work.

    Args:
        sheet, pairs: the CSV file, and what is in it.

    Raises:
        BadInput: a folder, a file in a folder that is not there, or one of the files that are read.
    """
    if out.is_dir() or not out.parent.is_dir():
        problem = "it is a folder" if out.is_dir() else "its folder is not there"
        raise BadInput(f"{out} cannot be written: {problem}.", mend="Name a CSV file, such as scores.csv.")
    images = (sheet.parent / Path(name).expanduser() for pair in pairs for name in (pair.source, pair.edited) if name)
    require_apart(out, [sheet, *images])


def write_rows(path: Path, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    """Write rows as CSV (UTF-8), whole or not at all.

    Raises:
        BadInput: the file cannot be written.
    """
    try:
        with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise BadInput(f"{path} cannot be written ({error.strerror}).", mend="Choose another file.") from error
