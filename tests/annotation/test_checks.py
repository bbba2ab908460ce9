import json
from dataclasses import asdict

import numpy as np
import pytest

from annotation.checks import BLOCK, FILE, GRAIN, Check, make_checks, passes, read_checks
from editfhf.errors import BadInput
from editfhf.schema import Region
from tests.factories import make_workspace


@pytest.fixture
def workspace(tmp_path):
    return make_workspace(tmp_path, n_sources=3)


def make(workspace, n, seed=0, **options):
    photos = [(source, f"do something to photo {number}") for number, source in enumerate(workspace.sources())]
    return make_checks(workspace, workspace.root / "annotation" / "checks", photos, n, seed, **options)


def is_noise(pixels):
    """Whether it is made of flat cells, of which neighbours have nothing to do with each other."""
    cells = pixels[::GRAIN, ::GRAIN].astype(float)
    height, width = pixels.shape[:2]
    flat = np.array_equal(pixels, pixels[::GRAIN, ::GRAIN].repeat(GRAIN, 0).repeat(GRAIN, 1)[:height, :width])
    left, right = cells[:, :-1].ravel(), cells[:, 1:].ravel()
    return flat and abs(np.corrcoef(left, right)[0, 1]) < 0.3 and cells.std() > 50


def test_the_pictures_are_what_their_sort_says(workspace):
    checks = make(workspace, 4)
    assert [check.sort for check in checks] == ["noise", "block", "noise", "block"]
    for check in checks:
        photo, edited = workspace.read_image(check.source_file), workspace.read_image(check.edited_file)
        assert edited.shape == photo.shape == (check.size[1], check.size[0], 3)
        assert not is_noise(photo)
        if check.sort == "noise":
            assert is_noise(edited)
            continue
        width, height = check.size
        left, top, right, bottom = (int(part * side) for part, side in zip(BLOCK, (width, height) * 2, strict=True))
        inside = np.zeros((height, width), bool)
        inside[top:bottom, left:right] = True
        assert np.array_equal(edited[~inside], photo[~inside])
        assert is_noise(edited[top:bottom, left:right])


def test_another_photo_is_another_and_what_nobody_touched_is_the_photo_itself(workspace):
    photos = {source.file: workspace.read_image(source.file) for source in workspace.sources()}
    checks = make(workspace, 6, sorts=("other", "untouched"))
    assert [check.sort for check in checks] == ["other", "untouched"] * 3
    for check in checks:
        edited = workspace.read_image(check.edited_file)
        same = [file for file, photo in photos.items() if np.array_equal(photo, edited)]
        assert len(same) == 1
        assert (same == [check.source_file]) == (check.sort == "untouched")


def test_an_instruction_that_nobody_followed_was_not_followed(workspace):
    (check,) = make(workspace, 1, sorts=("untouched",))
    assert check.instruction != "do something to photo 0"  # the photo has colour: the instruction asks for none
    assert passes(check, scores(5, 1, 5), [], "answered") is True
    assert passes(check, scores(5, 5, 5), [], "answered") is False
    other = Check("c", "untouched", "photo.png", "edited.png", "remove the cup", (96, 96))
    assert passes(other, scores(5, 5, 5), [], "answered") is True  # there may be no cup


def test_where_all_photos_look_alike_noise_takes_the_place_of_another(tmp_path):
    (check,) = make(make_workspace(tmp_path, n_sources=1), 1, sorts=("other",))
    assert check.sort == "noise"


def test_they_are_made_once_and_the_same_for_the_same_seed(workspace, tmp_path):
    few = make(workspace, 2)
    file = workspace.root / few[0].edited_file
    written = file.stat().st_mtime_ns
    more = make(workspace, 5)
    assert more[:2] == few
    assert file.stat().st_mtime_ns == written
    assert read_checks(file.parent) == more
    assert make(workspace, 2) == few
    before = file.read_bytes()
    file.unlink()
    assert make(workspace, 2) == few
    assert file.read_bytes() == before
    other = make(workspace, 2, seed=1)
    assert not {check.check_id for check in other} & {check.check_id for check in more}
    assert read_checks(file.parent) == more + other  # answers to earlier ones can still be read


def test_an_id_looks_like_that_of_an_edit_and_none_is_twice(workspace):
    ids = [check.check_id for check in make(workspace, 9)]
    assert len(set(ids)) == 9
    assert {len(one) for one in ids} == {len(workspace.edits()[0].edit_id)}


def test_without_photos_there_are_none(workspace):
    assert make_checks(workspace, workspace.root / "checks", [], 3, 0) == []


def test_the_known_answers_are_for_their_owner_alone(workspace):
    folder = (workspace.root / make(workspace, 1)[0].edited_file).parent
    assert (folder / FILE).stat().st_mode & 0o777 == 0o600


UNKNOWN = json.dumps([asdict(Check("c", "foo", "a.png", "b.png", "do it", (96, 96)))])


@pytest.mark.parametrize("text", ["", "[", "null", "[3]", '[{"check_id": "a"}]', '[{"size": 3}]', UNKNOWN, "\xff"])
def test_a_damaged_file_is_bad_input(tmp_path, text):
    (tmp_path / FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(BadInput, match="damaged"):
        read_checks(tmp_path)


def region(*corners, extent="region"):
    polygon = [list(map(list, corners))] if corners else []
    who = ("edit", "somebody", "human", "r")
    return Region(*who, "artifact", "texture_noise", extent, polygon, [], "grain", False, 1.0, "2026-11-23T00:00:00Z")


INSIDE = region((0.32, 0.32), (0.68, 0.32), (0.5, 0.68))
DOT = region((0.45, 0.45), (0.55, 0.45), (0.5, 0.55))
ACROSS = region((0.0, 0.0), (0.6, 0.0), (0.6, 0.6))
BESIDE = region((0.0, 0.0), (0.2, 0.0), (0.2, 0.2))
WHOLE = region(extent="whole")
ALMOST_ALL = region((0.0, 0.0), (1.0, 0.0), (1.0, 0.9), (0.0, 0.9))


def scores(quality, following, kept):
    names = ("perceptual_quality", "instruction_following", "visual_consistency")
    return dict(zip(names, (quality, following, kept), strict=True))


@pytest.mark.parametrize(
    ("sort", "ratings", "regions", "outcome", "passed"),
    [
        ("noise", scores(1, 1, 1), [], "answered", True),
        ("noise", scores(3, 5, 3), [], "answered", True),  # whatever was asked: noise may be what was wanted
        ("noise", scores(4, 1, 1), [], "answered", False),
        ("noise", scores(1, 1, 4), [], "answered", False),
        ("noise", scores(5, 5, 5), [BESIDE], "answered", False),
        ("noise", scores(1, 1, 1), [], "no_flaw", True),
        ("noise", {}, [BESIDE], "answered", True),
        ("noise", {}, [], "no_flaw", False),
        ("block", {}, [INSIDE], "answered", True),
        ("block", {}, [ACROSS], "answered", True),
        ("block", {}, [BESIDE, INSIDE], "answered", True),
        ("block", {}, [DOT], "answered", False),
        ("block", {}, [WHOLE], "answered", False),
        ("block", {}, [region(extent="missing")], "answered", False),
        ("block", {}, [ALMOST_ALL], "answered", False),
        ("block", {}, [ALMOST_ALL, WHOLE, INSIDE], "answered", True),
        ("block", {}, [BESIDE], "answered", False),
        ("block", {}, [], "no_flaw", False),
        ("block", scores(5, 5, 5), [], "answered", None),
        ("block", scores(5, 5, 5), [BESIDE], "answered", False),
        ("block", scores(5, 5, 5), [INSIDE], "answered", True),
        ("block", scores(5, 5, 5), [], "no_flaw", False),
        ("other", scores(5, 5, 3), [], "answered", True),
        ("other", scores(1, 1, 4), [], "answered", False),
        ("untouched", scores(1, 5, 3), [], "answered", True),
        ("untouched", scores(5, 5, 2), [], "answered", False),
        ("noise", {}, [], "cannot_judge", None),
        ("block", {}, [], "skipped", None),
    ],
)
def test_an_answer_passes_if_it_could_be_an_honest_persons(sort, ratings, regions, outcome, passed):
    check = Check("c", sort, "photo.png", "edited.png", "do it", (96, 96))
    assert passes(check, ratings, regions, outcome) is passed
