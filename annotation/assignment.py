"""Who looks at what: each edit by so many people, each person an even share, and nobody moved without need."""

import hmac
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from editfhf.errors import BadInput
from editfhf.schema import ID_LENGTH, stable_id

REPEAT_AFTER = 20  # items at least between an edit and its repeat, where there are as many: it should be forgotten


@dataclass(frozen=True, slots=True)
class Thing:
    """What is handed out: an edit, with what a person's share of it is to be balanced by.

    Attributes:
        photo: edits of one photo are kept apart in a person's order.
    """

    id: str
    photo: str
    model: str
    task: str


def assign(
    things: Sequence[Thing],
    people: Sequence[str],
    raters: int,
    seed: int,
    done: Collection[tuple[str, str]] = (),
    kept: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, list[str]]:
    """What each person is still to look at, in order.

    What is to be done is shared out evenly: loads differ by one (by more only where a person has done so much of what
    is left that nobody else may). Edits go, in an order drawn by the seed, to those with the least to do, among equals
    to those who have seen the fewest of the model, then of the task.

    Args:
        things: each once.
        people: who can be asked.
        raters: different people for each thing; those of `done` count.
        done: (thing, person), also of people who have left.
        kept: person → what this person has already and has not done, in order: it stays as far as shares allow.

    Returns:
        person → ids of things: what was kept, in its order, then what is new, shuffled, edits of one photo spread
        evenly over it.

    Raises:
        BadInput: fewer people than a thing needs.
    """
    number_of = {person: number for number, person in enumerate(people)}
    by_thing: dict[str, set[str]] = {thing.id: set() for thing in things}
    for thing_id, person in done:
        if thing_id in by_thing:
            by_thing[thing_id].add(person)
    need = {thing.id: max(0, raters - len(by_thing[thing.id])) for thing in things}
    _require_enough(things, number_of, by_thing, raters)
    holders = _keep(kept or {}, number_of, need, by_thing)
    load = np.zeros(len(people), np.int64)
    models = {name: place for place, name in enumerate(sorted({thing.model for thing in things}))}
    tasks = {name: place for place, name in enumerate(sorted({thing.task for thing in things}))}
    seen_models = np.zeros((len(models), len(people)), np.int64)
    seen_tasks = np.zeros((len(tasks), len(people)), np.int64)
    for thing in things:
        for person in (*by_thing[thing.id], *holders[thing.id]):
            if person in number_of:
                seen_models[models[thing.model], number_of[person]] += 1
                seen_tasks[tasks[thing.task], number_of[person]] += 1
        for person in holders[thing.id]:
            load[number_of[person]] += 1
    new: dict[str, list[Thing]] = {person: [] for person in people}
    random = np.random.default_rng(int(stable_id(str(seed), "order of things"), 16))
    ordered = sorted(things, key=lambda one: one.id)
    for place in random.permutation(len(ordered)):
        thing = ordered[place]
        missing = need[thing.id] - len(holders[thing.id])
        if missing <= 0:
            continue
        model, task = models[thing.model], tasks[thing.task]
        barred = [number_of[one] for one in by_thing[thing.id] | set(holders[thing.id]) if one in number_of]
        rank = np.lexsort((random.random(len(people)), seen_tasks[task], seen_models[model], load))
        chosen = rank[~np.isin(rank, barred)][:missing]
        load[chosen] += 1
        seen_models[model, chosen] += 1
        seen_tasks[task, chosen] += 1
        for number in chosen:
            new[people[number]].append(thing)
    own: dict[str, list[str]] = {person: [] for person in people}
    for person, ids in (kept or {}).items():
        if person in own:
            own[person] = [one for one in dict.fromkeys(ids) if person in holders.get(one, ())]
    return {person: own[person] + spread(new[person], seed, person) for person in people}


def spread(things: Sequence[Thing], seed: int, person: str) -> list[str]:
    """An order of its own for each person: random, but edits of one photo lie evenly spread over it.

    Of m edits of a photo, one lies somewhere in each m-th part of the whole.
    """
    random = np.random.default_rng(int(stable_id(str(seed), person, "spread"), 16))
    n_of = Counter(thing.photo for thing in things)
    next_of: Counter[str] = Counter()
    offset: dict[str, float] = {}
    ordered = sorted(things, key=lambda one: one.id)
    placed = []
    for place in random.permutation(len(ordered)):
        thing = ordered[place]
        start = offset.setdefault(thing.photo, float(random.random()))
        placed.append(((next_of[thing.photo] + start) / n_of[thing.photo], thing.id))
        next_of[thing.photo] += 1
    return [thing_id for _, thing_id in sorted(placed)]


def with_checks_and_repeats(
    order: Sequence[str], check_ids: Sequence[str], checks: float, repeats: float, qualification: int, seed: int
) -> list[tuple[str, str]]:
    """What a person looks at, in order, with what is mixed in: (thing, role).

    Args:
        order: edits. check_ids: what may be used, each once.
        checks, repeats: share of all items but the qualification, 0..0.5 each; at random places.
        qualification: how many checks come before anything else.

    Returns:
        Roles as in `editfhf.schema.Assignment`. A repeat comes `REPEAT_AFTER` edits or more behind its first showing,
        or half of all edits where there are fewer than twice as many; a list of fewer than four has none.
    """
    random = np.random.default_rng(seed)
    first, rest = check_ids[:qualification], check_ids[qualification:]
    n = len(order)
    edits_share = max(1e-9, 1 - checks - repeats)
    n_checks = min(len(rest), _drawn(n * checks / edits_share, random))
    apart = min(REPEAT_AFTER, n // 2)
    n_repeats = min(_drawn(n * repeats / edits_share, random), max(0, n - apart)) if n >= 4 else 0
    placed: list[tuple[float, str, str]] = [(float(place), thing, "edit") for place, thing in enumerate(order)]
    # Behind the first edit: one before it would be known by its place.
    placed += [(float(random.uniform(0, max(n - 1, 0.5))), check, "check") for check in rest[:n_checks]]
    for place in sorted(random.choice(max(1, n - apart), n_repeats, replace=False)) if n_repeats else ():
        placed.append((float(random.uniform(place + apart, n)), order[place], "repeat"))
    return [(check, "qualification") for check in first] + [(thing, role) for _, thing, role in sorted(placed)]


def item_id(key: str, annotator: str, project_type: str, thing_id: str, role: str, nth: int) -> str:
    """16 hex digits that tell nothing without the key; the same for the same arguments."""
    text = "\x1f".join((annotator, project_type, thing_id, role, str(nth)))
    return hmac.new(key.encode(), text.encode(), sha256).hexdigest()[:ID_LENGTH]


def _drawn(expected: float, random: np.random.Generator) -> int:
    """A whole number with this mean, so that shares hold also in short lists."""
    return int(expected) + int(random.random() < expected - int(expected))


def _require_enough(
    things: Sequence[Thing], number_of: Mapping[str, int], by_thing: Mapping[str, set[str]], raters: int
) -> None:
    for thing in things:
        there = len(by_thing[thing.id] | number_of.keys()) if by_thing[thing.id] else len(number_of)
        if there < raters:
            raise BadInput(
                f"Each edit needs {raters} different people, and there are {there} for {thing.id}.",
                mend=f"Let {raters - there} more join (`editfhf annotate people --add`), or lower raters_per_edit or "
                "drawers_per_edit in editfhf.yaml.",
            )


def _keep(
    kept: Mapping[str, Sequence[str]],
    number_of: Mapping[str, int],
    need: Mapping[str, int],
    by_thing: Mapping[str, set[str]],
) -> dict[str, list[str]]:
    """Thing → who keeps it: nobody more than an even share, nothing by more than it needs.

    What somebody has too much of is let go from the end of the list, but first what nobody else has let go: a newcomer
    can look only once at what two others drop.
    """
    held: dict[str, dict[str, None]] = {}
    holders: dict[str, list[str]] = {thing: [] for thing in need}
    for person in sorted(number_of.keys() & kept.keys()):
        held[person] = dict.fromkeys(one for one in kept[person] if one in need and person not in by_thing[one])
        for thing in held[person]:
            holders[thing].append(person)

    def let_go(thing: str, person: str) -> None:
        holders[thing].remove(person)
        del held[person][thing]

    for thing, those in holders.items():
        while len(those) > need[thing]:
            let_go(thing, max(those, key=lambda one: (len(held[one]), one)))
    share, spare = divmod(sum(need.values()), max(1, len(number_of)))
    for person, own in held.items():
        # An even share rounded up for all would leave nothing for the last.
        one_more = int(spare > 0 and len(own) > share)
        spare -= one_more
        from_end = list(reversed(own))
        from_end.sort(key=lambda one: need[one] - len(holders[one]))
        for thing in from_end[: max(0, len(own) - share - one_more)]:
            let_go(thing, person)
    return holders
