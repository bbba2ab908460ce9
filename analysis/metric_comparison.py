"""How sure the correlation of a metric with people is, for all and for each group, and whether another is better."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm, rankdata

from analysis.correlation import MIN_SCORES, correlation_report, fit_mapping
from editfhf.errors import BadInput

DRAWS = 1000
BLOCK = 4_000_000  # numbers that a bootstrap holds at one time
Z_95 = float(norm.ppf(0.975))
FEWEST_PHOTOS = 10  # for an interval


@dataclass(frozen=True)
class Difference:
    """Of the absolute rank correlations of two metrics with the same scores.

    Attributes:
        first, second: |SRCC| of each. difference, low, high: first less second, with its 95 % interval.
        p: that they are equal, by bootstrap over photos.
        p_meng: the same by Meng, Rosenthal and Rubin's Z, for scores that are independent of each other; NaN where a
            correlation is 1.
    """

    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float
    p_meng: float


def correlation_rows(
    pred: np.ndarray,
    mos: np.ndarray,
    groups: Sequence[Hashable] | np.ndarray | None = None,
    photos: Sequence[Hashable] | np.ndarray | None = None,
    fitted_on: tuple[np.ndarray, np.ndarray] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """`correlation_report` of all scores and of each group, with 95 % intervals over other photos.

    The mapping is fitted once, to all scores (or to `fitted_on`), not to each group: a metric with another curve in
    each group is worse for it. In a draw it stays as it is.

    Args:
        groups: n labels, such as the models. photos: n labels; edits of one photo are drawn together; default: each
            score is on its own.

    Returns:
        Rows of group (`all` first), n, photos, srcc, srcc_low, srcc_high, krcc, plcc, plcc_low, plcc_high, rmse,
        rmse_low, rmse_high and note (on the mapping). NaN for what cannot be said: fewer than four scores, all equal,
        intervals of fewer than ten photos.

    Raises:
        BadInput: as `correlation_report`; or labels of another number than the scores.

    Source:
        Standard errors by bootstrap (Efron 1979), on Fisher's scale for correlations, where they are the same all over.
    """
    pred, mos = np.asarray(pred, dtype=float), np.asarray(mos, dtype=float)
    mapping = fit_mapping(pred, mos) if fitted_on is None else fit_mapping(*fitted_on)
    photo = _codes(photos, len(pred), "photos")
    parts: list[tuple[Hashable, np.ndarray]] = [("all", np.arange(len(pred)))]
    if groups is not None:
        group = _codes(groups, len(pred), "groups")
        first = {int(code): index for index, code in reversed(list(enumerate(group)))}
        parts += [(groups[first[code]], np.flatnonzero(group == code)) for code in sorted(first)]
    rows = []
    for name, some in parts:
        x, y = pred[some], mos[some]
        known = len(x) >= MIN_SCORES and np.ptp(x) > 0 and np.ptp(y) > 0
        row: dict[str, Any] = {"group": name, "n": len(x), "photos": len(np.unique(photo[some]))}
        told = mapping(x)
        report = correlation_report(x, y) if known else dict.fromkeys(("srcc", "krcc"), float("nan"))
        plcc = float(np.corrcoef(told, y)[0, 1]) if known and np.ptp(told) > 0 else float("nan")
        rmse = float(np.sqrt(np.mean((told - y) ** 2))) if len(x) else float("nan")
        drawn = list(_drawn(x, y, told, photo[some], draws, seed)) if known and row["photos"] >= FEWEST_PHOTOS else []
        spread = np.nanstd(np.concatenate(drawn, axis=1), axis=1, ddof=1) if drawn else np.full(3, np.nan)
        row["srcc"], row["srcc_low"], row["srcc_high"] = report["srcc"], *_fisher(report["srcc"], spread[0])
        row["krcc"] = report["krcc"]
        row["plcc"], row["plcc_low"], row["plcc_high"] = plcc, *_fisher(plcc, spread[1])
        reach = float(np.exp(Z_95 * spread[2])) if drawn else float("nan")
        row |= {"rmse": rmse, "rmse_low": rmse / reach, "rmse_high": rmse * reach, "note": mapping.note}
        rows.append(row)
    return rows


def compare_metrics(
    first: np.ndarray,
    second: np.ndarray,
    mos: np.ndarray,
    photos: Sequence[Hashable] | np.ndarray | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Difference:
    """Whether one metric orders edits more as people do than another does on the same edits.

    Both are drawn together, photo by photo: what is hard on both takes nothing from the difference.

    Args:
        first, second, mos: shape (n,), finite. The sign of a metric plays no part. photos: as in `correlation_rows`.

    Raises:
        BadInput: lengths differ, fewer than ten photos, something not finite or all the same.

    Source:
        Efron 1979; Meng, Rosenthal, Rubin, Psychological Bulletin 111(1), 1992, equation 1.
    """
    reports = [correlation_report(one, mos)["srcc"] for one in (first, second)]
    if not np.isfinite(reports).all():
        raise BadInput("A metric or the scores are all the same.", mend="There is nothing to compare.")
    photo = _codes(photos, len(mos), "photos")
    n_photos = len(np.unique(photo))
    if n_photos < FEWEST_PHOTOS:
        raise BadInput(f"There are {n_photos} photos.", mend=f"A comparison needs {FEWEST_PHOTOS} or more.")
    signs = np.sign(reports)
    values = [np.asarray(one, dtype=float) for one in (first, second, mos)]
    of_draws = []
    for times in _times(photo, draws, seed):
        ranks = [_ranks(one, times) for one in values]
        of_draws.append(signs[0] * _pearson(ranks[0], ranks[2], times) - signs[1] * _pearson(ranks[1], ranks[2], times))
    spread = float(np.std(np.concatenate(of_draws), ddof=1))
    one, other = (abs(value) for value in reports)
    gap = one - other
    p = float(2 * norm.sf(abs(gap) / spread)) if spread > 0 else float(gap == 0)
    both = signs[0] * signs[1] * float(np.corrcoef(rankdata(values[0]), rankdata(values[1]))[0, 1])
    reach = Z_95 * spread
    return Difference(one, other, gap, gap - reach, gap + reach, p, _meng(one, other, both, len(mos)))


def _meng(one: float, other: float, both: float, n: int) -> float:
    """Two-sided probability, of two correlations with a third, `both` the one between the two."""
    if max(one, other) >= 1 or both >= 1 or n < 4:
        return float("nan")
    mean = (one**2 + other**2) / 2
    f = min((1 - both) / (2 * (1 - mean)), 1.0)
    h = (1 - f * mean) / (1 - mean)
    z = (np.arctanh(one) - np.arctanh(other)) * np.sqrt((n - 3) / (2 * (1 - both) * h))
    return float(2 * norm.sf(abs(z)))


def _codes(labels: Sequence[Hashable] | np.ndarray | None, n: int, what: str) -> np.ndarray:
    if labels is None:
        return np.arange(n)
    if len(labels) != n:
        raise BadInput(f"There are {n} scores and {len(labels)} {what}.", mend="Give one for each score, in order.")
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(label, len(seen)) for label in labels], dtype=np.int64)


def _times(photo: np.ndarray, draws: int, seed: int) -> Iterator[np.ndarray]:
    """How often each score counts in each draw of the photos: blocks of shape (draws, n)."""
    _, place = np.unique(photo, return_inverse=True)
    n = int(place.max()) + 1
    rng = np.random.default_rng(seed)
    step = max(1, BLOCK // len(photo))
    for start in range(0, draws, step):
        drawn = rng.multinomial(n, np.full(n, 1 / n), size=min(step, draws - start))
        yield drawn[:, place].astype(float)


def _drawn(
    x: np.ndarray, y: np.ndarray, told: np.ndarray, photo: np.ndarray, draws: int, seed: int
) -> Iterator[np.ndarray]:
    """SRCC and PLCC on Fisher's scale, and the logarithm of RMSE: blocks of shape (3, draws)."""
    squares = (told - y) ** 2
    for times in _times(photo, draws, seed):
        srcc = _pearson(_ranks(x, times), _ranks(y, times), times)
        plcc = _pearson(np.broadcast_to(told, times.shape), np.broadcast_to(y, times.shape), times)
        with np.errstate(divide="ignore"):
            found = np.stack([np.arctanh(srcc), np.arctanh(plcc), np.log(times @ squares / times.sum(axis=1)) / 2])
        yield np.where(np.isfinite(found), found, np.nan)


def _ranks(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Mean ranks of values that each count so many times, in each draw."""
    unique, place = np.unique(values, return_inverse=True)
    if len(unique) < len(values):
        order = np.argsort(place, kind="stable")
        starts = np.searchsorted(place[order], np.arange(len(unique)))
        counts = np.add.reduceat(times[:, order], starts, axis=1)
    else:
        counts = np.empty_like(times)
        counts[:, place] = times
    return (np.cumsum(counts, axis=1) - counts / 2)[:, place]


def _pearson(x: np.ndarray, y: np.ndarray, times: np.ndarray) -> np.ndarray:
    total = times.sum(axis=1, keepdims=True)
    x = x - (times * x).sum(axis=1, keepdims=True) / total
    y = y - (times * y).sum(axis=1, keepdims=True) / total
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (times * x * y).sum(axis=1) / np.sqrt((times * x * x).sum(axis=1) * (times * y * y).sum(axis=1))
    return np.clip(found, -1, 1)


def _fisher(value: float, spread: float) -> tuple[float, float]:
    if not abs(value) < 1 or not np.isfinite(spread):
        return float("nan"), float("nan")
    return float(np.tanh(np.arctanh(value) - Z_95 * spread)), float(np.tanh(np.arctanh(value) + Z_95 * spread))
