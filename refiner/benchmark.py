"""`editfhf benchmark`: a trained run on the split `test`, agent by agent, beside what needs no training.

What the loop does to edits is never judged by the evaluator that steered it: by what was really broken, where a
rehearsal knows that; by a second evaluator (`refiner.judge`); by people who chose blindly; by any model that is asked.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from editfhf.errors import BadInput
from editfhf.schema import DIMENSIONS
from editfhf.vlm import VisionLanguageModel
from generators.base import EditModel
from refiner.agents import Difference, Pair
from refiner.baselines import majority_types
from refiner.data import Sample, open_samples, people_of
from refiner.judge import EndpointJudge, Judge, SecondEvaluator, Values
from refiner.lite.reasons import MOST_REASONS, reasons_of
from refiner.loop import OnCompared
from refiner.measures.entries import ALL, ORACLE, VOTERS, Entry, Sampling
from refiner.measures.evaluation import EvaluationMeasures, ratings_of
from refiner.measures.loop import LoopMeasures, images_of, to_refine
from refiner.measures.perception import PerceptionMeasures
from refiner.measures.reasoning import ReasoningMeasures
from refiner.measures.result import BenchmarkResult
from refiner.measures.truth import TruthOfEdit, Truths
from refiner.preferences import Preferences, read_preferences
from refiner.refiner import Refiner
from refiner.runs import AGENTS, RunRecord
from refiner.trace import RefineTrace

SPLIT = "test"
FEWEST_EDITS = 4  # to measure on: below, nothing can be correlated
ASKED_TOGETHER = 8  # edits that are judged in one call: an endpoint answers several at once
Report = Callable[[str, int, int], None]


class Subject(Protocol):
    """What is measured: `refiner.Refiner`, or anything with its agents. `model` perceives, reasons and evaluates."""

    model: Any
    record: RunRecord

    def refine_pair(self, pair: Pair, *, on_compared: OnCompared | None = None) -> RefineTrace: ...


def benchmark(
    dataset: str,
    run: str | Path | Subject,
    oracle: Path | None = None,
    editor: EditModel | None = None,
    preferences: Path | None = None,
    endpoint: VisionLanguageModel | None = None,
    limit: int | None = None,
    seed: int = 0,
    only: Collection[str] | None = None,
    cluster: Mapping[str, str] | None = None,
    apart_from: Collection[str] = (),
    report: Report = lambda _what, _done, _total: None,
) -> BenchmarkResult:
    """Measure a run on the split `test` of a dataset.

    Args:
        dataset: a folder that `editfhf build` wrote, or a name on the Hub. Its split `train` gives the second
            evaluator, the majority classes and the reasons to retrieve.
        run: a run folder, a name on the Hub, or a refiner.
        oracle: the workspace of the rehearsal, for what was really broken.
        editor: does what was asked again, in the loop (where `run` is not yet a refiner) and in its baselines.
        preferences: a folder with people's blind choices, see `refiner.preferences.read_preferences`.
        endpoint: a vision-language model to ask for scores as well.
        limit: refine so many edits at most, drawn evenly (`stratified`); everything else is measured on all.
        seed: of the intervals, of what is drawn, and of editing again.
        only: ids of edits to measure on, such as those that were kept from training; default: the split. Those of the
            split `train` among them are kept from the second evaluator and the baselines, too.
        cluster: photo → what it is a sample of, where photos are not independent, such as crops of one scene. Intervals
            are then over these; default: over photos.
        apart_from: models whose edits are not refined. Those of `editor` never are.
        report: told (what is going on, done, of how many).

    Returns:
        Every number with its interval. Agents that the run was trained without are left out.

    Raises:
        BadInput: no such dataset, run or workspace; too few judged edits; preferences that are not understood or
            are about another run.
    """
    subject: Subject = Refiner.from_run(run, editor) if isinstance(run, (str, Path)) else run
    samples = open_samples(dataset, SPLIT, only)
    train = open_samples(dataset, "train", but=only or ())
    if len(samples) < FEWEST_EDITS:
        raise BadInput(
            f"{dataset} has {len(samples)} judged edits in the split `{SPLIT}`; {FEWEST_EDITS} are the least.",
            mend="Make and annotate edits of more photos, and build it again.",
        )
    if limit is not None and limit < 1:
        raise BadInput(f"The limit is {limit}.", mend="Refine 1 edit at least.")
    truths = Truths(oracle) if oracle is not None else None
    choices = read_preferences(preferences, (one.edit_id for one in samples)) if preferences else None
    second = SecondEvaluator.fit(_reported(train, "Second evaluator", report))
    judges: list[Judge] = [second, *([EndpointJudge(endpoint)] if endpoint is not None else [])]
    bench = _Bench(subject, truths, judges, editor, seed)
    sampling = Sampling(seed, cluster or {})
    perception, evaluation = PerceptionMeasures(sampling), EvaluationMeasures(sampling)
    reasoning = ReasoningMeasures(majority_types(train), reasons_of(train, MOST_REASONS), sampling)
    # First, as preferences that are about another run end it here.
    loop = LoopMeasures(choices, sampling)
    # The editor that repairs is never the one that made the edit.
    apart = {*apart_from, *([editor.id] if editor is not None else [])}
    chosen = to_refine(samples, apart, limit, seed) if bench.trained == set(AGENTS) else []
    for sample in _reported(chosen, "Refining", report):
        bench.refine(sample, loop)
    for some in _batched(_reported(samples, "Measuring", report), ASKED_TOGETHER):
        said = bench.ask([sample.pair() for sample in some])
        for number, sample in enumerate(some):
            others = {name: scores[number] for name, scores in said.items()}
            bench.measure(sample, perception, reasoning, evaluation, others)
    evaluation.add_people(ratings_of(dataset, SPLIT), samples)
    entries = [
        *(perception.entries() if "perception" in bench.trained else []),
        *(reasoning.entries() if {"perception", "reasoning"} <= bench.trained else []),
        *evaluation.entries(),
        *loop.entries(),
    ]
    entries = [entry for entry in entries if entry.figure.n]
    return BenchmarkResult(
        dataset=_name(dataset),
        run=_name(run) if isinstance(run, (str, Path)) else "a refiner",
        seed=seed,
        marks=_marks(people_of(dataset), samples, subject.record),
        judges=_trust(judges, entries, truths, choices),
        notes=_notes(bench, chosen, samples, apart, cluster or {}),
        counts={
            "edits": len(samples),
            "photos": len({one.source_id for one in samples}),
            "edits_refined": len(chosen),
            "seconds_to_refine_one": round(loop.seconds, 2),
            "candidates_tried_for_one": round(loop.tries, 2),
        },
        predictions=evaluation.predictions(),
        entries=entries,
    )


class _Bench:
    """Everyone who takes part, edit by edit."""

    def __init__(
        self, subject: Subject, truths: Truths | None, judges: Sequence[Judge], editor: EditModel | None, seed: int
    ) -> None:
        self.subject, self.judges, self._truths, self._editor, self._seed = subject, judges, truths, editor, seed
        self.trained: set[str] = set(subject.record.config.agents)
        self.without_truth = 0

    def ask(self, pairs: Sequence[Pair]) -> dict[str, list[Values | None]]:
        """Judge → its scores of each pair."""
        return {judge.name: judge.judge(pairs) for judge in self.judges}

    def measure(
        self,
        sample: Sample,
        perception: PerceptionMeasures,
        reasoning: ReasoningMeasures,
        evaluation: EvaluationMeasures,
        others: Mapping[str, Values | None],
    ) -> None:
        pair, agents = sample.pair(), self.subject.model
        if "perception" in self.trained:
            perceived = agents.perceive(pair)
            truth = self._truth(sample)
            self.without_truth += self._truths is not None and truth is None
            perception.add(sample, pair, perceived, truth.masks(*pair.edited.shape[:2]) if truth else None)
            if "reasoning" in self.trained:
                reasoning.add(sample, pair, agents, agents.find_regions(pair, perceived))
        scores = agents.evaluate(pair) if "evaluation" in self.trained else None
        evaluation.add(sample, pair, scores, others)

    def refine(self, sample: Sample, loop: LoopMeasures) -> None:
        pair, truth = sample.pair(), self._truth(sample)

        def compared(before: Pair, after: Pair, predicted: Difference) -> None:
            if truth is not None:
                loop.add_compared(sample, predicted, truth.quality(before.edited), truth.quality(after.edited))

        trace = self.subject.refine_pair(pair, on_compared=compared)
        if truth is not None:
            for step, image in zip([one for one in trace.steps if one.accepted], trace.images[1:], strict=True):
                assert step.difference is not None
                qualities = truth.quality(trace.image_of(step)), truth.quality(image)
                loop.add_compared(sample, step.difference, *qualities, is_kept=True)
        images = images_of(pair, trace, self.subject.model, self._editor, self._seed)
        judged: dict[str, tuple[Values | None, dict[str, Values | None]]] = {}
        candidates = [Pair(pair.source, image, pair.instruction) for image in (pair.edited, *images.values())]
        if truth is not None:
            judged[ORACLE] = (truth.quality(pair.edited), {name: truth.quality(one) for name, one in images.items()})
        for name, (before, *after) in self.ask(candidates).items():
            judged[name] = (before, dict(zip(images, after, strict=True)))
        is_flawed = truth.is_flawed if truth is not None else not sample.is_clean()
        loop.add(sample, is_flawed, trace, images, judged)

    def _truth(self, sample: Sample) -> TruthOfEdit | None:
        return self._truths.of(sample.edit_id) if self._truths is not None else None


def _marks(people: set[str], samples: Sequence[Sample], record: RunRecord) -> list[str]:
    """What has to be declared: simulated people, procedural models."""
    marks = []
    if "simulated" in people:
        who = "Some of the people are" if "human" in people else "The people are"
        marks.append(f"{who} simulated by a program: a rehearsal, not human feedback.")
    procedural = sorted({one.model for one in samples if one.model.startswith("procedural/")})
    if procedural:
        marks.append(f"Edits by {', '.join(procedural)} were made by procedural image operations, not by a model.")
    taught = ["simulated people"] * record.simulated + ["procedural edits"] * record.procedural
    if taught:
        marks.append(f"The run was trained on {' and '.join(taught)}.")
    if record.too_few:
        marks.append(record.too_few)
    return marks


def _trust(
    judges: Sequence[Judge], entries: Sequence[Entry], truths: Truths | None, preferences: Preferences | None
) -> dict[str, str]:
    """Who judged the loop, and how far to trust it: a judge's own agreement with people beside what it says."""
    told = {ORACLE: "The true quality: pixel by pixel against the flawless edit and the photo."} if truths else {}
    for judge in judges:
        known = {
            (one.what, one.measure): one.figure.value
            for one in entries
            if one.part == "evaluation" and one.method == judge.name and one.group == ALL
        }
        agreement = "; ".join(
            f"{name.replace('_', ' ')} SRCC {_number(known.get((name, 'srcc')))}, "
            f"pairs {_number(known.get((name, 'pairwise_accuracy')))}"
            for name in DIMENSIONS
        )
        what = "Fitted here on the split train" if isinstance(judge, SecondEvaluator) else "Asked about both images"
        told[judge.name] = f"{what}; it steered nothing. Its own agreement with people on these edits: {agreement}."
    if preferences is not None:
        simulated = f" ({preferences.n_simulated} of them simulated)" if preferences.n_simulated else ""
        told[VOTERS] = (
            f"Without knowing which is which, {preferences.n_people} people{simulated} chose between before and after "
            f"on {preferences.n_edits} edits that refining had changed; shares are of these, intervals over photos "
            "alone."
        )
    return told


def _notes(
    bench: _Bench,
    chosen: Sequence[Sample],
    samples: Sequence[Sample],
    apart: Collection[str],
    cluster: Mapping[str, str],
) -> list[str]:
    drawn = {cluster.get(one.source_id, one.source_id) for one in samples}
    together = f"all edits of one of {len(drawn)} clusters of photos" if cluster else "all edits of a photo"
    notes = [
        f"Intervals: 95 %, {together} taken together. Of shares Clopper and Pearson's for as many independent edits as "
        "they are worth (Korn and Graubard, 1998); of anything else, drawn again with replacement and "
        "widened for few of them (none is given for fewer than five)."
    ]
    if missing := [name for name in AGENTS if name not in bench.trained]:
        notes.append(f"The run was trained without {' and '.join(missing)}; what needs that is not measured.")
    if 0 < len(chosen) < len(samples):
        notes.append(
            f"{len(chosen)} of {len(samples)} edits were refined, drawn evenly over task groups, and over edits with "
            "and without marked flaws: shares are of these, not of the split."
        )
    if bench.without_truth:
        notes.append(f"{bench.without_truth} edits have no known truth and are left out of what it judges.")
    if left_out := sorted(set(apart) & {one.model for one in samples}):
        notes.append(f"Edits by {' and '.join(left_out)} were not refined: no editor repairs its own.")
    return notes


def _name(path_or_repo: str | Path) -> str:
    path = Path(path_or_repo).expanduser()
    return path.resolve().name if path.exists() else str(path_or_repo)


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _batched(samples: Iterator[Sample], size: int) -> Iterator[list[Sample]]:
    while some := list(islice(samples, size)):
        yield some


def _reported(samples: Sequence[Sample], what: str, report: Report) -> Iterator[Sample]:
    for done, sample in enumerate(samples, start=1):
        yield sample
        report(what, done, len(samples))
