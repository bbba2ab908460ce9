"""What an engine is: it starts workers and passes batches to them, and knows nothing about what they are."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol

from editfhf.errors import BadInput
from generators.worker import Job, Made, ModelLoad

if TYPE_CHECKING:  # every worker imports this module, and none needs a workspace
    from editfhf.workspace import Workspace


class WorkerDied(Exception):
    """A worker's process ended (killed, crashed, its node gone) with batches in flight."""


class RunningWorker(Protocol):
    """A worker that an engine started; `loaded` once it holds its model."""

    @property
    def loaded(self) -> bool: ...

    def submit(self, jobs: Sequence[Job]) -> "Future[list[Made]]":
        """Pass a batch. The future raises `WorkerDied` when the worker does not live to answer, and `BadInput` or
        `JobFailed` when nothing more can be made with this model."""
        ...

    def stop(self) -> None:
        """End it now, whatever it is doing."""
        ...


class Engine(Protocol):
    """Where workers run."""

    name: str

    def start(self, load: ModelLoad, number: int) -> RunningWorker:
        """Start worker `number` (from 0) with a model; batches may be passed at once, they wait until it is loaded."""
        ...

    def n_workers(self, load: ModelLoad) -> int:
        """How many workers can hold this model at the same time, at least 1.

        Raises:
            BadInput: there is no room for one.
        """
        ...

    def about(self) -> dict[str, Any]:
        """What a run notes about it."""
        ...

    def close(self) -> None:
        """End what was started."""
        ...


StartEngine = Callable[["Workspace"], Engine]


def engine_of(name: str, workers: int | None = None) -> StartEngine:
    """What starts an engine for a workspace: `local` or `ray`.

    Args:
        workers: how many at the same time; default: what the machine or the cluster holds.

    Raises:
        BadInput: another name; when it is started: its package is not installed, or its cluster cannot be reached.
    """
    if name == "local":
        from generators.local_engine import LocalEngine

        return lambda workspace: LocalEngine(workspace.root / "logs", workers)
    if name == "ray":
        from generators.ray_engine import RayEngine

        return lambda _: RayEngine(workers)
    raise BadInput(f"--engine {name} is not known.", mend="Use `local` or `ray`.")
