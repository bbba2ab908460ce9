"""What the tests (and a benchmark) ask the server about a campaign: its tasks, told apart by what they are about."""

from typing import Any

from annotation.campaign import read_assignments, require_projects
from annotation.client import Client, connect
from annotation.projects import item_of
from editfhf.workspace import Workspace


def tasks_on_server(workspace: Workspace) -> list[dict[str, Any]]:
    """For each task `edit_id`, `annotator`, `project_type`, `role` and the number of `answers`."""
    client = connect(workspace)
    known = {row.item_id: row for row in read_assignments(workspace)}
    found = []
    for project in require_projects(workspace, client).known.values():
        for task in client.tasks(project):
            row = known[item_of(task)]
            found.append(
                {
                    "edit_id": row.edit_id, "annotator": row.annotator, "project_type": row.project_type,
                    "role": row.role, "answers": task.answers,
                }
            )  # fmt: skip
    return found


def projects_called(client: Client, title: str) -> dict[int, int]:
    """Number → how many tasks, of every project with this title."""
    titled = client.projects_titled(title).items()
    return {number: row["task_number"] for number, row in titled if row["title"] == title}
