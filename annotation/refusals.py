"""What `annotate pull` and `annotate import` could not take, by reason: nothing is put aside unseen."""

import re
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

from editfhf.workspace import Workspace

ANOTHERS = "this was another person's to answer"
# What a reason quotes of an answer: as `repr` writes it.
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


@dataclass(frozen=True, slots=True)
class RefusedFor:
    """What was refused for one reason on one kind of screen.

    Attributes:
        reason: word for word; in general terms where it was not the same each time.
        n: answers, or parts of them; lost: answers of which nothing else was taken either.
        people: how many gave them; by: their pseudonyms.
    """

    reason: str
    project_type: str
    n: int
    lost: int
    people: int
    by: tuple[str, ...] = ()

    def as_row(self) -> dict[str, Any]:
        return asdict(self) | {"by": list(self.by)}


def refused(workspace: Workspace) -> list[RefusedFor]:
    """What was refused as of the last pull or import, the commonest reason first."""
    found: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    columns = ["project", "task", "annotation", "edit_id", "annotator", "reason", "project_type", "taken"]
    for row in workspace.read_table("refused_answers").select(columns).to_pylist():
        found[in_general(row["reason"]), row["project_type"]].append(row)
    result = []
    for (reason, project_type), rows in found.items():
        said = {row["reason"] for row in rows}
        lost = {answer_of(row) for row in rows if not row["taken"]}
        people = sorted({row["annotator"] for row in rows if row["annotator"]})
        words = said.pop() if len(said) == 1 else reason
        result.append(RefusedFor(words, project_type, len(rows), len(lost), len(people), tuple(people)))
    return sorted(result, key=lambda one: (-one.n, one.reason, one.project_type))


def lost_answers(workspace: Workspace) -> list[dict[str, Any]]:
    """Every answer of which nothing was taken, once: `project`, `task`, `annotation`, `edit_id`, `annotator`,
    `project_type`."""
    columns = ["project", "task", "annotation", "edit_id", "annotator", "project_type", "taken"]
    rows = workspace.read_table("refused_answers").select(columns).to_pylist()
    return list({answer_of(row): row for row in rows if not row["taken"]}.values())


def given_astray(workspace: Workspace) -> int:
    """Answers that were given in another person's project."""
    rows = workspace.read_table("refused_answers").select(["reason"]).to_pylist()
    return sum(row["reason"] == ANOTHERS for row in rows)


def in_general(reason: str) -> str:
    """A reason without what it quotes.

    Example:
        >>> in_general("this workspace has no edit 'e1'")
        'this workspace has no edit …'
    """
    return _QUOTED.sub("…", reason)


def answer_of(row: dict[str, Any]) -> tuple[Any, ...]:
    """What tells one annotation from another: of files from elsewhere the project is 0 and numbers may be alike."""
    return tuple(row[name] for name in ("project", "task", "annotation", "edit_id", "annotator"))
