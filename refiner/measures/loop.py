"""What refining does to edits: which get better, which worse, which are left alone; never in its evaluator's word."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from editfhf.schema import DIMENSIONS
from generators.base import EditModel
from refiner import baselines
from refiner.agents import Difference, Evaluation, Pair
from refiner.data import Sample
from refiner.judge import Values
from refiner.measures.entries import (
    CLEAN,
    FLAWED,
    KEPT,
    ORACLE,
    THE_RUN,
    TRIED,
    VERDICTS,
    VOTERS,
    Entry,
    Sampling,
    mean_of,
    share_of,
)
from refiner.preferences import Preferences
from refiner.trace import RefineTrace

# Points of 100 by which the mean of the three must rise (fall) for an edit to count as improved (harmed). One point is
# three of one dimension: by the true quality's pooling what a flaw on a thousandth of the picture costs. Below lie
# resampling, the feather of a repair, and what nobody sees.
WORTH_NOTICING = 1.0
RESTORED, AGAIN, BEST_OF_N = "restore the source", "edit again", "best of N"
GATED = "edit again, if better beyond its error"
MOST_AGAIN = 8  # edits of the photo for "best of N"
SAME_PIXELS = "pixels"


@dataclass(frozen=True, slots=True)
class _Change:
    """What a method did to one edit, in one judge's word: dimension → after minus before."""

    photo: str
    is_flawed: bool
    method: str
    judged_by: str
    change: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Compared:
    """A candidate of the loop: what was predicted, and by how much the mean of its three true scores is higher."""

    photo: str
    predicted: Difference
    gain: float
    is_kept: bool


@dataclass
class LoopMeasures:
    """Collects edit by edit; `entries` sums up.

    Args:
        preferences: people's blind choices.
    """

    preferences: Preferences | None = None
    sampling: Sampling = field(default_factory=Sampling)
    _changes: list[_Change] = field(default_factory=list)
    _votes: list[tuple[str, bool, float]] = field(default_factory=list)  # photo, flawed, vote
    _touched: list[tuple[str, bool, str, bool]] = field(default_factory=list)  # photo, flawed, method, image changed
    _compared: list[_Compared] = field(default_factory=list)
    _tries: list[int] = field(default_factory=list)
    _seconds: list[float] = field(default_factory=list)

    def add(
        self,
        sample: Sample,
        is_flawed: bool,
        trace: RefineTrace,
        images: Mapping[str, np.ndarray],
        judged: Mapping[str, tuple[Values | None, Mapping[str, Values | None]]],
    ) -> None:
        """One edit.

        Args:
            images: method → the image that it gives.
            judged: judge → (scores of the edit as it was, method → scores of its image); None where it would not judge.

        Raises:
            BadInput: the preferences are about other images.
        """
        photo = sample.source_id
        if self.preferences is not None:
            vote = self.preferences.vote_on(sample.edit_id, trace.images[0], trace.best)
            if vote is not None:
                self._votes.append((photo, is_flawed, vote))
        for judge, (before, after) in judged.items():
            for method, scores in after.items():
                if before is not None and scores is not None:
                    change = {name: scores[name] - before[name] for name in DIMENSIONS}
                    self._changes.append(_Change(photo, is_flawed, method, judge, change))
        for method, image in images.items():
            is_touched = not np.array_equal(image, trace.images[0])
            self._touched.append((photo, is_flawed, method, is_touched))
        self._tries.append(n_tries(trace))
        self._seconds.append(sum(sum(step.seconds.values()) for step in trace.steps))

    def add_compared(
        self, sample: Sample, predicted: Difference, before: Values, after: Values, is_kept: bool = False
    ) -> None:
        """A candidate that the loop compared with the image before, and the true scores of both; those that are kept
        come a second time, as such."""
        gain = float(np.mean([after[name] - before[name] for name in DIMENSIONS]))
        self._compared.append(_Compared(sample.source_id, predicted, gain, is_kept))

    @property
    def seconds(self) -> float:
        """The mean time that refining one edit took."""
        return float(np.mean(self._seconds)) if self._seconds else 0.0

    @property
    def tries(self) -> float:
        """The mean number of candidates that the loop made and compared for one edit."""
        return float(np.mean(self._tries)) if self._tries else 0.0

    def entries(self) -> list[Entry]:
        """Shares of edits that got better or worse, by judge; what was left alone; mean change of each dimension; how
        true the loop's predictions are."""
        entries = self._of_predictions()
        for judge, method in dict.fromkeys((one.judged_by, one.method) for one in self._changes):
            for what, is_flawed in ((FLAWED, True), (CLEAN, False)):
                some = [
                    one
                    for one in self._changes
                    if (one.judged_by, one.method, one.is_flawed) == (judge, method, is_flawed)
                ]
                photos = [one.photo for one in some]
                means = [float(np.mean(list(one.change.values()))) for one in some]
                entries += self._shares(what, method, judge, [verdict_of(mean) for mean in means], photos)
                for name in DIMENSIONS:
                    figure = mean_of([one.change[name] for one in some], photos, self.sampling)
                    entries.append(Entry("loop", what, method, judge, f"change_{name}", figure))
        for what, is_flawed in ((FLAWED, True), (CLEAN, False)):
            votes = [row for row in self._votes if row[1] == is_flawed]
            verdicts = [verdict_of(np.sign(row[2]) * 2 * WORTH_NOTICING) for row in votes]
            entries += self._shares(what, THE_RUN, VOTERS, verdicts, [row[0] for row in votes])
            for method in dict.fromkeys(row[2] for row in self._touched):
                touched = [row for row in self._touched if row[1:3] == (is_flawed, method)]
                figure = share_of([not row[3] for row in touched], [row[0] for row in touched], self.sampling)
                entry = Entry("loop", what, method, SAME_PIXELS, "untouched", figure, headline=not is_flawed)
                entries.append(entry)
        return [entry for entry in entries if entry.figure.n]

    def _of_predictions(self) -> list[Entry]:
        """Whether the interval that the loop decides by holds for repairs, and what it lets through.

        Of those that are kept it holds less often: they were chosen for what was predicted of them.
        """
        entries = []
        for what, is_kept in ((TRIED, False), (KEPT, True)):
            some = [one for one in self._compared if one.is_kept == is_kept]
            photos = [one.photo for one in some]
            errors = [one.predicted.mean - one.gain for one in some]
            covered = [error < one.predicted.half_width for error, one in zip(errors, some, strict=True)]
            figures = {
                "bias": mean_of(errors, photos, self.sampling),
                "covered": share_of(covered, photos, self.sampling),
                "truly_better": share_of([one.gain > 0 for one in some], photos, self.sampling),
                "truly_worse": share_of([one.gain < -WORTH_NOTICING for one in some], photos, self.sampling),
            }
            entries += [
                Entry("loop", what, THE_RUN, ORACLE, measure, figure, headline=is_kept or measure == "covered")
                for measure, figure in figures.items()
            ]
        return entries

    def _shares(
        self, what: str, method: str, judge: str, verdicts: Sequence[str], photos: Sequence[str]
    ) -> list[Entry]:
        return [
            Entry(
                "loop", what, method, judge, verdict,
                share_of([one == verdict for one in verdicts], photos, self.sampling),
                headline=what == FLAWED and verdict != "unchanged",
            )
            for verdict in VERDICTS
        ]  # fmt: skip


def verdict_of(mean: float) -> str:
    """What a change of the mean of the three scores counts as."""
    return "improved" if mean > WORTH_NOTICING else "harmed" if mean < -WORTH_NOTICING else "unchanged"


def images_of(
    pair: Pair, trace: RefineTrace, evaluation: Evaluation, editor: EditModel | None, seed: int
) -> dict[str, np.ndarray]:
    """What the loop and each baseline make of an edit: method → uint8, shape of `pair.edited`.

    With an editor also "edit again" with another seed; the same where the run's own evaluator accepts it by the rule
    that the loop accepts a repair by, which is what the loop has to beat; and the best, by the run's own evaluator, of
    the edit and as many new ones as the loop made and compared candidates (`MOST_AGAIN` at most): the same compute,
    counted in images made and judged. An editor that refuses leaves the edit as it is.
    """
    images = {THE_RUN: trace.best, RESTORED: baselines.restore_source(pair)}
    if editor is not None:
        n = min(MOST_AGAIN, max(1, n_tries(trace)))
        again = baselines.edit_again(pair, editor, [seed + 1 + number for number in range(n)])
        images[AGAIN] = again[0] if again else pair.edited
        new = replace(pair, edited=images[AGAIN])
        images[GATED] = new.edited if evaluation.compare(pair, new).improves else pair.edited
        images[BEST_OF_N] = baselines.best_of(pair, again, evaluation)
    return images


def n_tries(trace: RefineTrace) -> int:
    """How many candidates the loop made and compared."""
    return sum(attempt.difference is not None for step in trace.steps for attempt in step.attempts)


def to_refine(samples: Sequence[Sample], apart_from: Collection[str], limit: int | None, seed: int) -> list[Sample]:
    """The edits that a benchmark refines, `stratified`: none by a model `apart_from`, such as the one that repairs."""
    return stratified([one for one in samples if one.model not in apart_from], limit, seed)


def stratified(samples: Sequence[Sample], limit: int | None, seed: int) -> list[Sample]:
    """At most so many edits, evenly over task groups and over edits with and without marked flaws, drawn at random."""
    if limit is None or limit >= len(samples):
        return list(samples)
    order = np.random.default_rng(seed).permutation(len(samples))
    strata: dict[tuple[str, bool], list[Sample]] = defaultdict(list)
    for number in order:
        strata[samples[number].task_group, samples[number].is_clean()].append(samples[number])
    # Round by round one of each stratum, as long as it lasts.
    turns = [(turn, name, one) for name, some in sorted(strata.items()) for turn, one in enumerate(some)]
    chosen = [one for _, _, one in sorted(turns, key=lambda entry: entry[:2])[:limit]]
    return sorted(chosen, key=lambda one: one.edit_id)
