"""Label Studio's JSON export from disk: the answers of a campaign that was run on another server.

```
annotation/raw/import-DIGEST.json       each export, as it came, but for people who were erased
annotation/raw/import-SCREEN/….parquet  what all exports of one kind of screen say together
```
"""

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from annotation import interface
from annotation.answers import author_of
from annotation.campaign import read_assignments
from annotation.collect import known_of, merge, pulled_folders, raw_folder
from annotation.erased import erased, of_account
from annotation.export_file import annotations_of, answers_of, item_in, read_export, write_without
from annotation.handed_out import HandedOut
from annotation.harvest import Harvest, Known
from annotation.harvest_files import harvest_files
from annotation.pseudonyms import Pseudonyms
from annotation.worklist import EDIT
from editfhf.errors import BadInput, JobFailed
from editfhf.files import whole_file
from editfhf.schema import DIMENSIONS, Assignment, stable_id, to_table
from editfhf.workspace import Workspace

NUMBER = 0  # of the project, in `refused_answers`


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """Rows of each table after this import, and which screen the file was taken to be of.

    Attributes:
        erased: answers in the file that were left out: of people who were erased.
    """

    screen: str
    ratings: int
    regions: int
    answers: int
    refused: int
    erased: int = 0

    def as_row(self) -> dict[str, Any]:
        return asdict(self)


def import_export(workspace: Workspace, path: Path) -> ImportCounts:
    """Add the answers of an export; the same file again changes nothing.

    Of an answer that several exports hold, the one that was changed last counts, and of several answers of one person
    to one edit that of the export that came last: a project may be exported again whenever it has grown. A task is
    known by `item` (one that this workspace handed out) or by `edit_id` in its data. People are known by their numbers
    on that server, which is all that an export tells of them.

    Raises:
        BadInput: no file, or no export; then nothing was changed.
        JobFailed: none of its answers could be taken; they are in `refused_answers`, each with its reason.
    """
    path = path.expanduser()
    if not path.is_file():
        raise BadInput(f"{path} is no file.", mend="Name a JSON export of Label Studio (Export → JSON).")
    try:
        export = _Export.read(path)
    except (JobFailed, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"{path} is no JSON export of Label Studio.", mend="Export as JSON, not as JSON-MIN.") from error
    with workspace.lock("annotate"):
        copy = raw_folder(workspace) / f"import-{_digest(path)}.json"
        gone = _gone_in(workspace, export)
        if not copy.is_file():  # one that is there may lack people who were erased
            _copy(path, copy, *gone)
        rows, readings = _read_all(workspace)
    reading = readings[copy]
    if reading.refused and not reading.taken:
        (reason, _), *_ = reading.refused.most_common(1)
        raise JobFailed(
            f"None of the {reading.refused.total()} answers in {path} could be taken (most often: {reason}); they are "
            f"in {workspace.table_path('refused_answers')}.",
            mend=f"`editfhf annotate refused -w {workspace.root}` lists the reasons.",
        )
    left_out = answers_of(path, *gone)
    return ImportCounts(
        export.screen, rows["ratings"], rows["regions"], rows["answers"], rows["refused_answers"], left_out
    )


def read_imports(workspace: Workspace) -> dict[str, int]:
    """Make the tables those of all exports together, and of what was pulled. Returns how many rows each has."""
    return _read_all(workspace)[0]


@dataclass(frozen=True, slots=True)
class _Reading:
    """Of one export: how many answers were taken, and of those that were not how many for each reason."""

    taken: int
    refused: Counter[str]


def _read_all(workspace: Workspace) -> tuple[dict[str, int], dict[Path, _Reading]]:
    """`read_imports`, and what came of each export beside those that are newer."""
    copies = sorted(raw_folder(workspace).glob("import-*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    exports = {copy: _Export.read(copy) for copy in copies}
    last: dict[str, tuple[str, int]] = {}
    for place, export in enumerate(exports.values()):
        for key, changed in export.changed.items():
            last[key] = max(last.get(key, ("", -1)), (changed, place))

    def counts(key: str | None, export: _Export, place: int) -> bool:
        return key is None or last[key] == (export.changed[key], place)

    users = {user for export in exports.values() for user in export.users}
    known = known_of(workspace, {user: address_of(user) for user in users})
    screens = {export.screen for export in exports.values()}
    readings: dict[Path, _Reading] = {}
    for screen in sorted(screens):
        with harvest_files(raw_folder(workspace) / f"import-{screen}") as put:
            reader = Harvest(NUMBER, _with_edits(workspace, known, screen), put, screen)
            for place, (copy, export) in reversed(list(enumerate(exports.items()))):
                if export.screen != screen:
                    continue
                before = _Reading(reader.taken, reader.refused.copy())
                for task in read_export(copy):
                    kept = [one for one in annotations_of(task) if counts(_key(task, one), export, place)]
                    reader.add({**task, "annotations": kept})
                readings[copy] = _Reading(reader.taken - before.taken, reader.refused - before.refused)
            reader.finish()
    for folder in raw_folder(workspace).glob("import-*"):
        if folder.is_dir() and folder.name.removeprefix("import-") not in screens:
            shutil.rmtree(folder)
    return merge(workspace, pulled_folders(workspace)), readings


def imported_people(workspace: Workspace) -> dict[str, int]:
    """Pseudonym → number on the other server, of everybody who answered in an export that was imported."""
    exports = [_Export.read(copy) for copy in raw_folder(workspace).glob("import-*.json")]
    users = {user: 0 for export in exports for user in export.users}
    return {name: user for user, name in _pseudonyms(workspace, users).items()}


def forget_in_imports(workspace: Workspace) -> None:
    """Remove those who were erased from every export that was imported, and from the tables."""
    copies = sorted(raw_folder(workspace).glob("import-*.json"))
    for copy in copies:
        users, items = _gone_in(workspace, _Export.read(copy))
        if users or items:
            when = copy.stat()
            _copy(copy, copy, users, items, (when.st_atime_ns, when.st_mtime_ns))
    if copies:
        read_imports(workspace)
    else:
        merge(workspace, pulled_folders(workspace))


def _gone_in(workspace: Workspace, export: "_Export") -> tuple[Set[int], Set[str]]:
    """Users of an export who were erased, and items in it that were theirs.

    In an export of this campaign's own server people have the numbers that they have there.
    """
    gone = erased(workspace)
    if not gone:
        return set(), set()
    names = _pseudonyms(workspace, export.users)
    is_own = bool(export.items & ({row.item_id for row in read_assignments(workspace)} | gone))
    users = {user for user, name in names.items() if name in gone}
    if is_own:
        users |= {user for user in export.users if of_account(workspace, user) in gone}
    return users, export.items & gone


def address_of(user: int) -> str:
    """Under which address the pseudonym of somebody on another server is made."""
    return f"user-{user}@label-studio.export"


@dataclass(frozen=True, slots=True)
class _Export:
    """What is known of an export before it is read into tables.

    Attributes:
        screen: on which the answers were given.
        users: who gave how many.
        changed: when each answer was changed last, by what makes it that answer.
        items: that the tasks name.
    """

    screen: str
    users: Mapping[int, int]
    changed: Mapping[str, str]
    items: Set[str]

    @classmethod
    def read(cls, path: Path) -> "_Export":
        """Raises JobFailed where it is none."""
        controls: set[str] = set()
        users: dict[int, int] = {}
        changed: dict[str, str] = {}
        named: set[str] = set()
        for task in read_export(path):
            named.add(item_in(task.get("data")))
            for annotation in annotations_of(task):
                author = author_of(annotation)
                if author is not None:
                    users[author] = users.get(author, 0) + 1
                if (key := _key(task, annotation)) is not None:
                    changed[key] = max(changed.get(key, ""), str(annotation.get("updated_at") or ""))
                result = annotation.get("result") if isinstance(annotation, dict) else None
                items = result if isinstance(result, list) else []
                controls |= {str(item.get("from_name")) for item in items if isinstance(item, dict)}
        return cls(_screen_of(controls), users, changed, named - {""})


def _screen_of(controls: set[str]) -> str:
    for screen, control in (("verify", interface.VERDICT), ("preference", interface.PREFERENCE)):
        if control in controls:
            return screen
    # Where nobody found a flaw, nothing was drawn either: the screen without ratings is known by their absence.
    if not controls & set(DIMENSIONS):
        return "regions"
    marked = controls & {interface.POLYGONS, interface.SOURCE_POLYGONS, *interface.PLACELESS}
    return "together" if marked else "ratings"


def _key(task: Mapping[str, Any], annotation: Any) -> str | None:
    """The same for one answer in whatever export: its number, and what tells it from those of other servers."""
    if not isinstance(annotation, dict) or not isinstance(annotation.get("id"), int):
        return None
    data = task.get("data")
    item = (data.get("item") or data.get("edit_id")) if isinstance(data, dict) else ""
    project = task.get("project", annotation.get("project"))
    parts = (project, annotation["id"], annotation.get("completed_by"), annotation.get("created_at"), item)
    return stable_id(*(ascii(part) for part in parts))


def _with_edits(workspace: Workspace, known: Known, project_type: str) -> Known:
    """Edits by their own ids, too: what a task of another campaign names."""
    edits = to_table("assignments", [Assignment(edit, "", project_type, edit, EDIT, 0) for edit in known.edits])
    return replace(known, items=HandedOut(pa.concat_tables([edits, workspace.read_table("assignments")])))


def _pseudonyms(workspace: Workspace, users: Mapping[int, int]) -> dict[int, str]:
    pseudonyms = Pseudonyms.of(workspace)
    return {user: pseudonyms.of_email(address_of(user)) for user in users}


def _copy(path: Path, copy: Path, users: Set[int], items: Set[str], times: tuple[int, int] | None = None) -> None:
    """An export without the answers of some people and to some items; byte for byte where nothing of these is in it."""
    with whole_file(copy, mode=0o600) as temporary:
        if not users and not items:
            shutil.copyfile(path, temporary)
        else:
            write_without(path, temporary, users, items)
    if times:
        os.utime(copy, ns=times)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]
