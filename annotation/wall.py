"""Who may reach what behind the wall: the routes that the labelling screen needs, for a person's own projects alone.

Label Studio's open edition lets everybody who has signed in read all projects, answers and e-mail addresses, change and
delete them, add storages, and answer in another's name. Nothing passes here that is not named.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl

from editfhf.errors import BadInput
from editfhf.files import whole_file

JSON = dict[str, Any]
# Any id-like name is looked at wherever it stands; each of them once, since Django takes the last of several.
CHECKED_PARAMETERS = ("project", "view", "task", "taskID")
NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)
PLAIN_PATH = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*/?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Person:
    """Who a session belongs to, as Label Studio says."""

    id: int
    email: str


@dataclass(frozen=True, slots=True)
class Reach:
    """Who works where: `people` e-mail (lower case) → numbers of projects; `tasks` number of a task → its project."""

    admins: frozenset[str] = frozenset()
    people: Mapping[str, frozenset[int]] = field(default_factory=dict)
    tasks: Mapping[int, int] = field(default_factory=dict)

    def is_admin(self, person: Person) -> bool:
        return person.email.lower() in self.admins

    def projects(self, person: Person) -> frozenset[int]:
        return self.people.get(person.email.lower(), frozenset())

    def has_task(self, person: Person, task: object) -> bool:
        return isinstance(task, int) and self.tasks.get(task) in self.projects(person)


class Records(Protocol):
    """What Label Studio knows of a thing that only its number names; None where there is no such thing."""

    def view(self, number: int) -> JSON | None: ...
    def annotation(self, number: int) -> JSON | None: ...
    def draft(self, number: int) -> JSON | None: ...


@dataclass(frozen=True, slots=True)
class Route:
    """A route of the labelling screen.

    Attributes:
        methods: of HTTP.
        path: what all of the path matches; groups `project`, `task`, `annotation`, `draft` are numbers that must be the
            person's own.
        needs_project: the query must name a project: without one the server takes its first, or all.
        fields: of a JSON body that pass; None: no body passes.
    """

    methods: frozenset[str]
    path: re.Pattern[str]
    needs_project: bool = False
    fields: frozenset[str] | None = None


def _route(methods: str, path: str, *, needs_project: bool = False, fields: str | None = None) -> Route:
    named = re.sub(r"<(\w+)>", r"(?P<\1>[0-9]{1,15})", path)
    passing = None if fields is None else frozenset(fields.split())
    return Route(frozenset(methods.split()), re.compile(f"{named}/?", re.ASCII), needs_project, passing)


# Of an answer: not `completed_by`, which may name anybody, nor `task`, `project`, `ground_truth`, `parent_annotation`.
ANSWER = "result lead_time was_cancelled draft_id started_at parent_prediction unique_id"
API_ROUTES = (
    _route("GET", "/api/version"),
    _route("GET", "/api/current-user/whoami"),
    _route("GET", "/api/current-user/hotkeys"),
    _route("PATCH", "/api/current-user/hotkeys", fields="custom_hotkeys"),
    _route("GET", "/api/current-user/product-tour"),
    _route("PATCH", "/api/current-user/product-tour", fields="name state interaction_data"),
    _route("GET", "/api/users", needs_project=True),
    _route("GET", "/api/projects/<project>"),
    _route("GET", "/api/projects/<project>/label-stream-history"),
    _route("GET", "/api/ml", needs_project=True),
    _route("GET", "/api/label_links", needs_project=True),
    _route("GET", "/api/dm/(columns|project|views)", needs_project=True),
    _route("POST", "/api/dm/views", needs_project=True, fields="data project"),
    _route("POST", "/api/dm/actions", needs_project=True, fields="filters ordering selectedItems"),
    _route("GET", "/api/tasks", needs_project=True),
    _route("GET", "/api/tasks/<task>"),
    _route("GET", "/api/tasks/<task>/annotations"),
    _route("POST", "/api/tasks/<task>/annotations", fields=ANSWER),
    _route("GET", "/api/tasks/<task>/drafts"),
    _route("POST", "/api/tasks/<task>/drafts", fields=ANSWER),
    _route("POST", "/api/tasks/<task>/annotations/<annotation>/drafts", fields=ANSWER),
    _route("GET", "/api/annotations/<annotation>"),
    _route("PATCH PUT", "/api/annotations/<annotation>", fields=ANSWER),
    _route("GET DELETE", "/api/drafts/<draft>"),
    _route("PATCH", "/api/drafts/<draft>", fields=ANSWER),
)
PAGE_ROUTES = (
    _route("GET", "/projects/<project>/data"),
    _route("GET", "/data/local-files"),  # images: all that lies below the served folder
    _route("GET", "/tasks/<task>/(resolve|presign)"),  # images in a bucket
)
ALLOWED_ACTION = "next_task"


def find_route(reach: Reach, person: Person, method: str, target: str, records: Records) -> Route | None:
    """The route by which this person may send this request; None: there is none.

    Args:
        target: path and query as the browser sent them; they must reach Label Studio as they are.
    """
    path, _, query = target.partition("?")
    asked = "GET" if method == "HEAD" else method
    if not PLAIN_PATH.fullmatch(path) or not reach.projects(person):
        return None
    for route in (*API_ROUTES, *PAGE_ROUTES):
        found = route.path.fullmatch(path)
        if asked in route.methods and found:
            named = {name: int(number) for name, number in found.groupdict().items()}
            mine = _are_mine(reach, person, named, records) and _asks_for_mine(reach, person, route, query, records)
            is_allowed = "dm/actions" not in path or dict(parse_qsl(query)).get("id") == ALLOWED_ACTION
            return route if mine and is_allowed else None
    return None


def clean_body(reach: Reach, person: Person, route: Route, body: bytes) -> bytes | None:
    """The body as it may pass: only the fields of the route, written anew; None: it is not allowed."""
    if route.fields is None or not body.strip():
        return b"" if not body.strip() else None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    kept = {name: one for name, one in value.items() if name in route.fields}
    if "project" in kept and not _is_own_number(kept["project"], reach.projects(person)):
        return None
    return json.dumps(kept).encode()


def filter_answer(person: Person, target: str, value: Any) -> Any:
    """What of Label Studio's answer passes: of all people, the person himself."""
    if re.fullmatch(r"/api/users/?", target.partition("?")[0]):
        rows = value if isinstance(value, list) else []
        return [row for row in rows if isinstance(row, dict) and row.get("id") == person.id]
    return value


def _are_mine(reach: Reach, person: Person, named: Mapping[str, int], records: Records) -> bool:
    """Whether everything that a path or a query names by number is the person's own."""
    for name, number in named.items():
        if name == "project":
            mine = number in reach.projects(person)
        elif name in ("task", "taskID"):
            mine = reach.has_task(person, number)
        elif name == "view":
            mine = (records.view(number) or {}).get("project") in reach.projects(person)
        elif name == "annotation":
            record = records.annotation(number) or {}
            mine = reach.has_task(person, record.get("task")) and record.get("completed_by") == person.id
        else:
            mine = reach.has_task(person, (records.draft(number) or {}).get("task"))
        if not mine:
            return False
    return True


def _asks_for_mine(reach: Reach, person: Person, route: Route, query: str, records: Records) -> bool:
    parameters = parse_qsl(query, keep_blank_values=True)
    names = [name for name, _ in parameters]
    if any(names.count(name) > 1 for name in (*CHECKED_PARAMETERS, "id")):
        return False
    checked = {name: text for name, text in parameters if name in CHECKED_PARAMETERS}
    if route.needs_project and "project" not in checked:
        return False
    if not all(NUMBER.fullmatch(text) for text in checked.values()):
        return False
    return _are_mine(reach, person, {name: int(text) for name, text in checked.items()}, records)


def _is_own_number(value: object, own: frozenset[int]) -> bool:
    return (isinstance(value, int) or (isinstance(value, str) and bool(NUMBER.fullmatch(value)))) and int(value) in own


# The file


def write(
    path: Path, people: Mapping[str, Iterable[int]], tasks: Mapping[int, Iterable[int]], admins: Iterable[str]
) -> None:
    """Write `wall.json` (mode 0600: it holds e-mail addresses), whole or not at all; a running wall reads it anew.

    Args:
        people: e-mail → numbers of the projects that the person works in. A project has one person: whoever may open a
            project sees every answer in it.
        tasks: project → numbers of its tasks.
        admins: e-mails of those whom the wall does not hold up, also where they annotate.

    Raises:
        BadInput: two people share a project.
    """
    owners: dict[int, str] = {}
    for email, projects in people.items():
        for project in projects:
            if owners.setdefault(project, email) != email:
                raise BadInput(
                    f"Project {project} belongs to {owners[project]} and to {email}: who opens it sees all answers.",
                    mend="Give each a project of his own: name the people with `editfhf annotate people`, and push.",
                )
    value = {
        "admins": sorted({email.lower() for email in admins}),
        "people": {email.lower(): sorted(projects) for email, projects in people.items()},
        "tasks": {str(project): sorted(numbers) for project, numbers in tasks.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, mode=0o600) as temporary:
        temporary.write_text(json.dumps(value), encoding="utf-8")


def read(path: Path) -> Reach:
    """The file that `write` wrote.

    Raises:
        BadInput: it is missing or damaged.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        people = {str(email).lower(): frozenset(map(int, own)) for email, own in value["people"].items()}
        tasks = {int(task): int(project) for project, numbers in value["tasks"].items() for task in numbers}
        return Reach(frozenset(str(email).lower() for email in value["admins"]), people, tasks)
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read ({error.strerror}).", mend="`annotation.wall.write` makes it."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{path} is damaged.", mend="Push the campaign again.") from error
