"""Brings the answers home: what changed on the server since the last pull, as the tables of the workspace.

```
annotation/raw/project-N.json       the server's own export, as it came
annotation/raw/project-N/….parquet  what was read from it, in the order of the export
annotation/raw/pulled.json          what each project looked like when it was pulled
```

The tables of the workspace are those of the projects one behind the other, by their numbers.
"""

import json
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from annotation.answers import unknown_screen
from annotation.batches import read_batches
from annotation.campaign import checks_of, read_assignments, require_projects
from annotation.client import Client
from annotation.dates import count_misdated
from annotation.entrance import standings
from annotation.erased import erased, erased_users
from annotation.export_file import answers_of, item_in, names_anyone, read_export, write_without
from annotation.handed_out import HandedOut, Marks
from annotation.harvest import HARVESTED, Harvest, Known
from annotation.harvest_files import harvest_files
from annotation.offers import pairs_shown
from annotation.pair_folders import damaged_folders, write_copies
from annotation.projects import Item, Place, heal
from annotation.pseudonyms import Pseudonyms
from annotation.roster import Roster
from annotation.screens import SCREENS, is_ours
from annotation.shown_regions import recall
from annotation.worklist import QUALIFICATION
from editfhf import __version__
from editfhf.files import remove_leftovers, whole_file
from editfhf.schema import TABLES, as_of_today, canonical_json, stable_id
from editfhf.workspace import Workspace

SCREENED_TABLES = ("ratings", "answers", "verdicts", "preferences")
ROW_GROUP = 2_000  # rows of a merged table that are in memory at one time, and are read together later
Track = Callable[[list[tuple[Place, int]]], Iterable[tuple[Place, int]]]


@dataclass(frozen=True, slots=True)
class PullCounts:
    """Rows of each table after this pull.

    Attributes:
        changed: projects that were read anew. gone: that were deleted on the server; their answers stay.
        altered: whose labelling screen or title is no longer ours.
        misdated: answers from before their project was made, or from the future.
        drafts: project → tasks that somebody has begun and not submitted; none of their answers is here.
        damaged: folders of pairs that cannot be read, and why, one sentence each: answers about their pairs are among
            the refused ones, and are read anew by the next pull.
        erased: answers of people who were erased, left out of what was read anew: an older state of the server was
            restored.
        admitted, not_admitted: pseudonyms of those of whom this pull told it.
    """

    ratings: int
    regions: int
    answers: int
    refused: int
    projects: list[int]
    changed: list[int] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    altered: list[int] = field(default_factory=list)
    verdicts: int = 0
    preferences: int = 0
    misdated: int = 0
    drafts: dict[int, int] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)
    erased: int = 0
    admitted: list[str] = field(default_factory=list)
    not_admitted: list[str] = field(default_factory=list)

    def as_row(self) -> dict[str, Any]:
        names = (
            "ratings", "regions", "answers", "verdicts", "preferences", "refused", "projects", "changed", "gone",
            "altered", "misdated", "damaged", "erased", "admitted", "not_admitted",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names} | {"drafts": sum(self.drafts.values())}


def pull(
    workspace: Workspace, client: Client, everything: bool = False, track: Track = lambda places: places
) -> PullCounts:
    """Make the answers in the workspace those on the server: new, changed and deleted ones; twice changes nothing.

    What cannot be taken goes to the table `refused_answers`. Killed or cut off, it goes on with the project where it
    was.

    Args:
        everything: also read what did not change.
        track: wraps the projects, to show progress.

    Raises:
        BadInput: the campaign has no project on the server.
        JobFailed: an export is cut short or is none.
    """
    with workspace.lock("annotate"):
        return pull_locked(workspace, client, everything, track)


def pull_locked(
    workspace: Workspace, client: Client, everything: bool = False, track: Track = lambda places: places
) -> PullCounts:
    """`pull` for who holds the lock already."""
    rows = read_assignments(workspace, QUALIFICATION)
    before = standings(workspace, rows)
    projects = require_projects(workspace, client)
    users = client.users()
    pulled, known, forgotten = _Pulled(workspace, everything), known_of(workspace, users), 0
    gone_people = erased_users(workspace, users)
    changed, altered = [], list(projects.renamed)
    places = sorted(projects.known.items())
    remove_leftovers(raw_folder(workspace))
    exports = _one_ahead(_exports(workspace, client, pulled, places, gone_people))
    for (place, project), export in zip(track(places), exports, strict=True):
        if export is None:
            continue
        pulled.forget(project)
        path, fingerprint, left_out = export.path, export.fingerprint, export.left_out
        version_at = partial(projects.version_at, project)
        if not harvest(project, known, path, pulled.folder(project), place.project_type, version_at):
            heal(client, project)
            fingerprint = _fingerprint(client, project)
            path, left_out = fetch_export(workspace, client, project, gone_people)
            harvest(project, known, path, pulled.folder(project), place.project_type, version_at)
        is_whole = place.project_type != "preference" or not known.unreadable
        pulled.note(project, fingerprint if is_whole else "")
        changed.append(project)
        forgotten += left_out
        altered += [project] * export.altered
    drafts = {project: len(client.tasks_with_drafts(project)) for _, project in places}
    gone = sorted(set(pulled.known) - set(projects.known.values()))
    counts = merge(workspace, pulled_folders(workspace))
    misdated = sum(
        count_misdated(pulled.folder(project) / "answers.parquet", projects.since(project)) for _, project in places
    )
    new = {name: one.state for name, one in standings(workspace, rows).items() if one.state != before[name].state}
    return PullCounts(
        counts["ratings"], counts["regions"], counts["answers"], counts["refused_answers"],
        sorted(projects.known.values()), changed, gone, sorted(set(altered)), counts["verdicts"],
        counts["preferences"], misdated, {project: n for project, n in drafts.items() if n},
        list(damaged_folders(workspace).values()), forgotten,
        sorted(name for name, state in new.items() if state == "admitted"),
        sorted(name for name, state in new.items() if state == "refused"),
    )  # fmt: skip


def fetch_export(
    workspace: Workspace, client: Client, project: int, without: Mapping[int, str] = MappingProxyType({})
) -> tuple[Path, int]:
    """Bring the server's export of a project to `annotation/raw/`, in the place of the last one. Holding the lock.

    Args:
        without: people (number on the server → e-mail) of whom nothing comes along.

    Returns:
        The file, and how many of their answers were left out.
    """
    path = raw_folder(workspace) / f"project-{project}.json"
    with whole_file(path, mode=0o600) as temporary:
        client.export(project, temporary)
        n = forget_in_export(temporary, without, erased(workspace))
    return path, n


def forget_in_export(path: Path, people: Mapping[int, str], items: Collection[str]) -> int:
    """Remove what an export holds of these people (number on the server → e-mail), and of items that were theirs.
    Returns how many answers that was."""
    n = answers_of(path, people, items) if people or items else 0
    if n or names_anyone(path, people.values()):
        with whole_file(path, mode=0o600) as temporary:
            write_without(path, temporary, people, items)
    return n


def known_of(workspace: Workspace, emails: Mapping[int, str]) -> Known:
    """What the answers of this workspace are checked against."""
    assignments = workspace.read_table("assignments")

    def things(screen: str) -> set[str]:
        return set(assignments.filter(pc.equal(assignments["project_type"], screen))["edit_id"].to_pylist())

    compared = things("preference")
    pairs, unreadable = pairs_shown(workspace, compared) if compared else ({}, [])
    return Known(
        HandedOut(assignments),
        checks_of(workspace),
        set(workspace.ledger.statuses()),
        emails,
        Pseudonyms.of(workspace),
        _edits_of_regions(workspace, things("verify")),
        pairs,
        unreadable,
        workspace.config.annotation.renamed_flaw_types,
    )


def _edits_of_regions(workspace: Workspace, regions: set[str]) -> dict[str, str]:
    """Region → edit, of regions that were handed out."""
    found = {region: edit for region, edit in recall(workspace).items() if region in regions} if regions else {}
    # Of those that a version handed out which did not note them: as they were brought home.
    folders = pulled_folders(workspace) if len(found) < len(regions) else []
    for path in (folder / f"{name}.parquet" for folder in folders for name in ("regions", "verdicts")):
        for batch in read_batches(path, ["region_id", "edit_id"]) if path.is_file() else ():
            pairs = zip(batch["region_id"].to_pylist(), batch["edit_id"].to_pylist(), strict=True)
            found |= {region: edit for region, edit in pairs if region in regions and region not in found}
    return found


def harvest(
    project: int,
    known: Known,
    export: Path,
    folder: Path,
    project_type: str = "",
    version_at: Callable[[str], str] = unknown_screen,
) -> bool:
    """Read an export into the tables of a folder; whether each item is there once, as it should be."""
    seen, is_doubled = Marks(len(known.items)), False
    with harvest_files(folder) as put:
        reader = Harvest(project, known, put, project_type, version_at)
        for task in read_export(export):
            reader.add(task)
            place = known.items.place_of(item_in(task.get("data")))
            if place is not None:
                is_doubled |= place in seen
                seen.add(place)
        reader.finish()
    return not is_doubled


def merge(workspace: Workspace, folders: Iterable[Path]) -> dict[str, int]:
    """Write the tables of the workspace from those of its projects; who is set aside is marked in them.

    Returns:
        How many rows each table has.
    """
    folders = list(folders)
    aside = pa.array(sorted(Roster(workspace).screened()), pa.string())
    renamed = workspace.config.annotation.renamed_flaw_types
    counts = {
        name: workspace.write_batches(
            name, _merged([folder / f"{name}.parquet" for folder in folders], name, aside, renamed)
        )
        for name in HARVESTED
    }
    rows = (row for batch in read_batches(workspace.table_path("preferences")) for row in batch.to_pylist())
    write_copies(workspace, rows)
    return counts


def _merged(paths: Iterable[Path], name: str, aside: pa.Array, renamed: Mapping[str, str]) -> Iterator[pa.Table]:
    """The rows of all these files, `ROW_GROUP` at a time."""
    rows = TABLES[name].empty_table()
    for path in paths:
        # One that is not there was pulled by a version that did not know this table.
        for batch in read_batches(path) if path.is_file() else ():
            new = _marked(_renamed(as_of_today(name, pa.Table.from_batches([batch])), renamed), name, aside)
            rows = pa.concat_tables([rows, new])
            while rows.num_rows >= ROW_GROUP:
                yield rows.slice(0, ROW_GROUP)
                rows = rows.slice(ROW_GROUP)
    yield rows


def _renamed(table: pa.Table, renamed: Mapping[str, str]) -> pa.Table:
    """Also what is not read anew gets the flaw types of today: of projects that are gone, and of imports."""
    if not renamed or "flaw_type" not in table.column_names:
        return table
    place = table.schema.get_field_index("flaw_type")
    names = [renamed.get(one, one) for one in table["flaw_type"].to_pylist()]
    return table.set_column(place, table.schema.field(place), pa.array(names, pa.string()))


def _marked(table: pa.Table, name: str, aside: pa.Array) -> pa.Table:
    if name not in SCREENED_TABLES:
        return table
    place = table.schema.get_field_index("screened")
    return table.set_column(place, table.schema.field(place), pc.is_in(table["annotator"], aside))


def pulled_folders(workspace: Workspace) -> list[Path]:
    """The tables of every project that was pulled, and of every export that came as a file."""
    pulled = _Pulled(workspace, everything=False)
    folders = [folder for project in sorted(pulled.known) if (folder := pulled.folder(project)).is_dir()]
    return folders + sorted(path for path in raw_folder(workspace).glob("import-*") if path.is_dir())


def forget_project(workspace: Workspace, project: int) -> None:
    """Remove all that was pulled of a project."""
    pulled = _Pulled(workspace, everything=False)
    (raw_folder(workspace) / f"project-{project}.json").unlink(missing_ok=True)
    shutil.rmtree(pulled.folder(project), ignore_errors=True)
    pulled.drop(project)


def read_again(workspace: Workspace, project: int) -> None:
    """Let the next pull read a project anew, however it looks."""
    _Pulled(workspace, everything=False).forget(project)


def raw_folder(workspace: Workspace) -> Path:
    folder = workspace.annotation_dir / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class _Pulled:
    """What was pulled already: a project that looks as it did then is not read again."""

    def __init__(self, workspace: Workspace, everything: bool) -> None:
        self._root = raw_folder(workspace)
        self._path = self._root / "pulled.json"
        # What is read from an export changes with these as well.
        screens = canonical_json([screen.version for screen in SCREENS.values()])
        columns = canonical_json({name: TABLES[name].names for name in HARVESTED})
        renamed = canonical_json(workspace.config.annotation.renamed_flaw_types)
        self._reader = stable_id(__version__, screens, columns, renamed)
        self.known: dict[int, str] = {}
        if self._path.is_file():
            rows = json.loads(self._path.read_text(encoding="utf-8"))
            self.known = {int(number): mark for number, mark in rows.items()}
        self._everything = everything

    def folder(self, project: int) -> Path:
        return self._root / f"project-{project}"

    def is_as_before(self, project: int, fingerprint: str) -> bool:
        whole = all((self.folder(project) / f"{name}.parquet").is_file() for name in HARVESTED)
        return not self._everything and whole and self.known.get(project) == self._mark(fingerprint)

    def forget(self, project: int) -> None:
        """Before it is read: killed half way, it is read again."""
        if project in self.known:
            self.known[project] = ""
            self._write()

    def drop(self, project: int) -> None:
        """As if it had never been pulled."""
        if self.known.pop(project, None) is not None:
            self._write()

    def note(self, project: int, fingerprint: str) -> None:
        self.known[project] = self._mark(fingerprint)
        self._write()

    def _mark(self, fingerprint: str) -> str:
        return f"{self._reader} {fingerprint}"

    def _write(self) -> None:
        with whole_file(self._path) as temporary:
            temporary.write_text(json.dumps(self.known, indent=1), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class _Export:
    """A project that changed, as it came but for `left_out` answers; `altered`: its screen is no longer ours."""

    path: Path
    fingerprint: str
    altered: bool
    left_out: int


def _exports(
    workspace: Workspace,
    client: Client,
    pulled: _Pulled,
    places: Iterable[tuple[Place, int]],
    without: Mapping[int, str],
) -> Iterator[_Export | None]:
    """The export of each project, None for one that looks as it did."""
    for place, project in places:
        fingerprint = _fingerprint(client, project)  # before the export: what comes in between is read next time
        if pulled.is_as_before(project, fingerprint):
            yield None
            continue
        on_server = client.project_state(project)["label_config"]
        altered = not is_ours(place.project_type, on_server)
        path, left_out = fetch_export(workspace, client, project, without)
        yield _Export(path, fingerprint, altered, left_out)


def _one_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The same items; while one is worked on, the next is made in a thread: the server writes while we read."""
    nothing = object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, nothing)
        while (item := coming.result()) is not nothing:
            coming = thread.submit(next, items, nothing)
            yield item  # type: ignore[misc]


def _fingerprint(client: Client, project: int) -> str:
    return stable_id(canonical_json(client.newest_change(project)))
