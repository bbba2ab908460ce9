from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation import items
from annotation.answers import About, Verdict, parse_annotation
from annotation.screens import SCREENS
from editfhf.flaws import FLAWS
from editfhf.schema import DIMENSIONS
from tests.annotation.label_studio_json import annotation

OUTLINE = [[0.1, 0.2], [0.7, 0.25], [0.4, 0.8]]
TYPES = st.sampled_from(list(FLAWS))
WORDS = st.text('abc <>&"é', min_size=1, max_size=30).map(str.strip).filter(bool)
TAGS = {"choices": "Choices", "textarea": "TextArea", "polygonlabels": "PolygonLabels"}


def parse(result, project_type):
    return parse_annotation(annotation(result), About(project_type, "edit", "somebody", "simulated"))


def assert_is_of_screen(result, project_type):
    """Each item is what a control of that screen writes: its name, its image, its kind, a choice that it offers."""
    tags = {tag.attrib.get("name"): tag for tag in ElementTree.fromstring(SCREENS[project_type].label_config).iter()}
    for item in result:
        tag = tags[item["from_name"]]
        assert (tag.tag, tag.attrib["toName"]) == (TAGS[item["type"]], item["to_name"])
        offered = {one.attrib.get("alias", one.attrib["value"]) for one in tag if one.tag in ("Choice", "Label")}
        assert set(item["value"].get("choices", [])) <= offered
        assert set(item["value"].get("polygonlabels", [])) <= offered


@given(score=st.integers(1, 5), dimension=st.sampled_from(DIMENSIONS))
def test_a_grade_comes_back_as_its_score(score, dimension):
    result = [items.rating_item(one, score if one == dimension else 3) for one in DIMENSIONS]
    assert_is_of_screen(result, "ratings")
    assert {one.dimension: one.score for one in parse(result, "ratings").ratings}[dimension] == score


@pytest.mark.parametrize("project_type", ["regions", "together"])
@given(flaw_type=TYPES, reason=WORDS)
def test_a_region_comes_back_as_it_was_drawn(project_type, flaw_type, reason):
    kind = FLAWS[flaw_type].kind
    result = items.region_items("r1", kind, flaw_type, reason, OUTLINE, (640, 480))
    assert_is_of_screen(result, project_type)
    parsed = parse([*result, *(items.rating_item(one, 3) for one in DIMENSIONS)], project_type)
    (found,) = parsed.regions
    assert not parsed.refusals
    assert (found.kind, found.flaw_type, found.description) == (kind, flaw_type, " ".join(reason.split()))
    np.testing.assert_allclose(sorted(found.polygon[0]), sorted(OUTLINE), atol=1e-6)
    assert not found.assisted


def test_a_region_of_a_model_says_so():
    result = items.region_items("r1", "artifact", "texture_noise", "grain", OUTLINE, (64, 64), "prediction")
    assert parse(result, "regions").regions[0].assisted


@given(flaw_type=TYPES, extent=st.sampled_from(["whole", "missing"]), reason=WORDS)
def test_a_flaw_without_a_place_comes_back(flaw_type, extent, reason):
    kind = FLAWS[flaw_type].kind
    result = items.placeless_items(items.placeless_control(kind, extent), [flaw_type], reason)
    assert_is_of_screen(result, "regions")
    (found,) = parse(result, "regions").regions
    assert (found.kind, found.flaw_type, found.description) == (kind, flaw_type, " ".join(reason.split()))
    # There is nothing to say that an artifact is missing: it is everywhere.
    assert found.extent == (extent if kind == "editing_failure" else "whole")


@pytest.mark.parametrize("project_type", [one for one in SCREENS if one != "admission"])
def test_that_something_cannot_be_judged_comes_back_from_every_screen(project_type):
    parsed = parse(items.cannot_judge_items("too dark"), project_type)
    assert (parsed.answer.outcome, parsed.answer.reason, parsed.refusals) == ("cannot_judge", "too dark", [])


def test_no_flaw_comes_back_from_the_screen_for_regions():
    assert_is_of_screen([items.no_flaw_item()], "regions")
    assert parse([items.no_flaw_item()], "regions").answer.outcome == "no_flaw"


@given(flaw_type=st.none() | TYPES)
def test_a_verdict_comes_back(flaw_type):
    result = items.verdict_items(flaw_type)
    assert_is_of_screen(result, "verify")
    assert parse(result, "verify").verdict == Verdict(flaw_type is not None, flaw_type or "")


@pytest.mark.parametrize("side", ["first", "second", "tie"])
def test_a_preference_comes_back(side):
    assert_is_of_screen([items.preference_item(side)], "preference")
    assert parse([items.preference_item(side)], "preference").preferred == side
