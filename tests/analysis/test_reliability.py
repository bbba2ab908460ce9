"""Reliability of ratings: published worked examples, definitions by brute force, and coverage."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, pearsonr, rankdata

from analysis.reliability import complete_block, fleiss_kappa, icc, kendall_w, split_half
from editfhf.errors import BadInput

# Six targets, four judges: Shrout and Fleiss, Psychological Bulletin 86(2), 1979, table 2.
JUDGES = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float).T
# Thirty patients, six psychiatrists, five diagnoses: how many chose each. Fleiss, Psychological Bulletin 76(5), 1971.
DIAGNOSES = [
    "00060", "03003", "01401", "00006", "03030", "20400", "00402", "20310", "20040", "00006", "10050", "11040",
    "03300", "10050", "02031", "00501", "30012", "51000", "02040", "10203", "00006", "01050", "02013", "20040",
    "10041", "05010", "40002", "02040", "10500", "00006",
]  # fmt: skip


def test_the_published_example_has_the_published_correlations():
    found = icc(JUDGES)
    told = {"ICC(1,1)": 0.17, "ICC(A,1)": 0.29, "ICC(C,1)": 0.71, "ICC(1,k)": 0.44, "ICC(A,k)": 0.62, "ICC(C,k)": 0.91}
    assert {form: round(one.value, 2) for form, one in found.items()} == told
    # The intervals of the same example, as the R package psych prints them.
    assert (found["ICC(1,1)"].low, found["ICC(1,1)"].high) == pytest.approx((-0.133, 0.723), abs=0.001)
    assert (found["ICC(A,1)"].low, found["ICC(A,1)"].high) == pytest.approx((0.019, 0.761), abs=0.001)
    assert (found["ICC(C,1)"].low, found["ICC(C,1)"].high) == pytest.approx((0.342, 0.946), abs=0.001)
    assert found["ICC(1,1)"].f == pytest.approx(1.795, abs=0.001)
    assert (found["ICC(C,1)"].f, found["ICC(C,1)"].freedom) == (pytest.approx(11.027, abs=0.001), (5, 15))


def test_a_gap_leaves_the_largest_block_without_one_and_it_is_said():
    with_gap = np.column_stack([JUDGES, [np.nan, 3, 3, 3]])
    assert icc(with_gap)["ICC(A,1)"] == icc(JUDGES)["ICC(A,1)"]
    lazy = np.vstack([JUDGES, [5] + [np.nan] * 5])
    found = icc(lazy)["ICC(C,1)"]
    assert (found.people, found.stimuli) == (4, 6)
    assert complete_block(np.array([[1.0, np.nan], [np.nan, 2.0]])).size == 0
    assert np.isnan(icc(np.array([[1.0, np.nan], [np.nan, 2.0]]))["ICC(1,1)"].value)


def test_who_agrees_wholly_has_a_correlation_of_one_and_one_value_says_nothing():
    for form, one in icc(np.tile([1.0, 2.0, 4.0], (3, 1))).items():
        assert one.value == 1, form
    assert np.isnan(icc(np.full((3, 4), 2.0))["ICC(C,1)"].value)


def test_a_bias_lowers_agreement_and_not_consistency():
    biased = JUDGES + np.array([0, 10, 20, 30])[:, None]
    assert icc(biased)["ICC(C,1)"].value == pytest.approx(icc(JUDGES)["ICC(C,1)"].value)
    assert icc(biased)["ICC(A,1)"].value < icc(JUDGES)["ICC(A,1)"].value


@pytest.mark.parametrize(("form", "truth"), [("ICC(1,1)", 0.5), ("ICC(A,1)", 0.4), ("ICC(C,1)", 0.5)])
def test_the_interval_of_a_correlation_covers_it(form, truth):
    """Stimuli of variance 1, error of variance 1; but for one-way, people of variance 0.5."""
    covered, n = 0, 400
    rng = np.random.default_rng(6)
    for _ in range(n):
        people = 0.0 if form == "ICC(1,1)" else rng.normal(0, np.sqrt(0.5), (8, 1))
        found = icc(rng.normal(size=(1, 30)) + people + rng.normal(size=(8, 30)))[form]
        covered += found.low <= truth <= found.high
    assert binomtest(covered, n, 0.95).pvalue > 0.001


def test_the_published_diagnoses_have_the_published_kappa():
    patients = [np.repeat(np.arange(5.0), [int(count) for count in row]) for row in DIAGNOSES]
    assert round(fleiss_kappa(np.array(patients).T), 3) == 0.430


def test_kappa_is_that_of_statsmodels():
    from statsmodels.stats.inter_rater import aggregate_raters
    from statsmodels.stats.inter_rater import fleiss_kappa as theirs

    answers = np.random.default_rng(1).choice(4, (5, 60), p=[0.5, 0.3, 0.1, 0.1])
    assert fleiss_kappa(answers) == pytest.approx(theirs(aggregate_raters(answers.T)[0]))


def test_kappa_counts_people_only_where_they_answered():
    answers = np.array([[1, 1, 2, 2], [1, 1, 2, 1], [1, 2, 2, 1.0]])
    more = np.column_stack([answers, [1, np.nan, np.nan]])
    assert fleiss_kappa(more) == fleiss_kappa(answers)
    assert np.isnan(fleiss_kappa(np.ones((3, 4))))


grades = st.integers(2, 4).flatmap(
    lambda people: st.lists(st.lists(st.integers(1, 4), min_size=people, max_size=people), min_size=3, max_size=6)
).map(lambda columns: np.array(columns, float).T)  # fmt: skip


@given(grades.filter(lambda matrix: all(len(set(row)) > 1 for row in matrix)))
def test_w_is_the_mean_rank_correlation_of_every_two_people(matrix):
    """Without ties W = ((m − 1) · mean ρ + 1) / m; with them it holds where all have the same ties, else nearly."""
    m = len(matrix)
    found = kendall_w(matrix)
    assert 0 <= found.w <= 1
    ranks = np.argsort(np.argsort(matrix + np.arange(matrix.shape[1]) * 1e-3, axis=1), axis=1)  # no ties
    pairs = [pearsonr(ranks[i], ranks[j])[0] for i, j in permutations(range(m), 2)]
    assert kendall_w(ranks).w == pytest.approx(((m - 1) * np.mean(pairs) + 1) / m)


def test_w_with_ties_is_that_of_its_definition():
    """Siegel and Castellan: (12 Σ R² − 3 m² n (n + 1)²) ÷ (m² n (n² − 1) − m Σ T)."""
    matrix = np.random.default_rng(2).integers(1, 5, (5, 12)).astype(float)
    m, n = matrix.shape
    ranks = np.array([rankdata(row) for row in matrix])
    ties = sum(count**3 - count for row in matrix for count in np.unique(row, return_counts=True)[1])
    top = 12 * (ranks.sum(axis=0) ** 2).sum() - 3 * m**2 * n * (n + 1) ** 2
    found = kendall_w(matrix)
    assert found.w == pytest.approx(top / (m**2 * n * (n**2 - 1) - m * ties))
    assert found.chi2 == pytest.approx(m * (n - 1) * found.w)
    assert kendall_w(np.tile(matrix[0], (3, 1))).w == pytest.approx(1)
    assert np.isnan(kendall_w(np.ones((3, 4))).w)


def test_halves_step_up_to_the_reliability_of_all():
    """8 people, variance of truth 1, of error 1: the mean of 8 has the reliability 8 / 9, of 4 it is 4 / 5."""
    rng = np.random.default_rng(3)
    matrix = rng.normal(size=(1, 3000)) + rng.normal(size=(8, 3000))
    found = split_half(matrix)
    assert found.srcc == pytest.approx(0.79, abs=0.02)  # Spearman's ρ of two normal with r = 0.8: 0.786
    assert found.spearman_brown == pytest.approx(8 / 9, abs=0.02)
    assert found.low <= found.spearman_brown <= found.high
    assert split_half(matrix) == found
    gappy = np.where(rng.random(matrix.shape) < 0.3, np.nan, matrix)
    assert found.srcc - 0.12 < split_half(gappy).srcc < found.srcc
    assert np.isnan(split_half(matrix[:1]).srcc)


@pytest.mark.parametrize(("measure", "wrong"), [(icc, np.ones(3)), (kendall_w, np.array([[1.0, np.inf]])),
                                                (fleiss_kappa, np.ones(3)), (split_half, np.ones(3))])  # fmt: skip
def test_what_is_no_matrix_is_bad_input(measure, wrong):
    with pytest.raises(BadInput):
        measure(wrong)


def test_impossible_agreement_is_never_printed():
    reversed_people = np.array([[1.0, 2, 3, 4, 5], [5, 4, 3, 2, 1]])
    assert split_half(reversed_people).spearman_brown == pytest.approx(-1)
    for value in (1 / 3, 0.1, 1e6 / 7):
        assert all(np.isnan(one.value) for one in icc(np.full((5, 7), value)).values())
    for seed in range(200):
        for one in icc(np.random.default_rng(seed).normal(size=(5, 6))).values():
            assert not one.value > 1
            assert not one.low > one.high
