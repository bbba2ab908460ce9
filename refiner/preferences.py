"""What people chose blindly between an edit before and after refining, from the images of `refiner.blind_pairs`."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from editfhf.blind_pairs import CHOICES, KEY_FILE, PAIRS_FILE, Key, read_key
from editfhf.errors import BadInput
from editfhf.sheet import read_sheet
from refiner.inputs import pixels_hash


@dataclass(frozen=True)
class Preferences:
    """What people chose.

    Attributes:
        folder: where it was read.
        votes: edit id → mean vote, −1 (before) to 1 (after), of edits that refining had changed and people looked at.
        n_people, n_edits: how many chose, on how many edits; n_simulated: of these people.
    """

    folder: Path
    key: Key
    votes: Mapping[str, float]
    n_people: int
    n_edits: int
    n_simulated: int = 0

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

    `editfhf annotate pull` writes such copies of what was chosen in Label Studio; a column `annotator_kind` marks those
    of simulated people.

    Args:
        folder: what `refiner.blind_pairs.write_pairs` wrote.
        known: the ids that may occur.

    Raises:
        BadInput: there is no key or no copy, one is not understood, or they are about another dataset.
    """
    key = read_key(folder / KEY_FILE)
    if strange := sorted({one.edit_id for one in key.edits} - set(known)):
        raise BadInput(
            f"{folder / KEY_FILE} is about the dataset {key.dataset}: there is no edit {strange[0]!r} in the split "
            "`test` here.",
            mend="Give the preferences on edits of this dataset.",
        )
    votes: dict[str, list[int]] = defaultdict(list)
    copies: list[tuple[dict[str, int], bool]] = [_read_copy(path, key) for path in sorted(folder.glob("*.csv"))]
    for copy, _ in copies:
        for edit_id, vote in copy.items():
            votes[edit_id].append(vote)
    if not votes:
        raise BadInput(
            f"{folder} holds nobody's preferences.",
            mend=f"Put everyone's filled copy of {PAIRS_FILE} there, beside {KEY_FILE}.",
        )
    means = {edit_id: float(np.mean(some)) for edit_id, some in votes.items()}
    simulated = [is_simulated for copy, is_simulated in copies if copy]
    return Preferences(folder, key, means, len(simulated), len(votes), sum(simulated))


def _read_copy(path: Path, key: Key) -> tuple[dict[str, int], bool]:
    """One person's choices, edit id → −1, 0 or 1, and whether it is a simulated person's. A pair without a choice is
    left out."""
    asked = {one.pair: one for one in key.edits if one.pair}
    choices: dict[str, int] = {}
    rows = read_sheet(path, ("pair", "preferred"), ("annotator_kind",))
    for line, row in rows:
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
    return choices, any(row["annotator_kind"] == "simulated" for _, row in rows)
