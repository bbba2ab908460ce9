"""The tasks and their templates: what is written from a template can be read back."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editfhf.errors import BadInput
from editfhf.flaws import FLAW_TYPES, flaw_types_of
from editfhf.tasks import FREE_SLOT, SLOTS, TASKS, did_you_mean, fill_template, parse_slots, require_task, slots_of

TEMPLATES = [(task.id, template) for task in TASKS.values() for template in task.templates]
# What `photos.csv` lets through as the name of a subject, in the form in which it is stored.
subjects = (
    st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters='"{}'), min_size=1, max_size=12)
    | st.sampled_from(["cup", "red cup to the left", "a cup and a saucer", "white", "dog with a green ball", "ſK", "ı"])
).filter(lambda name: not name.endswith("."))


def test_there_are_43_tasks_and_each_says_what_it_needs():
    assert len(TASKS) == 43
    for task in TASKS.values():
        assert task.scope in ("local", "global", "frame")
        assert task.needs in ("any", "object", "objects", "person", "outdoor", "surface", "text")
        assert task.derived in ("", "greyscale", "damaged", "blurred")
        assert task.example
    assert sum(bool(task.templates) for task in TASKS.values()) >= 24


def test_templates_use_only_slots_that_have_words():
    used = {slot for _, template in TEMPLATES for slot in slots_of(template)}
    assert used == set(SLOTS) | {FREE_SLOT}
    assert all(len(set(words)) == len(words) >= 2 for words in SLOTS.values())
    assert all(isinstance(word, str) for words in SLOTS.values() for word in words)


@pytest.mark.parametrize(("task_id", "template"), TEMPLATES)
@given(data=st.data())
def test_whatever_a_template_says_can_be_read_back(task_id, template, data):
    words = {
        slot: data.draw(subjects if slot == FREE_SLOT else st.sampled_from(SLOTS[slot])) for slot in slots_of(template)
    }
    text = fill_template(template, words)
    assert not re.search(r"\ba [aeiou]", text.replace(words.get(FREE_SLOT, "\0"), "x"))
    assert parse_slots(task_id, text) == words
    assert parse_slots(task_id, f"  {text[0].upper()}{text[1:]}. ") == words
    assert parse_slots(task_id, text.replace(" ", "  ")) == words


@pytest.mark.parametrize(
    ("task_id", "text"),
    [
        ("color_change", "turn the cup mauve"),
        ("color_change", "turn the  green"),
        ("color_change", "please turn the cup green"),
        ("object_remove", ""),
        ("text_add", "write OPEN in the upper left corner"),
        ("object_count", "make it exactly three apples"),
        ("sky_replace", "replace the sky with a clear blue sky and a balloon"),
    ],
)
def test_an_instruction_in_other_words_is_not_guessed_at(task_id, text):
    assert parse_slots(task_id, text) is None


def test_an_unknown_task_names_the_closest():
    assert require_task("sky_replace").group == "scene"
    with pytest.raises(BadInput, match=r"line 3: unknown task 'sky_replac'.*Did you mean 'sky_replace'"):
        require_task("sky_replac", "line 3: ")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("blur", "'deblur_enhance'"), ("sky", "'sky_replace'"), ("duplicate", "'object_duplicate'")],
)
def test_a_part_of_a_name_is_enough_to_guess(typed, meant):
    with pytest.raises(BadInput, match=rf"Did you mean {meant}\? `editfhf tasks`"):
        require_task(typed)


def test_a_part_of_several_names_gets_them_all():
    names = ("procedural/careful", "procedural/hurried", "flux2-klein")
    assert did_you_mean("edural", names) == "Did you mean 'procedural/careful' or 'procedural/hurried'? "


def test_what_is_near_nothing_gets_no_guess():
    assert did_you_mean("qqq", TASKS) == did_you_mean("a", TASKS) == did_you_mean("", TASKS) == ""


def test_the_readme_of_the_taxonomy_and_the_flaws_agree():
    assert len(FLAW_TYPES) == len({flaw.id for flaw in FLAW_TYPES}) == 20
    assert len(flaw_types_of("artifact")) == len(flaw_types_of("editing_failure")) == 10


def test_the_tasks_are_packaged_beside_their_loader():
    import editfhf.tasks

    assert (Path(editfhf.tasks.__file__).parent / "tasks.yaml").is_file()
