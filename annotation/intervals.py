"""Intervals of 95 % for shares, correlations and consistency: arrays in, arrays out. Edits are drawn, not answers."""

import numpy as np
import pandas as pd
from scipy import stats

CONFIDENCE = 0.95
_TAIL = (1 - CONFIDENCE) / 2

Interval = tuple[np.ndarray, np.ndarray]


def share_interval(k: np.ndarray, n: np.ndarray) -> Interval:
    """Limits of a share of which k out of n were seen; (0, 1) where n is 0. k and n may be fractions (weighted counts).

    Source:
        Clopper & Pearson, Biometrika 1934, as quantiles of the beta distribution.

    Example:
        >>> [round(float(limit), 3) for limit in share_interval(np.array(0), np.array(4))]
        [0.0, 0.602]
    """
    k, n = np.asarray(k, float), np.asarray(n, float)
    low = np.where(k > 0, stats.beta.ppf(_TAIL, np.maximum(k, 1e-9), n - k + 1), 0.0)
    high = np.where(k < n, stats.beta.ppf(1 - _TAIL, k + 1, np.maximum(n - k, 1e-9)), 1.0)
    return low, high


def correlation_interval(r: np.ndarray, standard_error: np.ndarray, n: np.ndarray) -> Interval:
    """Limits of a correlation with this standard error over n independent pairs; (−1, 1) where n is 3 or fewer.

    Source:
        Fisher's z; its standard error is that of r over 1 − r² (delta method), with Student's t of n − 2 degrees.
    """
    r = np.clip(np.asarray(r, float), -0.999, 0.999)
    n = np.asarray(n, float)
    known = n > 3
    reach = stats.t.ppf(1 - _TAIL, np.where(known, n - 2, 1)) * np.asarray(standard_error, float) / (1 - r**2)
    low, high = np.tanh(np.arctanh(r) - reach), np.tanh(np.arctanh(r) + reach)
    return np.where(known, low, -1.0), np.where(known, high, 1.0)


def consistency_interval(consistency: np.ndarray, n: np.ndarray) -> Interval:
    """Limits of 1 − (variance within n repeated edits) / (variance of all); (−inf, 1) where n is 0.

    Source:
        n times a variance estimated from n differences over the true one follows chi-square of n degrees of freedom.
        Slips in several dimensions of one edit count as one: that holds however they go together, and is too wide
        where they do not. The variance of all is taken as known: it rests on many times as many ratings.
    """
    n = np.asarray(n, float)
    within = 1 - np.asarray(consistency, float)
    safe = np.maximum(n, 1)
    low = 1 - within * safe / stats.chi2.ppf(_TAIL, safe)
    high = 1 - within * safe / stats.chi2.ppf(1 - _TAIL, safe)
    return np.where(n > 0, low, -np.inf), np.where(n > 0, high, 1.0)


def share_of_each(
    person: np.ndarray, edit: np.ndarray, k: np.ndarray, n: np.ndarray, n_people: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Each person's share Σk / Σn with its limits, where what is of one edit may go together.

    Args:
        person, edit: codes from 0, a row for each answer; k: 0..n; n: its weight.

    Returns:
        share (NaN where n is 0), Σn, low, high; shape (n_people,).

    Source:
        Korn & Graubard, Survey Methodology 1998: the limits of Clopper and Pearson for n over the design effect, which
        is the variance over edits (Student's t for few of them) by that of independent answers. It is at least 1; at
        most, and where a share of 0 or 1 says nothing of it, what it is if all of an edit say the same (Kish).

    Example:
        >>> _, n, low, high = share_of_each(np.zeros(8, int), np.repeat([0, 1], 4), np.ones(8), np.ones(8), 1)
        >>> float(n[0]), round(float(low[0]), 3)  # as of two answers
        (8.0, 0.158)
    """
    cluster, key = pd.factorize(person * (int(edit.max(initial=0)) + 1) + edit)
    of = key // (int(edit.max(initial=0)) + 1)
    k_of, n_of = np.bincount(cluster, k, len(key)), np.bincount(cluster, n, len(key))
    total_k, total = np.bincount(of, k_of, n_people), np.bincount(of, n_of, n_people)
    edits = np.bincount(of, minlength=n_people)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.clip(total_k / total, 0, 1)
        squares = np.bincount(of, (k_of - share[of] * n_of) ** 2, n_people) * edits / (edits - 1)
        few = stats.t.ppf(1 - _TAIL, np.maximum(edits - 1, 1)) / stats.t.ppf(1 - _TAIL, np.maximum(total - 1, 1))
        effect = squares / (total * share * (1 - share)) * few**2
        together = np.maximum(1, np.bincount(of, n_of**2, n_people) / total)
        effect = np.where(np.isfinite(effect) & (effect > 0), np.clip(effect, 1, together), together)
        low, high = share_interval(np.nan_to_num(total_k / effect), np.nan_to_num(total / effect))
    return share, total, low, high
