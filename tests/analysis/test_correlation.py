"""Correlation with opinion scores beside SciPy, curves that are known, and a search for better ones; order in pairs."""

import doctest
import math
import warnings
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import curve_fit, isotonic_regression
from scipy.stats import kendalltau, pearsonr, spearmanr

from analysis import correlation
from analysis.correlation import correlation_report, pairwise_accuracy
from editfhf.errors import BadInput

scores = st.floats(-100, 100, width=32).map(lambda value: round(value, 2))


@st.composite
def score_pairs(draw, min_size=4, max_size=40):
    n = draw(st.integers(min_size, max_size))
    return draw(arrays(np.float64, n, elements=scores)), draw(arrays(np.float64, n, elements=scores))


def logistic5(x, b1, b2, b3, b4, b5):
    """As printed in Sheikh, Sabir, Bovik 2006."""
    return b1 * (0.5 - 1 / (1 + np.exp(np.clip(b2 * (x - b3), -500, 500)))) + b4 * x + b5


def kendall_by_counting(x, y):
    pairs = list(combinations(range(len(x)), 2))
    agreement = sum(np.sign(x[i] - x[j]) * np.sign(y[i] - y[j]) for i, j in pairs)
    untied = [sum(values[i] != values[j] for i, j in pairs) for values in (x, y)]
    return agreement / math.sqrt(untied[0] * untied[1])


@given(score_pairs())
def test_rank_correlations_are_those_of_scipy_and_of_counting(pair):
    pred, mos = pair
    assume(np.ptp(pred) > 0 and np.ptp(mos) > 0)
    report = correlation_report(pred, mos)
    assert report["srcc"] == pytest.approx(spearmanr(pred, mos).statistic, abs=1e-12)
    assert report["krcc"] == pytest.approx(kendalltau(pred, mos).statistic, abs=1e-12)
    assert report["krcc"] == pytest.approx(kendall_by_counting(pred, mos), abs=1e-9)


@given(score_pairs())
def test_the_mapping_is_never_worse_than_a_line_and_never_better_than_any_monotone_curve(pair):
    pred, mos = pair
    assume(np.ptp(pred) > 0.1 and np.ptp(mos) > 0.1)
    report = correlation_report(pred, mos)
    line = np.polyval(np.polyfit(pred, mos, 1), pred)
    order = np.lexsort((mos, pred))
    _, first, counts = np.unique(pred[order], return_index=True, return_counts=True)
    means = np.add.reduceat(mos[order], first) / counts  # equal predictions get one value
    within = np.sum((mos[order] - np.repeat(means, counts)) ** 2)
    free = min(
        np.sum(counts * (isotonic_regression(means, weights=counts, increasing=rising).x - means) ** 2)
        for rising in (True, False)
    )
    tolerance = 1e-6 * np.ptp(mos)
    assert math.sqrt((free + within) / len(mos)) - tolerance <= report["rmse"]
    assert report["rmse"] <= math.sqrt(np.mean((line - mos) ** 2)) + tolerance
    assert report["plcc"] >= abs(pearsonr(pred, mos).statistic) - 1e-6


@settings(max_examples=50)
@given(
    st.integers(0, 10_000), st.floats(5, 100), st.floats(0.5, 6), st.floats(-1, 1), st.floats(0, 5),
    st.sampled_from([-1, 1]),
)  # fmt: skip
def test_a_known_logistic_is_found_again(seed, height, steepness, middle, slope, direction):
    pred = np.random.default_rng(seed).normal(size=200)
    mos = direction * logistic5(pred, height, steepness, middle, slope, 50)
    report = correlation_report(pred, mos)
    assert report["plcc"] == pytest.approx(1, abs=1e-3)
    assert report["rmse"] <= 0.02 * mos.std()
    assert report["srcc"] == pytest.approx(direction)


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("n", [60, 1000])
def test_the_fit_to_noisy_scores_is_as_good_as_that_of_another_optimiser_started_at_the_truth(n, direction):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        pred = rng.normal(3, 2, n)
        truth = (direction * 80, 2.0, 3.0, direction * 1.0, 50)
        mos = logistic5(pred, *truth) + rng.normal(0, 8, n)
        free, _ = curve_fit(logistic5, pred, mos, p0=truth, maxfev=50_000)
        report = correlation_report(pred, mos)
        # The other is free to bend back, so it may lie a trifle closer.
        assert report["rmse"] == pytest.approx(np.sqrt(np.mean((logistic5(pred, *free) - mos) ** 2)), rel=0.01)
        assert report["plcc"] == pytest.approx(pearsonr(logistic5(pred, *free), mos).statistic, abs=0.003)


@given(score_pairs(), st.sampled_from([0.25, 2.0, 1024.0]))
def test_the_unit_of_the_predictions_does_not_matter_and_that_of_the_scores_is_that_of_the_error(pair, gain):
    pred, mos = pair  # powers of two: the same numbers inside, also where a fit to noise hangs by the last bit
    assume(np.ptp(pred) > 0 and np.ptp(mos) > 0)
    report = correlation_report(pred, mos)
    assert correlation_report(gain * pred, mos) == report
    assert correlation_report(pred, gain * mos) == {**report, "rmse": gain * report["rmse"]}


@pytest.mark.parametrize(("gain", "offset"), [(0.013, 5), (3.7, -100), (1e6, 1e6)])
def test_gain_and_offset_of_predictions_do_not_matter(gain, offset):
    rng = np.random.default_rng(7)
    for n in (20, 100, 500):
        pred = rng.normal(size=n)
        mos = np.tanh(2 * pred) + rng.normal(0, 0.5, n)
        report, other = correlation_report(pred, mos), correlation_report(gain * pred + offset, mos)
        assert other == pytest.approx(report, abs=1e-3)


@pytest.mark.parametrize("sign", [1, -1])
def test_predictions_that_people_follow_only_in_part_are_not_excused_by_a_curve_that_bends_back(sign):
    pred = np.linspace(-3, 3, 101)
    mos = sign * (pred - 2 * np.tanh(3 * pred))  # this very curve is a logistic with a linear term, but not monotone
    monotone = min(np.mean((isotonic_regression(mos, increasing=rising).x - mos) ** 2) for rising in (True, False))
    assert monotone > 0.1
    report = correlation_report(pred, mos)
    assert report["rmse"] >= math.sqrt(monotone) - 1e-9
    assert report["plcc"] < 0.9


def test_a_metric_that_falls_with_quality_correlates_as_well_as_its_negative():
    rng = np.random.default_rng(1)
    pred = rng.normal(size=100)
    mos = np.tanh(pred) + rng.normal(0, 0.2, 100)
    up, down = correlation_report(pred, mos), correlation_report(-pred, mos)
    assert (down["srcc"], down["krcc"]) == (pytest.approx(-up["srcc"]), pytest.approx(-up["krcc"]))
    assert (down["plcc"], down["rmse"]) == (pytest.approx(up["plcc"], abs=1e-4), pytest.approx(up["rmse"], abs=1e-4))


def test_one_wild_prediction_does_not_spoil_the_fit():
    rng = np.random.default_rng(2)
    mos = rng.uniform(0, 100, 200)
    pred = mos / 100 + rng.normal(0, 0.02, 200)
    clean = correlation_report(pred, mos)["plcc"]
    pred[mos.argmax()] = 1e6
    assert correlation_report(pred, mos)["plcc"] > clean - 0.05


def test_four_or_five_scores_get_a_line_and_not_a_curve_through_all_of_them():
    pred, mos = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([10.0, 40.0, 30.0, 20.0, 60.0])
    for n in (4, 5):
        line = np.polyval(np.polyfit(pred[:n], mos[:n], 1), pred[:n])
        report = correlation_report(pred[:n], mos[:n])
        assert report["plcc"] == pytest.approx(abs(pearsonr(pred[:n], mos[:n]).statistic))
        assert report["rmse"] == pytest.approx(np.sqrt(np.mean((line - mos[:n]) ** 2)))


@pytest.mark.parametrize("value", [0.0, 0.1, 57.3])
def test_constant_predictions_or_scores_correlate_with_nothing_and_warn_nobody(value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for report in (
            correlation_report(np.full(9, value), np.arange(9.0)),
            correlation_report(np.arange(9.0), np.full(9, value)),
        ):
            assert list(report) == ["srcc", "plcc", "krcc", "rmse"]
            assert all(math.isnan(number) for number in report.values())


@given(score_pairs())
@example((np.array([0.0, 0, 0, 1, 10, 65]), np.array([0.0, 0, 0, 2, 0, -1])))  # a step that shrinks to nothing
def test_no_scores_make_the_report_warn_or_leave_its_bounds(pair):
    pred, mos = pair
    assume(np.ptp(pred) > 0 and np.ptp(mos) > 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = correlation_report(pred, mos)
    assert -1 - 1e-9 <= report["srcc"] <= 1 + 1e-9
    assert -1 - 1e-9 <= report["krcc"] <= 1 + 1e-9
    assert -1e-9 <= report["plcc"] <= 1
    assert 0 <= report["rmse"] <= mos.std() * (1 + 1e-9)


def test_scores_that_cannot_be_correlated_are_refused():
    with pytest.raises(BadInput, match=r"There are 3 scores to correlate\. At least 4"):
        correlation_report(np.arange(3), np.arange(3))
    with pytest.raises(BadInput, match="two rows of one length"):
        correlation_report(np.arange(4), np.arange(5))
    with pytest.raises(BadInput, match="prediction at position 1 is not finite"):
        correlation_report(np.array([0, np.nan, 2, 3]), np.arange(4))
    with pytest.raises(BadInput, match="opinion score at position 3 is not finite"):
        pairwise_accuracy(np.arange(4), np.array([0, 1, 2, np.inf]), list("aaaa"))
    with pytest.raises(BadInput, match="4 scores and 3 groups"):
        pairwise_accuracy(np.arange(4), np.arange(4), list("aaa"))
    with pytest.raises(BadInput, match="threshold is -1"):
        pairwise_accuracy(np.arange(4), np.arange(4), list("aaaa"), threshold=-1)


small = st.integers(0, 4).map(float)


@given(st.lists(st.tuples(small, small, st.sampled_from("abc")), max_size=30), st.sampled_from([0.0, 1.0, 1.5, 2.0]))
def test_pairwise_accuracy_agrees_with_looking_at_every_pair(rows, threshold):
    points = []
    for (p1, m1, g1), (p2, m2, g2) in combinations(rows, 2):
        if g1 == g2 and m1 != m2 and abs(m1 - m2) >= threshold:
            points.append(0.5 if p1 == p2 else float((p1 < p2) == (m1 < m2)))
    accuracy = pairwise_accuracy(
        np.array([p for p, _, _ in rows]), np.array([m for _, m, _ in rows]), [g for *_, g in rows], threshold
    )
    assert accuracy == pytest.approx(np.mean(points)) if points else math.isnan(accuracy)


@given(score_pairs(min_size=2), st.integers(1, 5))
def test_the_right_order_is_1_the_wrong_one_0_and_no_order_one_half(pair, n_groups):
    _, mos = pair
    groups = [("photo", i % n_groups) for i in range(len(mos))]
    assume(any(groups[i] == groups[j] and mos[i] != mos[j] for i, j in combinations(range(len(mos)), 2)))
    assert pairwise_accuracy(3 * mos + 1, mos, groups) == 1
    assert pairwise_accuracy(-mos, mos, groups) == 0
    assert pairwise_accuracy(np.zeros(len(mos)), mos, groups) == 0.5


def test_telling_easy_photos_from_hard_ones_earns_nothing_within_a_photo():
    photo = np.repeat(np.arange(50), 4)
    mos = photo + np.tile([0.1, 0.2, 0.3, 0.4], 50)
    assert correlation_report(photo, mos)["srcc"] > 0.99
    assert pairwise_accuracy(photo, mos, photo) == 0.5


def test_the_examples_in_the_documentation_of_correlation_are_true():
    assert doctest.testmod(correlation).failed == 0
