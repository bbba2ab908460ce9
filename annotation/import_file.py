"""Label Studio's JSON export from disk: the answers of a campaign that was run on another server."""

import hashlib
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from annotation import interface
from annotation.collect import harvest, known_of, merge, pulled_folders, raw_folder
from annotation.export_file import read_export
from annotation.harvest import Known
from annotation.worklist import EDIT
from editfhf.errors import BadInput, JobFailed
from editfhf.files import whole_file
from editfhf.schema import DIMENSIONS, Assignment
from editfhf.workspace import Workspace

NUMBER = 0  # of the project, in `refused_answers`


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """Rows of each table after this import, and which screen the file was taken to be of."""

    screen: str
    ratings: int
    regions: int
    answers: int
    refused: int

    def as_row(self) -> dict[str, Any]:
        return asdict(self)


def import_export(workspace: Workspace, path: Path) -> ImportCounts:
    """Add the answers of an export; the same file again changes nothing.

    A task is known by `item` (one that this workspace handed out) or by `edit_id` in its data. People are known by
    their numbers on that server, which is all that an export tells of them.

    Raises:
        BadInput: no file, or no export; then nothing was changed.
    """
    path = path.expanduser()
    if not path.is_file():
        raise BadInput(f"{path} is no file.", mend="Name a JSON export of Label Studio (Export → JSON).")
    try:
        project_type, users = _look(path)
    except (JobFailed, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"{path} is no JSON export of Label Studio.", mend="Export as JSON, not as JSON-MIN.") from error
    with workspace.lock("annotate"):
        name = f"import-{_digest(path)}"
        copy, folder = raw_folder(workspace) / f"{name}.json", raw_folder(workspace) / name
        with whole_file(copy, mode=0o600) as temporary:
            shutil.copyfile(path, temporary)
        known = known_of(workspace, {number: f"user-{number}@label-studio.export" for number in users})
        harvest(NUMBER, _with_edits(known, project_type), copy, folder)
        rows = merge(workspace, pulled_folders(workspace))
    counts = [rows[name] for name in ("ratings", "regions", "answers", "refused_answers")]
    return ImportCounts(project_type, *counts)


def _look(path: Path) -> tuple[str, set[int]]:
    """Which screen the answers were given on, and who gave them."""
    controls: set[str] = set()
    users: set[int] = set()
    for task in read_export(path):
        annotations = task.get("annotations")
        for annotation in annotations if isinstance(annotations, list) else []:
            if isinstance(annotation, dict):
                users |= {one} if isinstance(one := annotation.get("completed_by"), int) else set()
                result = annotation.get("result")
                items = result if isinstance(result, list) else []
                controls |= {str(item.get("from_name")) for item in items if isinstance(item, dict)}
    for screen, control in (("verify", interface.VERDICT), ("preference", interface.PREFERENCE)):
        if control in controls:
            return screen, users
    # Where nobody found a flaw, nothing was drawn either: the screen without ratings is known by their absence.
    if not controls & set(DIMENSIONS):
        return "regions", users
    marked = controls & {interface.POLYGONS, interface.SOURCE_POLYGONS, *interface.PLACELESS}
    return ("together" if marked else "ratings"), users


def _with_edits(known: Known, project_type: str) -> Known:
    """Edits by their own ids, too: what a task of another campaign names."""
    edits = {edit: Assignment(edit, "", project_type, edit, EDIT, 0) for edit in known.edits}
    return replace(known, items={**edits, **known.items})


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]
