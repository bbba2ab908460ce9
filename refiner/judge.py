"""Judges that never steer the loop: a second evaluator, with other features and learner, and any model that is asked.

The loop seeks images that its own evaluator likes, so that one cannot say whether they are better. The second
evaluator is fitted inside the benchmark on the split `train`; how good it is itself stands beside what it says.
"""

import json
import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from PIL import Image

from editfhf.errors import BadInput
from editfhf.schema import DIMENSIONS
from editfhf.vlm import Refused, Unanswered, VisionLanguageModel
from refiner.agents import Pair
from refiner.data import Sample
from refiner.judge_statistics import statistics_of
from refiner.lite.backbone import sentence_embeddings

FARTHEST = 4.0  # standard deviations of the training edits: a statistic beyond is taken for that
MOST_ROWS = 4000  # edits that are remembered: their kernel takes 128 MB, and its solution three times that
# Both chosen on the split `validation` of a rehearsal (168 edits), of widths 0.6 to 1.5 and ridges 0.03 and 0.1.
KERNEL_WIDTH = 1.0
RIDGE = 0.1
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
    """Kernel ridge regression on hand-made statistics of the two images (`refiner.judge_statistics`) and on the text.

    With the evaluator that steers the lite refiner it shares what comes of the text (the sentence embedding, the colour
    and the place that are named) and the edits and people that taught both. Of the images it sees neither the features
    of the backbone nor the planes; but both compare colours in L*a*b*, so what they see goes together. Deterministic:
    there is nothing random in it.

    Args:
        seen: statistics of the images, shape (n, any); told: sentence embeddings of unit length, shape (n, any).
        scores: shape (n, 3).

    Source:
        Kernel ridge regression (Saunders, Gammerman, Vovk, ICML 1998). The kernel is Gaussian in what is seen, times
        (1 + cosine) / 2 of the sentences: what is seen counts for edits of which the like was asked.
    """

    name = "second evaluator"

    def __init__(self, seen: np.ndarray, told: np.ndarray, scores: np.ndarray) -> None:
        self._centre = seen.mean(axis=0)
        self._spread = seen.std(axis=0) + 1e-6
        self._seen, self._told = self._scaled(seen), told
        self._mean = scores.mean(axis=0)
        gram = self._kernel(self._seen, told) + RIDGE * np.eye(len(seen))
        self._weights = np.linalg.solve(gram, scores - self._mean)

    @classmethod
    def fit(cls, samples: Iterable[Sample]) -> "SecondEvaluator":
        """Fitted on the opinion scores of some edits; `MOST_ROWS` of them, drawn evenly, where there are more.

        Raises:
            BadInput: fewer than `FEWEST_EDITS` edits.
        """
        seen, instructions, scores = [], [], []
        for sample in samples:
            seen.append(statistics_of(sample.pair()))
            instructions.append(sample.instruction)
            scores.append([sample.scores[name] for name in DIMENSIONS])
        if len(scores) > MOST_ROWS:
            kept = np.sort(np.random.default_rng(0).choice(len(scores), MOST_ROWS, replace=False))
            seen = [seen[number] for number in kept]
            instructions = [instructions[number] for number in kept]
            scores = [scores[number] for number in kept]
        if len(scores) < FEWEST_EDITS:
            raise BadInput(
                f"The split `train` has {len(scores)} judged edits; the second evaluator needs {FEWEST_EDITS}.",
                mend="Annotate more edits and build the dataset again.",
            )
        return cls(np.stack(seen), sentence_embeddings(instructions), np.array(scores, float))

    def judge(self, pairs: Sequence[Pair]) -> list[Values | None]:
        if not pairs:
            return []
        seen = self._scaled(np.stack([statistics_of(pair) for pair in pairs]))
        told = sentence_embeddings([pair.instruction for pair in pairs])
        scores = self._kernel(seen, told) @ self._weights + self._mean
        return [dict(zip(DIMENSIONS, map(float, row), strict=True)) for row in scores]

    def _scaled(self, seen: np.ndarray) -> np.ndarray:
        return np.clip((seen - self._centre) / self._spread, -FARTHEST, FARTHEST)

    def _kernel(self, seen: np.ndarray, told: np.ndarray) -> np.ndarray:
        """Shape (len(seen), number of training edits)."""
        squares = (seen**2).sum(axis=1)[:, None] + (self._seen**2).sum(axis=1) - 2 * seen @ self._seen.T
        alike = np.exp(-KERNEL_WIDTH * np.maximum(squares, 0) / (2 * seen.shape[1]))
        return alike * (1 + told @ self._told.T) / 2


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
