"""A small editor for repairs without a model: it recolours and changes tone, as far as it understands the words."""

import re
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from PIL import Image

from generators.base import EditOutcome, EditRequest
from refiner.lite.expectation import colour_names, named_colour

CHROMA_MOVED = 0.85  # of the way to the named colour; the rest keeps what varies within the thing
LIGHTNESS_MOVED = 0.35  # of the way of the local mean: shading and texture stay
LIGHTNESS_MOVED_TO_GREY = 0.75  # black, white and grey differ from the rest in lightness alone
GREY = 12.0  # chroma in L*a*b* below which a colour is one of those
LOCAL = 0.05  # of the diagonal: σ of the local mean lightness
TONE_A, TONE_B = (
    4.0,
    14.0,
)  # L*a*b* steps of "warmer", minus those of "cooler": plainly seen, no colour cast of a filter
TONE_GAMMA = 0.65  # of "brighter"; "darker" is its inverse
BLUR = 0.008  # of the diagonal: σ

NOT_UNDERSTOOD = (
    "The simple editor recolours, makes black and white, warmer, cooler, brighter or darker, and blurs; nothing else."
)
VERB = r"\b(?:make|turn|paint|colou?r|dye|tint|recolou?r|change)\b"
RECOLOUR = re.compile(rf"{VERB}.*?(?P<article>\b(?:an?|some)\s+)?\b(?P<colour>[a-z]+)\W*$")
# What is asked besides is more than tone or colour.
OTHER_WORK = re.compile(
    r"\b(?:add|put|place|insert|remove|erase|delete|replace|swap|write|wear|keep|only|move|resize|larger|bigger|smaller|"
    r"background|sky|night|day|sunset|sunrise|dawn|dusk|rain\w*|snow\w*|fog\w*|storm\w*|spring|summer|autumn|fall|winter|"
    r"pattern|stripe\w*|texture|style|sketch|watercolou?r|oil|from\s+the|behind|de-?blur|sharp\w*|reflection|shadow)\b"
)
COLOURISE = re.compile(
    r"colou?ri[sz]e|\bcolou?r(?:\s+in)?\s+(?:this|the|that|an?)\b.*\b(?:black|photo|picture)|\bcolours?\s+back\b"
)
# What is not wanted, or two things in two colours: more than this editor can tell apart.
NEGATED = re.compile(r"\b(?:not|no|never|without|less|instead\s+of|rather\s+than|except|don['’]?t)\b")
BETWEEN_CLAUSES = re.compile(r"\b(?:and|then|but|while)\b|[,;.]")
GREYSCALE = re.compile(r"\b(?:black\W+and\W+white|gr[ea]y\W?scale|monochrome|desaturate)\b")


class SimpleEditor:
    """An `EditModel` of a few operations on the whole frame; what it does not understand, it refuses.

    It knows nothing of things: "make the car red" reddens the frame, and the repair's region says where that counts.
    The seed changes nothing. The same for every machine up to the rounding of OpenCV.
    """

    id = "lite/simple"
    revision = "1"

    def edit(self, requests: Sequence[EditRequest]) -> list[EditOutcome]:
        return [self._edit_one(request) for request in requests]

    def _edit_one(self, request: EditRequest) -> EditOutcome:
        operation = understood(request.instruction)
        if operation is None:
            return EditOutcome("refused", reason=NOT_UNDERSTOOD)
        return EditOutcome("image", Image.fromarray(operation(np.array(request.source.convert("RGB")))))


def understood(instruction: str) -> Callable[[np.ndarray], np.ndarray] | None:
    """What to do to uint8 RGB pixels, or None where the words ask for more than colour and tone."""
    text = " ".join(instruction.casefold().split())
    if OTHER_WORK.search(text) or COLOURISE.search(text) or NEGATED.search(text):
        return None
    if GREYSCALE.search(text):
        return _greyscale
    if sum(bool(colour_names(clause)) for clause in BETWEEN_CLAUSES.split(text)) > 1:
        return None
    match = RECOLOUR.search(text)
    # "into an orange" names a thing, not a colour.
    if match and not match["article"]:
        target = named_colour(match["colour"])
        if target is not None:
            return lambda pixels: recolour(pixels, target)
    return next((operation for words, operation in TONES if words.search(text)), None)


def recolour(pixels: np.ndarray, target: np.ndarray) -> np.ndarray:
    """All of the image in the target colour, with its texture: uint8, shape (height, width, 3).

    Args:
        target: L*a*b*, shape (3,).
    """
    lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    lightness = lab[..., 0]
    is_grey = float(np.hypot(target[1], target[2])) < GREY
    moved = LIGHTNESS_MOVED_TO_GREY if is_grey else LIGHTNESS_MOVED
    local = cv2.GaussianBlur(lightness, (0, 0), max(1.0, LOCAL * float(np.hypot(*lightness.shape))))
    lab[..., 0] = np.clip(lightness + moved * (target[0] - local), 0, 100)
    # A shade cannot hold as much colour as the named one: towards black and white it fades.
    room = np.minimum(lab[..., 0], 100 - lab[..., 0]) / max(1.0, min(float(target[0]), 100 - float(target[0])))
    holds = np.clip(room, 0.15, 1.0)[..., None]
    lab[..., 1:] += CHROMA_MOVED * (target[1:] * holds - lab[..., 1:])
    return _to_rgb(lab)


def _greyscale(pixels: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def _shifted(pixels: np.ndarray, sign: float) -> np.ndarray:
    lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return _to_rgb(lab + np.array([0, sign * TONE_A, sign * TONE_B], np.float32))


def _curved(pixels: np.ndarray, gamma: float) -> np.ndarray:
    curve = np.rint(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
    return curve[pixels]


def _blurred(pixels: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(pixels, (0, 0), max(1.0, BLUR * float(np.hypot(*pixels.shape[:2]))))


def _to_rgb(lab: np.ndarray) -> np.ndarray:
    rgb = cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_LAB2RGB)
    return np.clip(np.rint(rgb * 255), 0, 255).astype(np.uint8)


TONES: tuple[tuple[re.Pattern[str], Callable[[np.ndarray], np.ndarray]], ...] = (
    (re.compile(r"\bwarm(?:er)?\b"), lambda pixels: _shifted(pixels, 1)),
    (re.compile(r"\b(?:cool(?:er)?|colder)\b"), lambda pixels: _shifted(pixels, -1)),
    (re.compile(r"\b(?:bright(?:er|en)|lighten|lighter)\b"), lambda pixels: _curved(pixels, TONE_GAMMA)),
    (re.compile(r"\b(?:dark(?:er|en)|dim)\b"), lambda pixels: _curved(pixels, 1 / TONE_GAMMA)),
    (re.compile(r"\bblur\b"), _blurred),
)
