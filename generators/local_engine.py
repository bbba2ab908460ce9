"""Workers as processes of this machine, one for each GPU: a crash of the model's code costs its jobs in flight only.

Started as `python -m generators.local_engine FD`, this module is the worker's side of the pipe. What crosses it is
between our own two processes; nothing from outside is unpickled.
"""

import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

from editfhf.errors import EditFHFError
from generators.engine import WorkerDied
from generators.worker import DeviceLost, Job, Made, ModelLoad, Worker

LOADING = 0  # in place of a batch's number: how that ended


class LocalEngine:
    """Starts worker processes.

    Args:
        workers: how many at the same time; default: one for each GPU, or one.
        logs: folder for what the workers write on standard error.
    """

    name = "local"

    def __init__(self, logs: Path, workers: int | None = None) -> None:
        self._logs = logs
        self._workers = workers
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, load: ModelLoad, number: int) -> "LocalWorker":
        environment = dict(os.environ)
        gpus = _gpus_of(load)
        if len(gpus) > 1:
            environment["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
        return LocalWorker(load, self._logs / f"worker-{number}.log", environment)

    def n_workers(self, load: ModelLoad) -> int:
        if self._workers is not None:
            return self._workers
        return max(1, len(_gpus_of(load)))

    def about(self) -> dict[str, Any]:
        return {"engine": self.name}

    def close(self) -> None:
        """Its workers are stopped one by one."""


class LocalWorker:
    """A worker process and the pipe to it."""

    def __init__(self, load: ModelLoad, log: Path, environment: dict[str, str]) -> None:
        self._log = log
        ours, theirs = Pipe()
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "generators.local_engine", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                # An interrupt on the keyboard is for the run, which then stops its workers.
                start_new_session=True,
            )
        theirs.close()
        self._pipe: Connection = ours
        self._waiting: dict[int, Future[list[Made]]] = {}
        self._lock = threading.Lock()
        self._sent = 0
        self.loaded = False
        self._end: Exception | None = None  # why no batch is answered any more
        self._send(load)
        threading.Thread(target=self._listen, daemon=True).start()

    def submit(self, jobs: Sequence[Job]) -> "Future[list[Made]]":
        future: Future[list[Made]] = Future()
        with self._lock:
            self._sent += 1
            number = self._sent
            if self._end is not None:
                future.set_exception(self._end)
                return future
            self._waiting[number] = future
        self._send((number, list(jobs)))
        return future

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def _send(self, message: object) -> None:
        with suppress(OSError):  # it died: `_listen` finds out and tells those who wait
            self._pipe.send(message)

    def _listen(self) -> None:
        while True:
            try:
                number, answer = self._pipe.recv()
            except (EOFError, OSError):
                break
            if number == LOADING:
                if isinstance(answer, Exception):
                    self._finish(answer)
                    return
                self.loaded = True
                continue
            with self._lock:
                future = self._waiting.pop(number)
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
        self._finish(self._death())

    def _finish(self, reason: Exception) -> None:
        with self._lock:
            self._end = reason
            waiting = list(self._waiting.values())
            self._waiting.clear()
        for future in waiting:
            future.set_exception(reason)

    def _death(self) -> WorkerDied:
        code = self._process.wait()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return WorkerDied(f"{how}; see {self._log}")


def serve(pipe: Connection) -> None:
    """The worker's side: load the model, then answer batches, some of them at the same time, until the pipe closes."""
    load = pipe.recv()
    sending = threading.Lock()

    def answer(number: int, what: list[Made] | EditFHFError | WorkerDied) -> None:
        with sending:
            pipe.send((number, what))

    def run(number: int, jobs: list[Job]) -> None:
        try:
            answer(number, worker.run(jobs))
        except EditFHFError as error:
            answer(number, error)
        except DeviceLost as error:
            answer(number, WorkerDied(str(error)))
            raise

    try:
        worker = Worker(load)
    except EditFHFError as error:
        answer(LOADING, error)
        return
    answer(LOADING, [])
    with ThreadPoolExecutor(batches_in_flight(load)) as pool:
        while True:
            try:
                number, jobs = pipe.recv()
            except (EOFError, OSError):
                os._exit(0)  # the run is gone: nobody waits for what is being made
            pool.submit(run, number, jobs).add_done_callback(_die_of_a_defect)


def _die_of_a_defect(done: "Future[None]") -> None:
    """A lost GPU, a defect of our own or an edit too large to send ends the process: the run hears of it instead of
    waiting."""
    error = done.exception()
    if error is not None:
        traceback.print_exception(error)
        os._exit(70)


def batches_in_flight(load: ModelLoad) -> int:
    """How many batches a worker is given: those with the model, one that is decoded, one that is encoded."""
    from generators.registry import model_entry

    return model_entry(load.model_id).concurrency + 2


def _gpus_of(load: ModelLoad) -> list[str]:
    """The GPUs over which workers of this model are spread."""
    if not load.gpus or load.options.get("device", "auto") != "auto":
        return []
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [one for one in chosen.split(",") if one.strip()]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
