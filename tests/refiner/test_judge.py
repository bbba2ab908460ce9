"""Judges that steer nothing: the second evaluator learns, always the same; an asked model's words are checked."""

import json
import threading

import numpy as np
import pytest
from scipy.stats import spearmanr

from editfhf.errors import BadInput
from editfhf.schema import DIMENSIONS
from editfhf.vlm import Refused, Unanswered
from refiner.agents import Pair
from refiner.data import Sample
from refiner.judge import FEWEST_EDITS, EndpointJudge, SecondEvaluator, statistics_of
from tests.factories import photo, png


def noisy(number: int) -> tuple[Pair, float]:
    """A photo with more or less noise on a part of it, and a score that says how little."""
    random = np.random.default_rng(number)
    source = photo(72, number)
    strength = float(random.uniform(0, 1))
    edited = source.astype(float)
    top, left = random.integers(0, 40, 2)
    edited[top : top + 30, left : left + 30] += 120 * strength * random.normal(size=(30, 30, 3))
    return Pair(source, np.clip(edited, 0, 255).astype(np.uint8), "remove the noise"), 100 * (1 - strength)


def sample_of(pair: Pair, score: float) -> Sample:
    scores = dict.fromkeys(DIMENSIONS, score)
    source, edited = png(pair.source), png(pair.edited)
    return Sample("e", "s", source, edited, pair.instruction, "t", "g", "m", scores, {}, [], {}, 3, 3)


@pytest.fixture(scope="module")
def second() -> SecondEvaluator:
    return SecondEvaluator.fit(sample_of(*noisy(number)) for number in range(60))


def test_the_second_evaluator_orders_edits_of_photos_it_never_saw(second):
    pairs, scores = zip(*(noisy(number) for number in range(1000, 1030)), strict=True)
    judged = second.judge(pairs)
    for name in DIMENSIONS:
        assert spearmanr([one[name] for one in judged], scores).statistic > 0.85


def test_the_second_evaluator_is_the_same_each_time(second):
    again = SecondEvaluator.fit(sample_of(*noisy(number)) for number in range(60))
    pairs = [noisy(number)[0] for number in range(2000, 2004)]
    assert again.judge(pairs) == second.judge(pairs)
    assert second.judge([]) == []


def test_one_by_one_gives_what_all_together_give(second):
    pairs = [noisy(number)[0] for number in range(3000, 3004)]
    together = second.judge(pairs)
    for pair, wanted in zip(pairs, together, strict=True):
        (alone,) = second.judge([pair])
        assert alone == pytest.approx(wanted, abs=1e-3)


def test_a_repair_of_a_small_place_moves_its_scores(second):
    pair, _ = noisy(4001)
    before, after = second.judge([pair, Pair(pair.source, pair.source, pair.instruction)])
    assert all(after[name] > before[name] for name in DIMENSIONS)


def test_images_of_any_size_have_as_many_statistics():
    small = np.full((40, 33, 3), 7, np.uint8)
    sizes = {len(one) for one in statistics_of([noisy(1)[0], Pair(small, small[:32], "a"), Pair(small, small, "b")])}
    assert len(sizes) == 1


def test_too_few_edits_are_refused_in_a_sentence():
    with pytest.raises(BadInput, match=r"3 judged edits.*needs"):
        SecondEvaluator.fit(sample_of(*noisy(number)) for number in range(3))
    assert FEWEST_EDITS > 3


class Asked:
    """A model whose answers are given, by the grey of the edited image."""

    name, concurrency = "some-model", 3

    def __init__(self, answers):
        self.answers, self.seen, self.lock = answers, [], threading.Lock()

    def ask(self, images, prompt, schema):
        grey = images[1].getpixel((0, 0))[0]
        with self.lock:
            self.seen.append((len(images), prompt, schema["required"]))
        answer = self.answers[grey]
        if isinstance(answer, Exception):
            raise answer
        return answer


def scores(value: object) -> str:
    return json.dumps(dict.fromkeys(DIMENSIONS, value))


def test_an_asked_model_gives_scores_in_order_and_none_where_it_gives_none():
    wrong = [
        "no JSON",
        "[]",
        scores("much"),
        scores(101),
        '{"perceptual_quality": 5}',
        scores(None),
        scores(float("nan")),
    ]
    answers = {1: scores(70), 2: Refused("no"), 3: Unanswered("late"), 4: scores(5.5)}
    answers |= {10 + number: text for number, text in enumerate(wrong)}
    model = Asked(answers)
    pairs = [Pair(photo(32, 0), np.full((32, 32, 3), grey, np.uint8), "turn {it} red") for grey in answers]
    judged = EndpointJudge(model).judge(pairs)
    assert judged[:4] == [dict.fromkeys(DIMENSIONS, 70.0), None, None, dict.fromkeys(DIMENSIONS, 5.5)]
    assert judged[4:] == [None] * len(wrong)
    assert all(n == 2 and "turn {it} red" in prompt and fields == list(DIMENSIONS) for n, prompt, fields in model.seen)
