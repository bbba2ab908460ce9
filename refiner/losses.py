"""What training makes small: losses on saliency maps, and losses on scores.

The map losses take logits (the sigmoid is in here, once) and give a loss for each map, so that the caller can weigh
kinds and samples; their mean is the loss of a batch. The score losses give one number for a batch. All are finite in
float32 with finite gradients, also for constant predictions and a batch of one; half precision is computed in float32.
"""

import torch
from torch import Tensor
from torch.nn import functional

# Standard deviations below this share of what they are measured against count as none: bounds the gradient of 1 / std.
PEARSON_FLOOR = 1e-4


def bce_map(logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Binary cross-entropy of every pixel; the target may be soft (the share of people who marked it).

    Args:
        logits: float, shape (..., height, width), of any sign.
        target: the shape of `logits`, 0..1.
        weight: a factor for every pixel, 0 or more, of a shape that broadcasts to that of `logits`. The sum is still
            divided by the number of pixels.

    Returns:
        Shape (...), the mean over pixels, in nats. At least the entropy of the target, which is 0 for a hard one.

    Raises:
        ValueError: the shapes differ.

    Source:
        −t · log σ(x) − (1 − t) · log(1 − σ(x)), from logits by log-sum-exp (Goodfellow, Bengio, Courville, Deep
        Learning, 2016, section 6.2.2.2).
    """
    logits, target = _maps(logits, target)
    return functional.binary_cross_entropy_with_logits(logits, target, weight, reduction="none").mean(dim=(-2, -1))


def kl_map(logits: Tensor, target: Tensor) -> Tensor:
    """Kullback–Leibler divergence of the predicted distribution from the true one, both maps divided by their sum.

    Args:
        logits, target: as in `bce_map`; the target needs only to be 0 or more.

    Returns:
        Shape (...), 0 or more, in nats; 0 where the target is empty: it has no distribution, `bce_map` sees to it.

    Raises:
        ValueError: the shapes differ.

    Source:
        Σ Q · log(Q / P), as `analysis.saliency.kld` (Bylinskii et al., TPAMI 2019), without its ε: log P comes from
        the logits and stays finite. As a loss: Jetley, Murray, Vig, CVPR 2016.
    """
    logits, target = _maps(logits, target)
    log_share = _log_map(logits)
    log_share = log_share - log_share.logsumexp(dim=(-2, -1), keepdim=True)
    total = target.sum(dim=(-2, -1), keepdim=True)
    share = target / torch.where(total > 0, total, 1)
    return (torch.xlogy(share, share) - share * log_share).sum(dim=(-2, -1))


def cc_map(logits: Tensor, target: Tensor) -> Tensor:
    """One minus Pearson's correlation of the predicted map, σ(logits), with the true one.

    Args:
        logits, target: as in `bce_map`; the target needs only to be finite.

    Returns:
        Shape (...), 0..2; 0 where the target is empty or otherwise constant: nothing to correlate with. 1 for a
        constant prediction.

    Raises:
        ValueError: the shapes differ.

    Source:
        1 − `analysis.saliency.cc` (Bylinskii et al., TPAMI 2019). A prediction whose standard deviation is below 1e-4
        of its mean counts as constant (smoothly: the variance gets the square of that added).
    """
    logits, target = _maps(logits, target)
    pred = _log_map(logits).exp().flatten(-2)
    return _one_minus_pearson(pred, target.flatten(-2), floor=PEARSON_FLOOR * pred.mean(dim=-1))


def l1_map(logits: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of the predicted map, σ(logits).

    Args:
        logits, target: as in `bce_map`.

    Returns:
        Shape (...), 0..1.

    Raises:
        ValueError: the shapes differ.

    Source:
        Least absolute deviations; for soft maps of flaws less drawn to the many empty pixels than a squared error.
    """
    logits, target = _maps(logits, target)
    return (logits.sigmoid() - target).abs().mean(dim=(-2, -1))


def huber(pred: Tensor, target: Tensor, delta: float) -> Tensor:
    """Squared error of small differences, absolute error of large ones.

    Args:
        pred, target: float, of one shape.
        delta: where the one becomes the other, above 0, in the unit of the scores.

    Returns:
        A scalar, 0 or more: the mean of e² / 2 where |e| ≤ delta, else delta · (|e| − delta / 2).

    Raises:
        ValueError: the shapes differ, or delta is not above 0.

    Source:
        Huber, Robust estimation of a location parameter, Annals of Mathematical Statistics 35(1), 1964.
    """
    pred, target = _same_shape(pred, target)
    return functional.huber_loss(pred, target, delta=delta)


def pairwise_rank(pred: Tensor, target: Tensor, margin: float, threshold: float = 0.0) -> Tensor:
    """Margin ranking over all pairs of a batch: the better of two must be predicted higher, by a margin.

    Args:
        pred, target: float, shape (batch,) or (batch, dimensions); higher is better.
        margin: by how much, in the unit of `pred`, 0 or more.
        threshold: in the unit of `target`; pairs closer than that do not count. Equal targets never count.

    Returns:
        A scalar, 0 or more: in each dimension the mean over the pairs that count, 0 where none does (a batch of one);
        then the mean over dimensions.

    Raises:
        ValueError: the shapes differ or are neither of the two.

    Source:
        max(0, margin − sign(t_i − t_j) · (p_i − p_j)), the ranking SVM's hinge (Joachims, KDD 2002); for image quality
        RankIQA (Liu, van de Weijer, Bagdanov, ICCV 2017).
    """
    pred, target = _score_columns(pred, target)
    i, j = torch.triu_indices(len(pred), len(pred), offset=1, device=pred.device)
    difference = target[i] - target[j]
    counts = (difference != 0) & (difference.abs() >= threshold)
    loss = functional.relu(margin - difference.sign() * (pred[i] - pred[j])) * counts
    return (loss.sum(dim=0) / counts.sum(dim=0).clamp(min=1)).mean()


def plcc(pred: Tensor, target: Tensor) -> Tensor:
    """One minus Pearson's correlation over a batch, the mean over dimensions.

    Args:
        pred, target: float, shape (batch,) or (batch, dimensions), on scales of roughly one size.

    Returns:
        A scalar, 0..2. A dimension in which the target is constant (a batch of one) counts as 0, one in which the
        prediction is constant as 1.

    Raises:
        ValueError: the shapes differ or are neither of the two.

    Source:
        1 − r, Pearson's r; as a loss for quality: Li, Jiang, Jiang, "Norm-in-Norm loss", ACM MM 2020, which shows it
        to be a case of theirs. A prediction whose standard deviation is below 1e-4 of the target's counts as constant
        (smoothly, as in `cc_map`).
    """
    pred, target = _score_columns(pred, target)
    floor = PEARSON_FLOOR * target.std(dim=0, correction=0)
    return _one_minus_pearson(pred.T, target.T, floor).mean()


def _one_minus_pearson(pred: Tensor, target: Tensor, floor: Tensor) -> Tensor:
    """Over the last dimension; 0 where the target is constant. `floor`: the standard deviation below which is none."""
    low, high = target.amin(dim=-1, keepdim=True), target.amax(dim=-1, keepdim=True)
    varies = (high > low).squeeze(-1)
    # A target that varies spans 0..1 here, so no square under- or overflows and its standard deviation is safe.
    target = (target - low) / torch.where(high > low, high - low, 1)
    target = target - target.mean(dim=-1, keepdim=True)
    pred = pred - pred.mean(dim=-1, keepdim=True)
    tiny = torch.finfo(pred.dtype).tiny
    std_target = (target.square().mean(dim=-1) + tiny).sqrt()
    std_pred = (pred.square().mean(dim=-1) + floor.square() + tiny).sqrt()
    correlation = (pred * target).mean(dim=-1) / (std_pred * std_target)
    return torch.where(varies, 1 - correlation, 0 * correlation)


def _log_map(logits: Tensor) -> Tensor:
    """log σ(logits) up to a constant: the highest pixel at 0, so that a map does not vanish where all logits are low.

    Only for losses that ignore the scale of the map; for them the constant has no gradient.
    """
    log_map = functional.logsigmoid(logits)
    return log_map - log_map.amax(dim=(-2, -1), keepdim=True).detach()


def _maps(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    logits, target = _same_shape(logits, target)
    if logits.ndim < 2:
        raise ValueError(f"A map has a height and a width; this one has the shape {tuple(logits.shape)}.")
    return logits, target


def _score_columns(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    pred, target = _same_shape(pred, target)
    if pred.ndim not in (1, 2):
        raise ValueError(f"Scores are (batch,) or (batch, dimensions); these have the shape {tuple(pred.shape)}.")
    return pred.reshape(len(pred), -1), target.reshape(len(pred), -1)


def _same_shape(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    # Broadcasting would compare everything with everything and still give a number.
    if pred.shape != target.shape:
        raise ValueError(f"Prediction and target differ in shape: {tuple(pred.shape)} and {tuple(target.shape)}.")
    dtype = torch.promote_types(pred.dtype, torch.float32)
    return pred.to(dtype), target.to(dtype)
