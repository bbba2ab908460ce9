"""What people chose blindly between an edit before and after refining, from the images of `refiner.blind_pairs`."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from editfhf.errors import BadInput, first_line
from editfhf.sheet import read_sheet
from refiner.inputs import pixels_hash

KEY_FILE, PAIRS_FILE = "key.json", "pairs.csv"
CHOICES = ("left", "right", "tie")


class KeyOfEdit(BaseModel):
    """One edit that was refined.

    Attributes:
        pair: its name in `pairs.csv`; "" where refining changed nothing, so that nobody had to be asked.
        after: the side of the image after refining.
        before_sha256, after_sha256: `pixels_hash` of both images.
    """

    model_config = ConfigDict(extra="forbid")

    edit_id: str
    pair: str
    after: Literal["left", "right", ""]
    before_sha256: str
    after_sha256: str


class Key(BaseModel):
    """`key.json`: which side is which, of which run, with which editor."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1  # raise it when an older program could not read the key
    dataset: str
    run: str
    editor: str
    seed: int
    edits: list[KeyOfEdit]


@dataclass(frozen=True)
class Preferences:
    """What people chose.

    Attributes:
        folder: where it was read.
        votes: edit id → mean vote, −1 (before) to 1 (after), of edits that refining had changed and people looked at.
        n_people, n_edits: how many chose, on how many edits.
    """

    folder: Path
    key: Key
    votes: Mapping[str, float]
    n_people: int
    n_edits: int

    def vote_on(self, edit_id: str, before: np.ndarray, after: np.ndarray) -> float | None:
        """The mean vote on an edit; None where nothing was changed, nobody was asked or nobody answered.

        Raises:
            BadInput: the images are not those that people saw.
        """
        saw = next((one for one in self.key.edits if one.edit_id == edit_id), None)
        if saw is not None and (pixels_hash(before), pixels_hash(after)) != (saw.before_sha256, saw.after_sha256):
            raise BadInput(
                f"The preferences in {self.folder} are about another run: people saw what {self.key.run} made with the "
                f"editor {self.key.editor}, and of edit {edit_id} another image is made now.",
                mend="Measure that run with that editor, or ask people anew: `editfhf pairs`.",
            )
        return self.votes.get(edit_id)


def read_preferences(folder: Path, known: Iterable[str]) -> Preferences:
    """What people chose: the key, and beside it their filled copies of `pairs.csv`, under any names that end in .csv.

    Args:
        folder: what `refiner.blind_pairs.write_pairs` wrote.
        known: the ids that may occur.

    Raises:
        BadInput: there is no key or no copy, one is not understood, or they are about another dataset.
    """
    key = _read_key(folder / KEY_FILE)
    if strange := sorted({one.edit_id for one in key.edits} - set(known)):
        raise BadInput(
            f"{folder / KEY_FILE} is about the dataset {key.dataset}: there is no edit {strange[0]!r} in the split "
            "`test` here.",
            mend="Give the preferences on edits of this dataset.",
        )
    votes: dict[str, list[int]] = defaultdict(list)
    copies = [_read_copy(path, key) for path in sorted(folder.glob("*.csv"))]
    for copy in copies:
        for edit_id, vote in copy.items():
            votes[edit_id].append(vote)
    if not votes:
        raise BadInput(
            f"{folder} holds nobody's preferences.",
            mend=f"Put everyone's filled copy of {PAIRS_FILE} there, beside {KEY_FILE}.",
        )
    means = {edit_id: float(np.mean(some)) for edit_id, some in votes.items()}
    return Preferences(folder, key, means, sum(bool(copy) for copy in copies), len(votes))


def _read_key(path: Path) -> Key:
    try:
        return Key.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BadInput(f"{path} is not there.", mend="Name the folder that `editfhf pairs` wrote.") from error
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise BadInput(f"{path} is damaged: {where}: {error.errors()[0]['msg']}.", mend="Copy it again.") from error
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {first_line(error)}.", mend="Copy it again.") from error


def _read_copy(path: Path, key: Key) -> dict[str, int]:
    """One person's choices: edit id → −1, 0 or 1. A pair without a choice is left out."""
    asked = {one.pair: one for one in key.edits if one.pair}
    choices: dict[str, int] = {}
    for line, row in read_sheet(path, ("pair", "preferred")):
        choice = row["preferred"].casefold()
        if row["pair"] not in asked:
            raise BadInput(
                f"{path}: line {line}: {KEY_FILE} knows no pair {row['pair']!r}.",
                mend=f"Give copies of the {PAIRS_FILE} that was written with it.",
            )
        if choice not in ("", *CHOICES):
            raise BadInput(
                f"{path}: line {line}: preferred is {row['preferred']!r}.",
                mend=f"It is one of {', '.join(CHOICES)}, or empty.",
            )
        one = asked[row["pair"]]
        if one.edit_id in choices:
            raise BadInput(
                f"{path}: line {line}: the pair {one.pair} stands there twice.",
                mend="One file is one person's; put everyone's in a file of its own.",
            )
        if choice:
            choices[one.edit_id] = 0 if choice == "tie" else 1 if choice == one.after else -1
    return choices
