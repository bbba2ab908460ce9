"""Whether the regions that the run finds are people's, whether it names them as they do, and says why as they do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from editfhf.geometry import rasterise
from editfhf.schema import REGION_KINDS, Polygon
from refiner.agents import FoundRegion, Pair, Perceived, Perception, Reasoning
from refiner.data import Sample
from refiner.lite.backbone import sentence_embeddings
from refiner.lite.reasons import Reason, composed_reason, retrieved_reason
from refiner.matching import match
from refiner.measures.entries import PEOPLE, THE_RUN, Entry, Figure, Sampling, interval_of, mean_of, ratio_of, share_of

LEAST_IOU = 0.5  # of a region that was found; PASCAL VOC's
DRAWN_SIDE = 480  # pixels of the square on which a person's region is shown to reasoning
BOTH = "both kinds"
MAJORITY_CLASS = "majority class"
SHUFFLED = "shuffled reasons"


class Agents(Perception, Reasoning, Protocol):
    """Who perceives and reasons."""


@runtime_checkable
class Naming(Protocol):
    """A reasoning agent that says what type of flaw a given region is."""

    def name_region(self, pair: Pair, polygon: Polygon, kind: str) -> str: ...


@dataclass(frozen=True, slots=True)
class _Named:
    """A region of people's, and what it was called; "" for nothing at all."""

    photo: str
    kind: str
    told: str
    called: str


@dataclass(frozen=True, slots=True)
class _Explained:
    """A matched region: people's reason and the run's."""

    photo: str
    told: str
    own: str
    composed: str
    retrieved: str


@dataclass
class ReasoningMeasures:
    """Collects edit by edit; `entries` sums up.

    Args:
        majority: kind → the commonest flaw type of the training edits.
        reasons: what people wrote there.
    """

    majority: Mapping[str, str]
    reasons: Sequence[Reason]
    sampling: Sampling = field(default_factory=Sampling)
    _regions: list[tuple[str, str, int, int, int]] = field(default_factory=list)  # photo, kind, right, found, wanted
    _without_place: list[tuple[str, int, int, int]] = field(default_factory=list)
    _given: list[_Named] = field(default_factory=list)
    _matched: list[_Named] = field(default_factory=list)
    _explained: list[_Explained] = field(default_factory=list)

    def add(self, sample: Sample, pair: Pair, agents: Agents, found: Sequence[FoundRegion]) -> None:
        """One edit and the regions that the run found on it."""
        agreed = [one for kind in REGION_KINDS for one in sample.agreed_regions(kind)]
        for kind in REGION_KINDS:
            wanted = [one for one in agreed if one["kind"] == kind and one["polygon"]]
            mine = [one for one in found if one.kind == kind and one.polygon]
            matches = match([one.polygon for one in mine], [one["polygon"] for one in wanted], LEAST_IOU)
            self._regions.append((sample.source_id, kind, len(matches), len(mine), len(wanted)))
            for i, j, _ in matches:
                self._matched.append(_Named(sample.source_id, kind, wanted[j]["flaw_type"], mine[i].flaw_type))
                if wanted[j]["description"]:
                    self._explain(sample, mine[i], wanted[j]["description"])
            for one in wanted:
                called = name_of(agents, pair, one["polygon"], kind)
                self._given.append(_Named(sample.source_id, kind, one["flaw_type"], called))
        told = {one["flaw_type"] for one in agreed if not one["polygon"]}
        said = {one.flaw_type for one in found if not one.polygon}
        self._without_place.append((sample.source_id, len(told & said), len(said), len(told)))

    def entries(self) -> list[Entry]:
        """Region F1, flaw types on people's regions and on matched ones, likeness of reasons."""
        entries = [self._f1(kind) for kind in (*REGION_KINDS, BOTH)]
        right, found, wanted = (np.array([row[place] for row in self._without_place]) for place in (1, 2, 3))
        photos = [row[0] for row in self._without_place]
        figure = ratio_of(2 * right, found + wanted, photos, self.sampling, int(wanted.sum()))
        entries.append(Entry("reasoning", "flaws without a place", THE_RUN, PEOPLE, "type_f1", figure))
        for what, named in (("types of people's regions", self._given), ("types of matched regions", self._matched)):
            common = [_Named(one.photo, one.kind, one.told, self.majority[one.kind]) for one in named]
            for method, some in ((THE_RUN, named), (MAJORITY_CLASS, common)):
                entries += self._types(what, method, some)
        return [*entries, *self._of_reasons()]

    def _explain(self, sample: Sample, found: FoundRegion, told: str) -> None:
        composed = composed_reason(found.flaw_type, found.polygon, sample.instruction)
        retrieved = retrieved_reason(found.flaw_type, sample.instruction, self.reasons)
        explained = _Explained(sample.source_id, told, found.description, composed, retrieved or composed)
        self._explained.append(explained)

    def _f1(self, kind: str) -> Entry:
        rows = [row for row in self._regions if kind in (row[1], BOTH)]
        right, found, wanted = (np.array([row[place] for row in rows]) for place in (2, 3, 4))
        figure = ratio_of(2 * right, found + wanted, [row[0] for row in rows], self.sampling, int(wanted.sum()))
        return Entry("reasoning", kind, THE_RUN, PEOPLE, "region_f1", figure, headline=kind == BOTH)

    def _types(self, what: str, method: str, named: Sequence[_Named]) -> list[Entry]:
        photos = [one.photo for one in named]
        right = share_of([one.told == one.called for one in named], photos, self.sampling)
        told, called = np.array([one.told for one in named]), np.array([one.called for one in named])
        f1 = interval_of(lambda rows: macro_f1(told[rows], called[rows]), photos, self.sampling)
        return [
            Entry("reasoning", what, method, PEOPLE, "accuracy", right, headline=what == "types of people's regions"),
            Entry("reasoning", what, method, PEOPLE, "macro_f1", f1),
        ]

    def _of_reasons(self) -> list[Entry]:
        rows = self._explained
        told = sentence_embeddings([one.told for one in rows])
        texts = {
            "composed reasons": [one.composed for one in rows],
            "retrieved reasons": [one.retrieved for one in rows],
        }
        own = [one.own for one in rows]
        if own not in texts.values():
            texts[THE_RUN] = own
        # What reasons have in common whatever they are about: each against somebody else's.
        order = _elsewhere(len(rows), self.sampling.seed)
        texts |= {f"{SHUFFLED} ({name.split()[0]})": [some[i] for i in order] for name, some in list(texts.items())}
        photos = [one.photo for one in rows]
        entries = []
        for method, some in texts.items():
            likeness = (told * sentence_embeddings(some)).sum(axis=1)
            figure: Figure = mean_of(likeness, photos, self.sampling)
            entries.append(Entry("reasoning", "reasons of matched regions", method, PEOPLE, "cosine", figure))
        return entries


def name_of(agents: Agents, pair: Pair, polygon: Polygon, kind: str) -> str:
    """The flaw type that reasoning gives to a region that people drew.

    An agent without `name_region` is shown a map of that region alone. "" where it finds nothing on it.
    """
    if isinstance(agents, Naming):
        return agents.name_region(pair, polygon, kind)
    mask = rasterise(polygon, DRAWN_SIDE, DRAWN_SIDE).astype(np.float32)
    maps = {name: mask if name == kind else np.zeros_like(mask) for name in REGION_KINDS}
    found = agents.find_regions(pair, Perceived(maps, {name: float(name == kind) for name in REGION_KINDS}))
    same = [one for one in found if one.kind == kind and one.polygon]
    if not same:
        return ""
    matches = match([one.polygon for one in same], [polygon], 0.0)
    return same[matches[0][0] if matches else 0].flaw_type


def macro_f1(told: np.ndarray, called: np.ndarray) -> float:
    """The mean of F1 over the classes that people named; NaN without any.

    Example:
        >>> macro_f1(np.array(["a", "a", "b"]), np.array(["a", "b", "b"]))  # 2/3 and 2/3
        0.6666666666666666
    """
    scores = []
    for name in np.unique(told):
        right = int(((told == name) & (called == name)).sum())
        scores.append(2 * right / int((told == name).sum() + (called == name).sum()))
    return float(np.mean(scores)) if scores else float("nan")


def _elsewhere(n: int, seed: int) -> np.ndarray:
    """A random order in which nothing keeps its place (for n > 1)."""
    order = np.random.default_rng(seed).permutation(n)
    shifted = np.empty(n, int)
    shifted[order] = np.roll(order, 1)
    return shifted
