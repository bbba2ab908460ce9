"""What an instruction's text leads one to expect of the edit: which of the 43 tasks it is, which colour, which place.

Nothing here looks at an image, and nothing but the text is used: not the task's name, the model or its parameters.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import ImageColor
from skimage.color import rgb2lab

from editfhf.tasks import SLOTS, TASKS, fill_template, slots_of
from refiner.lite.backbone import sentence_embeddings

SHARPNESS = 20.0  # of the softmax over cosine similarities: 0.1 nearer makes a task about 7 times as likely
SENTENCES_PER_TASK = 6
# Words for places: (left, top, right, bottom) of the image.
PLACES = {
    "left": (0.0, 0.0, 0.5, 1.0), "right": (0.5, 0.0, 1.0, 1.0), "top": (0.0, 0.0, 1.0, 0.5),
    "upper": (0.0, 0.0, 1.0, 0.5), "bottom": (0.0, 0.5, 1.0, 1.0), "lower": (0.0, 0.5, 1.0, 1.0),
    "middle": (0.25, 0.25, 0.75, 0.75), "centre": (0.25, 0.25, 0.75, 0.75), "center": (0.25, 0.25, 0.75, 0.75),
    "sky": (0.0, 0.0, 1.0, 0.5), "background": (0.0, 0.0, 1.0, 1.0),
}  # fmt: skip
WORD = re.compile(r"[a-z]+")
UNWANTED = re.compile(r"\b(?:instead\s+of|rather\s+than|but\s+not)\b")


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a text leads one to expect.

    Attributes:
        vector: float32, shape (`WIDTH`,): sentence embedding, likeness to each of the 43 tasks, colour.
        colour: CIE L*a*b* of the colour that is named last, or None.
        place: (left, top, right, bottom) in 0..1 of the place that is named, or None.
    """

    vector: np.ndarray
    colour: np.ndarray | None
    place: tuple[float, float, float, float] | None


def width() -> int:
    """Length of `Expectation.vector`."""
    return sentence_embeddings(["a"]).shape[1] + len(TASKS) + 4


def expectations(instructions: Sequence[str]) -> list[Expectation]:
    """An expectation for each text."""
    embedded = sentence_embeddings(instructions)
    likeness = embedded @ _task_directions().T
    likely = np.exp(SHARPNESS * (likeness - likeness.max(axis=1, keepdims=True)))
    likely /= likely.sum(axis=1, keepdims=True)
    return [
        _expectation(text, sentence, tasks)
        for text, sentence, tasks in zip(instructions, embedded, likely.astype(np.float32), strict=True)
    ]


def likely_task(expectation: Expectation) -> str:
    """The task that the text is most like."""
    first = len(expectation.vector) - len(TASKS) - 4
    return list(TASKS)[int(np.argmax(expectation.vector[first : first + len(TASKS)]))]


def named_colour(text: str) -> np.ndarray | None:
    """CIE L*a*b* (float32, shape (3,)) of the last CSS colour name in a text, the new one in "from red to blue"; what
    comes behind "instead of" is not wanted and does not count."""
    names = colour_names(UNWANTED.split(text.casefold())[0]) or colour_names(text)
    if not names:
        return None
    red, green, blue = ImageColor.getrgb(names[-1])[:3]
    return np.asarray(rgb2lab(np.array([[[red, green, blue]]], np.float64) / 255)[0, 0], np.float32)


def colour_names(text: str) -> list[str]:
    """The CSS colour names in a text, in its order."""
    return [word for word in WORD.findall(text.casefold()) if word in ImageColor.colormap]


def named_place(text: str) -> tuple[float, float, float, float] | None:
    """The part of the image that a text names: the words for places in it, taken together."""
    boxes = [PLACES[word] for word in WORD.findall(text.casefold()) if word in PLACES]
    if not boxes:
        return None
    left, top = max(box[0] for box in boxes), max(box[1] for box in boxes)
    right, bottom = min(box[2] for box in boxes), min(box[3] for box in boxes)
    return (left, top, right, bottom) if left < right and top < bottom else None


def _expectation(text: str, sentence: np.ndarray, tasks: np.ndarray) -> Expectation:
    colour = named_colour(text)
    told = np.zeros(4, np.float32) if colour is None else np.array([1, *(colour / 100)], np.float32)
    return Expectation(np.concatenate([sentence, tasks, told]).astype(np.float32), colour, named_place(text))


@cache
def _task_directions() -> np.ndarray:
    """The mean direction of each task's sentences: its example, and its templates with words filled in."""
    random = np.random.default_rng(0)
    rows = []
    for task in TASKS.values():
        sentences = [task.example]
        for template in task.templates[:SENTENCES_PER_TASK]:
            words = {name: str(random.choice(SLOTS[name])) if name in SLOTS else "thing" for name in slots_of(template)}
            sentences.append(fill_template(template, words))
        mean = sentence_embeddings(sentences).mean(axis=0)
        rows.append(mean / np.linalg.norm(mean))
    return np.stack(rows)
