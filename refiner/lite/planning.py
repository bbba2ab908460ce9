"""From flaws to a repair plan: which operations may mend a flaw type, and in which order the steps are tried."""

from collections.abc import Sequence

from refiner.agents import FoundRegion, Operation, RepairStep

# What was damaged or changed without being asked comes back from the photo; what was not done is done again.
_BACK: tuple[Operation, ...] = ("restore_source", "inpaint")
_AGAIN: tuple[Operation, ...] = ("reapply", "restore_source")
OPERATIONS_OF: dict[str, tuple[Operation, ...]] = {
    "not_edited": ("reapply",),
    "partly_edited": ("reapply",),
    "wrong_attribute": _AGAIN,
    "wrong_count_or_place": _AGAIN,
    "wrong_text": _AGAIN,
    "wrong_style": ("reapply",),
    "over_edited": _AGAIN,
    "wrong_target": ("restore_source", "reapply"),
    "unintended_change": ("restore_source",),
    "identity_lost": ("restore_source",),
}
WORDS = {
    "restore_source": "bring the photo back",
    "inpaint": "fill from the surroundings",
    "reapply": "do what was asked again",
}


def make_plan(regions: Sequence[FoundRegion]) -> list[RepairStep]:
    """Steps in the order in which they are tried: everything by its first operation together, then flaw by flaw.

    Args:
        regions: the most certain first.
    """
    steps = []
    placed = [region for region in regions if region.polygon]
    first: dict[Operation, list[FoundRegion]] = {}
    for region in placed:
        first.setdefault(operations_of(region)[0], []).append(region)
    for operation, some in first.items():
        if len(some) > 1:
            steps.append(_step(operation, some))
    for rank in range(2):
        for region in placed:
            operations = operations_of(region)
            if rank < len(operations):
                steps.append(_step(operations[rank], [region]))
    for region in regions:
        if not region.polygon and operations_of(region)[0] == "reapply":
            steps.append(_step("reapply", [region]))
    return _without_doubles(steps)


def operations_of(region: FoundRegion) -> tuple[Operation, ...]:
    """What may mend a flaw, the likeliest first."""
    return OPERATIONS_OF.get(region.flaw_type, _BACK)


def _step(operation: Operation, regions: Sequence[FoundRegion]) -> RepairStep:
    names = ", ".join(dict.fromkeys(region.flaw_type.replace("_", " ") for region in regions))
    return RepairStep(
        operation, tuple(region.polygon for region in regions if region.polygon), f"{names}: {WORDS[operation]}"
    )


def _without_doubles(steps: Sequence[RepairStep]) -> list[RepairStep]:
    kept: list[RepairStep] = []
    for step in steps:
        if not any(step.operation == one.operation and step.polygons == one.polygons for one in kept):
            kept.append(step)
    return kept
