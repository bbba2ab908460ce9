"""The campaign's projects on the server: one for each person and kind of screen, found again by their titles.

`003 ratings campaign 1a2b3c4d`: whose and what for, then the campaign, since a list of projects cuts long titles off.
"""

import json
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any, TypeVar

import pyarrow.compute as pc

from annotation.client import Client, ServerTask
from annotation.export_file import item_in
from annotation.roster import Roster, numbers_of
from annotation.screens import screen_of
from editfhf.files import whole_file
from editfhf.schema import PROJECT_TYPES, canonical_json
from editfhf.workspace import Workspace

CHUNK = 500  # tasks in one request
EVERYBODY = 0  # number of a project whose tasks are whoever's that comes
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Whose project it is and what for: `number` is that of a person in the roster, or `EVERYBODY`."""

    project_type: str
    number: int


@dataclass(frozen=True, slots=True)
class ScreenVersion:
    """Which labelling screen a project had from when on (ISO 8601 in UTC): answers keep that they were given on."""

    version: str
    since: str


class Projects:
    """The projects of one campaign. What the server has counts; `projects.json` adds which screen each had when.

    Args:
        workspace: its `campaign.json` holds the title, this campaign's alone: a killed push finds its projects.
    """

    def __init__(self, workspace: Workspace, client: Client) -> None:
        self._workspace, self._client = workspace, client
        self._path = workspace.annotation_dir / "projects.json"
        self.screens: dict[int, list[ScreenVersion]] = {}
        if self._path.is_file():
            rows = json.loads(self._path.read_text(encoding="utf-8"))
            self.screens = {int(number): [ScreenVersion(**one) for one in known] for number, known in rows.items()}
        self.renamed: list[int] = []  # by hand, on the server
        self._called_as_before: set[int] = set()
        self.known = self._find()

    def of(self, place: Place) -> int | None:
        """The number of a project on the server, or None."""
        return self.known.get(place)

    def ensure(self, place: Place, overlap: int, guidelines: str, folder: Any) -> int:
        """The project of a place, made where it is missing; what it shows is brought up to date, its answers stay.

        Args:
            overlap: how many answers close a task; 1 in a project of one person's own, unless others answered there.
            guidelines: HTML that people read before they begin.
            folder: of the images that the project may show.
        """
        screen = screen_of(place.project_type, self._workspace.config.annotation)
        project = self.known.get(place)
        if project is None:
            project = self._client.create_project(self._title_of(place), screen.label_config, overlap, guidelines)
            self.known[place] = project
            self._note_screen(project, screen.version)
        else:
            wanted = {
                "title": self._title_of(place), "label_config": screen.label_config, "maximum_annotations": overlap,
                "expert_instruction": guidelines, "show_instruction": bool(guidelines),
            }  # fmt: skip
            state = self._client.project_state(project)
            # The taxonomy, the guidelines or the settings have changed, or somebody changed them on the server.
            changed = {name: value for name, value in wanted.items() if not _is_same(name, state[name], value)}
            if changed:
                self._client.update_project(project, **changed)
            known = self.screens.get(project, [])
            # A push that was killed may have changed the screen and not noted it.
            if "label_config" in changed or not known or known[-1].version != screen.version:
                self._note_screen(project, screen.version)
        self._client.serve_folder(project, folder)
        return project

    def retitle(self, place: Place) -> None:
        """Give a project that an earlier version made the title that it has by now."""
        project = self.known[place]
        if project in self._called_as_before:
            self._client.update_project(project, title=self._title_of(place))
            self._called_as_before.discard(project)

    def version_at(self, project: int, submitted_at: str) -> str:
        """Which screen (`Screen.version`) a project had when an answer was given; "" where it is not known.

        Args:
            submitted_at: ISO 8601 with its zone.
        """
        when = datetime.fromisoformat(submitted_at)
        known = [one.version for one in self.screens.get(project, []) if datetime.fromisoformat(one.since) <= when]
        return known[-1] if known else ""

    def since(self, project: int) -> str:
        """When the project was made (ISO 8601 in UTC); "" where it is not known."""
        return min((one.since for one in self.screens.get(project, [])), default="")

    def _find(self) -> dict[Place, int]:
        """Of two projects for one place (a push was killed while the server made one) that with tasks counts."""
        base = title_of_campaign(self._workspace)
        found: defaultdict[Place, list[tuple[int, int]]] = defaultdict(list)
        for number, project in self._client.projects_titled(base).items():
            place = _place_in(project["title"], base)
            if place is not None:
                found[place].append((-(project["task_number"] or 0), number))
                if project["title"] != self._title_of(place):
                    self._called_as_before.add(number)
        known = {place: min(numbers)[1] for place, numbers in found.items()}
        for number in sorted(set(self.screens) - {number for rows in found.values() for _, number in rows}):
            by_tasks = self._place_by_tasks(number)
            if by_tasks is not None and by_tasks not in known:
                known[by_tasks] = number
                self.renamed.append(number)
        return dict(sorted(known.items()))

    def _place_by_tasks(self, project: int) -> Place | None:
        """Of a project that was ours and has lost its title: what we handed out is in it, or it is another's by now."""
        task = self._client.first_task(project)
        if task is None:
            return None
        assignments = self._workspace.read_table("assignments")
        rows = assignments.filter(pc.equal(assignments["item_id"], item_of(task))).to_pylist()
        if not rows:
            return None
        return Place(rows[0]["project_type"], numbers_of(self._workspace).get(rows[0]["annotator"], EVERYBODY))

    def _title_of(self, place: Place) -> str:
        return f"{place.number:03d} {place.project_type} {title_of_campaign(self._workspace)}"

    def _note_screen(self, project: int, version: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.screens.setdefault(project, []).append(ScreenVersion(version, now))
        with whole_file(self._path) as temporary:
            rows = {number: [asdict(one) for one in known] for number, known in self.screens.items()}
            temporary.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def own_projects(workspace: Workspace, projects: Projects, url: str) -> list[dict[str, Any]]:
    """Where everybody who works finds the own tasks: number, email, and projects (kind of screen → address). While
    nobody is named one row, of what all share.

    Args:
        url: of the server, as people reach it.
    """
    roster = Roster(workspace)
    who = [(one.number, one.email) for one in roster.active] if roster.members else [(EVERYBODY, "everybody")]
    return [
        {
            "number": number,
            "email": email,
            "projects": {
                place.project_type: f"{url}/projects/{project}/data?labeling=1"
                for place, project in projects.known.items()
                if place.number == number
            },
        }
        for number, email in who
    ]


def _place_in(title: str, base: str) -> Place | None:
    """Whose project has such a title; `BASE ratings 003` is how an earlier version called it."""
    if title.startswith(f"{base} "):
        words = title.removeprefix(f"{base} ").split()[::-1]
    else:
        words = title.removesuffix(f" {base}").split()
    if len(words) != 2 or not words[0].isdigit() or words[1] not in PROJECT_TYPES:
        return None
    return Place(words[1], int(words[0]))


def _is_same(name: str, there: Any, wanted: Any) -> bool:
    if name == "expert_instruction":  # the server writes HTML in a form of its own
        return _parts_of(there or "") == _parts_of(wanted)
    return there.strip() == wanted.strip() if isinstance(there, str) else bool(there == wanted)


def _parts_of(html: str) -> list[Any]:
    """Tags with their attributes, and the words between them, however they are written."""
    reader = _Parts()
    reader.feed(html.strip())
    reader.close()
    return reader.parts


class _Parts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[Any] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.parts.append((tag, sorted(attrs, key=str)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        self.parts.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def title_of_campaign(workspace: Workspace) -> str:
    """What the titles of the campaign's projects end with."""
    path = workspace.annotation_dir / "campaign.json"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        title = f"{workspace.config.annotation.title[:24].strip()} {uuid.uuid4().hex[:8]}"
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps({"title": title}), encoding="utf-8")
    return str(json.loads(path.read_text(encoding="utf-8"))["title"])


def item_of(task: ServerTask) -> str:
    """What a task is about: `Assignment.item_id`; "" for a task that is not ours."""
    return item_in(task.data)


def tasks_of(client: Client, project: int) -> list[ServerTask]:
    """Every task of a project, with the answers that it really has.

    On SQLite, with many people at once, the server may store an answer and fail to count it at its task (`database is
    locked`): the task looks unanswered, and would be withdrawn with the answer.
    """
    tasks = list(client.tasks(project))
    uncounted = client.count_answers(project) - sum(task.answers for task in tasks)
    for place, task in enumerate(tasks):
        if uncounted <= 0:
            break
        if not task.answers:
            tasks[place] = replace(task, answers=len(client.annotations(task.id)))
            uncounted -= tasks[place].answers
    return tasks


def heal(client: Client, project: int) -> list[ServerTask]:
    """Remove what a command that was killed left doubled on the server; returns the tasks that stay.

    A request whose sender was killed may still be carried out, after the next command has looked. Of several tasks for
    one item, the unanswered ones go, then those whose answers stand on an earlier one word for word; where people
    answered differently, all stay, and so does one with a draft in it.
    """
    by_item: defaultdict[str, list[ServerTask]] = defaultdict(list)
    for task in tasks_of(client, project):
        by_item[item_of(task)].append(task)
    kept, surplus = [], []
    is_doubled = any(item and len(tasks) > 1 for item, tasks in by_item.items())
    drafts = set(client.tasks_with_drafts(project)) if is_doubled else set()
    for item, tasks in by_item.items():
        order = sorted(tasks, key=lambda task: (task.answers == 0, task.id not in drafts, task.id))
        staying = _distinct(client, order, drafts) if item else tasks
        kept += staying
        staying_ids = {task.id for task in staying}
        surplus += [task.id for task in tasks if task.id not in staying_ids]
    for chunk in chunks(surplus, CHUNK):
        client.delete_tasks(project, chunk)
    return sorted(kept, key=lambda task: task.id)


def same_answer(annotation: dict[str, Any]) -> tuple[Any, str]:
    """What makes two annotations one answer: who gave it, and every word of it."""
    return annotation.get("completed_by"), canonical_json(annotation.get("result"))


def chunks(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """The items in pieces of at most `size`."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def _distinct(client: Client, tasks: list[ServerTask], drafts: set[int]) -> list[ServerTask]:
    """Answered ones come first; each stays only if it says something that those before it do not, or has a draft."""
    if len(tasks) == 1:
        return tasks
    staying: list[ServerTask] = []
    said: set[tuple[Any, str]] = set()
    for task in tasks:
        answers = {same_answer(annotation) for annotation in client.annotations(task.id)} if task.answers else set()
        if not staying or answers - said or task.id in drafts:
            staying.append(task)
        said |= answers
    return staying
