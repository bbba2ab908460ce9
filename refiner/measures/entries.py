"""One measured number with its interval, and the intervals: photos drawn again with replacement."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

N_DRAWS = 1000  # 95 % limits then vary by about a twentieth of the interval's width from seed to seed
LEVELS = (0.025, 0.975)
ALL = "all"
THE_RUN = "this run"
PEOPLE = "people"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, its 95 % interval over photos (None with a single photo, or where it is not worked out), and of how
    many edits, regions or pairs it is."""

    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the benchmark.

    Attributes:
        part: perception, reasoning, evaluation or loop.
        what: a kind of region, a dimension, or what else is measured.
        method: the run, or a baseline.
        judged_by: whose word the truth is.
        measure: such as `cc`.
        group: `all`, or a task group or model.
        headline: whether it stands in the short table.
    """

    part: str
    what: str
    method: str
    judged_by: str
    measure: str
    figure: Figure
    group: str = ALL
    headline: bool = False


def mean_of(values: Sequence[float] | np.ndarray, photos: Sequence[str], seed: int) -> Figure:
    """The mean of the values that are not NaN, by photo of each value."""
    array = np.asarray(values, float)
    known = np.isfinite(array)
    kept = [photo for photo, keep in zip(photos, known, strict=True) if keep]
    return ratio_of(array[known], np.ones(int(known.sum())), kept, seed)


def share_of(values: Sequence[bool], photos: Sequence[str], seed: int) -> Figure:
    """The share of True, with its interval.

    Where all are alike, drawing photos again shows no spread at all: then the far limit is the exact one of as many
    photos (Clopper and Pearson, Biometrika 26(4), 1934): none of 30 is 0 to 0.12.
    """
    figure = mean_of(np.asarray(values, float), photos, seed)
    if figure.value not in (0.0, 1.0) or figure.low is None:
        return figure
    near = 1 - LEVELS[0] ** (1 / len(set(photos)))
    low, high = (0.0, near) if figure.value == 0 else (1 - near, 1.0)
    return Figure(figure.value, low, high, figure.n)


def ratio_of(above: np.ndarray, below: np.ndarray, photos: Sequence[str], seed: int, n: int | None = None) -> Figure:
    """Σ above / Σ below, such as F1 or a share, with its interval.

    Args:
        above, below: shape (n,), a row for each edit.
        photos: of each row: rows of one photo are drawn together.
        n: how many things the ratio is of; default: the rows.
    """
    above, below = np.asarray(above, float), np.asarray(below, float)
    n = len(above) if n is None else n
    total = float(below.sum())
    if not total:
        return Figure(None, None, None, n)
    names, codes = np.unique(np.asarray(photos, dtype=str), return_inverse=True)
    sums = np.stack([np.bincount(codes, weights=side, minlength=len(names)) for side in (above, below)])
    drawn_above, drawn_below = sums @ _draws(len(names), seed).T
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = np.where(drawn_below > 0, drawn_above / drawn_below, np.nan)
    return Figure(float(above.sum()) / total, *_limits(drawn, len(names)), n)


def interval_of(
    statistic: Callable[[np.ndarray], float], photos: Sequence[str], seed: int, n: int | None = None
) -> Figure:
    """Any statistic of rows, with its interval.

    Args:
        statistic: given the numbers of rows (some of them twice or more), returns a value, NaN where there is none.
        photos: of each row.
    """
    names, codes = np.unique(np.asarray(photos, dtype=str), return_inverse=True)
    rows = np.arange(len(codes))
    n = len(rows) if n is None else n
    value = statistic(rows) if len(rows) else float("nan")
    if not np.isfinite(value):
        return Figure(None, None, None, n)
    drawn = np.array([statistic(np.repeat(rows, counts[codes])) for counts in _draws(len(names), seed)])
    return Figure(float(value), *_limits(drawn, len(names)), n)


def plain(value: float, n: int) -> Figure:
    """A number without an interval."""
    return Figure(float(value) if np.isfinite(value) else None, None, None, n)


def _limits(drawn: np.ndarray, n_photos: int) -> tuple[float | None, float | None]:
    known = drawn[np.isfinite(drawn)]
    if n_photos < 2 or not len(known):
        return None, None
    low, high = np.quantile(known, LEVELS)
    return float(low), float(high)


@lru_cache(maxsize=64)
def _draws(n_photos: int, seed: int) -> np.ndarray:
    """How often each photo is drawn: shape (N_DRAWS, n_photos). The percentile bootstrap (Efron, 1979)."""
    share = np.full(n_photos, 1 / n_photos)
    return np.random.default_rng(seed).multinomial(n_photos, share, size=N_DRAWS)
