"""Who looks at what: each edit by so many people, each person an even share, and nobody moved without need."""

import hmac
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_array

from annotation.order import REPEAT_AFTER, Thing, spread, with_checks_and_repeats
from editfhf.errors import BadInput
from editfhf.schema import ID_LENGTH, stable_id

__all__ = ["REPEAT_AFTER", "Thing", "assign", "item_id", "spread", "with_checks_and_repeats"]

EVEN_AT_LAST = 8  # things for each person, the last that are dealt: what came before may balance models and tasks
MOST_DEVIATION = 2.0  # things too many of a model or task, that weigh as much as things too many in all


def assign(
    things: Sequence[Thing],
    people: Sequence[str],
    raters: int,
    seed: int,
    done: Collection[tuple[str, str]] = (),
    kept: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, list[str]]:
    """What each person is still to look at, in order.

    Things are dealt out, in an order drawn by the seed, to those with the least to do and the fewest of this model and
    task for what they have seen; what they did counts. Then loads are levelled: as long as somebody has two more than
    somebody else, a thing is handed on, over others where need be. So loads differ by one, and by more only where no
    exchange could make them more even (who did most of what is left may not do it again).

    Args:
        things: each once.
        people: who can be asked.
        raters: different people for each thing; those of `done` count.
        done: (thing, person), also of people who have left.
        kept: person → what this person has already and has not done, in order: it stays as far as shares allow.

    Returns:
        person → ids of things: what was kept, in its order, then what is new, shuffled, edits of one photo far apart
        (`spread` says how far).

    Raises:
        BadInput: fewer people than a thing needs.
    """
    ordered = sorted(things, key=lambda one: one.id)
    did: dict[str, set[str]] = {thing.id: set() for thing in ordered}
    for thing_id, person in done:
        if thing_id in did:
            did[thing_id].add(person)
    need = {thing: max(0, raters - len(those)) for thing, those in did.items()}
    _require_enough(did, people, raters)
    held = _keep(kept or {}, ordered, people, need, did)
    holders: dict[str, set[str]] = {thing: set() for thing in did}
    for person, ids in held.items():
        for thing_id in ids:
            holders[thing_id].add(person)
    _deal(ordered, people, need, did, holders, np.random.default_rng(int(stable_id(str(seed), "order of things"), 16)))
    _level(people, did, holders, held)
    has: dict[str, list[Thing]] = {person: [] for person in people}
    for thing in ordered:
        for person in holders[thing.id]:
            has[person].append(thing)
    todo = {}
    for person, own in has.items():
        photo_of = {thing.id: thing.photo for thing in own}
        stays = [one for one in held[person] if one in photo_of]
        new = [thing for thing in own if thing.id not in held[person]]
        todo[person] = stays + spread(new, seed, person, [photo_of[one] for one in stays])
    return todo


def item_id(key: str, annotator: str, project_type: str, thing_id: str, role: str, nth: int) -> str:
    """16 hex digits that tell nothing without the key; the same for the same arguments."""
    text = "\x1f".join((annotator, project_type, thing_id, role, str(nth)))
    return hmac.new(key.encode(), text.encode(), sha256).hexdigest()[:ID_LENGTH]


def _require_enough(did: Mapping[str, set[str]], people: Sequence[str], raters: int) -> None:
    everybody = set(people)
    for thing, those in did.items():
        there = len(those | everybody) if those else len(everybody)
        if there < raters:
            raise BadInput(
                f"Each edit needs {raters} different people, and there are {there} for {thing}.",
                mend=f"Let {raters - there} more join (`editfhf annotate people --add`), or lower raters_per_edit or "
                "drawers_per_edit in editfhf.yaml.",
            )


def _keep(
    kept: Mapping[str, Sequence[str]],
    things: Sequence[Thing],
    people: Sequence[str],
    need: Mapping[str, int],
    did: Mapping[str, set[str]],
) -> dict[str, dict[str, None]]:
    """Person → what stays with this person, in its order: nobody more than an even share, nothing more than it needs.

    Who has too much lets go first what nobody else has let go, since a newcomer can look only once at what two others
    drop; of that, equal parts of each model and task, each from the end.
    """
    trait_of = {thing.id: (("model", thing.model), ("task", thing.task)) for thing in things}
    held: dict[str, dict[str, None]] = {
        person: dict.fromkeys(one for one in kept.get(person, ()) if one in need and person not in did[one])
        for person in people
    }
    holders: dict[str, list[str]] = {thing: [] for thing in need}
    for person in sorted(held):
        for thing in held[person]:
            holders[thing].append(person)

    def let_go(thing: str, person: str) -> None:
        holders[thing].remove(person)
        del held[person][thing]

    for thing, those in holders.items():
        while len(those) > need[thing]:
            let_go(thing, max(those, key=lambda one: (len(held[one]), one)))
    share, spare = divmod(sum(need.values()), max(1, len(people)))
    for person in sorted(held, key=lambda one: (-len(held[one]), one)):
        own = held[person]
        # An even share rounded up for all would leave nothing for the last.
        one_more = int(spare > 0 and len(own) > share)
        spare -= one_more
        too_many = len(own) - share - one_more
        if too_many <= 0:
            continue
        of_trait = Counter(trait for thing in own for trait in trait_of[thing])
        from_end: Counter[tuple[str, str]] = Counter()
        order = []
        for thing in reversed(own):
            from_end.update(trait_of[thing])
            part = sum(from_end[trait] / of_trait[trait] for trait in trait_of[thing])
            order.append((need[thing] - len(holders[thing]), part, thing))
        for _, _, thing in sorted(order)[:too_many]:
            let_go(thing, person)
    return held


class _Balance:
    """How many too many of each model, or of each task, everybody has seen, for what they have seen in all."""

    def __init__(self, names: Sequence[str], n_people: int) -> None:
        self._row = {name: row for row, name in enumerate(sorted(set(names)))}
        counts = Counter(names)
        self._share = np.array([counts[name] / len(names) for name in self._row])
        self._seen = np.zeros((len(self._row), n_people))
        self._all = np.zeros(n_people)

    def add(self, name: str, numbers: Sequence[int] | np.ndarray) -> None:
        """Different people have seen one more."""
        self._seen[self._row[name], numbers] += 1
        self._all[numbers] += 1

    def too_many(self, name: str) -> np.ndarray:
        row = self._row[name]
        return self._seen[row] - self._share[row] * self._all


def _deal(
    things: Sequence[Thing],
    people: Sequence[str],
    need: Mapping[str, int],
    did: Mapping[str, set[str]],
    holders: Mapping[str, set[str]],
    random: np.random.Generator,
) -> None:
    """Deal out what is needed beyond what is held: `holders` grow."""
    number_of = {person: number for number, person in enumerate(people)}
    models = _Balance([thing.model for thing in things], len(people))
    tasks = _Balance([thing.task for thing in things], len(people))
    load = np.zeros(len(people))
    barred = {}
    for thing in things:
        holding = [number_of[one] for one in holders[thing.id]]
        barred[thing.id] = holding + [number_of[one] for one in did[thing.id] if one in number_of]
        models.add(thing.model, barred[thing.id])
        tasks.add(thing.task, barred[thing.id])
        load[holding] += 1
    left = sum(need[thing.id] - len(holders[thing.id]) for thing in things)
    for place in random.permutation(len(things)):
        thing = things[place]
        missing = need[thing.id] - len(holders[thing.id])
        if missing <= 0:
            continue
        of_model, of_task = models.too_many(thing.model), tasks.too_many(thing.task)
        if left > EVEN_AT_LAST * len(people):
            cost = load + sum(np.clip(one, -MOST_DEVIATION, MOST_DEVIATION) for one in (of_model, of_task))
            cost += random.random(len(people)) / 2
        else:
            cost = np.empty(len(people))
            cost[np.lexsort((random.random(len(people)), of_model + of_task, load))] = np.arange(len(people))
        cost[barred[thing.id]] = np.inf
        chosen = np.argsort(cost)[:missing]
        load[chosen] += 1
        models.add(thing.model, chosen)
        tasks.add(thing.task, chosen)
        holders[thing.id].update(people[number] for number in chosen)
        left -= missing


def _level(
    people: Sequence[str],
    did: Mapping[str, set[str]],
    holders: Mapping[str, set[str]],
    held: Mapping[str, Mapping[str, None]],
) -> None:
    """Hand things on from those who have more to those who have less, as long as that makes loads more even.

    The loads are the most even that there can be when no chain of people is left along which each may hand a thing to
    the next, from somebody to somebody with two fewer (a minimum-cost flow without a negative cycle).
    """
    number_of = {person: number for number, person in enumerate(people)}
    has: list[set[str]] = [set() for _ in people]
    over: list[set[str]] = [set() for _ in people]  # what a person does not take: it is there, or done
    for thing in did:
        for person in holders[thing]:
            has[number_of[person]].add(thing)
        for person in holders[thing] | (did[thing] & number_of.keys()):
            over[number_of[person]].add(thing)
    while people and max(map(len, has)) - min(map(len, has)) >= 2:
        chain = _chain([len(own) for own in has], _takes_from(has, over, did))
        if not chain:
            return
        for giver, taker in pairwise(chain):
            # What is new to the giver, where there is such a thing: what was kept lies on the server already.
            thing = min(has[giver] - over[taker], key=lambda one: (one in held[people[giver]], one))
            for own in (has, over):
                own[giver].remove(thing)
                own[taker].add(thing)
            holders[thing].remove(people[giver])
            holders[thing].add(people[taker])


def _takes_from(has: Sequence[set[str]], over: Sequence[set[str]], things: Collection[str]) -> np.ndarray:
    """Whether the row's person has something that the column's may take: bool, people × people."""
    column = {thing: number for number, thing in enumerate(things)}
    rows_of = []
    for own in (has, over):
        columns = [column[thing] for ids in own for thing in ids]
        ends = np.cumsum([0, *map(len, own)])
        rows_of.append(csr_array((np.ones(len(columns)), columns, ends), shape=(len(own), len(column))))
    shared = (rows_of[0] @ rows_of[1].T).toarray()
    return np.asarray(shared < np.array([len(own) for own in has])[:, None])


def _chain(loads: Sequence[int], takes: np.ndarray) -> list[int]:
    """The shortest way from somebody with as much as possible to somebody with two fewer; empty where there is none."""
    for start in sorted(range(len(loads)), key=lambda one: -loads[one]):
        ways = {start: [start]}
        reached = [start]
        for at in reached:
            if loads[at] <= loads[start] - 2:
                return ways[at]
            for other in np.flatnonzero(takes[at]):
                if int(other) not in ways:
                    ways[int(other)] = [*ways[at], int(other)]
                    reached.append(int(other))
    return []
