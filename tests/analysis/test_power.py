"""Planning from a pilot: what varies is found again, and a campaign of the size that was named has its power."""

import json

import numpy as np
import pytest
from scipy.stats import binomtest
from typer.testing import CliRunner

from analysis.commands import app
from analysis.leaderboard import stand
from analysis.mos import mos_by_dimension
from analysis.power import (
    Components,
    edits_for_interval,
    edits_needed,
    plan_rows,
    power,
    raters_for_interval,
    variance_components,
)
from editfhf.errors import BadInput
from editfhf.schema import DIMENSIONS
from tests.analysis.campaigns import ASPECT, BIAS, EDIT, NOISE, PAIR, PHOTO, TASTE, rated_campaign
from tests.editfhf.answered import make_answered

# Of the mean of three dimensions: tastes and biases are a person's in all of them, noise and aspects are not.
TRUTH = Components(
    float(np.hypot(PHOTO, PAIR)), float(np.hypot(EDIT, ASPECT / 3**0.5)), BIAS, TASTE, NOISE / 3**0.5
)  # fmt: skip


@pytest.mark.parametrize("design", [{"n_people": 12, "each": 12}, {"n_people": 24, "each": 4}], ids=["dense", "crowd"])
def test_what_varies_is_found_again_without_bias(design):
    found = []
    for seed in range(12):
        ratings, edits = rated_campaign(np.random.default_rng(seed), **design)
        one = variance_components(ratings, edits)
        found.append([one.photo, one.edit, one.bias, one.taste, one.rating])
    mean = np.sqrt(np.mean(np.square(found), axis=0))  # variances are unbiased, deviations are not
    told = [TRUTH.photo, TRUTH.edit, TRUTH.bias, TRUTH.taste, TRUTH.rating]
    assert mean == pytest.approx(told, rel=0.15)
    assert one.n_people == design["n_people"]


def test_one_dimension_and_gaps_are_taken_as_they_are():
    ratings, edits = rated_campaign(np.random.default_rng(5), n_people=20, each=6)
    some = ratings[np.random.default_rng(6).random(len(ratings)) < 0.7]
    one = variance_components(some, edits, DIMENSIONS[1])
    assert one.rating == pytest.approx(NOISE, rel=0.05)
    assert one.edit == pytest.approx(np.hypot(EDIT, ASPECT), rel=0.25)
    assert variance_components(some, edits).n_ratings < len(some) / 3 * 0.6  # who left a dimension out does not count


def test_a_campaign_of_the_named_size_has_the_named_power():
    """Simulated with `leaderboard` itself as the test, in the middle of what is asked for and below it."""
    people, raters, difference = 16, 4, 6.0
    edits = edits_needed(TRUTH, difference, raters, people)
    assert edits is not None
    for n, told in ((edits, 0.8), (edits // 3, power(TRUTH, difference, edits // 3, raters, people))):
        seen = 0
        for seed in range(40):
            rng = np.random.default_rng(1000 + seed)
            ratings, table = rated_campaign(rng, n, 1, people, raters, means=(50.0, 50.0 + difference))
            scores = mos_by_dimension(ratings).merge(table)
            pairs = stand(scores, n_bootstrap=100, ratings=ratings).comparisons()
            own = pairs[pairs["dimension"] == "overall"].iloc[0]
            seen += own["p"] < 0.05 and own["better"] == "m1"
        assert binomtest(int(seen), 40, told).pvalue > 0.005


def test_more_of_anything_gives_more_power_and_people_are_the_limit():
    assert power(TRUTH, 5, 100, 4, 20) < power(TRUTH, 5, 200, 4, 20) < power(TRUTH, 5, 200, 8, 20)
    assert power(TRUTH, 0, 100, 4, 20) == pytest.approx(0.05, abs=0.002)
    assert edits_needed(TRUTH, 2, 3, 4) is None  # four people's tastes: √(2 · 9 / 4) = 2.1 points
    assert edits_needed(TRUTH, 2, 3, 400) is not None
    needed = edits_needed(TRUTH, 5, 4, 20)
    assert power(TRUTH, 5, needed, 4, 20) >= 0.8 > power(TRUTH, 5, needed - 1, 4, 20)
    assert edits_for_interval(TRUTH, 2, 4, 100) > edits_for_interval(TRUTH, 4, 4, 100)
    assert raters_for_interval(Components(0, 0, 0, 0, 10.0), 5) == 16  # (1.96 · 10 / 5)² = 15.4
    rows = plan_rows(TRUTH, 5, 9, reach=3)
    assert [row["raters"] for row in rows] == [1, 2, 3, 4, 5, 8]
    assert all(row["ratings"] == 2 * row["raters"] * row["edits"] for row in rows)


def test_a_pilot_that_is_too_small_is_bad_input():
    ratings, edits = rated_campaign(np.random.default_rng(1), n_photos=3, n_tasks=1)
    with pytest.raises(BadInput, match="Only 3 pairs"):
        variance_components(ratings, edits)
    with pytest.raises(BadInput, match="two or more"):
        variance_components(ratings, edits[edits["model"] == "m0"])
    with pytest.raises(BadInput, match="charm"):
        variance_components(ratings, edits, "charm")


def test_the_command_names_edits_and_ratings_and_says_who_was_simulated(tmp_path):
    workspace = make_answered(tmp_path / "pilot", n_sources=8)
    said = CliRunner().invoke(app, ["power", "-w", str(workspace.root), "--difference", "10", "--json"])
    assert said.exit_code == 0, said.output
    plan = json.loads(said.stdout)
    assert plan["rows"][0]["raters"] == 1
    assert plan["components"]["n_people"] == 2
    assert any("simulated" in note for note in plan["notes"])
    shown = CliRunner().invoke(app, ["power", "-w", str(workspace.root)])
    assert shown.exit_code == 0


@pytest.mark.parametrize("people", [20, 50, 100, 300])
def test_more_raters_never_need_more_edits_however_many_people_there_are(people):
    needed = [row["edits"] for row in plan_rows(TRUTH, 5, people) if row["raters"] <= people]
    known = [one for one in needed if one is not None]
    assert len(known) == len(needed)
    assert known == sorted(known, reverse=True)
    assert [power(TRUTH, 5, edits, 4, people) for edits in range(50, 20_000, 97)] == sorted(
        power(TRUTH, 5, edits, 4, people) for edits in range(50, 20_000, 97)
    )
