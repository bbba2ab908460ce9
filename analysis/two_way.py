"""How sure a figure is where both the photos and the people are samples of others: a two-way bootstrap.

A figure's error is, to first order, the sum of what each photo adds to it and what each person adds to it. Photos and
people are drawn anew with replacement, each on their own. What a single answer adds is in its photo's sum and in its
person's sum; drawn twice it would count twice (Owen, The Pigeonhole Bootstrap, 2007), so the people's part is shrunk to
what is left when a person's answers about one photo are taken out (Cameron, Gelbach, Miller, JBES 29(2), 2011).
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.stats import norm
from scipy.stats import t as student_t

CONFIDENCE = 0.95
TINY = 1e-12  # of the largest, below which an eigenvalue is rounding


@dataclass(frozen=True)
class Uncertainty:
    """Of K figures at once, so that of any differences of them too.

    Attributes:
        estimate: shape (K,).
        draws: what they are off by, in each of the draws: shape (draws, K).
        of_photos, of_people: covariances, shape (K, K): what other photos, and other people, would change.
        all_of_people: with what single answers add; the freedom of the interval depends on it.
        n_photos, n_people: that the covariances rest on; people of very different diligence count as fewer.
    """

    estimate: np.ndarray
    draws: np.ndarray
    of_photos: np.ndarray
    of_people: np.ndarray
    all_of_people: np.ndarray
    n_photos: float
    n_people: float

    def of(self, contrasts: np.ndarray) -> "Contrasts":
        """Of sums of the figures: weights of shape (J, K)."""
        photos, people, all_of_people = (
            np.einsum("jk,kl,jl->j", contrasts, one, contrasts).clip(0)
            for one in (self.of_photos, self.of_people, self.all_of_people)
        )
        variance = photos + people
        loose = photos**2 / max(self.n_photos - 1, 1) + all_of_people**2 / max(self.n_people - 1, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            freedom = np.where(loose > 0, variance**2 / loose, np.inf).clip(1)
        if self.n_photos < 2:  # one photo says nothing about others
            variance = np.full_like(variance, np.nan)
        return Contrasts(contrasts @ self.estimate, self.draws @ contrasts.T, np.sqrt(variance), freedom)


@dataclass(frozen=True)
class Contrasts:
    """J figures: estimate, draws of what they are off by (draws, J), standard errors, degrees of freedom."""

    estimate: np.ndarray
    draws: np.ndarray
    error: np.ndarray
    freedom: np.ndarray

    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """The 95 % interval of each: percentiles of the draws, wider by as much as Student's t is than the normal."""
        tail = (1 - CONFIDENCE) / 2
        low, high = np.percentile(self.draws * self._widened(), [100 * tail, 100 * (1 - tail)], axis=0)
        known = np.isfinite(self.error)
        return np.where(known, self.estimate + low, np.nan), np.where(known, self.estimate + high, np.nan)

    def p_values(self) -> np.ndarray:
        """That each is 0, two-sided, one by one."""
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic = np.abs(self.estimate) / self.error
        return 2 * student_t.sf(np.where(self.estimate == 0, 0, statistic), self.freedom)

    def p_values_of_all(self) -> np.ndarray:
        """The same, corrected for how many there are: the share of the draws in which any is as far off (max-T).

        Source:
            Westfall and Young, Resampling-Based Multiple Testing, 1993 (single step).
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic = np.where(self.estimate == 0, 0, np.abs(self.estimate) / self.error)
            drawn = np.abs(self.draws * self._widened()) / self.error
        farthest = np.sort(np.nan_to_num(drawn).max(axis=1, initial=0.0))
        beyond = len(farthest) - np.searchsorted(farthest, statistic, side="left")
        p = np.maximum((beyond + 1) / (len(farthest) + 1), self.p_values())
        return np.where(np.isnan(self.error), np.nan, p)

    def _widened(self) -> np.ndarray:
        quantile = (1 + CONFIDENCE) / 2
        return student_t.ppf(quantile, self.freedom) / norm.ppf(quantile)


def two_way(
    estimate: np.ndarray,
    by_photo: np.ndarray,
    by_person: np.ndarray,
    answers: sparse.sparray | np.ndarray,
    n_bootstrap: int,
    seed: int,
    n_people: float | None = None,
) -> Uncertainty:
    """From what each photo and each person adds to the error of K figures.

    Args:
        estimate: shape (K,).
        by_photo: shape (photos, K); sums over the photos are 0.
        by_person: shape (people, K); no rows where people are unknown: then only the photos are drawn.
        answers: shape (any, K): what each person's answers about one photo add.
        n_people: that `by_person` is worth; default: its rows.
    """
    rng = np.random.default_rng(seed)
    n_photos = len(by_photo)
    spread = by_photo * np.sqrt(n_photos / max(n_photos - 1, 1))
    draws = _times(rng, n_photos, n_bootstrap) @ spread
    nothing = np.zeros((len(estimate), len(estimate)))
    if len(by_person) < 2:
        return Uncertainty(estimate, draws, spread.T @ spread, nothing, nothing, n_photos, len(by_person))
    together = by_person.T @ by_person
    single = answers.T @ answers
    single = single.toarray() if sparse.issparse(single) else np.asarray(single)
    left = _root(together - single, 0.5)
    shrunk = by_person @ _root(together, -0.5) @ left
    draws = draws + _times(rng, len(by_person), n_bootstrap) @ shrunk
    worth = len(by_person) if n_people is None else n_people
    return Uncertainty(estimate, draws, spread.T @ spread, shrunk.T @ shrunk, together, n_photos, worth)


def worth_of(weights: np.ndarray) -> float:
    """How many equal ones as sure a variance as that of these weights has: (Σ w²)² / Σ w⁴ (Kish, of squares)."""
    squares = np.square(weights)
    total = float(np.square(squares).sum())
    return float(squares.sum() ** 2 / total) if total > 0 else 0.0


def _times(rng: np.random.Generator, n: int, draws: int) -> np.ndarray:
    """How much more often than once each of n is drawn, of n draws with replacement: shape (draws, n)."""
    return rng.multinomial(n, np.full(n, 1 / n), size=draws) - 1.0


def _root(matrix: np.ndarray, power: float) -> np.ndarray:
    """A symmetric matrix to a power; what is not positive is 0."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    positive = values > TINY * max(float(np.abs(values).max(initial=0.0)), np.finfo(float).tiny)
    powers = np.where(positive, np.where(positive, values, 1.0) ** power, 0.0)
    return (vectors * powers) @ vectors.T
