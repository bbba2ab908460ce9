"""Splits by photo: near the shares, never empty, never moved."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from editfhf.schema import Edit
from editfhf.splits import assign_splits, split_workspace

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


def test_a_derived_source_goes_where_its_clean_photo_goes(campaign):
    from dataclasses import replace

    sources = campaign.sources()
    copies = [
        replace(one, source_id=f"{number:016x}", derived_from=one.source_id) for number, one in enumerate(sources)
    ]
    campaign.write_table("sources", sources + copies)
    campaign.ledger.plan(Edit.plan(copy.source_id, "colorize", "colour it", "m", "1", {}, 0) for copy in copies)
    for edit in campaign.ledger.edits("planned"):
        campaign.ledger.record_image(edit.edit_id, "images/x.png", 8, 8, 0.1)
    split_of = split_workspace(campaign)
    assert all(split_of[copy.source_id] == split_of[copy.derived_from] for copy in copies)
    assert split_workspace(campaign) == split_of
