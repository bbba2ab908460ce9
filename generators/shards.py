"""Generation split over machines without a cluster: each makes one share into a part, and the parts are joined."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from editfhf import oracle
from editfhf.config import CONFIG_NAME
from editfhf.errors import BadInput
from editfhf.files import whole_file
from editfhf.schema import Edit, edit_id_of
from editfhf.workspace import Workspace

PARTS = "parts"  # folder of a workspace


@dataclass(frozen=True, slots=True)
class Shard:
    """Share `number` (from 1) of `total`: the edits whose id falls in it, however the plan grows."""

    number: int
    total: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Raises BadInput: not `I/N` with 1 ≤ I ≤ N."""
        number, slash, total = text.partition("/")
        if not (slash and number.isdecimal() and total.isdecimal() and 1 <= int(number) <= int(total)):
            raise BadInput(
                f"--shard {text} is no share.",
                mend="Write I/N with I from 1 to N: `--shard 3/8` is the third of eight.",
            )
        return cls(int(number), int(total))

    def select(self, edits: Iterable[Edit]) -> list[Edit]:
        """The edits of this share."""
        return [edit for edit in edits if int(edit.edit_id, 16) % self.total == self.number - 1]

    def part(self, workspace: Workspace) -> Workspace:
        """The part of a workspace that this share is made into: a workspace of its own with ledger and images."""
        root = workspace.root / PARTS / f"{self.number}-of-{self.total}"
        root.mkdir(parents=True, exist_ok=True)
        with whole_file(root / CONFIG_NAME) as temporary:
            temporary.write_bytes((workspace.root / CONFIG_NAME).read_bytes())
        return Workspace(root)


@dataclass
class MergeCounts:
    """What a merge did: edits `added` with their image, `already_there`, `refused` and `failed` edits noted.

    `differing` were made twice with other bytes: the first is kept. `damaged` have no whole image in their part, or an
    id that is not theirs: they are left out, with the reason in `problems`.
    """

    added: int = 0
    already_there: int = 0
    refused: int = 0
    failed: int = 0
    differing: int = 0
    damaged: int = 0
    problems: list[str] = field(default_factory=list)

    def as_row(self) -> dict[str, Any]:
        row = asdict(self)
        del row["problems"]
        return row


def merge_parts(
    workspace: Workspace,
    parts: Sequence[Path] = (),
    track: Callable[[Sequence[Edit]], Iterable[Edit]] = iter,
) -> MergeCounts:
    """Join parts into the workspace; an edit that is in several is one. May be repeated, and go on after a kill.

    Args:
        parts: folders that `generate --shard` wrote, here or on other machines; default: all in `parts/`.

    Raises:
        BadInput: no parts, a folder that is none, another run is going on.
    """
    folders = list(parts) or sorted(path.parent for path in (workspace.root / PARTS).glob("*/ledger.sqlite"))
    if not folders:
        raise BadInput(
            f"{workspace.root / PARTS} has no parts.",
            mend="Make them with `editfhf generate --shard I/N`, or name them.",
        )
    counts = MergeCounts()
    with workspace.lock("generate"):
        for folder in folders:
            if not (folder / "ledger.sqlite").is_file():
                raise BadInput(f"{folder} is no part (it has no ledger.sqlite).", mend="Name a folder of `--shard`.")
            _merge(workspace, Workspace(folder.resolve()), counts, track)
    return counts


def _merge(
    workspace: Workspace, part: Workspace, counts: MergeCounts, track: Callable[[Sequence[Edit]], Iterable[Edit]]
) -> None:
    rows = {one.edit_id: one for one in part.ledger.finished()}
    edits = [edit for edit in part.ledger.edits() if edit.edit_id in rows]
    ours = {one.edit_id: one for one in workspace.ledger.finished()}
    taken = []
    for edit in track(edits):
        row, known = rows[edit.edit_id], ours.get(edit.edit_id)
        if edit.edit_id != edit_id_of(
            edit.source_id, edit.task, edit.instruction, edit.model, edit.model_revision, edit.params, edit.seed
        ):
            counts.damaged += 1
            counts.problems.append(f"{part.root}: {edit.edit_id} is not the id of its edit.")
        elif known is not None and (known.status == "done" or row.status != "done"):
            counts.already_there += 1
            counts.differing += known.image != row.image
        elif row.status != "done":
            taken.append(edit.edit_id)
            setattr(counts, row.status, getattr(counts, row.status) + 1)
        else:
            problem = _bring_image(workspace, part, edit)
            if problem:
                counts.damaged += 1
                counts.problems.append(f"{part.root}: {edit.edit_id}: {problem}")
                continue
            taken.append(edit.edit_id)
            counts.added += 1
    workspace.ledger.plan([edit for edit in edits if edit.edit_id in set(taken)])
    workspace.ledger.take_over(part.ledger, taken)


def _bring_image(workspace: Workspace, part: Workspace, edit: Edit) -> str:
    """Copy image and truth; returns what is wrong with them, or ""."""
    path = part.path_of(edit.image)
    if not path.is_file():
        return f"its image {edit.image} is missing."
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != path.stem:
        return f"its image {edit.image} is damaged."
    workspace.store_image(data, path.suffix.removeprefix("."))
    truth = part.oracle_dir / edit.edit_id
    if (truth / "flaws.json").is_file():
        oracle.write(workspace.oracle_dir / edit.edit_id, oracle.read(truth))
    return ""
