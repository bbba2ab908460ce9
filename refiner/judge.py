"""Judges that never steer the loop: a second evaluator, with other features and learner, and any model that is asked.

The loop seeks images that its own evaluator likes, so that one cannot say whether they are better. The second
evaluator is fitted inside the benchmark on the split `train`; how good it is itself stands beside what it says.
"""

import json
import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import cv2
import numpy as np
from PIL import Image

from editfhf.errors import BadInput
from editfhf.schema import DIMENSIONS
from editfhf.tasks import TASKS
from editfhf.vlm import Refused, Unanswered, VisionLanguageModel
from refiner.agents import Pair
from refiner.data import Sample
from refiner.lite.backbone import square
from refiner.lite.expectation import Expectation, expectations
from refiner.lite.planes import compare, statistics

SIDES = (256, 128, 64, 32)  # pixels of the squares on which two images are compared
TILES = 8  # by as many: the worst tiles tell of a small flaw, which a mean over the image does not
WORST_TILES = (1, 4, 12, 32)
QUANTILES = (0.5, 0.75, 0.9, 0.97)
SSIM_SIGMA = 1.5  # pixels
LUMINANCE_FLOOR, STRUCTURE_FLOOR = (0.01 * 100) ** 2, (0.03 * 100) ** 2  # C1, C2 of SSIM for lightness on 0..100
GRADIENT_FLOOR = 50.0  # of the gradient similarity: Sobel steps below about 7 are no edge
FARTHEST = 4.0  # standard deviations of the training edits: a statistic beyond is taken for that
# Both chosen on the split `validation` of a rehearsal (924 edits), of widths 0.3 to 5 and ridges 0.003 to 1.
KERNEL_WIDTH = 1.0
RIDGE = 0.03
FEWEST_EDITS = 8
SHOWN_SIDE = 1024  # pixels of the longer side, of images that a model behind an endpoint is shown
PROMPT = """The first image is a photo, the second an edited version of it. The editor was asked: "{instruction}"
Rate the edited image from 0 (bad) to 100 (excellent) in three respects, as people would on average:
perceptual_quality: free of artifacts, natural and pleasant, whatever was asked;
instruction_following: what was asked was done, fully and where it was meant;
visual_consistency: everything that was not to change stayed as it was in the photo."""
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {name: {"type": "number"} for name in DIMENSIONS},
    "required": list(DIMENSIONS),
    "additionalProperties": False,
}
log = logging.getLogger(__name__)
Values = dict[str, float]


class Judge(Protocol):
    """Who scores edits without having steered anything.

    Attributes:
        name: as it stands in tables.
    """

    name: str

    def judge(self, pairs: Sequence[Pair]) -> list[Values | None]:
        """Dimension → 0..100 (about) for each pair; None for one that it would not or could not judge."""
        ...


class SecondEvaluator:
    """Kernel ridge regression on hand-made statistics of the two images and the likely task of the words.

    Nothing of the backbone and no learned map is in it; of its statistics those of `lite.planes` are seen by the lite
    refiner's network as well. Deterministic: there is nothing random in it.

    Source:
        Kernel ridge regression with a Gaussian kernel (Saunders, Gammerman, Vovk, ICML 1998).
    """

    name = "second evaluator"

    def __init__(self, features: np.ndarray, scores: np.ndarray) -> None:
        self._centre = features.mean(axis=0)
        self._spread = features.std(axis=0) + 1e-6
        self._known = self._scaled(features)
        self._mean = scores.mean(axis=0)
        gram = self._kernel(self._known) + RIDGE * np.eye(len(features))
        self._weights = np.linalg.solve(gram, scores - self._mean)

    @classmethod
    def fit(cls, samples: Iterable[Sample]) -> "SecondEvaluator":
        """Fitted on the opinion scores of some edits.

        Raises:
            BadInput: fewer than `FEWEST_EDITS` edits.
        """
        features, scores = [], []
        for sample in samples:
            features += statistics_of([sample.pair()])
            scores.append([sample.scores[name] for name in DIMENSIONS])
        if len(scores) < FEWEST_EDITS:
            raise BadInput(
                f"The split `train` has {len(scores)} judged edits; the second evaluator needs {FEWEST_EDITS}.",
                mend="Annotate more edits and build the dataset again.",
            )
        return cls(np.stack(features), np.array(scores, float))

    def judge(self, pairs: Sequence[Pair]) -> list[Values | None]:
        if not pairs:
            return []
        features = self._scaled(np.stack(statistics_of(pairs)))
        scores = self._kernel(features) @ self._weights + self._mean
        return [dict(zip(DIMENSIONS, map(float, row), strict=True)) for row in scores]

    def _scaled(self, features: np.ndarray) -> np.ndarray:
        return np.clip((features - self._centre) / self._spread, -FARTHEST, FARTHEST)

    def _kernel(self, features: np.ndarray) -> np.ndarray:
        """Shape (len(features), number of training edits)."""
        squares = (features**2).sum(axis=1)[:, None] + (self._known**2).sum(axis=1) - 2 * features @ self._known.T
        return np.exp(-KERNEL_WIDTH * np.maximum(squares, 0) / (2 * features.shape[1]))


class EndpointJudge:
    """A vision-language model that is shown both images and asked for the three scores.

    Args:
        model: such as `editfhf.vlm.EndpointModel`, behind an OpenAI-compatible endpoint.
    """

    def __init__(self, model: VisionLanguageModel) -> None:
        self.model = model
        self.name = f"asked: {model.name}"

    def judge(self, pairs: Sequence[Pair]) -> list[Values | None]:
        with ThreadPoolExecutor(max(1, self.model.concurrency)) as pool:
            return list(pool.map(self._ask, pairs))

    def _ask(self, pair: Pair) -> Values | None:
        images = [_shown(pair.source), _shown(pair.edited)]
        try:
            answer = self.model.ask(images, PROMPT.format(instruction=pair.instruction), SCHEMA)
        except (Refused, Unanswered) as error:
            log.info("%s did not judge an edit: %s", self.name, error)
            return None
        return _read(answer)


def statistics_of(pairs: Sequence[Pair]) -> list[np.ndarray]:
    """What the second evaluator sees of each pair: float32, shape (n,), n the same for all."""
    told = expectations([pair.instruction for pair in pairs])
    return [_statistics(pair, expectation) for pair, expectation in zip(pairs, told, strict=True)]


def _statistics(pair: Pair, expectation: Expectation) -> np.ndarray:
    first = len(expectation.vector) - len(TASKS) - 4  # the likeness to each task, and the colour that is named
    parts = [statistics(compare(pair.source, pair.edited, expectation)), expectation.vector[first:]]
    return np.concatenate([*parts, *(_compared(pair, side) for side in SIDES)]).astype(np.float32)


def _compared(pair: Pair, side: int) -> np.ndarray:
    """SSIM's two terms, gradients and colour of the pair as squares of `side` pixels, each in a few numbers; PSNR."""
    before, after = (
        cv2.cvtColor(square(image, side).astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        for image in (pair.source, pair.edited)
    )
    difference = np.sqrt(((before - after) ** 2).sum(axis=2))
    x, y = before[..., 0], after[..., 0]
    mean_x, mean_y = _local(x), _local(y)
    spread = np.maximum(_local(x * x) - mean_x**2, 0) + np.maximum(_local(y * y) - mean_y**2, 0)
    both = _local(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + LUMINANCE_FLOOR) / (mean_x**2 + mean_y**2 + LUMINANCE_FLOOR)
    structure = (2 * both + STRUCTURE_FLOOR) / (spread + STRUCTURE_FLOOR)
    edges_x, edges_y = _edges(x), _edges(y)
    # Gradient similarity: Liu, Lin, Narwaria, IEEE TIP 21(4), 2012.
    edges = (2 * edges_x * edges_y + GRADIENT_FLOOR) / (edges_x**2 + edges_y**2 + GRADIENT_FLOOR)
    gained, lost = np.maximum(edges_y - edges_x, 0) / 20, np.maximum(edges_x - edges_y, 0) / 20
    error = float(np.mean((x - y) ** 2))
    maps = (1 - luminance, 1 - structure, 1 - edges, gained, lost, difference / 20)
    return np.concatenate([*(_summary(values) for values in maps), [10 * np.log10(100**2 / (error + 0.1))]])


def _summary(values: np.ndarray) -> np.ndarray:
    size = len(values) // TILES
    tiles = np.sort(values.reshape(TILES, size, TILES, size).mean(axis=(1, 3)).ravel())
    worst = tiles[[-number for number in WORST_TILES]]
    return np.concatenate([[values.mean(), values.std()], np.quantile(values, QUANTILES), worst])


def _local(values: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), SSIM_SIGMA))


def _edges(values: np.ndarray) -> np.ndarray:
    return np.hypot(cv2.Sobel(values, cv2.CV_32F, 1, 0), cv2.Sobel(values, cv2.CV_32F, 0, 1))


def _shown(pixels: np.ndarray) -> Image.Image:
    image = Image.fromarray(pixels)
    image.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    return image


def _read(answer: str) -> Values | None:
    """The three numbers of an answer; None where it is not what was asked for."""
    try:
        values = json.loads(answer)
        scores = {name: float(values[name]) for name in DIMENSIONS}
    except (ValueError, TypeError, KeyError):
        return None
    return scores if all(0 <= score <= 100 for score in scores.values()) else None
