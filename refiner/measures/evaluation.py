"""How well scores agree with people's, beside what one person's agree with the others'."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.stats import rankdata

import editfhf
from analysis.correlation import MIN_SCORES, correlation_report, pairwise_accuracy
from editfhf.schema import DIMENSIONS
from refiner import baselines
from refiner.agents import Pair, Scores
from refiner.data import Sample
from refiner.judge import Values
from refiner.measures.entries import (
    ALL,
    PEOPLE,
    THE_RUN,
    Entry,
    Figure,
    Sampling,
    interval_of,
    plain,
    ratio_of,
    share_of,
)

ONE_PERSON = "one person (ceiling)"
BASELINES: Mapping[str, Callable[[Pair], float]] = {
    "PSNR": baselines.psnr,
    "SSIM": baselines.ssim,
    "feature distance (lite0, not LPIPS)": baselines.feature_distance,
}
FEWEST_RATED = 8  # edits: a person with fewer counts together with the others who have so few
WITHIN = 1.96  # standard deviations: 95 % of a normal distribution


@dataclass(frozen=True, slots=True)
class _Row:
    """One prediction: of whom, of which edit, and what people say."""

    photo: str
    group: str
    model: str
    method: str
    dimension: str
    predicted: float
    told: float
    person: str = ""


@dataclass
class EvaluationMeasures:
    """Collects edit by edit; `entries` sums up."""

    sampling: Sampling = field(default_factory=Sampling)
    _rows: list[_Row] = field(default_factory=list)
    _covered: list[tuple[str, str, bool]] = field(default_factory=list)  # photo, dimension, within

    def add(self, sample: Sample, pair: Pair, scores: Scores | None, others: Mapping[str, Values | None]) -> None:
        """One edit.

        Args:
            scores: of the run; None where it was trained without.
            others: judge → its scores; None where it would not judge.
        """
        said: dict[str, Values] = {} if scores is None else {THE_RUN: dict(scores.values)}
        said |= {name: dict.fromkeys(DIMENSIONS, measure(pair)) for name, measure in BASELINES.items()}
        said |= {name: values for name, values in others.items() if values is not None}
        for name in DIMENSIONS:
            told = sample.scores[name]
            assert told is not None  # `read_samples` gives judged edits only
            for method, values in said.items():
                row = _Row(sample.source_id, sample.group, sample.model, method, name, values[name], told)
                self._rows.append(row)
            if scores is not None:
                within = abs(told - scores.values[name]) <= WITHIN * scores.std[name]
                self._covered.append((sample.source_id, name, within))

    def add_people(self, ratings: pd.DataFrame, samples: Sequence[Sample]) -> None:
        """The ceiling: each rater left out in turn, against the mean of the others. `ratings`: `ratings_of`."""
        of = {sample.edit_id: sample for sample in samples}
        some = ratings[ratings["edit_id"].isin(list(of))]
        for row in left_out(some).itertuples():
            sample = of[str(row.edit_id)]
            self._rows.append(
                _Row(
                    sample.source_id,
                    sample.group,
                    sample.model,
                    ONE_PERSON,
                    str(row.dimension),
                    float(row.score),  # type: ignore[arg-type]
                    float(row.others),  # type: ignore[arg-type]
                    str(row.annotator),
                )
            )

    def entries(self) -> list[Entry]:
        """Correlations overall and by model, pairs within one photo and task, and whether the uncertainty is true."""
        entries: list[Entry] = []
        for method in dict.fromkeys(row.method for row in self._rows):
            for dimension in DIMENSIONS:
                rows = [row for row in self._rows if (row.method, row.dimension) == (method, dimension)]
                entries += self._of_rows(method, dimension, rows)
        for dimension in DIMENSIONS:
            some = [row for row in self._covered if row[1] == dimension]
            figure = share_of([row[2] for row in some], [row[0] for row in some], self.sampling)
            entries.append(Entry("evaluation", dimension, THE_RUN, PEOPLE, "within_95", figure))
        return [entry for entry in entries if entry.figure.n]

    def predictions(self) -> dict[str, list[tuple[float, float]]]:
        """Dimension → (predicted by the run, told by people) of each edit."""
        return {
            name: [(row.predicted, row.told) for row in self._rows if (row.dimension, row.method) == (name, THE_RUN)]
            for name in DIMENSIONS
        }

    def _of_rows(self, method: str, dimension: str, rows: Sequence[_Row]) -> list[Entry]:
        def entry(measure: str, figure: Figure, group: str = ALL, headline: bool = False) -> Entry:
            return Entry("evaluation", dimension, method, PEOPLE, measure, figure, group, headline)

        table = _Table.of(rows)
        photos = [row.photo for row in rows]
        entries = [entry("srcc", interval_of(table.srcc, photos, self.sampling), headline=True)]
        report = table.report(np.arange(len(rows)))
        entries += [entry(name, plain(report[name], len(rows))) for name in ("krcc", "plcc", "rmse")]
        right, counted = table.pairs()
        figure = ratio_of(right, counted, list(table.photos_of_pairs), self.sampling, int(counted.sum()))
        entries.append(entry("pairwise_accuracy", figure, headline=True))
        for model in sorted({row.model for row in rows}):
            of_model = np.array([number for number, row in enumerate(rows) if row.model == model])
            report = table.report(of_model)
            entries += [entry(name, plain(report[name], len(of_model)), model) for name in report]
        return entries


@dataclass
class _Table:
    """Predictions of one method in one dimension, as arrays. `people`: a number for each person who predicted."""

    predicted: np.ndarray
    told: np.ndarray
    people: np.ndarray
    pair_groups: list[tuple[str, str]]
    photos: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[_Row]) -> "_Table":
        people = np.array([row.person for row in rows])
        found, codes, counts = np.unique(people, return_inverse=True, return_counts=True)
        if len(found) > 1:  # those who rated too little to be correlated alone count as one
            few = counts < FEWEST_RATED
            codes = np.where(few[codes], -1, codes)
        return cls(
            np.array([row.predicted for row in rows]),
            np.array([row.told for row in rows]),
            codes,
            [(row.person, row.group) for row in rows],
            np.array([row.photo for row in rows]),
        )

    def srcc(self, rows: np.ndarray) -> float:
        """Spearman's ρ; of people the mean over them, by how many edits each rated."""
        total, weight = 0.0, 0
        people = self.people[rows]
        for person in np.unique(people):
            some = rows[people == person]
            if len(some) < MIN_SCORES:
                continue
            x, y = rankdata(self.predicted[some]), rankdata(self.told[some])
            x, y = x - x.mean(), y - y.mean()
            scale = float(np.sqrt((x @ x) * (y @ y)))
            if scale:
                total, weight = total + len(some) * float(x @ y) / scale, weight + len(some)
        return total / weight if weight else float("nan")

    def report(self, rows: np.ndarray) -> dict[str, float]:
        """`correlation_report`, of people the mean over them, by how many edits each rated."""
        reports, weights = [], []
        for person in np.unique(self.people[rows]):
            some = rows[self.people[rows] == person]
            if len(some) >= MIN_SCORES:
                report = correlation_report(self.predicted[some], self.told[some])
                if np.isfinite(report["srcc"]):
                    reports.append(report)
                    weights.append(len(some))
        names = ("srcc", "krcc", "plcc", "rmse")
        if not reports:
            return dict.fromkeys(names, float("nan"))
        return {name: float(np.average([one[name] for one in reports], weights=weights)) for name in names}

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """By photo (`photos_of_pairs`): pairs of one photo and task in the right order, and pairs that count."""
        right, counted = [], []
        for photo in self.photos_of_pairs:
            (rows,) = np.nonzero(self.photos == photo)
            groups = [self.pair_groups[row] for row in rows]
            told = self.told[rows]
            n = sum(1 for i in range(len(rows)) for j in range(i) if groups[i] == groups[j] and told[i] != told[j])
            accuracy = pairwise_accuracy(self.predicted[rows], told, groups) if n else 0.0
            right.append(accuracy * n)
            counted.append(n)
        return np.array(right, float), np.array(counted, float)

    @property
    def photos_of_pairs(self) -> np.ndarray:
        return np.unique(self.photos)


def ratings_of(dataset: str, split: str = "test") -> pd.DataFrame:
    """People's ratings of a split: edit_id, annotator, dimension, score (0..100), one row for each of the three.

    Screened ones and attention checks are left out; a person's repeats are averaged. Empty where the dataset has none.
    """
    columns = ["edit_id", "annotator", "dimension", "score"]
    wanted = [*columns, "scale_min", "scale_max", "check", "screened"]
    tables = editfhf.load(dataset, "ratings")
    if split not in tables:
        return pd.DataFrame(columns=columns)
    table = tables[split].select_columns(wanted).to_pandas()
    table = table[~table["check"].astype(bool) & ~table["screened"].astype(bool)]
    span = table["scale_max"] - table["scale_min"]
    table["score"] = 100 * (table["score"] - table["scale_min"]) / span
    return table.groupby(columns[:3], as_index=False, observed=True)["score"].mean()


def left_out(ratings: pd.DataFrame) -> pd.DataFrame:
    """Each rating beside `others`: the mean of the other people's of that edit and dimension; those alone left out."""
    groups = ratings.groupby(["edit_id", "dimension"])["score"]
    n, total = groups.transform("size"), groups.transform("sum")
    with_others = ratings[n > 1].copy()
    with_others["others"] = (total - ratings["score"])[n > 1] / (n[n > 1] - 1)
    return with_others
