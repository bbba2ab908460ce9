"""Scores by a model of how people rate: score = quality + bias of the subject + noise as large as its inconsistency.

The model of ITU-T P.910 (07/22), Annex E (Z. Li et al., A Simple Model for Subject Behavior in Subjective Experiments,
HVEI 2020). Each step is a few products of the matrix of scores with vectors: time and memory go with the ratings.
"""

import numpy as np

from analysis.opinions import Matrix, Opinions
from analysis.screening import Fit

# P.910 Annex E
EPSILON = 1e-8  # added to a variance before it divides
CHANGE = 1e-8  # of the scores, as a Euclidean norm, below which the iterations end
MOST_STEPS = 1000
# of `marginal`
PRIOR_RATINGS = 4.0  # that a person's inconsistency is worth before any of its own; docs/analysis.md, "The prior"
SMALLEST_CHANGE = 1e-6  # of a score, as a share of the deviation of all scores
SMALLEST_VARIANCE = 1e-12  # as a share of the variance of all scores


class _Products:
    """The sums over stimuli and over subjects that an iteration needs, of scores less their mean `level`."""

    def __init__(self, opinions: Opinions) -> None:
        self.level = float(opinions.scores.mean())
        centred = opinions.scores - self.level
        self.scores: Matrix = opinions.matrix(centred)
        self.seen: Matrix = opinions.matrix(np.ones(len(centred)))
        self.n = opinions.n_of_subject.astype(float)
        self.sum = opinions.by_subject(centred)
        self.squares = opinions.by_subject(centred**2)
        self.mos = opinions.by_stimulus(centred) / opinions.n_of_stimulus
        self.variance = float(centred.var())

    def weighted(self, weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of each stimulus: the weighted sum of scores less bias, and the sum of the weights."""
        return self.scores @ weight - self.seen @ (weight * bias), self.seen @ weight

    def of_seen(self, quality: np.ndarray) -> np.ndarray:
        """Sum of the qualities of what each subject rated."""
        return self.seen.T @ quality

    def squared(self, quality: np.ndarray, bias: np.ndarray, sums: np.ndarray, squares: np.ndarray) -> np.ndarray:
        """Of each subject, the sum of (score − quality − bias)²; `sums`, `squares`: of quality and its square."""
        crossed = self.scores.T @ quality
        return self.squares - 2 * crossed + squares - 2 * bias * (self.sum - sums) + self.n * bias**2


def projected(opinions: Opinions) -> Fit:
    """`p910`: by turns, the best qualities for the subjects' biases and weights, and the best of these for those.

    With few ratings of each stimulus the weights can run away: one subject's inconsistency goes to 0, the scores
    become this subject's. `marginal` does not.

    Source:
        ITU-T P.910 (07/22), Annex E.3 (alternating projection); start, floor and end as in sureal 0.9.
    """
    products = _Products(opinions)
    quality = products.mos
    bias = (products.sum - products.of_seen(quality)) / products.n
    variance = np.zeros_like(bias)
    for _ in range(MOST_STEPS):
        sums, squares = products.of_seen(quality), products.of_seen(quality**2)
        mean = (products.sum - sums) / products.n - bias
        variance = np.maximum(products.squared(quality, bias, sums, squares) / products.n - mean**2, 0)
        total, weights = products.weighted(1 / (variance + EPSILON), bias)
        before, quality = quality, total / weights
        bias = (products.sum - products.of_seen(quality)) / products.n
        if np.linalg.norm(quality - before) < CHANGE:
            break
    return _fit(opinions, bias, 1 / (variance + EPSILON), np.sqrt(variance))


def marginal(opinions: Opinions) -> Fit:
    """`p910_marginal`: the same model with quality and bias as random effects, by expectation–maximisation (EM).

    What is not known of a stimulus' quality enters each subject's variance, so that nobody becomes infallible; the
    variance of a subject begins as that of all, worth `PRIOR_RATINGS` ratings. The MOS is the weighted mean of the
    scores less bias (not drawn towards the mean of all stimuli), its standard error `1 / √Σ wᵢ`.

    Source:
        Dempster, Laird, Rubin, JRSS B 39 (1977), for the model of P.910 Annex E; this combination is ours
        (docs/analysis.md compares it).
    """
    products = _Products(opinions)
    rounding = np.finfo(float).eps * max(1.0, abs(products.level))
    floor = max(products.variance * SMALLEST_VARIANCE, rounding**2)
    tolerance = max(SMALLEST_CHANGE * np.sqrt(products.variance), rounding)
    bias = (products.sum - products.of_seen(products.mos)) / products.n
    variance = np.full(len(bias), max(products.variance / 2, floor))
    mean, between, between_biases = 0.0, max(float(products.mos.var()), floor), max(float(bias.var()), floor)
    quality = products.mos
    for _ in range(MOST_STEPS):
        weight = 1 / variance
        total, weights = products.weighted(weight, bias)
        unsure = 1 / (1 / between + weights)
        before, quality = quality, (mean / between + total) * unsure
        sums = products.of_seen(quality)
        unsure_bias = 1 / (1 / between_biases + products.n * weight)
        bias = (products.sum - sums) * weight * unsure_bias
        squared = products.squared(quality, bias, sums, products.of_seen(quality**2 + unsure))
        squared = np.maximum(squared + products.n * unsure_bias, 0)
        pooled = squared.sum() / products.n.sum()
        variance = np.maximum((squared + PRIOR_RATINGS * pooled) / (products.n + PRIOR_RATINGS), floor)
        mean = float(quality.mean())
        between = max(float(((quality - mean) ** 2 + unsure).mean()), floor)
        between_biases = max(float((bias**2 + unsure_bias).mean()), floor)
        if np.abs(quality - before).max() < tolerance:
            break
    weight = 1 / variance
    weights = products.seen @ weight
    freedom = products.seen @ (weight * (products.n + PRIOR_RATINGS)) / weights
    return _fit(opinions, bias, weight, np.sqrt(variance), 1 / np.sqrt(weights), freedom)


def _fit(
    opinions: Opinions,
    bias: np.ndarray,
    weight: np.ndarray,
    inconsistency: np.ndarray,
    standard_error: np.ndarray | None = None,
    freedom: np.ndarray | None = None,
) -> Fit:
    """Biases are only known up to a constant: the standard's have the mean 0, and the scores take it up."""
    bias = bias - bias.mean()
    adjusted = opinions.scores - bias[opinions.subject_of]
    return Fit(adjusted, weight, bias, inconsistency, None, standard_error, freedom)
