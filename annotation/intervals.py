"""Intervals of 95 % for shares, correlations and consistency: arrays in, arrays out."""

import numpy as np
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
    """Limits of 1 − (variance within n repeated pairs) / (variance of all); (−inf, 1) where n is 0.

    Source:
        n times a variance estimated from n differences over the true one follows chi-square of n degrees of freedom.
        The variance of all is taken as known: it rests on many times as many ratings.
    """
    n = np.asarray(n, float)
    within = 1 - np.asarray(consistency, float)
    safe = np.maximum(n, 1)
    low = 1 - within * safe / stats.chi2.ppf(_TAIL, safe)
    high = 1 - within * safe / stats.chi2.ppf(1 - _TAIL, safe)
    return np.where(n > 0, low, -np.inf), np.where(n > 0, high, 1.0)
