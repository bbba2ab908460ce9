"""How well maps agree with people's, and with what was really broken."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.saliency import auc_judd, cc, image_auroc, kld, nss, pixel_ap, sim
from editfhf.schema import REGION_KINDS
from refiner import baselines
from refiner.agents import Pair, Perceived
from refiner.data import Sample
from refiner.lite.metrics import FLAT, MARKED, shows_a_place
from refiner.measures.entries import (
    MAP_MEASURES,
    ORACLE,
    PEOPLE,
    THE_RUN,
    Entry,
    Figure,
    Sampling,
    interval_of,
    mean_of,
    share_of,
)

CEILING = "people's maps"
UNDECIDED = "the run, shown whatever its presence"  # where its maps lie, apart from whether there is anything
BASELINES: Mapping[str, Callable[[Pair], np.ndarray]] = {
    "centre prior": baselines.centre_prior,
    "|source − edited|": baselines.difference_map,
    "1 − SSIM": baselines.dissimilarity_map,
}
HEADLINES = ("cc",)


@dataclass(frozen=True, slots=True)
class _Agreement:
    photo: str
    group: str
    kind: str
    method: str
    judged_by: str
    values: dict[str, float]


@dataclass
class PerceptionMeasures:
    """Collects edit by edit; `entries` sums up."""

    sampling: Sampling = field(default_factory=Sampling)
    _agreements: list[_Agreement] = field(default_factory=list)
    _presence: list[tuple[str, str, str, float, bool]] = field(default_factory=list)  # photo, kind, method, score, told
    _clean: list[tuple[str, str, str, float, bool]] = field(default_factory=list)  # photo, kind, by, MSE, map empty

    def add(self, sample: Sample, pair: Pair, perceived: Perceived, masks: Mapping[str, np.ndarray] | None) -> None:
        """One edit.

        Args:
            perceived: what the run sees.
            masks: kind → bool, shape (height, width) of the edited image: what was really broken, where that is known.
        """
        height, width = pair.edited.shape[:2]
        people = {kind: sample.map_of(kind, (width, height)) for kind in REGION_KINDS}
        maps = {name: make(pair) for name, make in BASELINES.items()}
        for kind in REGION_KINDS:
            mine = {THE_RUN: perceived.maps[kind]}
            if perceived.undecided is not None:
                mine[UNDECIDED] = perceived.undecided[kind]
            mine |= maps
            if shows_a_place(people[kind]):
                self._compare(sample, kind, PEOPLE, mine, people[kind])
            if masks is not None and masks[kind].std() > FLAT:
                truth = masks[kind].astype(np.float32)
                self._compare(sample, kind, ORACLE, {**mine, CEILING: people[kind]}, truth)
            told = sample.is_present(kind)
            scores = {THE_RUN: perceived.presence[kind]}
            scores |= {name: float(values.mean()) for name, values in maps.items() if name != "centre prior"}
            self._presence += [(sample.source_id, kind, name, score, told) for name, score in scores.items()]
            if sample.is_clean():
                self._add_clean(sample, kind, PEOPLE, perceived.maps[kind])
            if masks is not None and not any(mask.any() for mask in masks.values()):
                self._add_clean(sample, kind, ORACLE, perceived.maps[kind])

    def entries(self) -> list[Entry]:
        """Agreement by kind and by task group, presence, and what is seen on edits without a flaw."""
        return [*self._of_agreements(), *self._of_presence(), *self._of_clean()]

    def _compare(
        self, sample: Sample, kind: str, judged_by: str, maps: Mapping[str, np.ndarray], truth: np.ndarray
    ) -> None:
        for name, values in maps.items():
            agreement = agreement_of(values, truth)
            self._agreements.append(_Agreement(sample.source_id, sample.task_group, kind, name, judged_by, agreement))

    def _add_clean(self, sample: Sample, kind: str, judged_by: str, seen: np.ndarray) -> None:
        error = float(np.mean(np.square(seen, dtype=np.float64)))
        self._clean.append((sample.source_id, kind, judged_by, error, not seen.any()))

    def _of_agreements(self) -> list[Entry]:
        entries = []
        for kind, judged_by, method in _in_order((one.kind, one.judged_by, one.method) for one in self._agreements):
            some = [
                one for one in self._agreements if (one.kind, one.judged_by, one.method) == (kind, judged_by, method)
            ]
            for measure in MAP_MEASURES:
                headline = measure in HEADLINES
                figure = _mean(some, measure, self.sampling)
                entries.append(Entry("perception", kind, method, judged_by, measure, figure, headline=headline))
            for group in sorted({one.group for one in some}):
                of_group = [one for one in some if one.group == group]
                entries += [
                    Entry(
                        "perception", kind, method, judged_by, measure, _mean(of_group, measure, self.sampling), group
                    )
                    for measure in MAP_MEASURES
                ]
        return entries

    def _of_presence(self) -> list[Entry]:
        entries = []
        for kind, method in _in_order((kind, method) for _, kind, method, _, _ in self._presence):
            some = [row for row in self._presence if row[1:3] == (kind, method)]
            scores, told = np.array([row[3] for row in some]), np.array([row[4] for row in some])

            def auroc(rows: np.ndarray, scores: np.ndarray = scores, told: np.ndarray = told) -> float:
                there = told[rows]
                return image_auroc(scores[rows], there) if 0 < there.sum() < len(there) else float("nan")

            figure = interval_of(auroc, [row[0] for row in some], self.sampling)
            headline = method == THE_RUN
            entries.append(Entry("perception", kind, method, PEOPLE, "image_auroc", figure, headline=headline))
        return entries

    def _of_clean(self) -> list[Entry]:
        entries = []
        for kind, judged_by in _in_order((kind, judged_by) for _, kind, judged_by, _, _ in self._clean):
            some = [row for row in self._clean if row[1:3] == (kind, judged_by)]
            photos = [row[0] for row in some]
            error = mean_of([row[3] for row in some], photos, self.sampling)
            empty = share_of([row[4] for row in some], photos, self.sampling)
            entries.append(Entry("perception", kind, THE_RUN, judged_by, "clean_mse", error))
            entries.append(Entry("perception", kind, THE_RUN, judged_by, "clean_empty", empty))
        return entries


def agreement_of(pred: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Every one of `MAP_MEASURES`; NaN where one is not defined (no pixel marked, or every one).

    Args:
        pred: shape (height, width), ≥ 0.
        truth: the same shape, 0..1; a pixel counts as marked above `MARKED`: with four people, more than one of them.
    """
    values = {"cc": cc(pred, truth), "sim": sim(pred, truth), "kld": kld(pred, truth)}
    marked = truth > MARKED
    any_, all_ = bool(marked.any()), bool(marked.all())
    values["nss"] = nss(pred, marked) if any_ else float("nan")
    values["auc_judd"] = auc_judd(pred, marked) if any_ and not all_ else float("nan")
    values["pixel_ap"] = pixel_ap(pred, marked) if any_ and not all_ else float("nan")
    return values


def _mean(some: Sequence[_Agreement], measure: str, sampling: Sampling) -> Figure:
    return mean_of([one.values[measure] for one in some], [one.photo for one in some], sampling)


def _in_order(keys: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The distinct keys, as they first come."""
    return list(dict.fromkeys(keys))
