"""Which edits are to be made: every instruction by every model that can do it, in a balanced order."""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from editfhf.schema import Edit, Instruction, Source, stable_id
from generators.base import ModelEntry


def plan_edits(
    sources: Sequence[Source],
    instructions: Sequence[Instruction],
    models: Sequence[ModelEntry],
    seed: int,
    params: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Edit]:
    """The edits of a campaign; the first N are a balanced subset, for any N.

    Each (photo, task) pair is followed by the same pair for every other model, so that models are compared on the same
    photos. Pairs take turns over the tasks, and within a task the photo comes next that was used least so far.

    Args:
        params: model id → parameters that replace the registered defaults.
    """
    by_id = {source.source_id: source for source in sources}
    edits = []
    for instruction in balanced_order([one for one in instructions if one.source_id in by_id], seed):
        source = by_id[instruction.source_id]
        for model in models:
            if model.tasks and instruction.task not in model.tasks:
                continue
            chosen = {**model.default_params, **(params or {}).get(model.id, {})}
            for name in model.source_params:
                value = getattr(source, name)
                chosen[name] = list(value) if isinstance(value, tuple) else value
            edits.append(
                Edit.plan(source.source_id, instruction.task, instruction.text, model.id, model.revision, chosen, seed)
            )
    return edits


def balanced_order(instructions: Iterable[Instruction], seed: int) -> list[Instruction]:
    """The instructions in rounds over the tasks; within a task, photos that were used least come first.

    Ties are broken by a hash of the seed and the pair, so the order depends on nothing but its content.
    """
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
                if count == used[instruction.source_id]:
                    break
                heapq.heapreplace(heap, (used[instruction.source_id], tie, position))
            heapq.heappop(heap)
            used[instruction.source_id] += 1
            order.append(instruction)
        turns = [task for task in turns if heaps[task]]
    return order
