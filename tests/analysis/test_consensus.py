"""Consensus over a campaign: outlines against counted pixels, people's rates against those that made the drawings."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from analysis import people_rates as model
from analysis.drawings import Drawings
from analysis.merging import agreed_area, drawn_by, parts_of
from analysis.people_rates import Looks, estimate_rates, probability_of
from analysis.regions import find_consensus, is_worth_reading
from analysis.shared_area import LONGEST, shared_area
from analysis.study import analyze_workspace
from benchmarks.consensus_study import brier, by_pixels, campaign_of, chosen, is_flaw, measure, ours
from benchmarks.simulated_drawings import MANNERS, make_campaign
from editfhf.export import build_dataset
from editfhf.flaws import FLAW_TYPES
from editfhf.geometry import from_shape, rasterise, to_shape
from editfhf.schema import REGION_KINDS, to_table
from editfhf.validate import validate_dataset
from tests.analysis.test_drawings import answer, drawn
from tests.analysis.test_regions import HEIGHT, WIDTH, box, region
from tests.editfhf.answered import make_answered


@st.composite
def outlines(draw, most=14):
    """A closed line around a point that need not be convex."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    n = draw(st.integers(3, most))
    angle = np.sort(rng.uniform(0, 2 * np.pi, n))
    radius = rng.uniform(0.05, 0.4, n)
    points = rng.uniform(0.35, 0.65, 2) + (radius * [np.cos(angle), np.sin(angle)]).T
    shape = shapely.make_valid(shapely.Polygon(np.clip(points, 0, 1)))
    parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
    return max(parts, key=lambda part: part.area) if parts else shapely.box(0.2, 0.2, 0.4, 0.5)


@given(shapes=st.lists(outlines(), min_size=2, max_size=6))
@settings(max_examples=60, deadline=None)
def test_the_shared_area_is_that_of_the_overlay(shapes):
    holed = shapely.Polygon(shapes[0].exterior, [])
    ring = holed.buffer(0.05).difference(holed)
    long = shapes[1].buffer(0.02, quad_segs=LONGEST)
    table = np.array([*shapes, *(shape.reverse() for shape in shapes), ring, long, shapely.box(0.3, 0, 0.6, 1)], object)
    left, right = (places.ravel() for places in np.indices((len(table), len(table))))
    expected = shapely.area(shapely.intersection(table[left], table[right]))
    assert shared_area(table, left, right) == pytest.approx(expected, abs=1e-12)


@given(shapes=st.lists(outlines(), min_size=1, max_size=6), data=st.data())
@settings(max_examples=40, deadline=None)
def test_the_agreed_area_is_what_counting_pixels_gives(shapes, data):
    needed = data.draw(st.integers(1, len(shapes)))
    # Two groups in one call, the other one of a single shape.
    table = np.array([*shapes, shapely.box(0, 0, 0.1, 0.1)], object)
    group = np.array([*np.zeros(len(shapes), int), 1])
    found, other = agreed_area(table, group, np.array([needed, 1]))
    assert other.equals(shapely.box(0, 0, 0.1, 0.1))
    side = 400
    counted = sum(rasterise(from_shape(shape), side, side).astype(int) for shape in shapes) >= needed
    centres = (np.arange(side) + 0.5) / side
    inside = shapely.contains_xy(found, *(axis.ravel() for axis in np.meshgrid(centres, centres)))
    outline = sum(shape.length for shape in shapes)
    assert (inside.reshape(side, side) != counted).sum() <= 2 * outline * side + 8


def test_crumbs_are_left_out_and_outlines_keep_their_place():
    zigzag = shapely.LineString([(0.1 + 0.001 * n, 0.1 + 0.00002 * (n % 2)) for n in range(300)])
    shape = shapely.union(zigzag.buffer(0.05, quad_segs=16), shapely.box(0.8, 0.8, 0.805, 0.805))
    found = parts_of(np.array([shape], object), np.array([False]))
    (part,) = found.shapes
    assert shapely.get_num_coordinates(part) < shapely.get_num_coordinates(shape) / 2
    assert shapely.hausdorff_distance(part, zigzag.buffer(0.05, quad_segs=16)) < 0.01


def test_drawings_of_one_person_over_each_other_count_once():
    twice = np.array(
        [shapely.box(0, 0, 0.5, 0.5), shapely.box(0.25, 0, 0.75, 0.5), shapely.box(0.4, 0, 1, 0.5)], object
    )
    by_person = drawn_by(twice, np.array([0, 0, 1]), 2)
    both = agreed_area(by_person, np.array([0, 0]), np.array([2]))[0]
    assert both.equals(shapely.box(0.4, 0, 0.75, 0.5))
    rows = [region("a", box(0.1, 0.1, 0.5, 0.5)), region("a", box(0.15, 0.1, 0.5, 0.5), text="again, a second time")]
    once = find_consensus([*rows, region("b", box(0.1, 0.1, 0.5, 0.5))], 3, WIDTH, HEIGHT).regions
    assert [row["support"] for row in once] == [2]


def test_a_hand_that_another_draws_as_three_fingers_is_one_flaw_when_two_say_so():
    fingers = [box(0.2, 0.2, 0.3, 0.6), box(0.31, 0.2, 0.41, 0.6), box(0.42, 0.2, 0.52, 0.6)]
    rows = [region("a", box(0.2, 0.2, 0.52, 0.6)), *(region("b", finger) for finger in fingers)]
    (found,) = find_consensus(rows, 3, WIDTH, HEIGHT).regions
    assert (found["support"], to_shape(found["polygon"]).area) == (2, pytest.approx(0.32 * 0.4))
    apart = find_consensus([*rows, *(region("c", finger) for finger in fingers)], 3, WIDTH, HEIGHT).regions
    assert [row["support"] for row in apart] == [3, 3, 3]  # two of three say that they are three


def test_who_says_failure_where_the_others_say_artifact_is_outvoted_and_still_saw_it():
    place = box(0.2, 0.2, 0.5, 0.5)
    rows = [region(person, place) for person in "ab"]
    rows += [region("c", place, kind="editing_failure", flaw="over_edited", text="far too strong")]
    (found,) = find_consensus(rows, 3, WIDTH, HEIGHT).regions
    assert (found["kind"], found["flaw_type"], found["support"]) == ("artifact", "texture_noise", 3)
    assert found["description"] == "why"


@pytest.mark.parametrize("text", ["bad", "......", "x y z", "", "12345678901"])
def test_a_reason_not_worth_reading_is_not_the_one_that_represents(text):
    assert not is_worth_reading(text)
    assert all(is_worth_reading(one) for one in ("the hand has six fingers", "手指有六个", "blurred edge!"))
    rows = [region("a", box(0.2, 0.2, 0.5, 0.5), text=text), region("b", box(0.2, 0.2, 0.52, 0.5), text="blurred edge")]
    rows += [region("c", box(0.2, 0.2, 0.5, 0.5), text=text)]
    (found,) = find_consensus(rows, 3, WIDTH, HEIGHT).regions
    assert found["description"] == "blurred edge"


def tables_of(campaign, name=lambda person: f"p{person:02d}", order=None):
    """A simulated campaign as the tables of a workspace."""
    answers = [answer(f"e{edit:03d}", name(person)) for edit, person in zip(*campaign.inspected, strict=True)]
    regions = [
        drawn(
            f"e{edit:03d}", name(person), from_shape(shape), kind=REGION_KINDS[kind],
            flaw=FLAW_TYPES[flaw_type].id, text=f"a reason number {number}",
        )
        | {"region_id": f"r{number:05d}"}
        for number, (edit, person, kind, flaw_type, shape) in enumerate(
            zip(campaign.edit, campaign.person, campaign.kind, campaign.flaw_type, campaign.shapes, strict=True)
        )
    ]  # fmt: skip
    if order is not None:
        order.shuffle(answers)
        order.shuffle(regions)
    return to_table("answers", answers), to_table("regions", regions)


def test_neither_the_order_of_the_tables_nor_peoples_names_change_a_region():
    campaign = make_campaign(5, 12, 3, ["careful"] * 4 + list(MANNERS))
    one = Drawings(*tables_of(campaign))
    shuffled = Drawings(*tables_of(campaign, order=np.random.default_rng(0)))
    renamed = Drawings(*tables_of(campaign, name=lambda person: f"{(7 * person + 5) % 12:02d}"))
    for number in range(12):
        first, second, third = (each.consensus(f"e{number:03d}", 60, 40) for each in (one, shuffled, renamed))
        assert first.regions == second.regions
        for row, other in zip(first.regions, third.regions, strict=True):
            assert row.pop("probability") == pytest.approx(other.pop("probability"), abs=1e-9)
            assert row == other
        for kind in first.maps:
            assert np.array_equal(first.maps[kind], second.maps[kind])
            assert np.abs(first.maps[kind].astype(int) - third.maps[kind]).max() <= 1


def test_many_edits_at_once_give_the_places_that_each_gives_alone():
    campaign = make_campaign(6, 8, 4, ["careful"] * 6 + ["over-enclosing"] * 2)
    drawings = Drawings(*tables_of(campaign))
    for number in range(8):
        together = drawings.consensus(f"e{number:03d}", 50, 50).regions
        alone = find_consensus(drawings.of(f"e{number:03d}"), 4, 50, 50).regions
        shapes = [sorted(str((row["polygon"], row["support"])) for row in rows) for rows in (together, alone)]
        assert shapes[0] == shapes[1]


def test_peoples_rates_are_near_those_that_made_the_drawings():
    campaign = make_campaign(7, 150, 4, ["careful"] * 8 + ["blind"] * 4 + ["alarmed"] * 4, flaws=4)
    rates = ours(campaign).rates
    flaws = pd.DataFrame({"flaw": campaign.flaw, "person": campaign.person})[campaign.flaw >= 0].drop_duplicates()
    clear = flaws[~campaign.truth.subtle[flaws["flaw"]]]
    looked = pd.DataFrame(dict(zip(("edit", "person"), campaign.inspected, strict=True)))
    there = looked.merge(pd.DataFrame({"edit": campaign.truth.edit[~campaign.truth.subtle]}), on="edit")
    seen = clear["person"].value_counts().sort_index() / there["person"].value_counts().sort_index()
    assert spearmanr(rates.sensitivity, seen).statistic > 0.8
    assert np.abs(rates.sensitivity - seen).mean() < 0.12
    false = pd.Series(campaign.person[campaign.flaw < 0]).value_counts().reindex(range(16)).fillna(0)
    assert spearmanr(rates.false_alarms, false / looked["person"].value_counts().sort_index()).statistic > 0.7
    assert rates.weight[:8].mean() > rates.weight[8:].mean()


@given(marks=st.lists(st.booleans(), min_size=3, max_size=3).filter(any), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_probabilities_are_those_of_the_model_written_out(marks, seed):
    """One place, three people: the sum over what may be there, by hand."""
    rng = np.random.default_rng(seed)
    rates = dataclasses.replace(
        model.Rates.unknown(3), sensitivity=rng.uniform(0.1, 0.9, 3), false_alarms=rng.uniform(0.1, 2, 3)
    )
    looks = Looks(np.zeros(3, int), np.arange(3), np.array(marks), np.zeros(3, int), np.arange(3))
    weights = []
    for many, share in ((rates.flaws, 1.0), (rates.hard_flaws, model.HARD_TO_SEE)):
        weights.append(
            many
            * np.prod([share * s if mark else 1 - share * s for s, mark in zip(rates.sensitivity, marks, strict=True)])
        )
    nothing = 0.0
    for first in np.flatnonzero(marks):  # who began; the others joined or did not
        joined = [model.COINCIDENCE if mark else 1 - model.COINCIDENCE for n, mark in enumerate(marks) if n != first]
        nothing += rates.false_alarms[first] * np.prod(joined)
    expected = sum(weights) / (sum(weights) + nothing)
    assert probability_of(looks, rates, 1)[0] == pytest.approx(expected, rel=1e-9)


def test_of_one_edit_nothing_is_known_of_anybody():
    looks = Looks(np.zeros(3, int), np.arange(3), np.array([True, False, True]), np.zeros(3, int), np.arange(3))
    rates = estimate_rates(looks, 3, 1, 1)
    assert len(set(rates.sensitivity)) == len(set(rates.false_alarms)) == len(set(rates.weight)) == 1


@pytest.fixture(scope="module")
def studied():
    campaign = campaign_of("mixed", 1, 60, 5)
    return campaign, ours(campaign)


def test_consensus_finds_more_of_the_truth_than_union_and_votes_on_pixels(studied):
    campaign, found = studied
    mine = measure(campaign, chosen(found))
    for name, regions in by_pixels(campaign).items():
        peer = measure(campaign, regions)
        assert mine["F1 at 0.5"] >= peer["F1 at 0.5"], name
        assert mine["F1 at 0.3"] >= peer["F1 at 0.3"], name


def test_probabilities_say_more_than_how_many_marked_it(studied):
    campaign, found = studied
    true = is_flaw(campaign, found)
    by_support = np.array([true[found.support == n].mean() for n in found.support])  # the best that support can say
    assert brier(campaign, found) < np.mean((by_support - true) ** 2)


def test_a_dataset_of_people_who_disagree_is_valid(tmp_path):
    workspace = make_answered(tmp_path / "campaign", n_sources=4)
    edits = workspace.edits()
    campaign = make_campaign(3, len(edits), 3, ["careful"] * 3 + list(MANNERS))
    ids = {f"e{number:03d}": edit.edit_id for number, edit in enumerate(edits)}
    tables = [
        [row | {"edit_id": ids[row["edit_id"]]} for row in table.to_pylist()] for table in tables_of(campaign)
    ]  # fmt: skip
    # An edit that is gone is in no dataset, and so must not teach anything about people.
    gone = "f" * 16
    tables[0] += [answer(gone, person) for person in ("p00", "p01", "p02")]
    tables[1] += [drawn(gone, "p00", box(0.1 * n, 0.1, 0.1 * n + 0.05, 0.2), text=str(n)) for n in range(8)]
    for name, rows in zip(("answers", "regions"), tables, strict=True):
        workspace.write_table(name, rows)
    workspace.write_table("ratings", [])
    study = analyze_workspace(workspace)
    assert gone in study.unknown_ids
    assert len({round(row["probability"], 6) for row in study.consensus}) > 10
    build_dataset(workspace, tmp_path / "dataset")
    failures = {result.name: result.failures for result in validate_dataset(tmp_path / "dataset") if not result.passed}
    assert failures == {}


def verdict(region_id, person, said, screened=False):
    return {
        "region_id": region_id, "edit_id": "", "annotator": person, "annotator_kind": "human", "verdict": said,
        "flaw_type": "", "lead_time_s": 1.0, "submitted_at": "", "screen": "", "screened": screened,
    }  # fmt: skip


def test_a_second_look_that_sees_a_flaw_makes_it_likelier_and_one_that_sees_none_less_likely():
    campaign = make_campaign(9, 30, 3, ["careful"] * 8)
    answers, regions = tables_of(campaign)
    drawings = Drawings(answers, regions)
    lone = {  # drawings that nobody else shares
        regions["region_id"][int(row)].as_py()
        for edit in range(30)
        for row in np.flatnonzero(campaign.edit == edit)
        if not any(
            campaign.person[other] != campaign.person[row] and campaign.shapes[other].intersects(campaign.shapes[row])
            for other in np.flatnonzero(campaign.edit == edit)
        )
    }
    yes, no, nothing = sorted(lone)[:3]
    rows = [verdict(yes, "p00", "flaw"), verdict(no, "p01", "no_flaw"), verdict(no, "new", "no_flaw")]
    rows += [verdict(nothing, "p00", "cannot_judge"), verdict(nothing, "p01", "no_flaw", screened=True)]
    rows += [verdict("gone", "p00", "flaw")]
    table = drawings.second_looks(to_table("verdicts", rows)).set_index("region_id")
    assert sorted(table.index) == sorted([yes, no])
    assert table.loc[yes, "after"] > table.loc[yes, "probability"]
    assert table.loc[no, "after"] < table.loc[no, "probability"] / 2
    assert (table.loc[no, "flaw"], table.loc[no, "no_flaw"]) == (0, 2)
    assert drawings.second_looks(to_table("verdicts", [])).empty


def test_second_looks_of_known_truth_are_better_than_none():
    campaign = make_campaign(10, 60, 3, ["careful"] * 6 + ["alarmed"] * 6)
    answers, regions = tables_of(campaign)
    drawings = Drawings(answers, regions)
    rng = np.random.default_rng(0)
    rows = []
    for row, flaw in enumerate(campaign.flaw):
        for person in rng.choice(12, 2, replace=False):
            said = "flaw" if rng.random() < (0.85 if flaw >= 0 else 0.1) else "no_flaw"
            rows.append(verdict(regions["region_id"][row].as_py(), f"p{person:02d}", said))
    table = drawings.second_looks(to_table("verdicts", rows))
    true = pd.Series(campaign.flaw >= 0, index=regions["region_id"].to_pylist()).loc[table["region_id"]].to_numpy()
    assert np.mean((table["after"] - true) ** 2) < 0.6 * np.mean((table["probability"] - true) ** 2)
