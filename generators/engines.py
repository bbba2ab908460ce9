"""The engines by name."""

from collections.abc import Callable

from editfhf.errors import BadInput
from editfhf.workspace import Workspace
from generators.engine import Engine

StartEngine = Callable[[Workspace], Engine]


def engine_of(name: str, workers: int | None = None) -> StartEngine:
    """What starts an engine for a workspace: `local` or `ray`.

    Raises:
        BadInput: another name, or its package is not installed.
    """
    if name == "local":
        from generators.local_engine import LocalEngine

        return lambda workspace: LocalEngine(workspace.root / "logs", workers)
    if name == "ray":
        from generators.ray_engine import RayEngine

        return lambda _: RayEngine(workers)
    raise BadInput(f"--engine {name} is not known.", mend="Use `local` or `ray`.")
