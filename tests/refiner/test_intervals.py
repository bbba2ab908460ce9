"""Intervals over photos: they cover the truth as often as they say, and know that edits of one photo go together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binomtest, t

from refiner.measures.entries import FEWEST_CLUSTERS, Sampling, interval_of, mean_of, ratio_of, share_of


@pytest.mark.parametrize("n_photos", [5, 10, 40])
def test_the_interval_covers_the_truth_nineteen_times_in_twenty(n_photos):
    random = np.random.default_rng(0)
    photos = [f"photo{number // 4}" for number in range(4 * n_photos)]
    covered = []
    for draw in range(300):
        # Edits of one photo are alike: half of the variance is the photo's.
        values = np.repeat(random.normal(size=n_photos), 4) + random.normal(size=4 * n_photos) + 7
        figure = mean_of(values, photos, Sampling(draw))
        covered.append(figure.low <= 7 <= figure.high)
    # 300 draws with 95 %: a standard error of 1.3 %. With few photos the percentile method is short by some per cent.
    assert 0.91 <= np.mean(covered) <= 0.985


def test_more_edits_of_the_same_photos_are_not_more_certain():
    random = np.random.default_rng(1)
    values, photos = random.normal(size=30), [f"photo{number}" for number in range(30)]
    once, often = mean_of(values, photos, Sampling()), mean_of(np.tile(values, 10), photos * 10, Sampling())
    assert (once.low, once.high) == pytest.approx((often.low, often.high))
    assert (once.n, often.n) == (30, 300)


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.floats(-9, 9)), min_size=2, max_size=30), st.integers(0, 5))
def test_a_mean_has_the_same_interval_whichever_way_it_is_worked_out(rows, seed):
    photos, values = [row[0] for row in rows], np.array([row[1] for row in rows])
    quick, slow = (
        mean_of(values, photos, Sampling(seed)),
        interval_of(lambda some: float(values[some].mean()), photos, Sampling(seed)),
    )
    assert quick.value == pytest.approx(slow.value)
    assert {quick.low is None, slow.low is None} == {len(set(photos)) < FEWEST_CLUSTERS}
    if quick.low is not None:
        assert (quick.low, quick.high) == pytest.approx((slow.low, slow.high), abs=1e-9)


def test_the_same_seed_gives_the_same_interval():
    values, photos = np.arange(20.0), [str(number) for number in range(20)]
    assert mean_of(values, photos, Sampling(3)) == mean_of(values, photos, Sampling(3))
    assert mean_of(values, photos, Sampling(3)) != mean_of(values, photos, Sampling(4))


def test_what_is_not_known_is_left_out_and_nothing_is_nothing():
    assert mean_of([1.0, float("nan"), 3.0], ["a", "b", "c"], Sampling()).value == 2
    assert mean_of([1.0, float("nan"), 3.0], ["a", "b", "c"], Sampling()).n == 2
    nothing = mean_of([], [], Sampling())
    assert (nothing.value, nothing.low, nothing.n) == (None, None, 0)
    assert ratio_of(np.zeros(3), np.zeros(3), ["a", "b", "c"], Sampling()).value is None
    assert interval_of(lambda _: float("nan"), ["a", "b"], Sampling()).value is None


def test_photos_of_one_scene_are_drawn_together():
    random = np.random.default_rng(2)
    values, photos = np.repeat(random.normal(size=10), 8), [f"photo{number}" for number in range(80)]
    scenes = {photo: f"scene{number // 8}" for number, photo in enumerate(photos)}
    of_scenes = [scenes[photo] for photo in photos]
    right = values > 0
    for figure_of in (mean_of, share_of):
        assert figure_of(right, photos, Sampling(0, scenes)) == figure_of(right, of_scenes, Sampling())
    together, apart = (mean_of(values, photos, Sampling(0, cluster)) for cluster in (scenes, {}))
    # Eight alike are worth one: √8 times as wide.
    assert 2 < (together.high - together.low) / (apart.high - apart.low) < 4


def test_none_of_thirty_is_not_certainly_none():
    photos = [str(number) for number in range(30)]
    none, all_ = share_of([False] * 30, photos, Sampling()), share_of([True] * 30, photos, Sampling())
    # Clopper and Pearson's table for 0 of 30: 0 to 0.1157.
    assert (none.low, none.high) == pytest.approx((0, 0.1157), abs=1e-4)
    assert (all_.low, all_.high) == pytest.approx((1 - 0.1157, 1), abs=1e-4)


@given(st.integers(2, 300), st.floats(0, 1))
def test_independent_edits_have_the_exact_interval_of_a_share(n, part):
    right = round(n * part)
    figure = share_of([number < right for number in range(n)], [str(number) for number in range(n)], Sampling())
    exact = binomtest(right, n).proportion_ci(0.95, "exact")
    assert (figure.low, figure.high) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_four_that_are_always_alike_are_worth_one():
    figure = share_of([True] * 40 + [False] * 120, [str(number // 4) for number in range(160)], Sampling())
    # 160 / (4 × 40/39 × 159/160), and fewer for Student's t of 39 instead of 159 degrees of freedom.
    worth = 160 / (4 * 40 / 39 * 159 / 160) * (t.ppf(0.975, 159) / t.ppf(0.975, 39)) ** 2
    assert figure.low == pytest.approx(beta.ppf(0.025, worth / 4, worth * 3 / 4 + 1))
    assert figure.high == pytest.approx(beta.ppf(0.975, worth / 4 + 1, worth * 3 / 4))


@pytest.mark.parametrize("share", [0.01, 0.05, 0.5])
@pytest.mark.parametrize("size", [1, 4])
def test_the_interval_of_a_share_covers_the_truth_nineteen_times_in_twenty(share, size):
    random = np.random.default_rng(7)
    photos = [str(number // size) for number in range(200)]
    alike = 0.4  # correlation of two edits of a photo: each photo has its own share, of a beta distribution
    covered = []
    for _ in range(500):
        own = random.beta(share * (1 / alike - 1), (1 - share) * (1 / alike - 1), 200 // size)
        figure = share_of(random.random(200) < np.repeat(own, size), photos, Sampling())
        covered.append(figure.low <= share <= figure.high)
    assert np.mean(covered) >= 0.93
