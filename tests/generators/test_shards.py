"""Generation split over machines: every edit is in one share, and the joined parts are what one run would have made."""

import shutil
import sqlite3

import pytest

from editfhf.errors import BadInput
from editfhf.workspace import Workspace
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


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "a/b", "1/-2", "1/2/3"])
def test_a_wrong_share_is_told_how_to_write_it(text):
    with pytest.raises(BadInput, match="Write I/N"):
        Shard.parse(text)


def test_joining_what_is_no_part_is_one_sentence(workspace, tmp_path):
    with pytest.raises(BadInput, match="has no parts"):
        merge_parts(workspace)
    with pytest.raises(BadInput, match="is no part"):
        merge_parts(workspace, [tmp_path])
