"""Consensus of regions: what everybody drew comes back, what lies apart stays apart, names do not matter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.maps import count_marks
from analysis.regions import find_consensus, pairwise_iou
from editfhf.geometry import rasterise, to_shape

WIDTH, HEIGHT = 192, 128


def box(left, top, right, bottom):
    return [[[left, top], [right, top], [right, bottom], [left, bottom]]]


def region(person, polygon, kind="artifact", flaw="texture_noise", extent="region", text="why"):
    return {
        "annotator": person, "region_id": f"{person}{polygon}{flaw}{text}", "kind": kind, "flaw_type": flaw,
        "extent": extent, "polygon": polygon, "source_polygon": [], "description": text,
    }  # fmt: skip


corner = st.floats(0, 0.6).map(lambda value: round(value, 3))
boxes = st.builds(
    lambda x, y, w, h: box(x, y, x + w, y + h), corner, corner, st.floats(0.05, 0.39), st.floats(0.05, 0.39)
)


@given(polygon=boxes, people=st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_what_everybody_drew_is_the_consensus(polygon, people):
    rows = [region(f"p{number}", polygon) for number in range(people)]
    consensus = find_consensus(rows, people, WIDTH, HEIGHT)
    assert len(consensus.regions) == 1
    found = consensus.regions[0]
    assert found["support"] == people
    there, drawn = to_shape(found["polygon"]), to_shape(polygon)
    assert there.symmetric_difference(drawn).area <= drawn.length * 1.5 / 256 + 1e-9


@given(polygons=st.lists(boxes, min_size=2, max_size=6))
@settings(max_examples=30, deadline=None)
def test_pairwise_iou_agrees_with_counting_pixels(polygons):
    iou = pairwise_iou(polygons)
    masks = [rasterise(polygon, 800, 800) for polygon in polygons]
    for i, left in enumerate(masks):
        for j, right in enumerate(masks):
            assert iou[i, j] == pytest.approx((left & right).sum() / (left | right).sum(), abs=0.03)


@given(rows=st.lists(st.tuples(st.sampled_from("abcd"), boxes), max_size=8), seed=st.randoms())
@settings(max_examples=30, deadline=None)
def test_the_order_of_the_answers_changes_nothing(rows, seed):
    regions = [region(person, polygon, text=f"{person} {number}") for number, (person, polygon) in enumerate(rows)]
    shuffled = list(regions)
    seed.shuffle(shuffled)
    one, other = (find_consensus(some, 4, WIDTH, HEIGHT) for some in (regions, shuffled))
    assert one.regions == other.regions
    assert all(np.array_equal(one.maps[kind], other.maps[kind]) for kind in one.maps)


def test_two_flaws_side_by_side_stay_two_and_so_do_two_kinds_that_one_person_marked_on_one_place():
    rows = [region(person, box(0.1, 0.1, 0.3, 0.3)) for person in "ab"]
    rows += [region(person, box(0.6, 0.1, 0.8, 0.3)) for person in "bc"]
    rows += [region("a", box(0.1, 0.1, 0.3, 0.3), kind="editing_failure", flaw="over_edited")]
    found = find_consensus(rows, 3, WIDTH, HEIGHT).regions
    assert sorted((row["kind"], row["support"]) for row in found) == [
        ("artifact", 2),
        ("artifact", 2),
        ("editing_failure", 1),
    ]


def test_a_pixel_belongs_to_the_consensus_when_half_of_the_people_marked_it():
    rows = [
        region("a", box(0.2, 0.2, 0.5, 0.5)),
        region("b", box(0.2, 0.2, 0.5, 0.5)),
        region("c", box(0.2, 0.2, 0.6, 0.5)),
    ]
    (found,) = find_consensus(rows, 3, WIDTH, HEIGHT).regions
    assert to_shape(found["polygon"]).bounds == pytest.approx((0.2, 0.2, 0.5, 0.5), abs=2 / 256 * WIDTH / HEIGHT)
    assert found["support"] == 3


def test_the_most_frequent_flaw_type_wins_and_the_closest_drawing_gives_the_reason():
    rows = [
        region("a", box(0.2, 0.2, 0.5, 0.5), flaw="blur_or_ghosting", text="close"),
        region("b", box(0.2, 0.2, 0.51, 0.5), flaw="blur_or_ghosting", text="closer than c"),
        region("c", box(0.1, 0.1, 0.55, 0.55), flaw="texture_noise", text="generous"),
    ]
    (found,) = find_consensus(rows, 3, WIDTH, HEIGHT).regions
    assert found["flaw_type"] == "blur_or_ghosting"
    assert found["description"] == "closer than c"  # two of three marked its wider edge


def test_the_reason_is_one_that_was_given_for_the_flaw_type():
    rows = [
        region("a", box(0.2, 0.2, 0.5, 0.5), flaw="texture_noise", text="closest, but of another type"),
        region("b", box(0.15, 0.2, 0.5, 0.5), flaw="blur_or_ghosting", text="blurred"),
        region("c", box(0.2, 0.15, 0.5, 0.5), flaw="blur_or_ghosting", text="blurred too"),
    ]
    (found,) = find_consensus(rows, 3, WIDTH, HEIGHT).regions
    assert (found["flaw_type"], found["description"][:7]) == ("blur_or_ghosting", "blurred")


def test_a_region_that_more_people_marked_is_more_probable():
    rows = [region("a", box(0.1, 0.1, 0.3, 0.3))] + [region(person, box(0.6, 0.6, 0.8, 0.8)) for person in "abc"]
    found = find_consensus(rows, 4, WIDTH, HEIGHT).regions
    assert [row["support"] for row in found] == [3, 1]
    assert 1 > found[0]["probability"] > found[1]["probability"] > 0


def test_a_flaw_of_the_whole_image_and_one_that_is_missing_have_no_polygon():
    rows = [region(person, [], "editing_failure", "wrong_style", "whole") for person in "ab"]
    rows += [region("a", [], "editing_failure", "not_edited", "missing")]
    consensus = find_consensus(rows, 2, WIDTH, HEIGHT)
    assert [(row["extent"], row["support"], row["polygon"]) for row in consensus.regions] == [
        ("whole", 2, []),
        ("missing", 1, []),
    ]
    assert (consensus.maps["editing_failure"] == 255).all()
    assert not consensus.maps["artifact"].any()


def test_marks_are_counted_by_person_and_not_by_drawing():
    rows = [region("a", box(0, 0, 0.5, 1)), region("a", box(0.25, 0, 0.5, 1)), region("b", box(0.25, 0, 1, 1))]
    marks = count_marks(rows, 8, 4)
    assert marks[0].tolist() == [1, 1, 2, 2, 1, 1, 1, 1]


def test_a_clean_edit_has_empty_maps_and_no_regions():
    consensus = find_consensus([], 3, WIDTH, HEIGHT)
    assert consensus.regions == []
    assert all(pixels.shape == (HEIGHT, WIDTH) and not pixels.any() for pixels in consensus.maps.values())


def test_maps_are_not_stretched_to_the_strongest_mark():
    rows = [region("a", box(0.2, 0.2, 0.8, 0.8))]
    alone, of_four = (find_consensus(rows, n, WIDTH, HEIGHT).maps["artifact"] for n in (1, 4))
    assert alone.max() == 255
    assert of_four.max() == 64
