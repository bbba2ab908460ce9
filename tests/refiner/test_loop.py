"""The loop with small agents that obey the protocols; the evaluator here knows the truth: how red the image is."""

# ruff: noqa: ARG002 (agents that do not look at everything that they are given)

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from editfhf.errors import BadInput
from editfhf.schema import DIMENSIONS
from refiner.agents import Difference, FoundRegion, Pair, Perceived, RepairStep, Scores
from refiner.loop import MOST_TRIES, refine

BOX = [[[0.1, 0.1], [0.6, 0.1], [0.6, 0.6], [0.1, 0.6]]]


def image(value: int) -> np.ndarray:
    return np.full((40, 60, 3), value, np.uint8)


def value(pair: Pair) -> int:
    return int(pair.edited[0, 0, 0])


@dataclass
class Eyes:
    seen: list[int] = field(default_factory=list)

    def perceive(self, pair):
        self.seen.append(value(pair))
        return Perceived({"artifact": np.full(pair.edited.shape[:2], 0.5, np.float32)}, {"artifact": 0.9})


@dataclass
class Mind:
    """Plans to set the image to each of these values; finds nothing once the image has the value `content`."""

    values: tuple[int, ...]
    content: int | None = None

    def find_regions(self, pair, perceived):
        if value(pair) == self.content:
            return []
        return [FoundRegion("artifact", "texture_noise", "region", BOX, "it is too dark", 0.9)]

    def plan(self, pair, regions):
        return [RepairStep("inpaint", (BOX,), str(one)) for one in self.values]


class Hand:
    """A step's reason says which value to set, relative to now with a sign; "no" cannot be done."""

    def act(self, pair, step):
        if step.reason == "0":
            return None
        wanted = int(step.reason)
        return image(value(pair) + wanted) if abs(wanted) < 50 else image(wanted)


@dataclass
class Judge:
    """The mean score is the image's value; anything above `harmful` harms one dimension."""

    harmful: int = 1000
    half_width: float = 1.0
    compared: list[int] = field(default_factory=list)

    def evaluate(self, pair):
        return Scores(dict.fromkeys(DIMENSIONS, float(value(pair))), dict.fromkeys(DIMENSIONS, 5.0))

    def compare(self, before, after):
        self.compared.append(value(after))
        rise = float(value(after) - value(before))
        parts = dict.fromkeys(DIMENSIONS, rise)
        if value(after) > self.harmful:
            parts[DIMENSIONS[2]] = -30.0
        return Difference(rise, self.half_width, parts, dict.fromkeys(DIMENSIONS, 2.0))


class RestlessJudge(Judge):
    """Finds any other image better, but scores it by its value."""

    def compare(self, before, after):
        super().compare(before, after)
        return Difference(5.0, 1.0, dict.fromkeys(DIMENSIONS, 5.0), dict.fromkeys(DIMENSIONS, 2.0))


def value_of_best(trace):
    return int(trace.best[0, 0, 0])


def values(trace):
    return [int(one[0, 0, 0]) for one in trace.images]


def run(mind, judge=None, eyes=None, start=60, **options):
    pair = Pair(image(10), image(start), "make it brighter")
    return refine(pair, eyes or Eyes(), mind, Hand(), judge or Judge(), **options)


def test_each_iteration_looks_at_the_current_image():
    eyes = Eyes()
    trace = run(Mind((10,)), eyes=eyes, max_iterations=3)
    assert eyes.seen == [60, 70, 80]
    assert [int(one[0, 0, 0]) for one in trace.images] == [60, 70, 80, 90]
    assert "limit of 3" in trace.stopped
    assert [len(trace.steps), trace.best_index, int(trace.best[0, 0, 0])] == [3, 3, 90]


def test_of_the_repairs_that_are_tried_the_one_that_is_better_for_certain_by_most_is_kept():
    judge = Judge()
    trace = run(Mind((-20, 1, 30, 10)), judge, max_iterations=1)
    assert judge.compared == [40, 61, 90, 70]
    step = trace.steps[0]
    assert step.accepted
    assert [attempt.kept for attempt in step.attempts] == [False, False, True, False]
    assert step.difference == step.attempts[2].difference
    assert (step.before.mean, step.after.mean) == (60, 90)


def test_a_larger_gain_that_is_less_certain_comes_second():
    class Doubtful(Judge):
        def compare(self, before, after):
            self.half_width = 25.0 if value(after) == 90 else 1.0
            return super().compare(before, after)

    trace = run(Mind((30, 10)), Doubtful(), max_iterations=1)
    assert value_of_best(trace) == 70


def test_a_repair_that_harms_one_dimension_is_refused_however_much_it_gains():
    trace = run(Mind((45,)), Judge(harmful=100))
    assert len(trace.images) == 1
    assert not trace.steps[0].accepted
    assert "one of the three scores" in trace.steps[0].attempts[0].said
    assert "None of the repairs" in trace.stopped


def test_it_stops_when_nothing_is_found_any_more():
    trace = run(Mind((20,), content=80))
    assert "Nothing was found" in trace.stopped
    assert [step.accepted for step in trace.steps] == [True, False]
    assert trace.best_index == 1


def test_a_clean_image_comes_back_bit_for_bit_and_is_judged_only_once():
    judge = Judge()
    trace = run(Mind((20,), content=60), judge)
    assert (trace.best == image(60)).all()
    assert judge.compared == []


def test_it_stops_at_an_empty_plan_and_at_what_cannot_be_done():
    assert "plan" in run(Mind(())).stopped
    trace = run(Mind((0, 0)))
    assert "None of the repairs" in trace.stopped
    assert "cannot be done" in trace.steps[0].attempts[0].said


def test_no_more_candidates_than_the_limit_are_judged():
    judge = Judge()
    run(Mind((*range(-MOST_TRIES, 0), 20)), judge)
    assert len(judge.compared) == MOST_TRIES


def test_an_image_that_comes_again_ends_it():
    # To 100, to 60 again.
    class Swinging(Mind):
        def plan(self, pair, regions):
            return [RepairStep("inpaint", (BOX,), "40" if value(pair) == 60 else "-40")]

    trace = run(Swinging(()), RestlessJudge(), max_iterations=9)
    assert "image 0 again" in trace.stopped
    assert len(trace.images) == 2


def test_a_repair_that_changes_nothing_is_not_judged():
    judge = RestlessJudge()

    class Idle(Hand):
        def act(self, pair, step):
            return pair.edited.copy()

    pair = Pair(image(10), image(60), "make it brighter")
    trace = refine(pair, Eyes(), Mind((1,)), Idle(), judge)
    assert judge.compared == []
    assert "changes nothing" in trace.steps[0].attempts[0].said


@pytest.mark.parametrize("steps", [("-10", "1"), ("1", "-10")])
def test_an_image_that_was_there_before_is_not_chosen_over_a_new_one_that_gains_less(steps):
    # To 70, then back to 60 or on to 71, from where there is only the way back.
    class Planned(Mind):
        def plan(self, pair, regions):
            return [RepairStep("inpaint", (BOX,), one) for one in {60: ("10",), 70: steps, 71: ("-11",)}[value(pair)]]

    class Backward(RestlessJudge):
        def compare(self, before, after):
            rise = 40.0 if value(after) == 60 else 5.0
            return replace(super().compare(before, after), mean=rise)

    trace = run(Planned(()), Backward(), max_iterations=9)
    assert values(trace) == [60, 70, 71]
    assert "image 0 again" in trace.stopped


def test_any_of_the_images_before_ends_it_when_it_comes_again():
    class Round(Mind):
        def plan(self, pair, regions):
            return [RepairStep("inpaint", (BOX,), {60: "10", 70: "10", 80: "-10"}[value(pair)])]

    trace = run(Round(()), RestlessJudge(), max_iterations=9)
    assert values(trace) == [60, 70, 80]
    assert "image 1 again" in trace.stopped
    assert [attempt.kept for attempt in trace.steps[-1].attempts] == [False]


def test_of_images_with_equal_scores_the_later_is_the_result():
    class Rounding(RestlessJudge):
        def evaluate(self, pair):
            return Scores(dict.fromkeys(DIMENSIONS, 75.0 if value(pair) < 90 else 50.0), dict.fromkeys(DIMENSIONS, 5.0))

    trace = run(Mind((10,)), Rounding(), max_iterations=3)
    assert values(trace) == [60, 70, 80, 90]
    assert trace.best_index == 2


def test_steps_that_cannot_be_done_do_not_count_as_candidates():
    trace = run(Mind((*[0] * MOST_TRIES, 20)), max_iterations=1)
    assert values(trace) == [60, 80]
    assert [attempt.kept for attempt in trace.steps[0].attempts] == [False] * MOST_TRIES + [True]


@pytest.mark.parametrize("seed", range(20))
def test_the_result_is_never_worse_than_the_input_by_its_own_evaluator(seed):
    random = np.random.default_rng(seed)

    class Wild(Mind):
        def plan(self, pair, regions):
            return [RepairStep("inpaint", (BOX,), str(random.integers(51, 250))) for _ in range(3)]

    judge = RestlessJudge()
    trace = run(Wild(()), judge, start=120, max_iterations=5)
    means = [scores.mean for scores in trace.scores]
    assert int(trace.best[0, 0, 0]) == max(means) >= 120


def test_time_is_counted_for_each_agent_and_every_iteration_is_told():
    ticks = iter(range(1000))
    told = []
    trace = run(Mind((10,)), max_iterations=2, on_step=told.append, clock=lambda: float(next(ticks)))
    assert told == list(trace.steps)
    # evaluation: the input, one comparison, the accepted image.
    assert trace.steps[0].seconds == {"perception": 1, "reasoning": 2, "action": 1, "evaluation": 3}
    assert trace.steps[1].seconds["evaluation"] == 2


def test_every_candidate_that_is_compared_is_told_whether_it_was_taken_or_not():
    told = []
    trace = run(
        Mind((0, -20, 10)),
        max_iterations=2,
        on_compared=lambda before, after, difference: told.append((value(before), value(after), difference.mean)),
    )
    assert told == [(60, 40, -20), (60, 70, 10), (70, 50, -20), (70, 80, 10)]
    assert [int(one[0, 0, 0]) for one in trace.images] == [60, 70, 80]


def test_a_limit_below_one_is_refused():
    with pytest.raises(BadInput, match="max_iterations is 0"):
        run(Mind((10,)), max_iterations=0)
