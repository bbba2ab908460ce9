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
from annotation.import_file import forget_imported, imported_people, read_imports
from annotation.marks import mark_file, marks_there
from annotation.projects import EVERYBODY, Projects, tasks_of
from annotation.pseudonyms import Pseudonyms
from annotation.published import PublishedImages
from annotation.roster import Member, Roster
from editfhf.errors import BadInput
from editfhf.files import whole_file
from editfhf.workspace import Workspace

GUEST = -1  # in the place of a person's number: who answered while nobody was named has none


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
        BadInput: nobody is called so, the person to be taken back is not suspended, or too few people are left; then
            nothing was changed.
    """
    edits = edits_to_show(workspace)
    with workspace.lock("annotate"):
        roster = Roster(workspace)
        before = roster.find(name).state
        if undo and before != "suspended":
            raise BadInput(f"{name} is not suspended ({before}).", mend="`editfhf annotate people` shows who is.")
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

    Whoever answered while nobody was named is found by address or pseudonym, too.

    Raises:
        BadInput: nobody is called so.
    """
    with workspace.lock("annotate"):
        roster = Roster(workspace)
        member = _guest(workspace, client, name) or roster.find(name)
        annotator = roster.pseudonym(member)
        # The server first: a pull after a kill must not bring back what is gone here.
        removed = _erase_on_server(workspace, client, member.number, member.email)
        rows, edits = _erase_pulled(workspace, annotator)
        for project in removed:
            forget_project(workspace, project)
        assignments = [row for row in read_assignments(workspace) if row.annotator != annotator]
        workspace.write_table("assignments", assignments)
        merge(workspace, pulled_folders(workspace))
        _remove_marks(workspace)
        if member.number != GUEST:
            roster.remove(name)
        admit(workspace, client)  # the wall's file names people, too
    return Erased(annotator, rows, removed, len(edits))


def erase_imported(workspace: Workspace, name: str) -> Erased | None:
    """Remove somebody whose answers came in exports from elsewhere; no server is needed, and no later import of them
    brings the answers back.

    Args:
        name: pseudonym (also its beginning, of six digits at least), or `user-N@label-studio.export`.

    Returns:
        What was removed; None where nobody in the exports is called so.
    """
    with workspace.lock("annotate"):
        people, pseudonyms = imported_people(workspace), Pseudonyms.of(workspace)
        found = [one for one in people if _is_called(name, one, pseudonyms.of_email(name))]
        if len(found) != 1:
            return None
        rows, edits = _erase_pulled(workspace, found[0])
        forget_imported(workspace, people[found[0]])
        read_imports(workspace)
    return Erased(found[0], rows, [], len(edits))


def _guest(workspace: Workspace, client: Client, name: str) -> Member | None:
    """Somebody on the server who is not among the people of the campaign."""
    roster, pseudonyms = Roster(workspace), Pseudonyms.of(workspace)
    named = {one.email for one in roster.members}
    guests = {address.lower() for address in client.users().values()} - named
    wanted = pseudonyms.of_email(name)
    found = [one for one in sorted(guests) if _is_called(name, pseudonyms.of_email(one), wanted)]
    return Member(GUEST, found[0], "left", "") if len(found) == 1 else None


def _is_called(name: str, pseudonym: str, of_name: str) -> bool:
    return pseudonym == of_name or (len(name.strip()) >= 6 and pseudonym.startswith(name.strip().lower()))


def _erase_pulled(workspace: Workspace, annotator: str) -> tuple[dict[str, int], set[str]]:
    """Remove a person from what was pulled; returns how many rows of each table that were, and of which edits."""
    rows: dict[str, int] = {}
    edits: set[str] = set()
    for folder in pulled_folders(workspace):
        is_in = False
        for table in HARVESTED:
            path = folder / f"{table}.parquet"
            if not path.is_file():  # pulled by a version that did not know this table
                continue
            content = pq.read_table(path)
            own = content.filter(pc.equal(content["annotator"], annotator))
            if own.num_rows:
                is_in = True
                rows[table] = rows.get(table, 0) + own.num_rows
                if "edit_id" in own.schema.names:
                    edits |= set(own["edit_id"].to_pylist())
                with whole_file(path) as temporary:
                    pq.write_table(content.filter(pc.not_equal(content["annotator"], annotator)), temporary)
        if is_in and not folder.name.startswith("import-"):  # of exports that came as files see `forget_imported`
            folder.with_suffix(".json").unlink(missing_ok=True)  # as it came, with this person in it
    return rows, edits


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
        for task in tasks_of(client, project):
            for annotation in client.annotations(task.id) if task.answers else ():
                if annotation.get("completed_by") == user:
                    client.delete_annotation(annotation["id"])
    return sorted(removed)
