"""Splits by photo: near the shares, never empty, never moved."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editfhf.errors import BadInput
from editfhf.schema import Edit
from editfhf.splits import assign_splits, split_workspace
from tests.factories import record_image

SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}
photo_sets = st.dictionaries(
    st.text("abcdef0123456789", min_size=4, max_size=4),
    st.dictionaries(st.sampled_from("STUV"), st.integers(1, 5)),
    min_size=3,
    max_size=60,
)


@given(photos=photo_sets)
def test_every_photo_has_one_split_and_no_split_is_empty(photos):
    assigned = assign_splits(photos, SHARES, {})
    assert set(assigned) == set(photos)
    assert set(assigned.values()) == set(SHARES)


@given(photos=photo_sets, cut=st.integers(0, 60))
def test_adding_photos_never_moves_one(photos, cut):
    first = dict(list(photos.items())[:cut])
    before = assign_splits(first, SHARES, {})
    after = assign_splits(photos, SHARES, before)
    assert before.items() <= after.items()


@given(photos=photo_sets)
def test_new_shares_do_not_move_what_is_assigned(photos):
    before = assign_splits(photos, SHARES, {})
    assert assign_splits(photos, {"train": 0.2, "validation": 0.4, "test": 0.4}, before) == before


def test_the_shares_are_met_for_photos_and_within_every_task():
    photos = {f"{number:04x}": {"STUV"[number % 4]: 3} for number in range(400)}
    assigned = assign_splits(photos, SHARES, {})
    sizes = Counter(assigned.values())
    assert all(abs(sizes[split] - share * 400) <= 3 for split, share in SHARES.items())
    for task in "STUV":
        of_task = Counter(assigned[photo] for photo, tasks in photos.items() if task in tasks)
        assert all(abs(of_task[split] - share * 100) <= 3 for split, share in SHARES.items())


@given(photos=photo_sets, seed=st.randoms())
def test_the_order_in_which_photos_are_listed_does_not_matter(photos, seed):
    shuffled = list(photos.items())
    seed.shuffle(shuffled)
    assert assign_splits(dict(shuffled), SHARES, {}) == assign_splits(photos, SHARES, {})


def test_photos_that_are_gone_do_not_leave_a_split_empty():
    gone = {f"gone{number}": split for number, split in enumerate(["validation", "test"] * 20)}
    assigned = assign_splits({name: {"S": 2} for name in "abc"}, SHARES, gone)
    assert {assigned[name] for name in "abc"} == set(SHARES)


def test_a_derived_source_goes_where_its_clean_photo_goes(campaign):
    sources = campaign.sources()
    copies = [
        replace(one, source_id=f"{number:016x}", derived_from=one.source_id) for number, one in enumerate(sources)
    ]
    campaign.write_table("sources", sources + copies)
    edits = [Edit.plan(copy.source_id, "deblur", "sharpen", "m", "1", {}, 0) for copy in copies]
    campaign.ledger.plan(edits)
    for edit in edits:
        record_image(campaign.ledger, edit.edit_id, campaign.edits()[0].image, 96)
    split_of = split_workspace(campaign)
    assert set(split_of.values()) == set(SHARES)
    assert all(split_of[copy.source_id] == split_of[copy.derived_from] for copy in copies)
    assert split_workspace(campaign) == split_of


def test_photos_without_edits_take_no_place_in_a_split(campaign):
    first = campaign.sources()[0]
    campaign.write_table(
        "sources", [*campaign.sources(), *(replace(first, source_id=f"{number:016x}") for number in range(200))]
    )
    split_of = split_workspace(campaign)
    assert len(split_of) == 4
    assert set(split_of.values()) == set(SHARES)


def test_an_edit_of_an_unknown_photo_is_said_in_a_sentence(campaign):
    campaign.write_table("sources", campaign.sources()[1:])
    with pytest.raises(BadInput, match=f"photo {campaign.edits()[0].source_id}, which is not in it"):
        split_workspace(campaign)
