"""Scores by likeness: kernel ridge regression as its definition says, and what it does not know it does not learn."""

import numpy as np
import pytest
import torch

from refiner.lite.kernel import FARTHEST, N_SUMMARY, RIDGE, WIDTH, KernelScores, summarise
from refiner.lite.planes import NAMES, PLANE_SIDE


def rated(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    seen = random.normal(size=(n, N_SUMMARY)).astype(np.float32)
    told = random.normal(size=(n, 384)).astype(np.float32)
    told /= np.linalg.norm(told, axis=1, keepdims=True)
    scores = np.clip(0.5 + 0.1 * seen[:, :3] + 0.02 * random.normal(size=(n, 3)), 0, 1)
    return seen, told, scores


def asked(kernel: KernelScores, seen: np.ndarray, told: np.ndarray) -> np.ndarray:
    return kernel(torch.from_numpy(seen), torch.from_numpy(told)).numpy()


def test_it_is_kernel_ridge_regression():
    from sklearn.kernel_ridge import KernelRidge

    seen, told, scores = rated(60)
    fitted = KernelScores.fit(seen[:50], told[:50], scores[:50], seed=0)

    def gram(left, right):
        centre, spread = seen[:50].mean(axis=0), seen[:50].std(axis=0) + 1e-6
        scaled = [np.clip((seen[some] - centre) / spread, -FARTHEST, FARTHEST) for some in (left, right)]
        apart = ((scaled[0][:, None] - scaled[1][None]) ** 2).mean(axis=2)
        return np.exp(-WIDTH * apart / 2) * (1 + told[left] @ told[right].T) / 2

    first, last = np.arange(50), np.arange(50, 60)
    mean = scores[:50].mean(axis=0)
    peer = KernelRidge(alpha=RIDGE, kernel="precomputed").fit(gram(first, first), scores[:50] - mean)
    wanted = np.clip(peer.predict(gram(last, first)) + mean, 0, 1)
    np.testing.assert_allclose(asked(fitted, seen[50:], told[50:]), wanted, atol=1e-4)


def test_an_unknown_score_teaches_nothing():
    seen, told, scores = rated(40)
    partly = scores.copy()
    partly[30:, 0] = np.nan
    fitted = KernelScores.fit(seen, told, partly, seed=0)
    assert not fitted.weights[30:, 0].any()
    all_known = KernelScores.fit(seen, told, scores, seed=0)
    np.testing.assert_allclose(fitted.weights[:, 1:], all_known.weights[:, 1:])
    others = partly.copy()
    others[30:, 1:] = 0.5
    again = KernelScores.fit(seen, told, others, seed=0)
    np.testing.assert_array_equal(fitted.weights[:, 0], again.weights[:, 0])


def test_of_very_many_edits_some_are_remembered_the_same_for_the_same_seed(monkeypatch):
    monkeypatch.setattr("refiner.lite.kernel.MOST_ROWS", 20)
    seen, told, scores = rated(50)
    fitted, again, other = (KernelScores.fit(seen, told, scores, seed) for seed in (1, 1, 2))
    assert len(fitted.rows) == 20
    assert torch.equal(fitted.weights, again.weights)
    assert not torch.equal(fitted.told, other.told)


def look(seed: int = 0, flawed: bool = False):
    random = np.random.default_rng(seed)
    features = {stride: random.random((4, 160 // stride, 160 // stride)).astype(np.float16) for stride in (8, 16, 32)}
    edited = {stride: values.copy() for stride, values in features.items()}
    planes = random.random((len(NAMES), PLANE_SIDE, PLANE_SIDE)).astype(np.float16)
    if flawed:
        edited[8][:, 2:4, 2:4] += 3
    return features, edited, planes


def test_a_summary_holds_what_its_names_say():
    source, edited, planes = look()
    summary = summarise(source, edited, planes)
    assert summary.shape == (N_SUMMARY,)
    flat = planes.reshape(len(planes), -1).astype(np.float64)
    np.testing.assert_allclose(summary[: len(NAMES)], flat.mean(axis=1), rtol=1e-4)
    # Where the image changed: planes weighted by the square of the difference.
    weights = flat[NAMES.index("difference")] ** 2
    there = (flat * weights).sum(axis=1) / weights.sum()
    first = len(NAMES) * 7
    np.testing.assert_allclose(summary[first : first + len(NAMES)], there, rtol=1e-3)
    # Nothing is apart between equal features.
    assert not summary[-24:].any()
    assert summarise(*look(flawed=True))[-24:-16].any()


@pytest.mark.parametrize("n", [1, 3])
def test_scores_lie_between_0_and_1(n):
    seen, told, scores = rated(30)
    fitted = KernelScores.fit(seen, told, 3 * scores - 1, seed=0)
    found = asked(fitted, 3 * seen[:n], told[:n])
    assert found.shape == (n, 3)
    assert ((found >= 0) & (found <= 1)).all()
