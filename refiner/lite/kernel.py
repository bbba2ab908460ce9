"""Scores by likeness: kernel ridge regression beside the network, on a summary of what the network sees.

The network learns from a thousand edits what it can; what edits of the like were rated is a second opinion, with errors
of its own. The mean of both is nearer to people than either (`docs/refiner.md`).
"""

import numpy as np
import torch
from torch import Tensor, nn

from editfhf.schema import DIMENSIONS
from refiner.lite.backbone import TEXT_WIDTH
from refiner.lite.planes import NAMES

QUANTILES = (0.01, 0.1, 0.5, 0.9, 0.99)  # of each plane
FINER_QUANTILES = (0.25, 0.5, 0.75, 0.9, 0.97)  # of how far the features of both images are apart
BLOCKS = 8  # by as many: the mean of the worst block tells of a small flaw, which one over the image does not
# Of the blocks: the highest of each of these planes, and the lowest of those that fall where detail is lost.
HIGHEST = ("difference", "highest difference", "structure lost", "structure lost, coarse", "detail change",
           "fine detail change")  # fmt: skip
LOWEST = ("detail change", "fine detail change")
SEEN_STRIDES = (8, 16, 32)  # of the backbone; the first stage says little that the planes do not
OF_FEATURES = 3 + len(FINER_QUANTILES)
# The order of a summary: of each plane mean, deviation and quantiles; of each plane mean and deviation where the image
# changed; of blocks; of features.
N_SUMMARY = len(NAMES) * (4 + len(QUANTILES)) + len(HIGHEST) + len(LOWEST) + len(SEEN_STRIDES) * OF_FEATURES
# Chosen on the validation photos of a rehearsal, of widths 0.5 and 1 and ridges 0.03 and 0.1.
WIDTH = 0.5
RIDGE = 0.03
FARTHEST = 4.0  # standard deviations: a statistic beyond is taken for that
MOST_ROWS = 4000  # edits that are remembered, drawn at random: a matrix of as many rows and columns is solved (128 MB)


def summarise(source: dict[int, np.ndarray], edited: dict[int, np.ndarray], planes: np.ndarray) -> np.ndarray:
    """What is seen of a pair in a few numbers: float32, shape (N_SUMMARY,).

    Args:
        source, edited, planes: as in `features.PairFeatures`.
    """
    flat = planes.reshape(len(planes), -1).astype(np.float32)
    blocks = planes.astype(np.float32).reshape(len(planes), BLOCKS, planes.shape[1] // BLOCKS, BLOCKS, -1).mean((2, 4))
    changed = flat[NAMES.index("difference")] ** 2
    changed = changed / (changed.sum() + 1e-6)
    there = flat @ changed
    scatter = np.sqrt(np.maximum(((flat - there[:, None]) ** 2) @ changed, 0))
    parts = [
        flat.mean(axis=1),
        flat.std(axis=1),
        np.quantile(flat, QUANTILES, axis=1).ravel(),
        there,
        scatter,
        [blocks[NAMES.index(name)].max() for name in HIGHEST],
        [blocks[NAMES.index(name)].min() for name in LOWEST],
    ]
    for stride in SEEN_STRIDES:
        apart = _apart(source[stride].astype(np.float32), edited[stride].astype(np.float32))
        parts.append([apart.mean(), apart.std(), apart.max(), *np.quantile(apart, FINER_QUANTILES)])
    return np.concatenate(parts).astype(np.float32)


def _apart(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """How far two images' features are apart at each place, 0..1; (channels, side, side) → (side, side)."""
    lengths = np.linalg.norm(left, axis=0) + np.linalg.norm(right, axis=0)
    return np.asarray(np.linalg.norm(left - right, axis=0) / (lengths + 1e-3))


class KernelScores(nn.Module):
    """Three scores of 0..1 from the likeness to edits that people rated.

    The kernel is Gaussian in the summaries, times (1 + cosine) / 2 of the sentences.

    Args:
        n_rows: how many edits are remembered; `fit` fills them in, or a state that is loaded.

    Source:
        Kernel ridge regression (Saunders, Gammerman, Vovk, ICML 1998).
    """

    rows: Tensor
    told: Tensor
    weights: Tensor
    centre: Tensor
    spread: Tensor
    mean: Tensor

    def __init__(self, n_rows: int) -> None:
        super().__init__()
        for name, shape in (
            ("rows", (n_rows, N_SUMMARY)), ("told", (n_rows, TEXT_WIDTH)), ("weights", (n_rows, len(DIMENSIONS))),
            ("centre", (N_SUMMARY,)), ("spread", (N_SUMMARY,)), ("mean", (len(DIMENSIONS),)),
        ):  # fmt: skip
            self.register_buffer(name, torch.zeros(shape))

    @classmethod
    def fit(cls, summaries: np.ndarray, told: np.ndarray, scores: np.ndarray, seed: int) -> "KernelScores":
        """Fitted to some edits; `MOST_ROWS` of them where there are more.

        Args:
            summaries: shape (n, N_SUMMARY); told: sentence embeddings of unit length, shape (n, TEXT_WIDTH).
            scores: shape (n, 3), 0..1, NaN where one is not known.
        """
        if len(summaries) > MOST_ROWS:
            kept = np.sort(np.random.default_rng([seed, 3]).choice(len(summaries), MOST_ROWS, replace=False))
            summaries, told, scores = summaries[kept], told[kept], scores[kept]
        fitted = cls(len(summaries))
        fitted.centre.copy_(torch.from_numpy(summaries.mean(axis=0)))
        fitted.spread.copy_(torch.from_numpy(summaries.std(axis=0) + 1e-6))
        fitted.rows.copy_(fitted._scaled(torch.from_numpy(summaries)))
        fitted.told.copy_(torch.from_numpy(told))
        gram = fitted._kernel(fitted.rows, fitted.told).double().numpy()
        for number in range(len(DIMENSIONS)):
            known = np.flatnonzero(np.isfinite(scores[:, number]))
            mean = float(scores[known, number].mean())
            solved = np.linalg.solve(
                gram[np.ix_(known, known)] + RIDGE * np.eye(len(known)), scores[known, number] - mean
            )
            fitted.mean[number] = mean
            fitted.weights[known, number] = torch.from_numpy(solved).float()
        return fitted

    def forward(self, summaries: Tensor, told: Tensor) -> Tensor:
        """(n, N_SUMMARY) and (n, TEXT_WIDTH) → (n, 3), of 0..1."""
        scores = self._kernel(self._scaled(summaries), told) @ self.weights + self.mean
        return scores.clamp(0, 1)

    def _scaled(self, summaries: Tensor) -> Tensor:
        return ((summaries - self.centre) / self.spread).clamp(-FARTHEST, FARTHEST)

    def _kernel(self, scaled: Tensor, told: Tensor) -> Tensor:
        squares = torch.cdist(scaled, self.rows, compute_mode="donot_use_mm_for_euclid_dist") ** 2
        return torch.exp(-WIDTH * squares / (2 * N_SUMMARY)) * (1 + told @ self.told.T) / 2
