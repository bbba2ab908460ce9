"""The plan: which edits, in an order of which every beginning is balanced over models, tasks and photos."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editfhf.ledger import Finished
from editfhf.schema import Instruction, Source, stable_id
from editfhf.workspace import Workspace
from generators import registry
from generators.base import ModelEntry
from generators.design import balanced_order
from generators.plan import Plan, plan_campaign, plan_edits
from generators.runner import Selection, dry_run


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


# A campaign

TASKS = ["color_change", "deblur_enhance", "object_add", "object_remove", "style_transfer"]


@pytest.fixture
def campaign(tmp_path, plugin):
    """Makes, or grows, a workspace of photos and instructions that exist as rows only."""

    def make(photos: int, more: str = "", wide: int = 0, models: str = "[test/one, test/three]") -> Workspace:
        root = tmp_path / "campaign"
        root.mkdir(exist_ok=True)
        (root / "editfhf.yaml").write_text(f"generate:\n  models: {models}\n{more}")
        workspace = Workspace.open(root)
        sources = [
            Source(f"{number:016x}", f"{number}.png", 300 if number < wide else 100, 100, "CC0-1.0", str(number))
            for number in range(photos)
        ]
        workspace.write_table("sources", sources)
        lines = [f"{source.source_id},{task},do it" for source in sources for task in TASKS]
        workspace.instructions_path.write_text("\n".join(["source_id,task,instruction", *lines, ""]))
        return workspace

    return make


def photos_of(plan: Plan) -> set[str]:
    return {edit.source_id for edit in plan.edits}


def test_looking_at_a_plan_writes_nothing_and_freezes_nothing(campaign):
    few = campaign(10, "  pairs: 40\n")
    before = {path.name: path.read_bytes() for path in few.root.iterdir() if path.is_file()}
    plan_campaign(few)
    dry_run(few, Selection())
    assert {path.name: path.read_bytes() for path in few.root.iterdir() if path.is_file()} == before
    many = plan_campaign(campaign(200, "  pairs: 40\n"))
    assert len(photos_of(many)) == 40
    assert many.notes == []


def test_what_a_run_planned_and_did_not_attempt_gives_way_to_more_photos(campaign):
    few = campaign(10, "  pairs: 40\n")
    planned = plan_campaign(few)
    few.ledger.replan(planned.edits)
    made = [edit for edit in planned.edits[:20] if edit.model == "test/one"]
    few.ledger.record([Finished(edit.edit_id, "done", "images/x") for edit in made])
    grown = plan_campaign(campaign(200, "  pairs: 40\n"))
    assert {edit.edit_id for edit in made} <= {edit.edit_id for edit in grown.edits}
    assert {edit.edit_id for edit in planned.edits} - {edit.edit_id for edit in grown.edits}
    # Ten pairs were made, of ten photos at most; thirty others have a photo each.
    assert len(photos_of(grown)) == len({edit.source_id for edit in made}) + 30
    assert len({(edit.source_id, edit.task) for edit in grown.edits}) == 40


def test_a_plan_that_earlier_edits_hold_to_few_photos_says_so(campaign):
    few = campaign(10, "  pairs: 40\n  repeats: 0.0\n")
    planned = plan_campaign(few)
    assert planned.notes == []  # there are no more photos
    few.ledger.replan(planned.edits)
    few.ledger.record([Finished(edit.edit_id, "failed", reason="x") for edit in planned.edits])
    grown = plan_campaign(campaign(200, "  pairs: 40\n  repeats: 0.0\n"))
    assert [edit.edit_id for edit in grown.edits] == [edit.edit_id for edit in planned.edits]
    assert "Only 10 photos, where 40 could be used" in grown.summary()


def test_models_are_compared_on_pairs_that_all_of_them_can_do(campaign):
    # test/square takes no photo that is three times as wide as high.
    workspace = campaign(60, "  pairs: 40\n  repeats: 0.0\n", wide=20, models="[test/one, test/square]")
    plan = plan_campaign(workspace)
    assert Counter(edit.model for edit in plan.edits) == {"test/one": 40, "test/square": 40}
    assert len(photos_of(plan)) == 40
    assert "100 pairs are left out" in plan.summary()
    assert "test/square cannot do 0, 1, 2 and 17 more (aspect up to 3 : 1; at most" in plan.summary()
    # `--model` changes nothing of it.
    assert {edit.edit_id for edit in plan_campaign(workspace, ["test/one"]).edits} == {
        edit.edit_id for edit in plan.edits if edit.model == "test/one"
    }


def test_the_task_that_leaves_pairs_out_is_named_with_its_model(campaign, monkeypatch):
    entries = {
        "test/one": registry.model_entry("test/one"),
        "test/three": replace(registry.model_entry("test/three"), tasks=("object_add", "color_change")),
    }
    monkeypatch.setattr("generators.plan.model_entry", entries.__getitem__)
    summary = plan_campaign(campaign(20)).summary()
    assert "60 pairs are left out" in summary
    assert "test/three cannot do the tasks deblur_enhance, object_remove, style_transfer." in summary


def test_the_summary_tells_ones_own_photos_from_copies_made_of_them(campaign):
    workspace = campaign(10, "  repeats: 0.0\n")
    sources = workspace.sources()
    copies = [replace(one, derived_from=sources[0].source_id) for one in sources[4:]]
    workspace.write_table("sources", [*sources[:4], *copies])
    assert "50 pairs of 10 photos (4 yours, 6 derived; 5–5 each)" in plan_campaign(workspace).summary()


def test_each_model_may_do_what_it_can(campaign):
    more = "  pairs: 300\n  repeats: 0.0\n  common_pairs: false\n"
    plan = plan_campaign(campaign(60, more, wide=20, models="[test/one, test/square]"))
    assert Counter(edit.model for edit in plan.edits) == {"test/one": 300, "test/square": 200}
    assert plan.left_out["test/square"] == 100


def test_models_without_a_common_pair_each_do_theirs(campaign, monkeypatch):
    entries = {
        "test/one": replace(registry.model_entry("test/one"), tasks=("deblur_enhance",)),
        "test/three": replace(registry.model_entry("test/three"), tasks=("object_add", "color_change")),
    }
    monkeypatch.setattr("generators.plan.model_entry", entries.__getitem__)
    plan = plan_campaign(campaign(20, "  repeats: 0.0\n"))
    assert Counter(edit.model for edit in plan.edits) == {"test/one": 20, "test/three": 40}
    assert "No pair can be done by every model" in plan.summary()


def test_repeats_are_each_models_own_and_stand_among_the_others(campaign):
    plan = plan_campaign(campaign(60, "  pairs: 50\n  repeats: 0.1\n"))
    seeds: dict[tuple[str, str, str], set[int]] = {}
    for edit in plan.edits:
        seeds.setdefault((edit.model, edit.source_id, edit.task), set()).add(edit.seed)
    again = [key for key, some in seeds.items() if len(some) == 2]
    assert Counter(model for model, _, _ in again) == {"test/one": 5, "test/three": 5}
    one, three = ({key[1:] for key in again if key[0] == model} for model in ("test/one", "test/three"))
    assert len(one - three) >= 3
    assert "10 edits again with another seed, of 5 tasks" in plan.summary()
    half = plan.edits[: len(plan.edits) // 2]
    assert len(half) - len({(edit.model, edit.source_id, edit.task) for edit in half}) == pytest.approx(5, abs=1)
