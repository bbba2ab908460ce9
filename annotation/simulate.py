"""The rehearsal: simulated people answer on the real server, each as a user of it. They alone may read the oracle."""

import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from annotation.campaign import checks_of, edits_to_show, push_locked, read_assignments
from annotation.checks import BLOCK, Check
from annotation.client import Client, ServerTask
from annotation.interface import SCALE
from annotation.items import no_flaw_item, placeless_control, placeless_items, rating_item, region_items
from annotation.manners import mix_of
from annotation.people import Person, rng_of
from annotation.projects import Place, Projects, chunks, heal, item_of
from annotation.pseudonyms import SIMULATED_DOMAIN
from annotation.roster import Member, Roster
from annotation.worklist import KNOWN_ANSWER, REPEAT
from editfhf import oracle
from editfhf.errors import BadInput
from editfhf.flaws import FLAWS, flaw_types_of
from editfhf.geometry import trace
from editfhf.oracle import TrueFlaw, Truth
from editfhf.schema import DIMENSIONS, RATING_TYPES, REGION_KINDS, REGION_TYPES, Assignment, Edit, stable_id
from editfhf.workspace import Workspace

CHUNK = 200  # tasks whose answers go to the server in one request; a kill loses the work on one of them
# Of one flaw in many pieces a person outlines the largest.
MAX_PARTS = 3
MIN_PART = 0.0002  # share of the image

Work = tuple[Place, int, Sequence[ServerTask]]
Progress = Callable[[Sequence[Any]], Iterable[Any]]
Outlined = tuple[TrueFlaw, list[list[list[float]]]]


@dataclass(frozen=True, slots=True)
class Seen:
    """All that the simulated people can know of one edit.

    Attributes:
        size: (width, height) in pixels.
        quality: dimension → true quality, 0..100.
        flaws: (the flaw, the outlines of its parts in 0..1; none where it has no place).
    """

    edit_id: str
    size: tuple[int, int]
    quality: dict[str, float]
    flaws: list[Outlined]


@dataclass(frozen=True, slots=True)
class SimulationCounts:
    """How many people answer, how many answers this run gave, and how many edits have no truth to judge them by."""

    annotators: int
    answers: int
    left_out: int

    def as_row(self) -> dict[str, Any]:
        return {"annotators": self.annotators, "answers": self.answers, "left_out": self.left_out}


def simulate(
    workspace: Workspace,
    client: Client,
    annotators: int | None = None,
    seed: int = 0,
    mix: str = "",
    at_once: int = 1,
    track: Progress = lambda items: items,
) -> SimulationCounts:
    """Let simulated people join, hand out the work, and answer all that is theirs and not answered yet.

    Unanswered tasks are imported again, with their answers, and then the empty ones deleted: an import of hundreds is
    one request, and all of it or nothing happens. With `at_once` above 1 each answer is sent by itself instead, by so
    many people at the same time, as a browser does. May be killed at any moment and run again.

    Args:
        annotators: how many people; `annotation.simulated_annotators` of the configuration without it.
        seed: of the people and of all that they do.
        mix: see `annotation.people.mix_of`; empty: all honest.
        track: wraps the pieces of work, to show progress.

    Raises:
        BadInput: fewer people than each edit needs, nothing was generated, or a mix that cannot be.
    """
    settings = workspace.config.annotation
    n_people = annotators or settings.simulated_annotators
    needed = max(settings.people_per_edit(screen) for screen in settings.screens)
    if n_people < needed:
        raise BadInput(
            f"{n_people} annotators cannot give each edit {needed} answers.",
            mend="Simulate more, or lower `annotation.raters_per_edit` and `drawers_per_edit` in editfhf.yaml.",
        )
    manners = mix_of(mix, n_people, seed)
    edits = edits_to_show(workspace)
    with workspace.lock("annotate"):
        roster = Roster(workspace)
        people = [Person.make(number, seed, manners[number - 1]) for number in range(1, n_people + 1)]
        roster.add(email_of(person) for person in people)
        users = _make_users(client, people)
        push_locked(workspace, client, edits)
        sight = Sight(workspace, edits)
        person_of = {email_of(person): person for person in people}
        workers = [
            _Worker(client, member, person_of[member.email], users[member.email], sight, seed)
            for member in roster.active
            if member.email in person_of
        ]
        work = _work(workspace, client, {worker.member.number: worker for worker in workers}, sight)
        if at_once > 1:
            with ThreadPoolExecutor(at_once) as pool:
                n_answers = sum(pool.map(lambda one: one[0].answer_one_by_one(one[1]), track(work)))
        else:
            n_answers = sum(worker.answer_in_bulk(some) for worker, some in track(work))
    left_out = sum(not has_truth(workspace, edit.edit_id) for edit in edits)
    return SimulationCounts(n_people, n_answers, left_out)


def annotation_of(person: Person, seen: Seen, project_type: str, seed: int, nth: int = 1) -> dict[str, Any]:
    """What this person answers on this edit, as Label Studio's JSON; depends on nothing but the arguments.

    Args:
        project_type: `ratings`, `regions` or `together`; nth: the how-manieth time that the person sees it.
    """
    rng = rng_of("answer", seed, person.number, seen.edit_id, project_type, nth)
    result: list[dict[str, Any]] = []
    marked = 0
    if project_type in RATING_TYPES:
        result += [
            rating_item(dimension, person.rate(dimension, seen.quality[dimension], rng)) for dimension in DIMENSIONS
        ]
    if project_type in REGION_TYPES:
        drawn, marked = _flaws_on(person, seen, seed, rng)
        result += drawn
        if not marked and project_type == "regions":
            result.append(no_flaw_item())
    return {
        "result": result,
        "lead_time": person.seconds(marked, rng),
        "was_cancelled": False,
        "ground_truth": False,
    }


def _flaws_on(person: Person, seen: Seen, seed: int, rng: np.random.Generator) -> tuple[list[dict[str, Any]], int]:
    """What the person marks, and how many flaws that is."""
    regions: list[tuple[str, str, str, list[list[float]]]] = []
    placeless: dict[str, tuple[list[str], str]] = {}
    for flaw, outlines in seen.flaws:
        if not person.notices(flaw.severity, rng):
            continue
        flaw_type = person.name_flaw(flaw.flaw_type, rng)
        reason = person.word(flaw.description or FLAWS[flaw.flaw_type].description, flaw_type, rng)
        if outlines:
            regions += [(flaw.kind, flaw_type, reason, person.draw(outline, rng)) for outline in outlines]
        else:
            control = placeless_control(flaw.kind, flaw.extent)
            types, reasons = placeless.get(control, ([], ""))
            if flaw_type not in types:
                placeless[control] = ([*types, flaw_type], f"{reasons} {reason}".strip())
    for outline in person.imagine(rng):
        kind = str(rng.choice(REGION_KINDS))
        flaw_type = str(rng.choice(flaw_types_of(kind)))
        reason = person.word(FLAWS[flaw_type].description, flaw_type, rng, mistaken=True)
        regions.append((kind, flaw_type, reason, outline))
    result: list[dict[str, Any]] = []
    for index, (kind, flaw_type, reason, outline) in enumerate(regions):
        region = stable_id(seen.edit_id, str(person.number), str(seed), str(index))[:10]
        result += region_items(region, kind, flaw_type, reason, outline, seen.size)
    for control, (types, reason) in placeless.items():
        result += placeless_items(control, types, reason)
    return result, len(regions) + len(placeless)


class Sight:
    """What there is to see of edits and checks; each is looked up in the oracle once."""

    def __init__(self, workspace: Workspace, edits: Iterable[Edit]) -> None:
        self._workspace = workspace
        self._edits = {edit.edit_id: edit for edit in edits}
        self._checks = checks_of(workspace)
        self._seen: dict[str, Seen] = {}
        self.items = {row.item_id: row for row in read_assignments(workspace)}

    def can_judge(self, row: Assignment | None) -> bool:
        """Whether somebody knows what is wrong with what an item shows."""
        return row is not None and (row.role in KNOWN_ANSWER or has_truth(self._workspace, row.edit_id))

    def of(self, row: Assignment) -> Seen:
        if row.edit_id not in self._seen:
            known = row.role in KNOWN_ANSWER
            seen = see_check(self._checks[row.edit_id]) if known else see(self._workspace, self._edits[row.edit_id])
            self._seen[row.edit_id] = seen
        return self._seen[row.edit_id]


@dataclass(frozen=True, slots=True)
class _Worker:
    """A simulated person at work."""

    client: Client
    member: Member
    person: Person
    user: int
    sight: Sight
    seed: int

    def answer_in_bulk(self, work: Work) -> int:
        place, project, tasks = work
        fresh = [{"data": task.data, "annotations": [self._answer(place, task)]} for task in tasks]
        self.client.import_tasks(project, fresh)
        self.client.delete_tasks(project, [task.id for task in tasks])
        return len(tasks)

    def answer_one_by_one(self, work: Work) -> int:
        place, project, tasks = work
        added = 0
        for task in tasks:
            # The server takes an id of an answer only once: nothing is doubled by a run that was killed.
            name = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{project}/{item_of(task)}/{self.user}/{self.seed}"))
            added += self.client.add_annotation(task.id, self._answer(place, task) | {"unique_id": name})
        return added

    def _answer(self, place: Place, task: ServerTask) -> dict[str, Any]:
        row = self.sight.items[item_of(task)]
        seen = self.sight.of(row)
        nth = 2 if row.role == REPEAT else 1
        return annotation_of(self.person, seen, place.project_type, self.seed, nth) | {"completed_by": self.user}


def _work(
    workspace: Workspace, client: Client, workers: dict[int, _Worker], sight: Sight
) -> list[tuple[_Worker, Work]]:
    """What is still to be answered by simulated people, in pieces of at most `CHUNK` tasks."""
    work = []
    for place, project in Projects(workspace, client).known.items():
        if place.number in workers and place.project_type in {*RATING_TYPES, *REGION_TYPES}:
            tasks = [
                task
                for task in heal(client, project)
                if not task.answers and sight.can_judge(sight.items.get(item_of(task)))
            ]
            work += [(workers[place.number], (place, project, some)) for some in chunks(tasks, CHUNK)]
    return work


def see(workspace: Workspace, edit: Edit) -> Seen:
    """Look an edit up in the oracle."""
    from editfhf.true_quality import true_quality

    truth = oracle.read(workspace.oracle_dir / edit.edit_id)
    quality = true_quality(workspace.read_image(edit.image), truth)
    return Seen(edit.edit_id, (edit.width, edit.height), quality, _outlined(truth))


def see_check(check: Check) -> Seen:
    """What anybody sees of a check: what is plainly bad or right about it, and where it is broken."""
    quality = dict.fromkeys(DIMENSIONS, 50.0)
    for name, (low, high) in check.honest.items():
        quality[name] = 100.0 if high == SCALE[1] else 0.0 if low == SCALE[0] else 50.0
    flaws: list[Outlined] = []
    if check.sort in ("noise", "block"):
        left, top, right, bottom = BLOCK
        outline = [[left, top], [right, top], [right, bottom], [left, bottom]]
        noise, extent = FLAWS["texture_noise"], "whole" if check.sort == "noise" else "region"
        flaw = TrueFlaw(noise.kind, noise.id, extent, 1.0, np.zeros((0, 0), bool), "check", noise.description)
        flaws.append((flaw, [outline] if extent == "region" else []))
    return Seen(check.check_id, check.size, quality, flaws)


def has_truth(workspace: Workspace, edit_id: str) -> bool:
    return bool(edit_id) and (workspace.oracle_dir / edit_id / "flaws.json").is_file()


def email_of(person: Person) -> str:
    """The address by which everybody knows that a person is simulated."""
    return f"simulated-{person.number:02d}@{SIMULATED_DOMAIN}"


def _outlined(truth: Truth) -> list[Outlined]:
    flaws: list[Outlined] = []
    for flaw in truth.flaws:
        # People draw no holes: the outer ring is all that the labelling screen takes.
        outlines = [polygon[0] for polygon in trace(flaw.mask, min_area=MIN_PART)[:MAX_PARTS]]
        if outlines or flaw.extent != "region":
            without_mask = replace(flaw, mask=np.zeros((0, 0), bool))  # thousands are held
            flaws.append((without_mask, outlines if flaw.extent == "region" else []))
    return flaws


def _make_users(client: Client, people: Sequence[Person]) -> dict[str, int]:
    """The server's user for each person's address, made where it is missing."""
    numbers = {email: number for number, email in client.users().items()}
    for person in people:
        email = email_of(person)
        if email not in numbers:
            numbers[email] = client.create_user(email, email.split("@")[0], f"Simulated {person.number:02d}")
    return numbers
