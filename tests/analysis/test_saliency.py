"""Saliency measures beside loops written from the paper's formulas and SciPy's statistics; what they keep and bound."""

import doctest
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.stats import entropy, mannwhitneyu, pearsonr, zscore

from analysis import saliency
from analysis.saliency import auc_judd, cc, image_auroc, kld, nss, pixel_ap, sim
from editfhf.errors import BadInput

EPSILON = 2.0**-52
MAP_MEASURES = (cc, sim, kld)
MASK_MEASURES = (nss, auc_judd, pixel_ap)

# Few levels give many ties and zeros, as 8-bit maps have; free floats give none.
levels = st.integers(0, 5).map(lambda level: level / 5)
anything = st.floats(0, 1e3, allow_subnormal=False).map(lambda value: value if value > 1e-6 else 0.0)


@st.composite
def pairs(draw, values=None, second=None):
    """Two maps of one shape."""
    shape = draw(array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=6))
    values = draw(st.sampled_from([levels, anything])) if values is None else values
    return draw(arrays(np.float64, shape, elements=values)), draw(
        arrays(np.float64, shape, elements=values if second is None else second)
    )


def masked_pairs(values=None):
    """A map and a mask with marked and unmarked pixels."""
    return pairs(values, second=st.sampled_from([0.0, 1.0])).filter(lambda pair: 0 < pair[1].sum() < pair[1].size)


def as_distribution(values):
    flat = [float(value) for value in values.ravel()]
    total = math.fsum(flat)
    return [value / total for value in flat] if total else [1 / len(flat)] * len(flat)


def auc_judd_of_the_benchmark(pred, mask):
    """AUC_Judd.m, one threshold per fixation, no jitter; only right where no marked pixels tie."""
    marked = sorted((float(v) for v, m in zip(pred.ravel(), mask.ravel(), strict=True) if m), reverse=True)
    n_other = pred.size - len(marked)
    curve = [(0.0, 0.0)]
    for i, threshold in enumerate(marked, start=1):
        above = sum(1 for value in pred.ravel() if value >= threshold)
        curve.append(((above - i) / n_other, i / len(marked)))
    curve.append((1.0, 1.0))
    return sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in pairwise(curve))


def average_precision_by_thresholds(pred, mask):
    """Go through all distinct values, highest first; precision and recall by counting."""
    ap, recall_before = 0.0, 0.0
    for threshold in sorted(set(pred.ravel().tolist()), reverse=True):
        chosen = pred >= threshold
        recall = (chosen & (mask > 0)).sum() / (mask > 0).sum()
        ap += (recall - recall_before) * (chosen & (mask > 0)).sum() / chosen.sum()
        recall_before = recall
    return ap


@given(pairs())
def test_cc_is_the_correlation_that_scipy_computes(pair):
    pred, truth = pair
    assume(np.ptp(pred) > 1e-3 * pred.max() and np.ptp(truth) > 1e-3 * truth.max())
    assert cc(pred, truth) == pytest.approx(pearsonr(pred.ravel(), truth.ravel()).statistic, abs=1e-9)


@given(pairs())
def test_sim_is_the_shared_part_of_two_distributions(pair):
    pred, truth = pair
    shared = math.fsum(map(min, as_distribution(pred), as_distribution(truth)))
    assert sim(pred, truth) == pytest.approx(shared, abs=1e-12)


@given(pairs())
def test_kld_is_the_papers_formula_with_the_prediction_first(pair):
    pred, truth = pair
    p, q = as_distribution(pred), as_distribution(truth)
    by_hand = math.fsum(b * math.log(EPSILON + b / (EPSILON + a)) for a, b in zip(p, q, strict=True))
    assert kld(pred, truth) == pytest.approx(max(by_hand, 0.0), abs=1e-9)


@given(pairs(values=st.floats(0.01, 1)))
def test_kld_is_scipys_relative_entropy_where_the_prediction_is_nowhere_zero(pair):
    pred, truth = pair
    assert kld(pred, truth) == pytest.approx(entropy(truth.ravel(), pred.ravel()), abs=1e-9)


@given(masked_pairs())
def test_nss_is_the_mean_z_score_at_marked_pixels(pair):
    pred, mask = pair
    assume(np.ptp(pred) > 1e-3 * pred.max())
    z = zscore(pred.ravel())
    by_hand = sum(z[i] for i in range(pred.size) if mask.ravel()[i]) / mask.sum()
    assert nss(pred, mask) == pytest.approx(by_hand, abs=1e-9)


@given(masked_pairs(values=anything))
def test_auc_judd_is_the_benchmarks_area_where_nothing_ties(pair):
    pred, mask = pair
    values = pred[mask > 0]
    assume(len(set(values.tolist())) == len(values))
    assert auc_judd(pred, mask) == pytest.approx(auc_judd_of_the_benchmark(pred, mask), abs=1e-12)


@given(masked_pairs())
def test_auc_judd_exceeds_the_full_area_by_at_most_half_a_threshold(pair):
    pred, mask = pair
    labels = mask.ravel()
    full = mannwhitneyu(pred.ravel()[labels > 0], pred.ravel()[labels == 0]).statistic / (
        labels.sum() * (labels == 0).sum()
    )
    largest_share = max(np.unique(pred[mask > 0], return_counts=True)[1]) / mask.sum()
    assert -1e-12 <= auc_judd(pred, mask) - full <= largest_share / 2 + 1e-12


@given(masked_pairs())
def test_pixel_ap_agrees_with_counting_at_every_threshold(pair):
    assert pixel_ap(*pair) == pytest.approx(average_precision_by_thresholds(*pair), abs=1e-12)


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30))
def test_image_auroc_counts_pairs_that_are_in_order(rows):
    flawed = [score for score, label in rows if label]
    clean = [score for score, label in rows if not label]
    assume(flawed and clean)
    right = sum((f > c) + 0.5 * (f == c) for f in flawed for c in clean)
    scores, labels = np.array([score for score, _ in rows]), np.array([label for _, label in rows])
    assert image_auroc(scores, labels) == pytest.approx(right / (len(flawed) * len(clean)))


def test_values_worked_out_by_hand():
    pred, truth = np.array([[1.0, 3.0], [0.0, 0.0]]), np.array([[1.0, 1.0], [2.0, 0.0]])
    assert sim(pred, truth) == pytest.approx(0.25 + 0.25)
    assert cc(pred, truth) == pytest.approx(0.0)  # covariance: 1·1 + 3·1 + 0·2 − 4 · 1 · 1 = 0
    assert kld(truth, pred) == pytest.approx(0.25 * math.log(1) + 0.75 * math.log(3))
    mask = np.array([[1, 0], [1, 0]])
    assert nss(pred, mask) == pytest.approx(-0.5 / math.sqrt(1.5))  # mean 1, variance (0 + 4 + 1 + 1) / 4
    assert auc_judd(pred, mask) == pytest.approx(0.5 / 2 * 0.5 + 0.5 * 0.75)  # (0, 0) (½, ½) (1, 1) with a tie at 0
    assert pixel_ap(pred, mask) == pytest.approx(0.5 * 1 / 2 + 0.5 * 2 / 4)


@given(masked_pairs(), st.floats(0.01, 100), st.floats(0, 100))
def test_gain_and_offset_of_a_prediction_change_neither_cc_nor_nss(pair, gain, offset):
    pred, mask = pair
    assume(np.ptp(pred) > 0.01 * (pred.max() + offset))
    changed = gain * pred + offset
    assert cc(changed, mask) == pytest.approx(cc(pred, mask), abs=1e-6)
    assert nss(changed, mask) == pytest.approx(nss(pred, mask), abs=1e-6)
    assert cc(changed, pred) == pytest.approx(1)


@given(pairs(), st.floats(1e-3, 1e3))
def test_the_scale_of_a_map_changes_neither_sim_nor_kld(pair, gain):
    pred, truth = pair
    assert sim(gain * pred, truth) == pytest.approx(sim(pred, truth), abs=1e-9)
    assert kld(pred, gain * truth) == pytest.approx(kld(pred, truth), abs=1e-9)


@given(masked_pairs(values=levels))
def test_a_monotone_transform_changes_neither_auc_judd_nor_pixel_ap(pair):
    pred, mask = pair
    for transform in (np.exp, np.sqrt, lambda values: 7 * values**3 + 1):
        assert auc_judd(transform(pred), mask) == auc_judd(pred, mask)
        assert pixel_ap(transform(pred), mask) == pixel_ap(pred, mask)


@given(pairs())
def test_every_measure_of_two_maps_stays_in_its_bounds(pair):
    pred, truth = pair
    assert -1 <= cc(pred, truth) <= 1
    assert 0 <= sim(pred, truth) <= 1
    assert 0 <= kld(pred, truth) <= -math.log(EPSILON) + 1e-9
    assert cc(pred, truth) == cc(truth, pred)
    assert sim(pred, truth) == sim(truth, pred)


@given(pairs())
def test_a_map_agrees_fully_with_itself(pair):
    pred, _ = pair
    assert sim(pred, pred) == pytest.approx(1)
    assert kld(pred, pred) == pytest.approx(0, abs=1e-12)
    assert cc(pred, pred) == pytest.approx(1 if np.ptp(pred) else 0)


@given(masked_pairs())
def test_marking_exactly_what_is_marked_is_perfect_and_its_opposite_is_not(pair):
    pred, mask = pair
    above = mask * (1 + pred.max()) + pred
    assert auc_judd(above, mask) == 1
    assert pixel_ap(above, mask) == pytest.approx(1)
    assert auc_judd(1 - mask, mask) <= 0.5
    assert nss(mask, mask) > 0 > nss(1 - mask, mask)


@given(masked_pairs())
def test_area_and_precision_stay_within_0_and_1(pair):
    assert 0 <= auc_judd(*pair) <= 1
    assert 0 < pixel_ap(*pair) <= 1


@pytest.mark.parametrize("value", [0.0, 0.1, 1.0, 255.0])
def test_a_constant_prediction_gets_what_chance_gets(value):
    rng = np.random.default_rng(0)
    truth = rng.random((7, 9))
    mask = truth > 0.7
    pred = np.full((7, 9), value)
    assert cc(pred, truth) == 0
    assert nss(pred, mask) == 0
    assert auc_judd(pred, mask) == 0.5
    assert pixel_ap(pred, mask) == pytest.approx(mask.mean())
    assert image_auroc(np.full(4, value), np.array([0, 1, 1, 0])) == 0.5


def test_an_empty_map_stands_for_the_uniform_distribution():
    empty, flat = np.zeros((3, 4)), np.full((3, 4), 0.3)
    truth = np.arange(12.0).reshape(3, 4)
    for measure in (sim, kld):
        assert measure(empty, truth) == pytest.approx(measure(flat, truth))
        assert measure(truth, empty) == pytest.approx(measure(truth, flat))
    assert (cc(empty, empty), sim(empty, empty), kld(empty, empty)) == (0, pytest.approx(1), 0)


def test_8_bit_maps_and_boolean_masks_give_the_values_of_their_floats():
    rng = np.random.default_rng(3)
    pred, truth = rng.integers(0, 256, (2, 40, 30)).astype(np.uint8)
    for measure in MAP_MEASURES:
        assert measure(pred, truth) == pytest.approx(measure(pred / 255, truth / 255), abs=1e-9)
    for measure in MASK_MEASURES:
        assert measure(pred, truth > 200) == pytest.approx(measure(pred / 255, (truth > 200) * 255.0), abs=1e-9)


@pytest.mark.parametrize("factor", [1e-320, 1e-300, 1e300])
def test_very_small_and_very_large_values_neither_overflow_nor_vanish(factor):
    truth = np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 4.0]])
    pred = np.array([[0.0, 2.0, 2.0], [5.0, 1.0, 4.0]])
    for measure in MAP_MEASURES:
        assert measure(pred * factor, truth) == pytest.approx(measure(pred, truth), rel=1e-2)
    assert nss(pred * factor, truth > 2) == pytest.approx(nss(pred, truth > 2), rel=1e-2)


@pytest.mark.parametrize("measure", MAP_MEASURES + MASK_MEASURES, ids=lambda measure: measure.__name__)
def test_bad_maps_are_refused_with_the_place_of_the_fault(measure):
    good = np.array([[0.0, 0.5], [1.0, 0.0]])
    with pytest.raises(BadInput, match=r"shape \(2, 2\), the true one \(2, 3\)\. Resize"):
        measure(good, np.ones((2, 3)))
    with pytest.raises(BadInput, match=r"predicted map has the shape \(2, 2, 1\)"):
        measure(good[..., None], good)
    with pytest.raises(BadInput, match=r"true map has the shape \(0, 4\)"):
        measure(good, np.zeros((0, 4)))
    for bad, word in ((np.nan, "not finite"), (np.inf, "not finite"), (-1e-9, "negative")):
        wrong = good.copy()
        wrong[1, 0] = bad
        with pytest.raises(BadInput, match=rf"predicted map is {word} at \(row, column\) \(1, 0\)"):
            measure(wrong, good)
        with pytest.raises(BadInput, match=rf"true map is {word}"):
            measure(good, wrong)


@pytest.mark.parametrize("measure", MASK_MEASURES, ids=lambda measure: measure.__name__)
def test_an_image_without_a_marked_pixel_is_refused_where_nothing_can_be_found(measure):
    with pytest.raises(BadInput, match="No pixel is marked"):
        measure(np.ones((2, 2)), np.zeros((2, 2)))


def test_a_curve_without_unmarked_pixels_or_without_one_of_the_classes_is_refused():
    with pytest.raises(BadInput, match="Every pixel is marked"):
        auc_judd(np.ones((2, 2)), np.ones((2, 2)))
    with pytest.raises(BadInput, match="0 flawed and 3 clean"):
        image_auroc(np.arange(3), np.zeros(3))
    with pytest.raises(BadInput, match="Label 1 is neither"):
        image_auroc(np.arange(3), np.array([0, 0.5, 1]))
    with pytest.raises(BadInput, match="Score 2 is not finite"):
        image_auroc(np.array([0, 1, np.nan]), np.array([0, 1, 1]))
    with pytest.raises(BadInput, match="one length"):
        image_auroc(np.arange(3), np.array([0, 1]))


def test_the_examples_in_the_documentation_of_saliency_are_true():
    assert doctest.testmod(saliency).failed == 0
