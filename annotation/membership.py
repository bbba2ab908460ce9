"""People set aside, taken back, or forgotten: what that does to their answers, and to whose turn it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from annotation.admission import admit
from annotation.backup import earlier_copies
from annotation.campaign import PushCounts, edits_to_show, push_locked, read_assignments
from annotation.client import Client
from annotation.collect import forget_in_export, forget_project, merge, pulled_folders, read_again
from annotation.erased import erased, note_erased, of_account
from annotation.harvest import HARVESTED
from annotation.import_file import address_of, forget_in_imports, imported_people
from annotation.marks import mark_file, marks_there
from annotation.pair_folders import forget_copies
from annotation.plate_files import remove_plates
from annotation.projects import Projects
from annotation.pseudonyms import Pseudonyms
from annotation.published import PublishedImages
from annotation.roster import Member, Roster
from editfhf.errors import BadInput, JobFailed
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
        account: the person's number on the server, where the account stays; None: there is none.
    """

    annotator: str
    rows: dict[str, int]
    projects: list[int]
    edits: int
    account: int | None = None

    def as_row(self) -> dict[str, Any]:
        return {"annotator": self.annotator, **self.rows, "projects": self.projects, "edits": self.edits}


def suspend(workspace: Workspace, client: Client, name: str, undo: bool = False) -> PushCounts:
    """Set a person's answers aside (they are kept, and flagged), and hand out again what that leaves undone.

    Args:
        name: e-mail, pseudonym or number; undo: take the person back.

    Raises:
        BadInput: nobody is called so, the person to be taken back is not suspended, or too few people are left; then
            nothing was changed.
        JobFailed: the server died. The person is set aside (taken back) in the tables all the same; `suspend` again,
            or `push`, hands out what is left to hand out.
    """
    edits = edits_to_show(workspace)
    with workspace.lock("annotate"):
        roster = Roster(workspace)
        before, dealt = roster.find(name), read_assignments(workspace)
        changed = roster.take_back(name) if undo else roster.set_state(name, "suspended")
        # The flags first: they need no server, and whatever becomes of the push, the tables say what was decided.
        merge(workspace, pulled_folders(workspace))
        try:
            counts = push_locked(workspace, client, edits)
        except BadInput:
            if changed != before and read_assignments(workspace) == dealt:  # nothing was handed out anew
                roster.put_back(before)
                merge(workspace, pulled_folders(workspace))
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
        member = _find(workspace, client, name)
        annotator = roster.pseudonym(member)
        users = client.users()
        account = next((user for user, address in users.items() if address.lower() == member.email), None)
        rows = read_assignments(workspace)
        # First of all: whatever is killed from here on, no pull brings anything back. Then the server.
        own = [row.item_id for row in rows if row.annotator == annotator]
        note_erased(workspace, annotator, *own, *([] if account is None else [of_account(workspace, account)]))
        forget_copies(workspace, annotator)
        removed = _erase_on_server(workspace, client, member.number, account, member.email)
        n_rows, edits = _erase_pulled(workspace, annotator, {} if account is None else {account: member.email})
        for project in removed:
            forget_project(workspace, project)
        workspace.write_table("assignments", [row for row in rows if row.annotator != annotator])
        forget_in_imports(workspace)  # the tables follow
        _remove_marks(workspace)
        remove_plates(workspace, annotator)
        if member.number != GUEST:
            roster.remove(str(member.number))
        admit(workspace, client)  # the wall's file names people, too
    return Erased(annotator, n_rows, removed, len(edits), account)


def who_is(workspace: Workspace, name: str, connect: Callable[[], Client]) -> str:
    """Whom `erase` would remove: address and pseudonym; to be asked about before that is done.

    Args:
        connect: to the server, asked only for whoever is not among the people of the campaign.

    Raises:
        BadInput: nobody is called so.
    """
    imported = _imported(workspace, name)
    if imported is not None:
        pseudonym, user = imported
        return f"{address_of(user)} (pseudonym {pseudonym})"
    roster = Roster(workspace)
    called = roster.called(name)
    member = called[0] if len(called) == 1 else _find(workspace, connect(), name)
    number = "" if member.number == GUEST else f"number {member.number}, "
    return f"{member.email} ({number}pseudonym {roster.pseudonym(member)})"


def still_held(workspace: Workspace, gone: Erased) -> list[str]:
    """What is to be done after `erase`, by hand: each a sentence for the user."""
    notes = [
        "Now `editfhf annotate push`: it withdraws what showed the person's regions, and hands the edits out again. "
        "Then `editfhf analyze`, and build and publish again: datasets that were built before still hold the answers.",
    ]
    copies = [path.relative_to(workspace.root).as_posix() for path in earlier_copies(workspace)]
    here = f" Here lie {', '.join(copies)}." if copies else ""
    notes.append(
        "Back-ups of the server that were made before, wherever `editfhf annotate serve --backup FILE` put them, still "
        f"hold the person: remove them, and make a new one.{here} No pull takes the answers from them."
    )
    if gone.account is not None:
        notes.append(
            f"The account on the server stays, with its address: its administrator removes it (DELETE /api/users/"
            f"{gone.account}), unless other campaigns there need it."
        )
    return notes


def erase_imported(workspace: Workspace, name: str) -> Erased | None:
    """Remove somebody whose answers came in exports from elsewhere; no server is needed, and no later import of them
    brings the answers back.

    Args:
        name: pseudonym (also its beginning, of six digits at least), or `user-N@label-studio.export`.

    Returns:
        What was removed; None where nobody in the exports is called so.
    """
    with workspace.lock("annotate"):
        imported = _imported(workspace, name)
        if imported is None:
            return None
        annotator, _ = imported
        note_erased(workspace, annotator)
        forget_copies(workspace, annotator)
        rows, edits = _erase_pulled(workspace, annotator, {})
        forget_in_imports(workspace)
    return Erased(annotator, rows, [], len(edits))


def _imported(workspace: Workspace, name: str) -> tuple[str, int] | None:
    """Pseudonym and number of somebody in the exports that came as files; None where nobody, or several, are it."""
    people, pseudonyms = imported_people(workspace), Pseudonyms.of(workspace)
    found = [one for one in people if _is_called(name, one, pseudonyms.of_email(name))]
    return (found[0], people[found[0]]) if len(found) == 1 else None


def _find(workspace: Workspace, client: Client, name: str) -> Member:
    roster = Roster(workspace)
    if not roster.called(name) and (guest := _guest(workspace, client, name)):
        return guest
    return roster.find(name)


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


def _erase_pulled(workspace: Workspace, annotator: str, account: Mapping[int, str]) -> tuple[dict[str, int], set[str]]:
    """Remove a person from what was pulled; returns how many rows of each table that were, and of which edits.

    Args:
        account: the person's number on the server → e-mail; empty: not known.
    """
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
        if not folder.name.startswith("import-"):  # of exports that came as files see `forget_in_imports`
            _erase_raw(workspace, folder, is_in, account)
    return rows, edits


def _erase_raw(workspace: Workspace, folder: Path, is_in: bool, account: Mapping[int, str]) -> None:
    """Remove a person from the server's own export, also of a project that is on no server any more."""
    raw = folder.with_suffix(".json")
    try:
        if raw.is_file() and account:
            is_in |= forget_in_export(raw, account, erased(workspace)) > 0
        elif is_in:  # which of the people in it the person is cannot be told
            raw.unlink(missing_ok=True)
    except JobFailed:  # damaged: who is in it cannot be told either
        raw.unlink()
    if is_in:  # a restored server may look as it did at the last pull
        read_again(workspace, int(folder.name.removeprefix("project-")))


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


def _erase_on_server(workspace: Workspace, client: Client, number: int, account: int | None, email: str) -> list[int]:
    """Delete the person's own projects, and what the person answered in others: shared ones, those of nobody any more,
    those of other people (which counts for nothing, and is kept among what was refused)."""
    removed = []
    for place, project in Projects(workspace, client).known.items():
        if place.number == number:
            client.delete_project(project)
            removed.append(project)
        elif account is not None:
            for task in client.tasks_answered_by(project, account):
                for annotation in client.annotations(task):
                    if annotation.get("completed_by") == account:
                        client.delete_annotation(annotation["id"])
            for draft in client.drafts(project):
                if draft.email == email:
                    client.delete_draft(draft.id)
    return sorted(removed)
