import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation import answers
from annotation.answers import About, ParsedAnnotation, author_of, parse_annotation
from annotation.interface import GRADES
from annotation.screens import SCREENS
from editfhf.flaws import FLAWS
from editfhf.geometry import to_shape
from editfhf.schema import DIMENSIONS, to_table
from tests.annotation.label_studio_json import (
    SQUARE,
    annotation,
    choice,
    outcome,
    placeless,
    rating,
    ratings,
    region,
    region_in_photo,
)

NUMBERS = st.floats() | st.integers(-(10**20), 10**20)
TEXT = st.text(st.characters(exclude_categories=()), max_size=6)  # half a surrogate pair too: JSON can hold it
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["flaw", "artifact_type", "editing_failure_type", "reason", "whole_artifact", "whole_artifact_reason",
     "missing_editing_failure", "flaw_in_photo", "photo_type", "photo_reason", "outcome", "outcome_reason",
     "verdict", "verdict_type", "preference", "consent", "acuity_1", "colour_6", *DIMENSIONS]
)  # fmt: skip
ITEMS = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["a", "b", ""]) | ANYTHING,
        "from_name": NAMES | TEXT,
        "value": st.fixed_dictionaries(
            {
                "points": st.lists(st.lists(NUMBERS | st.floats(0, 100), min_size=2, max_size=2), max_size=6)
                | ANYTHING,
                "polygonlabels": st.just(["Artifact"]) | st.lists(TEXT, max_size=2) | ANYTHING,
                "choices": st.sampled_from(
                    [
                        ["texture_noise"],
                        ["not_edited"],
                        ["3 Fair"],
                        ["no_flaw"],
                        ["cannot_judge"],
                        ["flaw"],
                        ["first"],
                        [],
                    ]
                )
                | ANYTHING,
                "text": st.lists(TEXT, max_size=2) | ANYTHING,
            }
        )
        | ANYTHING,
    }
)

JUDGED = [screen for screen in SCREENS if screen != "admission"]  # where something is shown that may be hard to judge


def about(project_type: str = "together", repeat: bool = False, **more) -> About:
    return About(project_type, "edit", "somebody", "human", repeat, **more)


def parse(result, project_type: str = "together", **changes) -> ParsedAnnotation:
    return parse_annotation(annotation(result, **changes), about(project_type))


def reasons(parsed: ParsedAnnotation) -> str:
    return "; ".join(refusal.reason for refusal in parsed.refusals)


def test_a_whole_answer_arrives_with_every_number_and_word():
    parsed = parse([*ratings("1 Bad", "3 Fair", "5 Excellent"), *region()])
    assert not parsed.refusals
    assert {rating.dimension: rating.score for rating in parsed.ratings} == dict(
        zip(DIMENSIONS, (1, 3, 5), strict=True)
    )
    assert {(rating.scale_min, rating.scale_max) for rating in parsed.ratings} == {(1, 5)}
    (found,) = parsed.regions
    assert (found.kind, found.flaw_type, found.extent) == ("artifact", "texture_noise", "region")
    assert found.description == "grain on the wall"
    assert to_shape(found.polygon).equals(to_shape([[[x / 100, y / 100] for x, y in SQUARE]]))
    assert found.submitted_at == "2026-11-23T20:27:23.617207+00:00"
    assert (parsed.answer.outcome, parsed.answer.lead_time_s) == ("answered", 13.036)


def test_ratings_without_a_region_say_that_nothing_is_wrong():
    assert parse(ratings()).answer.outcome == "no_flaw"


def test_a_skipped_task_is_an_answer_of_its_own_kind_and_nothing_of_it_is_taken():
    parsed = parse([*ratings(), *region()], was_cancelled=True)
    assert parsed.answer.outcome == "skipped"
    assert (parsed.ratings, parsed.regions, parsed.refusals) == ([], [], [])


def test_flaws_without_a_place_arrive_without_a_polygon():
    parsed = parse([*ratings(), *placeless("missing_editing_failure", ["not_edited", "partly_edited"], "no hat")])
    assert {(r.flaw_type, r.extent, str(r.polygon), r.description) for r in parsed.regions} == {
        ("not_edited", "missing", "[]", "no hat"),
        ("partly_edited", "missing", "[]", "no hat"),
    }
    assert len({region.region_id for region in parsed.regions}) == 2
    assert parsed.answer.outcome == "answered"


def test_a_bow_tie_becomes_its_two_parts():
    parsed = parse([*ratings(), *region([[10, 10], [50, 50], [50, 10], [10, 50]])])
    assert len(parsed.regions) == len({region.region_id for region in parsed.regions}) == 2
    assert sum(to_shape(region.polygon).area for region in parsed.regions) == pytest.approx(0.08)


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        (region(points=[[10, 10], [20, 20]]), "2 points"),
        (region(points=[[200, 10], [50, 10], [50, -5]]), "outside the image"),
        (region(points=[[10, 10], [20, 20], [30, math.nan]]), "finite"),
        (region(points=[[10, 10], [20, 20], [30, 30]]), "no area"),
        (region(points=[[10, "10"], [20, 20], [30, 0]]), "points.0.1"),
        (region(flaw_type=None), "flaw type is missing"),
        (region(reason=None), "reason is missing"),
        (region(reason="   "), "reason is missing"),
        (region(reason="x" * 5000), "longer than"),
        (region(reason="half a pair: \ud800"), "text"),
        (region(label="Scratch"), "no label 'Scratch'"),
        (region(flaw_type="not_edited"), "no flaw type of kind 'Artifact'"),
        (region(flaw_type="ugly"), "'ugly' is no flaw type"),
        (region(label="Editing failure"), "flaw type is missing"),
        (region() + region(points=[[60, 60], [70, 60], [70, 70]]), "share this id"),
        (region()[1:], "belongs to no region"),
        (placeless("whole_artifact", ["texture_noise"], None), "reason is missing"),
        (placeless("whole_artifact", ["not_edited"], "grey"), "no flaw type"),
        ([{"id": "x", "from_name": "brush", "value": {}}], "'brush'"),
        ([{"from_name": "flaw", "value": {}}], "id: field required"),
        (["a text"], "item 3"),
    ],
)
def test_a_bad_part_is_refused_with_its_reason_and_the_ratings_still_arrive(items, reason):
    parsed = parse([*ratings(), *items])
    told = "; ".join(f"{refusal.part}: {refusal.reason}" for refusal in parsed.refusals)
    assert reason in told
    assert len(parsed.ratings) == 3
    assert parsed.answer is not None


@pytest.mark.parametrize("grade", ["6 Superb", "0 Awful", "3.5 Fair", "4", "1 Bad", "5 Fully done"])
def test_a_grade_that_is_not_on_the_scale_is_refused(grade):
    parsed = parse([*ratings()[:2], rating("visual_consistency", grade)])
    assert [refusal.part for refusal in parsed.refusals] == ["rating visual_consistency"]
    assert {rating.dimension for rating in parsed.ratings} == set(DIMENSIONS[:2])


def test_a_dimension_rated_twice_is_refused_unless_both_agree():
    assert "rated twice" in reasons(parse([*ratings(), rating("visual_consistency", "1 Nothing kept")]))
    assert not parse([*ratings(), *ratings()]).refusals


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"result": []}, "empty"),
        ({"result": None}, "result"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"lead_time": -3}, "lead_time"),
        ({"lead_time": math.inf}, "lead_time"),
    ],
)
def test_an_answer_that_is_wrong_as_a_whole_leaves_nothing_but_its_reason(changes, reason):
    parsed = parse_annotation(annotation(ratings()) | changes, about())
    assert reason in reasons(parsed)
    assert parsed.answer is None
    assert not parsed.ratings


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_each_dimension_has_five_grades_in_words_of_its_own(dimension):
    others = [one for one in DIMENSIONS if one != dimension]
    for score, grade in enumerate(GRADES[dimension], start=1):
        parsed = parse([*map(rating, others), rating(dimension, grade)], "ratings")
        assert {one.dimension: one.score for one in parsed.ratings} == {dimension: score, others[0]: 4, others[1]: 4}
        assert not parsed.refusals


def test_what_a_screen_does_not_ask_is_not_taken_from_it():
    on_ratings = parse([*ratings(), *region()], "ratings")
    assert (len(on_ratings.ratings), on_ratings.regions, on_ratings.answer.outcome) == (3, [], "answered")
    on_regions = parse([*ratings(), *region()], "regions")
    assert (on_regions.ratings, len(on_regions.regions), on_regions.answer.outcome) == ([], 1, "answered")
    assert (on_ratings.answer.project_type, on_regions.answer.project_type) == ("ratings", "regions")


def test_a_repeat_is_marked_as_one():
    for repeat in (False, True):
        parsed = parse_annotation(annotation(ratings()), about("ratings", repeat))
        assert {one.repeat for one in parsed.ratings} == {repeat}


def test_that_there_is_no_flaw_must_be_said_where_nothing_else_is_asked():
    assert parse(outcome("no_flaw"), "regions").answer.outcome == "no_flaw"
    nothing = parse([choice("whole_artifact")], "regions")
    assert nothing.answer is None
    assert nothing.refusals


def test_a_flaw_outweighs_that_there_is_none():
    parsed = parse([*region(), *outcome("no_flaw")], "regions")
    assert (parsed.answer.outcome, len(parsed.regions)) == ("answered", 1)


@pytest.mark.parametrize("project_type", ["ratings", "together"])
def test_no_flaw_does_not_stand_for_missing_ratings(project_type):
    parsed = parse(outcome("no_flaw"), project_type)
    assert [refusal.part for refusal in parsed.refusals] == [f"rating {dimension}" for dimension in DIMENSIONS]
    assert parsed.answer is None


@pytest.mark.parametrize("project_type", JUDGED)
def test_who_cannot_judge_says_why_and_has_judged_nothing(project_type):
    parsed = parse([*ratings(), *region(), *outcome("cannot_judge", " too\n dark ")], project_type)
    assert (parsed.answer.outcome, parsed.answer.reason) == ("cannot_judge", "too dark")
    assert (parsed.ratings, parsed.regions, parsed.refusals) == ([], [], [])
    without = parse(outcome("cannot_judge"), project_type)
    assert without.answer is None
    assert "reason is missing" in reasons(without)


@pytest.mark.parametrize("project_type", JUDGED)
def test_what_distresses_is_skipped_without_a_question(project_type):
    parsed = parse([*ratings(), *outcome("distressing")], project_type)
    assert (parsed.answer.outcome, parsed.answer.reason) == ("skipped", "distressing")
    assert (parsed.ratings, parsed.refusals) == ([], [])


@pytest.mark.parametrize("items", [outcome("fine"), [*outcome("no_flaw"), *outcome("distressing")]])
def test_an_outcome_that_is_none_or_two_at_once_is_refused(items):
    assert "is no outcome" in reasons(parse([*region(), *items], "regions"))


def test_what_is_drawn_on_the_photo_is_missing_in_the_edited_image():
    parsed = parse([*region(), *region_in_photo()], "regions")
    assert not parsed.refusals
    assert len({one.region_id for one in parsed.regions}) == 2
    _, found = parsed.regions
    assert (found.kind, found.flaw_type, found.extent) == ("editing_failure", "not_edited", "missing")
    assert (found.polygon, found.description) == ([], "the hat is still there")
    assert to_shape(found.source_polygon).equals(to_shape([[[x / 100, y / 100] for x, y in SQUARE]]))
    assert parsed.answer.outcome == "answered"


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        (region_in_photo(flaw_type=None), "flaw type is missing"),
        (region_in_photo(reason=None), "reason is missing"),
        (region_in_photo(flaw_type="texture_noise"), "no flaw type of kind 'Editing failure'"),
        (region_in_photo(points=[[1, 1], [2, 2]]), "2 points"),
        (region_in_photo()[1:], "belongs to no region"),
        (region_in_photo(region_id="TX9H2wmZTM"), "share this id"),
    ],
)
def test_a_bad_part_on_the_photo_is_refused_and_the_rest_arrives(items, reason):
    parsed = parse([*region(), *items], "regions")
    assert reason in reasons(parsed)
    assert [one.flaw_type for one in parsed.regions] == ["texture_noise"]


def test_a_flaw_type_of_an_earlier_screen_gets_its_name_of_today():
    assert not parse(region(flaw_type="grain"), "regions").regions
    for result in (region(flaw_type="grain"), placeless("whole_artifact", ["grain", "texture_noise"], "grey")):
        parsed = parse_annotation(annotation(result), about("regions", renamed={"grain": "texture_noise"}))
        assert [one.flaw_type for one in parsed.regions] == ["texture_noise"]
    said = annotation([choice("verdict", "flaw"), choice("verdict_type", "grain")])
    assert parse_annotation(said, about("verify", renamed={"grain": "not_edited"})).verdict.flaw_type == "not_edited"


def test_every_record_of_an_answer_tells_the_screen_of_its_time():
    given = annotation([*ratings(), *region()], created_at="2026-11-23T23:30:00+03:00")
    parsed = parse_annotation(given, about(version_at=lambda when: f"screen of {when}"))
    records = [parsed.answer, *parsed.ratings, *parsed.regions]
    assert {one.screen for one in records} == {"screen of 2026-11-23T20:30:00+00:00"}
    assert len(records) == 5
    assert parse([*ratings(), *region()]).answer.screen == ""


def test_a_second_person_says_whether_a_region_is_a_flaw_and_which():
    parsed = parse([choice("verdict", "flaw"), choice("verdict_type", "not_edited")], "verify")
    assert (parsed.verdict, parsed.answer.outcome) == (answers.Verdict(True, "not_edited"), "answered")
    parsed = parse([choice("verdict", "no_flaw"), choice("verdict_type", "not_edited")], "verify")
    assert (parsed.verdict, parsed.refusals) == (answers.Verdict(False, ""), [])
    assert parse([choice("verdict", "flaw"), choice("verdict_type", "not_edited")], "regions").verdict is None


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([choice("verdict_type", "not_edited")], "verdict is missing"),
        ([choice("verdict", "perhaps")], "'perhaps' is no verdict"),
        ([choice("verdict", "flaw"), choice("verdict", "no_flaw")], "is no verdict"),
        ([choice("verdict", "flaw")], "flaw type is missing"),
        ([choice("verdict", "flaw"), choice("verdict_type", "ugly")], "'ugly' is no flaw type"),
        ([choice("verdict", "flaw"), choice("verdict_type", "not_edited", "blur_or_ghosting")], "more than one"),
    ],
)
def test_half_a_verdict_is_none(items, reason):
    parsed = parse(items, "verify")
    assert reason in reasons(parsed)
    assert (parsed.verdict, parsed.answer) == (None, None)


@pytest.mark.parametrize("side", ["first", "second", "tie"])
def test_which_of_two_edits_is_better_arrives(side):
    parsed = parse([choice("preference", side)], "preference")
    assert (parsed.preferred, parsed.answer.outcome, parsed.refusals) == (side, "answered", [])


@pytest.mark.parametrize(
    "items", [[choice("preference", "left")], [choice("preference", "first", "second")], ratings()]
)
def test_a_preference_that_is_none_is_refused(items):
    parsed = parse(items, "preference")
    assert [refusal.part for refusal in parsed.refusals] == ["preference"]
    assert (parsed.preferred, parsed.answer, parsed.ratings) == ("", None, [])


def test_a_region_drawn_by_a_model_first_says_so():
    items = region()
    items[0]["origin"] = "prediction-changed"
    assert parse([*ratings(), *items]).regions[0].assisted


@given(
    anything=ANYTHING
    | st.builds(lambda result: annotation(result), st.lists(ITEMS | ANYTHING, max_size=5))
    | st.builds(lambda changes: annotation([*ratings(), *region()]) | changes, st.dictionaries(TEXT, ANYTHING))
    | st.builds(lambda when: annotation(ratings(), created_at=when), ANYTHING),
    project_type=st.sampled_from(list(SCREENS)),
)
def test_any_json_is_either_taken_or_refused_with_a_reason(anything, project_type):
    author_of(anything)
    parsed = parse_annotation(anything, about(project_type))
    assert parsed.answer is not None or parsed.refusals
    assert all(refusal.reason for refusal in parsed.refusals)
    for found in parsed.regions:
        assert FLAWS[found.flaw_type].kind == found.kind
        assert found.description
        assert bool(found.polygon) == (found.extent == "region")
        for polygon in (found.polygon, found.source_polygon):
            assert not polygon or to_shape(polygon).is_valid
    if parsed.answer is None or parsed.answer.outcome in ("skipped", "cannot_judge"):
        assert not parsed.ratings
        assert not parsed.regions
        assert not parsed.verdict
        assert not parsed.preferred
    else:
        assert project_type != "ratings" or parsed.ratings
        assert project_type != "verify" or parsed.verdict
        assert project_type != "preference" or parsed.preferred
    to_table("regions", parsed.regions)
    to_table("ratings", parsed.ratings)
    for refusal in parsed.refusals:
        assert f"{refusal.part} {refusal.reason}".encode()
