"""Brings the answers home: what changed on the server since the last pull, as the tables of the workspace.

```
annotation/raw/project-N.json       the server's own export, as it came
annotation/raw/project-N/….parquet  what was read from it
annotation/raw/pulled.json          what each project looked like when it was pulled
```
"""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from annotation.campaign import checks_of, read_assignments, require_projects
from annotation.client import Client
from annotation.dates import count_misdated
from annotation.entrance import standings
from annotation.export_file import read_export
from annotation.harvest import HARVESTED, Harvest, Known
from annotation.offers import Offers
from annotation.pair_folders import write_copies
from annotation.projects import Item, Place, heal, item_in
from annotation.pseudonyms import Pseudonyms
from annotation.roster import Roster
from annotation.screens import SCREENS, is_ours
from editfhf import __version__
from editfhf.files import remove_leftovers, whole_file
from editfhf.schema import TABLES, canonical_json, stable_id
from editfhf.workspace import Workspace

SCREENED_TABLES = ("ratings", "answers", "verdicts", "preferences")
ROW_GROUP = 50_000  # rows of a merged table that are in memory at one time, and are read together later
Track = Callable[[list[tuple[Place, int]]], Iterable[tuple[Place, int]]]


@dataclass(frozen=True, slots=True)
class PullCounts:
    """Rows of each table after this pull.

    Attributes:
        changed: projects that were read anew. gone: that were deleted on the server; their answers stay.
        altered: whose labelling screen or title is no longer ours.
        misdated: answers from before their project was made, or from the future.
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
    admitted: list[str] = field(default_factory=list)
    not_admitted: list[str] = field(default_factory=list)

    def as_row(self) -> dict[str, Any]:
        names = (
            "ratings", "regions", "answers", "verdicts", "preferences", "refused", "projects", "changed", "gone",
            "altered", "misdated", "admitted", "not_admitted",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}


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
    rows = read_assignments(workspace)
    before = standings(workspace, rows)
    projects = require_projects(workspace, client)
    pulled, known = _Pulled(workspace, everything), known_of(workspace, client.users())
    changed, altered = [], list(projects.renamed)
    places = sorted(projects.known.items())
    remove_leftovers(raw_folder(workspace))
    exports = _one_ahead(_exports(workspace, client, pulled, places))
    for (_, project), export in zip(track(places), exports, strict=True):
        if export is None:
            continue
        pulled.forget(project)
        path, fingerprint = export.path, export.fingerprint
        if not harvest(project, known, path, pulled.folder(project)):
            heal(client, project)
            fingerprint = _fingerprint(client, project)
            path = fetch_export(workspace, client, project)
            harvest(project, known, path, pulled.folder(project))
        pulled.note(project, fingerprint)
        changed.append(project)
        altered += [project] * export.altered
    gone = sorted(set(pulled.known) - set(projects.known.values()))
    counts = merge(workspace, pulled_folders(workspace))
    misdated = sum(
        count_misdated(pulled.folder(project) / "answers.parquet", projects.since(project)) for _, project in places
    )
    new = {name: one.state for name, one in standings(workspace, rows).items() if one.state != before[name].state}
    return PullCounts(
        counts["ratings"], counts["regions"], counts["answers"], counts["refused_answers"],
        sorted(projects.known.values()), changed, gone, sorted(set(altered)), counts["verdicts"],
        counts["preferences"], misdated,
        sorted(name for name, state in new.items() if state == "admitted"),
        sorted(name for name, state in new.items() if state == "refused"),
    )  # fmt: skip


def fetch_export(workspace: Workspace, client: Client, project: int) -> Path:
    """Bring the server's export of a project to `annotation/raw/`, in the place of the last one. Holding the lock."""
    path = raw_folder(workspace) / f"project-{project}.json"
    with whole_file(path, mode=0o600) as temporary:
        client.export(project, temporary)
    return path


def known_of(workspace: Workspace, emails: Mapping[int, str]) -> Known:
    """What the answers of this workspace are checked against."""
    items = {row.item_id: row for row in read_assignments(workspace)}
    screens = {row.project_type for row in items.values()}
    regions = workspace.read_table("regions") if "verify" in screens else TABLES["regions"].empty_table()
    return Known(
        items,
        checks_of(workspace),
        set(workspace.ledger.statuses()),
        emails,
        Pseudonyms.of(workspace),
        dict(zip(regions["region_id"].to_pylist(), regions["edit_id"].to_pylist(), strict=True)),
        Offers(workspace, workspace.edits()).all_pairs if "preference" in screens else {},
    )


def harvest(project: int, known: Known, export: Path, folder: Path) -> bool:
    """Read an export into the tables of a folder; whether each item is there once, as it should be."""
    reader = Harvest(project, known)
    seen: Counter[str] = Counter()
    for task in read_export(export):
        reader.add(task)
        seen[item_in(task.get("data"))] += 1
    store(reader, folder)
    return all(n == 1 for item, n in seen.items() if item in known.items)


def store(reader: Harvest, folder: Path) -> None:
    """Write what was read as the tables of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in reader.tables().items():
        with whole_file(folder / f"{name}.parquet") as temporary:
            pq.write_table(with_positions(table) if name == "ratings" else table, temporary)


def merge(workspace: Workspace, folders: Iterable[Path]) -> dict[str, int]:
    """Write the tables of the workspace from those of its projects; who is set aside is marked in them.

    Returns:
        How many rows each table has.
    """
    folders = list(folders)
    aside = pa.array(sorted(Roster(workspace).screened()), pa.string())
    counts = {
        name: workspace.write_batches(name, _merged(name, [folder / f"{name}.parquet" for folder in folders], aside))
        for name in HARVESTED
    }
    write_copies(workspace, workspace.read_table("preferences").to_pylist())
    return counts


def _merged(name: str, paths: Iterable[Path], aside: pa.Array) -> Iterator[pa.Table]:
    """The rows of all these files, `ROW_GROUP` at a time."""
    parts: list[pa.Table] = []
    for path in paths:
        if not path.is_file():  # pulled by a version that did not know this table
            continue
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROW_GROUP):
                parts.append(_marked(pa.Table.from_batches([batch]).cast(TABLES[name]), name, aside))
                if sum(part.num_rows for part in parts) >= ROW_GROUP:
                    yield pa.concat_tables(parts)
                    parts = []
    yield pa.concat_tables([TABLES[name].empty_table(), *parts])


def _marked(table: pa.Table, name: str, aside: pa.Array) -> pa.Table:
    if name not in SCREENED_TABLES:
        return table
    place = table.schema.get_field_index("screened")
    return table.set_column(place, table.schema.field(place), pc.is_in(table["annotator"], aside))


def with_positions(ratings: pa.Table) -> pa.Table:
    """`position`: the how-manieth answer of this annotator in this session of this project, from 1."""
    if not ratings.num_rows:
        return ratings
    order = ["annotator", "session", "submitted_at", "edit_id", "repeat"]
    frame = ratings.select(order).to_pandas().sort_values(order, kind="stable")
    session = frame[["annotator", "session"]].ne(frame[["annotator", "session"]].shift()).any(axis=1).cumsum()
    answer = frame.ne(frame.shift()).any(axis=1).cumsum()
    position = (answer - answer.groupby(session).transform("min") + 1).sort_index()
    place = ratings.schema.get_field_index("position")
    return ratings.set_column(place, ratings.schema.field(place), pa.array(position.to_numpy(), pa.int32()))


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
        self._reader = stable_id(__version__, screens)
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
    """A project that changed, as it came; `altered`: its screen is no longer ours."""

    path: Path
    fingerprint: str
    altered: bool


def _exports(
    workspace: Workspace, client: Client, pulled: _Pulled, places: Iterable[tuple[Place, int]]
) -> Iterator[_Export | None]:
    """The export of each project, None for one that looks as it did."""
    for place, project in places:
        fingerprint = _fingerprint(client, project)  # before the export: what comes in between is read next time
        if pulled.is_as_before(project, fingerprint):
            yield None
            continue
        on_server = client.project_state(project)["label_config"]
        altered = not is_ours(place.project_type, on_server)
        yield _Export(fetch_export(workspace, client, project), fingerprint, altered)


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
