"""Each method of opinion scores against an implementation that is not ours, its definition, or what it promises."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kurtosis

from analysis.mos import METHODS, estimate_mos
from analysis.opinions import Opinions
from analysis.projection import PRIOR_RATINGS
from tests.analysis.sureal_peer import PEERS, long_table, run


def people_who_rate(rng, n_stimuli: int, n_subjects: int, gaps: float = 0.0) -> np.ndarray:
    """Grades 1..5 of stimuli × subjects with biases and inconsistencies; every row and column has a score."""
    quality, bias = rng.normal(3, 1, (n_stimuli, 1)), rng.normal(0, 0.4, n_subjects)
    noise = rng.normal(0, 1, (n_stimuli, n_subjects)) * np.exp(rng.normal(-0.5, 0.5, n_subjects))
    scores = np.clip(np.round(quality + bias + noise), 1, 5)
    scores[rng.random(scores.shape) < gaps] = np.nan
    scores[np.isnan(scores).all(axis=1), 0] = 3
    scores[0, np.isnan(scores).all(axis=0)] = 3
    return scores


@pytest.mark.parametrize("gaps", [0.0, 0.4, 0.8])
@pytest.mark.parametrize(("method", "options", "theirs"), PEERS)
def test_scores_are_those_of_sureal(method, options, theirs, gaps):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        matrix = people_who_rate(rng, int(rng.integers(8, 40)), int(rng.integers(5, 24)), gaps)
        estimate, peer = estimate_mos(long_table(matrix), method, **options), run(theirs, matrix)
        mos, error = estimate.stimuli["mos"], estimate.stimuli["ci95_standard"] / 1.96
        if method == "zscore":  # theirs stay z-scores
            seen = matrix[~np.isnan(matrix)]
            mos, error = (mos - seen.mean()) / seen.std(ddof=1), error / seen.std(ddof=1)
        known = estimate.stimuli["n"].to_numpy() > 1
        assert known.any()
        if method == "zscore":  # who gave one score, or always the same, is rejected by ours and NaN or 0 in theirs
            known &= ~np.isnan(peer["quality_scores"]) & (not estimate.subjects["rejected"].any())
        np.testing.assert_allclose(mos[known], np.array(peer["quality_scores"])[known], atol=1e-6)
        np.testing.assert_allclose(error[known], np.array(peer["quality_scores_std"])[known], atol=1e-6)
        if "observer_rejected" in peer:
            assert estimate.subjects["rejected"].tolist() == peer["observer_rejected"]
        if "observer_inconsistency" in peer:
            for ours, other in (("bias", "observer_bias"), ("inconsistency", "observer_inconsistency")):
                np.testing.assert_allclose(estimate.subjects[ours], peer[other], atol=1e-6)


def test_somebody_is_rejected_in_what_was_compared():
    """Else the comparison of BT.500 would compare means."""
    rng = np.random.default_rng(5)
    matrix = rng.normal(50, 3, (60, 30)) + rng.normal(0, 20, (60, 1))  # of 20, nobody can be √20 deviations off
    matrix[:, 4] += rng.choice([-40, 0, 40], 60)
    for variant in ("standard", "sureal"):
        rejected = estimate_mos(long_table(matrix), "bt500", variant=variant).subjects["rejected"]
        assert rejected[rejected].index.tolist() == ["0004"]
    assert run(PEERS[2][2], matrix)["observer_rejected"].index(True) == 4


def rejected_by_the_standard(matrix: np.ndarray) -> list[bool]:
    """BT.500-15, § A1-2.3.1, one score after the other."""
    above, below, seen = np.zeros((3, matrix.shape[1]))
    for row in matrix:
        there = np.flatnonzero(~np.isnan(row))
        scores = row[there]
        seen[there] += 1
        if len(scores) < 2 or np.ptp(scores) == 0:
            continue
        limit = (2 if 2 <= kurtosis(scores, fisher=False) <= 4 else 20**0.5) * scores.std(ddof=1)
        for subject, score in zip(there, scores, strict=True):
            above[subject] += score >= scores.mean() + limit
            below[subject] += score <= scores.mean() - limit
    out = above + below
    rejected = [
        bool(n and out[i] / n > 0.05 and out[i] and abs(above[i] - below[i]) / out[i] < 0.3) for i, n in enumerate(seen)
    ]
    return rejected if not all(rejected) else [False] * len(rejected)


def test_the_standards_screening_is_its_text_word_for_word():
    found = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        matrix = rng.normal(50, 4, (40, 40)) + rng.normal(0, 20, (40, 1))
        matrix[:, 3] += rng.choice([-25, 0, 25], 40)
        matrix[rng.random(matrix.shape) < 0.2] = np.nan
        subjects = estimate_mos(long_table(matrix), "bt500").subjects
        assert subjects["rejected"].tolist() == rejected_by_the_standard(matrix)
        found += subjects["rejected"].sum()
    assert found > 10


def test_where_all_agree_the_standard_sees_no_outlier_and_sureal_sees_two_of_each():
    """The departure that rejects people of public data: half of the stimuli are clear to everybody."""
    matrix = np.vstack([np.full((20, 6), 5.0), np.random.default_rng(0).normal(3, 1, (20, 6))])
    assert not estimate_mos(long_table(matrix), "bt500").subjects["rejected"].any()
    theirs = run(PEERS[2][2], matrix)
    assert min(theirs["observer_rejected_1st_stats"]) >= 0.5 * 2
    assert (
        estimate_mos(long_table(matrix), "bt500", variant="sureal").subjects["rejected"].tolist()
        == theirs["observer_rejected"]
    )


def marginal_by_definition(matrix: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """EM for `score = quality + bias + noise`, quality and bias normal: its two steps, cell by cell."""
    seen = ~np.isnan(matrix)
    scores = np.where(seen, matrix - matrix[seen].mean(), 0)
    bias = np.array([
        np.mean([scores[j, i] - scores[j, seen[j]].mean() for j in np.flatnonzero(seen[:, i])])
        for i in range(matrix.shape[1])
    ])  # fmt: skip
    mos = np.array([scores[j, seen[j]].mean() for j in range(len(scores))])
    variance = np.full(len(bias), scores[seen].var() / 2)
    mean, between, between_biases = 0.0, mos.var(), bias.var()
    for _ in range(steps):
        unsure = np.array([1 / (1 / between + sum(1 / variance[seen[j]])) for j in range(len(scores))])
        quality = np.array([
            unsure[j] * (mean / between + sum((scores[j, i] - bias[i]) / variance[i] for i in np.flatnonzero(seen[j])))
            for j in range(len(scores))
        ])  # fmt: skip
        unsure_bias = 1 / (1 / between_biases + seen.sum(axis=0) / variance)
        bias = np.array([
            unsure_bias[i] * sum(scores[j, i] - quality[j] for j in np.flatnonzero(seen[:, i])) / variance[i]
            for i in range(len(bias))
        ])  # fmt: skip
        squares = np.array([
            sum((scores[j, i] - quality[j] - bias[i]) ** 2 + unsure[j] + unsure_bias[i]
                for j in np.flatnonzero(seen[:, i]))
            for i in range(len(bias))
        ])  # fmt: skip
        n = seen.sum(axis=0)
        variance = (squares + PRIOR_RATINGS * squares.sum() / n.sum()) / (n + PRIOR_RATINGS)
        mean = quality.mean()
        between = np.mean((quality - mean) ** 2 + unsure)
        between_biases = np.mean(bias**2 + unsure_bias)
    return bias - bias.mean(), np.sqrt(variance)


@pytest.mark.parametrize("gaps", [0.0, 0.6, 0.85])
def test_the_default_is_em_for_its_model(gaps, monkeypatch):
    monkeypatch.setattr("analysis.projection.SMALLEST_CHANGE", 0.0)
    monkeypatch.setattr("analysis.projection.MOST_STEPS", 100)
    matrix = people_who_rate(np.random.default_rng(3), 30, 12, gaps)
    subjects = estimate_mos(long_table(matrix)).subjects
    bias, inconsistency = marginal_by_definition(matrix, steps=100)
    np.testing.assert_allclose(subjects["bias"], bias, atol=1e-9)
    np.testing.assert_allclose(subjects["inconsistency"], inconsistency, atol=1e-9)


def study(rng, n_stimuli: int, n_subjects: int, k: int) -> tuple[np.ndarray, pd.DataFrame]:
    """Scores of k of the people for each stimulus, and the true qualities."""
    quality, bias = rng.normal(0, 1, n_stimuli), rng.normal(0, 0.5, n_subjects)
    noise = np.exp(rng.normal(np.log(0.7), 0.4, n_subjects))
    raters = np.array([rng.choice(n_subjects, k, replace=False) for _ in range(n_stimuli)])
    matrix = np.full((n_stimuli, n_subjects), np.nan)
    scores = quality[:, None] + bias[raters] + rng.normal(size=raters.shape) * noise[raters]
    np.put_along_axis(matrix, raters, scores, axis=1)
    return quality, long_table(matrix)


@pytest.mark.parametrize(("n_subjects", "k"), [(5, 5), (8, 8), (60, 3), (60, 15)])
def test_the_default_is_closer_to_the_truth_than_mean_and_p910_and_its_interval_covers(n_subjects, k):
    close, covered = {"mean": [], "p910": [], "p910_marginal": []}, []
    for seed in range(6):
        quality, ratings = study(np.random.default_rng(seed), 400, n_subjects, k)
        for method, values in close.items():
            stimuli = estimate_mos(ratings, method).stimuli
            values.append(np.corrcoef(stimuli["mos"], quality)[0, 1])
        off = stimuli["mos"] - quality
        covered.append((np.abs(off - off.mean()) <= stimuli["ci95"]).mean())  # the level is the raters' own
    mean, p910, ours = (np.mean(values) for values in close.values())
    assert ours > max(mean, p910)
    assert 0.93 <= np.mean(covered) <= 0.97


@pytest.mark.parametrize("method", METHODS)
def test_another_scale_gives_the_same_scores_on_that_scale(method):
    ratings = long_table(people_who_rate(np.random.default_rng(1), 25, 9, gaps=0.3))
    grades = estimate_mos(ratings, method)
    percent = estimate_mos(ratings.assign(score=25 * (ratings["score"] - 1)), method)
    np.testing.assert_allclose(percent.stimuli["mos"], 25 * (grades.stimuli["mos"] - 1), atol=1e-3)
    np.testing.assert_allclose(percent.stimuli["ci95"], 25 * grades.stimuli["ci95"], atol=1e-3)
    np.testing.assert_allclose(percent.subjects["bias"], 25 * grades.subjects["bias"], atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_small_and_odd_tables_give_scores_within_the_scale_and_no_more_than_they_can_tell(method):
    def ratings(*rows):
        return pd.DataFrame(rows, columns=["stimulus", "subject", "score"])

    alone = estimate_mos(ratings(("a", "x", 2.0), ("b", "x", 4.0)), method).stimuli
    assert alone["mos"].tolist() == pytest.approx([2, 4])
    assert alone["ci95"].isna().all()
    one = estimate_mos(ratings(("a", "x", 2.0), ("a", "y", 4.0), ("a", "z", 3.0)), method)
    assert one.stimuli["n"].tolist() == ([0] if method == "zscore" else [3])
    if method != "zscore":  # one score of each: nobody has a deviation
        assert one.stimuli["mos"].tolist() == pytest.approx([3])
    same = estimate_mos(ratings(*((s, p, 5.0) for s in "abc" for p in "xyz")), method)
    if method == "zscore":
        assert same.subjects["rejected"].all()
        assert "3 stimuli have no score" in same.notes[0]
    else:
        assert same.stimuli["mos"].tolist() == pytest.approx([5, 5, 5])
        assert same.stimuli["ci95"].tolist() == pytest.approx([0, 0, 0], abs=1e-3)
    assert not np.isinf(same.stimuli.drop(columns="n").to_numpy(float)).any()


def test_people_who_share_no_stimulus_are_said():
    joined = long_table(np.array([[1.0, 2, np.nan], [np.nan, 3, 4]]))
    apart = long_table(np.array([[1.0, 2, np.nan, np.nan], [np.nan, np.nan, 4, 5]]))
    assert Opinions.of(joined).n_parts() == 1
    assert estimate_mos(joined).notes == ()
    assert "2 groups of people share no stimulus" in estimate_mos(apart).notes[0]


def test_a_constant_subject_counts_little_by_the_model_and_not_at_all_by_z_scores():
    matrix = people_who_rate(np.random.default_rng(2), 60, 8)
    matrix[:, 0] = 3
    assert estimate_mos(long_table(matrix), "zscore").subjects["rejected"].tolist() == [True] + [False] * 7
    inconsistency = estimate_mos(long_table(matrix)).subjects["inconsistency"]
    assert inconsistency.iloc[0] > inconsistency.iloc[1:].median()


def test_the_bootstrap_of_the_mean_is_that_of_its_definition():
    matrix = np.random.default_rng(4).normal(50, 10, (12, 9))
    estimate = estimate_mos(long_table(matrix), "mean", bootstrap=4000, seed=1).stimuli
    rng = np.random.default_rng(99)
    drawn = np.array([matrix[:, rng.integers(0, 9, 9)].mean(axis=1) for _ in range(4000)])
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    np.testing.assert_allclose(estimate["ci95_bootstrap_low"], low, atol=0.7)
    np.testing.assert_allclose(estimate["ci95_bootstrap_high"], high, atol=0.7)
    pd.testing.assert_frame_equal(
        estimate, estimate_mos(long_table(matrix), "mean", bootstrap=4000, seed=1).stimuli, check_exact=True
    )


def test_gaps_stored_dense_or_sparse_give_the_same_scores(monkeypatch):
    ratings = long_table(people_who_rate(np.random.default_rng(6), 40, 15, gaps=0.5))
    for method in METHODS:
        results = []
        for share in (0.0, 1.1):
            monkeypatch.setattr("analysis.opinions.DENSE_FROM", share)
            results.append(estimate_mos(ratings, method).stimuli)
        pd.testing.assert_frame_equal(*results, rtol=1e-7, atol=1e-7)
