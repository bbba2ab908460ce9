"""The loop: look at the current image, plan, repair, judge; keep what is better, and stop when nothing is.

The interval of a difference is of one candidate, and the bar is not raised for trying several. Where k candidates are
no better, and each alone is taken for better with a probability of p, independent of the others, one at least is with
1 − (1 − p)ᵏ: 65 % for six and 16 %. Keeping the best of several also favours those whose gain is predicted too high.
How many that are called better truly are is measured (`refiner.benchmark`).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ParamSpec, TypeVar

import numpy as np

from editfhf.errors import BadInput
from refiner.agents import Action, Difference, Evaluation, Pair, Perception, Reasoning, RepairStep
from refiner.inputs import pixels_hash
from refiner.trace import AGENTS, Attempt, RefineTrace, TraceStep

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")
# Told (before, candidate, how they compare).
OnCompared = Callable[[Pair, Pair, Difference], None]
MOST_TRIES = 6  # candidates judged in one iteration: a plan's later steps are its less likely ones


def refine(
    pair: Pair,
    perception: Perception,
    reasoning: Reasoning,
    action: Action,
    evaluation: Evaluation,
    max_iterations: int = 4,
    on_step: Callable[[TraceStep], None] | None = None,
    on_compared: OnCompared | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> RefineTrace:
    """Repair an edited image step by step.

    Each iteration perceives the current image (never the first one again), plans, and tries the plan's first steps
    (`MOST_TRIES` candidates). Of those whose paired difference `improves`, the one that is better for certain by most
    (the lower end of its interval) becomes the current image. The best is the image with the
    highest mean of the three evaluated scores among the accepted ones and the input; so the evaluator never calls it
    worse than the input.

    Args:
        pair: the source photo, the edited image and the instruction.
        max_iterations: how many steps are accepted at most; 1 or more.
        on_step: is told of every iteration when it ends.
        on_compared: is told of every candidate that is compared, taken or not: the trace does not keep their images.
        clock: seconds that only grow.

    Returns:
        Every image, map, plan, score and decision; `stopped` says why it ended.

    Raises:
        BadInput: `max_iterations` is below 1.
    """
    if max_iterations < 1:
        raise BadInput(f"max_iterations is {max_iterations}; it must be 1 at least.")
    agents = _Timed(perception, reasoning, action, evaluation, clock)
    current, scores = pair, agents.evaluate(pair)
    images, all_scores, stopped = [pair.edited], [scores], ""
    steps: list[TraceStep] = []
    while not stopped:
        number = len(steps) + 1
        perceived = agents.perceive(current)
        regions = agents.find_regions(current, perceived)
        plan = agents.plan(current, regions) if regions else []
        attempts, chosen, found = _try_steps(agents, current, plan, images, on_compared)
        after = None
        if not regions:
            stopped = "Nothing was found that needs repair."
        elif not plan:
            stopped = "Nothing in the plan: no repair is known for what was found."
        elif found is None:
            stopped = "None of the repairs that were tried is better beyond its error."
        elif (earlier := _position(found.edited, images)) is not None:
            stopped = f"The repair gives image {earlier} again: going on would turn in circles."
        else:
            after = agents.evaluate(found)
            images.append(found.edited)
            all_scores.append(after)
            if number >= max_iterations:
                stopped = f"The limit of {max_iterations} iteration{'s' if max_iterations > 1 else ''} was reached."
        if after is not None and chosen is not None:
            attempts[chosen] = replace(attempts[chosen], kept=True)
        step = TraceStep(
            iteration=number,
            maps=dict(perceived.maps),
            presence=dict(perceived.presence),
            regions=tuple(regions),
            plan=tuple(plan),
            attempts=tuple(attempts),
            before=scores,
            after=after,
            accepted=after is not None,
            why=next((_why(one.step) for one in attempts if one.kept), stopped),
            seconds=agents.spent(),
        )
        steps.append(step)
        if on_step is not None:
            on_step(step)
        if found is not None and after is not None:
            current, scores = found, after
    # Of equals the later: it was accepted for a difference that the rounded scores may not show.
    best = max(range(len(images)), key=lambda number: (all_scores[number].mean, number))
    return RefineTrace(pair.instruction, pair.source, images, all_scores, best, steps, stopped)


def _try_steps(
    agents: "_Timed",
    current: Pair,
    plan: Sequence[RepairStep],
    images: Sequence[np.ndarray],
    on_compared: OnCompared | None,
) -> tuple[list[Attempt], int | None, Pair | None]:
    """What became of the first steps of a plan; which of them gave the best candidate that is better, and that."""
    attempts: list[Attempt] = []
    chosen, found, highest = None, None, (False, 0.0)
    seen: dict[str, int] = {}  # the pixels of what was compared → which candidate it was, from 1
    for step in plan:
        if len(seen) == MOST_TRIES:
            break
        image = agents.act(current, step)
        if image is None:
            attempts.append(Attempt(step, None, "It cannot be done on this image."))
            continue
        pixels = pixels_hash(image)
        if pixels == pixels_hash(current.edited):
            attempts.append(Attempt(step, None, "It changes nothing."))
            continue
        if pixels in seen:
            attempts.append(Attempt(step, None, f"The same as candidate {seen[pixels]}."))
            continue
        seen[pixels] = len(attempts) + 1
        candidate = replace(current, edited=image)
        difference = agents.compare(current, candidate)
        if on_compared is not None:
            on_compared(current, candidate, difference)
        earlier = _position(image, images)
        # An image that was there before is chosen only where nothing else is better: then it ends.
        rank = (earlier is None, difference.mean - difference.half_width)
        if difference.improves and (found is None or rank > highest):
            chosen, found, highest = len(attempts), candidate, rank
        attempts.append(Attempt(step, difference, _said(difference, earlier)))
    return attempts, chosen, found


def _said(difference: Difference, earlier: int | None) -> str:
    if not difference.improves:
        return _why_not(difference.mean, difference.half_width)
    return "Better beyond its error." if earlier is None else f"It gives image {earlier} again."


def _why(step: RepairStep) -> str:
    what = step.operation.replace("_", " ")
    return f"Kept, as it is better beyond its error: {what}{f' ({step.reason})' if step.reason else ''}."


def _why_not(mean: float, half_width: float) -> str:
    if mean > half_width:
        return "Better on the whole, but one of the three scores falls beyond its noise."
    return "Not better beyond its error: the interval of the difference reaches to zero or below."


def _position(image: np.ndarray, images: Sequence[np.ndarray]) -> int | None:
    wanted = pixels_hash(image)
    return next((number for number, one in enumerate(images) if pixels_hash(one) == wanted), None)


class _Timed:
    """The four agents, and how long each was at work since `spent` was asked last."""

    def __init__(
        self,
        perception: Perception,
        reasoning: Reasoning,
        action: Action,
        evaluation: Evaluation,
        clock: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._seconds = dict.fromkeys(AGENTS, 0.0)
        self.perceive = self._timed("perception", perception.perceive)
        self.find_regions = self._timed("reasoning", reasoning.find_regions)
        self.plan = self._timed("reasoning", reasoning.plan)
        self.act = self._timed("action", action.act)
        self.evaluate = self._timed("evaluation", evaluation.evaluate)
        self.compare = self._timed("evaluation", evaluation.compare)

    def spent(self) -> dict[str, float]:
        spent, self._seconds = self._seconds, dict.fromkeys(AGENTS, 0.0)
        return spent

    def _timed(self, agent: str, call: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
        def timed(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
            started = self._clock()
            try:
                return call(*args, **kwargs)
            finally:
                self._seconds[agent] += self._clock() - started

        return timed
