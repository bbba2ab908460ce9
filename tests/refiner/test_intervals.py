"""Intervals over photos: they cover the truth as often as they say, and know that edits of one photo go together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refiner.measures.entries import interval_of, mean_of, ratio_of, share_of


def test_the_interval_covers_the_truth_nineteen_times_in_twenty():
    random = np.random.default_rng(0)
    photos = [f"photo{number // 4}" for number in range(160)]
    covered = []
    for draw in range(300):
        # Edits of one photo are alike: half of the variance is the photo's.
        values = np.repeat(random.normal(size=40), 4) + random.normal(size=160) + 7
        figure = mean_of(values, photos, seed=draw)
        covered.append(figure.low <= 7 <= figure.high)
    # 300 draws with 95 %: a standard error of 1.3 %, and the percentile method is known to be 1 to 2 % short.
    assert 0.89 <= np.mean(covered) <= 0.985


def test_more_edits_of_the_same_photos_are_not_more_certain():
    random = np.random.default_rng(1)
    values, photos = random.normal(size=30), [f"photo{number}" for number in range(30)]
    once, often = mean_of(values, photos, 0), mean_of(np.tile(values, 10), photos * 10, 0)
    assert (once.low, once.high) == pytest.approx((often.low, often.high))
    assert (once.n, often.n) == (30, 300)


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.floats(-9, 9)), min_size=2, max_size=30), st.integers(0, 5))
def test_a_mean_has_the_same_interval_whichever_way_it_is_worked_out(rows, seed):
    photos, values = [row[0] for row in rows], np.array([row[1] for row in rows])
    quick, slow = mean_of(values, photos, seed), interval_of(lambda some: float(values[some].mean()), photos, seed)
    assert quick.value == pytest.approx(slow.value)
    assert (quick.low is None) == (slow.low is None) == (len(set(photos)) == 1)
    if quick.low is not None:
        assert (quick.low, quick.high) == pytest.approx((slow.low, slow.high), abs=1e-9)


def test_the_same_seed_gives_the_same_interval():
    values, photos = np.arange(20.0), [str(number) for number in range(20)]
    assert mean_of(values, photos, 3) == mean_of(values, photos, 3)
    assert mean_of(values, photos, 3) != mean_of(values, photos, 4)


def test_what_is_not_known_is_left_out_and_nothing_is_nothing():
    assert mean_of([1.0, float("nan"), 3.0], ["a", "b", "c"], 0).value == 2
    assert mean_of([1.0, float("nan"), 3.0], ["a", "b", "c"], 0).n == 2
    nothing = mean_of([], [], 0)
    assert (nothing.value, nothing.low, nothing.n) == (None, None, 0)
    assert ratio_of(np.zeros(3), np.zeros(3), ["a", "b", "c"], 0).value is None
    assert interval_of(lambda _: float("nan"), ["a", "b"], 0).value is None


def test_none_of_thirty_is_not_certainly_none():
    photos = [str(number) for number in range(30)]
    none, all_ = share_of([False] * 30, photos, 0), share_of([True] * 30, photos, 0)
    # Clopper and Pearson's table for 0 of 30: 0 to 0.1157.
    assert (none.low, none.high) == pytest.approx((0, 0.1157), abs=1e-4)
    assert (all_.low, all_.high) == pytest.approx((1 - 0.1157, 1), abs=1e-4)
    some = share_of([True] * 10 + [False] * 20, photos, 0)
    assert 0 < some.low < some.value < some.high < 1
