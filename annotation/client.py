"""What a campaign asks of Label Studio: its projects, tasks, answers, predictions and people."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from annotation import remote
from annotation.connection import Connection
from annotation.server import find_server, is_up, log_path, token_path
from editfhf import console
from editfhf.errors import BadInput, JobFailed
from editfhf.workspace import Workspace

PAGE = 500  # tasks asked for at a time
ANSWER_WAITS_S = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)  # before an answer is sent again
PROJECT_PAGE = 100  # projects asked for at a time: the most the server gives
PROJECT_STATE = (
    "title", "label_config", "maximum_annotations", "expert_instruction", "show_instruction", "task_number",
    "total_annotations_number", "skipped_annotations_number",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ServerTask:
    """A task as the server lists it: how many answers it has, skipped ones among them."""

    id: int
    data: dict[str, Any]
    answers: int


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody began to answer, or to change, and did not submit; `email` is the author's."""

    id: int
    task: int
    email: str


class Client:
    """A Label Studio server, as one of its users.

    Every method raises `JobFailed` when the server dies or refuses, `BadInput` when the address or token is wrong or
    the project is gone. Reading is tried again a few times; writing never is: the first try may have been done.
    Arguments: see `Connection`.
    """

    def __init__(
        self,
        url: str,
        token: str,
        workspace: Workspace,
        is_remote: bool = False,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.url, self.is_remote = url, is_remote
        self._workspace = workspace
        connection = Connection(url, token, workspace, is_remote, say)
        self._get, self._request, self._download = connection.get, connection.request, connection.download
        self._status = connection.status

    # Projects

    def create_project(self, title: str, label_config: str, maximum_annotations: int, instruction: str = "") -> int:
        """Make a project; returns its number.

        Args:
            title: at least 3 characters.
            maximum_annotations: how many people answer each task; the server may hand out one or two more.
            instruction: HTML that is shown before the labelling begins.
        """
        fields = {
            "title": title,
            "label_config": label_config,
            "maximum_annotations": maximum_annotations,
            "expert_instruction": instruction,
            "show_instruction": bool(instruction),
            "show_skip_button": True,
            "enable_empty_annotation": False,
            "show_collab_predictions": False,
            "sampling": "Uniform sampling",
        }
        return int(self._request("POST", "api/projects/", json=fields)["id"])

    def projects_titled(self, words: str) -> dict[int, dict[str, Any]]:
        """Number → `title` and `task_number`, of every project whose title has these words in it."""
        found: dict[int, dict[str, Any]] = {}
        page = 1
        while True:
            # The server's own filter ignores case.
            answer = self._get(
                "api/projects", page=page, page_size=PROJECT_PAGE, include="id,title,task_number", title=words
            )
            found |= {
                row["id"]: {"title": row["title"], "task_number": row["task_number"] or 0}
                for row in answer["results"]
                if words in row["title"]
            }
            if not answer["next"]:
                return found
            page += 1

    def project_state(self, project: int) -> dict[str, Any]:
        """What a person may have changed on the server by hand, and how much there is.

        Returns:
            `title`, `label_config`, `maximum_annotations`, `expert_instruction`, `show_instruction`, `task_number`,
            `total_annotations_number` (answers, without skipped ones), `skipped_annotations_number`.
        """
        row = self._get(f"api/projects/{project}")
        return {name: row[name] for name in PROJECT_STATE}

    def update_project(self, project: int, **fields: Any) -> None:
        """Change fields of a project, named as the server names them (`label_config`, `expert_instruction`, …)."""
        self._request("PATCH", f"api/projects/{project}", json=fields)

    def delete_project(self, project: int) -> None:
        """Delete a project with all its tasks and answers."""
        self._request("DELETE", f"api/projects/{project}")

    def newest_change(self, project: int) -> str:
        """A fingerprint of all tasks and answers of a project, in two small requests.

        It differs after a task or an answer was added, changed or deleted: the server notes the time at the task, too.
        """
        query = json.dumps({"ordering": ["-tasks:updated_at"]})
        # `page_size` of the Data Manager's own list: one task, and the totals of all of them.
        answer = self._get("api/tasks", project=project, page=1, page_size=1, query=query, resolve_uri="false")
        newest = answer["tasks"][0] if answer["tasks"] else {"id": 0, "updated_at": ""}
        counted = f"{answer['total']} {answer['total_annotations']} {self.count_answers(project)}"
        return f"{counted} {newest['id']} {newest['updated_at']}"

    def serve_folder(self, project: int, folder: Path) -> None:
        """Let the project show the images of a folder (which lies below the server's document root)."""
        stored = self._get("api/storages/localfiles", project=project)
        if any(row["path"] == str(folder) for row in stored):
            return
        storage = {"project": project, "path": str(folder), "use_blob_urls": True}
        answer = self._request("POST", "api/storages/localfiles", also=httpx.codes.BAD_REQUEST, json=storage)
        if answer.get("path") != str(folder):
            raise BadInput(
                f"Label Studio at {self.url} may not show the images in {folder}.",
                mend=f"They must lie there on its machine, and it be started to serve {folder.parent} "
                "(deploy/team-server --serve).",
            )

    def require_image(self, address: str) -> None:
        """Whether the server shows an image; `address` as in the data of a task.

        Raises:
            BadInput: it does not.
        """
        status = self._status(address.removeprefix("/"))
        if status != httpx.codes.OK:
            raise BadInput(
                f"Label Studio at {self.url} cannot show the images (it answers {status} for {address}).",
                mend="The files in annotation/served/images must lie where it serves them, and be readable to it.",
            )

    def show_predictions(self, project: int, model_version: str) -> None:
        """Let the labelling screen begin with the predictions of this version, of which there must be some."""
        self.update_project(project, show_collab_predictions=True, model_version=model_version)

    # Tasks

    def tasks(self, project: int) -> Iterator[ServerTask]:
        """Every task of a project, by its number, page by page."""
        page, seen = 1, 0
        while True:
            answer = self._get("api/tasks", project=project, page=page, page_size=PAGE, resolve_uri="false")
            for row in answer["tasks"]:
                yield ServerTask(row["id"], row["data"], row["total_annotations"] + row["cancelled_annotations"])
            seen += len(answer["tasks"])
            if seen >= answer["total"] or not answer["tasks"]:
                return
            page += 1

    def drafts(self, project: int) -> list[Draft]:
        """Every draft in a project, whoever's it is."""
        return [
            Draft(row["id"], task, str(row["user"]).lower())
            for task in self.tasks_with_drafts(project)
            for row in self._get(f"api/tasks/{task}/drafts")
        ]

    def tasks_with_drafts(self, project: int) -> list[int]:
        """The tasks in which somebody has a draft, by their numbers."""
        return self._tasks_where(project, "draft_exists", "equal", "Boolean", True)

    def tasks_answered_by(self, project: int, user: int) -> list[int]:
        """Numbers of the tasks that somebody answered or skipped."""
        return self._tasks_where(project, "annotators", "contains", "List", user)

    def _tasks_where(self, project: int, what: str, operator: str, kind: str, value: object) -> list[int]:
        condition = {"filter": f"filter:tasks:{what}", "operator": operator, "type": kind, "value": value}
        query = json.dumps({"filters": {"conjunction": "and", "items": [condition]}})
        found: list[int] = []
        page = 1
        while True:
            answer = self._get(
                "api/tasks", project=project, page=page, page_size=PAGE, query=query, resolve_uri="false"
            )
            found += [int(row["id"]) for row in answer["tasks"]]
            if len(found) >= answer["total"] or not answer["tasks"]:
                return found
            page += 1

    def delete_draft(self, draft: int) -> None:
        """Delete one draft."""
        self._request("DELETE", f"api/drafts/{draft}", also=httpx.codes.NOT_FOUND)

    def count_answers(self, project: int) -> int:
        """How many answers a project has, skipped ones among them: counted themselves, not at the tasks."""
        state = self.project_state(project)
        return int(state["total_annotations_number"]) + int(state["skipped_annotations_number"])

    def first_task(self, project: int) -> ServerTask | None:
        """A task of a project; None: it has none, or there is no such project."""
        answer = self._get(
            "api/tasks", also=httpx.codes.NOT_FOUND, project=project, page=1, page_size=1, resolve_uri="false"
        )
        for row in answer.get("tasks", ()):
            return ServerTask(row["id"], row["data"], row["total_annotations"] + row["cancelled_annotations"])
        return None

    def import_tasks(self, project: int, tasks: Sequence[dict[str, Any]]) -> list[int]:
        """Import tasks, with their annotations if they bring some; all or none. Returns their numbers."""
        if not tasks:
            return []
        answer = self._request("POST", f"api/projects/{project}/import", params={"return_task_ids": "true"}, json=tasks)
        return list(answer["task_ids"])

    def delete_tasks(self, project: int, ids: Sequence[int]) -> None:
        """Delete tasks and the answers on them."""
        if ids:  # an empty selection means all of them to the server
            self._request(
                "POST",
                "api/dm/actions",
                params={"id": "delete_tasks", "project": project},
                json={"selectedItems": {"all": False, "included": list(ids)}},
            )

    # Predictions

    def predictions(self, project: int) -> list[dict[str, Any]]:
        """All predictions of a project: `task`, `model_version`, `score` and `result` of each."""
        return list(self._get("api/predictions/", project=project))

    def import_predictions(self, project: int, predictions: Sequence[dict[str, Any]]) -> None:
        """Add predictions, each with the number of its `task`; all or none."""
        if not predictions:
            return
        answer = self._request("POST", f"api/projects/{project}/import/predictions", json=list(predictions))
        # The server leaves out without a word what does not fit the project's labelling screen.
        if answer["created"] != len(predictions):
            raise JobFailed(
                f"Label Studio at {self.url} took {answer['created']} of {len(predictions)} predictions.",
                mend=f"Was the labelling screen of project {project} changed? Its log: {log_path(self._workspace)}.",
            )

    def delete_predictions(self, project: int, tasks: Sequence[int]) -> None:
        """Delete all predictions on these tasks."""
        if tasks:  # an empty selection means all of them to the server
            self._request(
                "POST",
                "api/dm/actions",
                params={"id": "delete_tasks_predictions", "project": project},
                json={"selectedItems": {"all": False, "included": list(tasks)}},
            )

    # Answers

    def annotations(self, task: int) -> list[dict[str, Any]]:
        """The answers on one task, skipped ones too."""
        return list(self._get(f"api/tasks/{task}/annotations"))

    def add_annotation(self, task: int, annotation: dict[str, Any]) -> bool:
        """Answer one task; `completed_by` in the annotation names whose answer it is.

        An answer whose `unique_id` is on the server already is not added again; so it is tried again where the server
        fails, as SQLite does when many write at once.

        Returns:
            Whether it was added.
        """
        path = f"api/tasks/{task}/annotations"
        for wait in ANSWER_WAITS_S if "unique_id" in annotation else ():
            try:
                return self._add(path, annotation)
            except JobFailed:
                time.sleep(wait)
        return self._add(path, annotation)

    def _add(self, path: str, annotation: dict[str, Any]) -> bool:
        added = self._request("POST", path, also=httpx.codes.CONFLICT, json=annotation)
        return isinstance(added, dict) and "id" in added

    def delete_annotation(self, annotation: int) -> None:
        """Delete one answer."""
        self._request("DELETE", f"api/annotations/{annotation}", also=httpx.codes.NOT_FOUND)

    def export(self, project: int, path: Path) -> None:
        """Write the server's own JSON export of a project (every task, every answer) to a file, block by block."""
        self._download(f"api/projects/{project}/export", {"exportType": "JSON", "download_all_tasks": "true"}, path)

    # People

    def users(self) -> dict[int, str]:
        """Number → e-mail of everybody who has an account."""
        return {row["id"]: row["email"] for row in self._get("api/users/")}

    def create_user(self, email: str, username: str, first_name: str) -> int:
        """Make an account (nobody can sign in to one made so: the server drops the password)."""
        answer = self._request(
            "POST", "api/users/", json={"email": email, "username": username, "first_name": first_name}
        )
        return int(answer["id"])

    def invite_link(self) -> str:
        """The address at which people make an account with a password of their own; whoever has it can."""
        return self.url + str(self._get("api/invite")["invite_url"])

    def invite_token(self) -> str:
        """The secret in that address: each server has its own."""
        return str(self._get("api/invite")["token"])

    def whoami(self) -> str:
        """E-mail of the user whose token this is.

        Raises:
            BadInput: the token is wrong, or what answers is no Label Studio.
        """
        row = self._get("api/current-user/whoami", also=httpx.codes.NOT_FOUND)
        if not isinstance(row, dict) or "email" not in row:
            raise BadInput(f"{self.url} does not answer as Label Studio does.", mend="Check the address.")
        return str(row["email"])


def connect(workspace: Workspace, say: Callable[[str], None] = console.note, url: str | None = None) -> Client:
    """The server of a campaign: that at `url` or `LABEL_STUDIO_URL`, where it was handed out, or the workspace's own.

    Args:
        say: takes a line for the user, about an address that is not safe, or a server that is waited for.
        url: of somebody else's server; its token is in `LABEL_STUDIO_API_KEY`.

    Raises:
        BadInput: no server runs, or it does not take the token.
        JobFailed: its process lives but does not answer.
    """
    address = remote.find_url(workspace, url)
    if address is not None:
        if warning := remote.warning(address):
            say(warning)
        client = Client(address, remote.token(address), workspace, is_remote=True, say=say)
        client.whoami()
        return client
    return _connect_own(workspace, say)


def is_own(workspace: Workspace, client: Client, titles: str) -> bool:
    """Whether a client talks to the workspace's own server, by whatever address: `localhost`, or that of the wall.

    The own server is asked by its own token (which no other address gets to see): both have the same secret in their
    invite link, and the same projects.

    Args:
        titles: what the titles of the campaign's projects begin with.
    """
    own = find_server(workspace)
    if not client.is_remote or (own is not None and own.url == client.url):
        return True
    if own is None or not is_up(own.url):
        return False
    here = _connect_own(workspace)
    return here.invite_token() == client.invite_token() and here.projects_titled(titles) == client.projects_titled(
        titles
    )


def _connect_own(workspace: Workspace, say: Callable[[str], None] = lambda _: None) -> Client:
    running = find_server(workspace)
    if running is None:
        raise BadInput(
            f"No Label Studio is running for {workspace.root}.",
            mend=f"Start it with `editfhf annotate serve -w {workspace.root}`.",
        )
    if not is_up(running.url):
        raise JobFailed(
            f"Label Studio at {running.url} (process {running.pid}) does not answer (log: {log_path(workspace)}).",
            mend=f"Stop it with `editfhf annotate serve -w {workspace.root} --stop` and start it again.",
        )
    path = token_path(workspace)
    if not path.is_file():
        raise BadInput(f"{path} is missing: the token that opens Label Studio.", mend="Put a token of its user there.")
    return Client(running.url, path.read_text(encoding="utf-8").strip(), workspace, say=say)
