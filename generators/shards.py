"""Generation split over machines without a cluster: each makes one share into a part, and the parts are joined."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import filelock

from editfhf import oracle
from editfhf.config import CONFIG_NAME
from editfhf.errors import BadInput
from editfhf.files import whole_file
from editfhf.ledger import Ledger
from editfhf.schema import Edit, edit_id_of
from editfhf.workspace import Workspace

PARTS = "parts"  # folder of a workspace
LOOK_S = 5.0  # other shares may look at the same lock at this moment


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
        return Workspace(workspace.root / PARTS / f"{self.number}-of-{self.total}")

    def make_part(self, workspace: Workspace) -> Workspace:
        """The part, its folder made and the settings copied into it."""
        root = self.part(workspace).root
        root.mkdir(parents=True, exist_ok=True)
        with whole_file(root / CONFIG_NAME) as temporary:
            temporary.write_bytes((workspace.root / CONFIG_NAME).read_bytes())
        return Workspace(root)


def only_read(workspace: Workspace) -> Workspace:
    """The same workspace with a ledger that is not written to: others may write to it, on whatever file system."""
    view = Workspace(workspace.root)
    view.ledger = Ledger(workspace.ledger.path, read_only=True)
    return view


def open_parts(workspace: Workspace) -> list[Workspace]:
    """The parts in `parts/` as they are now, only to be read."""
    ledgers = sorted((workspace.root / PARTS).glob("*/ledger.sqlite"))
    return [only_read(Workspace(path.parent)) for path in ledgers]


def refuse_beside_run(workspace: Workspace) -> None:
    """Raises BadInput: a run or a merge goes on in the workspace itself, which may spend what a share would."""
    path = workspace.root / ".generate.lock"
    if path.is_file():
        try:
            with filelock.FileLock(path, timeout=LOOK_S):
                return
        except filelock.Timeout:
            raise BadInput(
                f"Another `editfhf generate` is running on {workspace.root}.", mend="Wait for it to end."
            ) from None
        except OSError:
            return  # a folder that cannot be written to is nobody's to run in


def budget_beside_parts(workspace: Workspace, budget_usd: float) -> float:
    """Dollars that the workspace's own ledger may hold: the budget without what parts spent, or still may spend."""
    ours = {one.key for one in workspace.ledger.payments()}
    for part in open_parts(workspace):
        budget_usd -= sum(one.usd for one in part.ledger.payments() if one.key not in ours)
        budget_usd -= _unspent(part)
    return max(0.0, budget_usd)


def grant_share(workspace: Workspace, shard: Shard, budget_usd: float) -> float:
    """Dollars that this share's ledger may hold, noted there before it spends any.

    Shares spend at the same time: each gets an equal part of what is left beside them, and none of what others were
    given on top of it.
    """
    part = shard.part(workspace)
    group = {Shard(number, shard.total).part(workspace).root for number in range(1, shard.total + 1)}
    others = [one for one in open_parts(workspace) if one.root != part.root]
    siblings = [one for one in others if one.root in group]
    own = {part.ledger.ledger_id, *(one.ledger.ledger_id for one in siblings)}
    spent = {one.key: one.usd for ledger in [one.ledger for one in others] for one in ledger.payments()}
    spent |= {one.key: one.usd for one in only_read(workspace).ledger.payments()}
    left = budget_usd - sum(usd for (_, ledger, _), usd in spent.items() if ledger not in own)
    left -= sum(_unspent(one) for one in others if one not in siblings)
    given = sum(one.ledger.spent_usd() + _unspent(one) for one in siblings)
    share = max(0.0, min(left / shard.total, left - given))
    part.ledger.grant(share)
    return share


def _unspent(part: Workspace) -> float:
    return max(0.0, part.ledger.granted_usd() - part.ledger.spent_usd())


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
            part = Workspace(folder.resolve())
            _merge(workspace, only_read(part), counts, track)
            if part.root.parent == (workspace.root / PARTS).resolve():
                _end_grant(part)
    return counts


def _merge(
    workspace: Workspace, part: Workspace, counts: MergeCounts, track: Callable[[Sequence[Edit]], Iterable[Edit]]
) -> None:
    # Whatever becomes of the edits, and also for those that never ended: the money is gone.
    workspace.ledger.add_payments(part.ledger.payments())
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


def _end_grant(part: Workspace) -> None:
    """What a share that was killed was given and did not spend is free again, unless it goes on meanwhile."""
    try:
        with part.lock("generate"):
            part.ledger.grant(0)
    except BadInput:
        return


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
