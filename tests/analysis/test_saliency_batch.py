"""Saliency measures of stacks and tensors, and the AUCs that draw their negatives."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from analysis.saliency import auc_borji, auc_judd, auc_shuffled, cc, image_auroc, kld, mse, nss, of_batch, pixel_ap, sim
from editfhf.errors import BadInput

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(1)
PREDS, MASKS = RNG.random((4, 12, 16)), RNG.random((4, 12, 16)) < 0.2
OTHERS = RNG.random((4, 12, 16)) < 0.3


@pytest.mark.parametrize("measure", [cc, sim, kld, nss, auc_judd, auc_borji, pixel_ap, mse])
@pytest.mark.parametrize("channel", [False, True])
def test_a_stack_of_tensors_has_the_values_of_its_maps(measure, channel):
    preds, masks = torch.tensor(PREDS, requires_grad=True), torch.tensor(MASKS)
    if channel:
        preds, masks = preds[:, None], masks[:, None]
    told = [measure(pred, mask) for pred, mask in zip(PREDS, MASKS, strict=True)]
    assert of_batch(measure, preds, masks) == pytest.approx(told)
    assert measure(torch.tensor(PREDS[0]), MASKS[0]) == told[0]


def test_half_precision_is_taken_as_it_is():
    pred = torch.tensor(PREDS[0]).bfloat16()
    assert cc(pred, MASKS[0]) == pytest.approx(cc(pred.double().numpy(), MASKS[0]))
    assert image_auroc(torch.tensor([0.1, 0.4, 0.4, 0.8]), torch.tensor([0, 1, 0, 1])) == 0.875


def test_images_of_a_stack_for_which_a_measure_says_nothing_are_nan():
    masks = MASKS.copy()
    masks[1], masks[2] = False, True
    found = of_batch(auc_judd, PREDS, masks)
    assert np.isnan(found).tolist() == [False, True, True, False]
    assert np.isnan(of_batch(nss, PREDS, masks)).tolist() == [False, True, False, False]
    assert np.isfinite(of_batch(cc, PREDS, masks)).all()
    with pytest.raises(BadInput, match="negative"):
        of_batch(cc, -PREDS, masks)
    with pytest.raises(BadInput, match="4, 3 maps"):
        of_batch(cc, PREDS, masks[:3])


def test_maps_of_different_sizes_make_a_stack():
    pairs = [(PREDS[0], MASKS[0]), (PREDS[1, :5], MASKS[1, :5])]
    assert of_batch(cc, *zip(*pairs, strict=True)) == pytest.approx([cc(*pair) for pair in pairs])


def auc_of_the_benchmark(positives, negatives, rng, splits=150, step=0.004):
    """AUC_Borji.m and AUC_shuffled.m: random negatives, thresholds at equal steps."""
    areas = []
    for _ in range(splits):
        drawn = rng.choice(negatives, len(positives))
        thresholds = np.arange(0, max(positives.max(), drawn.max()) + step, step)[::-1]
        hits = [0, *((positives >= one).mean() for one in thresholds), 1]
        false = [0, *((drawn >= one).mean() for one in thresholds), 1]
        areas.append(np.trapezoid(hits, false))
    return np.mean(areas)


def test_the_aucs_are_what_the_benchmarks_random_samples_lead_to():
    pred, mask, others = PREDS[0], MASKS[0], OTHERS[0]
    rng = np.random.default_rng(2)
    assert auc_borji(pred, mask) == pytest.approx(auc_of_the_benchmark(pred[mask], pred.ravel(), rng), abs=0.02)
    assert auc_shuffled(pred, mask, others) == pytest.approx(
        auc_of_the_benchmark(pred[mask], pred[others], rng), abs=0.02
    )


def test_the_aucs_are_mann_whitneys_share():
    for pred, mask, others in zip(np.round(PREDS, 1), MASKS, OTHERS, strict=True):
        for found, negatives in (
            (auc_borji(pred, mask), pred.ravel()),
            (auc_shuffled(pred, mask, others), pred[others]),
        ):
            share = mannwhitneyu(pred[mask], negatives).statistic / (mask.sum() * len(negatives))
            assert found == pytest.approx(share)
    assert auc_borji(np.ones((3, 3)), np.eye(3)) == 0.5


def test_a_centre_prior_gains_nothing_where_all_mark_the_centre():
    x = np.linspace(-1, 1, 32)
    centre = np.exp(-4 * (x[:, None] ** 2 + x**2))
    drawn = np.random.default_rng(3).random((2, 32, 32)) < centre / 2
    assert auc_borji(centre, drawn[0]) > 0.75
    assert auc_shuffled(centre, drawn[0], drawn[1]) == pytest.approx(0.5, abs=0.08)


def test_what_is_seen_on_a_clean_edit_is_its_error():
    assert mse(np.full((2, 2), 0.5), np.zeros((2, 2))) == 0.25
