"""Where a campaign stands: what the server has where it runs, what was pulled where it does not, and how far people
agree."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import entry_points
from typing import Any

import pandas as pd

from annotation.all_answers import all_answers
from annotation.campaign import read_assignments
from annotation.client import Client, connect
from annotation.entrance import rows_of, standings
from annotation.own_answers import Blocked, answered_by_others, blocked
from annotation.progress import Person, Progress, reckon
from annotation.projects import Projects, item_of
from annotation.pseudonyms import Pseudonyms, annotator_kind
from annotation.refusals import lost_answers
from annotation.remote import find_url
from annotation.roster import Roster
from annotation.server import find_server
from annotation.worklist import ADMISSION, EDIT, REPEAT
from editfhf.errors import JobFailed
from editfhf.schema import OWN_TABLES, Assignment
from editfhf.workspace import Workspace

# Tables that say who answered what: the columns that name the thing, and the screen where all are of one.
THING_OF: Mapping[str, tuple[str, str]] = {
    "answers": ("edit_id", ""),
    "check_answers": ("check_id", ""),
    "admissions": ("consent_text", "admission"),
    **{table: (thing, screen) for screen, (table, thing, _) in OWN_TABLES.items()},
}


def status(workspace: Workspace, url: str | None = None) -> dict[str, Any]:
    """Where the campaign stands, as plain values.

    Args:
        url: of a server elsewhere, see `annotation.client.connect`.

    Returns:
        server (its address, or why there is none), pulled_at, tasks and answers (of the people who count), drafts
        (None: the server was not asked), refused (answers of which nothing could be taken, as of the last pull: they
        count as not given), annotators (pseudonym → answers), simulated (how many of them are), hours_left, days_left
        (None: `no_days` says why), screens, progress (by person and screen) and agreement: rows of `ScreenProgress`,
        `PersonProgress` and of what `editfhf.agreement` registers; blocked: tasks that Label Studio does not show to
        their person, since only somebody else answered them (rows of `annotation.own_answers.Blocked`; none where the
        server was not asked); admission: who waits for it, was refused or admitted with a remark, and why, as of the
        last pull.
        Where the server does not answer, all is as of the last pull and without checks and repeats.
    """
    return _Watched(workspace, url).look()


def watch(workspace: Workspace, url: str | None = None) -> Iterator[dict[str, Any]]:
    """`status`, again and again; agreement is reckoned anew only when something was pulled."""
    watched = _Watched(workspace, url)
    while True:
        yield watched.look()


def progress_in_tables(workspace: Workspace) -> Progress:
    """How far the campaign is as of the last pull; edits alone: of a check that somebody skipped no table tells."""
    rows = [row for row in read_assignments(workspace) if row.role == EDIT]
    return _reckon(workspace, rows, given_in_tables(workspace, rows))


def pulled_at(workspace: Workspace) -> datetime | None:
    """When the tables were last written; None: never."""
    path = workspace.table_path("answers")
    return datetime.fromtimestamp(path.stat().st_mtime, UTC) if path.is_file() else None


def agreement_in(workspace: Workspace) -> list[dict[str, Any]]:
    """How far people agree is for the analysis to say, which this wing does not know: it registers itself."""
    points = sorted(entry_points(group="editfhf.agreement"), key=lambda point: point.name)
    return [row for point in points for row in point.load()(workspace)]


def given_in_tables(workspace: Workspace, rows: Sequence[Assignment]) -> dict[str, int]:
    """Item id → how many people answered it, as far as the tables tell."""
    who: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for name, (thing, screen) in THING_OF.items():
        table = workspace.read_table(name).to_pandas()
        screens = [screen] * len(table) if screen else table["project_type"]
        for kind, one, person in zip(screens, table[thing], table["annotator"], strict=True):
            who[kind, one].add(person)
    ratings = workspace.read_table("ratings").select(["edit_id", "annotator", "repeat"]).to_pandas()
    again = ratings[ratings["repeat"]]
    repeated = set(zip(again["edit_id"], again["annotator"], strict=True))
    given = {}
    for row in rows:
        there = who[row.project_type, row.edit_id]
        if row.role == REPEAT:
            given[row.item_id] = int((row.edit_id, row.annotator) in repeated)
        else:
            given[row.item_id] = int(row.annotator in there) if row.annotator else len(there)
    return given


class _Watched:
    """A campaign that is looked at once or again and again."""

    def __init__(self, workspace: Workspace, url: str | None) -> None:
        self._workspace, self._url = workspace, url
        self._has_answered = False
        self._agreement: tuple[datetime | None, list[dict[str, Any]]] = (None, [])

    def look(self) -> dict[str, Any]:
        workspace = self._workspace
        at = pulled_at(workspace)
        if at != self._agreement[0]:
            self._agreement = (at, agreement_in(workspace))
        lost = lost_answers(workspace)
        server, on_server = self._ask(lost)
        if on_server is None:
            progress = progress_in_tables(workspace)
        else:
            rows = read_assignments(workspace)
            # Of a project that was deleted on the server, what was pulled stays.
            given = given_in_tables(workspace, rows) | on_server.given
            progress = _reckon(workspace, rows, given, on_server.drafts)
        done: defaultdict[str, int] = defaultdict(int)
        for one in progress.people:
            done[one.annotator] += one.done
        simulated = {one.annotator for one in progress.people if one.kind == "simulated"}
        return {
            "server": server,
            "pulled_at": at.isoformat(timespec="seconds") if at else None,
            "tasks": sum(one.asked for one in progress.screens),
            "answers": sum(one.done for one in progress.screens),
            "drafts": None if on_server is None else sum(on_server.drafts.values()),
            "refused": len(lost),
            "annotators": dict(done),
            "simulated": len(simulated),
            "hours_left": round(progress.hours_left, 1),
            "days_left": None if progress.days_left is None else round(progress.days_left, 1),
            "no_days": progress.no_days,
            "screens": [_rounded(asdict(one)) for one in progress.screens],
            "progress": [_rounded(asdict(one)) for one in progress.people],
            "admission": rows_of(workspace, standings(workspace, read_assignments(workspace))),
            "blocked": [] if on_server is None else [one.as_row() for one in on_server.blocked],
            "agreement": [_rounded(row) for row in self._agreement[1]],
        }

    def _ask(self, lost: Sequence[Mapping[str, Any]]) -> tuple[str, "_OnServer | None"]:
        """The server's address and what it has; or why there is none, and None. It takes no lock: a pull may run.

        Raises:
            BadInput: an address or a token is wrong. JobFailed: the server that was named has never answered.
        """
        workspace = self._workspace
        if find_url(workspace, self._url) is None and find_server(workspace) is None:
            return "not running", None
        try:
            client = connect(workspace, url=self._url)
            found = _on_server(workspace, client, lost)
        except JobFailed as error:  # who watches is told, and goes on
            if self._url is not None and not self._has_answered:
                raise
            return f"does not answer: {error.what}", None
        self._has_answered = True
        return client.url, found


@dataclass(frozen=True, slots=True)
class _OnServer:
    """Item → answers that were not refused, (kind of screen, person) → drafts, and who is kept from their tasks."""

    given: dict[str, int]
    drafts: dict[tuple[str, str], int]
    blocked: list[Blocked]


def _on_server(workspace: Workspace, client: Client, lost: Sequence[Mapping[str, Any]]) -> _OnServer:
    refused = Counter((row["project"], row["task"]) for row in lost)
    given: Counter[str] = Counter()
    drafts: Counter[tuple[str, str]] = Counter()
    pseudonyms, roster = Pseudonyms.of(workspace), Roster(workspace)
    names = {one.number: roster.pseudonym(one) for one in roster.members}
    emails = client.users()
    kept_from: list[Blocked] = []
    known = Projects(workspace, client).known
    for place, project in known.items():
        tasks = list(client.tasks(project))
        others_alone = answered_by_others(client, known, {place: tasks}, roster.members, emails).get(place, [])
        passed_over = {task.id for task in others_alone}
        for task in tasks:
            if task.id in passed_over:
                continue
            n = max(0, task.answers - refused[project, task.id])
            given[item_of(task)] += n if place.number not in names else min(n, 1)
        if others_alone:  # until a push lets the project take one answer more
            closes_at = int(client.project_state(project)["maximum_annotations"])
            closed = [task for task in others_alone if task.answers >= closes_at]
            if closed:
                kept_from.append(blocked(client, place, names[place.number], closed, pseudonyms, emails))
        if place.number in names:
            drafts[place.project_type, names[place.number]] += len(client.tasks_with_drafts(project))
        else:
            drafts.update((place.project_type, pseudonyms.of_email(one.email)) for one in client.drafts(project))
    return _OnServer(dict(given), {key: n for key, n in drafts.items() if n}, kept_from)


def _reckon(
    workspace: Workspace,
    rows: Sequence[Assignment],
    given: Mapping[str, int],
    drafts: Mapping[tuple[str, str], int] | None = None,
) -> Progress:
    settings, roster = workspace.config.annotation, Roster(workspace)
    people = {roster.pseudonym(one): Person(one.state, annotator_kind(one.email)) for one in roster.members}
    each: dict[str, int] = {screen: settings.people_per_edit(screen) for screen in settings.screens}
    refused = Counter((row["project_type"], row["annotator"]) for row in lost_answers(workspace) if row["annotator"])
    answers, now = all_answers(workspace, with_checks=True), pulled_at(workspace) or datetime.now(UTC)
    if any(row.role == ADMISSION for row in rows):  # who came in has worked, too
        entered = workspace.read_table("admissions").to_pandas().assign(project_type=ADMISSION, screened=False)
        parts = [answers, entered[[name for name in answers if name in entered]]]
        answers = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    return reckon(rows, given, people, answers, each, now, drafts, refused)


def _rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: round(value, 3) if isinstance(value, float) and math.isfinite(value) else value
        for name, value in row.items()
    }
