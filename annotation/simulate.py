"""The rehearsal: simulated people answer on the real server, each as a user of it. They alone may read the oracle."""

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from annotation import interface
from annotation.campaign import chunks, heal, project_of
from annotation.client import Client, ServerTask
from annotation.collect import fetch_export, read_export
from annotation.items import choice_item, placeless_control, placeless_items, region_items
from annotation.people import Person, rng_of, word_reason
from annotation.pseudonyms import SIMULATED_DOMAIN
from editfhf import oracle
from editfhf.errors import BadInput
from editfhf.flaws import FLAWS, flaw_types_of
from editfhf.geometry import trace
from editfhf.oracle import TrueFlaw, Truth
from editfhf.schema import DIMENSIONS, REGION_KINDS, Edit, stable_id
from editfhf.workspace import Workspace

CHUNK = 20  # tasks whose answers go to the server in one request; a kill loses the work on one of them
# Of one flaw in many pieces a person outlines the largest.
MAX_PARTS = 3
MIN_PART = 0.0002  # share of the image

Progress = Callable[[Sequence[Any]], Iterable[Any]]


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
    flaws: list[tuple[TrueFlaw, list[list[list[float]]]]]


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
    track: Progress = lambda items: items,
) -> SimulationCounts:
    """Give every task the answers that it still lacks.

    Unanswered tasks are imported again, with their answers, and then the empty ones deleted: an import of hundreds is
    one request, and all of it or nothing happens. Tasks that have answers get the missing ones one by one. May be
    killed at any moment and run again.

    Args:
        annotators: how many people; `annotation.simulated_annotators` of the configuration without it.
        seed: of the people and of all that they do.
        track: wraps the chunks of tasks, to show progress.

    Raises:
        BadInput: fewer people than each edit needs, or nothing was pushed.
    """
    settings = workspace.config.annotation
    n_people = annotators or settings.simulated_annotators
    if n_people < settings.raters_per_edit:
        raise BadInput(
            f"{n_people} annotators cannot give each edit {settings.raters_per_edit} answers.",
            mend="Simulate more, or lower `annotation.raters_per_edit` in editfhf.yaml.",
        )
    with workspace.lock("annotate"):
        project = project_of(workspace, client)
        tasks = heal(client, project)
        people = _make_users(client, [Person.make(number, seed) for number in range(1, n_people + 1)])
        edits = {edit.edit_id: edit for edit in workspace.edits()}
        answerable = [task for task in tasks if has_truth(workspace, task.edit_id) and task.edit_id in edits]
        answered_by = _answered_by(workspace, client, project) if any(task.answers for task in tasks) else {}
        assigned = assign(
            [task.edit_id for task in answerable], answered_by, sorted(people), settings.raters_per_edit, seed
        )
        todo = [task for task in answerable if assigned[task.edit_id]]
        n_answers = 0
        for chunk in track(chunks(todo, CHUNK)):
            n_answers += _answer(workspace, client, project, chunk, edits, assigned, people, seed)
    return SimulationCounts(n_people, n_answers, len(tasks) - len(answerable))


def assign(
    edit_ids: Sequence[str], answered_by: dict[str, set[int]], users: Sequence[int], raters: int, seed: int
) -> dict[str, list[int]]:
    """Who answers what: every edit gets `raters` different people, and each person about as many edits as any other.

    Args:
        edit_ids: in the order in which they will be answered.
        answered_by: edit → users that have answered it already; they count.
        users: who can be asked.

    Returns:
        edit → users still to answer it (none where it has enough).
    """
    load = Counter(user for edit_id in edit_ids for user in answered_by.get(edit_id, ()))
    assigned = {}
    for edit_id in edit_ids:
        have = answered_by.get(edit_id, set())
        free = [user for user in users if user not in have]
        free.sort(key=lambda user: (load[user], stable_id(str(seed), edit_id, str(user))))
        assigned[edit_id] = free[: max(0, raters - len(have))]
        load.update(assigned[edit_id])
    return assigned


def annotation_of(person: Person, seen: Seen, seed: int) -> dict[str, Any]:
    """What this person answers on this edit, as Label Studio's JSON; depends on nothing but the three arguments."""
    rng = rng_of("answer", seed, person.number, seen.edit_id)
    result = [
        choice_item(dimension, dimension, [interface.GRADES[person.rate(dimension, seen.quality[dimension], rng) - 1]])
        for dimension in DIMENSIONS
    ]
    regions: list[tuple[str, str, str, list[list[float]]]] = []
    placeless: dict[str, tuple[list[str], str]] = {}
    for flaw, outlines in seen.flaws:
        if not person.notices(flaw.severity, rng):
            continue
        flaw_type = person.name_flaw(flaw.flaw_type, rng)
        reason = word_reason(flaw.description or FLAWS[flaw.flaw_type].description, flaw_type, rng)
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
        reason = word_reason(FLAWS[flaw_type].description, flaw_type, rng, mistaken=True)
        regions.append((kind, flaw_type, reason, outline))
    for index, (kind, flaw_type, reason, outline) in enumerate(regions):
        region = stable_id(seen.edit_id, str(person.number), str(seed), str(index))[:10]
        result += region_items(region, kind, flaw_type, reason, outline, seen.size)
    for control, (types, reason) in placeless.items():
        result += placeless_items(control, types, reason)
    return {
        "result": result,
        "lead_time": person.seconds(len(regions) + len(placeless), rng),
        "was_cancelled": False,
        "ground_truth": False,
    }


def see(workspace: Workspace, edit: Edit) -> Seen:
    """Look an edit up in the oracle."""
    from editfhf.true_quality import true_quality

    truth = oracle.read(workspace.oracle_dir / edit.edit_id)
    quality = true_quality(workspace.read_image(edit.image), truth)
    return Seen(edit.edit_id, (edit.width, edit.height), quality, _outlined(truth))


def has_truth(workspace: Workspace, edit_id: str) -> bool:
    return bool(edit_id) and (workspace.oracle_dir / edit_id / "flaws.json").is_file()


def _outlined(truth: Truth) -> list[tuple[TrueFlaw, list[list[list[float]]]]]:
    flaws = []
    for flaw in truth.flaws:
        # People draw no holes: the outer ring is all that the labelling screen takes.
        outlines = [polygon[0] for polygon in trace(flaw.mask, min_area=MIN_PART)[:MAX_PARTS]]
        if outlines or flaw.extent != "region":
            flaws.append((flaw, outlines if flaw.extent == "region" else []))
    return flaws


def _answer(
    workspace: Workspace,
    client: Client,
    project: int,
    tasks: Sequence[ServerTask],
    edits: dict[str, Edit],
    assigned: dict[str, list[int]],
    people: dict[int, Person],
    seed: int,
) -> int:
    fresh = []
    n_answers = 0
    for task in tasks:
        seen = see(workspace, edits[task.edit_id])
        answers = [annotation_of(people[user], seen, seed) | {"completed_by": user} for user in assigned[task.edit_id]]
        n_answers += len(answers)
        if task.answers == 0:
            fresh.append({"data": task.data, "annotations": answers})
            continue
        for answer in answers:
            # The server takes an id of an answer only once: nothing is doubled by a run that was killed.
            name = f"{project}/{task.id}/{answer['completed_by']}/{seed}"
            client.add_annotation(task.id, answer | {"unique_id": str(uuid.uuid5(uuid.NAMESPACE_OID, name))})
    client.import_tasks(project, fresh)
    client.delete_tasks(project, [task.id for task in tasks if task.answers == 0])
    return n_answers


def _make_users(client: Client, people: Sequence[Person]) -> dict[int, Person]:
    """The server's user for each person, made where it is missing."""
    numbers = {email: number for number, email in client.users().items()}
    users = {}
    for person in people:
        email = f"simulated-{person.number:02d}@{SIMULATED_DOMAIN}"
        if email not in numbers:
            numbers[email] = client.create_user(email, email.split("@")[0], f"Simulated {person.number:02d}")
        users[numbers[email]] = person
    return users


def _answered_by(workspace: Workspace, client: Client, project: int) -> dict[str, set[int]]:
    return dict(_authors(read_export(fetch_export(workspace, client, project))))


def _authors(tasks: Iterator[dict[str, Any]]) -> Iterator[tuple[str, set[int]]]:
    for task in tasks:
        yield task["data"].get("edit_id", ""), {annotation["completed_by"] for annotation in task["annotations"]}
