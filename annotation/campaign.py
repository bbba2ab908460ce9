"""The campaign on the server: its project, a task for each edited image, and no task twice."""

import json
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from annotation import interface
from annotation.client import Client, ServerTask, connect
from annotation.server import publish_image, served_dir
from editfhf.errors import BadInput
from editfhf.files import whole_file
from editfhf.schema import Edit, canonical_json
from editfhf.workspace import Workspace

Item = TypeVar("Item")

IMPORT_CHUNK = 500  # tasks in one request


@dataclass(frozen=True, slots=True)
class PushCounts:
    """The projects of the campaign, and how many tasks this push added."""

    projects: list[int]
    tasks: int
    already_there: int

    def as_row(self) -> dict[str, Any]:
        return {"projects": self.projects, "tasks": self.tasks, "already_there": self.already_there}


def push(workspace: Workspace, client: Client) -> PushCounts:
    """Make the project where it is missing and a task for each made edit that has none.

    May be killed at any moment and run again: the server is asked what it has.

    Raises:
        BadInput: nothing was generated yet.
    """
    edits = workspace.edits()
    if not edits:
        raise BadInput(
            f"{workspace.root} has no edited images to look at.",
            mend=f"Make them with `editfhf generate -w {workspace.root}`.",
        )
    with workspace.lock("annotate"):
        project = find_project(workspace, client) or _make_project(workspace, client)
        client.serve_folder(project, served_dir(workspace) / "images")
        there = {task.edit_id for task in heal(client, project)}
        files = {source.source_id: source.file for source in workspace.sources()}
        # In the order of the ids, which are hashes: the plan's own order would give the model away.
        missing = [
            edit
            for edit in sorted(edits, key=lambda edit: edit.edit_id)
            if edit.edit_id not in there and edit.source_id in files and workspace.path_of(edit.image).is_file()
        ]
        for chunk in chunks(missing, IMPORT_CHUNK):
            client.import_tasks(
                project, [{"data": task_data(workspace, edit, files[edit.source_id])} for edit in chunk]
            )
        return PushCounts([project], len(missing), len(there))


def project_of(workspace: Workspace, client: Client) -> int:
    """The number of the campaign's project.

    Raises:
        BadInput: there is none (not pushed yet, or deleted on the server).
    """
    project = find_project(workspace, client)
    if project is None:
        raise BadInput(
            f"Label Studio at {client.url} has no project for {workspace.root}.",
            mend=f"Make it with `editfhf annotate push -w {workspace.root}`.",
        )
    return project


def find_project(workspace: Workspace, client: Client) -> int | None:
    """The number of the campaign's project, or None."""
    ours = client.projects(_title(workspace))
    # Two can be there when the first push was killed while the server was making one: the one with tasks counts.
    return min(ours, key=lambda project: (-ours[project], project), default=None)


def tasks_on_server(workspace: Workspace) -> list[dict[str, Any]]:
    """What the server has: for each task `edit_id` and the number of `answers`."""
    client = connect(workspace)
    return [{"edit_id": task.edit_id, "answers": task.answers} for task in client.tasks(project_of(workspace, client))]


def heal(client: Client, project: int) -> list[ServerTask]:
    """Remove what a command that was killed left doubled on the server; returns the tasks that stay.

    A request whose sender was killed may still be carried out, after the next command has looked. Of several tasks for
    one edit, the unanswered ones go, then those whose answers stand on an earlier one word for word; where people
    answered differently, all stay.
    """
    by_edit: defaultdict[str, list[ServerTask]] = defaultdict(list)
    for task in client.tasks(project):
        by_edit[task.edit_id].append(task)
    kept, surplus = [], []
    for edit_id, tasks in by_edit.items():
        staying = _distinct(client, sorted(tasks, key=lambda task: (task.answers == 0, task.id))) if edit_id else tasks
        kept += staying
        staying_ids = {task.id for task in staying}
        surplus += [task.id for task in tasks if task.id not in staying_ids]
    for chunk in chunks(surplus, IMPORT_CHUNK):
        client.delete_tasks(project, chunk)
    return sorted(kept, key=lambda task: task.id)


def same_answer(annotation: dict[str, Any]) -> tuple[Any, str]:
    """What makes two annotations one answer: who gave it, and every word of it."""
    return annotation.get("completed_by"), canonical_json(annotation.get("result"))


def _distinct(client: Client, tasks: list[ServerTask]) -> list[ServerTask]:
    """Answered ones come first; each stays only if it says something that those before it do not."""
    if len(tasks) == 1:
        return tasks
    staying: list[ServerTask] = []
    said: set[tuple[Any, str]] = set()
    for task in tasks:
        answers = {same_answer(annotation) for annotation in client.annotations(task.id)} if task.answers else set()
        if not staying or answers - said:
            staying.append(task)
        said |= answers
    return staying


def _make_project(workspace: Workspace, client: Client) -> int:
    return client.create_project(
        _title(workspace), interface.label_config(), workspace.config.annotation.raters_per_edit
    )


def _title(workspace: Workspace) -> str:
    """The title on the server: by its last part, which is this workspace's alone, a killed push finds its project."""
    path = _state_path(workspace)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        title = f"{workspace.config.annotation.title[:40]} {uuid.uuid4().hex[:8]}"
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps({"title": title}), encoding="utf-8")
    return str(json.loads(path.read_text(encoding="utf-8"))["title"])


def task_data(workspace: Workspace, edit: Edit, source_file: str) -> dict[str, str]:
    """What an annotator gets to see. Never the model: a name biases."""
    return {
        "edit_id": edit.edit_id,
        "source_image": publish_image(workspace, source_file),
        "edited_image": publish_image(workspace, edit.image),
        "instruction": edit.instruction,
        "task": edit.task,
    }


def _state_path(workspace: Workspace) -> Path:
    return workspace.annotation_dir / "campaign.json"


def chunks(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """The items in pieces of at most `size`."""
    return [items[start : start + size] for start in range(0, len(items), size)]
