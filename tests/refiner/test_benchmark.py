"""The benchmark of refiners that are known: one is right about everything, one boasts, one does nothing."""

# ruff: noqa: ARG002 (agents that do not look at everything that they are given)

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from editfhf import oracle
from editfhf.errors import BadInput
from editfhf.schema import DIMENSIONS, REGION_KINDS
from editfhf.true_quality import true_quality
from generators.base import EditOutcome
from refiner import benchmark as benchmarks
from refiner.agents import Difference, FoundRegion, Pair, Perceived, RepairStep, Scores
from refiner.benchmark import benchmark
from refiner.benchmark_page import JSON_FILE, PAGE_FILE, page_of, read_benchmark, write_benchmark
from refiner.blind_pairs import write_pairs
from refiner.data import Sample, content_hash, decode, read_samples
from refiner.judge import SecondEvaluator
from refiner.measures import entries as figures
from refiner.measures.entries import CLEAN, FLAWED, KEPT, ORACLE, THE_RUN, TRIED, VOTERS
from refiner.measures.evaluation import ratings_of
from refiner.measures.loop import AGAIN, BEST_OF_N, GATED, RESTORED, stratified
from refiner.measures.perception import CEILING
from refiner.measures.reasoning import BOTH
from refiner.runs import AGENTS, RunRecord, TrainConfig
from refiner.trace import Attempt, RefineTrace, TraceStep
from tests.refiner.tiny_dataset import tiny_dataset

SECOND = "second evaluator"
STEP = RepairStep("inpaint", (), "")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    tiny_dataset(folder)
    return folder


@pytest.fixture(scope="module")
def samples(root):
    return read_samples(str(root / "dataset"), "test")


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Fitted once for each set of edits, and fewer draws: it is other tests that are about intervals."""
    fitted = {}
    real = SecondEvaluator.fit

    def fit(samples):
        some = list(samples)
        key = tuple(one.edit_id for one in some)
        if key not in fitted:
            fitted[key] = real(some)
        return fitted[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SecondEvaluator, "fit", fit)
        patch.setattr(figures, "N_DRAWS", 50)
        figures._draws.cache_clear()
        yield
    figures._draws.cache_clear()


class Told:
    """Agents that know what people said of each edit, and say the same."""

    def __init__(self, samples):
        self.known = {content_hash(decode(one.edited).tobytes()): one for one in samples}

    def of(self, pair: Pair) -> Sample | None:
        return self.known.get(content_hash(pair.edited.tobytes()))

    def perceive(self, pair):
        told = self.of(pair)
        return Perceived(
            {kind: told.map_of(kind) for kind in REGION_KINDS},
            {kind: float(told.is_present(kind)) for kind in REGION_KINDS},
        )

    def find_regions(self, pair, perceived):
        return [
            FoundRegion(one["kind"], one["flaw_type"], one["extent"], one["polygon"], one["description"], 0.9)
            for one in self.of(pair).regions
        ]

    def name_region(self, pair, polygon, kind):
        told = [one["flaw_type"] for one in self.of(pair).regions if (one["polygon"], one["kind"]) == (polygon, kind)]
        return told[0] if told else ""

    def plan(self, pair, regions):
        return []

    def evaluate(self, pair):
        told = self.of(pair)
        return Scores(dict(told.scores) if told else dict.fromkeys(DIMENSIONS, 50.0), dict.fromkeys(DIMENSIONS, 5.0))

    def compare(self, before, after):
        return Difference(0.0, 1.0, dict.fromkeys(DIMENSIONS, 0.0), dict.fromkeys(DIMENSIONS, 1.0))


class Boaster(Told):
    """Scores whatever is no edit of the dataset with 100."""

    def evaluate(self, pair):
        scores = super().evaluate(pair)
        return scores if self.of(pair) else replace(scores, values=dict.fromkeys(DIMENSIONS, 100.0))


class Known:
    """A refiner that gives what `repair` makes of a pair, after `tries` candidates of which it said `predicted`."""

    def __init__(self, samples, repair=lambda pair: pair.edited, model=Told, agents=AGENTS, tries=1, predicted=()):
        self.model = model(samples)
        self.repair, self.tries, self.predicted = repair, tries, predicted
        self.record = RunRecord.model_construct(
            config=TrainConfig(agents=agents), simulated=True, procedural=True, models=[], tasks=[]
        )

    def refine_pair(self, pair, *, on_compared=None):
        image = self.repair(pair)
        for one in self.predicted:
            on_compared(pair, replace(pair, edited=image), one)
        scores = [self.model.evaluate(pair), self.model.evaluate(replace(pair, edited=image))]
        differences = self.predicted or (self.model.compare(pair, pair),) * self.tries
        attempts = [Attempt(STEP, one, "", kept=number == 0) for number, one in enumerate(differences)]
        step = TraceStep(
            iteration=1, maps={}, presence={}, regions=(), plan=(), attempts=tuple(attempts), before=scores[0],
            after=scores[1], accepted=True, why="", seconds={"action": 0.5},
        )  # fmt: skip
        return RefineTrace(pair.instruction, pair.source, [pair.edited, image], scores, 1, [step], "")


def truths(root, samples):
    """Content hash of an edited image → the truth about it."""
    return {
        content_hash(decode(one.edited).tobytes()): oracle.read(root / "campaign" / "oracle" / one.edit_id)
        for one in samples
    }


@pytest.fixture(scope="module")
def perfect(root, samples):
    """Right about people, and gives the flawless image."""
    known = truths(root, samples)
    subject = Known(samples, lambda pair: known[content_hash(pair.edited.tobytes())].flawless)
    return benchmark(str(root / "dataset"), subject, oracle=root / "campaign")


def test_whoever_says_what_people_say_is_right_about_everything(perfect):
    for kind in REGION_KINDS:
        for measure in ("cc", "sim", "auc_judd", "pixel_ap", "image_auroc"):
            assert perfect.figure("perception", kind, THE_RUN, measure, "people").value == pytest.approx(1, abs=1e-6)
        assert perfect.figure("perception", kind, THE_RUN, "kld", "people").value == pytest.approx(0, abs=1e-6)
        assert perfect.figure("perception", kind, THE_RUN, "clean_mse", "people").value == 0
        assert perfect.figure("perception", kind, THE_RUN, "clean_empty", "people").value == 1
    assert perfect.figure("reasoning", BOTH, THE_RUN, "region_f1").value == 1
    for what in ("types of people's regions", "types of matched regions"):
        assert perfect.figure("reasoning", what, THE_RUN, "accuracy").value == 1
        assert perfect.figure("reasoning", what, THE_RUN, "macro_f1").value == 1
    for name in DIMENSIONS:
        assert perfect.figure("evaluation", name, THE_RUN, "srcc").value == pytest.approx(1)
        assert perfect.figure("evaluation", name, THE_RUN, "pairwise_accuracy").value == 1
        assert perfect.figure("evaluation", name, THE_RUN, "within_95").value == 1
        assert perfect.figure("evaluation", name, THE_RUN, "rmse").value == pytest.approx(0, abs=0.01)


def test_people_themselves_are_measured_against_what_was_really_broken(perfect):
    for kind in REGION_KINDS:
        people = perfect.figure("perception", kind, CEILING, "cc", ORACLE)
        run = perfect.figure("perception", kind, THE_RUN, "cc", ORACLE)
        prior = perfect.figure("perception", kind, "centre prior", "cc", ORACLE)
        assert people.value == run.value
        assert people.value > prior.value


def test_a_refiner_that_gives_the_flawless_image_improves_every_flawed_edit(perfect):
    assert perfect.figure("loop", FLAWED, THE_RUN, "improved", ORACLE).value == 1
    assert perfect.figure("loop", FLAWED, THE_RUN, "harmed", ORACLE).value == 0
    for name in DIMENSIONS:
        assert perfect.figure("loop", FLAWED, THE_RUN, f"change_{name}", ORACLE).value > 0
    restored = perfect.figure("loop", FLAWED, RESTORED, "change_instruction_following", ORACLE).value
    assert restored < -20


def test_the_evaluator_that_steered_the_loop_has_no_word_about_it(root, samples):
    judged = [
        benchmark(str(root / "dataset"), Known(samples, lambda pair: pair.edited[:, ::-1].copy(), model))
        for model in (Told, Boaster)
    ]
    loops = [[one for one in result.entries if one.part == "loop"] for result in judged]
    assert loops[0] == loops[1]
    assert {one.judged_by for one in loops[0]} == {SECOND, "pixels"}
    for name in DIMENSIONS:
        srcc = judged[0].figure("evaluation", name, SECOND, "srcc").value
        assert f"{name.replace('_', ' ')} SRCC {srcc:.2f}" in judged[0].judges[SECOND]


def test_a_loop_that_gives_the_input_back_improves_nothing_and_harms_nothing(root, samples):
    result = benchmark(str(root / "dataset"), Known(samples), oracle=root / "campaign")
    for judge in (SECOND, ORACLE):
        assert result.figure("loop", FLAWED, THE_RUN, "unchanged", judge).value == 1
        assert result.figure("loop", FLAWED, THE_RUN, "improved", judge).value == 0
        assert result.figure("loop", FLAWED, THE_RUN, "harmed", judge).value == 0
    assert result.figure("loop", FLAWED, THE_RUN, "untouched").value == 1
    by_people = benchmark(str(root / "dataset"), Known(samples))
    assert by_people.figure("loop", CLEAN, THE_RUN, "untouched").value == 1
    assert by_people.figure("loop", CLEAN, RESTORED, "untouched").value == 0
    assert by_people.figure("loop", CLEAN, THE_RUN, "untouched").n == sum(one.is_clean() for one in samples)


def test_a_loop_that_ruins_images_harms_all(root, samples):
    def ruin(pair):
        return np.random.default_rng(0).integers(0, 256, pair.edited.shape, dtype=np.uint8)

    result = benchmark(str(root / "dataset"), Known(samples, ruin), oracle=root / "campaign", limit=5)
    assert result.figure("loop", FLAWED, THE_RUN, "harmed", ORACLE).value == 1
    assert result.counts["edits_refined"] == 5
    assert any("5 of" in note for note in result.notes)


def predicted(mean, half_width):
    return Difference(mean, half_width, dict.fromkeys(DIMENSIONS, mean), dict.fromkeys(DIMENSIONS, 1.0))


def test_what_the_loop_predicts_is_held_against_the_true_gain(root, samples):
    known = truths(root, samples)

    def ruin(pair):
        return np.random.default_rng(0).integers(0, 256, pair.edited.shape, dtype=np.uint8)

    # Ruined, all lose much: 20 ± 5 is far too high and taken; 20 ± 500 covers everything and is not.
    subject = Known(samples, ruin, predicted=(predicted(20.0, 5.0), predicted(20.0, 500.0)))
    result = benchmark(str(root / "dataset"), subject, oracle=root / "campaign", limit=8)
    gains = []
    for one in stratified(samples, 8, 0):
        truth = known[content_hash(decode(one.edited).tobytes())]
        before, after = (true_quality(image, truth) for image in (one.pair().edited, ruin(one.pair())))
        gains.append(np.mean([after[name] - before[name] for name in DIMENSIONS]))
    bias = result.figure("loop", TRIED, THE_RUN, "bias", ORACLE)
    assert bias.value == pytest.approx(20 - np.mean(gains))
    assert bias.n == 16
    assert result.figure("loop", TRIED, THE_RUN, "covered", ORACLE).value == 0.5
    # The first of the two is the one that is kept.
    kept = {
        name: result.figure("loop", KEPT, THE_RUN, name, ORACLE)
        for name in ("bias", "covered", "truly_better", "truly_worse")
    }
    assert {figure.n for figure in kept.values()} == {8}
    assert [kept[name].value for name in ("covered", "truly_better", "truly_worse")] == [0, 0, 1]
    assert kept["bias"].value == pytest.approx(bias.value)
    assert "which is to lie above the lower limit for 84 %" in page_of(result)
    without_truth = benchmark(str(root / "dataset"), subject, limit=2)
    assert not {one.what for one in without_truth.entries} & {TRIED, KEPT}


class Painter:
    """Makes each image all of the seed's grey."""

    id, revision = "test/painter", "1"

    def edit(self, requests):
        return [EditOutcome("image", Image.new("RGB", one.source.size, (10 * one.seed,) * 3)) for one in requests]


def test_editing_again_and_the_best_of_as_many_as_the_loop_tried_stand_beside_it(root, samples):
    class LikesGrey(Told):
        def evaluate(self, pair):
            scores = super().evaluate(pair)
            is_30 = bool((pair.edited == 30).all())
            return replace(scores, values=dict.fromkeys(DIMENSIONS, 100.0)) if is_30 else scores

    seen, was_better = {}, []
    real = benchmarks.images_of

    def spy(pair, *arguments):
        seen.update(real(pair, *arguments))
        was_better.append(subject.model.compare(pair, replace(pair, edited=seen[AGAIN])).improves)
        assert np.array_equal(seen[GATED], seen[AGAIN] if was_better[-1] else pair.edited)
        return seen

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmarks, "images_of", spy)
        subject = Known(samples, model=LikesGrey, tries=3)
        result = benchmark(str(root / "dataset"), subject, editor=Painter(), limit=3)
    assert int(seen[AGAIN].mean()) == 10
    assert int(seen[BEST_OF_N].mean()) == 30
    assert len(was_better) == 3
    assert result.figure("loop", FLAWED, BEST_OF_N, "harmed", SECOND).n > 0
    assert result.counts["candidates_tried_for_one"] == 3


def test_what_the_run_was_not_trained_for_is_left_out(root, samples):
    result = benchmark(str(root / "dataset"), Known(samples, agents=("evaluation",)))
    assert {one.part for one in result.entries} == {"evaluation"}
    assert any("without perception and reasoning" in note for note in result.notes)


def test_only_some_edits_can_be_measured_on(root, samples):
    chosen = [one.edit_id for one in samples[:8]]
    result = benchmark(str(root / "dataset"), Known(samples), only=chosen, limit=1)
    assert result.counts["edits"] == 8
    with pytest.raises(BadInput, match="2 judged edits"):
        benchmark(str(root / "dataset"), Known(samples), only=chosen[:2])


def test_intervals_are_over_what_photos_are_samples_of(root, samples):
    scene = {one.source_id: "one scene" for one in samples}
    apart, together = (
        benchmark(str(root / "dataset"), Known(samples), limit=2, cluster=cluster) for cluster in (None, scene)
    )
    key = ("perception", "artifact", THE_RUN, "clean_empty")
    assert apart.figure(*key).value == together.figure(*key).value
    assert apart.figure(*key).low is not None
    assert together.figure(*key).low is None  # of one scene nothing is known about others
    assert "one of 1 clusters" in together.notes[0]


def test_people_who_chose_blindly_are_believed_about_the_images_that_they_saw(root, samples, tmp_path):
    flawed = {one.edit_id for one in samples if not one.is_clean()}
    odd = min(flawed)
    subject = Known(samples, lambda pair: 255 - pair.edited)
    dataset, asked = str(root / "dataset"), tmp_path / "asked"
    write_pairs(dataset, subject.refine_pair, asked, "run@1", "lite/simple")
    key = json.loads((asked / "key.json").read_text())["edits"]
    other = {"left": "right", "right": "left"}
    rows = [(one["pair"], other[one["after"]] if one["edit_id"] == odd else one["after"]) for one in key]
    for person, choices in {"ann": rows, "bob": rows, "cleo": [(pair, "left") for pair, _ in rows]}.items():
        lines = [f"{pair},{choice}" for pair, choice in choices]
        (asked / f"{person}.csv").write_text("\n".join(["pair,preferred", *lines]) + "\n")
    result = benchmark(dataset, subject, preferences=asked)
    n = len(flawed)
    assert result.figure("loop", FLAWED, THE_RUN, "improved", VOTERS).value == pytest.approx((n - 1) / n)
    assert result.figure("loop", FLAWED, THE_RUN, "harmed", VOTERS).value == pytest.approx(1 / n)
    assert f"3 people chose between before and after on {len(samples)} edits" in result.judges[VOTERS]
    with pytest.raises(BadInput, match=r"about another run: people saw what run@1 made"):
        benchmark(dataset, Known(samples, lambda pair: pair.edited // 2), preferences=asked)


def test_ratings_are_brought_to_one_scale(root, samples):
    table = ratings_of(str(root / "dataset"))
    assert set(table["score"]) <= {25.0, 75.0, 100.0}  # 2, 4 and 5 of 1 to 5
    assert set(table["edit_id"]) == {one.edit_id for one in samples}


def test_the_page_and_the_json_say_the_same_and_need_nothing_else(perfect, tmp_path):
    page = write_benchmark(tmp_path / "run", perfect)
    assert page == tmp_path / "run" / PAGE_FILE
    assert read_benchmark(tmp_path / "run") == perfect
    text = page.read_text()
    assert "simulated by a program" in text
    assert "procedural image operations" in text
    assert "http" not in text.replace("http://www.w3.org", "")
    assert json.loads((tmp_path / "run" / JSON_FILE).read_text())["seed"] == 0
    (tmp_path / "run" / JSON_FILE).write_text("{}")
    with pytest.raises(BadInput, match="again"):
        read_benchmark(tmp_path / "run")


def test_names_cannot_write_html(perfect):
    text = page_of(replace(perfect, run="<script>alert(1)</script>", notes=["<b>"]))
    assert "<script>" not in text
    assert "&lt;b&gt;" in text


def test_rows_for_the_console_have_one_shape_and_keep_rivals_together(perfect):
    rows = perfect.rows()
    assert len({tuple(row) for row in rows}) == 1
    questions = [(row["part"], row["what"], row["judged_by"], row["measure"]) for row in rows]
    assert sum(a != b for a, b in pairwise(questions)) == len(set(questions)) - 1


def test_a_workspace_without_truth_is_refused_in_a_sentence(root, samples, tmp_path):
    with pytest.raises(BadInput, match="holds no truth"):
        benchmark(str(root / "dataset"), Known(samples), oracle=tmp_path)


def test_a_run_that_was_really_trained_is_measured_from_its_folder(dataset, run):
    result = benchmark(str(dataset), run, limit=2)
    assert {one.part for one in result.entries} == {"perception", "reasoning", "evaluation", "loop"}
    assert (result.run, result.dataset) == (run.name, dataset.name)
    # Three people who agree, on two kinds of edits: who learned anything at all beats guessing.
    assert result.figure("perception", "artifact", THE_RUN, "cc").value > 0.3
    assert result.figure("evaluation", "perceptual_quality", THE_RUN, "srcc").value > 0.3
    assert json.loads(json.dumps(result.rows(), allow_nan=False))
