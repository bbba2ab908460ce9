from functools import lru_cache

import numpy as np
import pytest

from editfhf.flaws import FLAW_TYPES, FLAWS
from editfhf.oracle import Truth
from editfhf.true_quality import true_quality
from generators.procedural.context import rng_of
from generators.procedural.editors import EDITORS
from generators.procedural.finishing import finish, visible_difference
from generators.procedural.flaw_operators import FlawOperator, flaw_operators
from generators.procedural.flaw_operators.scene import FlawScene
from generators.procedural.model import ProceduralModel
from generators.procedural.profiles import PROFILES, Profile, draw_operators
from tests.generators.procedural_edits import context, request

OPERATORS = flaw_operators()
# A task on which each operator makes sense (others: color_change).
TASK_OF = {
    "malform_face": "tone_grading", "garble_letters": "text_add", "missize": "object_add", "let_float": "object_add",
    "misplace": "object_add", "lose_identity": "object_move", "misspell": "text_add",
    "use_other_style": "style_transfer",
}  # fmt: skip
PHOTO_OF = {"malform_face": "astronaut"}


@lru_cache(maxsize=32)
def scene_for(name: str) -> FlawScene:
    asked = context(TASK_OF.get(name, "color_change"), PHOTO_OF.get(name, ""), choice=1)
    editor = EDITORS[asked.task]
    draft = editor.draw(asked)
    return FlawScene(asked, editor, draft, visible_difference(draft.image, draft.before))


def damage(scene: FlawScene, operator: FlawOperator, severity: float, draw: int) -> float:
    """How far the spoilt image is from the flawless one: mean absolute difference."""
    made = operator.apply(scene, scene.draft.image, rng_of(operator.name, draw), severity)
    return 0.0 if made is None else float(np.abs(np.clip(made.image, 0, 255) - scene.draft.image).mean())


def test_there_is_an_operator_for_every_flaw_type():
    assert {one.flaw_type for one in OPERATORS.values()} == {flaw.id for flaw in FLAW_TYPES}


def test_operators_can_be_held_out_by_name_and_by_flaw_type():
    left = flaw_operators(exclude=["melt", "blur_or_ghosting"])
    assert set(OPERATORS) - set(left) == {"melt", "smear", "ghost"}


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_shows_and_is_repeatable(name):
    scene, operator = scene_for(name), OPERATORS[name]
    assert operator.suits(scene)
    before = scene.draft.image.copy()
    images = [operator.apply(scene, scene.draft.image, rng_of(name, 1), 0.9) for _ in range(2)]
    assert images[0] is not None
    assert np.array_equal(images[0].image, images[1].image)
    assert np.array_equal(scene.draft.image, before)  # the flawless image is not written to
    assert visible_difference(finish(images[0].image, "x"), finish(before, "x")).any()
    assert images[0].description.endswith(".")
    assert FLAWS[operator.flaw_type].kind == operator.kind


@pytest.mark.parametrize("name", OPERATORS)
def test_a_more_severe_flaw_does_not_do_less_damage(name):
    scene, operator = scene_for(name), OPERATORS[name]
    mild, middling, severe = (
        np.mean([damage(scene, operator, s, draw) for draw in range(4)]) for s in (0.1, 0.5, 0.95)
    )
    # Weakly: an edit that was not done at all cannot be done less.
    assert mild <= middling * 1.1
    assert middling <= severe * 1.1


@pytest.mark.parametrize(
    "name", ["melt", "add_blotches", "smear", "leave_halo", "bleed", "change_elsewhere", "overdo", "do_half"]
)
def test_true_quality_falls_with_the_severity(name):
    scene, operator = scene_for(name), OPERATORS[name]
    truth = Truth(finish(scene.draft.image, "x"), ~scene.draft.changed & ~scene.edited, scene.draft.before)
    totals = []
    for severity in (0.1, 0.5, 0.95):
        scores = []
        for draw in range(4):
            made = operator.apply(scene, scene.draft.image, rng_of(name, draw), severity)
            if made is not None:
                scores.append(sum(true_quality(finish(made.image, "x"), truth).values()))
        totals.append(np.mean(scores))
    assert totals[0] > totals[1] > totals[2]


def test_an_edit_has_no_flaw_type_twice_and_is_done_anew_once_at_most():
    for draw in range(50):
        drawn = draw_operators(OPERATORS, 4, rng_of(draw))
        assert len({one.flaw_type for one in drawn}) == len(drawn)
        assert [one.replaces_edit for one in drawn].count(True) <= 1
        assert not any(one.replaces_edit for one in drawn[1:])


def test_profiles_are_chances_and_grow_worse():
    means = []
    for profile in PROFILES.values():
        assert sum(profile.counts) == pytest.approx(1)
        means.append((np.dot(range(len(profile.counts)), profile.counts), np.mean(profile.severity)))
    assert means == sorted(means)


def test_the_order_of_the_models_is_the_order_of_their_true_quality_in_each_dimension():
    tasks = (
        "object_add", "object_move", "color_change", "texture_pattern", "text_add", "multi_edit", "tone_grading",
        "background_replace", "lighting_change", "depth_of_field", "style_transfer", "object_extract",
    )  # fmt: skip
    means = {}
    for name in PROFILES:
        model = ProceduralModel(name)
        outcomes = model.edit(
            [request(task, choice=choice, seed=choice, side=256) for task in tasks for choice in range(3)]
        )
        scores = [list(true_quality(np.asarray(one.image), one.truth).values()) for one in outcomes if one.image]
        assert len(scores) >= 30
        means[name] = np.mean(scores, axis=0)
    for better, worse in (("careful", "hurried"), ("hurried", "careless"), ("careless", "broken")):
        assert (means[better] > means[worse]).all()


def test_a_flaw_that_follows_another_lies_on_the_thing_where_it_now_is():
    # Put into the wrong corner, then given a halo: around the ball that is there, not around an empty place.
    only = {name: OPERATORS[name] for name in ("misplace", "leave_halo")}
    model = ProceduralModel("broken", Profile((0.0, 0.0, 1.0), (0.9, 0.9)), only)
    outcomes = model.edit([request("object_add", choice=1, seed=seed) for seed in range(8)])
    # Some of them put in a second ball instead.
    elsewhere = [one.truth.flaws for one in outcomes if "instead of" in one.truth.flaws[0].description]
    misplaced, halo = elsewhere[0]
    assert [misplaced.operator, halo.operator] == ["misplace", "leave_halo"]
    asked_for = context("object_add", choice=1)
    assert not (halo.mask & EDITORS["object_add"].draw(asked_for).place).any()
    assert (halo.mask & misplaced.mask).any()
