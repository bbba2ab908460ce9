"""Weights on the Hub: a commit when planned, kept, loaded at it; every 'no' of the Hub is one sentence."""

import json
from dataclasses import replace

import pytest

from editfhf.errors import BadInput
from generators import registry
from generators.models import models
from generators.preflight import find_problems
from generators.revisions import KEPT, folder_revision, hub_access, hub_revision, planned_revisions
from generators.runner import generate
from tests.generators.tiny_pipelines import TINY_PARAMS, build
from tests.hub_server import HubServer, Repository, files_of, use_hub

ENTRIES = {entry.id: entry for entry in models()}
P2P = ENTRIES["instruct-pix2pix"]
COMMIT = "0" * 39 + "1"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub with an empty repository for every local model, asked by this process and those it starts."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/model_index.json").write_text("{}")
    names = {name for entry in ENTRIES.values() for name in (entry.repository, *entry.more_repositories)}
    repositories = {
        name: Repository.of(tmp_path / "empty", f"{number:040x}") for number, name in enumerate(sorted(names), 1)
    }
    with HubServer(repositories) as server:
        use_hub(monkeypatch, server.url, tmp_path / "cache")
        yield server


def test_a_branch_becomes_the_commit_that_the_hub_names(hub):
    assert hub_revision(P2P) == hub.repositories[P2P.repository].commit


def test_a_model_of_two_repositories_has_the_commits_of_both(hub):
    icedit = ENTRIES["icedit"]
    names = (icedit.repository, *icedit.more_repositories)
    assert len(names) == 2
    assert hub_revision(icedit) == "+".join(hub.repositories[name].commit for name in names)


def test_a_branch_that_moves_changes_no_planned_edit(hub, make_campaign):
    workspace = make_campaign("[instruct-pix2pix]")
    first = planned_revisions(workspace, [P2P])
    hub.repositories[P2P.repository].commit = "f" * 40
    assert planned_revisions(workspace, [P2P]) == first
    assert json.loads((workspace.root / KEPT).read_text()) == first


def test_an_earlier_plan_needs_no_network(hub, make_campaign, monkeypatch, tmp_path):
    workspace = make_campaign("[instruct-pix2pix]")
    first = planned_revisions(workspace, [P2P])
    use_hub(monkeypatch, "http://127.0.0.1:1", tmp_path / "cache")
    assert planned_revisions(workspace, [P2P]) == first


def test_the_settings_may_name_a_commit(hub, make_campaign):
    workspace = make_campaign("[instruct-pix2pix]", more=f"  revisions: {{instruct-pix2pix: {'c' * 40}}}\n")
    assert planned_revisions(workspace, [P2P]) == {"instruct-pix2pix": "c" * 40}
    assert not hub.asked


@pytest.mark.parametrize(
    ("gate", "message"),
    [("private", "does not show timbrooks/instruct-pix2pix.*HF_TOKEN"), ("terms", "accepted its terms.*HF_TOKEN")],
)
def test_a_closed_repository_is_one_sentence_before_the_run(hub, make_campaign, gate, message):
    workspace = make_campaign("[instruct-pix2pix]", more=f"  revisions: {{instruct-pix2pix: '{COMMIT}'}}\n")
    hub.repositories[P2P.repository].gate = gate
    edits = {"instruct-pix2pix": (P2P, plan(workspace))}
    found = [str(problem) for problem in find_problems(workspace, edits)]
    assert len([text for text in found if "timbrooks" in text]) == 1
    with pytest.raises(BadInput, match=message):
        raise hub_access(P2P, COMMIT)  # type: ignore[misc]


def plan(workspace):
    from generators.plan import plan_campaign

    return plan_campaign(workspace).edits


def test_a_revision_that_does_not_exist_is_one_sentence(hub):
    with pytest.raises(BadInput, match="has no such revision 'nowhere'"):
        hub_revision(replace(P2P, revision="nowhere"))


def test_a_hub_out_of_reach_is_one_sentence(monkeypatch, tmp_path):
    use_hub(monkeypatch, "http://127.0.0.1:1", tmp_path / "cache")
    with pytest.raises(BadInput, match=r"cannot be had from the Hub.*Connection refused\. Check the network"):
        hub_revision(P2P)


def test_a_damaged_record_of_revisions_is_one_sentence(hub, make_campaign):
    workspace = make_campaign("[instruct-pix2pix]")
    (workspace.root / KEPT).write_text("[")
    with pytest.raises(BadInput, match=r"models.json is damaged"):
        planned_revisions(workspace, [P2P])


def test_weights_in_a_folder_have_a_revision_of_their_content(tmp_path):
    (tmp_path / "unet").mkdir()
    weights = tmp_path / "unet/weights.safetensors"
    weights.write_bytes(b"1" * 1000)
    first = folder_revision(P2P, str(tmp_path))
    assert folder_revision(P2P, str(tmp_path)) == first
    weights.write_bytes(b"1" * 999 + b"2")
    assert folder_revision(P2P, str(tmp_path)) != first
    with pytest.raises(BadInput, match="does not exist or is empty"):
        folder_revision(P2P, str(tmp_path / "none"))


def test_weights_are_loaded_from_the_hub_at_the_planned_commit(hub, make_campaign, tmp_path):
    commit = hub.repositories[P2P.repository].commit
    hub.repositories[P2P.repository].files = files_of(build("instruct-pix2pix", tmp_path / "tiny"))
    params = ", ".join(f"{name}: {value}" for name, value in TINY_PARAMS.items())
    more = f"  params: {{instruct-pix2pix: {{{params}}}}}\n  options: {{instruct-pix2pix: {{device: cpu}}}}\n"
    workspace = make_campaign("[instruct-pix2pix]", more=more, photos=1)
    counts = generate(workspace)
    assert counts.made == 3
    assert {edit.model_revision for edit in workspace.edits()} == {commit}
    files = [path for path in hub.asked if path.endswith(".safetensors")]
    assert files
    assert all(f"/resolve/{commit}/" in path for path in files)


def test_a_gate_that_closes_after_planning_is_told_by_the_worker(hub, make_campaign, monkeypatch):
    """The terms of a repository may change, or a token end, while the run is on its way to the weights."""
    workspace = make_campaign("[instruct-pix2pix]", more="  options: {instruct-pix2pix: {device: cpu}}\n", photos=1)
    monkeypatch.setattr("generators.runner.find_problems", lambda *_args, **_named: ())
    plan(workspace)
    hub.repositories[P2P.repository].gate = "terms"
    with pytest.raises(BadInput, match="accepted its terms"):
        generate(workspace)


@pytest.mark.parametrize("model_id", ["icedit", "cosxl-edit"])
def test_a_fault_of_the_second_repository_names_that_one(hub, model_id):
    """A gate on SDXL's configurations or ICEdit's LoRA is not blamed on the base, whose page has nothing to accept."""
    entry = ENTRIES[model_id]
    (second,) = entry.more_repositories
    hub.repositories[second].gate = "private"
    with pytest.raises(BadInput, match=f"does not show {second} to you"):
        hub_revision(entry)
    hub.repositories[second].gate = "terms"
    with pytest.raises(BadInput, match=rf"{second} is given only .* on https://huggingface.co/{second},"):
        raise hub_access(entry, hub_revision(entry))  # type: ignore[misc]


@pytest.mark.parametrize("revision", ["c" * 40, f"{'c' * 40}+", "main"])
def test_the_settings_name_a_commit_of_each_repository_or_of_none(hub, make_campaign, revision):
    workspace = make_campaign("[icedit]", more=f"  revisions: {{icedit: '{revision}'}}\n")
    with pytest.raises(
        BadInput, match=r"FLUX.1-Fill-dev and RiverZ/normal-lora, .* is not a commit of each.*joined by \+"
    ):
        planned_revisions(workspace, [ENTRIES["icedit"]])
    both = f"{'c' * 40}+{'d' * 40}"
    workspace = make_campaign("[icedit]", more=f"  revisions: {{icedit: {both}}}\n")
    assert planned_revisions(workspace, [ENTRIES["icedit"]]) == {"icedit": both}


def test_a_plan_of_before_a_model_had_a_second_repository_is_made_anew(hub, make_campaign):
    workspace = make_campaign("[cosxl-edit]")
    (workspace.root / KEPT).write_text(json.dumps({"cosxl-edit": "c" * 40}))
    assert planned_revisions(workspace, [ENTRIES["cosxl-edit"]]) == {"cosxl-edit": hub_revision(ENTRIES["cosxl-edit"])}


@pytest.mark.parametrize("file", ["pytorch_lora_weights.safetensors", "tokenizer/vocab.json"])
def test_weights_that_are_here_need_no_network_whatever_their_files_are_called(hub, monkeypatch, tmp_path, file):
    from huggingface_hub import hf_hub_download

    icedit = ENTRIES["icedit"]
    names = (icedit.repository, *icedit.more_repositories)
    (tmp_path / "files" / file).parent.mkdir(parents=True)
    (tmp_path / "files" / file).write_text("weights")
    for name in names:
        hub.repositories[name].files = files_of(tmp_path / "files")
        hf_hub_download(name, file, revision=hub.repositories[name].commit, cache_dir=tmp_path / "cache")
    revision = hub_revision(icedit)
    use_hub(monkeypatch, "http://127.0.0.1:1", tmp_path / "cache")
    assert hub_access(icedit, revision) is None
    assert hub_access(icedit, "e" * 40) is not None


@pytest.fixture(autouse=True)
def fresh_registry():
    registry.registered_models.cache_clear()
