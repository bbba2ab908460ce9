"""The design of a campaign: which (photo, task) pairs are edited, and in which order.

Tasks are even, photos as even as their content allows, and what was made stays when photos or models are added.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from editfhf.schema import Instruction, stable_id

Pair = tuple[str, str]  # source_id, task


def choose_pairs(
    instructions: Sequence[Instruction],
    n_pairs: int,
    seed: int,
    photo_of: Mapping[str, str] | None = None,
    kept: Sequence[Instruction] = (),
) -> list[Instruction]:
    """At most `n_pairs` of the instructions: even over tasks first, then over as many photos as can be.

    A task that makes sense on few photos gives its share to the others. The photos are assigned by maximum flow (tasks
    with their shares on one side, photos on the other), first to photos that are not used yet, then to those used once,
    and so on: no other choice with these shares uses more different photos.

    Args:
        instructions: one at most for each (photo, task).
        photo_of: source_id → the photo that counts (a photo made worse on purpose counts as its clean one).
        kept: pairs that were edited already, in their order: they stay as far as they fit in `n_pairs`, in place of
            chosen ones whose task and photo are used most. When more of the chosen ones are kept, the choice is the
            same: a run that stopped goes on with it.

    Returns:
        the chosen instructions in the order of `balanced_order`; it depends on nothing but the content.
    """
    photos = photo_of or {}
    chosen = {_pair(one): one for one in _choose_afresh(instructions, n_pairs, seed, photos)}
    staying = {_pair(one): one for one in list({_pair(one): one for one in kept}.values())[:n_pairs]}
    chosen = _make_room(
        chosen | staying,
        staying,
        n_pairs,
        seed,
        lambda one: (one.task, f"photo {photos.get(one.source_id, one.source_id)}"),
    )
    return balanced_order(chosen.values(), seed, photos)


def choose_again(
    pairs: Mapping[str, Sequence[Instruction]],
    share: float,
    seed: int,
    kept: Mapping[str, Sequence[Instruction]],
) -> dict[str, list[Instruction]]:
    """The pairs that each model makes again with another seed.

    Each model repeats its own share, tasks as even as can be within it and over all models together. What it repeats is
    spread evenly over its pairs, so that any beginning of the plan holds about its share.

    Args:
        pairs: model → the pairs that it makes, in the order of the plan. A model that comes later changes nothing for
            those before it.
        share: of a model's pairs, 0..1.
        kept: model → pairs that it has made again already: they stay.

    Returns:
        model → pairs, in the order of the plan.
    """
    total: Counter[str] = Counter()
    again = {}
    for number, (model, made) in enumerate(pairs.items()):
        n_again = round(share * len(made))
        chosen = _spread(made, n_again, _low_discrepancy(number), total, seed)
        total.update(one.task for one in chosen.values())
        there = {_pair(one) for one in made}
        staying = {_pair(one): one for one in [one for one in kept.get(model, ()) if _pair(one) in there][:n_again]}
        chosen = _make_room(chosen | staying, staying, n_again, seed, lambda one: (one.task,))
        again[model] = [one for one in made if _pair(one) in chosen]
    return again


def _make_room(
    chosen: dict[Pair, Instruction],
    staying: Mapping[Pair, Instruction],
    n_pairs: int,
    seed: int,
    counted: Callable[[Instruction], tuple[str, ...]],
) -> dict[Pair, Instruction]:
    """Without the surplus that is not `staying`: first that of which most are chosen alike, by each thing `counted`.

    What goes first depends on all that is chosen, not on which of it stays: it is the same when more of the rest do.
    """
    counts = Counter(name for one in chosen.values() for name in counted(one))

    def entry(pair: Pair) -> tuple[tuple[int, ...], str, Pair]:
        return tuple(-counts[name] for name in counted(chosen[pair])), stable_id(str(seed), *pair), pair

    # Counts only fall: an entry that is still what it was when it was pushed is the first.
    heap = [entry(pair) for pair in chosen if pair not in staying] if len(chosen) > n_pairs else []
    heapq.heapify(heap)
    left = dict(chosen)
    while len(left) > n_pairs and heap:
        now = entry(heap[0][2])
        if now != heap[0]:
            heapq.heapreplace(heap, now)
            continue
        heapq.heappop(heap)
        counts.subtract(counted(left.pop(now[2])))
    return left


def _spread(
    made: Sequence[Instruction], n_again: int, phase: float, total: Mapping[str, int], seed: int
) -> dict[Pair, Instruction]:
    """So many of the pairs: evenly spaced from a phase in 0..1, of the tasks that were taken least so far."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(made):
        places[one.task].append(place)
    rank = {task: stable_id(str(seed), "again", task) for task in places}
    taken: Counter[str] = Counter()
    chosen: dict[Pair, Instruction] = {}
    for number in range(n_again):
        wanted = (number + phase) * len(made) / n_again
        task = min((one for one in places if places[one]), key=lambda one: (taken[one], total.get(one, 0), rank[one]))
        place = min(places[task], key=lambda place: (abs(place - wanted), place))
        places[task].remove(place)
        taken[task] += 1
        chosen[_pair(made[place])] = made[place]
    return chosen


def _low_discrepancy(number: int) -> float:
    """The van der Corput sequence: however many numbers there are, their values lie evenly in 0..1."""
    value, step = 0.0, 0.5
    number += 1
    while number:
        value += step * (number % 2)
        number //= 2
        step /= 2
    return value


def _pair(one: Instruction) -> Pair:
    return one.source_id, one.task


def _choose_afresh(
    instructions: Sequence[Instruction], n_pairs: int, seed: int, photos: Mapping[str, str]
) -> list[Instruction]:
    waiting: dict[str, list[Instruction]] = defaultdict(list)
    for one in instructions:
        waiting[one.task].append(one)
    for task, group in waiting.items():
        group.sort(key=lambda one: stable_id(str(seed), one.source_id, task))
    shares = _shares({task: len(group) for task, group in waiting.items()}, n_pairs, seed)
    used: Counter[str] = Counter()
    chosen: list[Instruction] = []
    uses = 0
    while any(shares.values()):
        assigned = _assign(waiting, shares, {photo for photo, count in used.items() if count > uses}, photos)
        if not assigned:
            uses += 1
            continue
        for one in assigned:
            used[photos.get(one.source_id, one.source_id)] += 1
            shares[one.task] -= 1
        taken = {one.instruction_id for one in assigned}
        waiting = {task: [one for one in group if one.instruction_id not in taken] for task, group in waiting.items()}
        chosen += assigned
    return chosen


def _shares(available: Mapping[str, int], n_pairs: int, seed: int) -> dict[str, int]:
    """Task → how many pairs, as even as what is available allows."""
    added = dict.fromkeys(available, 0)
    total = [(0, stable_id(str(seed), task), task) for task in available]
    heapq.heapify(total)
    room = n_pairs
    while room > 0 and total:
        count, tie, task = heapq.heappop(total)
        if added[task] < available[task]:
            added[task] += 1
            room -= 1
            heapq.heappush(total, (count + 1, tie, task))
    return added


def _assign(
    waiting: Mapping[str, Sequence[Instruction]],
    shares: Mapping[str, int],
    full: set[str],
    photo_of: Mapping[str, str],
) -> list[Instruction]:
    """As many instructions as the shares allow with every photo used once, none that is `full`."""
    edges = [
        (task, photo_of.get(one.source_id, one.source_id), one)
        for task in sorted(waiting)
        if shares[task]
        for one in waiting[task]
    ]
    edges = [edge for edge in edges if edge[1] not in full]
    if not edges:
        return []
    tasks = {task: 1 + number for number, task in enumerate(dict.fromkeys(edge[0] for edge in edges))}
    photos = {photo: 1 + len(tasks) + number for number, photo in enumerate(dict.fromkeys(edge[1] for edge in edges))}
    sink = 1 + len(tasks) + len(photos)
    rows = [0] * len(tasks) + [tasks[task] for task, _, _ in edges] + list(photos.values())
    columns = list(tasks.values()) + [photos[photo] for _, photo, _ in edges] + [sink] * len(photos)
    capacity = [shares[task] for task in tasks] + [1] * (len(edges) + len(photos))
    graph = csr_array((np.array(capacity, np.int32), (rows, columns)), shape=(sink + 1, sink + 1))
    flow = maximum_flow(graph, 0, sink).flow.tocoo()
    carried = {(int(i), int(j)) for i, j, amount in zip(*flow.coords, flow.data, strict=True) if amount > 0}
    return [one for task, photo, one in edges if (tasks[task], photos[photo]) in carried]


def balanced_order(
    instructions: Iterable[Instruction], seed: int, photo_of: Mapping[str, str] | None = None
) -> list[Instruction]:
    """The instructions in rounds over the tasks; within a task, photos that were used least come first.

    Ties are broken by a hash of the seed and the pair, so the order depends on nothing but its content.
    """
    photos = photo_of or {}
    waiting: dict[str, list[Instruction]] = defaultdict(list)
    for instruction in instructions:
        waiting[instruction.task].append(instruction)
    rank = {
        one.instruction_id: stable_id(str(seed), one.source_id, one.task) for group in waiting.values() for one in group
    }
    used: dict[str, int] = defaultdict(int)
    # A heap for each task, keyed by how often the photo was used when it was pushed: an entry that has gone stale since
    # is pushed back with its new count.
    heaps = {
        task: [(0, rank[one.instruction_id], position) for position, one in enumerate(group)]
        for task, group in waiting.items()
    }
    for heap in heaps.values():
        heapq.heapify(heap)
    order = []
    turns = sorted(heaps, key=lambda task: stable_id(str(seed), task))
    while turns:
        for task in turns:
            heap = heaps[task]
            while True:
                count, tie, position = heap[0]
                instruction = waiting[task][position]
                photo = photos.get(instruction.source_id, instruction.source_id)
                if count == used[photo]:
                    break
                heapq.heapreplace(heap, (used[photo], tie, position))
            heapq.heappop(heap)
            used[photo] += 1
            order.append(instruction)
        turns = [task for task in turns if heaps[task]]
    return order
