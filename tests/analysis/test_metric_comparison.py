"""Intervals of correlations, their differences, and mappings that are fitted on one split and used on another."""

import numpy as np
import pytest
from scipy.stats import binomtest, rankdata, spearmanr

from analysis.correlation import correlation_report, fit_mapping
from analysis.metric_comparison import _ranks, compare_metrics, correlation_rows
from editfhf.errors import BadInput


def metric(rng, n, noise=1.0):
    truth = rng.normal(size=n)
    return truth + noise * rng.normal(size=n), 50 + 20 * np.tanh(truth)


def test_a_mapping_fitted_on_one_split_is_applied_to_another():
    rng = np.random.default_rng(1)
    pred, mos = metric(rng, 400, 0.3)
    other, other_mos = metric(rng, 300, 0.3)
    mapping = fit_mapping(pred, mos)
    assert mapping.note == ""
    own = correlation_report(pred, mos)
    assert np.sqrt(np.mean((mapping(pred) - mos) ** 2)) == pytest.approx(own["rmse"])
    report = correlation_report(other, other_mos, fitted_on=(pred, mos))
    assert report["rmse"] == pytest.approx(np.sqrt(np.mean((mapping(other) - other_mos) ** 2)))
    assert report["plcc"] == pytest.approx(np.corrcoef(mapping(other), other_mos)[0, 1])
    assert report["srcc"] == correlation_report(other, other_mos)["srcc"]
    assert report["rmse"] >= correlation_report(other, other_mos)["rmse"] - 1e-9
    # What was learned on another scale does not fit: nobody refits it in silence.
    assert correlation_report(other, other_mos + 30, fitted_on=(pred, mos))["rmse"] > 25


@pytest.mark.parametrize("direction", [1, -1])
def test_a_mapping_is_monotone_and_goes_where_the_metric_goes(direction):
    pred, mos = metric(np.random.default_rng(2), 200)
    curve = fit_mapping(direction * pred, mos)(np.linspace(-9, 9, 200))
    assert (direction * np.diff(curve) >= 0).all()


def test_where_a_line_stands_in_a_note_says_why():
    assert "5 scores" in fit_mapping(np.arange(5.0), np.array([1, 2, 4, 3, 5.0])).note
    assert "as well" in fit_mapping(np.arange(50.0), 3 * np.arange(50.0) + 2).note
    with pytest.raises(BadInput, match="all the same"):
        fit_mapping(np.ones(9), np.arange(9.0))


def test_ranks_that_count_several_times_are_those_of_the_values_written_out():
    rng = np.random.default_rng(3)
    values = rng.integers(0, 6, 20).astype(float)
    times = rng.integers(0, 4, (5, 20)).astype(float)
    for row, ranks in zip(times, _ranks(values, times), strict=True):
        long = np.repeat(values, row.astype(int))
        told = rankdata(long) - 0.5
        assert np.repeat(ranks, row.astype(int)) == pytest.approx(told)


@pytest.mark.parametrize("of_a_photo", [1, 4])
def test_the_interval_of_a_rank_correlation_covers_it(of_a_photo):
    """Metric and scores share 1 of 2 of the variance each, and edits of a photo most of theirs."""
    n_photos, covered = 60, 0

    def study(rng, photos):
        shared = rng.normal(size=(photos, 1)) + (0 if of_a_photo == 1 else 0.5) * rng.normal(size=(photos, of_a_photo))
        return (shared + rng.normal(size=shared.shape)).ravel(), (shared + rng.normal(size=shared.shape)).ravel()

    truth = spearmanr(*study(np.random.default_rng(99), 20_000)).statistic
    for seed in range(150):
        pred, mos = study(np.random.default_rng(seed), n_photos)
        photos = np.repeat(np.arange(n_photos), of_a_photo)
        row = correlation_rows(pred, mos, photos=photos, draws=300)[0]
        covered += row["srcc_low"] <= truth <= row["srcc_high"]
    assert binomtest(covered, 150, 0.95).pvalue > 0.005


def test_groups_have_rows_of_their_own_under_one_mapping():
    pred, mos = metric(np.random.default_rng(4), 120, 0.3)
    groups = np.array(["a", "b", "c"])[np.arange(120) % 3]
    rows = correlation_rows(pred, mos, groups=groups, draws=100)
    assert [row["group"] for row in rows] == ["all", "a", "b", "c"]
    assert rows[1]["srcc"] == pytest.approx(spearmanr(pred[groups == "a"], mos[groups == "a"]).statistic)
    whole = correlation_report(pred, mos)
    assert (rows[0]["plcc"], rows[0]["rmse"]) == (pytest.approx(whole["plcc"]), pytest.approx(whole["rmse"]))
    mean_square = np.mean([row["rmse"] ** 2 for row in rows[1:]])
    assert np.sqrt(mean_square) == pytest.approx(whole["rmse"])
    for row in rows:
        assert row["plcc_low"] < row["plcc"] < row["plcc_high"]
        assert row["rmse_low"] < row["rmse"] < row["rmse_high"]
    few = correlation_rows(pred, mos, groups=["x"] * 117 + ["y"] * 3, draws=50)[2]
    assert few["n"] == 3
    assert np.isnan([few["srcc"], few["srcc_low"]]).all()


def test_equal_metrics_seldom_differ_and_a_better_one_does():
    false = {"p": 0, "p_meng": 0}
    for seed in range(120):
        rng = np.random.default_rng(seed)
        truth = rng.normal(size=80)
        first, second = truth + rng.normal(size=80), -(truth + rng.normal(size=80))  # the sign plays no part
        found = compare_metrics(first, second, truth, draws=300)
        false["p"] += found.p < 0.05
        false["p_meng"] += found.p_meng < 0.05
    for count in false.values():
        assert binomtest(count, 120, 0.05).pvalue > 0.005
    better = compare_metrics(truth + 0.3 * rng.normal(size=80), first, truth, draws=300)
    assert better.low > 0
    assert better.p < 0.01
    assert better.p_meng < 0.01
    assert better.first - better.second == pytest.approx(better.difference)
    same = compare_metrics(first, first, truth, draws=50)
    assert (same.difference, same.p) == (0, 1)


def test_what_cannot_be_compared_is_bad_input():
    pred, mos = metric(np.random.default_rng(5), 20)
    with pytest.raises(BadInput, match="photos"):
        compare_metrics(pred, pred, mos, photos=np.arange(20) % 3)
    with pytest.raises(BadInput, match="all the same"):
        compare_metrics(pred, np.ones(20), mos)
    with pytest.raises(BadInput, match="20 scores and 3 groups"):
        correlation_rows(pred, mos, groups=["a", "b", "c"])
