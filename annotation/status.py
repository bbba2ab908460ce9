"""Where a campaign stands: what the server has where it runs, what was pulled where it does not, and how far people
agree."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import entry_points
from typing import Any

import pandas as pd

from annotation.campaign import read_assignments
from annotation.client import Client, connect
from annotation.entrance import rows_of, standings
from annotation.progress import Person, Progress, reckon
from annotation.projects import Projects, item_of
from annotation.pseudonyms import annotator_kind
from annotation.remote import find_url
from annotation.roster import Roster
from annotation.server import find_server
from annotation.worklist import EDIT, REPEAT
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
PACE_COLUMNS = ["project_type", "annotator", "annotator_kind", "lead_time_s", "submitted_at", "screened"]


@dataclass(frozen=True, slots=True)
class Pulled:
    """What the tables say: answers with the columns `PACE_COLUMNS`, and when they were written (None: never)."""

    answers: pd.DataFrame
    at: datetime | None


def status(workspace: Workspace, url: str | None = None) -> dict[str, Any]:
    """Where the campaign stands, as plain values.

    Args:
        url: of a server elsewhere, see `annotation.client.connect`.

    Returns:
        server (its address, or why there is none), pulled_at, tasks and answers (of the people who count), annotators
        (pseudonym → answers), simulated (how many of them are), hours_left, days_left, screens, progress (by person and
        screen) and agreement: rows of `ScreenProgress`, `PersonProgress` and of what `editfhf.agreement` registers;
        admission: who waits for it, was refused or admitted with a remark, and why, as of the last pull.
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
    pulled = read_pulled(workspace)
    return _reckon(workspace, rows, given_in_tables(workspace, rows), pulled)


def read_pulled(workspace: Workspace) -> Pulled:
    """Every answer that was pulled, those to checks too, and when."""
    parts = []
    for name, (_, screen) in THING_OF.items():
        part = workspace.read_table(name).to_pandas()
        part = part.assign(project_type=screen) if screen else part[~part["project_type"].isin(OWN_TABLES)]
        parts.append(part.assign(screened=part.get("screened", False))[PACE_COLUMNS])
    path = workspace.table_path("answers")
    at = datetime.fromtimestamp(path.stat().st_mtime, UTC) if path.is_file() else None
    filled = [part for part in parts if len(part)]
    return Pulled(pd.concat(filled, ignore_index=True) if filled else parts[0], at)


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
        pulled = read_pulled(workspace)
        if pulled.at != self._agreement[0]:
            self._agreement = (pulled.at, agreement_in(workspace))
        server, on_server = self._ask()
        if on_server is None:
            progress = progress_in_tables(workspace)
        else:
            rows = read_assignments(workspace)
            # Of a project that was deleted on the server, what was pulled stays.
            progress = _reckon(workspace, rows, given_in_tables(workspace, rows) | on_server, pulled)
        given: defaultdict[str, int] = defaultdict(int)
        for one in progress.people:
            given[one.annotator] += one.done
        simulated = {one.annotator for one in progress.people if one.kind == "simulated"}
        return {
            "server": server,
            "pulled_at": pulled.at.isoformat(timespec="seconds") if pulled.at else None,
            "tasks": sum(one.asked for one in progress.screens),
            "answers": sum(one.done for one in progress.screens),
            "annotators": dict(given),
            "simulated": len(simulated),
            "hours_left": round(progress.hours_left, 1),
            "days_left": None if progress.days_left is None else round(progress.days_left, 1),
            "screens": [_rounded(asdict(one)) for one in progress.screens],
            "progress": [_rounded(asdict(one)) for one in progress.people],
            "admission": rows_of(workspace, standings(workspace, read_assignments(workspace))),
            "agreement": [_rounded(row) for row in self._agreement[1]],
        }

    def _ask(self) -> tuple[str, dict[str, int] | None]:
        """The server's address and item → answers; or why there is none, and None. It takes no lock: a pull may run.

        Raises:
            BadInput: an address or a token is wrong. JobFailed: the server that was named has never answered.
        """
        workspace = self._workspace
        if find_url(workspace, self._url) is None and find_server(workspace) is None:
            return "not running", None
        try:
            client = connect(workspace, url=self._url)
            given = _given_on_server(workspace, client)
        except JobFailed as error:  # who watches is told, and goes on
            if self._url is not None and not self._has_answered:
                raise
            return f"does not answer: {error.what}", None
        self._has_answered = True
        return client.url, given


def _given_on_server(workspace: Workspace, client: Client) -> dict[str, int]:
    given: defaultdict[str, int] = defaultdict(int)
    for project in Projects(workspace, client).known.values():
        for task in client.tasks(project):
            given[item_of(task)] += task.answers
    return given


def _reckon(workspace: Workspace, rows: Sequence[Assignment], given: Mapping[str, int], pulled: Pulled) -> Progress:
    settings, roster = workspace.config.annotation, Roster(workspace)
    people = {roster.pseudonym(one): Person(one.state, annotator_kind(one.email)) for one in roster.members}
    each: dict[str, int] = {screen: settings.people_per_edit(screen) for screen in settings.screens}
    return reckon(rows, given, people, pulled.answers, each, pulled.at or datetime.now(UTC))


def _rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: round(value, 3) if isinstance(value, float) and math.isfinite(value) else value
        for name, value in row.items()
    }
