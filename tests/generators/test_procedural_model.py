import numpy as np
import pytest

from editfhf.flaws import FLAWS
from editfhf.oracle import read, write
from editfhf.tasks import TASKS
from generators.base import EditRequest
from generators.procedural import models
from generators.procedural.compositing import dilate
from generators.procedural.editors import EDITORS
from generators.procedural.model import ProceduralModel
from generators.procedural.profiles import Profile
from generators.registry import load_model
from tests.generators.procedural_edits import photo, request

SAMPLE_TASKS = ("color_change", "object_add", "text_add", "tone_grading", "background_replace")


@pytest.fixture(scope="module")
def broken() -> ProceduralModel:
    return ProceduralModel("broken")


def test_every_task_with_a_template_has_an_editor():
    assert set(EDITORS) == {task.id for task in TASKS.values() if task.templates}
    assert all(set(entry.tasks) == set(EDITORS) for entry in models())


def test_the_registry_loads_what_it_lists():
    for entry in models():
        model = load_model(entry.id)
        assert (model.id, model.revision) == (entry.id, entry.revision)
        assert entry.procedural
        assert "subject_box" in entry.source_params


def test_the_same_request_gives_the_same_bytes_in_any_order_and_batch(broken):
    requests = [request(task) for task in SAMPLE_TASKS]
    together = broken.edit(requests)
    alone = [ProceduralModel("broken").edit([one])[0] for one in reversed(requests)][::-1]
    for left, right in zip(together, alone, strict=True):
        assert left.image.tobytes() == right.image.tobytes()
        assert [flaw.operator for flaw in left.truth.flaws] == [flaw.operator for flaw in right.truth.flaws]


def test_the_edit_id_does_not_change_pixels(broken):
    one = request("color_change")
    other = EditRequest("f" * 16, one.source, one.instruction, one.task, one.seed, one.params)
    assert broken.edit([one])[0].image.tobytes() == broken.edit([other])[0].image.tobytes()


def test_seed_and_model_decide_the_flaws_but_not_the_flawless_edit(broken):
    first, other_seed = broken.edit([request("color_change", seed=1), request("color_change", seed=2)])
    careless = ProceduralModel("careless").edit([request("color_change", seed=1)])[0]
    assert np.array_equal(first.truth.flawless, careless.truth.flawless)
    assert first.image.tobytes() != careless.image.tobytes()
    assert first.image.tobytes() != other_seed.image.tobytes()


def test_without_a_flaw_the_image_is_the_flawless_one():
    never = ProceduralModel("careful", Profile((1.0,), (0, 0)))
    for outcome in never.edit([request(task) for task in SAMPLE_TASKS]):
        assert np.array_equal(np.asarray(outcome.image), outcome.truth.flawless)
        assert outcome.truth.flaws == []


def test_outside_the_flaw_a_flawed_image_equals_the_flawless_one_to_the_bit():
    from generators.procedural.flaw_operators import flaw_operators

    # Blotches end where their blob ends: beyond it nothing may tell that an operator was at work.
    only = {"add_blotches": flaw_operators()["add_blotches"]}
    model = ProceduralModel("broken", Profile((0.0, 1.0), (0.8, 0.8)), only)
    for task in ("color_change", "tone_grading", "object_add"):
        outcome = model.edit([request(task)])[0]
        (flaw,) = outcome.truth.flaws
        far = ~dilate(flaw.mask, 14)
        assert far.mean() > 0.2
        assert np.array_equal(np.asarray(outcome.image)[far], outcome.truth.flawless[far])
        assert not np.array_equal(np.asarray(outcome.image)[flaw.mask], outcome.truth.flawless[flaw.mask])


def test_every_recorded_flaw_is_of_the_taxonomy_and_shows_in_the_pixels(broken):
    outcomes = broken.edit([request(task, choice=choice) for task in SAMPLE_TASKS for choice in (0, 1)])
    for outcome in outcomes:
        difference = np.abs(np.asarray(outcome.image, int) - outcome.truth.flawless).max(axis=2)
        assert outcome.truth.flaws
        for flaw in outcome.truth.flaws:
            assert FLAWS[flaw.flaw_type].kind == flaw.kind
            assert 0 < flaw.severity <= 1
            assert flaw.mask.shape == difference.shape
            assert flaw.mask.any() == (flaw.extent == "region")
            if flaw.mask.any():
                # Half of the mask at least is plainly different: the rest is what cleaning up closed.
                assert (dilate(difference > 6, 2)[flaw.mask]).mean() > 0.5


def test_in_the_region_to_keep_the_flawless_edit_is_the_photo(broken):
    for outcome in broken.edit([request(task) for task in EDITORS]):
        if outcome.image is None or not outcome.truth.keep.any():
            continue
        change = np.abs(outcome.truth.flawless.astype(int) - outcome.truth.before).mean(axis=2)[outcome.truth.keep]
        assert np.percentile(change, 99) < 12
        assert change.mean() < 2.5  # finishing grain alone


def test_a_truth_survives_the_disk(tmp_path, broken):
    truth = broken.edit([request("object_add")])[0].truth
    write(tmp_path / "one", truth)
    back = read(tmp_path / "one")
    assert np.array_equal(back.flawless, truth.flawless)
    assert [flaw.description for flaw in back.flaws] == [flaw.description for flaw in truth.flaws]


def test_what_cannot_be_done_is_refused_with_a_sentence(broken):
    grass = photo("brick_wall")
    asked = [
        EditRequest("x", grass, "please do something nice", "color_change", 1, {"max_side": 200}),
        EditRequest("x", grass, "make the man smile", "expression_change", 1, {"max_side": 200}),
        EditRequest("x", grass, "put red round glasses on the person", "accessory_change", 1, {"max_side": 200}),
    ]
    for outcome in broken.edit(asked):
        assert outcome.status == "refused"
        assert outcome.reason.endswith(".")
        assert outcome.image is None


def test_the_longer_side_is_reduced_and_never_enlarged(broken):
    small, large = broken.edit([request("tone_grading", side=160), request("tone_grading", side=4000)])
    assert max(small.image.size) == 160
    assert large.image.size == photo("coffee").size
