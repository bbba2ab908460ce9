"""People's blind choices between an edit before and after refining."""

import csv
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from editfhf.errors import BadInput, first_line

COLUMNS = ("edit_id", "preferred")
VOTES = {"after": 1, "before": -1, "tie": 0}


def read_preferences(path: Path, known: Iterable[str]) -> dict[str, float]:
    """People's blind choices between the edit before and after refining: edit id → mean vote, −1 (before) to 1 (after).

    Args:
        path: CSV with the columns edit_id and preferred (before, after or tie); a row for each person asked.
        known: the ids that may occur.

    Raises:
        BadInput: the file cannot be read, lacks a column, or a row is not understood.
    """
    ids = set(known)
    votes: dict[str, list[int]] = defaultdict(list)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise BadInput(f"{path} has no column {missing[0]}.", mend=f"Its columns are {', '.join(COLUMNS)}.")
            for row in reader:
                edit_id, choice = ((row[name] or "").strip() for name in COLUMNS)
                if choice.casefold() not in VOTES:
                    raise BadInput(
                        f"{path}: line {reader.line_num}: preferred is {choice!r}.",
                        mend=f"It is one of {', '.join(VOTES)}.",
                    )
                if edit_id not in ids:
                    raise BadInput(
                        f"{path}: line {reader.line_num}: there is no edit {edit_id!r} in the split `test`.",
                        mend="Give the preferences on edits of this dataset's split `test`.",
                    )
                votes[edit_id].append(VOTES[choice.casefold()])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path} cannot be read: {first_line(error)}.", mend="Give a CSV file in UTF-8.") from error
    if not votes:
        raise BadInput(f"{path} holds no preferences.", mend="A row for each person and edit.")
    return {edit_id: float(np.mean(some)) for edit_id, some in votes.items()}
