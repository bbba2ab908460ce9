"""The table `assignments`, renewed: whoever joined gets work, what whoever left did not do is handed on, what is done
stays."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from annotation.assignment import assign, item_id
from annotation.order import Thing, with_checks_and_repeats
from editfhf.config import AnnotationConfig
from editfhf.schema import RATING_TYPES, REGION_TYPES, Assignment, Edit, stable_id

EDIT, REPEAT, CHECK, QUALIFICATION, ADMISSION = "edit", "repeat", "check", "qualification", "admission"
# What is looked at on each kind of screen, and the setting that says by how many people.
SETTING_OF = {
    "ratings": ("edit", "raters_per_edit"),
    "regions": ("edit", "drawers_per_edit"),
    "together": ("edit", "drawers_per_edit"),
    "verify": ("region", "verifiers_per_region"),
    "preference": ("pair", "judges_per_pair"),
}
APART = {"ratings": "regions", "regions": "ratings"}  # drawing flaws colours the rating, and rating what is looked for
KNOWN_ANSWER = (CHECK, QUALIFICATION)  # roles of items whose answer is known


@dataclass(frozen=True, slots=True)
class Design:
    """How one kind of screen is handed out.

    Attributes:
        raters: people for each edit (region, pair).
        checks, repeats: share of the items; qualification: such items before a person's first edit.
        key: secret, of the item ids.
    """

    project_type: str
    raters: int
    checks: float
    repeats: float
    qualification: int
    seed: int
    key: str

    @classmethod
    def of(cls, settings: AnnotationConfig, project_type: str, key: str) -> "Design":
        """As the settings say; regions are not asked for again: drawing is dear, and agreement says as much.

        On the screens for regions and pairs nothing is mixed in: whoever answers there also rates or draws.
        """
        of_edits = project_type in (*RATING_TYPES, *REGION_TYPES)
        return cls(
            project_type,
            settings.people_per_edit(project_type),
            settings.checks if of_edits else 0.0,
            settings.repeats if project_type in RATING_TYPES else 0.0,
            settings.qualification if of_edits else 0,
            settings.seed,
            key,
        )


def renew(
    rows: Sequence[Assignment],
    things: Sequence[Thing],
    people: Sequence[str],
    done: Collection[tuple[str, str]],
    answered: Collection[str],
    check_ids: Sequence[str],
    design: Design,
    barred: Collection[tuple[str, str]] = (),
    avoided: Collection[tuple[str, str]] = (),
) -> list[Assignment]:
    """The assignments of one kind of screen, brought up to date; the same input gives the same rows.

    Args:
        rows: the assignments so far, of this kind of screen.
        things: all edits (regions, pairs) to be looked at.
        people: pseudonyms of those who get work.
        done: (edit id, pseudonym) that count as done; answers that were set aside do not.
        answered: item ids that have an answer, whoever gave it.
        check_ids: of what is known; each person gets each of them once at most.
        barred: (thing id, pseudonym) who must not look at it.
        avoided: (thing id, pseudonym) who looks at it only where nobody else is left; see `seen_elsewhere`.

    Returns:
        What was answered, and what is to be answered: in the order of people, then of positions. A person's items keep
        their positions; new ones come behind them.

    Raises:
        BadInput: fewer people than each edit needs.
    """
    wanted = {thing.id for thing in things}
    past = [row for row in rows if row.item_id in answered]
    open_rows: dict[str, list[Assignment]] = {person: [] for person in people}
    for row in sorted(rows, key=lambda row: row.position):
        if row.item_id not in answered and row.annotator in open_rows:
            open_rows[row.annotator].append(row)
    kept = {
        person: [row.edit_id for row in own if row.role == EDIT and row.edit_id in wanted]
        for person, own in open_rows.items()
    }
    seed = seed_of(design.seed, design.project_type, "who")
    todo = assign(
        things, people, design.raters, seed, done, kept, barred, avoided, design.project_type,
        *SETTING_OF.get(design.project_type, ("thing", "the number of people")),
    )  # fmt: skip
    last: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        last[row.annotator] = max(last[row.annotator], row.position)
    given: defaultdict[str, set[str]] = defaultdict(set)
    for row in past:
        given[row.annotator].add(row.edit_id)
    renewed = list(past)
    used = {row.item_id for row in past}
    for person in people:
        staying = _staying(open_rows[person], set(todo.get(person, ())), given[person])
        shown = {row.edit_id for row in staying}
        new = [thing for thing in todo.get(person, ()) if thing not in shown]
        unused = [check for check in _shuffled(check_ids, design.seed, person) if check not in given[person] | shown]
        before = [row.role for row in (*staying, *past) if row.annotator == person]
        begun = any(role != QUALIFICATION for role in before)
        lacking = max(0, design.qualification - before.count(QUALIFICATION))
        placed = with_checks_and_repeats(
            new, unused, design.checks, design.repeats, 0 if begun else lacking,
            seed_of(design.seed, design.project_type, person, str(last[person])),
        )  # fmt: skip
        renewed += staying
        used |= {row.item_id for row in staying}
        for position, (thing, role) in enumerate(placed, start=last[person] + 1):
            names = (item_id(design.key, person, design.project_type, thing, role, nth) for nth in count(1))
            name = next(one for one in names if one not in used)
            used.add(name)
            renewed.append(Assignment(name, person, design.project_type, thing, role, position))
    return sorted(renewed, key=lambda row: (row.annotator, row.position))


def seen_elsewhere(
    project_type: str, renewed: Iterable[Assignment], before: Iterable[Assignment]
) -> set[tuple[str, str]]:
    """(edit id, pseudonym) of who rates an edit that is handed out for drawing, or draws on one to be rated.

    Args:
        renewed: assignments that were brought up to date already; where there are none of the other kind, `before`.
    """
    other = APART.get(project_type)
    rows = [row for row in renewed if row.project_type == other] or before
    return {(row.edit_id, row.annotator) for row in rows if row.project_type == other}


def for_everybody(
    rows: Iterable[Assignment], things: Sequence[Thing], answered: Collection[str], design: Design
) -> list[Assignment]:
    """The assignments while no people are named: each edit once, for whoever comes; in the order of the ids, which are
    hashes: the plan's own order would give the model away."""
    renewed = {row.item_id: row for row in rows if row.item_id in answered}
    for position, thing in enumerate(sorted(things, key=lambda thing: thing.id), start=1):
        name = item_id(design.key, "", design.project_type, thing.id, EDIT, 1)
        renewed[name] = Assignment(name, "", design.project_type, thing.id, EDIT, position)
    return list(renewed.values())


def things_of(edits: Iterable[Edit], photo_of: Mapping[str, str]) -> list[Thing]:
    """Edits as what is handed out; `photo_of`: source id → the photo that it was made from."""
    return [Thing(edit.edit_id, photo_of[edit.source_id], edit.model, edit.task) for edit in edits]


def most_checks(n_things: int, n_people: int, design: Design) -> int:
    """How many known answers a person can be asked for at most: that many are made."""
    each = -(-n_things * design.raters // max(1, n_people)) + 1
    share = design.checks / max(1e-9, 1 - design.checks - design.repeats)
    return design.qualification + round(each * share) + 1


def seed_of(seed: int, *parts: str) -> int:
    """A seed of its own for each purpose."""
    return int(stable_id(str(seed), *parts), 16)


def _staying(rows: Sequence[Assignment], todo: set[str], given: set[str]) -> list[Assignment]:
    """What stays of a person's open items: edits that are still this person's, repeats of what was or will be seen."""
    staying = [row for row in rows if (row.role == EDIT and row.edit_id in todo) or row.role in KNOWN_ANSWER]
    seen = given | {row.edit_id for row in staying}
    return staying + [row for row in rows if row.role == REPEAT and row.edit_id in seen]


def _shuffled(ids: Sequence[str], seed: int, person: str) -> list[str]:
    """In an order of each person's own, so that no two talk of the third item as the strange one."""
    return sorted(ids, key=lambda one: stable_id(str(seed), person, one))
