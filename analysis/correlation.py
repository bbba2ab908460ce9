"""How well predicted scores agree with mean opinion scores: correlations, error, and the order within a group."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares
from scipy.special import expit
from scipy.stats import kendalltau, spearmanr

from editfhf.errors import BadInput

MIN_SCORES = 4  # below, even a straight line leaves hardly an error to correlate
N_PARAMETERS = 5  # of the logistic; with no more scores than that it passes through all of them and says nothing
BOUNDS = ([0, 0, -np.inf, 0, -np.inf], np.inf)  # β1, β2 and β4 of one sign: the mapping is monotone
STEEPNESSES = np.array([0.5, 1, 2, 4, 8, 16, 32, 128])  # where the fit starts: β2, times the interquartile range of x
MIDDLES = np.linspace(0.05, 0.95, 19)  # and β3, as quantiles of x
MAX_EVALUATIONS = 200  # a fit to a step never converges (β2 grows for ever), but is as good as done by then


@dataclass(frozen=True)
class Mapping:
    """A monotone curve from a metric's values to opinion scores.

    Attributes:
        note: why a straight line stands in for the logistic; "" where it does not.
    """

    note: str
    _start_x: tuple[float, float, float, float]  # lowest, range, mean and deviation of the unit values
    _mean_y: float
    _scale_y: float
    _slope: float
    _direction: float
    _beta: tuple[float, ...] | None

    def __call__(self, pred: np.ndarray) -> np.ndarray:
        """float64, shape of `pred`, in the unit of the scores that it was fitted to."""
        low, width, mean, deviation = self._start_x
        x = ((np.asarray(pred, dtype=np.float64) - low) / width - mean) / deviation
        if self._beta is None:
            return self._mean_y + self._scale_y * self._slope * x
        told = _residuals(np.array(self._beta), self._direction * x, np.zeros_like(x))
        return self._mean_y + self._scale_y * told


def fit_mapping(pred: np.ndarray, mos: np.ndarray) -> Mapping:
    """The mapping that `correlation_report` uses; arguments and errors are its own.

    Raises:
        BadInput: also where pred or mos is constant.
    """
    pred, mos = _checked_scores(pred, mos)
    if pred.min() == pred.max() or mos.min() == mos.max():
        raise BadInput("The predictions or the scores are all the same.", mend="There is nothing to fit.")
    return _mapping(pred, mos)[0]


def correlation_report(
    pred: np.ndarray, mos: np.ndarray, fitted_on: tuple[np.ndarray, np.ndarray] | None = None
) -> dict[str, float]:
    """Rank correlations, and linear correlation and error after the usual mapping of predictions to opinion scores.

    The mapping is f(x) = β1 · (1/2 − 1 / (1 + exp(β2 · (x − β3)))) + β4 · x + β5, monotone, fitted by least squares. It
    takes out that a metric has another scale than people; a metric that falls where quality rises (LPIPS) gets a
    falling f. So plcc has no sign, srcc and krcc keep theirs. A straight line stands in for f where it fits as well,
    and where there are no more scores than parameters; `fit_mapping(...).note` says so.

    Args:
        pred: shape (n,), finite, on any scale.
        mos: shape (n,), finite.
        fitted_on: predictions and scores of another split, to which f is fitted instead; then plcc is -1..1.

    Returns:
        srcc: Spearman's ρ, -1..1. krcc: Kendall's τ-b, -1..1. plcc: Pearson's r of f(pred) and mos, 0..1. rmse: of
        f(pred), in the unit of mos. All four NaN where pred or mos is constant: nothing can be correlated.

    Raises:
        BadInput: lengths differ, fewer than 4 scores, NaN or infinity among them.

    Source:
        Sheikh, Sabir, Bovik, IEEE TIP 15(11), 2006: the logistic of the VQEG with an added linear
        term, constrained to be monotonic. ITU-T P.1401 on the statistics.

    Example:
        >>> report = correlation_report(np.array([1, 2, 3, 4]), np.array([10, 20, 40, 30]))
        >>> {name: round(value, 3) for name, value in report.items()}
        {'srcc': 0.8, 'plcc': 0.8, 'krcc': 0.667, 'rmse': 6.708}
    """
    pred, mos = _checked_scores(pred, mos)
    if pred.min() == pred.max() or mos.min() == mos.max():
        return dict.fromkeys(("srcc", "plcc", "krcc", "rmse"), float("nan"))
    srcc = float(spearmanr(pred, mos).statistic)
    y, scale = _standardised(mos)
    if fitted_on is None:
        _, fitted = _mapping(pred, mos)
    else:
        fitted = (fit_mapping(*fitted_on)(pred) - mos) / scale + y
    varies = float(np.std(fitted)) > 1e-12  # else no monotone curve takes any error away
    return {
        "srcc": srcc,
        "plcc": float(np.clip(np.corrcoef(fitted, y)[0, 1], -1.0, 1.0)) if varies else 0.0,
        "krcc": float(kendalltau(pred, mos).statistic),
        "rmse": float(np.sqrt(np.mean((fitted - y) ** 2)) * scale),
    }


def pairwise_accuracy(
    pred: np.ndarray, mos: np.ndarray, groups: Sequence[Hashable] | np.ndarray, threshold: float = 0.0
) -> float:
    """The share of pairs within one group whose order the predictions get right.

    What somebody asks who chooses between edits of one photo; correlations over all photos also reward to tell easy
    photos from hard ones.

    Args:
        pred: shape (n,), finite, higher means better.
        mos: shape (n,), finite.
        groups: n labels; two edits with equal labels (the same photo and task) make a pair.
        threshold: in the unit of mos; pairs closer than that do not count. Equal scores never count.

    Returns:
        0..1, 0.5 is chance; equal predictions count half. NaN where no pair counts. Pairs count alike, so large groups
        weigh more.

    Raises:
        BadInput: lengths differ, NaN or infinity among the numbers, or a threshold below 0.

    Source:
        Two-alternative forced choice accuracy (Zhang et al., LPIPS, CVPR 2018), here with the order of
        opinion scores for the choice of people.

    Example:
        >>> pairwise_accuracy(np.array([3, 1, 2, 9]), np.array([60, 40, 30, 10]), ["a", "a", "a", "b"])
        0.6666666666666666
    """
    pred, mos = _checked_rows(pred, mos)
    if len(groups) != len(pred):
        raise BadInput(
            f"There are {len(pred)} scores and {len(groups)} groups.", mend="Give the group of each score, in order."
        )
    if not threshold >= 0:
        raise BadInput(f"The threshold is {threshold}.", mend="It is a distance of scores: 0 or more.")
    codes: dict[Hashable, int] = {}
    group = np.array([codes.setdefault(label, len(codes)) for label in groups], dtype=np.int64)
    order = np.argsort(group, kind="stable")
    pred, mos, group = pred[order], mos[order], group[order]
    right, counted = 0.0, 0
    # Groups lie side by side: every pair is a row and the one `step` below it, and memory grows with rows, not pairs.
    for step in range(1, int(np.bincount(group).max(initial=0))):
        difference = mos[step:] - mos[:-step]
        counts = (group[step:] == group[:-step]) & (difference != 0) & (np.abs(difference) >= threshold)
        agreement = np.sign(difference[counts]) * np.sign((pred[step:] - pred[:-step])[counts])
        right += float(np.sum((agreement + 1) / 2))
        counted += int(counts.sum())
    return right / counted if counted else float("nan")


def _checked_scores(pred: np.ndarray, mos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pred, mos = _checked_rows(pred, mos)
    if len(pred) < MIN_SCORES:
        raise BadInput(f"There are {len(pred)} scores to correlate.", mend=f"At least {MIN_SCORES} are needed.")
    return pred, mos


def _checked_rows(pred: np.ndarray, mos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pred, mos = np.asarray(pred, dtype=np.float64), np.asarray(mos, dtype=np.float64)
    if pred.ndim != 1 or pred.shape != mos.shape:
        raise BadInput(
            f"Predictions and scores must be two rows of one length, not of shapes {pred.shape} and {mos.shape}.",
            mend="Give one prediction for each opinion score.",
        )
    for values, name in ((pred, "prediction"), (mos, "opinion score")):
        wrong = ~np.isfinite(values)
        if wrong.any():
            raise BadInput(f"The {name} at position {int(wrong.argmax())} is not finite.", mend="Leave this edit out.")
    return pred, mos


def _standardised(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Mean 0, standard deviation 1, and that deviation in the unit of the values, which are not constant."""
    low, high = float(values.min()), float(values.max())
    unit = (values - low) / (high - low)
    return (unit - unit.mean()) / unit.std(), float(unit.std() * (high - low))


def _mapping(pred: np.ndarray, mos: np.ndarray) -> tuple[Mapping, np.ndarray]:
    """The monotone 5-parameter logistic, or the straight line; and its values at pred, in standardised scores."""
    x, _ = _standardised(pred)
    y, scale = _standardised(mos)
    srcc = float(spearmanr(pred, mos).statistic)
    slope = float(np.mean(x * y))
    best, best_cost = slope * x, float(np.mean((slope * x - y) ** 2))
    note, beta, heading = "a straight line: it fits as well as the logistic", None, 1.0
    if len(x) <= N_PARAMETERS:
        note = f"a straight line: {len(x)} scores are no more than the logistic has parameters"
    # Line and ranks disagree about the direction only where outliers rule the line: then both are tried.
    for direction in sorted({1.0 if slope >= 0 else -1.0, 1.0 if srcc >= 0 else -1.0}):
        if len(x) <= N_PARAMETERS:
            break
        u = direction * x
        # Where a step has shrunk to nothing, the trust region's own arithmetic overflows; its result stands.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            found = least_squares(
                _residuals, _start(u, y), _slopes, BOUNDS, args=(u, y), max_nfev=MAX_EVALUATIONS, x_scale="jac"
            )
        cost = float(np.mean(found.fun**2))
        if cost < best_cost:  # false for a NaN
            best, best_cost = found.fun + y, cost
            note, beta, heading = "", tuple(float(value) for value in found.x), direction
        elif not np.isfinite(cost):
            note = "a straight line: the logistic could not be fitted"
    low, width = float(pred.min()), float(pred.max()) - float(pred.min())
    unit = (pred - low) / width
    start = low, width, float(unit.mean()), float(unit.std())
    return Mapping(note, start, float(mos.mean()), scale, slope, heading, beta), best


def _start(u: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The best β of a coarse grid over β2 and β3: given these two, the best of the others follow in closed form."""
    low, high = np.quantile(u, [0.25, 0.75])
    steepness = STEEPNESSES / (high - low or 1.0)
    b2, b3 = (axis.ravel() for axis in np.meshgrid(steepness, np.quantile(u, MIDDLES), indexing="ij"))
    logistic = expit(b2[:, None] * (u - b3[:, None])) - 0.5
    centre = logistic.mean(axis=1)
    # Least squares with β1, β4 ≥ 0 on the centred logistic l and on u: both, or the logistic alone (`_fit` has the line
    # already). The means of y and u are 0.
    ll = np.maximum(np.mean(logistic**2, axis=1) - centre**2, 1e-12)
    lu, ly, uy = logistic @ u / len(u), logistic @ y / len(u), float(np.mean(u * y))
    determinant = ll - lu**2  # mean u² is 1
    safe = np.where(determinant > 1e-9 * ll, determinant, np.inf)
    b1, b4 = (ly - lu * uy) / safe, (ll * uy - lu * ly) / safe
    alone = np.maximum(ly, 0) / ll
    outside = (b1 <= 0) | (b4 < 0)
    b1, b4 = np.where(outside, alone, b1), np.where(outside, 0, b4)
    best = int(np.argmin(b1**2 * ll + b4**2 + 2 * b1 * b4 * lu - 2 * b1 * ly - 2 * b4 * uy))
    return np.array([b1[best], b2[best], b3[best], b4[best], -b1[best] * centre[best]])


def _residuals(beta: np.ndarray, u: np.ndarray, y: np.ndarray) -> np.ndarray:
    return beta[0] * (expit(beta[1] * (u - beta[2])) - 0.5) + beta[3] * u + beta[4] - y


def _slopes(beta: np.ndarray, u: np.ndarray, _: np.ndarray) -> np.ndarray:
    """Derivatives of the residuals by each parameter, shape (n, 5)."""
    logistic = expit(beta[1] * (u - beta[2]))
    bell = beta[0] * logistic * (1 - logistic)
    return np.stack([logistic - 0.5, bell * (u - beta[2]), -bell * beta[1], u, np.ones_like(u)], axis=1)
