"""What `editfhf plan` says a campaign will take, against figures worked out by hand."""

import math
from dataclasses import replace

import pytest

from editfhf.ledger import Finished
from editfhf.workspace import Workspace
from generators.base import Figure, ModelEntry
from generators.estimate import PNG_BYTES_PER_PIXEL, estimate_plan
from generators.plan import Plan, plan_campaign
from generators.sizes import SizePolicy
from tests.generators.conftest import N_PHOTOS

EDITS = N_PHOTOS * 3


def planned(workspace: Workspace, **changes: object) -> tuple[Plan, ModelEntry]:
    """The plan of test/one, its entry changed as given."""
    plan = plan_campaign(workspace, ["test/one"])
    entry = replace(plan.entries[0], **changes)  # type: ignore[arg-type]
    return replace(plan, entries=[entry]), entry


def finish(workspace: Workspace, plan: Plan, seconds: list[float], **more: object) -> None:
    workspace.ledger.plan(plan.edits)
    workspace.ledger.record(
        Finished(edit.edit_id, "done", "images/x", seconds=one, **more)  # type: ignore[arg-type]
        for edit, one in zip(plan.edits, seconds, strict=False)
    )


def test_gpu_hours_come_from_the_registry_until_images_were_made(workspace):
    gpu = {"memory_gb": Figure(10, "said"), "seconds_per_image": Figure(720.0, "measured by its authors")}
    plan, _ = planned(workspace, **gpu)
    (row,) = estimate_plan(workspace, plan)
    assert row.gpu_hours == pytest.approx(EDITS * 720 / 3600)
    assert "720 s: measured by its authors" in row.basis


def test_then_from_the_median_of_what_was_measured_here(workspace):
    gpu = {"memory_gb": Figure(10, "said"), "seconds_per_image": Figure(720.0, "measured by its authors")}
    plan, _ = planned(workspace, **gpu)
    # The first also paid for compilation: it does not count.
    finish(workspace, plan, [1000.0, 36.0, 36.0, 72.0], device="a GPU")
    (row,) = estimate_plan(workspace, plan)
    assert (row.jobs, row.made) == (EDITS, 4)
    assert row.gpu_hours == pytest.approx((EDITS - 4) * 36 / 3600)
    assert "median of 3 made here on a GPU" in row.basis


def test_the_first_image_of_each_run_does_not_count(workspace):
    plan, _ = planned(workspace, memory_gb=Figure(10, "said"))
    workspace.ledger.plan(plan.edits)
    # Made in another order than planned, in two runs: each began with a slow one.
    for run, places in ((1, [5, 0, 1]), (2, [9, 2, 3])):
        for place, seconds in zip(places, (1000.0, 36.0, 36.0), strict=True):
            workspace.ledger.record([Finished(plan.edits[place].edit_id, "done", "images/x", seconds=seconds)], run)
    (row,) = estimate_plan(workspace, plan)
    assert row.gpu_hours == pytest.approx((EDITS - 6) * 36 / 3600)
    assert "median of 4 made here" in row.basis


def test_what_runs_without_a_gpu_takes_no_gpu_hours(workspace):
    plan, _ = planned(workspace)
    assert estimate_plan(workspace, plan)[0].gpu_hours == 0


def test_dollars_are_the_highest_until_some_were_paid(workspace):
    plan, _ = planned(workspace, price_usd=Figure(0.5, "the price list"))
    (row,) = estimate_plan(workspace, plan)
    assert row.usd == pytest.approx(EDITS * 0.5)
    finish(workspace, plan, [1.0] * 4, cost_usd=0.1)
    (row,) = estimate_plan(workspace, plan)
    assert row.usd == pytest.approx((EDITS - 4) * 0.1)
    assert "mean of 4 paid here" in row.basis


def test_disk_is_that_of_the_sizes_the_model_makes(workspace):
    plan, _ = planned(workspace, size=SizePolicy(fixed=((200, 100),), max_aspect=4))
    (row,) = estimate_plan(workspace, plan)
    assert row.disk_gb == pytest.approx(EDITS * 200 * 100 * PNG_BYTES_PER_PIXEL / 1e9, abs=0.0006)
    finish(workspace, plan, [1.0] * 4, n_bytes=10**9)
    (row,) = estimate_plan(workspace, plan)
    assert row.disk_gb == pytest.approx(EDITS - 4)
    assert not math.isnan(row.disk_gb)
