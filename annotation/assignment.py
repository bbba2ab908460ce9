"""Who looks at what: each edit by so many people, each person an even share, and nobody moved without need."""

import hmac
from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256
from math import inf

import numpy as np

from annotation.levelling import Balance, Shares
from annotation.order import Thing, spread
from editfhf.errors import BadInput
from editfhf.schema import ID_LENGTH, stable_id

EVEN_AT_LAST = 8  # things for each person, the last that are dealt: what came before may balance models and tasks
MOST_DEVIATION = 2.0  # things too many of a model or task, that weigh as much as things too many in all
AVOIDED = 4.0  # things too many in all, that weigh as much as one that the person had better not see


def assign(
    things: Sequence[Thing],
    people: Sequence[str],
    raters: int,
    seed: int,
    done: Collection[tuple[str, str]] = (),
    kept: Mapping[str, Sequence[str]] | None = None,
    barred: Collection[tuple[str, str]] = (),
    avoided: Collection[tuple[str, str]] = (),
    screen: str = "",
    noun: str = "thing",
    setting: str = "raters",
) -> dict[str, list[str]]:
    """What each person is still to look at, in order.

    Things are dealt out, in an order drawn by the seed, to those with the least to do and the fewest of this model and
    task for what they have seen; what they did counts. Then loads are levelled: as long as somebody has two more than
    somebody else, a thing is handed on, over others where need be. So loads differ by one, and by more only where no
    exchange could make them more even (who did most of what is left may not do it again). Where they are so, and
    nothing is missing, nothing moves: what was kept comes back as it was.

    Args:
        things: each once.
        people: who can be asked.
        raters: different people for each thing; those of `done` count.
        done: (thing, person), also of people who have left.
        kept: person → what this person has already and has not done, in order: it stays as far as shares allow.
        barred: (thing, person) who must not look at it, such as who drew it.
        avoided: (thing, person) who had better not look at it, such as who rates it elsewhere: it goes to others as
            long as there are some, and before chance or the balance of models and tasks has a say; loads stay even.
        screen, noun, setting: for the error: on which kind of screen, what a thing is, and what says `raters`.

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
    taken = {thing: set(those) for thing, those in did.items()}  # by whom it is not looked at (again)
    for thing_id, person in barred:
        if thing_id in taken:
            taken[thing_id].add(person)
    there = _fewest(did, taken, people)
    if there < raters:
        on = f" on the screen {screen}" if screen else ""
        raise BadInput(
            f"Each {noun}{on} needs {raters} different people, and there are {there}.",
            mend=f"Let {raters - there} more join (`editfhf annotate people --add`), or lower {setting} in "
            "editfhf.yaml.",
        )
    held = _keep(kept or {}, people, need, taken)
    number_of = {person: number for number, person in enumerate(people)}
    by_people, not_by = (
        {thing: {number_of[one] for one in those if one in number_of} for thing, those in of_thing.items()}
        for of_thing in (did, taken)
    )
    holders: dict[str, set[int]] = {thing: set() for thing in did}
    for number, ids in enumerate(held):
        for thing_id in ids:
            holders[thing_id].add(number)
    better_not: dict[str, set[int]] = {thing: set() for thing in did}
    for thing_id, person in avoided:
        if thing_id in better_not and person in number_of:
            better_not[thing_id].add(number_of[person])
    models = Balance({thing.id: thing.model for thing in ordered}, len(people))
    tasks = Balance({thing.id: thing.task for thing in ordered}, len(people))
    random = np.random.default_rng(int(stable_id(str(seed), "order of things"), 16))
    _deal(need, by_people, not_by, better_not, holders, (models, tasks), len(people), random)
    shares = Shares(not_by, holders, held, (models, tasks), better_not)
    shares.level()
    by_id = {thing.id: thing for thing in ordered}
    todo = {}
    for person, own, has in zip(people, held, shares.has, strict=True):
        stays = [one for one in own if one in has]
        new = [by_id[one] for one in has.difference(stays)]
        todo[person] = stays + spread(new, seed, person, [by_id[one].photo for one in stays])
    return todo


def item_id(key: str, annotator: str, project_type: str, thing_id: str, role: str, nth: int) -> str:
    """16 hex digits that tell nothing without the key; the same for the same arguments."""
    text = "\x1f".join((annotator, project_type, thing_id, role, str(nth)))
    return hmac.new(key.encode(), text.encode(), sha256).hexdigest()[:ID_LENGTH]


def _fewest(did: Mapping[str, set[str]], taken: Mapping[str, set[str]], people: Sequence[str]) -> float:
    """How many people there are at least for each thing: who did it, and who may."""
    everybody = set(people)
    return min(
        (len(did[thing]) + len(everybody - those) if those else len(everybody) for thing, those in taken.items()),
        default=inf,
    )


def _keep(
    kept: Mapping[str, Sequence[str]], people: Sequence[str], need: Mapping[str, int], taken: Mapping[str, set[str]]
) -> list[list[str]]:
    """What stays with each person, in its order: what is wanted and not done, by nobody more than it needs."""
    held = [
        dict.fromkeys(one for one in kept.get(person, ()) if one in need and person not in taken[one])
        for person in people
    ]
    holders: dict[str, list[int]] = {thing: [] for thing in need}
    for number in sorted(range(len(people)), key=lambda one: people[one]):
        for thing in held[number]:
            holders[thing].append(number)
    for thing, those in holders.items():
        while len(those) > need[thing]:
            most = max(those, key=lambda one: (len(held[one]), people[one]))
            those.remove(most)
            del held[most][thing]
    return [list(own) for own in held]


def _deal(
    need: Mapping[str, int],
    did: Mapping[str, set[int]],
    taken: Mapping[str, set[int]],
    better_not: Mapping[str, set[int]],
    holders: Mapping[str, set[int]],
    balances: Sequence[Balance],
    n_people: int,
    random: np.random.Generator,
) -> None:
    """Deal out what is needed beyond what is held: `holders` grow, and `balances` say how."""
    load = np.zeros(n_people)
    for thing in need:
        load[list(holders[thing])] += 1
        for balance in balances:
            balance.add(thing, [*holders[thing], *did[thing]])
    left = sum(need[thing] - len(holders[thing]) for thing in need)
    things = list(need)
    for place in random.permutation(len(things)):
        thing = things[place]
        missing = need[thing] - len(holders[thing])
        if missing <= 0:
            continue
        too_many = np.zeros(n_people)
        for balance in balances:
            too_many += np.clip(balance.too_many(thing), -MOST_DEVIATION, MOST_DEVIATION)
        chance = random.random(n_people)
        unwelcome = np.zeros(n_people)
        unwelcome[list(better_not[thing])] = AVOIDED
        if left > EVEN_AT_LAST * n_people:
            cost = load + too_many + unwelcome + chance / 2
        else:
            cost = np.empty(n_people)
            cost[np.lexsort((chance, too_many, unwelcome, load))] = np.arange(n_people)
        cost[[*holders[thing], *taken[thing]]] = np.inf
        chosen = np.argsort(cost)[:missing]
        load[chosen] += 1
        for balance in balances:
            balance.add(thing, chosen)
        holders[thing].update(chosen.tolist())
        left -= missing
