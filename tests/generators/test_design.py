"""Which pairs a campaign edits: even over tasks, on as many photos as can be, and stable."""

import random
from collections import Counter

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from editfhf.schema import Instruction, stable_id
from generators.design import balanced_order, choose_again, choose_pairs


def instruction(photo: str, task: str) -> Instruction:
    return Instruction(stable_id(photo, task), photo, task, f"{task} on {photo}")


def as_pairs(chosen: list[Instruction]) -> list[tuple[str, str]]:
    return [(one.source_id, one.task) for one in chosen]


pairs = st.sets(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("STUVW")), min_size=1)


@given(pairs=pairs, n_pairs=st.integers(1, 45), seed=st.integers(0, 3))
def test_tasks_are_as_even_as_what_there_is_allows(pairs, n_pairs, seed):
    chosen = choose_pairs([instruction(*pair) for pair in sorted(pairs)], n_pairs, seed)
    assert len(chosen) == len(set(as_pairs(chosen))) == min(n_pairs, len(pairs))
    assert set(as_pairs(chosen)) <= pairs
    available, used = Counter(task for _, task in pairs), Counter(one.task for one in chosen)
    unfinished = [used[task] for task in available if used[task] < available[task]]
    if unfinished:
        assert max(used.values()) - min(unfinished) <= 1


@given(pairs=pairs, n_pairs=st.integers(1, 45), seed=st.integers(0, 3))
@settings(max_examples=60)
def test_no_other_choice_with_these_shares_uses_more_photos(pairs, n_pairs, seed):
    chosen = choose_pairs([instruction(*pair) for pair in sorted(pairs)], n_pairs, seed)
    graph = networkx.DiGraph()
    for task, share in Counter(one.task for one in chosen).items():
        graph.add_edge("begin", task, capacity=share)
    for photo, task in pairs:
        graph.add_edge(task, photo, capacity=1)
        graph.add_edge(photo, "end", capacity=1)
    most, _ = networkx.maximum_flow(graph, "begin", "end")
    assert len({one.source_id for one in chosen}) == most


@given(pairs=pairs, more=pairs, n_pairs=st.integers(1, 30), seed=st.integers(0, 3))
def test_photos_that_are_added_move_nothing_that_was_chosen(pairs, more, n_pairs, seed):
    before = choose_pairs([instruction(*pair) for pair in sorted(pairs)], n_pairs, seed)
    every = pairs | {(f"new {photo}", task) for photo, task in more}
    after = choose_pairs([instruction(*pair) for pair in sorted(every)], n_pairs, seed, kept=before)
    assert set(as_pairs(before)) <= set(as_pairs(after))
    assert len(after) == min(n_pairs, len(every))


@given(pairs=pairs, n_pairs=st.integers(1, 30), order=st.randoms())
def test_the_choice_depends_on_content_alone(pairs, n_pairs, order):
    everything = [instruction(*pair) for pair in sorted(pairs)]
    shuffled = list(everything)
    order.shuffle(shuffled)
    assert choose_pairs(everything, n_pairs, 1) == choose_pairs(shuffled, n_pairs, 1)


def test_another_seed_is_another_choice():
    everything = [instruction(f"photo {number}", task) for number in range(40) for task in "STUV"]
    chosen = [set(as_pairs(choose_pairs(everything, 20, seed))) for seed in range(3)]
    assert chosen[0] != chosen[1] != chosen[2]


@pytest.mark.parametrize(("n_photos", "at_least"), [(1000, 1000), (3000, 1250)])
def test_the_default_design_uses_a_thousand_photos_where_there_are_so_many(n_photos, at_least):
    # Content as it is: some tasks make sense on every photo, some on a few in a hundred.
    chance = random.Random(3)
    share = {f"task {number}": max(0.05, 1 - number / 40) for number in range(43)}
    everything = [
        instruction(f"photo {number}", task)
        for number in range(n_photos)
        for task, likely in share.items()
        if chance.random() < likely
    ]
    chosen = choose_pairs(everything, 1250, 0)
    assert len(chosen) == 1250
    assert len({one.source_id for one in chosen}) >= at_least
    per_task = Counter(one.task for one in chosen)
    assert max(per_task.values()) - min(per_task.values()) <= 1
    assert max(Counter(one.source_id for one in chosen).values()) == -(-1250 // n_photos)


def test_a_photo_made_worse_counts_as_its_clean_one():
    clean = [instruction("a", "S"), instruction("b", "S")]
    worse = [instruction("a worse", "T"), instruction("b worse", "T")]
    chosen = choose_pairs(clean + worse, 2, 0, {"a worse": "a", "b worse": "b"})
    assert {one.source_id[0] for one in chosen} == {"a", "b"}
    assert {one.task for one in chosen} == {"S", "T"}


@given(pairs=pairs, before=pairs, n_pairs=st.integers(1, 30), seed=st.integers(0, 3), chance=st.randoms())
def test_a_run_that_stopped_anywhere_goes_on_with_the_same_choice(pairs, before, n_pairs, seed, chance):
    everything = [instruction(*pair) for pair in sorted(pairs)]
    kept = [instruction(*pair) for pair in sorted(before)][: n_pairs - 1]
    chosen = choose_pairs(everything, n_pairs, seed, kept=kept)
    made = [one for one in chosen if one in kept or chance.random() < 0.5]
    assert choose_pairs(everything, n_pairs, seed, kept=made) == chosen


# Repeats

MODELS = [f"model {number}" for number in range(12)]


def repeats(models: list[str], share: float = 0.02, n_pairs: int = 1250, kept=None):
    made = balanced_order([instruction(f"photo {number}", f"task {number % 43}") for number in range(n_pairs)], 0)
    return made, choose_again(dict.fromkeys(models, made), share, 0, kept or {})


def test_the_repeats_of_twelve_models_cover_every_task_evenly():
    _, again = repeats(MODELS)
    assert [len(some) for some in again.values()] == [25] * 12
    together = Counter(one.task for some in again.values() for one in some)
    assert (min(together.values()), max(together.values())) == (6, 7)  # 300 over 43
    assert len(together) == 43
    assert all(max(Counter(one.task for one in some).values()) == 1 for some in again.values())


def test_any_beginning_holds_about_its_share_of_the_repeats():
    made, again = repeats(MODELS)
    place = {one: number for number, one in enumerate(made)}
    places = [place[one] for some in again.values() for one in some]
    for length in (100, 300, 625, 1000):
        assert sum(one < length for one in places) == pytest.approx(300 * length / 1250, rel=0.25)


def test_a_model_that_comes_later_moves_no_repeat():
    assert repeats(MODELS)[1].items() >= repeats(MODELS[:7])[1].items()


@given(chance=st.randoms(), share=st.sampled_from([0.02, 0.1, 0.5]))
@settings(max_examples=15)
def test_repeats_that_were_made_stay_and_the_rest_does_not_move(chance, share):
    made, again = repeats(MODELS[:3], share, n_pairs=120)
    some = {model: [one for one in chosen if chance.random() < 0.5] for model, chosen in again.items()}
    assert repeats(MODELS[:3], share, 120, some)[1] == again
    other = {MODELS[0]: chance.sample(made, len(again[MODELS[0]]))}
    kept = repeats(MODELS[:3], share, 120, other)[1]
    assert set(kept[MODELS[0]]) == set(other[MODELS[0]])
    assert kept[MODELS[1]] == again[MODELS[1]]
