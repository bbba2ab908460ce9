"""Losses beside plain NumPy and the measures of `analysis`; gradients by finite differences; extremes stay finite."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit
from scipy.stats import entropy, pearsonr

from analysis import saliency
from refiner.losses import bce_map, cc_map, huber, kl_map, l1_map, pairwise_rank, plcc

MAP_LOSSES = (bce_map, kl_map, cc_map, l1_map)
LIMIT = {bce_map: 1e9, kl_map: 1e9, cc_map: 2 + 1e-5, l1_map: 1}


def rank(pred, target):
    return pairwise_rank(pred, target, margin=0.5)


def huber_1(pred, target):
    return huber(pred, target, delta=1.0)


SCORE_LOSSES = (huber_1, rank, plcc)


@st.composite
def batches(draw):
    """Logits and soft targets, (samples, kinds, height, width)."""
    shape = (draw(st.integers(1, 3)), 2, draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    target = draw(arrays(np.float64, shape, elements=st.integers(0, 5).map(lambda level: level / 5)))
    if draw(st.booleans()):
        target[0, 0] = 0
    return draw(arrays(np.float64, shape, elements=st.floats(-12, 12))), target


@st.composite
def score_batches(draw, min_rows=1):
    shape = (draw(st.integers(min_rows, 8)), draw(st.integers(1, 3)))
    values = st.floats(-5, 5).map(lambda value: round(value, 3))
    return draw(arrays(np.float64, shape, elements=values)), draw(arrays(np.float64, shape, elements=values))


def tensors(*values, dtype=torch.float64):
    return [torch.tensor(value, dtype=dtype) for value in values]


def each_map(loss, batch):
    """Every map of a batch with its loss."""
    logits, target = batch
    values = loss(*tensors(logits, target))
    assert values.shape == logits.shape[:-2]
    return [(logits[i], target[i], float(values[i])) for i in np.ndindex(*values.shape)]


@given(batches())
def test_bce_is_the_mean_cross_entropy_of_every_map(batch):
    for logits, target, value in each_map(bce_map, batch):
        p = expit(logits).ravel()
        by_hand = [-t * math.log(a) - (1 - t) * math.log(1 - a) for a, t in zip(p, target.ravel(), strict=True)]
        assert value == pytest.approx(sum(by_hand) / len(by_hand), abs=1e-6)


@given(batches(), st.integers(0, 3))
def test_a_weight_counts_a_pixel_that_often(batch, times):
    logits, target = tensors(*batch)
    weight = torch.ones(logits.shape[-2:], dtype=torch.float64)
    weight[0, 0] = times
    extra = bce_map(logits[..., :1, :1], target[..., :1, :1]) * (times - 1) / weight.numel()
    torch.testing.assert_close(bce_map(logits, target, weight), bce_map(logits, target) + extra)


@given(batches())
def test_kl_is_scipys_relative_entropy_and_the_measure_of_the_benchmark(batch):
    for logits, target, value in each_map(kl_map, batch):
        if target.any():
            assert value == pytest.approx(entropy(target.ravel(), expit(logits).ravel()), abs=1e-9)
            assert value == pytest.approx(saliency.kld(expit(logits), target), abs=1e-6)
        else:
            assert value == 0


@given(batches())
def test_cc_is_one_minus_the_correlation_of_the_benchmark(batch):
    for logits, target, value in each_map(cc_map, batch):
        pred = expit(logits)
        if not np.ptp(target):
            assert value == 0
        elif pred.std() > 0.02 * pred.mean():
            assert value == pytest.approx(1 - pearsonr(pred.ravel(), target.ravel()).statistic, abs=1e-4)
            assert value == pytest.approx(1 - saliency.cc(pred, target), abs=1e-4)


@given(batches())
def test_l1_is_the_mean_distance_after_one_sigmoid(batch):
    for logits, target, value in each_map(l1_map, batch):
        assert value == pytest.approx(np.abs(expit(logits) - target).mean(), abs=1e-12)


@given(score_batches(), st.floats(0.1, 4))
def test_huber_is_a_parabola_with_straight_arms(batch, delta):
    errors = np.abs(batch[0] - batch[1]).ravel()
    by_hand = [e * e / 2 if e <= delta else delta * (e - delta / 2) for e in errors]
    assert float(huber(*tensors(*batch), delta=delta)) == pytest.approx(np.mean(by_hand))


@given(score_batches(), st.floats(0, 2), st.sampled_from([0.0, 1.0]))
def test_ranking_agrees_with_looking_at_every_pair(batch, margin, threshold):
    pred, target = batch
    dimensions = []
    for d in range(pred.shape[1]):
        hinges = []
        for i, j in combinations(range(len(pred)), 2):
            better, worse = (i, j) if target[i, d] > target[j, d] else (j, i)
            distance = target[better, d] - target[worse, d]
            if distance > 0 and distance >= threshold:
                hinges.append(max(0.0, margin - (pred[better, d] - pred[worse, d])))
        dimensions.append(np.mean(hinges) if hinges else 0.0)
    assert float(pairwise_rank(*tensors(pred, target), margin, threshold)) == pytest.approx(
        np.mean(dimensions), abs=1e-9
    )


@given(score_batches(min_rows=2))
def test_plcc_is_one_minus_the_mean_correlation_of_the_dimensions(batch):
    pred, target = batch
    assume(all(np.ptp(pred, axis=0) > 0.1))
    expected = [1 - pearsonr(p, t).statistic if np.ptp(t) else 0 for p, t in zip(pred.T, target.T, strict=True)]
    assert float(plcc(*tensors(pred, target))) == pytest.approx(np.mean(expected), abs=1e-3)


@given(batches())
def test_a_prediction_that_is_the_target_costs_nothing_but_the_targets_own_entropy(batch):
    target = torch.tensor(batch[1]).clamp(1e-6, 1 - 1e-6)
    logits = target.logit()
    varies = (target.amax(dim=(-2, -1)) > target.amin(dim=(-2, -1))).double()
    own = -(target * target.log() + (1 - target) * (1 - target).log()).mean(dim=(-2, -1))
    torch.testing.assert_close(bce_map(logits, target), own)
    for loss in (kl_map, l1_map, cc_map):
        torch.testing.assert_close(loss(logits, target), torch.zeros_like(own), atol=1e-5, rtol=0)
    worst = cc_map(-logits, target)
    torch.testing.assert_close(worst, 2 * varies, atol=1e-5, rtol=0)


@given(score_batches(min_rows=2), st.floats(0.1, 10), st.floats(-5, 5))
def test_gain_and_offset_of_scores_do_not_change_plcc(batch, gain, offset):
    pred, target = tensors(*batch)
    assume(bool((pred.amax(0) - pred.amin(0) > 0.5).all()))
    torch.testing.assert_close(plcc(gain * pred + offset, target), plcc(pred, target), atol=2e-3, rtol=0)


def test_the_threshold_leaves_out_only_pairs_that_are_closer():
    pred, target = torch.tensor([0.0, 1.0, 2.0]), torch.tensor([3.0, 2.0, 0.0])
    assert pairwise_rank(pred, target, margin=0.0) == pytest.approx((1 + 2 + 1) / 3)
    assert pairwise_rank(pred, target, margin=0.0, threshold=2.0) == pytest.approx((2 + 1) / 2)
    assert pairwise_rank(pred, target, margin=0.0, threshold=9.0) == 0


@pytest.mark.parametrize("loss", MAP_LOSSES, ids=lambda loss: loss.__name__)
@pytest.mark.parametrize("seed", range(3))
def test_map_gradients_are_those_of_finite_differences(loss, seed):
    torch.manual_seed(seed)
    logits = (3 * torch.randn(3, 2, 4, 5, dtype=torch.float64)).requires_grad_()
    target = torch.rand(3, 2, 4, 5, dtype=torch.float64) * (torch.rand(3, 2, 4, 5) > 0.5)
    target[0, 0] = 0
    target[1, 1] = 0.4
    assert torch.autograd.gradcheck(lambda x: loss(x, target), (logits,))


@pytest.mark.parametrize("loss", SCORE_LOSSES, ids=lambda loss: loss.__name__)
@pytest.mark.parametrize("shape", [(1, 3), (6, 3), (7,)])
def test_score_gradients_are_those_of_finite_differences(loss, shape):
    torch.manual_seed(0)
    pred = (2 * torch.randn(shape, dtype=torch.float64)).requires_grad_()
    target = torch.randn(shape, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: loss(x, target), (pred,))


@pytest.mark.parametrize("loss", MAP_LOSSES, ids=lambda loss: loss.__name__)
@pytest.mark.parametrize("level", [-1e4, -200.0, -60.0, -20.0, 0.0, 20.0, 200.0, 1e4])
@pytest.mark.parametrize("kind", ["empty", "full", "point", "soft"])
def test_constant_and_saturated_maps_give_finite_losses_and_gradients_in_float32(loss, level, kind):
    target = torch.zeros(1, 1, 16, 16)
    target[..., 3, 4] = 1 if kind == "point" else 0
    target = {"full": torch.ones_like(target), "soft": torch.rand(1, 1, 16, 16)}.get(kind, target)
    one_apart = torch.full_like(target, level)
    one_apart[..., 0, 0] = -level
    for logits in (torch.full_like(target, level), one_apart, level + torch.randn_like(target) * 1e-3):
        logits = logits.clone().requires_grad_()
        value = loss(logits, target)
        value.sum().backward()
        assert value.isfinite().all()
        assert logits.grad.isfinite().all()
        assert (value >= -1e-5).all()
        assert (value <= LIMIT[loss]).all()
        assert logits.grad.norm() < 1e4


def test_a_map_that_is_low_everywhere_still_learns_from_its_correlation():
    target = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(0))
    logits = target.log() - 110  # the sigmoid of these is 0 in float32, and proportional to the target
    assert not logits.exp().any()
    torch.testing.assert_close(cc_map(logits, target), torch.zeros(1), atol=1e-3, rtol=0)
    flat = torch.full((1, 8, 8), -110.0, requires_grad=True)
    cc_map(flat + 0.01 * torch.randn(1, 8, 8), target).sum().backward()
    assert flat.grad.norm() > 0.01


@pytest.mark.parametrize("loss", SCORE_LOSSES, ids=lambda loss: loss.__name__)
@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("level", [0.0, 50.3, -1e4])
def test_constant_scores_and_batches_of_one_give_finite_losses_and_gradients_in_float32(loss, n, level):
    varied = torch.randn(n, 3, generator=torch.Generator().manual_seed(0))
    for target in (varied, torch.full((n, 3), 50.3)):
        for start in (torch.full((n, 3), level), level + varied):
            pred = start.clone().requires_grad_()
            value = loss(pred, target)
            value.backward()
            assert value.shape == ()
            assert value.isfinite()
            assert pred.grad.isfinite().all()


def test_a_constant_prediction_is_uncorrelated_and_a_constant_target_asks_for_nothing():
    varied, constant = torch.arange(4.0), torch.full((4,), 50.3)
    assert float(plcc(constant, varied)) == pytest.approx(1, abs=1e-3)
    assert float(plcc(varied, constant)) == 0
    assert float(cc_map(torch.zeros(2, 2), varied.reshape(2, 2))) == pytest.approx(1, abs=1e-3)
    assert float(cc_map(varied.reshape(2, 2), torch.full((2, 2), 0.3))) == 0


@pytest.mark.parametrize("loss", MAP_LOSSES, ids=lambda loss: loss.__name__)
def test_one_sample_is_worth_the_same_alone_and_in_a_batch(loss):
    torch.manual_seed(1)
    logits, target = torch.randn(5, 2, 6, 7), torch.rand(5, 2, 6, 7)
    torch.testing.assert_close(loss(logits, target)[3, 1], loss(logits[3, 1], target[3, 1]))


@pytest.mark.parametrize("loss", MAP_LOSSES, ids=lambda loss: loss.__name__)
def test_half_precision_and_8_bit_truth_give_the_loss_of_float32(loss):
    torch.manual_seed(2)
    logits, target = torch.randn(2, 64, 64).half(), (torch.rand(2, 64, 64) > 0.9).to(torch.uint8)
    value = loss(logits, target)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(logits.float(), target.float()))


@pytest.mark.parametrize("loss", [*MAP_LOSSES, *SCORE_LOSSES], ids=lambda loss: loss.__name__)
def test_shapes_that_would_broadcast_are_refused(loss):
    with pytest.raises(ValueError, match="differ in shape"):
        loss(torch.zeros(4, 1), torch.zeros(4))


def test_a_row_is_not_a_map_and_a_map_is_not_a_row_of_scores():
    with pytest.raises(ValueError, match="height and a width"):
        bce_map(torch.zeros(4), torch.zeros(4))
    with pytest.raises(ValueError, match="dimensions"):
        plcc(torch.zeros(2, 2, 2), torch.zeros(2, 2, 2))
