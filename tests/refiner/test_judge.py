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
from refiner.judge import FEWEST_EDITS, EndpointJudge, SecondEvaluator
from refiner.judge_statistics import haar, statistics_of
from refiner.lite import planes
from refiner.lite.expectation import expectations
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
    return Sample("e", "s", source, edited, pair.instruction, "t", "g", "m", scores, {}, [], {}, {}, 3)


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


def test_of_many_edits_so_many_are_remembered_that_they_fit_in_memory(monkeypatch):
    monkeypatch.setattr("refiner.judge.MOST_ROWS", 40)
    few = SecondEvaluator.fit(sample_of(*noisy(number)) for number in range(60))
    assert len(few._weights) == 40
    pairs, scores = zip(*(noisy(number) for number in range(1000, 1030)), strict=True)
    assert spearmanr([one[DIMENSIONS[0]] for one in few.judge(pairs)], scores).statistic > 0.8


def test_one_by_one_gives_what_all_together_give(second):
    pairs = [noisy(number)[0] for number in range(3000, 3004)]
    together = second.judge(pairs)
    for pair, wanted in zip(pairs, together, strict=True):
        (alone,) = second.judge([pair])
        assert alone == pytest.approx(wanted, abs=1e-3)


def test_a_repair_of_a_small_place_moves_its_scores(second):
    flawed = [pair for pair, score in map(noisy, range(4000, 4010)) if score < 70]
    repaired = [Pair(pair.source, pair.source, pair.instruction) for pair in flawed]
    for before, after in zip(second.judge(flawed), second.judge(repaired), strict=True):
        assert all(after[name] > before[name] + 5 for name in DIMENSIONS)


def test_images_of_any_size_have_as_many_statistics():
    small = np.full((40, 33, 3), 7, np.uint8)
    pairs = [noisy(1)[0], Pair(small, small[:32], "make it red"), Pair(small, small, "the sky on the left")]
    seen = [statistics_of(pair) for pair in pairs]
    assert len({one.shape for one in seen}) == 1
    assert all(np.isfinite(one).all() for one in seen)


def test_what_it_sees_is_nothing_that_steers_the_loop():
    """No statistic goes with one of the network's planes as the same number at another scale would."""
    pairs = [noisy(number)[0] for number in range(5000, 5040)]
    own = np.stack([statistics_of(pair) for pair in pairs])
    (told,) = expectations([pairs[0].instruction])
    steering = np.stack([planes.statistics(planes.compare(pair.source, pair.edited, told)) for pair in pairs])
    own, steering = (one[:, one.std(axis=0) > 1e-6] for one in (own, steering))
    alike = np.corrcoef(own.T, steering.T)[: own.shape[1], own.shape[1] :]
    assert np.abs(alike).max() < 0.9999


@pytest.mark.parametrize("seed", range(3))
def test_the_energy_of_wavelet_bands_adds_up_and_an_edge_shows_in_one_direction(seed):
    values = np.random.default_rng(seed).normal(size=(64, 64)).astype(np.float32)
    half, bands = haar(values)
    assert sum(float((one**2).mean()) for one in (half, *bands)) == pytest.approx(float((values**2).mean()), rel=1e-5)
    stripes = np.tile(np.float32([1, -1]), (64, 32))
    half, bands = haar(stripes)
    assert [float((one**2).mean()) for one in (half, *bands)] == [0, 1, 0, 0]


def test_a_clear_change_is_seen_where_it_is_and_by_its_colour():
    source = np.full((256, 256, 3), 200, np.uint8)
    edited = source.copy()
    edited[:, :64] = (255, 0, 0)  # CSS red
    left, right = (statistics_of(Pair(source, edited, f"make the {side} side red")) for side in ("left", "right"))
    (differ,) = np.nonzero(np.abs(left - right) > 1e-6)
    # All of the change is in the left half; nothing else depends on the side.
    assert (left[differ], right[differ]) == (pytest.approx([1], abs=0.01), pytest.approx([0], abs=0.01))
    blue, red = (statistics_of(Pair(source, edited, f"make the left side {colour}")) for colour in ("blue", "red"))
    weight_near = differ[0] - 4 - 9 + 3  # of the changed place, how near the named colour it is
    assert red[weight_near] > 0.9
    assert blue[weight_near] < 0.1


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
