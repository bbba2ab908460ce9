"""Money: a budget that stops a run before it is exceeded, also when runs and workers are killed."""

import subprocess
import sys
import time

import pytest

from editfhf.errors import BadInput, JobFailed
from editfhf.workspace import Workspace
from generators.runner import Selection, generate
from tests.generators.conftest import N_PHOTOS, reword
from tests.generators.test_runner import diary

__all__ = ["diary"]


def test_a_budget_stops_a_run_before_it_is_exceeded(make_campaign, diary):
    # An edit may cost 1 $ and costs 0.75 $.
    workspace = make_campaign("[test/paid]", "  budget_usd: 5.0\n")
    counts = generate(workspace)
    spent = workspace.ledger.spent_usd()
    assert spent == pytest.approx(counts.cost_usd) == pytest.approx(0.75 * counts.made)
    assert spent <= 5.0 < spent + 1.0  # no further edit could have been afforded
    assert counts.beyond_budget == N_PHOTOS * 3 - counts.made
    assert sum(line.startswith("edit") for line in diary()) == counts.made
    assert generate(Workspace.open(workspace.root)).made == 0


def test_what_a_killed_run_may_have_spent_counts_as_spent(make_campaign):
    workspace = make_campaign("[test/paid]", "  budget_usd: 3.0\n  params: {test/paid: {seconds: 60.0}}\n")
    run = subprocess.Popen([sys.executable, "-m", "editfhf", "generate", "-w", str(workspace.root)])
    deadline = time.monotonic() + 60
    while workspace.ledger.spent_usd() < 3.0 and time.monotonic() < deadline:
        time.sleep(0.05)
    run.kill()
    run.wait()
    counts = generate(Workspace.open(workspace.root))
    assert (counts.made, counts.beyond_budget) == (0, N_PHOTOS * 3)


def test_what_a_killed_run_was_billed_for_and_never_got_is_spent_beside_all_that_is_made_later(make_campaign, diary):
    # An edit may cost 1 $ and costs 0.75 $.
    workspace = make_campaign("[test/paid]", "  budget_usd: 30.0\n  params: {test/paid: {seconds: 0.5}}\n")
    run = subprocess.Popen([sys.executable, "-m", "editfhf", "generate", "-w", str(workspace.root)])
    deadline = time.monotonic() + 60
    while sum(line.startswith("edit") for line in diary()) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    run.kill()
    run.wait()
    workspace = Workspace.open(workspace.root)
    lost = sum(payment.reserved for payment in workspace.ledger.payments())
    assert lost >= 1
    generate(workspace)
    assert set(workspace.ledger.statuses().values()) == {"done"}
    assert workspace.ledger.spent_usd() == pytest.approx(1.0 * lost + 0.75 * N_PHOTOS * 3)
    assert not any(payment.reserved for payment in workspace.ledger.payments())


@pytest.mark.parametrize(("budget", "made"), [(30, N_PHOTOS * 3 - 1), (3, 0)])
def test_what_a_worker_that_died_was_asked_for_is_spent_and_asked_for_again_only_within_the_budget(
    make_campaign, diary, budget, made
):
    workspace = make_campaign("[test/paid]", f"  budget_usd: {budget}.0\n")
    reword(workspace, "kill", *["kill"] * (N_PHOTOS - 1) * (made == 0), task="object_add")
    if made:
        assert generate(workspace).made == made
    else:
        with pytest.raises(JobFailed, match="asking again for what it worked on could exceed the budget"):
            generate(workspace, Selection(tasks=["object_add"]))
    # Each time that an edit reached the model without an answer, it may have cost 1 $.
    asked = sum(line.startswith("edit") for line in diary())
    assert 0.75 * made + (asked - made) <= workspace.ledger.spent_usd() <= budget


def test_paid_models_do_not_run_without_a_budget(make_campaign):
    workspace = make_campaign("[test/paid]")
    with pytest.raises(BadInput, match=r"test/paid costs money: up to 15.00 \$ for 15 edits.*budget_usd"):
        generate(workspace)
