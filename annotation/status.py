"""How far the campaign is: what is handed out, what is answered, by whom, and how long the rest will take."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from annotation.client import connect
from annotation.projects import EVERYBODY, Projects, item_of
from annotation.pseudonyms import Pseudonyms
from annotation.remote import find_url
from annotation.roster import Roster
from annotation.server import find_server
from editfhf.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one person (or whoever comes: `everybody`) is on one kind of screen.

    Attributes:
        answered: tasks with an answer, skipped ones too; tasks: handed out.
        median_s: of this person's answers as last pulled, seconds; None where there are none.
        hours_left: at that pace; at that of the others where this person's is not known.
    """

    project: int
    project_type: str
    annotator: str
    state: str
    answered: int
    tasks: int
    median_s: float | None
    hours_left: float | None

    def as_row(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def status(workspace: Workspace, url: str | None = None) -> dict[str, Any]:
    """Whether the server runs and, if so, `tasks`, `answers`, how many each person gave, and `progress` by project.

    Args:
        url: of a server elsewhere, see `annotation.client.connect`.
    """
    running = find_server(workspace)
    address = find_url(workspace, url) or (running.url if running else None)
    row: dict[str, Any] = {"server": address or "not running", "projects": [], "tasks": 0}
    row |= {"answers": 0, "hours_left": None, "annotators": {}, "progress": []}
    if address is None:
        return row
    progress = progress_of(workspace, url)
    annotators: defaultdict[str, int] = defaultdict(int)
    for one in progress:
        annotators[one.annotator] += one.answered
    hours = [one.hours_left for one in progress if one.hours_left is not None]
    return row | {
        "projects": [one.project for one in progress],
        "tasks": sum(one.tasks for one in progress),
        "answers": sum(one.answered for one in progress),
        "hours_left": round(sum(hours), 1) if hours else None,
        "annotators": dict(annotators),
        "progress": [one.as_row() for one in progress],
    }


def progress_of(workspace: Workspace, url: str | None = None) -> list[Progress]:
    """Of every project of the campaign, by kind of screen and person. It takes no lock: a pull may run beside it."""
    client = connect(workspace, url=url)
    members = {member.number: member for member in Roster(workspace).members}
    pseudonyms = Pseudonyms.of(workspace)
    medians = _median_seconds(workspace)
    found = []
    for place, project in Projects(workspace, client).known.items():
        counts = [task.answers for task in client.tasks(project) if item_of(task)]
        if not counts:
            continue  # everybody's, whose tasks have become those of named people
        member = members.get(place.number)
        name = pseudonyms.of_email(member.email) if member else "everybody"
        answered = sum(counts) if place.number == EVERYBODY else sum(count > 0 for count in counts)
        own = medians.get((place.project_type, name))
        others = [value for (project_type, _), value in medians.items() if project_type == place.project_type]
        pace = own if own is not None else float(np.median(others)) if others else None
        left = None if pace is None or place.number == EVERYBODY else round(pace * (len(counts) - answered) / 3600, 2)
        state = member.state if member else "active"
        found.append(Progress(project, place.project_type, name, state, answered, len(counts), own, left))
    return found


def _median_seconds(workspace: Workspace) -> dict[tuple[str, str], float]:
    """(kind of screen, person) → median of the seconds that an answer took; 0 is what the server does not know."""
    rows: Sequence[dict[str, Any]] = (
        workspace.read_table("answers").select(["project_type", "annotator", "lead_time_s"]).to_pylist()
    )
    taken: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        if row["lead_time_s"] > 0:
            taken[row["project_type"], row["annotator"]].append(row["lead_time_s"])
    return {key: float(np.median(values)) for key, values in taken.items()}
