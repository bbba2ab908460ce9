"""Agreement of outlines: against counting by hand and by trying every matching."""

from itertools import combinations, permutations

import numpy as np
import pandas as pd
import pytest

from analysis.agreement import krippendorff_alpha
from analysis.region_agreement import region_agreement
from editfhf.flaws import FLAW_TYPES

TYPES = [flaw.id for flaw in FLAW_TYPES if flaw.kind == "artifact"][:3]
COLUMNS = ["edit_id", "annotator", "kind", "flaw_type", "extent", "polygon"]


def strip(left: float, right: float) -> list:
    return [[[left, 0.0], [right, 0.0], [right, 1.0], [left, 1.0]]]


def by_hand(looked: pd.DataFrame, regions: pd.DataFrame) -> tuple[float, float, float]:
    """F1, IoU and alpha of strips: every pair of people, every matching, the one with the largest sum."""
    found, chances, overlaps, types = 0, 0, [], []

    def iou(one, other):
        (a, b), (c, d) = ((polygon[0][0][0], polygon[0][1][0]) for polygon in (one.polygon, other.polygon))
        shared = max(0.0, min(b, d) - max(a, c))
        value = shared / (b - a + d - c - shared)
        return value if value >= 0.5 else 0.0

    for edit, people in looked.groupby("edit_id")["annotator"]:
        own = regions[regions["edit_id"] == edit]
        for one, other in combinations(sorted(people), 2):
            for kind in ("artifact", "editing_failure"):
                left, right = (
                    list(own[(own["annotator"] == who) & (own["kind"] == kind)].itertuples()) for who in (one, other)
                )
                chances += len(left) + len(right)
                if len(left) > len(right):
                    left, right = right, left
                best = max(
                    permutations(right, len(left)),
                    key=lambda chosen, left=left: sum(iou(a, b) for a, b in zip(left, chosen, strict=True)),
                )
                for a, b in zip(left, best, strict=True):
                    if iou(a, b):
                        found += 2
                        overlaps.append(iou(a, b))
                        types.append((TYPES.index(a.flaw_type), TYPES.index(b.flaw_type)))
    return found / chances, float(np.mean(overlaps)), krippendorff_alpha(np.array(types, float).T, "nominal")


def test_it_is_what_trying_every_matching_gives():
    rng = np.random.default_rng(4)
    looked = pd.DataFrame(
        [(f"e{edit}", person) for edit in range(25) for person in ("ann", "bob", "eve") if rng.random() < 0.9],
        columns=["edit_id", "annotator"],
    )
    rows = []
    for edit, person in looked.itertuples(index=False):
        for number in range(rng.integers(0, 4)):
            left = 0.3 * number * 0.5 + rng.normal(0, 0.02) + 0.1
            kind = "artifact" if rng.random() < 0.8 else "editing_failure"
            polygon = strip(left, left + 0.3 + rng.normal(0, 0.04))
            rows.append((edit, person, kind, TYPES[number % 3 if rng.random() < 0.7 else 0], "region", polygon))
    regions = pd.DataFrame(rows, columns=COLUMNS)
    found = region_agreement(looked, regions)
    told = by_hand(looked, regions)
    assert (found.f1.value, found.iou.value, found.flaw_type.value) == pytest.approx(told)
    for one in (found.f1, found.iou, found.flaw_type):
        assert one.low <= one.value <= one.high
    # The order of rows, and what those drew who are not among those who looked, changes nothing.
    stranger = regions.assign(annotator="stranger")
    again = region_agreement(looked.sample(frac=1, random_state=1), pd.concat([stranger, regions[::-1]]))
    assert again.f1 == found.f1
    assert again.flaw_type.value == pytest.approx(found.flaw_type.value)


def test_who_saw_nothing_lowers_f1_and_what_is_missing_is_matched_by_type():
    looked = pd.DataFrame({"edit_id": "e", "annotator": ["ann", "bob", "eve"]})
    drawn = pd.DataFrame(
        [
            ("e", "ann", "artifact", TYPES[0], "region", strip(0.1, 0.4)),
            ("e", "bob", "artifact", TYPES[0], "region", strip(0.1, 0.4)),
            ("e", "ann", "artifact", TYPES[1], "missing", []),
            ("e", "bob", "artifact", TYPES[1], "missing", []),
            ("e", "eve", "artifact", TYPES[2], "missing", []),
        ],
        columns=COLUMNS,
    )
    found = region_agreement(looked, drawn)
    assert found.f1.value == pytest.approx(4 / 10)  # ann and bob agree; eve has one of another type
    assert found.iou.n == 2
    assert np.isnan(found.f1.low)  # one edit


def test_where_nothing_was_drawn_nothing_is_said():
    looked = pd.DataFrame({"edit_id": ["e", "e"], "annotator": ["ann", "bob"]})
    found = region_agreement(looked, pd.DataFrame([], columns=COLUMNS))
    assert np.isnan(found.f1.value)
    assert np.isnan(found.flaw_type.value)
    alone = pd.DataFrame([("e", "ann", "artifact", TYPES[0], "whole", [])], columns=COLUMNS)
    assert region_agreement(looked, alone).f1.value == 0


def test_edits_of_one_photo_are_drawn_together_for_the_intervals():
    rng = np.random.default_rng(0)
    rows, looked, photos = [], [], {}
    for photo in range(12):
        alike = rng.random() < 0.5  # on all edits of a photo people agree, or on none
        for number in range(5):
            edit = f"{photo:02}-{number}"
            photos[edit] = f"photo {photo}"
            for person, x in (("a", 0.1), ("b", 0.1 if alike else 0.6)):
                square = [[[x, 0.1], [x + 0.3, 0.1], [x + 0.3, 0.4], [x, 0.4]]]
                rows.append((edit, person, "artifact", "texture_noise", "region", square))
                looked.append((edit, person))
    looked = pd.DataFrame(looked, columns=["edit_id", "annotator"])
    drawn = pd.DataFrame(rows, columns=COLUMNS)
    alone, together = region_agreement(looked, drawn).f1, region_agreement(looked, drawn, photos).f1
    assert together.value == alone.value
    assert together.high - together.low > 1.5 * (alone.high - alone.low)
