"""How far ratings can be relied on: intraclass correlation, Fleiss' kappa, Kendall's W and split halves.

A matrix is subjects × stimuli, NaN where somebody did not rate. Measures that allow no gap use a complete block of it
and say how large it was; where everybody rated only some stimuli, Krippendorff's alpha uses all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.stats import chi2, f, rankdata

from editfhf.errors import BadInput

FORMS = ("ICC(1,1)", "ICC(A,1)", "ICC(C,1)", "ICC(1,k)", "ICC(A,k)", "ICC(C,k)")
ROUNDING = 1e-12  # share of the largest rating
TAIL = 0.025  # of each side of a 95 % interval
NAN = float("nan")


@dataclass(frozen=True)
class Icc:
    """One form of the intraclass correlation; all but the last two NaN where nothing can be said.

    Attributes:
        value: at most 1; below 0 where people agree less than by chance.
        low, high: the 95 % interval, of ratings that are normal.
        f, freedom, p: of the test that the value is 0: F, its two degrees of freedom, one-sided probability.
        stimuli, people: of the complete block that was used.
    """

    value: float
    low: float
    high: float
    f: float
    freedom: tuple[float, float]
    p: float
    stimuli: int
    people: int


class Concordance(NamedTuple):
    """Kendall's W (0..1), its chi-square with `freedom` degrees and probability, and the block that was used."""

    w: float
    chi2: float
    freedom: int
    p: float
    stimuli: int
    people: int


class SplitHalf(NamedTuple):
    """Means over the random halves.

    Attributes:
        srcc: Spearman's ρ of the means of one half of the people with those of the other.
        spearman_brown: what that says of the means of all people: 2ρ / (1 + ρ).
        low, high: between which 95 % of the halvings lie, of `spearman_brown`. No interval over other stimuli.
        stimuli: that both halves rated, on average.
    """

    srcc: float
    spearman_brown: float
    low: float
    high: float
    stimuli: float


def icc(matrix: np.ndarray) -> dict[str, Icc]:
    """The six intraclass correlations of McGraw and Wong.

    Gaps: `complete_block` is used.

    Args:
        matrix: subjects × stimuli, finite or NaN.

    Returns:
        ICC(1,1): people not told apart; ICC(A,1): absolute agreement, a person's bias counts as error; ICC(C,1):
        consistency, it does not; each of one person's ratings, and with k of the mean of all k people's.

    Raises:
        BadInput: not two axes, or an infinite value.

    Source:
        McGraw and Wong, Psychological Methods 1(1), 1996, tables 4 and 7 (Shrout and Fleiss 1979: (1,1), (2,1), (3,1)).
        F of the A forms tests against 0, as that of the C forms.

    Example:
        >>> judges = np.array([[9, 6, 8, 7, 10, 6], [2, 1, 4, 1, 5, 2], [5, 3, 6, 2, 6, 4], [8, 2, 8, 6, 9, 7.0]])
        >>> {form: round(one.value, 2) for form, one in icc(judges).items()}["ICC(A,k)"]
        0.62
    """
    ratings = complete_block(matrix).T
    n, k = ratings.shape
    if n < 2 or k < 2:
        return dict.fromkeys(FORMS, Icc(NAN, NAN, NAN, NAN, (NAN, NAN), NAN, n, k))
    mean = ratings.mean()
    of_stimuli, of_people = ratings.mean(axis=1), ratings.mean(axis=0)
    between = k * float(((of_stimuli - mean) ** 2).sum()) / (n - 1)
    people = n * float(((of_people - mean) ** 2).sum()) / (k - 1)
    within = float(((ratings - of_stimuli[:, None]) ** 2).sum()) / (n * (k - 1))
    rest = ratings - of_stimuli[:, None] - of_people + mean
    error = float((rest**2).sum()) / ((n - 1) * (k - 1))
    rounding = (ROUNDING * float(np.abs(ratings).max())) ** 2  # of equal ratings no more than this is left
    between, people, within, error = (0.0 if one <= rounding else one for one in (between, people, within, error))

    with np.errstate(divide="ignore", invalid="ignore"):
        one_way = _consistency(np.float64(between), np.float64(within), n - 1, n * (k - 1), n, k)
        two_way = _consistency(np.float64(between), np.float64(error), n - 1, (n - 1) * (k - 1), n, k)
        absolute = _absolute(np.float64(between), np.float64(people), np.float64(error), n, k, two_way[0])
    found = (one_way[0], absolute, two_way[0], one_way[1], _of_mean(absolute, k), two_way[1])
    return dict(zip(FORMS, found, strict=True))


def complete_block(matrix: np.ndarray) -> np.ndarray:
    """Subjects and stimuli without a gap: of the people who rated most, as many as make people × stimuli largest.

    Raises:
        BadInput: not two axes, or an infinite value.
    """
    ratings = np.asarray(matrix, dtype=float)
    if ratings.ndim != 2:
        raise BadInput("Ratings are a matrix of subjects and stimuli.", mend=f"This one has {ratings.ndim} axes.")
    if np.isinf(ratings).any():
        raise BadInput("A rating is infinite.", mend="Use finite values.")
    rated = ~np.isnan(ratings)
    order = np.argsort(-rated.sum(axis=1), kind="stable")
    common = np.logical_and.accumulate(rated[order], axis=0)
    shared = common.sum(axis=1)
    sizes = np.where((np.arange(len(order)) > 0) & (shared > 1), shared * np.arange(1, len(order) + 1), 0)
    if not sizes.size or not sizes.max():
        return np.empty((0, 0))
    last = len(sizes) - 1 - int(np.argmax(sizes[::-1]))  # more people where it is even
    return ratings[np.sort(order[: last + 1])][:, common[last]]


def fleiss_kappa(matrix: np.ndarray) -> float:
    """Fleiss' kappa of nominal ratings; who answered what plays no part, only how often each answer was given.

    Args:
        matrix: subjects × stimuli; any numbers as labels, NaN for a gap. Stimuli with one rating tell nothing. Where
            stimuli have different numbers of ratings, each counts once in the agreement, and ratings count once in the
            shares of the labels (Fleiss knows equal numbers only).

    Returns:
        At most 1; 0: as by chance. NaN where no stimulus has two ratings or all have one label.

    Source:
        J. L. Fleiss, Psychological Bulletin 76(5), 1971.
    """
    ratings = np.asarray(matrix, dtype=float)
    if ratings.ndim != 2:
        raise BadInput("Ratings are a matrix of subjects and stimuli.", mend=f"This one has {ratings.ndim} axes.")
    ratings = ratings[:, (~np.isnan(ratings)).sum(axis=0) > 1]
    _, stimuli = np.nonzero(~np.isnan(ratings))
    labels, place = np.unique(ratings[~np.isnan(ratings)], return_inverse=True)
    if len(labels) < 2:
        return NAN
    counts = np.zeros((ratings.shape[1], len(labels)))
    np.add.at(counts, (stimuli, place), 1)
    n = counts.sum(axis=1)
    agreement = float(((counts * (counts - 1)).sum(axis=1) / (n * (n - 1))).mean())
    by_chance = float(((counts.sum(axis=0) / counts.sum()) ** 2).sum())
    return (agreement - by_chance) / (1 - by_chance)


def kendall_w(matrix: np.ndarray) -> Concordance:
    """Kendall's coefficient of concordance: how far people order the stimuli alike; corrected for ties.

    Gaps: `complete_block` is used. A person who gave one grade to all orders nothing, and counts as disagreeing.

    Returns:
        W in 0..1 (NaN where nobody tells two stimuli apart); chi-square of the test that people order by chance, good
        from about seven stimuli on.

    Source:
        Kendall and Babington Smith 1939; ties: Siegel and Castellan, Nonparametric Statistics, 1988, 9.3.
    """
    ratings = complete_block(matrix)
    m, n = ratings.shape
    if m < 2 or n < 2:
        return Concordance(NAN, NAN, 0, NAN, n, m)
    ranks = rankdata(ratings, axis=1)
    sums = ranks.sum(axis=0)
    spread = 12 * float(((sums - sums.mean()) ** 2).sum())
    ties = sum(float((counts**3 - counts).sum()) for counts in (np.unique(row, return_counts=True)[1] for row in ranks))
    largest = m**2 * (n**3 - n) - m * ties
    if largest <= 0:
        return Concordance(NAN, NAN, n - 1, NAN, n, m)
    w = min(spread / largest, 1.0)
    statistic = m * (n - 1) * w
    return Concordance(w, statistic, n - 1, float(chi2.sf(statistic, n - 1)), n, m)


def split_half(matrix: np.ndarray, draws: int = 100, seed: int = 0) -> SplitHalf:
    """Rank correlation of the mean scores that random halves of the people give, stepped up to all people.

    People are halved, not ratings: a person's taste stays in one half. Gaps are allowed; a stimulus counts in a halving
    where both halves rated it.

    Args:
        matrix: subjects × stimuli, NaN for a gap.
        draws: halvings.

    Returns:
        NaN where no halving leaves three stimuli, or the means of a half are all the same.

    Source:
        Spearman 1910, Brown 1910.
    """
    ratings = np.asarray(matrix, dtype=float)
    if ratings.ndim != 2:
        raise BadInput("Ratings are a matrix of subjects and stimuli.", mend=f"This one has {ratings.ndim} axes.")
    rated = ~np.isnan(ratings)
    scores = np.where(rated, ratings, 0.0)
    rng = np.random.default_rng(seed)
    in_first = rng.permuted(np.tile(np.arange(len(ratings)) < len(ratings) // 2, (draws, 1)), axis=1).astype(float)
    halves = []
    for part in (in_first, 1 - in_first):
        with np.errstate(divide="ignore", invalid="ignore"):
            halves.append((part @ scores) / (part @ rated.astype(float)))
    found, used = [], []
    for one, other in zip(*halves, strict=True):
        both = ~np.isnan(one) & ~np.isnan(other)
        if both.sum() > 2 and (rho := _rank_correlation(one[both], other[both])) is not None:
            found.append(rho)
            used.append(int(both.sum()))
    if not found:
        return SplitHalf(NAN, NAN, NAN, NAN, 0.0)
    srcc = np.array(found)
    stepped = 2 * srcc / (1 + np.abs(srcc))  # a negative one is not stepped up beyond −1
    low, high = np.percentile(stepped, [100 * TAIL, 100 * (1 - TAIL)])
    return SplitHalf(float(srcc.mean()), float(stepped.mean()), float(low), float(high), float(np.mean(used)))


def _rank_correlation(one: np.ndarray, other: np.ndarray) -> float | None:
    one, other = rankdata(one), rankdata(other)
    if one.std() == 0 or other.std() == 0:
        return None
    return float(np.corrcoef(one, other)[0, 1])


def _consistency(between: np.float64, error: np.float64, df1: int, df2: int, n: int, k: int) -> tuple[Icc, Icc]:
    """Of one rating and of the mean of k, where people's biases do not count (or are not told from error)."""
    ratio = between / error
    low, high = ratio / f.ppf(1 - TAIL, df1, df2), ratio * f.ppf(1 - TAIL, df2, df1)
    p = float(f.sf(ratio, df1, df2))
    single = [_at_one(one, lambda r: (r - 1) / (r + k - 1)) for one in (ratio, low, high)]
    mean = [_at_one(one, lambda r: 1 - 1 / r) for one in (ratio, low, high)]
    test = (float(ratio), (float(df1), float(df2)), p, n, k)
    return Icc(single[0], single[1], single[2], *test), Icc(mean[0], mean[1], mean[2], *test)


def _at_one(ratio: np.float64, value: Callable[[np.float64], np.float64]) -> float:
    """1 where there is no error at all."""
    return 1.0 if np.isposinf(ratio) else float(value(ratio))


def _absolute(between: np.float64, people: np.float64, error: np.float64, n: int, k: int, test: Icc) -> Icc:
    rho = (between - error) / (between + (k - 1) * error + k * (people - error) / n)
    a = k * rho / (n * (1 - rho))
    b = 1 + k * rho * (n - 1) / (n * (1 - rho))
    v = (a * people + b * error) ** 2 / ((a * people) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1)))
    rest = k * people + (k * n - k - n) * error
    f_low, f_high = f.ppf(1 - TAIL, n - 1, v), f.ppf(1 - TAIL, v, n - 1)
    low = n * (between - f_low * error) / (f_low * rest + n * between)
    high = n * (f_high * between - error) / (rest + n * f_high * between)
    if rho == 1:
        low = high = np.float64(1)
    return Icc(float(rho), float(low), float(high), test.f, test.freedom, test.p, n, k)


def _of_mean(single: Icc, k: int) -> Icc:
    ones = (single.value, single.low, single.high)
    value, low, high = (k * one / (1 + (k - 1) * one) if 1 + (k - 1) * one > 0 else NAN for one in ones)
    return Icc(value, low, high, single.f, single.freedom, single.p, single.stimuli, single.people)
