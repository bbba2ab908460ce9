import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.answers import ParsedAnnotation, author_of, parse_annotation
from editfhf.flaws import FLAWS
from editfhf.geometry import to_shape
from editfhf.schema import DIMENSIONS, to_table
from tests.annotation.label_studio_json import SQUARE, annotation, placeless, rating, ratings, region

NUMBERS = st.floats() | st.integers(-(10**20), 10**20)
TEXT = st.text(st.characters(exclude_categories=()), max_size=6)  # half a surrogate pair too: JSON can hold it
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["flaw", "artifact_type", "editing_failure_type", "reason", "whole_artifact", "whole_artifact_reason",
     "missing_editing_failure", *DIMENSIONS]
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
                "choices": st.sampled_from([["texture_noise"], ["not_edited"], ["3 Fair"], []]) | ANYTHING,
                "text": st.lists(TEXT, max_size=2) | ANYTHING,
            }
        )
        | ANYTHING,
    }
)


def parse(result, **changes) -> ParsedAnnotation:
    return parse_annotation(annotation(result, **changes), "edit", "somebody", "human")


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


@pytest.mark.parametrize("grade", ["6 Superb", "0 Awful", "3.5 Fair", "4", ""])
def test_a_grade_that_is_not_on_the_scale_is_refused(grade):
    parsed = parse([*ratings()[:2], rating("visual_consistency", grade)])
    assert [refusal.part for refusal in parsed.refusals] == ["rating visual_consistency"]
    assert {rating.dimension for rating in parsed.ratings} == set(DIMENSIONS[:2])


def test_a_dimension_rated_twice_is_refused_unless_both_agree():
    assert "rated twice" in reasons(parse([*ratings(), rating("visual_consistency", "1 Bad")]))
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
    parsed = parse_annotation(annotation(ratings()) | changes, "edit", "somebody", "human")
    assert reason in reasons(parsed)
    assert parsed.answer is None
    assert not parsed.ratings


def test_a_region_drawn_by_a_model_first_says_so():
    items = region()
    items[0]["origin"] = "prediction-changed"
    assert parse([*ratings(), *items]).regions[0].assisted


@given(
    anything=ANYTHING
    | st.builds(lambda result: annotation(result), st.lists(ITEMS | ANYTHING, max_size=5))
    | st.builds(lambda changes: annotation([*ratings(), *region()]) | changes, st.dictionaries(TEXT, ANYTHING))
    | st.builds(lambda when: annotation(ratings(), created_at=when), ANYTHING)
)
def test_any_json_is_either_taken_or_refused_with_a_reason(anything):
    author_of(anything)
    parsed = parse_annotation(anything, "edit", "somebody", "human")
    assert parsed.answer is not None or parsed.refusals
    assert all(refusal.reason for refusal in parsed.refusals)
    for found in parsed.regions:
        assert FLAWS[found.flaw_type].kind == found.kind
        assert found.description
        assert bool(found.polygon) == (found.extent == "region")
        assert not found.polygon or to_shape(found.polygon).is_valid
    to_table("regions", parsed.regions)
    to_table("ratings", parsed.ratings)
    for refusal in parsed.refusals:
        assert f"{refusal.part} {refusal.reason}".encode()
