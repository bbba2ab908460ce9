"""Instructions: only what makes sense on a photo is asked for, and nothing that a person wrote is lost."""

import csv
import dataclasses
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from editfhf.degradations import degrade
from editfhf.errors import BadInput
from editfhf.instructions import COLUMNS, read_instructions, write_instructions
from editfhf.photo_content import PhotoContent
from editfhf.phrasing import PhotoFacts, fitting_words, makes_sense, name_colours
from editfhf.schema import Source, stable_id
from editfhf.sources import SAMPLES, init_workspace
from editfhf.tasks import SLOTS, TASKS, parse_slots
from editfhf.template_instructions import needs_subject
from editfhf.workspace import Workspace
from tests.factories import make_workspace, photo

NAMES = ("cat", "temple", "astronaut", "page", "cameraman", "brick_wall")


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Workspace:
    """Some of the samples, with instructions from templates."""
    root = tmp_path_factory.mktemp("written")
    (root / "photos").mkdir()
    sheet = (SAMPLES / "photos.csv").read_text(encoding="utf-8").splitlines()
    rows = [line for line in sheet if line.split(",")[0].removesuffix(".jpg") in (*NAMES, "file")]
    (root / "photos" / "photos.csv").write_text("\n".join(rows), encoding="utf-8")
    for name in NAMES:
        (root / "photos" / f"{name}.jpg").write_bytes((SAMPLES / f"{name}.jpg").read_bytes())
    workspace, _ = init_workspace(root / "ws", root / "photos")
    write_instructions(workspace)
    return workspace


@pytest.fixture
def small(tmp_path) -> Workspace:
    """Two photos without a subject, with instructions from templates."""
    workspace = make_workspace(tmp_path / "small", n_sources=2)
    write_instructions(workspace)
    return workspace


def by_photo(workspace) -> dict[str, dict[str, str]]:
    """Photo → task → text; a derived photo under the name of the clean one."""
    names = {source.source_id: source for source in workspace.sources()}
    texts: dict[str, dict[str, str]] = {}
    for one in read_instructions(workspace):
        root = names[names[one.source_id].root_id]
        texts.setdefault(root.subject or root.origin.split()[0], {})[one.task] = one.text
    return texts


def rows_of(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def write_rows(path, rows, delimiter=",", columns=COLUMNS, encoding="utf-8", end="\n"):
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, columns, delimiter=delimiter, lineterminator=end, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


# From templates


def test_every_instruction_from_a_template_reads_back_to_its_slots(written):
    instructions = read_instructions(written)
    subjects = {source.source_id: source.subject for source in written.sources()}
    for one in instructions:
        slots = parse_slots(one.task, one.text)
        assert slots is not None
        assert slots.get("subject", subjects[one.source_id]) == subjects[one.source_id]
        assert one.instruction_id == stable_id(one.source_id, one.task, one.text)
        assert (one.author, one.reviewed) == ("template", False)
    assert max(Counter((one.source_id, one.task) for one in instructions).values()) == 1
    assert len({one.task for one in instructions}) >= 24


def test_what_is_not_in_a_photo_is_not_asked_for(written):
    texts = by_photo(written)
    with_sky = {name for name, tasks in texts.items() if "sky_replace" in tasks}
    assert with_sky == {"pagoda", "photographer"}
    assert {name for name, tasks in texts.items() if "makeup_retouch" in tasks} == {"astronaut"}
    assert {name for name, tasks in texts.items() if "text_remove" in tasks} == {"Printed"}
    assert {name for name, tasks in texts.items() if "color_change" in tasks} == set(NAMES_OF_SUBJECTS)
    assert "colorize" not in texts["photographer"]  # it is black and white already
    assert "object_remove" not in texts["cat"]  # it fills the picture
    assert {"object_add", "style_transfer"} <= set(texts["Bricks25"])


NAMES_OF_SUBJECTS = ("cat", "pagoda", "astronaut", "photographer")


def test_copies_made_of_ones_photos_are_counted_apart_and_explained(written):
    counts = write_instructions(written)
    sources = written.sources()
    derived = [one for one in sources if one.derived_from]
    assert (counts.own_photos, counts.derived_photos) == (len(NAMES), len(derived))
    assert counts.notes[0].startswith(f"{len(NAMES)} photos are yours; {len(derived)} are copies of them, made worse")
    assert "(blurred, damaged, greyscale): what colorize, restoration, deblur_enhance start from" in counts.notes[0]


def test_a_photo_without_a_subject_that_can_be_found_is_named_with_the_remedy(written):
    notes = write_instructions(written).notes
    (page,) = [note for note in notes if note.startswith("Printed page")]
    n_tasks = sum(needs_subject(task) for task in TASKS.values())
    assert f": {n_tasks} tasks that need an object left out, none found; name its subject in photos.csv." in page
    assert not [note for note in notes if "cat" in note.split(":")[0]]
    assert len(notes) <= 5


def test_many_photos_without_a_subject_are_one_line(tmp_path):
    notes = write_instructions(make_workspace(tmp_path / "many", n_sources=9)).notes
    assert len([note for note in notes if "tasks that need an object left out" in note]) == 1
    assert any(note.startswith("9 photos (") and " and 6 more)" in note for note in notes)


def test_what_an_instruction_is_about_is_named(written):
    target = {one.task: one.target for one in read_instructions(written)}
    assert target["sky_replace"] == "sky"
    assert target["text_style"] == "lettering"
    assert target["makeup_retouch"] == "face"
    assert target["style_transfer"] == ""
    assert target["color_change"] in NAMES_OF_SUBJECTS


def facts_of(pixels, mask, **content) -> PhotoFacts:
    found = PhotoContent(mask, (), None, (), greyscale=False, outdoor=False)
    height, width = pixels.shape[:2]
    source = Source("0" * 16, "x", width, height, "", "x", subject="cup")
    return PhotoFacts(source, pixels, dataclasses.replace(found, **content))


RGB_OF = {
    "red": (210, 20, 25), "orange": (240, 130, 20), "yellow": (240, 220, 30), "green": (40, 160, 50),
    "teal": (20, 140, 140), "blue": (30, 60, 200), "purple": (120, 30, 190), "pink": (250, 120, 180),
    "white": (245, 245, 245), "black": (15, 15, 15),
}  # fmt: skip


def test_every_colour_of_the_vocabulary_is_known_by_sight():
    assert set(RGB_OF) == set(SLOTS["colour"])
    assert name_colours(np.array(list(RGB_OF.values()), np.uint8)).tolist() == list(RGB_OF)
    assert name_colours(np.array([[128, 128, 128], [110, 70, 40]], np.uint8)).tolist() == ["", ""]


@pytest.mark.parametrize("colour", SLOTS["colour"])
def test_a_thing_is_never_turned_into_the_colour_it_has(colour):
    pixels = np.full((60, 60, 3), 128, np.uint8)
    mask = np.zeros((60, 60), bool)
    mask[20:40, 20:40] = True
    pixels[mask] = RGB_OF[colour]
    facts = facts_of(pixels, mask)
    for task in ("color_change", "multi_edit", "object_extract"):
        assert set(fitting_words(task, "colour", facts)) == set(SLOTS["colour"]) - {colour}


def test_a_thing_is_moved_only_to_where_there_is_room():
    mask = np.zeros((60, 100), bool)
    mask[5:35, 0:30] = True
    facts = facts_of(np.full((60, 100, 3), 128, np.uint8), mask)
    assert fitting_words("object_move", "direction", facts) == ["right"]
    assert fitting_words("object_duplicate", "direction", facts) == ["right"]
    assert fitting_words("object_add", "corner", facts) == ["upper right", "lower left", "lower right"]
    wide = np.zeros((60, 100), bool)
    wide[20:40, 5:95] = True
    assert fitting_words("object_move", "direction", facts_of(facts.pixels, wide)) == []
    assert fitting_words("object_resize", "factor", facts_of(facts.pixels, wide)) == ["60"]


@pytest.mark.parametrize(("shape", "round_"), [("round", True), ("square", False)])
def test_a_thing_is_not_made_the_shape_that_it_has(shape, round_):
    rows, columns = np.indices((80, 80))
    mask = (rows - 40) ** 2 + (columns - 40) ** 2 < 400 if round_ else (abs(rows - 40) < 20) & (abs(columns - 40) < 20)
    facts = facts_of(np.full((80, 80, 3), 128, np.uint8), mask)
    assert shape not in fitting_words("shape_change", "shape", facts)
    assert len(fitting_words("shape_change", "shape", facts)) == 1


def test_nobody_asks_for_a_square_cat():
    mask = np.zeros((80, 80), bool)
    mask[10:40, 20:60] = True
    facts = facts_of(np.full((80, 80, 3), 128, np.uint8), mask)
    assert makes_sense(TASKS["shape_change"], facts)
    cat = dataclasses.replace(facts, source=dataclasses.replace(facts.source, subject="grey cat"))
    assert not makes_sense(TASKS["shape_change"], cat)


def test_writing_again_changes_nothing(written):
    text, sources = written.instructions_path.read_bytes(), written.sources()
    counts = write_instructions(written)
    assert written.instructions_path.read_bytes() == text
    assert written.sources() == sources
    assert counts.unchanged == counts.instructions
    assert counts.added == counts.changed == counts.removed == 0


def test_the_seed_and_nothing_else_decides(tmp_path):
    texts = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        workspace = make_workspace(tmp_path / name, n_sources=2)
        settings = workspace.root / "editfhf.yaml"
        settings.write_text(settings.read_text().replace("seed: 0 ", f"seed: {seed} "))
        write_instructions(Workspace.open(workspace.root))
        texts.append(workspace.instructions_path.read_text(encoding="utf-8-sig"))
    assert texts[0] == texts[1] != texts[2]


def test_only_the_tasks_of_the_settings_are_written(small):
    settings = small.root / "editfhf.yaml"
    settings.write_text("generate:\n  tasks:\n    - style_transfer\n    - tone_grading\n")
    again = Workspace.open(small.root)
    counts = write_instructions(again)
    assert {one.task for one in read_instructions(again)} == {"style_transfer", "tone_grading"}
    assert counts.removed > 0
    settings.write_text("generate:\n  tasks:\n    - style_transfer\n    - tone_gradin\n")
    with pytest.raises(BadInput, match=r"editfhf.yaml: line 4: .*'tone_gradin'.*Did you mean 'tone_grading'"):
        write_instructions(Workspace.open(small.root))


# Derived photos


def test_photos_are_made_worse_for_the_tasks_that_mend_them(written):
    sources = {source.source_id: source for source in written.sources()}
    for one in read_instructions(written):
        source = sources[one.source_id]
        kind = {"colorize": "greyscale", "restoration": "damaged", "deblur_enhance": "blurred"}.get(one.task)
        assert bool(source.derived_from) == bool(kind)
        if kind is None:
            continue
        clean = sources[source.derived_from]
        assert f'"kind":"{kind}"' in source.degradation
        assert (source.width, source.height, source.licence) == (clean.width, clean.height, clean.licence)
        before, after = written.read_image(clean.file).astype(float), written.read_image(source.file).astype(float)
        assert before.shape == after.shape
        assert 1 < np.abs(before - after).mean() < 60


def test_a_greyscale_photo_has_the_luma_of_the_clean_one_and_no_colour():
    image = photo(64, 1)
    grey, done = degrade(image, "greyscale", 0)
    # ITU-R BT.601
    np.testing.assert_allclose(grey, image @ [0.299, 0.587, 0.114], atol=0.51)
    assert done == {"kind": "greyscale"}


def test_a_blurred_photo_has_less_detail_and_a_damaged_one_more():
    image = photo(128, 1).copy()
    image[::2, ::2] //= 2

    def detail(pixels) -> float:
        return float(np.abs(np.diff(pixels.astype(float), axis=0)).mean())

    assert detail(degrade(image, "blurred", 3)[0]) < 0.5 * detail(image)
    flat = np.full((128, 128, 3), 128, np.uint8)
    damaged, done = degrade(flat, "damaged", 3)
    assert np.median(np.abs(damaged.astype(int) - 128)) == pytest.approx(0.6745 * done["noise"], rel=0.1)
    assert (np.abs(damaged.astype(int) - 128) > 5 * done["noise"]).any()  # the scratches
    np.testing.assert_array_equal(damaged, degrade(flat, "damaged", 3)[0])
    assert (damaged != degrade(flat, "damaged", 4)[0]).any()
    with pytest.raises(ValueError, match="unknown degradation"):
        degrade(flat, "melted", 0)


# A person's file


@pytest.mark.parametrize(
    ("delimiter", "encoding", "end"), [(",", "utf-8", "\n"), (";", "utf-8-sig", "\r\n"), ("\t", "utf-16", "\r\n")]
)
def test_a_file_edited_in_a_spreadsheet_comes_back(small, tmp_path, delimiter, encoding, end):
    rows = rows_of(small.instructions_path)
    rows[0]["instruction"] = 'change it; "quite" a lot, été ネコ'
    rows[1]["reviewed"] = "WAHR"
    rows.append({"source_id": rows[0]["source_id"], "task": "state_change", "instruction": "peel  the banana"})
    edited = write_rows(tmp_path / "edited.csv", rows, delimiter, encoding=encoding, end=end)
    counts = write_instructions(small, edited)
    assert (counts.added, counts.changed, counts.removed, counts.by_people) == (1, 2, 0, 2)
    after = {(one.source_id, one.task): one for one in read_instructions(small)}
    changed = after[rows[0]["source_id"], rows[0]["task"]]
    assert (changed.text, changed.author, changed.reviewed) == ('change it; "quite" a lot, été ネコ', "file", True)
    assert changed.instruction_id == stable_id(changed.source_id, changed.task, changed.text)
    approved = after[rows[1]["source_id"], rows[1]["task"]]
    assert (approved.author, approved.reviewed) == ("template", True)
    assert after[rows[0]["source_id"], "state_change"].text == "peel the banana"


def test_what_a_person_wrote_survives_the_templates(small, tmp_path):
    rows = rows_of(small.instructions_path)
    mine = {**rows[0], "instruction": "make it mine"}
    write_instructions(small, write_rows(tmp_path / "mine.csv", [mine]))
    assert len(read_instructions(small)) == len(rows)  # a file of one line takes nothing away
    counts = write_instructions(small)
    assert counts.unchanged == len(rows)
    assert "make it mine" in {one.text for one in read_instructions(small)}


def test_the_file_in_the_workspace_may_be_edited_in_place(small):
    rows = rows_of(small.instructions_path)
    rows[0]["instruction"] = "make it mine"
    write_rows(small.instructions_path, rows)
    for _ in range(2):
        mine = next(one for one in read_instructions(small) if one.text == "make it mine")
        assert (mine.author, mine.reviewed) == ("file", True)
        write_instructions(small)


def test_what_a_file_leaves_out_can_be_removed(small, tmp_path):
    rows = rows_of(small.instructions_path)
    edited = write_rows(tmp_path / "few.csv", rows[:3])
    counts = write_instructions(small, edited, drop_missing=True)
    assert (counts.instructions, counts.removed, counts.unchanged) == (3, len(rows) - 3, 3)


def test_a_file_of_the_three_needed_columns_is_enough(small, tmp_path):
    source_id = small.sources()[0].source_id
    path = tmp_path / "short.csv"
    path.write_text(f"Task,Instruction,Source_ID\nhair_change,give her short hair,{source_id}\n")
    assert write_instructions(small, path).added == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source_id": "ID0"}, r"line 3: no photo has the source_id 'ID0'"),
        ({"source_id": ""}, r"line 3: no photo has the source_id ''"),
        ({"task": "sky_replac"}, r"line 3: unknown task 'sky_replac'.*'sky_replace'"),
        ({"instruction": "  "}, r"line 3: the instruction is empty"),
        ({"reviewed": "perhaps"}, r"line 3: reviewed is 'perhaps'"),
        ({"task": "FIRST"}, r"line 3: line 2 has an instruction for"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_changed(small, tmp_path, change, message):
    before = small.instructions_path.read_bytes()
    rows = rows_of(small.instructions_path)
    change = {key: rows[0]["task"] if value == "FIRST" else value for key, value in change.items()}
    rows[1].update(change)
    with pytest.raises(BadInput, match=message):
        write_instructions(small, write_rows(tmp_path / "wrong.csv", rows))
    assert small.instructions_path.read_bytes() == before


def test_a_source_id_with_one_wrong_letter_names_the_right_one(small, tmp_path):
    right = small.sources()[0].source_id
    path = tmp_path / "a.csv"
    path.write_text(f"source_id,task,instruction\n{right[:-1]}x,object_add,add a ball\n")
    with pytest.raises(BadInput, match=right):
        write_instructions(small, path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("source_id,instruction\n", r"line 1: no column task"),
        ("source_id,task,task,instruction\n", r"line 1: column task stands there twice"),
        ('source_id,task,instruction\na,b,"c\n', r"line \d: "),
        ("", r"is empty"),
    ],
)
def test_a_file_that_is_no_table_of_instructions_is_one_sentence(small, tmp_path, text, message):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(BadInput, match=message):
        write_instructions(small, path)
    with pytest.raises(BadInput, match="cannot be read"):
        write_instructions(small, tmp_path / "nowhere.csv")


def test_lines_are_counted_as_an_editor_counts_them(small, tmp_path):
    good = rows_of(small.instructions_path)[0]
    path = tmp_path / "a.csv"
    first = f'{good["source_id"]},{good["task"]},"two\nlines"'
    path.write_text(f"source_id,task,instruction\n\n{first}\n\nnobody,object_add,add a ball\n")
    with pytest.raises(BadInput, match="line 6: no photo"):
        write_instructions(small, path)


def test_a_file_name_that_is_a_formula_is_only_text(tmp_path):
    (tmp_path / "photos").mkdir()
    Image.fromarray(photo(96, 0)).save(tmp_path / "photos" / "=cmd.png")
    workspace, _ = init_workspace(tmp_path / "ws", tmp_path / "photos")
    write_instructions(workspace)
    assert {row["photo"][0] for row in rows_of(workspace.instructions_path)} == {"'"}


def test_without_photos_or_instructions_there_is_a_sentence_or_nothing(tmp_path):
    (tmp_path / "editfhf.yaml").write_text("")
    workspace = Workspace.open(tmp_path)
    assert read_instructions(workspace) == []
    with pytest.raises(BadInput, match=r"no photos yet.*editfhf init"):
        write_instructions(workspace)
