"""What a person's ratings say of how the person works: agreement, consistency, bias, straight-lining."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from annotation.intervals import CONFIDENCE, consistency_interval, correlation_interval

STEPS = 10  # grades on a scale of 0 to 100 that lie within a tenth of it count as the same
ROUNDS = 2  # of: people's bias out of the scores of edits, and scores of edits out of people's bias
LEAST_WEIGHT = 0.05  # of a person who agrees with nobody, in what counts as the others' opinion
TO_SIGMA = 1.4826  # the median absolute deviation of a normal distribution, to its standard deviation


@dataclass(frozen=True)
class Grades:
    """First ratings as arrays of one length, a row for each; all codes are from 0.

    Attributes:
        person, edit, dimension, stimulus (edit and dimension): codes.
        points: the score on 0..100 of its scale.
        counts: whether it may count as an opinion of "the others" (the person was not set aside).
        n_people, n_stimuli, n_dimensions: how many codes there are.
    """

    person: np.ndarray
    edit: np.ndarray
    dimension: np.ndarray
    stimulus: np.ndarray
    points: np.ndarray
    counts: np.ndarray
    n_people: int
    n_stimuli: int
    n_dimensions: int

    @property
    def cell(self) -> np.ndarray:
        """A code for person and dimension."""
        return self.person * self.n_dimensions + self.dimension


def rating_evidence(ratings: pd.DataFrame, people: pd.Index) -> pd.DataFrame:
    """A row for each of `people`, in their order.

    Args:
        ratings: columns of the record `Rating`; rows with `check` are left out.
        people: every annotator in `ratings`, and perhaps more.

    Returns:
        columns n_ratings (first ratings), n_edits;
        agreement (mean over the dimensions of the rank correlation with the weighted mean of the others on the same
        edits; 0 where the person gives one grade to what others tell apart), agreement_low, agreement_high;
        best_agreement and worst_agreement (of the dimensions, those with the highest lower and the lowest upper limit),
        each with _low and _high, and worst_dimension (its name; "" where there is none);
        bias and inconsistency (points of 0..100: median, and robust standard deviation, of the differences from what
        others give; inconsistency is about the person's own bias in each dimension), each with _low and _high;
        n_repeats (edits), consistency (1: says the same again, 0: unrelated to what was said before), _low, _high;
        one_grade (share of the grade given most often), one_grade_others (how often others give that grade to the
        same edits), entropy (bits), longest_run (the same grade in one dimension, one edit after another).
        NaN where nothing is known.
    """
    counted = ratings[~ratings["check"].astype(bool)]
    first = counted[~counted["repeat"].astype(bool)].drop_duplicates(["annotator", "edit_id", "dimension"])
    grades = _grades(first, people)
    result = pd.DataFrame(index=people)
    result["n_ratings"] = np.bincount(grades.person, minlength=len(people))
    pairs = pd.DataFrame({"person": grades.person, "edit": grades.edit}).drop_duplicates()
    result["n_edits"] = np.bincount(pairs["person"], minlength=len(people))
    bias = _biases(grades)
    weight: np.ndarray = np.ones(len(people))
    for _ in range(ROUNDS):  # who agrees with the others counts more among the others
        others = _others(grades, bias, weight)
        shared = _influences(grades, others)
        agreement, error = _agreement(grades, shared)
        weight = np.clip(np.nan_to_num(agreement, nan=LEAST_WEIGHT), LEAST_WEIGHT, 1) ** 2
    low, high = correlation_interval(agreement, error, result["n_edits"].to_numpy())
    result["agreement"], result["agreement_low"], result["agreement_high"] = agreement, low, high
    result = result.join(_best_and_worst(grades, shared, first, people))
    result = result.join(_bias_and_inconsistency(grades, others, people))
    result = result.join(_consistency(counted, first, people))
    result = result.join(_one_grade(grades, people))
    result["longest_run"] = _longest_run(first, people)
    return result


def _points(ratings: pd.DataFrame) -> np.ndarray:
    low, high = ratings["scale_min"].to_numpy(float), ratings["scale_max"].to_numpy(float)
    return 100 * (ratings["score"].to_numpy(float) - low) / (high - low)


def _grades(first: pd.DataFrame, people: pd.Index) -> Grades:
    edit, _ = pd.factorize(first["edit_id"])
    dimension, dimensions = pd.factorize(first["dimension"])
    stimulus, stimuli = pd.factorize(edit * max(1, len(dimensions)) + dimension)
    return Grades(
        people.get_indexer(pd.Index(first["annotator"])), edit, dimension, stimulus, _points(first),
        ~first["screened"].to_numpy(bool), len(people), len(stimuli), len(dimensions),
    )  # fmt: skip


def _biases(grades: Grades) -> np.ndarray:
    """For each row, the bias of its person in its dimension: medians, so that some mad grades do not move it."""
    bias = np.zeros(len(grades.points))
    for _ in range(ROUNDS):
        opinion = _others(grades, bias, np.ones(grades.n_people))
        difference = pd.Series(grades.points - opinion)
        bias = np.nan_to_num(difference.groupby(grades.cell).transform("median").to_numpy())
    return bias


def _others(grades: Grades, bias: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """For each row, the weighted mean of the others' scores of the same stimulus; NaN where nobody else rated it."""
    w = weight[grades.person] * grades.counts
    x = grades.points - bias
    total = np.bincount(grades.stimulus, w * x, grades.n_stimuli)[grades.stimulus] - w * x
    of = np.bincount(grades.stimulus, w, grades.n_stimuli)[grades.stimulus] - w
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(of > 1e-9, total / of, np.nan)


@dataclass(frozen=True)
class _Shared:
    """Rank correlations with the others.

    Attributes:
        r, n: of each cell (person and dimension), and over how many edits; 0 where the person tells nothing apart.
        told_apart: whether the others tell these edits apart.
        cell, edit, influence: of each rating that somebody else's stand beside, on the cell's correlation (Devlin,
            Gnanadesikan & Kettenring, Biometrika 1975).
    """

    r: np.ndarray
    n: np.ndarray
    told_apart: np.ndarray
    cell: np.ndarray
    edit: np.ndarray
    influence: np.ndarray


def _influences(grades: Grades, others: np.ndarray) -> _Shared:
    known = np.isfinite(others)
    cell = grades.cell[known]
    n_cells = grades.n_people * max(1, grades.n_dimensions)
    n = np.bincount(cell, minlength=n_cells).astype(float)
    own = _standard_ranks(grades.points[known], cell, n)
    theirs = _standard_ranks(others[known], cell, n)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.nan_to_num(np.bincount(cell, own * theirs, n_cells) / n)
    told_apart = np.bincount(cell, theirs**2, n_cells) > 0
    influence = own * theirs - r[cell] * (own**2 + theirs**2) / 2
    return _Shared(r, n, told_apart, cell, grades.edit[known], influence)


def _agreement(grades: Grades, shared: _Shared) -> tuple[np.ndarray, np.ndarray]:
    """Rank correlation with the others and its standard error, for each person.

    The error is from the influence of each edit, summed over its dimensions: what one thinks of an edit in one
    dimension tells of the others.
    """
    of_person = np.arange(len(shared.r)) // max(1, grades.n_dimensions)
    weight = np.where(shared.told_apart, shared.n, 0.0)
    total = np.bincount(of_person, weight, grades.n_people)
    with np.errstate(invalid="ignore", divide="ignore"):
        agreement = np.bincount(of_person, weight * shared.r, grades.n_people) / total
    table = pd.DataFrame({"person": of_person[shared.cell], "edit": shared.edit, "influence": shared.influence})
    by_edit = table.groupby(["person", "edit"], sort=True)["influence"].sum()
    squares = np.bincount(by_edit.index.get_level_values("person"), by_edit.to_numpy() ** 2, grades.n_people)
    edits = np.bincount(by_edit.index.get_level_values("person"), minlength=grades.n_people)
    return agreement, _error(squares, edits, total)


def _error(squares: np.ndarray, edits: np.ndarray, total: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.sqrt(squares * edits / np.maximum(edits - 1, 1)) / total
        # One grade for everything has no influence; the error of no relation at all is then the honest one.
        return np.where(squares > 0, error, 1 / np.sqrt(np.maximum(edits - 1, 1)))


def _best_and_worst(grades: Grades, shared: _Shared, first: pd.DataFrame, people: pd.Index) -> pd.DataFrame:
    """The dimensions in which each person surely agrees most, and least, with the others."""
    _, dimensions = pd.factorize(first["dimension"])
    shape = (len(people), max(1, grades.n_dimensions))
    squares = np.bincount(shared.cell, shared.influence**2, len(shared.r))
    low, high = correlation_interval(shared.r, _error(squares, shared.n, shared.n), shared.n)
    r, low, high = (np.where(shared.told_apart, one, np.nan).reshape(shape) for one in (shared.r, low, high))
    row = np.arange(len(people))
    result = pd.DataFrame(index=people)
    for name, place in (
        ("best", np.where(np.isnan(low), -np.inf, low).argmax(axis=1)),
        ("worst", np.where(np.isnan(high), np.inf, high).argmin(axis=1)),
    ):
        result[f"{name}_agreement"] = r[row, place]
        result[f"{name}_agreement_low"], result[f"{name}_agreement_high"] = low[row, place], high[row, place]
    names = np.array([*dimensions, ""], object)
    result["worst_dimension"] = names[np.where(np.isnan(r[row, place]), -1, place)]
    return result


def _standard_ranks(values: np.ndarray, group: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Ranks within each group, of mean 0 and variance 1; zeros in a group of equal values."""
    ranks = pd.Series(np.round(values, 9)).groupby(group).rank().to_numpy()
    centred = ranks - (n[group] + 1) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt(np.bincount(group, centred**2, len(n)) / n)
        return np.where(spread[group] > 0, centred / spread[group], 0.0)


def _bias_and_inconsistency(grades: Grades, others: np.ndarray, people: pd.Index) -> pd.DataFrame:
    table = pd.DataFrame({"person": grades.person, "edit": grades.edit, "cell": grades.cell})
    table = table.assign(difference=grades.points - others)[np.isfinite(others)]
    spread = (table["difference"] - table.groupby("cell")["difference"].transform("median")).abs()
    index = range(len(people))
    bias = table.groupby("person")["difference"].median().reindex(index).to_numpy()
    deviation = spread.groupby(table["person"]).median().reindex(index).to_numpy()
    sigma = TO_SIGMA * deviation
    # Standard errors, of a normal distribution: of a median 1.2533 σ/√n, of the spread by median deviation 1.167 σ/√n.
    of_bias = 1.2533 * sigma * _error_of_sign(table, table["difference"].to_numpy() - bias[table["person"]], len(index))
    of_sigma = 1.167 * sigma * _error_of_sign(table, spread.to_numpy() - deviation[table["person"]], len(index))
    reach = stats.norm.ppf((1 + CONFIDENCE) / 2)
    return pd.DataFrame(
        {
            "bias": bias, "bias_low": bias - reach * of_bias, "bias_high": bias + reach * of_bias,
            "inconsistency": sigma, "inconsistency_low": sigma - reach * of_sigma,
            "inconsistency_high": sigma + reach * of_sigma,
        },
        index=people,
    )  # fmt: skip


def _error_of_sign(table: pd.DataFrame, from_median: np.ndarray, n_people: int) -> np.ndarray:
    """What stands for 1/√n in the standard error of a median, for each person: the influence of a value on a median is
    its sign, summed over what is of one edit."""
    signs = table[["person", "edit"]].assign(sign=np.sign(from_median))
    by_edit = signs.groupby(["person", "edit"])["sign"].sum()
    person = by_edit.index.get_level_values("person").to_numpy()
    squares = np.bincount(person, by_edit.to_numpy() ** 2, n_people)
    edits = np.bincount(person, minlength=n_people)
    n = np.bincount(table["person"], minlength=n_people)
    with np.errstate(invalid="ignore", divide="ignore"):
        # Of two edits, or of equal values, there may be nothing to add up: then as of independent values.
        clustered = np.sqrt(squares * edits / (edits - 1)) / n
        return np.fmax(clustered, 1 / np.sqrt(n))


def _consistency(counted: pd.DataFrame, first: pd.DataFrame, people: pd.Index) -> pd.DataFrame:
    key = ["annotator", "edit_id", "dimension"]
    again = counted[counted["repeat"].astype(bool)]
    again = again[key].assign(again=_points(again))
    before = first[key].assign(before=_points(first))
    pairs = again.merge(before, on=key)
    spread = before.groupby(["annotator", "dimension"])["before"].var(ddof=1).rename("all").reset_index()
    pairs = pairs.merge(spread, on=["annotator", "dimension"])
    pairs["within"] = (pairs["again"] - pairs["before"]) ** 2 / 2
    sums = pairs.groupby("annotator").agg(within=("within", "sum"), of=("all", "sum"), n=("edit_id", "nunique"))
    sums = sums.reindex(people)
    n = sums["n"].fillna(0).to_numpy()
    of = sums["of"].to_numpy()
    consistency = np.where(of > 0, 1 - sums["within"].to_numpy() / np.where(of > 0, of, 1), np.nan)
    low, high = consistency_interval(consistency, np.where(np.isfinite(consistency), n, 0))
    columns = {"n_repeats": n, "consistency": consistency, "consistency_low": low, "consistency_high": high}
    return pd.DataFrame(columns, index=people)


def _one_grade(grades: Grades, people: pd.Index) -> pd.DataFrame:
    grade = np.round(np.clip(grades.points, 0, 100) / 100 * STEPS).astype(int)
    n_grades = STEPS + 1
    counts = np.bincount(grades.person * n_grades + grade, minlength=len(people) * n_grades)
    counts = counts.reshape(len(people), n_grades).astype(float)
    n = counts.sum(axis=1)
    favourite = counts.argmax(axis=1)
    # How often each grade was given to each stimulus; asked for the favourite of whoever rated it.
    given = np.bincount(grades.stimulus * n_grades + grade, grades.counts, grades.n_stimuli * n_grades)
    raters = np.bincount(grades.stimulus, grades.counts, grades.n_stimuli)
    of_row = favourite[grades.person]
    same = given[grades.stimulus * n_grades + of_row] - (grades.counts & (grade == of_row))
    others = raters[grades.stimulus] - grades.counts
    with np.errstate(invalid="ignore", divide="ignore"):
        share = counts / n[:, None]
        others_share = np.bincount(grades.person, same, len(people)) / np.bincount(grades.person, others, len(people))
        entropy = -(share * np.log2(np.where(share > 0, share, 1))).sum(axis=1)
        one_grade = counts.max(axis=1) / n
    columns = {"one_grade": one_grade, "one_grade_others": others_share, "entropy": entropy}
    return pd.DataFrame(columns, index=people)


def _longest_run(first: pd.DataFrame, people: pd.Index) -> np.ndarray:
    ordered = first.sort_values(["annotator", "dimension", "submitted_at", "position"], kind="stable")
    fresh = np.zeros(len(ordered), bool)
    for column in ("annotator", "dimension", "score"):
        values = ordered[column].to_numpy()
        fresh[1:] |= values[1:] != values[:-1]
    run = np.cumsum(fresh)
    length = pd.Series(np.bincount(run)[run] if len(run) else run, index=ordered["annotator"].to_numpy())
    return length.groupby(level=0).max().reindex(people).to_numpy()
