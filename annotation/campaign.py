"""The campaign on the server: a project for each person and kind of screen, a task for each item, and no task twice."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from annotation import remote
from annotation.admission import admit
from annotation.checks import MOST_CHECKS, SORTS_OF, Check, make_checks, read_checks
from annotation.client import Client, ServerTask, is_own
from annotation.entrance import admission_rows, consent_of, held_back, standings
from annotation.erased import erased
from annotation.examples import write_examples
from annotation.guidelines import guidelines
from annotation.offers import Offers
from annotation.own_answers import answered_by_others, overlap_of
from annotation.pair_folders import take_in
from annotation.projects import CHUNK, EVERYBODY, Place, Projects, chunks, heal, item_of, tasks_of, title_of_campaign
from annotation.pseudonyms import Pseudonyms
from annotation.published import PublishedImages
from annotation.roster import Roster
from annotation.shown import Shown
from annotation.shown_regions import remember
from annotation.taxonomy import require_mapped
from annotation.worklist import ADMISSION, EDIT, Design, for_everybody, most_checks, renew, seen_elsewhere
from editfhf.config import CONFIG_NAME
from editfhf.errors import BadInput
from editfhf.schema import OWN_TABLES, PROJECT_TYPES, Assignment, Edit
from editfhf.workspace import Workspace

CHECKS_FOLDER, EXAMPLES_FOLDER = "checks", "examples"


@dataclass(frozen=True, slots=True)
class PushCounts:
    """The projects of the campaign, and what this push changed.

    Attributes:
        tasks: added; already_there: left as they were; withdrawn: unanswered ones taken from somebody.
        people: who have work; waiting: those of them who have to be admitted first (what is theirs is kept for them);
            not_admitted: who work no more than those who left, see `annotation.entrance`.
        notes: of each screen that has nothing to show, why.
    """

    projects: list[int]
    tasks: int
    already_there: int
    withdrawn: int
    people: int
    notes: tuple[str, ...] = ()
    waiting: int = 0
    not_admitted: int = 0

    def as_row(self) -> dict[str, Any]:
        return {
            "projects": self.projects, "tasks": self.tasks, "already_there": self.already_there,
            "withdrawn": self.withdrawn, "people": self.people, "waiting": self.waiting,
            "not_admitted": self.not_admitted,
        }  # fmt: skip


def push(workspace: Workspace, client: Client, pairs: Path | None = None) -> PushCounts:
    """Hand out what is to be looked at, and make the server's projects and tasks those of the assignments.

    While nobody is named (`annotate people --add`) there is one project for each kind of screen, for whoever comes;
    Label Studio's own counting of answers is not exact then (facts: with several people at once an edit may get one
    more). May be killed at any moment and run again: the server is asked what it has.

    Args:
        pairs: a folder that `editfhf pairs` wrote, whose pairs are handed out from now on on the screen `preference`.

    Raises:
        BadInput: nothing was generated yet, there are fewer people than each edit needs, no screen has anything to
            show, or the folder of pairs is none.
    """
    edits = edits_to_show(workspace)
    with workspace.lock("annotate"):
        if pairs is not None:
            _require_screen(workspace, "preference")
            take_in(workspace, pairs)
        return push_locked(workspace, client, edits)


def push_locked(workspace: Workspace, client: Client, edits: Sequence[Edit]) -> PushCounts:
    """`push` for who holds the lock already."""
    projects, roster = Projects(workspace, client), Roster(workspace)
    elsewhere = not is_own(workspace, client, title_of_campaign(workspace))
    remote.settle(workspace, client.url if elsewhere else None, bool(projects.known))
    of_each_screen = {place.project_type: project for place, project in projects.known.items()}
    there = {place: heal(client, project) for place, project in projects.known.items()}
    table = read_assignments(workspace)
    by_others = answered_by_others(client, projects.known, there, roster.members, client.users())
    answered = _answered(there, by_others)
    require_mapped(
        workspace,
        (client.project_state(one)["label_config"] for one in of_each_screen.values()),
        bool(answered) or bool(by_others),
    )
    begun = {row.annotator for row in table if row.role == EDIT and row.item_id in answered}
    standing = standings(workspace, table, begun)
    # Whoever has begun finishes; of who left or is set aside the draft stays, too, but nobody waits for it.
    may_work = {name for name, one in standing.items() if one.state != "refused"}
    finishing = {one.number for one in roster.members if roster.pseudonym(one) in may_work} | {EVERYBODY}
    # What only others answered stays that person's, who is shown it once the project takes an answer more.
    taken = answered | {
        item_of(task)
        for place, tasks in there.items()
        if place.number in finishing
        for task in [*_with_drafts(client, projects.known[place], tasks), *by_others.get(place, ())]
    }
    active = [one for one in roster.active if standing[roster.pseudonym(one)].state != "refused"]
    people = {roster.pseudonym(member): member.number for member in active}
    offers = Offers(workspace, edits)
    notes: list[str] = []
    screens = workspace.config.annotation.screens
    rows: list[Assignment] = [row for row in table if row.project_type not in (*screens, ADMISSION)]
    rows += admission_rows(workspace, table, active, answered)
    key = Pseudonyms.of(workspace).key
    for project_type in screens:
        design = Design.of(workspace.config.annotation, project_type, key)
        of_type = [row for row in table if row.project_type == project_type]
        offer = offers.of(project_type, (row.edit_id for row in of_type), bool(roster.members))
        notes += [offer.lacking] if offer.lacking else []
        if roster.members:
            done = done_pairs(workspace, client, of_type, taken, there, project_type, roster)
            checks = _checks(workspace, edits, most_checks(len(offer.things), len(people), design), design)
            ids = [one.check_id for one in checks]
            apart = seen_elsewhere(project_type, rows, table)
            with _told_of_refusals(len(roster.active) - len(active)):
                rows += renew(of_type, offer.things, list(people), done, taken, ids, design, offer.barred, apart)
        else:
            rows += for_everybody(of_type, offer.things, taken, design)
    if notes and not table and all(row.role == ADMISSION for row in rows):
        raise BadInput(notes[0])
    verified = {row.edit_id for row in rows if row.project_type == "verify"}
    if verified:
        remember(workspace, {one: row["edit_id"] for one, row in offers.lone_regions.items() if one in verified})
    # Before the tasks: a task on the server whose item nobody knows would be nobody's.
    workspace.write_table("assignments", rows)
    standing = standings(workspace, rows, begun)
    held = {row.item_id for row in rows if held_back(row, standing)} - taken
    to_make = [row for row in rows if row.item_id not in held]
    counts, tasks, kept = _make_tasks(workspace, client, projects, people, there, to_make, offers, by_others)
    if kept := kept - {row.item_id for row in rows}:
        workspace.write_table("assignments", [*rows, *(row for row in table if row.item_id in kept)])
    if roster.members:
        admit(workspace, client, projects, tasks)
    states = [standing[person].state for person in people]
    return replace(
        counts, notes=tuple(notes), waiting=states.count("waits"), not_admitted=len(roster.active) - len(active)
    )


def edits_to_show(workspace: Workspace) -> list[Edit]:
    """Every made edit whose image and photo are there.

    Raises:
        BadInput: there are none.
    """
    sources = {source.source_id for source in workspace.sources()}
    edits = [
        edit for edit in workspace.edits() if edit.source_id in sources and workspace.path_of(edit.image).is_file()
    ]
    if not edits:
        raise BadInput(
            f"{workspace.root} has no edited images to look at.",
            mend=f"Make them with `editfhf generate -w {workspace.root}`.",
        )
    return edits


def read_assignments(workspace: Workspace, role: str | None = None) -> list[Assignment]:
    """Who was to look at what, as of the last push; `role`: only items of this one."""
    table = workspace.read_table("assignments")
    if role is not None:
        table = table.filter(pc.equal(table["role"], role))
    return [Assignment(**row) for row in table.to_pylist()]


def require_projects(workspace: Workspace, client: Client) -> Projects:
    """The projects of the campaign.

    Raises:
        BadInput: there are none (not pushed yet, or deleted on the server).
    """
    projects = Projects(workspace, client)
    if not projects.known:
        raise BadInput(
            f"Label Studio at {client.url} has no project for {workspace.root}.",
            mend=f"Make it with `editfhf annotate push -w {workspace.root}`.",
        )
    return projects


def done_pairs(
    workspace: Workspace,
    client: Client,
    rows: Sequence[Assignment],
    answered: set[str],
    there: Mapping[Place, Sequence[ServerTask]],
    project_type: str,
    roster: Roster,
) -> set[tuple[str, str]]:
    """(thing, person) of all that counts as done: on the server, or brought home before its project was deleted."""
    aside = roster.screened() | erased(workspace)  # what a restored server still has of these is no answer
    done = {(row.edit_id, row.annotator) for row in rows if row.item_id in answered and row.role == EDIT}
    table, thing, _ = OWN_TABLES.get(project_type, ("answers", "edit_id", ""))
    home = workspace.read_table(table)
    if table == "answers":
        home = home.filter(pc.equal(home["project_type"], project_type))
    done |= set(zip(home[thing].to_pylist(), home["annotator"].to_pylist(), strict=True))
    shared = [task for task in there.get(Place(project_type, EVERYBODY), []) if task.answers]
    if shared:
        edit_of = {row.item_id: row.edit_id for row in rows}
        pseudonyms = Pseudonyms.of(workspace)
        names = {number: pseudonyms.of_email(email) for number, email in client.users().items()}
        for task in shared:
            authors = (names.get(one.get("completed_by") or 0, "") for one in client.annotations(task.id))
            done |= {(edit_of.get(item_of(task), ""), author) for author in authors if author}
    return {(edit, person) for edit, person in done if person and person not in aside}


@contextmanager
def _told_of_refusals(n: int) -> Iterator[None]:
    """Whoever is short of people should know that some were not admitted."""
    try:
        yield
    except BadInput as error:
        if not n:
            raise
        raise BadInput(
            f"{error.what} {n} more were not admitted: `editfhf annotate status` says why.", mend=error.mend
        ) from error


def _require_screen(workspace: Workspace, screen: str) -> None:
    if screen not in workspace.config.annotation.screens:
        raise BadInput(
            f"{workspace.root / CONFIG_NAME} has no screen for pairs.", mend=f"Add {screen} to annotation.screens."
        )


def _make_tasks(
    workspace: Workspace,
    client: Client,
    projects: Projects,
    people: Mapping[str, int],
    there: Mapping[Place, Sequence[ServerTask]],
    rows: Sequence[Assignment],
    offers: Offers,
    by_others: Mapping[Place, Sequence[ServerTask]],
) -> tuple[PushCounts, dict[int, list[int]], set[str]]:
    """What changed, the tasks of each project by their numbers, and the items that stay though they are not in `rows`:
    somebody answered them since `there` was listed, or has begun to."""
    images = PublishedImages(workspace)
    shown = Shown(workspace, offers, checks_of(workspace).values(), images)
    known = {row.item_id: row for row in rows}
    for task in (task for tasks in there.values() for task in tasks):
        if item_of(task) in known:
            shown.note(known[item_of(task)], task.data)
    texts = _guidelines(workspace, images, bool(people))
    wanted: defaultdict[Place, list[Assignment]] = defaultdict(list)
    answered = _answered(there, by_others)
    # What only others answered and its person has no more: pull still says why such an answer was refused.
    kept = {item_of(task) for tasks in by_others.values() for task in tasks}
    for row in rows:
        if row.role == ADMISSION and row.item_id in answered:  # its project stays as it was, whatever is asked by now
            continue
        if not row.annotator or row.annotator in people:
            wanted[Place(row.project_type, people.get(row.annotator, EVERYBODY))].append(row)
    added = stayed = withdrawn = 0
    is_seen = False
    numbers: defaultdict[int, list[int]] = defaultdict(list)
    shown.publish(rows)
    for place in sorted({*wanted, *there}):
        items = {row.item_id for row in wanted[place]}
        tasks = there.get(place, [])
        surplus = [task.id for task in tasks if not task.answers and item_of(task) not in items and item_of(task)]
        if surplus:  # listed again: minutes may have gone by, and an answer goes with its task, as a draft does
            now = tasks_of(client, projects.known[place])
            begun = [*(task for task in now if task.answers), *_with_drafts(client, projects.known[place], now)]
            staying = {task.id: item_of(task) for task in begun}
            kept |= {staying[number] for number in surplus if number in staying}
            surplus = [number for number in surplus if number not in staying]
        withdrawn += len(surplus)
        for chunk in chunks(surplus, CHUNK):
            client.delete_tasks(projects.known[place], chunk)
        stayed += len(tasks) - len(surplus)
        if tasks:
            numbers[projects.known[place]] = sorted({task.id for task in tasks} - set(surplus))
        have = {item_of(task) for task in tasks}
        if tasks:
            projects.retitle(place)
        if not wanted[place]:
            continue
        missing = [row for row in wanted[place] if row.item_id not in have and shown.can_show(row)]
        missing.sort(key=lambda row: row.position)
        overlap = overlap_of(by_others.get(place, ()))
        if place.number == EVERYBODY:
            overlap = workspace.config.annotation.people_per_edit(place.project_type)
        project = projects.ensure(place, overlap, texts[place.project_type], images.folder)
        images_of = (shown.an_image(row) for row in wanted[place] if shown.can_show(row))
        an_image = "" if is_seen else next(filter(None, images_of), "")
        if an_image:  # before anybody gets a task without its images
            client.require_image(an_image)
            is_seen = True
        for some in chunks(missing, CHUNK):
            numbers[project] += client.import_tasks(project, [{"data": shown.data(row)} for row in some])
        added += len(missing)
    return PushCounts(sorted(projects.known.values()), added, stayed, withdrawn, len(people)), numbers, kept


def _answered(there: Mapping[Place, Sequence[ServerTask]], by_others: Mapping[Place, Sequence[ServerTask]]) -> set[str]:
    """Items that those whom they are for have answered."""
    others_alone = {task.id for tasks in by_others.values() for task in tasks}
    return {item_of(task) for tasks in there.values() for task in tasks if task.answers and task.id not in others_alone}


def _with_drafts(client: Client, project: int, tasks: Iterable[ServerTask]) -> list[ServerTask]:
    """The tasks in which somebody has a draft."""
    drafts = set(client.tasks_with_drafts(project))
    return [task for task in tasks if task.id in drafts]


def _guidelines(workspace: Workspace, images: PublishedImages, people_are_named: bool) -> dict[str, str]:
    """What people read before they begin, by kind of screen; its pictures are made and published."""
    settings = workspace.config.annotation
    asks, checks = people_are_named and settings.consent, people_are_named and settings.vision_check
    consent = consent_of(workspace, asks and checks)
    folder = workspace.annotation_dir / EXAMPLES_FOLDER
    write_examples(folder)

    def address(name: str) -> str:
        return images.address((folder / name).relative_to(workspace.root).as_posix())

    return {one: guidelines(one, address, consent, asks, checks) for one in PROJECT_TYPES}


def checks_folder(workspace: Workspace) -> Path:
    return workspace.annotation_dir / CHECKS_FOLDER


def checks_of(workspace: Workspace) -> dict[str, Check]:
    """What is known, by its id."""
    return {check.check_id: check for check in read_checks(checks_folder(workspace))}


def _checks(workspace: Workspace, edits: Sequence[Edit], n: int, design: Design) -> list[Check]:
    """The checks of one kind of screen; made where there are too few."""
    if design.checks == 0 and design.qualification == 0:
        return []
    photos = {source.source_id: source for source in workspace.sources()}
    shown = {edit.source_id: (photos[edit.source_id], edit.instruction) for edit in edits}
    sorts = SORTS_OF[design.project_type]
    return make_checks(
        workspace, checks_folder(workspace), list(shown.values()), min(n, MOST_CHECKS), design.seed, sorts
    )
