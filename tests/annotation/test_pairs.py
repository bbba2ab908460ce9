from collections import Counter
from dataclasses import replace
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from annotation.pairs import Pair, Sides, choose_pairs, left_of, pairs_of_models
from annotation.published import address_of
from editfhf.schema import Edit


def edits(n_photos: int, models: str) -> list[Edit]:
    return [
        replace(Edit.plan(f"s{photo}", "object_remove", "remove it", model, "1", {}, 0), image=f"{photo}{model}.png")
        for photo in range(n_photos)
        for model in models
    ]


def pairs_of(made: list[Edit]) -> list[Pair]:
    sources = {edit.source_id for edit in made}
    files, photo_of = ({one: f"{what}{one}" for one in sources} for what in ("", "photo of "))
    return list(pairs_of_models(made, files, photo_of))


def test_a_pair_is_of_two_models_one_photo_and_one_instruction():
    made = edits(2, "abc")
    of = {edit.edit_id: edit for edit in made}
    found = pairs_of(made)
    assert len({pair.pair_id for pair in found}) == len(found) == 2 * 3
    for pair in found:
        first, second = of[pair.edit_id], of[pair.other_edit_id]
        assert first.source_id == second.source_id
        assert pair.models == tuple(sorted({first.model, second.model}))
        assert (pair.first_file, pair.second_file) == (first.image, second.image)
        assert pair.as_thing().photo == f"photo of {first.source_id}"


def test_repeats_refined_edits_other_instructions_and_equal_images_make_no_pair():
    one, other = edits(1, "ab")
    repeat = replace(Edit.plan("s0", "object_remove", "remove it", "a", "1", {}, 9), image="again.png")
    refined = replace(repeat, edit_id="refined", model="c", parent_edit_id=one.edit_id)
    elsewhere = replace(repeat, edit_id="elsewhere", model="d", instruction="remove all")
    (pair,) = pairs_of([one, other, repeat, refined, elsewhere])
    assert {pair.edit_id, pair.other_edit_id} == {one.edit_id, other.edit_id}
    assert not pairs_of([one, replace(other, image=one.image)])


def test_being_first_is_no_sign_of_a_model():
    firsts = Counter(pair.first_file[-5] for pair in pairs_of(edits(200, "ab")))
    assert 70 < firsts["a"] < 130


@given(st.integers(1, 12), st.integers(2, 5), st.integers(0, 80), st.integers(0, 5))
def test_pairs_are_spread_evenly_over_models_and_a_larger_number_only_adds(n_photos, n_models, number, seed):
    found = pairs_of(edits(n_photos, "abcde"[:n_models]))
    chosen = choose_pairs(found, number, seed)
    assert len(chosen) == len(set(chosen)) == min(number, len(found))
    each = Counter(dict.fromkeys(combinations("abcde"[:n_models], 2), 0))
    each.update(pair.models for pair in chosen)
    assert max(each.values()) - min(each.values()) <= 1
    of_model = Counter(model for pair in chosen for model in pair.models)
    if chosen:
        assert max(of_model.values()) - min(of_model["abcde"[i]] for i in range(n_models)) <= 2
    assert set(chosen) <= set(choose_pairs(found, number + 3, seed))
    assert chosen == choose_pairs(found[::-1], number, seed)


def test_what_is_handed_out_stays_when_edits_are_added():
    before = {pair.pair_id for pair in choose_pairs(pairs_of(edits(10, "abc")), 9, seed=0)}
    more = pairs_of(edits(60, "abc"))
    assert {pair.pair_id for pair in choose_pairs(more, 9, 0, kept=before)} == before
    assert {pair.pair_id for pair in choose_pairs(more, 9, 0)} != before


def test_what_is_handed_out_stays_when_an_edit_that_failed_is_made_after_all():
    one, other, third = edits(1, "abc")
    repeat = replace(Edit.plan("s0", "object_remove", "remove it", "a", "1", {}, 9), image="again.png")
    files, photos = {"s0": "s0.jpg"}, {"s0": "photo of s0"}
    before = list(pairs_of_models([repeat, other, third], files, photos))  # the first seed of model a failed
    shown = {pair.pair_id for pair in before if pair.models == ("a", "b")}
    after = list(pairs_of_models([one, repeat, other, third], files, photos, shown))
    assert shown <= {pair.pair_id for pair in after}
    assert len(after) == len(before) == 3  # of each two models still one
    assert shown <= {pair.pair_id for pair in choose_pairs(after, 3, 0, kept=shown)}
    # What nobody was shown is of the edits planned first.
    assert {one.edit_id, third.edit_id} in [{pair.edit_id, pair.other_edit_id} for pair in after]
    assert not shown & {pair.pair_id for pair in pairs_of_models([one, repeat, other, third], files, photos)}


@given(st.lists(st.text("0123456789abcdef", min_size=16, max_size=16), min_size=1, max_size=40))
def test_each_side_of_a_pair_is_shown_as_often_as_the_other(items):
    sides = Sides()
    shown = Counter(sides.next("pair", item) for item in items)
    assert abs(shown["first"] - shown["second"]) <= 1
    again = Sides()
    assert Counter(again.next("pair", item) for item in items) == shown


def test_what_was_shown_already_counts_and_lots_differ_between_pairs():
    sides = Sides()
    sides.note("pair", "first")
    assert sides.next("pair", "1" * 16) == "second"
    assert {Sides().next("pair", f"{n:016x}") for n in range(2)} == {"first", "second"}


def test_the_side_is_read_from_what_the_task_shows():
    pair = pairs_of(edits(1, "ab"))[0]
    first, second = address_of("key", pair.first_file), address_of("key", pair.second_file)
    assert left_of(pair, {"first_image": first, "second_image": second}, "key") == "first"
    assert left_of(pair, {"first_image": second, "second_image": first}, "key") == "second"
    for shown in ({}, {"first_image": first, "second_image": first}, {"first_image": second, "second_image": "x"}):
        assert left_of(pair, shown, "key") is None
    assert left_of(pair, {"first_image": first, "second_image": second}, "another key") is None
