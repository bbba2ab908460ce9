"""A CSV file that a person wrote or edited, in whatever spreadsheet: its rows, each with the line it begins on."""

import csv
import io
from collections.abc import Collection
from pathlib import Path

from editfhf.errors import BadInput

DELIMITERS = (",", ";", "\t")


def read_sheet(
    path: Path, required: Collection[str], optional: Collection[str] = ()
) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with a header; commas, semicolons or tabs; UTF-8 or UTF-16, with or without a mark.

    Args:
        required: columns that must be there.
        optional: columns that may be; other columns are left out.

    Returns:
        (line, row) for every row that is not blank; line counts from 1, values are stripped, missing ones are "".

    Raises:
        BadInput: not there, not text, a column missing or doubled, a row with more cells than the header.
    """
    text = _read_text(path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text, required), strict=True)
    rows: list[tuple[int, dict[str, str]]] = []
    header: list[str] | None = None
    start = 1
    try:
        for cells in reader:
            line, start = start, reader.line_num + 1
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if header is None:
                header = [cell.casefold() for cell in cells]
                _check_header(path, line, header, required)
                continue
            if any(cells[len(header) :]):
                raise BadInput(
                    f"{path}: line {line}: {len(cells)} cells, but the header has {len(header)}.",
                    mend='A text with a comma in it wants double quotes around it: "so, like this".',
                )
            filled = dict(zip(header, [*cells, *[""] * len(header)], strict=False))
            rows.append((line, {name: filled.get(name, "") for name in (*required, *optional)}))
    except csv.Error as error:
        raise BadInput(f"{path}: line {reader.line_num}: {error}.", mend="Check the quotes on that line.") from error
    if header is None:
        raise BadInput(f"{path} is empty.", mend=f"Its first line names the columns: {', '.join(required)}.")
    return rows


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from error
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadInput(f"{path}: line {line}: not UTF-8 text.", mend="Save it as `CSV UTF-8`.") from error


def _delimiter(text: str, required: Collection[str]) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    found = {delimiter: {cell.strip(' "').casefold() for cell in first.split(delimiter)} for delimiter in DELIMITERS}
    return max(DELIMITERS, key=lambda delimiter: (len(found[delimiter] & set(required)), len(found[delimiter])))


def _check_header(path: Path, line: int, header: list[str], required: Collection[str]) -> None:
    missing = [name for name in required if name not in header]
    if missing:
        raise BadInput(
            f"{path}: line {line}: no column {', '.join(missing)}.", mend=f"It needs: {', '.join(required)}."
        )
    doubled = sorted({name for name in header if name and header.count(name) > 1})
    if doubled:
        raise BadInput(f"{path}: line {line}: column {doubled[0]} stands there twice.", mend="Remove one.")
