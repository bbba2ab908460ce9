"""The rules of checks: what an honest person may answer passes, and what nobody honest would answer fails."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from PIL import Image

from annotation.answers import About, parse_annotation
from annotation.checks import COLOURLESS, HONEST, SORTS_OF, Check, make_checks, passes
from annotation.people import Person, rng_of
from annotation.sight import see_check
from annotation.simulate import annotation_of
from editfhf.schema import DIMENSIONS, Region, Source, stable_id
from editfhf.workspace import Workspace
from tests.factories import photo

SORTS = tuple(HONEST)
SIDE = 96


def campaign_of(root, pictures) -> tuple[Workspace, list[tuple[Source, str]]]:
    """A workspace with these photos, and each with an instruction."""
    (root / "editfhf.yaml").write_text("")
    (root / "sources").mkdir()
    photos = []
    for number, pixels in enumerate(pictures):
        name = f"sources/{number}.png"
        Image.fromarray(pixels).save(root / name)
        height, width = pixels.shape[:2]
        photos.append((Source(stable_id("photo", str(number)), name, width, height, "CC0-1.0", ""), f"edit {number}"))
    return Workspace.open(root), photos


def make(campaign, n, sorts=SORTS, seed=3):
    workspace, photos = campaign
    return make_checks(workspace, workspace.root / "checks", photos, n, seed, sorts)


def check_of(sort, instruction="remove the cup") -> Check:
    return Check("0" * 16, sort, "sources/a.png", "checks/b.png", instruction, (SIDE, SIDE))


def region(left=0.35, top=0.35, right=0.6, bottom=0.6, extent="region") -> Region:
    ring = [[left, top], [right, top], [right, bottom], [left, bottom]]
    polygon = [ring] if extent == "region" else []
    return Region(
        "0" * 16, "ann", "human", "r", "artifact", "texture_noise", extent, polygon, [], "grain", False, 9.0, ""
    )


def grades(*scores) -> dict[str, float]:
    return dict(zip(DIMENSIONS, map(float, scores), strict=True))


def test_an_untouched_photo_is_the_photo_and_another_is_one_of_the_others(tmp_path):
    campaign = campaign_of(tmp_path, [photo(SIDE, seed) for seed in range(6)])
    workspace = campaign[0]
    pictures = {source.file: workspace.read_image(source.file) for source, _ in campaign[1]}
    untouched, other = make(campaign, 2, ("untouched", "other"))
    assert np.array_equal(workspace.read_image(untouched.edited_file), pictures[untouched.source_file])
    of_others = [pixels for file, pixels in pictures.items() if file != other.source_file]
    assert any(np.array_equal(workspace.read_image(other.edited_file), pixels) for pixels in of_others)


def test_all_sorts_are_images_of_one_format_named_alike_and_the_same_each_time(tmp_path):
    campaign = campaign_of(tmp_path, [photo(SIDE, seed) for seed in range(6)])
    workspace = campaign[0]
    checks = make(campaign, 8)
    assert {check.sort for check in checks} == set(SORTS)
    before = {check: workspace.path_of(check.edited_file).read_bytes() for check in checks}
    for check in checks:
        with Image.open(workspace.path_of(check.edited_file)) as image:
            assert (image.format, image.size) == ("PNG", check.size)
        assert check.edited_file == f"checks/{check.check_id}.png"
        workspace.path_of(check.edited_file).unlink()
    assert make(campaign, 8) == checks
    assert {check: workspace.path_of(check.edited_file).read_bytes() for check in checks} == before


def test_another_photo_is_never_another_take_of_the_same_scene(tmp_path):
    scene = photo(SIDE, 0)
    workspace, burst = campaign_of(tmp_path, [np.roll(scene, shift, axis=1) for shift in range(4)])
    assert {check.sort for check in make((workspace, burst), 4, ("other",))} == {"noise"}


def test_another_photo_is_never_the_clean_one_that_a_photo_was_made_from(tmp_path):
    workspace, photos = campaign_of(tmp_path, [photo(SIDE, seed) for seed in range(2)])
    (clean, text), (worse, other_text) = photos
    derived = [(clean, text), (replace(worse, derived_from=clean.source_id), other_text)]
    assert {check.sort for check in make((workspace, derived), 4, ("other",))} == {"noise"}
    assert {check.sort for check in make((workspace, photos), 4, ("other",), seed=8)} == {"other"}


def test_only_of_a_photo_in_colour_is_it_asked_whether_colour_was_taken_away(tmp_path):
    grey = np.repeat(photo(SIDE, 1).mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    of_grey, of_colour = make(campaign_of(tmp_path, [grey, photo(SIDE, 2)]), 2, ("untouched",))
    assert of_grey.instruction == "edit 0"
    assert "instruction_following" not in of_grey.honest
    assert of_colour.instruction in COLOURLESS
    assert passes(of_colour, grades(5, 1, 5), [], "answered") is True
    assert passes(of_colour, grades(5, 5, 5), [], "answered") is False


@pytest.mark.parametrize(
    ("sort", "scores", "expected"),
    [
        ("other", (5, 5, 1), True),  # the other photo may be a good one, without a cup
        ("other", (5, 1, 4), False),
        ("untouched", (1, 5, 5), True),  # the photo itself may be a bad one, and without a cup
        ("untouched", (5, 5, 2), False),
    ],
)
def test_grades_that_an_honest_person_may_give_pass_and_others_do_not(sort, scores, expected):
    assert passes(check_of(sort), grades(*scores), [], "answered") is expected


def test_what_vanished_below_the_block_may_be_marked_on_the_photo():
    beside = region(0.0, 0.0, 0.1, 0.1).polygon
    on_photo = replace(region(extent="missing"), source_polygon=region().polygon)
    assert passes(check_of("block"), {}, [on_photo], "answered") is True
    assert passes(check_of("block"), {}, [replace(on_photo, source_polygon=beside)], "answered") is False


def test_on_one_screen_for_both_an_unmarked_block_fails_whatever_was_rated():
    assert passes(check_of("block"), grades(1, 1, 1), [], "no_flaw") is False
    assert passes(check_of("block"), grades(2, 1, 1), [region()], "answered") is True


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("outcome", ["cannot_judge", "skipped"])
def test_who_does_not_judge_is_not_judged(sort, outcome):
    assert passes(check_of(sort), grades(5, 5, 5), [], outcome) is None


def test_what_the_screen_does_not_ask_is_not_judged():
    assert passes(check_of("untouched"), {}, [region()], "answered") is None
    assert passes(check_of("untouched"), {}, [], "no_flaw") is None  # so it may be, of an instruction already met
    assert passes(check_of("noise"), {"instruction_following": 5.0}, [], "answered") is None


def test_no_grade_given_to_everything_passes_the_checks_of_ratings_but_the_middle_one():
    checks = [check_of(sort) for sort in SORTS_OF["ratings"]]
    same = {grade: grades(grade, grade, grade) for grade in range(1, 6)}
    passing = [grade for grade, answer in same.items() if all(passes(one, answer, [], "answered") for one in checks)]
    assert passing == [3]


def test_of_all_answers_at_random_few_pass_noise_and_what_was_not_touched():
    answers = [grades(*scores) for scores in product(range(1, 6), repeat=3)]
    for sort, share in (("noise", 9 / 25), ("other", 3 / 5), ("untouched", 9 / 25)):
        passed = [passes(check_of(sort, COLOURLESS[0]), answer, [], "answered") for answer in answers]
        assert np.mean(passed) == pytest.approx(share)


def test_simulated_honest_people_pass_and_those_who_say_the_opposite_fail():
    """Of noise and of another photo nothing is kept; of the photo itself all is, and nothing was done."""
    true = {"noise": grades(0, 0, 0), "other": grades(90, 0, 0), "untouched": grades(90, 0, 100)}
    shares = {}
    for manner in ("honest", "biased", "hostile", "random"):
        verdicts = []
        for number in range(1, 41):
            person, rng = Person.make(number, 5, manner), rng_of("check", number)
            for sort, quality in true.items():
                given = {name: float(person.rate(name, quality[name], rng)) for name in DIMENSIONS}
                verdicts.append(passes(check_of(sort, COLOURLESS[0]), given, [], "answered"))
        shares[manner] = float(np.mean(verdicts))
    assert shares["honest"] > 0.98
    assert shares["biased"] > 0.9
    assert shares["random"] < 0.6
    assert shares["hostile"] < 0.05


def test_a_block_is_passed_by_honest_people_and_seldom_by_who_draws_anywhere():
    block = see_check(check_of("block"))
    passed = {}
    for manner in ("honest", "random"):
        verdicts = []
        for number in range(1, 201):
            said = annotation_of(Person.make(number, 5, manner), block, "regions", 0) | {
                "created_at": "2026-01-01T00:00Z"
            }
            parsed = parse_annotation(said, About("regions", block.edit_id, "ann", "simulated"))
            verdicts.append(passes(check_of("block"), {}, parsed.regions, parsed.answer.outcome))
        passed[manner] = np.mean(verdicts)
    assert passed["honest"] > 0.75  # who overlooks one flaw of six overlooks this one as often
    assert passed["random"] < 0.15
