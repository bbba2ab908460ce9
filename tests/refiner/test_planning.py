"""From flaws to a plan: what is tried for which flaw, and in which order."""

import pytest

from editfhf.flaws import FLAW_TYPES
from editfhf.tasks import TASKS
from refiner.agents import FoundRegion
from refiner.lite.planning import OPERATIONS_OF, REMOVALS, make_plan

LEFT = [[[0.1, 0.1], [0.3, 0.1], [0.3, 0.3]]]
RIGHT = [[[0.6, 0.6], [0.9, 0.6], [0.9, 0.9]]]
KIND = {flaw.id: flaw.kind for flaw in FLAW_TYPES}


def region(flaw_type: str, polygon=LEFT) -> FoundRegion:
    return FoundRegion(KIND[flaw_type], flaw_type, "region" if polygon else "whole", polygon, "why", 0.8)


def steps(regions, task="color_change"):
    return [(step.operation, step.polygons) for step in make_plan(regions, task)]


def test_the_tables_name_flaw_types_and_tasks_that_there_are():
    assert set(OPERATIONS_OF) <= set(KIND)
    assert set(REMOVALS) <= set(TASKS)


def test_one_flaw_is_mended_in_its_place_first_then_all_is_done_again():
    assert steps([region("texture_noise")]) == [
        ("restore_source", (LEFT,)), ("reapply", ()), ("reapply", (LEFT,)),
    ]  # fmt: skip
    assert steps([region("not_edited")]) == [("reapply", (LEFT,)), ("reapply", ())]


def test_many_flaws_are_mended_together_before_each_alone():
    told = steps([region("texture_noise"), region("not_edited", RIGHT)])
    assert told[:4] == [
        ("restore_source", (LEFT,)), ("reapply", (RIGHT,)), ("reapply", (LEFT, RIGHT)), ("reapply", ()),
    ]  # fmt: skip
    assert told[4:] == [("reapply", (LEFT,))]
    assert steps([region("texture_noise"), region("color_bleed", RIGHT)])[0] == ("restore_source", (LEFT, RIGHT))


def test_what_has_no_place_is_done_again_everywhere_and_nothing_found_is_no_plan():
    assert steps([region("wrong_style", [])]) == [("reapply", ())]
    assert steps([]) == []


@pytest.mark.parametrize("task", TASKS)
def test_only_what_was_to_go_is_filled_from_its_surroundings(task):
    filled = [polygons for operation, polygons in steps([region("partly_edited")], task) if operation == "inpaint"]
    assert filled == ([(LEFT,)] if task in ("object_remove", "text_remove") else [])


def test_no_step_stands_there_twice_and_each_names_its_flaws():
    plan = make_plan([region("partly_edited"), region("wrong_style", []), region("seam_or_boundary", RIGHT)], "x")
    assert len({repr((step.operation, step.polygons)) for step in plan}) == len(plan)
    assert plan[0].reason == "partly edited: do what was asked again"
