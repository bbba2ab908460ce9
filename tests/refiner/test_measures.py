"""What the benchmark counts, beside counting by hand: people left out in turn, types, maps, choices, draws."""

# ruff: noqa: ARG002 (agents that do not look at everything that they are given)

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, spearmanr

from editfhf.schema import DIMENSIONS
from refiner.agents import FoundRegion, Pair, Scores
from refiner.data import Sample
from refiner.measures import evaluation
from refiner.measures.evaluation import ONE_PERSON, EvaluationMeasures
from refiner.measures.loop import stratified
from refiner.measures.perception import agreement_of
from refiner.measures.reasoning import macro_f1, name_of
from tests.factories import photo


def test_the_ceiling_is_each_rater_left_out_in_turn(monkeypatch):
    """With gaps, and raters of different strictness; by loops over raters and edits."""
    monkeypatch.setattr(evaluation, "BASELINES", {})
    random = np.random.default_rng(3)
    many = [fake_sample(number, random) for number in range(40)]
    rows = []
    for one in many:
        for number, rater in enumerate("abcde"):
            for name, score in one.scores.items():
                if random.random() < 0.7:
                    said = round(score / 20 + random.normal() + number) * 20.0
                    rows.append({"edit_id": one.edit_id, "annotator": rater, "dimension": name, "score": said})
    ratings = pd.DataFrame(rows)
    measures = EvaluationMeasures()
    measures.add_people(ratings, many)
    entries = {
        (one.what, one.measure): one.figure.value
        for one in measures.entries()
        if (one.method, one.group) == (ONE_PERSON, "all")
    }
    for name in DIMENSIONS:
        said = {(row["edit_id"], row["annotator"]): row["score"] for row in rows if row["dimension"] == name}
        found = []
        for rater in "abcde":
            own, others = [], []
            for one in many:
                rest = [
                    said[one.edit_id, other] for other in "abcde" if other != rater and (one.edit_id, other) in said
                ]
                if (one.edit_id, rater) in said and rest:
                    own.append(said[one.edit_id, rater])
                    others.append(sum(rest) / len(rest))
            found.append((len(own), spearmanr(own, others).statistic, kendalltau(own, others).statistic))
        weights = [n for n, _, _ in found]
        assert entries[name, "srcc"] == pytest.approx(np.average([one[1] for one in found], weights=weights))
        assert entries[name, "krcc"] == pytest.approx(np.average([one[2] for one in found], weights=weights))


def fake_sample(number: int, random: np.random.Generator) -> Sample:
    scores = {name: float(random.uniform(0, 100)) for name in DIMENSIONS}
    return Sample(
        f"edit{number}", f"photo{number // 4}", b"", b"", "do it", "task", "group", f"model{number % 2}", scores, {},
        [], {}, {}, 3,
    )  # fmt: skip


def test_scores_of_other_edits_agree_with_nothing(monkeypatch):
    monkeypatch.setattr(evaluation, "BASELINES", {})
    random = np.random.default_rng(5)
    many = [fake_sample(number, random) for number in range(400)]
    measures = EvaluationMeasures()
    empty = Pair(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 3), np.uint8), "")
    for one, other in zip(many, many[200:] + many[:200], strict=True):
        measures.add(one, empty, Scores(dict(other.scores), dict.fromkeys(DIMENSIONS, 30.0)), {})
    entries = {(one.what, one.measure): one.figure for one in measures.entries() if one.group == "all"}
    for name in DIMENSIONS:
        assert abs(entries[name, "srcc"].value) < 0.15
        assert entries[name, "srcc"].low < entries[name, "srcc"].value < entries[name, "srcc"].high
        assert entries[name, "pairwise_accuracy"].value == pytest.approx(0.5, abs=0.1)
        # |x − y| of two uniform numbers is below 58.8 with probability 1 − 0.412².
        assert entries[name, "within_95"].value == pytest.approx(0.83, abs=0.06)


def test_a_map_of_another_image_agrees_little_and_an_empty_one_not_at_all():
    truth = np.zeros((40, 60), np.float32)
    truth[5:15, 5:20] = 1
    assert agreement_of(truth, truth)["cc"] == pytest.approx(1)
    assert agreement_of(truth[::-1, ::-1].copy(), truth)["cc"] < 0
    empty = agreement_of(np.zeros_like(truth), truth)
    assert (empty["cc"], empty["nss"], empty["auc_judd"]) == (0, 0, 0.5)
    assert np.isnan(agreement_of(truth, np.ones_like(truth))["auc_judd"])


def test_macro_f1_agrees_with_counting():
    random = np.random.default_rng(1)
    told, called = random.choice(list("abcd"), 60), random.choice(list("abce"), 60)
    scores = []
    for name in sorted(set(told)):
        right = sum(t == c == name for t, c in zip(told, called, strict=True))
        precision = right / max(1, Counter(called)[name])
        recall = right / Counter(told)[name]
        scores.append(2 * precision * recall / (precision + recall) if right else 0.0)
    assert macro_f1(told, called) == pytest.approx(sum(scores) / len(scores))
    assert np.isnan(macro_f1(np.array([]), np.array([])))


def test_an_agent_that_only_reads_maps_is_shown_the_region_that_people_drew():
    class Reader:
        def find_regions(self, pair, perceived):
            (rows, columns) = np.nonzero(perceived.maps["artifact"])
            left, right, top, bottom = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
            self.seen = [round(float(one) / 480, 2) for one in (left, top, right, bottom)]
            return [FoundRegion("artifact", "garbled_text", "region", BOX, "", 0.5)]

    BOX = [[[0.25, 0.5], [0.75, 0.5], [0.75, 1.0], [0.25, 1.0]]]  # noqa: N806
    reader, pair = Reader(), Pair(photo(40, 1), photo(40, 1), "do it")
    assert name_of(reader, pair, BOX, "artifact") == "garbled_text"
    assert reader.seen == [0.25, 0.5, 0.75, 1.0]


def test_a_limited_loop_sees_every_group_of_tasks_and_clean_edits():
    random = np.random.default_rng(0)
    groups, marks = (
        ["many"] * 90 + ["few"] * 10,
        [[{"kind": "artifact", "support": 2}], [{"kind": "artifact", "support": 3}], []] * 34,
    )
    many = [
        replace(fake_sample(number, random), task_group=group, regions=mark)
        for number, (group, mark) in enumerate(zip(groups, marks, strict=False))
    ]
    chosen = stratified(many, 16, seed=1)
    # Four of each, but for clean edits of the small group: it has three.
    counts = Counter((one.task_group, one.is_clean()) for one in chosen)
    assert counts["few", True] == 3
    assert {counts["few", False], counts["many", True], counts["many", False]} == {4, 5}
    assert len(chosen) == len({one.edit_id for one in chosen}) == 16
    assert stratified(many, 16, seed=1) == chosen
    assert stratified(many, None, seed=1) == many
