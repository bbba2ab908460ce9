"""People set aside, taken back, or forgotten: what that does to their answers, and to whose turn it is."""

from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from annotation.admission import admit
from annotation.campaign import PushCounts, edits_to_show, push_locked, read_assignments
from annotation.client import Client
from annotation.collect import forget_project, merge, pulled_folders, raw_folder
from annotation.harvest import HARVESTED
from annotation.marks import mark_file, marks_there
from annotation.projects import EVERYBODY, Projects
from annotation.published import PublishedImages
from annotation.roster import Roster
from editfhf.files import whole_file
from editfhf.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Erased:
    """What was removed of a person, and what that changes.

    Attributes:
        rows: table → how many rows of this person's.
        projects: on the server, with all answers in them.
        edits: that lost an answer: scores, consensus and every dataset built of them change.
    """

    annotator: str
    rows: dict[str, int]
    projects: list[int]
    edits: int

    def as_row(self) -> dict[str, Any]:
        return {"annotator": self.annotator, **self.rows, "projects": self.projects, "edits": self.edits}


def suspend(workspace: Workspace, client: Client, name: str, undo: bool = False) -> PushCounts:
    """Set a person's answers aside (they are kept, and flagged), and hand out again what that leaves undone.

    Args:
        name: e-mail, pseudonym or number; undo: take the person back.

    Raises:
        BadInput: nobody is called so, or too few people are left; then nothing was changed.
    """
    edits = edits_to_show(workspace)
    with workspace.lock("annotate"):
        roster = Roster(workspace)
        before = roster.find(name).state
        roster.set_state(name, "active" if undo else "suspended")
        try:
            counts = push_locked(workspace, client, edits)
        except BaseException:
            roster.set_state(name, before)
            raise
        merge(workspace, pulled_folders(workspace))
    return counts


def erase(workspace: Workspace, client: Client, name: str) -> Erased:
    """Remove a person's answers everywhere: on the server, in what was pulled, in the tables. It cannot be undone.

    Datasets that were built before still hold them: build and publish again.

    Raises:
        BadInput: nobody is called so.
    """
    with workspace.lock("annotate"):
        roster = Roster(workspace)
        member = roster.find(name)
        annotator = roster.pseudonym(member)
        # The server first: a pull after a kill must not bring back what is gone here.
        removed = _erase_on_server(workspace, client, member.number, member.email)
        rows: dict[str, int] = {}
        edits: set[str] = set()
        for folder in pulled_folders(workspace):
            for table in HARVESTED:
                path = folder / f"{table}.parquet"
                content = pq.read_table(path)
                own = content.filter(pc.equal(content["annotator"], annotator))
                if own.num_rows:
                    rows[table] = rows.get(table, 0) + own.num_rows
                    if "edit_id" in own.schema.names:
                        edits |= set(own["edit_id"].to_pylist())
                    with whole_file(path) as temporary:
                        pq.write_table(content.filter(pc.not_equal(content["annotator"], annotator)), temporary)
        for project in removed:
            forget_project(workspace, project)
        assignments = [row for row in read_assignments(workspace) if row.annotator != annotator]
        workspace.write_table("assignments", assignments)
        merge(workspace, pulled_folders(workspace))
        _remove_marks(workspace)
        roster.remove(name)
        admit(workspace, client)  # the wall's file names people, too
    return Erased(annotator, rows, removed, len(edits))


def _remove_marks(workspace: Workspace) -> None:
    """The images on which a region is outlined that is no more."""
    marks = marks_there(workspace)
    if not marks:
        return
    regions = set(workspace.read_table("regions")["region_id"].to_pylist())
    images = PublishedImages(workspace)
    for path in marks:
        if path.stem not in regions:
            images.withdraw(mark_file(workspace, path.stem))
            path.unlink()


def _erase_on_server(workspace: Workspace, client: Client, number: int, email: str) -> list[int]:
    """Delete the person's own projects, and what the person answered in shared ones."""
    users = {address.lower(): user for user, address in client.users().items()}
    user = users.get(email)
    removed = []
    for place, project in Projects(workspace, client).known.items():
        if place.number == number:
            client.delete_project(project)
            removed.append(project)
            continue
        if place.number != EVERYBODY or user is None:
            continue
        # As it came, with this person in it.
        (raw_folder(workspace) / f"project-{project}.json").unlink(missing_ok=True)
        for task in client.tasks(project):
            for annotation in client.annotations(task.id) if task.answers else ():
                if annotation.get("completed_by") == user:
                    client.delete_annotation(annotation["id"])
    return sorted(removed)
