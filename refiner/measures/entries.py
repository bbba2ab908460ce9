"""One measured number with its interval, and the intervals: over photos, as edits of one photo are alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from scipy.stats import beta, norm, t

N_DRAWS = 1000  # 95 % limits then vary by about a twentieth of the interval's width from seed to seed
FEWEST_CLUSTERS = 5
LEVELS = (0.025, 0.975)
# Names in rows; what only shows them needs no agent.
ALL = "all"
THE_RUN = "this run"
PEOPLE, ORACLE, VOTERS = "people", "what was really broken", "people's blind choice"
MAP_MEASURES = ("cc", "sim", "kld", "nss", "auc_judd", "pixel_ap")
FLAWED, CLEAN = "flawed edits", "clean edits"
TRIED, KEPT = "repairs that were tried", "repairs that were kept"
VERDICTS = ("improved", "harmed", "unchanged")


@dataclass(frozen=True, slots=True)
class Sampling:
    """How intervals are drawn.

    Attributes:
        cluster: photo → what it is a sample of, such as a scene that many photos are crops of: these are drawn
            together. A photo that is not there is drawn alone.
    """

    seed: int = 0
    cluster: Mapping[str, str] = field(default_factory=dict)

    def codes(self, photos: Sequence[str]) -> tuple[np.ndarray, int]:
        """The number of each row's cluster, and how many clusters there are."""
        names, codes = np.unique([self.cluster.get(one, one) for one in photos], return_inverse=True)
        return codes, len(names)


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


def mean_of(values: Sequence[float] | np.ndarray, photos: Sequence[str], sampling: Sampling) -> Figure:
    """The mean of the values that are not NaN, by photo of each value."""
    array = np.asarray(values, float)
    known = np.isfinite(array)
    kept = [photo for photo, keep in zip(photos, known, strict=True) if keep]
    return ratio_of(array[known], np.ones(int(known.sum())), kept, sampling)


def share_of(values: Sequence[bool], photos: Sequence[str], sampling: Sampling) -> Figure:
    """The share of True, with the exact interval (Clopper and Pearson) of as many independent edits as they are worth.

    Drawing photos again would give shares near 0 or 1 intervals that are too narrow, and none of 30 no interval at all.

    Source:
        Korn and Graubard, Survey Methodology 24(2), 1998: n / design effect, corrected for few clusters by Student's t.
        Where all values are alike, the design effect is not known: then it is as many as there are clusters.
    """
    right = np.asarray(values, float)
    n = len(right)
    if not n:
        return Figure(None, None, None, 0)
    codes, n_clusters = sampling.codes(photos)
    share = float(right.mean())
    if n_clusters < 2:
        return Figure(share, None, None, n)
    worth = float(n_clusters)
    if 0 < share < 1:
        beyond = np.bincount(codes, weights=right - share)
        between = n_clusters / (n_clusters - 1) * float(beyond @ beyond)
        effect = max(1.0, between * (n - 1) / (n * n * share * (1 - share)))
        worth = n / effect * float(t.ppf(LEVELS[1], n - 1) / t.ppf(LEVELS[1], n_clusters - 1)) ** 2
    low = float(beta.ppf(LEVELS[0], share * worth, (1 - share) * worth + 1)) if share > 0 else 0.0
    high = float(beta.ppf(LEVELS[1], share * worth + 1, (1 - share) * worth)) if share < 1 else 1.0
    return Figure(share, low, high, n)


def ratio_of(
    above: np.ndarray, below: np.ndarray, photos: Sequence[str], sampling: Sampling, n: int | None = None
) -> Figure:
    """Σ above / Σ below, such as F1, with its interval.

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
    codes, n_clusters = sampling.codes(photos)
    sums = np.stack([np.bincount(codes, weights=side, minlength=n_clusters) for side in (above, below)])
    drawn_above, drawn_below = sums @ _draws(n_clusters, sampling.seed).T
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = np.where(drawn_below > 0, drawn_above / drawn_below, np.nan)
    return Figure(float(above.sum()) / total, *_limits(float(above.sum()) / total, drawn, n_clusters), n)


def interval_of(statistic: Callable[[np.ndarray], float], photos: Sequence[str], sampling: Sampling) -> Figure:
    """Any statistic of rows, with its interval.

    Args:
        statistic: given the numbers of rows (some of them twice or more), returns a value, NaN where there is none.
        photos: of each row.
    """
    rows = np.arange(len(photos))
    value = statistic(rows) if len(rows) else float("nan")
    if not np.isfinite(value):
        return Figure(None, None, None, len(rows))
    codes, n_clusters = sampling.codes(photos)
    drawn = np.array([statistic(np.repeat(rows, counts[codes])) for counts in _draws(n_clusters, sampling.seed)])
    return Figure(float(value), *_limits(float(value), drawn, n_clusters), len(rows))


def plain(value: float, n: int) -> Figure:
    """A number without an interval."""
    return Figure(float(value) if np.isfinite(value) else None, None, None, n)


def _limits(value: float, drawn: np.ndarray, n_clusters: int) -> tuple[float | None, float | None]:
    """Percentile limits, widened for few clusters by Student's t and by what the draws' variance is too small; none
    below `FEWEST_CLUSTERS`, where they would be a guess."""
    known = drawn[np.isfinite(drawn)]
    if n_clusters < FEWEST_CLUSTERS or not len(known):
        return None, None
    low, high = np.quantile(known, LEVELS)
    widened = float(t.ppf(LEVELS[1], n_clusters - 1) / norm.ppf(LEVELS[1])) * (n_clusters / (n_clusters - 1)) ** 0.5
    return value - widened * (value - float(low)), value + widened * (float(high) - value)


@lru_cache(maxsize=64)
def _draws(n_clusters: int, seed: int) -> np.ndarray:
    """How often each is drawn: shape (N_DRAWS, n_clusters). The percentile bootstrap (Efron, 1979)."""
    share = np.full(n_clusters, 1 / n_clusters)
    return np.random.default_rng(seed).multinomial(n_clusters, share, size=N_DRAWS)
