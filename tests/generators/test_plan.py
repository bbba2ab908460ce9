"""The order of the plan: whatever its length, a beginning of it is balanced over models, tasks and photos."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from editfhf.schema import Instruction, Source, stable_id
from generators.base import ModelEntry
from generators.design import balanced_order
from generators.plan import plan_edits


def instruction(photo: str, task: str) -> Instruction:
    return Instruction(stable_id(photo, task), photo, task, f"{task} on {photo}")


def entry(name: str, tasks: tuple[str, ...] = ()) -> ModelEntry:
    return ModelEntry(name, "1", "", load=lambda: None, tasks=tasks, default_params={"steps": 20})  # type: ignore[arg-type, return-value]


pairs = st.sets(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("STUVW")), min_size=1)


@given(pairs=pairs, seed=st.integers(0, 5))
def test_every_beginning_is_even_over_tasks_until_one_is_used_up(pairs, seed):
    order = balanced_order([instruction(photo, task) for photo, task in sorted(pairs)], seed)
    assert Counter((one.source_id, one.task) for one in order) == Counter(pairs)
    available = Counter(task for _, task in pairs)
    for length in range(1, len(order) + 1):
        used = Counter(one.task for one in order[:length])
        unfinished = [used[task] for task in available if used[task] < available[task]]
        if unfinished:
            assert max(used.values()) - min(unfinished) <= 1


def test_photos_are_used_evenly_where_every_photo_has_every_task():
    everything = [instruction(photo, task) for photo in "abcdefgh" for task in "STUV"]
    for length in (8, 16, 24, 32):
        used = Counter(one.source_id for one in balanced_order(everything, 3)[:length])
        assert set(used.values()) == {length // 8}


@given(pairs=pairs)
def test_the_order_depends_on_content_alone(pairs):
    forward = [instruction(photo, task) for photo, task in sorted(pairs)]
    assert balanced_order(forward, 1) == balanced_order(forward[::-1], 1)


def test_models_get_the_same_pairs_and_only_tasks_they_can_do():
    sources = [Source("a", "a.png", 8, 8, "CC0-1.0", "a", subject_box=(0.1, 0.2, 0.3, 0.4))]
    plan = plan_edits(
        sources, [instruction("a", "S"), instruction("a", "T")], [entry("one"), entry("two", tasks=("T",))], seed=0
    )
    assert {(edit.task, edit.model) for edit in plan.edits} == {("S", "one"), ("T", "one"), ("T", "two")}


def test_every_setting_that_changes_pixels_changes_the_id():
    sources = [Source("a", "a.png", 8, 8, "CC0-1.0", "a")]
    one = [instruction("a", "S")]
    base = plan_edits(sources, one, [entry("m")], seed=0).edits[0]
    assert plan_edits(sources, one, [entry("m")], seed=0).edits[0].edit_id == base.edit_id
    others = [
        plan_edits(sources, one, [entry("m")], seed=1),
        plan_edits(sources, one, [entry("m2")], seed=0),
        plan_edits(sources, one, [entry("m")], seed=0, params={"m": {"steps": 30}}),
        plan_edits(sources, [instruction("a", "T")], [entry("m")], seed=0),
    ]
    assert len({base.edit_id} | {plan.edits[0].edit_id for plan in others}) == 5
