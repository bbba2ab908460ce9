"""Keeps the workers of one model busy, and finds out which job kills them; the same for every engine."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace

from editfhf.errors import EditFHFError, JobFailed
from generators.engine import Engine, RunningWorker, WorkerDied
from generators.worker import Job, Made, ModelLoad

log = logging.getLogger(__name__)
MOST_KILLS = 3  # a job that killed its worker so often is set aside
MOST_LOST_STARTS = 3  # workers in a row that died before their model was loaded
MOST_DEATHS = 20  # workers in a row that died with nothing made in between
MOST_SAME_FAILURES = 20  # edits in a row that failed for one reason: it is the model's, not theirs

Batch = list[Job]


class ModelEnded(Exception):
    """Nothing more can be made with this model; `error` says why. A run may go on with others."""

    def __init__(self, error: EditFHFError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass
class _Slot:
    """A worker and the batches that it holds."""

    number: int
    worker: RunningWorker
    in_flight: "dict[Future[list[Made]], Batch]" = field(default_factory=dict)
    alone: bool = False  # holds a suspect: nothing else may be given to it


class Dispatch:
    """Passes batches to workers of one model and gives back what they made, as it comes.

    When a worker dies, the jobs that it held are suspects: each of them is run again alone on a worker. One that its
    worker dies of then is counted, and after three times it comes back as failed. The others lose nothing.

    A failure is passed on once another answer shows that it was the edit's own. Twenty in a row for one reason are the
    model's: they come back as retryable, and end it.

    Args:
        batches: taken only when a worker has room, so that reading them may be slow or may stop at any time.
        count_kill: told the ids of all edits that a worker with a model held when it died; returns how often one that
            was alone has killed its worker so far (of several nobody knows which it was).
        n_workers: at most; no more are started than there are batches for.
        depth: batches that a worker holds at the same time.
    """

    def __init__(
        self,
        engine: Engine,
        load: ModelLoad,
        batches: Iterable[Batch],
        count_kill: Callable[[Sequence[str]], int],
        n_workers: int = 1,
        depth: int = 3,
    ) -> None:
        self._engine, self._load, self._count_kill = engine, load, count_kill
        self._n_workers, self._depth = n_workers, depth
        self._waiting = iter(batches)
        self._returned: deque[Batch] = deque()  # from workers that died before they had a model
        self._suspects: deque[Job] = deque()
        self._slots: list[_Slot] = []
        self._lost_starts = 0
        self._deaths = 0

    def run(self) -> Iterator[list[Made]]:
        """What the workers made, as it comes, until all is done.

        Raises:
            ModelEnded: a worker said that no job could survive, workers die before they have loaded or with every job,
                or every edit fails for the same reason.
        """
        failed: list[Made] = []  # the latest in a row for one reason
        try:
            for made in self._answers():
                ready = []
                for one in made:
                    if failed and (one.status, one.reason) != (failed[0].status, failed[0].reason):
                        ready += failed
                        failed = []
                    (failed if one.status == "failed" else ready).append(one)
                if ready:
                    yield ready
                if len(failed) >= MOST_SAME_FAILURES:
                    failed = [replace(one, retryable=True) for one in failed]
                    raise self._ended(
                        f"{len(failed)} edits in a row failed for one reason: {failed[0].reason.rstrip('.')}."
                    )
        except ModelEnded:
            if failed:
                yield failed
            raise
        if failed:
            yield failed

    def _ended(self, what: str) -> ModelEnded:
        return ModelEnded(
            JobFailed(
                f"{self._load.model_id}: {what}",
                mend="What was made is kept. Mend what that says, then run the same command again.",
            )
        )

    def _answers(self) -> Iterator[list[Made]]:
        try:
            while True:
                self._feed()
                self._release_idle()
                held = {future: slot for slot in self._slots for future in slot.in_flight}
                if not held:
                    return
                for future in wait(held, return_when=FIRST_COMPLETED).done:
                    slot = held[future]
                    if future not in slot.in_flight:
                        continue  # its worker's death was dealt with already
                    try:
                        made = future.result()
                    except WorkerDied as death:
                        yield from self._bury(slot, death)
                        continue
                    except EditFHFError as error:
                        raise ModelEnded(error) from error
                    self._lost_starts = self._deaths = 0
                    del slot.in_flight[future]
                    slot.alone = False
                    yield made
        finally:
            for slot in self._slots:
                slot.worker.stop()

    def _feed(self) -> None:
        """Give every worker what it has room for, starting workers as they are needed."""
        while True:
            slot = min(self._slots, key=lambda one: len(one.in_flight), default=None)
            may_start = len(self._slots) < self._n_workers
            busy = slot is None or bool(slot.in_flight)
            if self._suspects:
                # Alone on a worker, or its death would not say which job it was.
                if busy and not may_start:
                    return
                batch, alone = [self._suspects.popleft()], True
            else:
                full = slot is None or slot.alone or len(slot.in_flight) >= self._depth
                if full and not may_start:
                    return
                following = self._returned.popleft() if self._returned else next(self._waiting, None)
                if following is None:
                    return
                batch, alone = following, False
            # An idle worker comes before a new one, a new one before a second batch for a busy one.
            if slot is None or (busy and may_start):
                slot = self._start()
            slot.alone = alone
            slot.in_flight[slot.worker.submit(batch)] = batch

    def _release_idle(self) -> None:
        """Stop workers that have nothing left to do: what they hold may be what another waits for (a node is lost)."""
        for slot in [slot for slot in self._slots if not slot.in_flight]:
            slot.worker.stop()
            self._slots.remove(slot)

    def _start(self) -> _Slot:
        taken = {slot.number for slot in self._slots}
        number = next(number for number in range(self._n_workers) if number not in taken)
        self._slots.append(_Slot(number, self._engine.start(self._load, number)))
        return self._slots[-1]

    def _bury(self, slot: _Slot, death: WorkerDied) -> Iterator[list[Made]]:
        loaded = slot.worker.loaded
        slot.worker.stop()
        self._slots.remove(slot)
        batches = list(slot.in_flight.values())
        jobs = [job for batch in batches for job in batch]
        slot.in_flight.clear()
        log.warning("%s: a worker died (%s) with %d jobs in flight", self._load.model_id, death, len(jobs))
        if not loaded:
            self._lost_starts += 1
            if self._lost_starts >= MOST_LOST_STARTS:
                raise self._ended(f"{self._lost_starts} workers died before the model was loaded ({death}).") from None
            if slot.alone:
                self._suspects.extend(jobs)
            else:
                self._returned.extend(batches)
            return
        kills = self._count_kill([job.edit_id for job in jobs])
        self._deaths += 1
        if kills >= MOST_KILLS:
            yield [Made(jobs[0].edit_id, "failed", reason=f"Killed its worker {kills} times ({death}).")]
        else:
            self._suspects.extend(jobs)
        if self._deaths >= MOST_DEATHS:
            raise self._ended(f"{self._deaths} workers in a row died with nothing made in between ({death}).") from None
