import numpy as np
import pandas as pd
import pytest

from annotation.lone_regions import lone_regions
from annotation.marks import outlined

NAMES = ["edit_id", "annotator", "region_id", "kind", "polygon"]


def box(left: float, top: float, right: float, bottom: float):
    return [[[left, top], [right, top], [right, bottom], [left, bottom]]]


def answers(*rows: tuple[str, str], outcome: str = "answered", aside: str = "", screen: str = "regions"):
    return pd.DataFrame(
        [
            {"edit_id": edit, "annotator": who, "project_type": screen, "outcome": outcome, "screened": who == aside}
            for edit, who in rows
        ]
    )


def regions(*rows):
    return pd.DataFrame([dict(zip(NAMES, row, strict=True)) for row in rows], columns=NAMES)


def lone(drawn, given) -> list[str]:
    return list(lone_regions(drawn, given)["region_id"])


BOTH = answers(("e", "ann"), ("e", "bob"))


def test_a_region_that_nobody_else_has_is_lone_and_those_that_meet_are_not():
    drawn = regions(
        ("e", "ann", "a1", "artifact", box(0.1, 0.1, 0.3, 0.3)),
        ("e", "bob", "b1", "editing_failure", box(0.15, 0.1, 0.35, 0.3)),  # meets a1, whatever kind was chosen
        ("e", "ann", "a2", "artifact", box(0.6, 0.6, 0.8, 0.8)),
        ("e", "bob", "b2", "artifact", box(0.0, 0.5, 1.0, 1.0)),  # meets a2: 0.04 of 0.5
        ("e", "bob", "b3", "artifact", box(0.5, 0.0, 0.6, 0.1)),
    )
    assert lone(drawn, BOTH) == ["b3"]


@pytest.mark.parametrize(("width", "expected"), [(0.0104, []), (0.0094, ["a", "b"])])
def test_a_twentieth_of_the_union_decides(width, expected):
    """Two boxes of width 0.1 that share `width` of it: IoU is w / (0.2 − w), 0.055 and 0.049."""
    drawn = regions(
        ("e", "ann", "a", "artifact", box(0.1, 0.1, 0.2, 0.2)),
        ("e", "bob", "b", "artifact", box(0.2 - width, 0.1, 0.3 - width, 0.2)),
    )
    assert lone(drawn, BOTH) == expected


def test_regions_of_one_person_of_other_edits_and_of_who_was_set_aside_do_not_count():
    drawn = regions(
        ("e", "ann", "a1", "artifact", box(0.1, 0.1, 0.3, 0.3)),
        ("e", "ann", "a2", "artifact", box(0.1, 0.1, 0.3, 0.3)),
        ("f", "bob", "b1", "artifact", box(0.1, 0.1, 0.3, 0.3)),
        ("e", "cid", "c1", "artifact", box(0.1, 0.1, 0.3, 0.3)),
    )
    given = answers(("e", "ann"), ("e", "bob"), ("f", "ann"), ("f", "bob"), ("e", "cid"), aside="cid")
    assert lone(drawn, given) == ["a1", "a2", "b1"]


def test_what_only_one_person_inspected_or_what_has_no_outline_is_left_out():
    drawn = regions(
        ("e", "ann", "a1", "artifact", box(0.1, 0.1, 0.3, 0.3)),
        ("f", "ann", "a2", "artifact", []),
    )
    assert lone(drawn, answers(("e", "ann"), ("f", "ann"), ("f", "bob"))) == []
    saw_nothing = pd.concat([answers(("e", "ann")), answers(("e", "bob"), outcome="no_flaw")])
    assert lone(drawn, saw_nothing) == ["a1"]
    could_not = pd.concat([answers(("e", "ann")), answers(("e", "bob"), outcome="cannot_judge")])
    assert lone(drawn, could_not) == []
    only_rated = pd.concat([answers(("e", "ann")), answers(("e", "bob"), screen="ratings")])
    assert lone(drawn, only_rated) == []


def test_without_regions_there_are_none():
    assert lone(regions(), BOTH) == []


def test_the_outline_is_seen_on_light_and_on_dark_and_nothing_else_is_touched():
    polygon = box(0.25, 0.25, 0.75, 0.75)
    for ground in (0, 255, 128):
        image = np.full((200, 300, 3), ground, np.uint8)
        marked = outlined(image, polygon)
        assert (image == ground).all()
        rows, columns = np.nonzero((marked != ground).any(axis=2))
        assert (rows.min(), rows.max()) == pytest.approx((50, 150), abs=4)
        assert (columns.min(), columns.max()) == pytest.approx((75, 225), abs=4)
        assert (marked[60:140, 85:215] == ground).all()
        column = marked[:, 150].astype(int).max(axis=1)
        assert np.ptp(column[45:56]) >= 120  # white within black
