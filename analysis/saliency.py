"""How well a predicted map of flaws agrees with what people marked: the measures of the saliency benchmarks.

Definitions of Bylinskii, Judd, Oliva, Torralba, Durand, "What do different evaluation metrics tell us about saliency
models?", IEEE TPAMI 41(3), 2019 (the paper), and of the code of its benchmark (github.com/cvzoya/saliency). Our maps
hold shares of people, 0..1; only ratios of values matter to these measures, so any scale will do. What says how large
the values themselves are (a clean edit wants an empty map) is the mean squared error and `image_auroc`.

Polygons have no fixations: what NSS and the AUCs take as positives are the pixels above 0 in a map or mask that the
caller cuts, such as `truth >= 0.5` where half of the people marked a pixel; all of them count alike. Maps may be torch
tensors, on any device and of any floating type; `of_batch` takes a stack of them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import rankdata

from editfhf.errors import BadInput

# Keeps the logarithm of KLD finite; the value of the benchmark's own KLdiv.m (MATLAB's `eps`).
KLD_EPSILON = float(np.finfo(np.float64).eps)


def cc(pred: np.ndarray, truth: np.ndarray) -> float:
    """Pearson's linear correlation coefficient of two maps.

    Args:
        pred, truth: shape (height, width), of one shape; any real dtype, finite, at least 0.

    Returns:
        -1..1, 1 is best; unchanged by a positive factor or an offset of either map. 0.0 where either map is constant
        (empty ones too, also both): nothing varies together.

    Raises:
        BadInput: the maps differ in shape, are not 2-D, are without a pixel, or hold NaN, infinity or a negative value.

    Source:
        The paper: CC(P, Q) = cov(P, Q) / (std(P) · std(Q)).

    Example:
        >>> round(cc(np.array([[0.0, 0.1, 0.2]]), np.array([[0.0, 0.5, 1.0]])), 6)
        1.0
    """
    pred, truth = _two_maps(pred, truth)
    x, y = _standardised(pred), _standardised(truth)
    return float(np.clip(np.mean(x * y), -1.0, 1.0))


def sim(pred: np.ndarray, truth: np.ndarray) -> float:
    """Similarity: what two maps have in common when each is seen as a distribution (histogram intersection).

    Args:
        pred, truth: as in `cc`. A map of zeros stands for the uniform distribution: it prefers no place.

    Returns:
        0..1, 1 for maps that are equal up to a factor, 0 for maps that nowhere overlap; symmetric.

    Raises:
        BadInput: as in `cc`.

    Source:
        The paper: SIM(P, Q) = Σ min(P, Q), ΣP = ΣQ = 1. The benchmark's code first takes the smallest
        value from each map; the equation, and this function, do not.

    Example:
        >>> sim(np.array([[1.0, 1.0]]), np.array([[0.0, 3.0]]))
        0.5
    """
    pred, truth = _two_maps(pred, truth)
    return float(min(np.minimum(_distribution(pred), _distribution(truth)).sum(), 1.0))


def kld(pred: np.ndarray, truth: np.ndarray) -> float:
    """Kullback–Leibler divergence: what is lost when the predicted distribution stands for the true one.

    Args:
        pred, truth: as in `cc`. A map of zeros stands for the uniform distribution: it prefers no place.

    Returns:
        0 (equal up to a factor) to about 36 (no overlap), in nats; not symmetric. Misses weigh far more than false
        alarms.

    Raises:
        BadInput: as in `cc`.

    Source:
        The paper: KL(P, Q) = Σ Q · log(ε + Q / (ε + P)), P predicted, Q true, ΣP = ΣQ = 1. The ε is the
        benchmark's, 2.2e-16; with another one the values of maps that do not overlap differ. What ε and rounding
        leave below zero counts as zero.
    """
    pred, truth = _two_maps(pred, truth)
    p, q = _distribution(pred), _distribution(truth)
    return max(0.0, float(np.sum(q * np.log(KLD_EPSILON + q / (KLD_EPSILON + p)))))


def nss(pred: np.ndarray, fixations: np.ndarray) -> float:
    """Normalised scanpath saliency: how many standard deviations the prediction lies above its mean at marked pixels.

    Args:
        pred: as in `cc`.
        fixations: the shape of `pred`; a pixel above 0 is marked, however high.

    Returns:
        0 is chance, larger is better, unbounded; unchanged by a positive factor or an offset of `pred`. The standard
        deviation is that of all pixels (divided by their number). 0.0 where `pred` is constant.

    Raises:
        BadInput: as in `cc`, or no pixel is marked.

    Source:
        The paper (Peters, Iyer, Itti, Koch, Vision Research 2005).

    Example:
        >>> round(nss(np.array([[0.0, 0.0, 0.0, 1.0]]), np.array([[False, False, False, True]])), 6)
        1.732051
    """
    pred, marked = _map_and_mask(pred, fixations)
    return float(_standardised(pred)[marked].mean())


def auc_judd(pred: np.ndarray, fixations: np.ndarray) -> float:
    """Area under the ROC curve of telling marked from unmarked pixels, as Judd computes it.

    The thresholds are the distinct values of `pred` at marked pixels; between them the curve is straight. The benchmark
    adds random jitter to break ties; this function does not, tied pixels share one threshold, so the same maps give
    the same value. As the thresholds are those of marked pixels only, the area exceeds the full one (`image_auroc` of
    the pixels): by at most half the largest share of marked pixels with one value. It matters for a handful of
    fixations (a single one never gets less than 0.5), not for regions.

    Args:
        pred: as in `cc`.
        fixations: the shape of `pred`; a pixel above 0 is marked.

    Returns:
        0..1; 1.0 when all marked pixels lie above all others, 0.5 for a constant map; unchanged by any strictly
        increasing function of `pred`.

    Raises:
        BadInput: as in `cc`, or no pixel is marked, or every one.

    Source:
        The paper; AUC_Judd.m of the benchmark without jitter (Judd, Ehinger, Durand, Torralba,
        ICCV 2009).

    Example:
        >>> auc_judd(np.array([[0.9, 0.2], [0.4, 0.1]]), np.array([[1, 0], [0, 0]]))
        1.0
    """
    pred, marked = _map_and_mask(pred, fixations)
    if marked.all():
        raise Undefined(
            "Every pixel is marked: a curve needs unmarked ones too.", mend="Leave this image out of the AUC."
        )
    thresholds, counts = np.unique(pred[marked], return_counts=True)
    hits = np.cumsum(counts[::-1]) / counts.sum()
    others = np.sort(pred[~marked])
    false_alarms = 1 - np.searchsorted(others, thresholds[::-1], side="left") / len(others)
    return float(np.trapezoid([0.0, *hits, 1.0], [0.0, *false_alarms, 1.0]))


def pixel_ap(pred: np.ndarray, truth_mask: np.ndarray) -> float:
    """Average precision of finding the marked pixels of one image, the highest predicted first.

    Args:
        pred: as in `cc`.
        truth_mask: the shape of `pred`; a pixel above 0 is marked.

    Returns:
        0..1, above 0; 1.0 when all marked pixels lie above all others, the share of marked pixels for a constant map.
        Pixels of one value are taken together.

    Raises:
        BadInput: as in `cc`, or no pixel is marked.

    Source:
        AP = Σ (R_k − R_(k−1)) · P_k over the distinct values, highest first, without interpolation (Davis and
        Goadrich, ICML 2006, on why not); the pixel AP of anomaly localisation (Zavrtanik et al., DRAEM, ICCV 2021).

    Example:
        >>> pixel_ap(np.array([[0.9, 0.8, 0.1, 0.0]]), np.array([[1, 0, 1, 0]]))  # (1/1 + 2/3) / 2
        0.8333333333333333
    """
    pred, marked = _map_and_mask(pred, truth_mask)
    values, group = np.unique(-pred.ravel(), return_inverse=True)
    found = np.cumsum(np.bincount(group, weights=marked.ravel(), minlength=len(values)))
    taken = np.cumsum(np.bincount(group, minlength=len(values)))
    gained = np.diff(found, prepend=0.0) / found[-1]
    return float(min(np.sum(gained * found / taken), 1.0))


def auc_borji(pred: np.ndarray, fixations: np.ndarray) -> float:
    """Area under the ROC curve of telling marked pixels from pixels drawn at random from the whole image.

    The benchmark draws 100 samples and takes thresholds 0.1 apart; this is what more and more samples and finer and
    finer thresholds lead to, the same for the same maps. Pixels are drawn from all, marked ones too.

    Args, Returns, Raises: as `auc_judd`, but every pixel may be marked (0.5).

    Source:
        Borji, Tavakoli, Sihite, Itti, ICCV 2013; AUC_Borji.m of the benchmark.
    """
    pred, marked = _map_and_mask(pred, fixations)
    return _higher(pred[marked], pred.ravel())


def auc_shuffled(pred: np.ndarray, fixations: np.ndarray, others: np.ndarray) -> float:
    """sAUC: telling marked pixels from those that are marked on other images, which takes the centre's favour away.

    Without random samples and thresholds 0.1 apart, as in `auc_borji`.

    Args:
        pred, fixations: as in `auc_judd`.
        others: the shape of `pred`; a pixel above 0 is marked on some other image (resized to this one).

    Raises:
        BadInput: as in `cc`; no pixel is marked, here or on the others.

    Source:
        Zhang, Tong, Marks, Shan, Cottrell, JoV 8(7), 2008; AUC_shuffled.m of the benchmark.
    """
    pred, marked = _map_and_mask(pred, fixations)
    _, elsewhere = _map_and_mask(pred, others)
    return _higher(pred[marked], pred[elsewhere])


def mse(pred: np.ndarray, truth: np.ndarray) -> float:
    """Mean squared error of the values themselves. Where `truth` is empty: how much is seen that is not there.

    Args, Raises: as in `cc`.
    """
    pred, truth = _two_maps(pred, truth)
    return float(np.mean((pred - truth) ** 2))


def of_batch(measure: Callable[..., float], *maps: Any) -> np.ndarray:
    """A measure of each image of a stack, such as `of_batch(cc, preds, truths)`.

    Args:
        measure: one of this module that takes maps.
        maps: arrays or torch tensors of shape (n, height, width), or (n, 1, height, width), or sequences of n maps of
            different sizes.

    Returns:
        float64, shape (n,); NaN where the measure is not defined: no pixel is marked, or (`auc_judd`) every one.

    Raises:
        BadInput: stacks of different lengths, or maps that no measure takes.
    """
    stacks = [[_squeezed(one) for one in stack] for stack in maps]
    if len({len(stack) for stack in stacks}) != 1:
        raise BadInput(
            f"The stacks hold {', '.join(str(len(stack)) for stack in stacks)} maps.", mend="Give equal ones."
        )
    values = np.full(len(stacks[0]), np.nan)
    for number, each in enumerate(zip(*stacks, strict=True)):
        try:
            values[number] = measure(*each)
        except Undefined:
            continue
    return values


class Undefined(BadInput):
    """A measure has no value for this image."""


def image_auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Area under the ROC curve of telling flawed images from clean ones by one number for each.

    Args:
        scores: shape (n,), finite, any sign; higher means more likely flawed.
        labels: shape (n,), True or 1 for a flawed image, False or 0 for a clean one.

    Returns:
        0..1: the share of (flawed, clean) pairs in which the flawed one has the higher score, ties counted half.

    Raises:
        BadInput: lengths differ, a score is NaN or infinite, a label is neither 0 nor 1, or one of the two is missing.

    Source:
        The area is the Mann–Whitney statistic (Hanley and McNeil, Radiology 1982).

    Example:
        >>> image_auroc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([0, 1, 0, 1]))
        0.875
    """
    scores, labels = np.asarray(_on_host(scores), dtype=np.float64), np.asarray(_on_host(labels))
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise BadInput(
            f"Scores and labels must be two rows of one length, not of shapes {scores.shape} and {labels.shape}.",
            mend="Give one score and one label for each image.",
        )
    if not np.isfinite(scores).all():
        raise BadInput(f"Score {_first(~np.isfinite(scores))} is not finite.", mend="Leave this image out.")
    if not np.isin(labels, (0, 1)).all():
        raise BadInput(
            f"Label {_first(~np.isin(labels, (0, 1)))} is neither 0 nor 1.", mend="Use 1 for flawed, 0 for clean."
        )
    flawed = labels.astype(bool)
    n_flawed, n_clean = int(flawed.sum()), int((~flawed).sum())
    if not n_flawed or not n_clean:
        raise BadInput(
            f"There are {n_flawed} flawed and {n_clean} clean images.", mend="An AUROC needs at least one of each."
        )
    return float((rankdata(scores)[flawed].sum() - n_flawed * (n_flawed + 1) / 2) / (n_flawed * n_clean))


def _higher(some: np.ndarray, others: np.ndarray) -> float:
    """The share of pairs in which the one of `some` is higher than the other, ties counted half."""
    ordered = np.sort(others, axis=None)
    below = np.searchsorted(ordered, some, side="left") + np.searchsorted(ordered, some, side="right")
    return float(below.mean() / (2 * len(ordered)))


def _on_host(values: Any) -> Any:
    """A torch tensor as an array (bfloat16 has none of its own); anything else as it is. Torch is not imported."""
    return values.detach().cpu().double().numpy() if hasattr(values, "detach") else values


def _squeezed(values: Any) -> np.ndarray:
    array = np.asarray(_on_host(values))
    return array[0] if array.ndim == 3 and len(array) == 1 else array


def _two_maps(pred: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    maps = _checked(pred, "predicted map"), _checked(truth, "true map")
    if maps[0].shape != maps[1].shape:
        raise BadInput(
            f"The predicted map has the shape {maps[0].shape}, the true one {maps[1].shape}.",
            mend="Resize the prediction to the size of the true map.",
        )
    return maps


def _map_and_mask(pred: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pred, mask = _two_maps(pred, mask)
    if not mask.any():
        raise Undefined("No pixel is marked: there is nothing to find.", mend="Leave this image out of this measure.")
    return pred, mask > 0


def _checked(values: np.ndarray, name: str) -> np.ndarray:
    values = np.asarray(_on_host(values), dtype=np.float64)
    if values.ndim != 2 or not values.size:
        raise BadInput(f"The {name} has the shape {values.shape}.", mend="Give an array of height × width, not empty.")
    for wrong, word in ((~np.isfinite(values), "not finite"), (values < 0, "negative")):
        if wrong.any():
            raise BadInput(
                f"The {name} is {word} at (row, column) {_first(wrong)}.", mend="Maps hold finite values of 0 or more."
            )
    return values


def _first(wrong: np.ndarray) -> int | tuple[int, ...]:
    position = tuple(int(i) for i in np.argwhere(wrong)[0])
    return position if len(position) > 1 else position[0]


def _standardised(values: np.ndarray) -> np.ndarray:
    """Mean 0, standard deviation 1; zeros for a constant map."""
    # The range first: exact for a constant map, where mean and deviation leave rounding behind.
    low, high = values.min(), values.max()
    if low == high:
        return np.zeros_like(values)
    unit = (values - low) / (high - low)
    centred = unit - unit.mean()
    return centred / np.sqrt(np.mean(centred**2))


def _distribution(values: np.ndarray) -> np.ndarray:
    """Sum 1; uniform for a map of zeros."""
    high = values.max()
    if high == 0:
        return np.full_like(values, 1 / values.size)
    unit = values / high  # a sum of very large or very small values would leave the range of floats
    return unit / unit.sum()
