"""The design of a campaign: which (photo, task) pairs are edited, and in which order.

Tasks are even, photos as even as their content allows, and what an earlier plan chose stays when photos are added.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

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
    kept: Sequence[Pair] = (),
) -> list[Instruction]:
    """At most `n_pairs` of the instructions: even over tasks first, then over as many photos as can be.

    A task that makes sense on few photos gives its share to the others. The photos are assigned by maximum flow (tasks
    with their shares on one side, photos on the other), first to photos that are not used yet, then to those used once,
    and so on: no other choice with these shares uses more different photos, beyond the pairs that are `kept`.

    Args:
        instructions: one at most for each (photo, task).
        photo_of: source_id → the photo that counts (a photo made worse on purpose counts as its clean one).
        kept: pairs of an earlier plan, in its order: they stay as far as they have an instruction and fit in `n_pairs`.

    Returns:
        the chosen instructions in the order of `balanced_order`; it depends on nothing but the content.
    """
    photos = photo_of or {}
    by_pair = {(one.source_id, one.task): one for one in instructions}
    staying = [pair for pair in dict.fromkeys(kept) if pair in by_pair][:n_pairs]
    waiting: dict[str, list[Instruction]] = defaultdict(list)
    for pair in by_pair.keys() - set(staying):
        waiting[pair[1]].append(by_pair[pair])
    for task, group in waiting.items():
        group.sort(key=lambda one: stable_id(str(seed), one.source_id, task))
    shares = _shares(
        Counter(task for _, task in staying), {t: len(group) for t, group in waiting.items()}, n_pairs, seed
    )
    used = Counter(photos.get(source_id, source_id) for source_id, _ in staying)
    chosen = [by_pair[pair] for pair in staying]
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
    return balanced_order(chosen, seed, photos)


def _shares(kept: Mapping[str, int], available: Mapping[str, int], n_pairs: int, seed: int) -> dict[str, int]:
    """Task → how many pairs to add, so that the totals are as even as what is available allows."""
    added = dict.fromkeys(available, 0)
    total = [(kept.get(task, 0), stable_id(str(seed), task), task) for task in available]
    heapq.heapify(total)
    room = n_pairs - sum(kept.values())
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
