"""The refiner: four agents that find, explain, repair and judge what is wrong with an edited image."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from refiner.refiner import Refiner

__all__ = ["Refiner"]


def __getattr__(name: str) -> Any:
    # Torch is not imported before somebody asks for a refiner: the command line lists its commands without.
    if name == "Refiner":
        from refiner.refiner import Refiner

        return Refiner
    raise AttributeError(f"module 'refiner' has no attribute {name!r}")
