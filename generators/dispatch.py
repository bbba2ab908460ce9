"""Keeps the workers of one model busy, and finds out which job kills them; the same for every engine."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field

from editfhf.errors import JobFailed
from generators.engine import Engine, RunningWorker, WorkerDied
from generators.worker import Job, Made, ModelLoad

log = logging.getLogger(__name__)
MOST_KILLS = 3  # a job that killed its worker so often is set aside
MOST_LOST_STARTS = 3  # workers in a row that died before their model was loaded

Batch = list[Job]


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

    Args:
        batches: taken only when a worker has room, so that reading them may be slow or may stop at any time.
        count_kill: notes that this edit's worker died while it held nothing else; returns how often so far.
        n_workers: at most; no more are started than there are batches for.
        depth: batches that a worker holds at the same time.
    """

    def __init__(
        self,
        engine: Engine,
        load: ModelLoad,
        batches: Iterable[Batch],
        count_kill: Callable[[str], int],
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

    def run(self) -> Iterator[list[Made]]:
        """What the workers made, batch by batch, until all are done.

        Raises:
            BadInput, JobFailed: from a worker, when it ends the whole run; or workers die before they have loaded.
        """
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
                    self._lost_starts = 0
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
                raise JobFailed(
                    f"{self._load.model_id}: {self._lost_starts} workers died before the model was loaded ({death}).",
                    mend="What was made is kept. Mend what that log says, then run the same command again.",
                ) from None
            if slot.alone:
                self._suspects.extend(jobs)
            else:
                self._returned.extend(batches)
            return
        if len(jobs) == 1:
            kills = self._count_kill(jobs[0].edit_id)
            if kills >= MOST_KILLS:
                yield [Made(jobs[0].edit_id, "failed", reason=f"Killed its worker {kills} times ({death}).")]
                return
        self._suspects.extend(jobs)
