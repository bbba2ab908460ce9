"""From flaws to a repair plan: which operations may mend a flaw type, and in which order the steps are tried."""

from collections.abc import Sequence

from refiner.agents import FoundRegion, Operation, RepairStep

# What was damaged or changed without being asked comes back from the photo; what was not done is done again. Filling
# from the surroundings is for what was to go: elsewhere it takes away the thing together with its flaw.
_BACK: tuple[Operation, ...] = ("restore_source", "reapply")
_AGAIN: tuple[Operation, ...] = ("reapply", "restore_source")
OPERATIONS_OF: dict[str, tuple[Operation, ...]] = {
    "not_edited": ("reapply",),
    "partly_edited": ("reapply",),
    "wrong_attribute": _AGAIN,
    "wrong_count_or_place": _AGAIN,
    "wrong_text": _AGAIN,
    "wrong_style": ("reapply",),
    "over_edited": _AGAIN,
}
REMOVALS = ("object_remove", "text_remove")  # tasks
MOST_OPERATIONS = 3
WORDS = {
    "restore_source": "bring the photo back",
    "inpaint": "fill from the surroundings",
    "reapply": "do what was asked again",
}


def make_plan(regions: Sequence[FoundRegion], task: str) -> list[RepairStep]:
    """Steps in the order in which they are tried: many flaws at once, the whole frame anew, then flaw by flaw.

    Args:
        regions: the most certain first.
        task: that the instruction is most like.
    """

    def operations_of(region: FoundRegion) -> tuple[Operation, ...]:
        """What may mend a flaw, the likeliest first."""
        operations = OPERATIONS_OF.get(region.flaw_type, _BACK)
        return ("inpaint", *operations) if task in REMOVALS else operations

    placed = [region for region in regions if region.polygon]
    steps = []
    if len(placed) > 1:
        first: dict[Operation, list[FoundRegion]] = {}
        for region in placed:
            first.setdefault(operations_of(region)[0], []).append(region)
        steps += [_step(operation, some) for operation, some in first.items()]
        steps.append(_step("reapply", placed))
    elif placed:
        steps.append(_step(operations_of(placed[0])[0], placed))
    if regions:
        steps.append(_step("reapply", [region for region in regions if not region.polygon], "everywhere"))
    for rank in range(MOST_OPERATIONS):
        steps += [
            _step(operations_of(region)[rank], [region]) for region in placed if rank < len(operations_of(region))
        ]
    return _without_doubles(steps)


def _step(operation: Operation, regions: Sequence[FoundRegion], otherwise: str = "") -> RepairStep:
    """`otherwise` is named where there are no flaws to name."""
    names = ", ".join(dict.fromkeys(region.flaw_type.replace("_", " ") for region in regions)) or otherwise
    return RepairStep(
        operation, tuple(region.polygon for region in regions if region.polygon), f"{names}: {WORDS[operation]}"
    )


def _without_doubles(steps: Sequence[RepairStep]) -> list[RepairStep]:
    kept: list[RepairStep] = []
    for step in steps:
        if not any(step.operation == one.operation and step.polygons == one.polygons for one in kept):
            kept.append(step)
    return kept
