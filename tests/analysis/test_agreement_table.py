"""The table of agreement of a workspace."""

import numpy as np
import pandas as pd
import pytest

from analysis.agreement_table import COLUMNS, _of_ratings, agreement_table, write_agreement
from analysis.reliability import icc
from editfhf.schema import DIMENSIONS
from tests.editfhf.answered import make_answered


def test_a_workspace_has_every_measure_of_all_edits_and_of_each_model_and_group(tmp_path):
    workspace = make_answered(tmp_path / "campaign", n_sources=8)
    table = write_agreement(workspace)
    assert tuple(table.columns) == COLUMNS
    models = {edit.model for edit in workspace.edits()}
    assert set(table.loc[table["of"] == "model", "name"]) == models
    assert set(table["about"]) == {*DIMENSIONS, "regions"}
    everything = table[table["of"] == "all"].set_index(["about", "measure"])
    scores = np.array([[2 + number % 3, 3] for number in range(31)], float).T  # as `make_answered` gives them
    expected = icc((scores - 1) / 4)["ICC(A,1)"]
    row = everything.loc[(DIMENSIONS[0], "ICC(A,1)")]
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))
    assert (row["edits"], row["people"]) == (31, 2)
    assert everything.loc[("regions", "F1 of two people (IoU 0.5)"), "value"] == 1  # both drew the same box
    assert everything.loc[("regions", "mean IoU of matched regions"), "value"] == 1
    stored = pd.read_csv(workspace.analysis_dir / "agreement.csv", keep_default_na=False)
    assert len(stored) == len(table)


def test_who_is_set_aside_counts_nowhere(tmp_path):
    workspace = make_answered(tmp_path / "campaign", n_sources=4)
    for name in ("ratings", "answers"):
        rows = workspace.read_table(name).to_pandas()
        rows["screened"] = rows["annotator"] == "bob"
        workspace.write_table(name, rows.to_dict("records"))
    assert agreement_table(workspace).empty


def test_a_workspace_without_answers_has_an_empty_table(campaign):
    assert agreement_table(campaign).empty


def test_two_people_of_a_crowd_do_not_speak_for_it():
    rng = np.random.default_rng(1)
    crowd = np.where(rng.random((40, 200)) < 0.15, rng.normal(size=(1, 200)) + rng.normal(size=(40, 200)), np.nan)
    measures = [row["measure"] for row in _of_ratings(crowd, range(crowd.shape[1]))]
    assert measures[0] == "Krippendorff's alpha (interval)"
    assert not any(name.startswith(("ICC", "Kendall")) for name in measures)
    full = [row["measure"] for row in _of_ratings(rng.normal(size=(4, 30)), range(30))]
    assert {"ICC(A,1)", "Kendall's W"} <= set(full)
