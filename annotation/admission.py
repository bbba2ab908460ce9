"""Tells the wall who may reach what in a campaign: those who work now, each the own projects."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from annotation import wall
from annotation.client import Client
from annotation.projects import Place, Projects
from annotation.roster import Roster
from editfhf.schema import PROJECT_TYPES
from editfhf.workspace import Workspace


def admit(
    workspace: Workspace,
    client: Client,
    projects: Projects | None = None,
    known: Mapping[int, Sequence[int]] = MappingProxyType({}),
) -> Path:
    """Write `annotation/wall.json` from the people and the projects on the server; a running wall reads it at once.

    Whoever pauses, has left or was suspended is shut out with it. The administrator is whose token the client has.

    Args:
        projects: known: of a project its tasks, by their numbers: what need not be asked for again.

    Returns:
        The file, for `deploy/wall/wall start … --file`.
    """
    projects = projects or Projects(workspace, client)
    people: dict[str, list[int]] = {}
    tasks: dict[int, list[int]] = {}
    for member in Roster(workspace).active:
        own = [projects.of(Place(project_type, member.number)) for project_type in PROJECT_TYPES]
        people[member.email] = [project for project in own if project is not None]
        for project in people[member.email]:
            tasks[project] = list(known.get(project) or (task.id for task in client.tasks(project)))
    path = workspace.annotation_dir / "wall.json"
    wall.write(path, people, tasks, [client.whoami()])
    return path
