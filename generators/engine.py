"""What an engine is: it starts workers and passes batches to them, and knows nothing about what they are."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from generators.worker import Job, Made, ModelLoad


class WorkerDied(Exception):
    """A worker's process ended (killed, crashed, its node gone) with batches in flight."""


class RunningWorker(Protocol):
    """A worker that an engine started; `loaded` once it holds its model."""

    @property
    def loaded(self) -> bool: ...

    def submit(self, jobs: Sequence[Job]) -> "Future[list[Made]]":
        """Pass a batch. The future raises `WorkerDied` when the worker does not live to answer, and `BadInput` or
        `JobFailed` when the whole run has to end."""
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
        """How many workers can hold this model at the same time, at least 1."""
        ...

    def about(self) -> dict[str, Any]:
        """What a run notes about it."""
        ...

    def close(self) -> None:
        """End what was started."""
        ...
