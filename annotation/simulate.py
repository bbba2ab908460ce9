"""The rehearsal: simulated people answer on the real server, each as a user of it. They alone may read the oracle."""

import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from annotation.campaign import edits_to_show, push_locked
from annotation.client import Client, ServerTask
from annotation.collect import pull_locked
from annotation.erased import erased
from annotation.interface import AGREES, CONSENT, PLATE_ANSWERS
from annotation.items import (
    admission_items,
    no_flaw_item,
    placeless_control,
    placeless_items,
    preference_item,
    rating_item,
    region_items,
    verdict_items,
)
from annotation.manners import mix_of
from annotation.people import Person, rng_of
from annotation.projects import Place, Projects, chunks, heal, item_of
from annotation.pseudonyms import SIMULATED_DOMAIN, Pseudonyms
from annotation.roster import Member, Roster
from annotation.sight import Look, Seen, SeenEntrance, SeenPair, SeenRegion, Sight, has_truth
from annotation.worklist import REPEAT
from editfhf.errors import BadInput
from editfhf.flaws import FLAWS, flaw_types_of
from editfhf.schema import DIMENSIONS, RATING_TYPES, REGION_KINDS, REGION_TYPES, stable_id
from editfhf.workspace import Workspace

VERIFY_S, PREFER_S = 7.0, 10.0  # seconds that an unhurried person looks at one region, at two images
ENTRANCE_S = 90.0  # and takes for consent and plates
CHUNK = 200  # tasks whose answers go to the server in one request; a kill loses the work on one of them

Work = tuple[Place, int, Sequence[ServerTask]]
Progress = Callable[[Sequence[Any]], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class SimulationCounts:
    """How many people answer, how many answers this run gave, and how many edits have no truth to judge them by.

    not_admitted: people who did not pass what comes before the first edit, and so got none.
    """

    annotators: int
    answers: int
    left_out: int
    not_admitted: int = 0

    def as_row(self) -> dict[str, Any]:
        return {
            "annotators": self.annotators, "answers": self.answers, "left_out": self.left_out,
            "not_admitted": self.not_admitted,
        }  # fmt: skip


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

    Where they have to be admitted first, they are, as far as they pass: what they answered is pulled, and pushed again.

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
    # A region is not verified by whom drew it.
    needed = max(settings.people_per_edit(screen) + (screen == "verify") for screen in settings.screens)
    if n_people < needed:
        raise BadInput(
            f"{n_people} annotators cannot give each edit {needed} answers.",
            mend="Simulate more, or lower `annotation.raters_per_edit`, `drawers_per_edit`, `verifiers_per_region` or "
            "`judges_per_pair` in editfhf.yaml.",
        )
    manners = mix_of(mix, n_people, seed)
    edits = edits_to_show(workspace)
    with workspace.lock("annotate"):
        roster = Roster(workspace)
        people = [Person.make(number, seed, manners[number - 1]) for number in range(1, n_people + 1)]
        gone = erased(workspace)  # who was erased in this rehearsal stays away
        people = [person for person in people if Pseudonyms.of(workspace).of_email(email_of(person)) not in gone]
        roster.add(email_of(person) for person in people)
        users = _make_users(client, people)
        person_of = {email_of(person): person for person in people}

        def answer_all() -> int:
            sight = Sight(workspace, edits)
            workers = {
                member.number: _Worker(client, member, person_of[member.email], users[member.email], sight, seed)
                for member in roster.active
                if member.email in person_of
            }
            work = _work(workspace, client, workers, sight)
            if at_once > 1:
                with ThreadPoolExecutor(at_once) as pool:
                    return sum(pool.map(lambda one: one[0].answer_one_by_one(one[1]), track(work)))
            return sum(worker.answer_in_bulk(some) for worker, some in track(work))

        counts = push_locked(workspace, client, edits)
        n_answers = answer_all()
        if counts.waiting:  # what comes first is answered: who passed gets the edits
            pull_locked(workspace, client)
            counts = push_locked(workspace, client, edits)
            n_answers += answer_all()
    left_out = sum(not has_truth(workspace, edit.edit_id) for edit in edits)
    return SimulationCounts(len(people), n_answers, left_out, counts.not_admitted)


def annotation_of(person: Person, seen: Look, project_type: str, seed: int, nth: int = 1) -> dict[str, Any]:
    """What this person answers, as Label Studio's JSON; depends on nothing but the arguments.

    Args:
        seen: an edit on the screens `ratings`, `regions` and `together`, a region on `verify`, a pair on `preference`,
            what is asked first on `admission`.
        nth: the how-manieth time that the person sees it.
    """
    if isinstance(seen, SeenEntrance):
        rng = rng_of("answer", seed, person.number, project_type, nth)
        said = {CONSENT: AGREES} if seen.asks_consent else {}
        for control, right in seen.plates.items():
            said[control] = person.read(right, list(PLATE_ANSWERS[control]), rng)
        return _annotation(admission_items(said), person.seconds(0, rng, ENTRANCE_S))
    if isinstance(seen, SeenRegion):
        rng = rng_of("answer", seed, person.number, seen.region_id, project_type, nth)
        flaw = seen.flaw
        verdict = verdict_items(person.verify(flaw.flaw_type if flaw else None, flaw.severity if flaw else 0.0, rng))
        return _annotation(verdict, person.seconds(0, rng, VERIFY_S))
    if isinstance(seen, SeenPair):
        rng = rng_of("answer", seed, person.number, seen.pair_id, project_type, nth)
        return _annotation(
            [preference_item(person.prefer(seen.left, seen.right, rng))], person.seconds(0, rng, PREFER_S)
        )
    return _annotation(*_on_edit(person, seen, project_type, seed, nth))


def _on_edit(person: Person, seen: Seen, project_type: str, seed: int, nth: int) -> tuple[list[dict[str, Any]], float]:
    """What the person answers on an edit, and the seconds that it takes."""
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
    return result, person.seconds(marked, rng)


def _annotation(result: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    return {"result": result, "lead_time": seconds, "was_cancelled": False, "ground_truth": False}


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
        seen = self.sight.of(row, task.data)
        nth = 2 if row.role == REPEAT else 1
        person = self.person.after(row.position - 1)
        return annotation_of(person, seen, place.project_type, self.seed, nth) | {"completed_by": self.user}


def _work(
    workspace: Workspace, client: Client, workers: dict[int, _Worker], sight: Sight
) -> list[tuple[_Worker, Work]]:
    """What is still to be answered by simulated people, in pieces of at most `CHUNK` tasks."""
    work = []
    for place, project in Projects(workspace, client).known.items():
        if place.number in workers:
            tasks = [
                task
                for task in heal(client, project)
                if not task.answers and sight.can_judge(sight.items.get(item_of(task)))
            ]
            work += [(workers[place.number], (place, project, some)) for some in chunks(tasks, CHUNK)]
    return work


def email_of(person: Person) -> str:
    """The address by which everybody knows that a person is simulated."""
    return f"simulated-{person.number:02d}@{SIMULATED_DOMAIN}"


def _make_users(client: Client, people: Sequence[Person]) -> dict[str, int]:
    """The server's user for each person's address, made where it is missing."""
    numbers = {email: number for number, email in client.users().items()}
    for person in people:
        email = email_of(person)
        if email not in numbers:
            numbers[email] = client.create_user(email, email.split("@")[0], f"Simulated {person.number:02d}")
    return numbers
