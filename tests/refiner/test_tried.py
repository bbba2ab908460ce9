"""What is said of an iteration's candidates: which regions they repair, which were the same, which were not tried."""

# ruff: noqa: ARG002 (agents that do not look at everything that they are given)

import html
import re

from refiner.agents import FoundRegion, RepairStep
from refiner.loop import MOST_TRIES
from refiner.trace_page import page_of
from tests.refiner.test_loop import Judge, Mind, run

BOXES = [[[[x, 0.1], [x + 0.1, 0.1], [x + 0.1, 0.2], [x, 0.2]]] for x in (0.1, 0.3, 0.5)]


class Planner(Mind):
    """Finds three regions with a place and one without, and plans what it is given."""

    def __init__(self, *plan: RepairStep) -> None:
        super().__init__(())
        self.steps = list(plan)

    def find_regions(self, pair, perceived):
        return [FoundRegion("artifact", "texture_noise", "region", box, "", 0.9) for box in (BOXES[0], [], *BOXES[1:])]

    def plan(self, pair, regions):
        return self.steps


def step(value: int, *boxes, operation="inpaint"):
    return RepairStep(operation, boxes, str(value))


def rows_of(page: str) -> list[str]:
    """The table of what was tried, as text."""
    table = re.search(r"<th>repair</th>.*?</table>", page, re.DOTALL).group()
    return [" ".join(html.unescape(re.sub("<[^>]*>", " ", row)).split()) for row in table.split("<tr>")[1:]]


def test_a_candidate_with_the_same_pixels_as_an_earlier_one_is_not_compared_again():
    judge, told = Judge(), []
    trace = run(Mind((0, -20, 10, 40, 10, 70)), judge, max_iterations=1, on_compared=lambda *one: told.append(one[1]))
    # From 60: −20 and 40 more or less, and 70 as a value; 10 more is 70.
    assert judge.compared == [40, 70, 100]
    assert len(told) == 3
    said = [attempt.said for attempt in trace.steps[0].attempts]
    assert said[4:] == ["The same as candidate 3."] * 2
    assert [attempt.difference is None for attempt in trace.steps[0].attempts] == [
        True,
        False,
        False,
        False,
        True,
        True,
    ]
    assert [attempt.kept for attempt in trace.steps[0].attempts].index(True) == 3


def test_what_is_the_same_takes_no_place_among_those_that_are_compared():
    judge = Judge()
    run(Mind((-1, -1, -1, *range(-MOST_TRIES, -1), 20)), judge, max_iterations=1)
    assert judge.compared == [59, *range(60 - MOST_TRIES, 59)]


def test_each_row_names_its_regions_and_only_the_kept_one_says_so():
    plan = (step(5, BOXES[0], BOXES[2]), step(30, BOXES[1]), step(-5), step(-5, BOXES[1]))
    rows = rows_of(page_of(run(Planner(*plan), max_iterations=1)))
    assert [row[:1] for row in rows] == ["1", "2", "3", "4"]
    assert [re.search(r"\((regions? [\d, ]+|everywhere)\)", row).group(1) for row in rows] == [
        "regions 1, 4", "region 3", "everywhere", "region 3",
    ]  # fmt: skip
    assert ["Kept." in row for row in rows] == [False, True, False, False]
    assert "The same as candidate 3." in rows[3]


def test_what_was_not_tried_is_counted():
    tried = [step(value) for value in range(-MOST_TRIES, 0)]
    untried = [step(-20, operation=name) for name in ("restore_source", "reapply", "restore_source", "inpaint")]
    page = page_of(run(Planner(*tried, *untried)))
    assert "Not tried: 4 more (2 restore source, 1 reapply, 1 inpaint)." in page
    assert "Not tried" not in page_of(run(Planner(*tried)))


def test_a_decision_to_keep_nothing_is_no_alarm():
    page = page_of(run(Planner(step(-5))))
    assert re.search(r'<p class="decision">None of the repairs that were tried is better', page)
