"""Choices between two models: strengths by an independent fit, and intervals that cover."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import binomtest

from analysis.preferences import PRIOR_CHOICES, bradley_terry, choices_between_models
from editfhf.errors import BadInput
from editfhf.schema import Preference
from tests.factories import make_workspace

STRENGTHS = np.array([0.8, 0.2, 0.0, -1.0])


def choices(rng, n_photos=40, n_people=12, each=4, taste=0.3, of_photo=0.4, strengths=STRENGTHS) -> pd.DataFrame:
    """Of each photo, every two models, by some people who have tastes of their own; photos suit models differently."""
    m = len(strengths)
    one, other = np.triu_indices(m, 1)
    photo, pair, person = (axis.ravel() for axis in np.indices((n_photos, len(one), each)))
    person = rng.integers(0, n_people, len(photo))
    own = strengths + rng.normal(0, taste, (n_people, m))
    suits = rng.normal(0, of_photo, (n_photos, m))
    first, second = one[pair], other[pair]
    gap = own[person, first] - own[person, second] + suits[photo, first] - suits[photo, second]
    said = np.where(rng.random(len(gap)) < expit(gap), "first", "second")
    said[rng.random(len(gap)) < 0.1] = "tie"
    names = np.array([f"m{number}" for number in range(m)])
    return pd.DataFrame({
        "photo": photo, "annotator": person, "first": names[first], "second": names[second], "choice": said,
    })  # fmt: skip


def test_strengths_are_those_of_a_general_optimiser():
    table = choices(np.random.default_rng(1), n_photos=10)
    index = {f"m{number}": number for number in range(4)}
    first, second = table["first"].map(index).to_numpy(), table["second"].map(index).to_numpy()
    won = table["choice"].map({"first": 1, "tie": 0.5, "second": 0}).to_numpy(float)

    def surprise(s):
        gap = s[first] - s[second]
        told = won * np.log(expit(gap)) + (1 - won) * np.log(expit(-gap))
        return -told.sum() - PRIOR_CHOICES / 2 * (np.log(expit(s)) + np.log(expit(-s))).sum()

    best = minimize(surprise, np.zeros(4), tol=1e-10).x
    ours = bradley_terry(table)["strength"].sort_index().to_numpy()
    assert ours == pytest.approx(best - best.mean(), abs=1e-4)


def test_two_models_have_the_odds_of_their_choices():
    said = ["first"] * 6 + ["tie"] * 2 + ["second"] * 2
    table = pd.DataFrame({"photo": range(10), "annotator": "ann", "first": "a", "second": "b", "choice": said})
    found = bradley_terry(table)
    assert found.index.tolist() == ["a", "b"]
    gap = found.loc["a", "strength"] - found.loc["b", "strength"]
    assert np.log(6 / 4) < gap < np.log(7 / 3)  # seven of ten, and half a choice of each against the mean
    swapped = table.rename(columns={"first": "second", "second": "first"})
    swapped["choice"] = swapped["choice"].map({"first": "second", "second": "first", "tie": "tie"})
    pd.testing.assert_frame_equal(bradley_terry(swapped), found)


def test_intervals_cover_what_other_people_and_photos_would_say():
    """The truth: strengths of the mean choices over tastes and photos, by a very large study."""
    limit = bradley_terry(choices(np.random.default_rng(99), n_photos=6000, n_people=6000, each=6), n_bootstrap=2)
    truth = limit["strength"].sort_index()
    covered = []
    for seed in range(80):
        found = bradley_terry(choices(np.random.default_rng(seed)), n_bootstrap=500).sort_index()
        covered += list((found["strength_low"] <= truth) & (truth <= found["strength_high"]))
    assert binomtest(round(80 * np.mean(covered)), 80, 0.95).pvalue > 0.005


def test_a_model_that_won_everything_is_strong_and_not_infinite():
    table = pd.DataFrame({"photo": range(20), "annotator": "ann", "first": "a", "second": "b", "choice": "first"})
    found = bradley_terry(table)
    assert np.isfinite(found.drop(columns="connected").to_numpy(float)).all()
    assert found.loc["a", "wins"] > 0.8
    apart = pd.concat([table, table.assign(first="c", second="d")[:5]])
    assert bradley_terry(apart)["connected"].to_dict() == {"a": True, "b": True, "c": False, "d": False}


def test_preferences_of_a_workspace_become_choices_between_models(tmp_path):
    workspace = make_workspace(tmp_path / "campaign", n_sources=2)
    edits = {edit.edit_id: edit for edit in workspace.edits()}
    careful, broken = workspace.edits()[:2]
    one = Preference(
        "p", careful.edit_id, broken.edit_id, "", "", "ann", "simulated", "first", "left", 3.0,
        "2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    rows = [
        one,
        dataclasses.replace(one, annotator="bob", choice="cannot_judge"),
        dataclasses.replace(one, annotator="eve", screened=True),
        dataclasses.replace(one, annotator="dan", other_edit_id="", first_sha256="1", second_sha256="2"),
        dataclasses.replace(one, annotator="kim", choice="tie"),
    ]
    workspace.write_table("preferences", rows)
    table = choices_between_models(workspace.read_table("preferences").to_pandas(), edits)
    assert table["annotator"].tolist() == ["ann", "kim"]
    assert table.iloc[0].to_dict() == {
        "photo": careful.source_id, "annotator": "ann", "first": careful.model, "second": broken.model,
        "choice": "first",
    }  # fmt: skip
    assert bradley_terry(table).index[0] == careful.model


def test_what_cannot_be_ranked_is_bad_input():
    with pytest.raises(BadInput, match="Nobody has chosen"):
        bradley_terry(pd.DataFrame(columns=["photo", "annotator", "first", "second", "choice"]))
    with pytest.raises(BadInput, match="annotator"):
        bradley_terry(pd.DataFrame({"photo": [1], "first": ["a"], "second": ["b"], "choice": ["tie"]}))
    row = {"photo": [1], "annotator": ["x"], "first": ["a"], "second": ["b"], "choice": ["skipped"]}
    with pytest.raises(BadInput, match="neither"):
        bradley_terry(pd.DataFrame(row))
