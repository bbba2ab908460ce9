"""All flaw operators by name. A benchmark that holds some out asks `flaw_operators(exclude=…)`."""

from collections.abc import Collection

from generators.procedural.flaw_operators.artifacts import ARTIFACTS
from generators.procedural.flaw_operators.failures import FAILURES
from generators.procedural.flaw_operators.scene import FlawOperator

__all__ = ["FlawOperator", "flaw_operators"]


def flaw_operators(exclude: Collection[str] = ()) -> dict[str, FlawOperator]:
    """Name → operator, without those whose name or flaw type is in `exclude`.

    Example:
        >>> "melt" in flaw_operators(exclude=["distorted_object"])
        False
    """
    operators = (*ARTIFACTS, *FAILURES)
    return {one.name: one for one in operators if one.name not in exclude and one.flaw_type not in exclude}
