"""Workers as actors of a Ray cluster: an existing one (RAY_ADDRESS), or one that is started on this machine.

An actor holds its model and part of a GPU, so that many images are made for one loading. The photos travel with the
jobs and the images come back to the run, which alone writes: the nodes need no common disk.
"""

import os
import socket
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from editfhf.errors import BadInput, EditFHFError, first_line
from generators.engine import WorkerDied
from generators.worker import DeviceLost, Job, Made, ModelLoad, Worker


class RayEngine:
    """Starts actors.

    Args:
        workers: how many at the same time; default: as many as the cluster's GPUs (or processors) hold.

    Raises:
        BadInput: Ray is not installed, or its cluster cannot be reached.
    """

    name = "ray"

    def __init__(self, workers: int | None = None) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError as error:
            raise BadInput("Ray is not installed.", mend="Run `pip install 'editfhf[ray]'`.") from error
        self._ray = ray
        self._workers = workers
        self._started = not ray.is_initialized()
        if self._started:
            address = os.environ.get("RAY_ADDRESS")
            if address:
                _require_answer(address)
            try:
                ray.init(address=address, include_dashboard=None if address else False, log_to_driver=False)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise BadInput(
                    f"Ray cannot be reached: {first_line(error)}", mend="Check RAY_ADDRESS, or unset it."
                ) from error

    def start(self, load: ModelLoad, number: int) -> "RayWorker":  # noqa: ARG002
        return RayWorker(self._ray, load)

    def n_workers(self, load: ModelLoad) -> int:
        kind, share = ("GPU", load.gpus) if _on_gpu(load) else ("CPU", 1.0)
        units = [node["Resources"].get(kind, 0.0) for node in self._ray.nodes() if node["Alive"]]
        # An actor lies on one node, and shares of a GPU on one GPU.
        holds = sum(int(one) * int(1 / share) if share <= 1 else int(one / share) for one in units)
        if holds >= 1:
            return self._workers or holds
        largest = max(units, default=0)
        mend = "Add a node that has it (where nodes are started as needed: keep one running)"
        if kind == "GPU" and largest:
            mend += f", or ask for less with generate.options: {{{load.model_id}: {{gpus: 1}}}}"
        elif kind == "GPU":
            mend += f", or run it, slowly, with generate.options: {{{load.model_id}: {{device: cpu}}}}"
        raise BadInput(
            f"{load.model_id} needs a node of the Ray cluster with {share:g} {kind}, and the largest has {largest:g}.",
            mend=f"{mend}.",
        )

    def about(self) -> dict[str, Any]:
        return {"engine": self.name, "ray": self._ray.__version__, "nodes": len(self._ray.nodes())}

    def close(self) -> None:
        if self._started:
            self._ray.shutdown()


def _require_answer(address: str) -> None:
    """Ray itself tries an address for many minutes before it gives up."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not (host and port.isdecimal()):
        return  # `auto` and the like
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise BadInput(
            f"Ray cannot be reached at {address}: {error.strerror or error}.",
            mend="Check RAY_ADDRESS, or unset it to use this machine alone.",
        ) from error


def _on_gpu(load: ModelLoad) -> bool:
    return load.gpus > 0 and load.options.get("device") != "cpu"


class RayWorker:
    """One actor."""

    def __init__(self, ray: Any, load: ModelLoad) -> None:
        from generators.local_engine import batches_in_flight

        self._ray = ray
        on_gpu = _on_gpu(load)
        # An actor that died is not restarted by Ray: the run starts another, and knows which jobs were lost.
        self._actor = (
            ray.remote(_Actor)
            .options(
                num_cpus=0 if on_gpu else 1,
                num_gpus=load.gpus if on_gpu else 0,
                max_restarts=0,
                max_concurrency=batches_in_flight(load),
            )
            .remote(load)
        )
        self._ready = self._actor.ready.remote()

    @property
    def loaded(self) -> bool:
        done, _ = self._ray.wait([self._ready], timeout=0)
        if not done:
            return False
        try:
            return bool(self._ray.get(self._ready))
        except self._ray.exceptions.RayError:
            return False

    def submit(self, jobs: Sequence[Job]) -> "Future[list[Made]]":
        answered: Future[list[Made]] = Future()
        future = self._actor.run.remote(list(jobs)).future()
        future.add_done_callback(lambda done: self._tell(done, answered))
        return answered

    def _tell(self, done: "Future[Any]", answered: "Future[list[Made]]") -> None:
        error = done.exception()
        if error is None:
            result = done.result()
            if isinstance(result, Exception):
                answered.set_exception(result)
            else:
                answered.set_result(result)
        else:
            answered.set_exception(WorkerDied(first_line(error)))

    def stop(self) -> None:
        self._ray.kill(self._actor)


class _Actor:
    """The worker's side. Errors that are sentences travel as values: Ray would wrap them into its own."""

    def __init__(self, load: ModelLoad) -> None:
        self._refused: EditFHFError | None = None
        try:
            self._worker = Worker(load)
        except EditFHFError as error:
            self._refused = error

    def ready(self) -> bool:
        return True

    def run(self, jobs: list[Job]) -> list[Made] | EditFHFError | WorkerDied:
        if self._refused is not None:
            return self._refused
        try:
            return self._worker.run(jobs)
        except EditFHFError as error:
            return error
        except DeviceLost as error:
            return WorkerDied(str(error))  # and the run ends this actor
