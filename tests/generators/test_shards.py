"""Generation split over machines: every edit is in one share, and the joined parts are what one run would have made."""

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from editfhf.errors import BadInput
from editfhf.ledger import Finished
from editfhf.workspace import Workspace
from generators.plan import plan_campaign
from generators.revisions import KEPT
from generators.runner import Selection, generate
from generators.shards import Shard, merge_parts
from tests.generators.conftest import N_PHOTOS, reword
from tests.generators.test_runner import state

EVERYTHING = N_PHOTOS * 3 * 2


@pytest.fixture
def shared(workspace) -> Workspace:
    """A workspace of which both halves were made into parts."""
    reword(workspace, "refuse")
    made = [generate(workspace, Selection(shard=Shard(number, 2))) for number in (1, 2)]
    assert sum(counts.made for counts in made) == EVERYTHING - 2
    assert all(counts.made > 5 for counts in made)
    return workspace


def test_joined_parts_are_what_one_run_would_have_made(shared, make_campaign):
    assert shared.edits() == []
    counts = merge_parts(shared)
    assert (counts.added, counts.refused, counts.already_there, counts.damaged) == (EVERYTHING - 2, 2, 0, 0)
    whole = make_campaign()
    reword(whole, "refuse")
    generate(whole)
    assert state(shared) == state(whole)
    assert set(shared.ledger.reasons().values()) == {"I would rather not."}
    assert generate(shared).made == 0


def test_a_part_that_is_joined_twice_or_brought_from_elsewhere_is_there_once(shared, tmp_path):
    elsewhere = shutil.move(shared.root / "parts/2-of-2", tmp_path / "brought")
    merge_parts(shared)
    first = len(shared.edits())
    merge_parts(shared, [elsewhere])
    again = merge_parts(shared, [elsewhere])
    assert (again.added, again.refused, again.differing) == (0, 0, 0)
    assert 0 < first < EVERYTHING - 2
    assert len(shared.edits()) == EVERYTHING - 2
    assert shared.ledger.spent_usd() == 0


def test_a_share_of_an_edit_does_not_change_when_the_plan_grows(workspace):
    few = generate(workspace, Selection(limit=10, shard=Shard(1, 3)))
    before = state(Workspace(workspace.root / "parts/1-of-3"))
    generate(workspace, Selection(shard=Shard(1, 3)))
    assert before.items() <= state(Workspace(workspace.root / "parts/1-of-3")).items()
    assert few.made == len(before) > 0


def test_what_the_workspace_has_is_not_made_again_by_a_share(workspace):
    generate(workspace, Selection(limit=10))
    counts = [generate(workspace, Selection(shard=Shard(number, 2))) for number in (1, 2)]
    assert sum(one.made for one in counts) == EVERYTHING - 10
    assert sum(one.already_made for one in counts) == 10


def test_damaged_images_and_foreign_ids_are_left_out_and_named(shared):
    part = Workspace(shared.root / "parts/1-of-2")
    cut, gone, forged = part.edits()[:3]
    path = part.path_of(cut.image)
    path.write_bytes(path.read_bytes()[:100])
    part.path_of(gone.image).unlink()
    with sqlite3.connect(part.ledger.path) as connection:
        connection.execute("UPDATE edits SET task = 'text_remove' WHERE edit_id = ?", (forged.edit_id,))
    # Two edits of one photo may share their bytes; what is named are edits.
    counts = merge_parts(shared)
    named = " ".join(counts.problems)
    assert counts.damaged >= 3
    assert f"{cut.edit_id}: its image {cut.image} is damaged" in named
    assert f"{gone.edit_id}: its image {gone.image} is missing" in named
    assert f"{forged.edit_id} is not the id of its edit" in named
    assert generate(shared).made == counts.damaged


def test_a_part_may_not_reach_outside_itself(shared, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    part = Workspace(shared.root / "parts/1-of-2")
    with sqlite3.connect(part.ledger.path) as connection:
        connection.execute("UPDATE edits SET image = ? WHERE rowid = 1", (str(secret),))
    with pytest.raises(BadInput, match="lies outside"):
        merge_parts(shared)


def test_shares_divide_the_budget(make_campaign):
    workspace = make_campaign("[test/paid]", "  budget_usd: 6.0\n")
    for number in (1, 2):
        generate(workspace, Selection(shard=Shard(number, 2)))
    merge_parts(workspace)
    assert 4.0 < workspace.ledger.spent_usd() <= 6.0
    merge_parts(workspace)
    assert workspace.ledger.spent_usd() <= 6.0


def part_of(workspace: Workspace, name: str) -> Workspace:
    return Workspace(workspace.root / "parts" / name)


def test_shares_and_plain_runs_never_exceed_the_budget_together(make_campaign):
    # An edit may cost 1 $ and costs 0.75 $.
    workspace = make_campaign("[test/paid]", "  budget_usd: 6.0\n")
    generate(workspace, Selection(shard=Shard(1, 2)))
    spent = part_of(workspace, "1-of-2").ledger.spent_usd()
    assert 2.0 < spent <= 3.0
    plain = generate(workspace)  # nothing was merged yet
    assert plain.cost_usd > 0
    for share in (Shard(2, 2), Shard(1, 3)):
        generate(workspace, Selection(shard=share))
    merge_parts(workspace)
    assert 5.0 < workspace.ledger.spent_usd() <= 6.0
    generate(Workspace(workspace.root))
    assert Workspace(workspace.root).ledger.spent_usd() <= 6.0


def test_what_a_running_share_may_still_spend_is_nobody_elses(make_campaign):
    workspace = make_campaign("[test/paid]", "  budget_usd: 6.0\n")
    generate(workspace, Selection(shard=Shard(1, 2), limit=1))
    part = part_of(workspace, "1-of-2")
    part.ledger.grant(3.0)  # as while it runs, or after it was killed
    generate(workspace)
    assert workspace.ledger.spent_usd() <= 3.0
    merge_parts(workspace)
    before = workspace.ledger.spent_usd()
    assert generate(workspace).cost_usd > 0
    assert before < workspace.ledger.spent_usd() <= 6.0


def test_money_of_parts_is_counted_once_whatever_became_of_the_edits(make_campaign):
    workspace = make_campaign("[test/paid]")
    plan = plan_campaign(workspace)
    one, two, three = plan.edits[:3]
    # Edit one fails here for 0.1 $; two parts make it for 0.5 $ each, and the first of them is killed during edit two.
    workspace.ledger.plan([one])
    workspace.ledger.record([Finished(one.edit_id, "failed", cost_usd=0.1)])
    for name in ("1-of-2", "2-of-2"):
        part = Shard.parse(name.replace("-of-", "/")).make_part(workspace)
        part.ledger.plan([one, two, three])
        part.ledger.reserve([one.edit_id], 1.0)
        image = part.store_image(b"bytes")
        part.ledger.record([Finished(one.edit_id, "done", image, cost_usd=0.5)])
    part_of(workspace, "1-of-2").ledger.reserve([two.edit_id], 1.0)
    later = part_of(workspace, "2-of-2").ledger
    for cost in (0.2, 0.3):
        later.record([Finished(three.edit_id, "failed", cost_usd=cost)])
        for _ in range(2):
            merge_parts(workspace)
    assert workspace.ledger.spent_usd() == pytest.approx(0.1 + 0.5 + 0.5 + 1.0 + 0.2 + 0.3)
    assert set(workspace.ledger.statuses().values()) == {"done", "failed"}


# Beside each other


def test_shares_at_the_same_time_write_nothing_but_their_parts(make_campaign):
    workspace = make_campaign(more="  params: {test/one: {seconds: 0.05}, test/three: {seconds: 0.05}}\n")
    generate(workspace, Selection(limit=4))
    workspace.ledger.path.with_name(KEPT).write_text("{}")
    del workspace.__dict__["ledger"]  # closes it, so that its log is gone

    def outside() -> dict[Path, tuple[int, bytes]]:
        files = (path for path in workspace.root.rglob("*") if path.is_file())
        kept = (path for path in files if "parts" not in path.parts and path.name != ".generate.lock")
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in kept}

    before = outside()
    assert before.keys() >= {workspace.root / "ledger.sqlite", workspace.root / KEPT}
    command = [sys.executable, "-m", "editfhf", "generate", "-w", str(workspace.root), "--shard"]
    runs = [subprocess.Popen([*command, f"{number}/3"]) for number in (1, 2, 3)]
    assert [run.wait(timeout=120) for run in runs] == [0, 0, 0]
    assert outside() == before
    assert merge_parts(workspace).added == EVERYTHING - 4
    assert len(workspace.edits()) == EVERYTHING


def test_shares_agree_on_the_plan_whatever_others_have_made(make_campaign):
    workspace = make_campaign(more="  pairs: 11\n")
    planned = {edit.edit_id for edit in plan_campaign(workspace).edits}
    for number in (3, 1, 2):
        generate(workspace, Selection(shard=Shard(number, 3)))
    merge_parts(workspace)
    assert {edit.edit_id for edit in workspace.edits()} == planned


def test_a_share_does_not_ask_the_hub_what_the_others_may_hear_otherwise(make_campaign):
    workspace = make_campaign("[instruct-pix2pix]", "  options: {instruct-pix2pix: {device: cpu}}\n")
    with pytest.raises(BadInput, match=r"models\.json does not say .* instruct-pix2pix.*`editfhf plan -w .*` first"):
        generate(workspace, Selection(shard=Shard(1, 2)))
    (workspace.root / KEPT).write_text(json.dumps({"instruct-pix2pix": "c" * 40}))
    plan = plan_campaign(workspace, shared=True)
    assert {edit.model_revision for edit in plan.edits} == {"c" * 40}


def test_a_share_does_not_begin_beside_a_run_of_the_whole(workspace, monkeypatch):
    monkeypatch.setattr("generators.shards.LOOK_S", 0.05)
    with workspace.lock("generate"), pytest.raises(BadInput, match="Another `editfhf generate` is running"):
        generate(Workspace(workspace.root), Selection(shard=Shard(1, 2)))


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "a/b", "1/-2", "1/2/3"])
def test_a_wrong_share_is_told_how_to_write_it(text):
    with pytest.raises(BadInput, match="Write I/N"):
        Shard.parse(text)


def test_joining_what_is_no_part_is_one_sentence(workspace, tmp_path):
    with pytest.raises(BadInput, match="has no parts"):
        merge_parts(workspace)
    with pytest.raises(BadInput, match="is no part"):
        merge_parts(workspace, [tmp_path])
