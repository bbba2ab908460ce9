"""Passing jobs to workers: what is told of a worker's death, and when a model is given up."""

from concurrent.futures import Future

import pytest

from generators.dispatch import MOST_SAME_FAILURES, Dispatch, ModelEnded
from generators.engine import WorkerDied
from generators.worker import Job, Made, ModelLoad


class PlayedEngine:
    """Workers that answer at once, as `answer` says: a death, or what became of a job."""

    def __init__(self, answer) -> None:
        self._answer = answer
        self.loaded = True

    def start(self, load, number):  # noqa: ARG002
        return self

    def submit(self, jobs):
        future = Future()
        answers = [self._answer(job.edit_id) for job in jobs]
        deaths = [one for one in answers if isinstance(one, Exception)]
        if deaths:
            future.set_exception(deaths[0])
        else:
            future.set_result(answers)
        return future

    def stop(self):
        pass


def dispatch(answer, names, size=1, count_kill=lambda _ids: 0, depth=3):
    jobs = [Job(name, b"", "", "", 0, {}) for name in names]
    batches = (jobs[start : start + size] for start in range(0, len(jobs), size))
    return Dispatch(PlayedEngine(answer), ModelLoad("played", {}), batches, count_kill, depth=depth).run()


def test_a_death_is_told_with_all_edits_in_flight_and_counted_for_one_alone():
    told, kills = [], {}

    def count_kill(edit_ids):
        told.append(sorted(edit_ids))
        if len(edit_ids) > 1:
            return 0
        kills[edit_ids[0]] = kills.get(edit_ids[0], 0) + 1
        return kills[edit_ids[0]]

    def answer(name):
        return WorkerDied("signal 9") if name == "c" else Made(name, "image")

    made = [one for some in dispatch(answer, "abcdef", size=2, count_kill=count_kill, depth=2) for one in some]
    assert sorted(one.edit_id for one in made) == list("abcdef")
    assert [one.edit_id for one in made if one.status == "failed"] == ["c"]
    assert "c" in told[0]
    assert len(told[0]) >= 2
    assert told[1:] == [["c"]] * 3


def failed(name: str, reason: str = "no luck") -> Made:
    return Made(name, "failed", reason=reason)


@pytest.mark.parametrize("size", [1, 8])
def test_as_many_failures_for_one_reason_as_can_be_no_accident_end_the_model(size):
    names = [str(number) for number in range(100)]
    made = []
    with pytest.raises(ModelEnded, match=r"played: .* edits in a row failed for one reason: no luck"):
        made.extend(one for some in dispatch(failed, names, size) for one in some)
    assert MOST_SAME_FAILURES <= len(made) < MOST_SAME_FAILURES + size
    assert all(one.retryable for one in made)


@pytest.mark.parametrize(
    "answer",
    [
        lambda name: Made(name, "image") if name == "15" else failed(name),
        lambda name: failed(name, f"{name} is too large"),
        lambda name: failed(name, "another") if name == "10" else failed(name),
    ],
)
def test_failures_of_the_edits_own_end_nothing(answer):
    names = [str(number) for number in range(30)]
    made = [one for some in dispatch(answer, names, depth=1) for one in some]
    assert [one.edit_id for one in made] == names
    assert not any(one.retryable for one in made)
