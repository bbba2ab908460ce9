"""`editfhf plan`, `generate` and `merge` as they are typed."""

import json

import pytest

from editfhf.cli import run
from editfhf.workspace import Workspace
from tests.generators.conftest import N_PHOTOS, reword
from tests.generators.test_revisions import use_hub

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


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    use_hub(monkeypatch, "http://127.0.0.1:1", tmp_path / "cache")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


MIXED = "[test/one, flux2-klein, icedit, gpt-image]"


def test_plan_without_network_shows_every_model_and_marks_those_without_a_revision(typed, make_campaign, no_network):
    workspace = make_campaign(MIXED)
    code, out, err = typed("plan", "-w", workspace.root, "--json")
    assert code == 1
    rows = {row["model"]: row for row in json.loads(out)}
    unknown = "revision unknown: no network"
    assert {model: row["note"] for model, row in rows.items()} == {
        "test/one": "", "flux2-klein": unknown, "icedit": unknown, "gpt-image": "",
    }  # fmt: skip
    assert all(row["jobs"] == EDITS for row in rows.values())
    assert "No edit by flux2-klein, icedit can be made yet" in err
    assert workspace.ledger.edits() == []
    assert unknown in typed("plan", "-w", workspace.root)[1]


def test_a_dry_run_without_network_lists_all_that_is_missing_once(typed, make_campaign, no_network):
    workspace = make_campaign(MIXED)
    code, out, err = typed("generate", "-w", workspace.root, "--dry-run", "--json")
    assert code == 2
    found = json.loads(out)
    assert {row["model"]: row["edits"] for row in found["would_make"]} == dict.fromkeys(
        ("test/one", "flux2-klein", "icedit", "gpt-image"), EDITS
    )
    lines = err.splitlines()
    assert len(lines) == len(set(lines)) == 7
    for words in (
        "flux2-klein: black-forest-labs", "icedit: black-forest-labs", "flux2-klein needs a GPU", "icedit needs a GPU",
        "gpt-image needs an API key", "gpt-image costs money", "6 things are missing",
    ):  # fmt: skip
        assert len([line for line in lines if words in line]) == 1, words


def test_generate_without_network_makes_the_edits_of_the_others_and_ends_with_1(typed, make_campaign, no_network):
    workspace = make_campaign("[test/one, flux2-klein]")
    code, _, err = typed("generate", "-w", workspace.root)
    assert code == 1
    assert "No edits by flux2-klein could be planned; those of the others are made." in err
    assert "Connection refused. Check the network" in err
    assert (
        {edit.model for edit in workspace.edits()} == {edit.model for edit in workspace.ledger.edits()} == {"test/one"}
    )
    assert len(workspace.edits()) == EDITS


def test_generate_of_nothing_but_a_model_without_a_revision_makes_nothing(typed, make_campaign, no_network):
    workspace = make_campaign("[test/one, flux2-klein]")
    code, _, err = typed("generate", "-w", workspace.root, "--model", "flux2-klein")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert workspace.ledger.edits() == []


def test_a_pinned_commit_without_network_lacks_the_gpu_and_the_weights(typed, make_campaign, no_network):
    workspace = make_campaign("[flux2-klein]", f"  revisions: {{flux2-klein: {'c' * 40}}}\n")
    _, _, err = typed("generate", "-w", workspace.root, "--dry-run")
    gpu, hub, end = err.splitlines()
    assert "needs a GPU" in gpu
    assert "cannot be had from the Hub" in hub
    assert "2 things are missing" in end


def test_one_thing_that_is_missing_is_said_once(typed, make_campaign):
    workspace = make_campaign("[test/paid]")
    _, _, err = typed("generate", "-w", workspace.root, "--dry-run")
    assert err.count("costs money") == 1


def test_what_a_limit_leaves_for_later_is_said_with_the_command_for_it(typed, make_campaign):
    workspace = make_campaign("[test/one]")
    _, out, _ = typed("generate", "-w", workspace.root, "--limit", 4)
    assert f"{EDITS - 4} more are planned: editfhf generate -w {workspace.root}, or --limit 8" in out
    _, out, _ = typed("generate", "-w", workspace.root, "--limit", 4)
    assert "already made   4" in out  # those made already are among the first four
    _, out, _ = typed("generate", "-w", workspace.root)
    assert "more are planned" not in out


def test_what_several_estimates_rest_on_is_said_once(typed, make_campaign):
    workspace = make_campaign("[test/one, test/three]")
    _, out, _ = typed("plan", "-w", workspace.root)
    assert [line for line in out.splitlines() if line.startswith("- ")] == [
        "- test/one, test/three: 1.7 bytes a pixel: PNG of photos"
    ]


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
        (["--budget", "5"], "Set generate.budget_usd in"),
        (["--model", "three"], "Did you mean 'test/three'"),
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
