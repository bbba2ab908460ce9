"""`editfhf plan`, `generate` and `merge` as they are typed."""

import json

import pytest

from editfhf.cli import run
from editfhf.workspace import Workspace
from tests.generators.conftest import N_PHOTOS, reword

EDITS = N_PHOTOS * 3


@pytest.fixture
def typed(capsys):
    """Types a command; returns its exit code, what it printed, and what it said on standard error."""

    def type_it(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run([str(word) for word in words])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return type_it


def test_plan_says_what_each_model_will_take_and_why(typed, make_campaign):
    workspace = make_campaign("[test/one, test/paid]", "  budget_usd: 20\n")
    code, out, _ = typed("plan", "-w", workspace.root, "--json")
    rows = {row["model"]: row for row in json.loads(out)}
    assert code == 0
    assert {model: row["jobs"] for model, row in rows.items()} == {"test/one": EDITS, "test/paid": EDITS}
    assert rows["test/paid"]["usd"] == EDITS
    assert all(row["basis"] for row in rows.values())
    summary = "15 pairs of 5 photos (3–3 each) and 3 tasks (5–5 each) by 2 models"
    assert summary in typed("plan", "-w", workspace.root)[1]


def test_plan_refuses_a_revision_that_would_not_be_the_one_asked_for(typed, make_campaign):
    workspace = make_campaign("[test/one]", "  options: {test/one: {revision: '2'}}\n")
    code, _, err = typed("plan", "-w", workspace.root)
    assert code == 2
    assert "Write generate.revisions: {test/one: 2}" in err
    assert workspace.ledger.edits() == []


def test_a_dry_run_lists_every_problem_and_ends_with_2(typed, make_campaign):
    workspace = make_campaign("[test/one, test/paid]")
    code, out, err = typed("generate", "-w", workspace.root, "--dry-run", "--json")
    assert code == 2
    assert {row["model"] for row in json.loads(out)["would_make"]} == {"test/one", "test/paid"}
    assert "costs money" in err
    assert not list(workspace.images_dir.rglob("*.png"))


def test_edits_that_failed_end_the_command_with_1_and_their_reasons(typed, make_campaign):
    workspace = make_campaign("[test/one]")
    reword(workspace, "crash", "crash")
    code, _, err = typed("generate", "-w", workspace.root)
    assert code == 1
    assert "2 edits failed" in err
    assert "2 × RuntimeError: out of luck" in err


def test_a_dry_run_says_why_edits_were_refused_or_failed(typed, make_campaign):
    workspace = make_campaign("[test/one]")
    reword(workspace, "crash", "refuse", "refuse")
    typed("generate", "-w", workspace.root)
    code, out, _ = typed("generate", "-w", workspace.root, "--dry-run")
    assert code == 0
    table = [line.split() for line in out.splitlines()]
    assert ["test/one", "refused", "2", "I", "would", "rather", "not."] in table
    assert ["test/one", "failed", "1", "RuntimeError:", "out", "of", "luck"] in table
    _, out, _ = typed("generate", "-w", workspace.root, "--dry-run", "--json")
    reasons = {one["edit_id"]: one["reason"] for one in json.loads(out)["not_made"]}
    assert reasons == workspace.ledger.reasons()
    assert len(reasons) == 3


def test_what_the_budget_leaves_out_ends_the_command_with_1(typed, make_campaign):
    workspace = make_campaign("[test/paid]", "  budget_usd: 2\n")
    code, _, err = typed("generate", "-w", workspace.root)
    assert code == 1
    assert "could have exceeded the budget" in err


def test_shares_are_made_and_joined(typed, make_campaign):
    workspace = make_campaign("[test/one]")
    for share in ("1/2", "2/2"):
        code, out, _ = typed("generate", "-w", workspace.root, "--shard", share)
        assert code == 0
        assert "editfhf merge" in out
    code, _, _ = typed("merge", "-w", workspace.root)
    assert code == 0
    assert len(Workspace.open(workspace.root).edits()) == EDITS


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--shard", "3/2"], "3/2"),
        (["--shard", "half"], "half"),
        (["--engine", "slurm"], "slurm"),
        (["--retry", "all"], "only `failed` or `refused`"),
        (["--model", "test/on"], "Did you mean 'test/one'"),
        (["--limit", "0"], "--limit"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_exit_code_2(typed, workspace, words, message):
    code, _, err = typed("generate", "-w", workspace.root, *words)
    assert code == 2
    assert message in err
    assert "Traceback" not in err


def test_merging_a_folder_that_is_no_part_is_one_sentence(typed, workspace, tmp_path):
    code, _, err = typed("merge", "-w", workspace.root, tmp_path)
    assert code == 2
    assert str(tmp_path) in err
