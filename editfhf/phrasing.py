"""Which tasks make sense on a photo, and which words may stand in the slots of their templates."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from editfhf.photo_content import PhotoContent
from editfhf.schema import Source, stable_id
from editfhf.tasks import FREE_SLOT, SLOTS, Task, fill_template, slots_of

UNNAMED_SUBJECT = "main object"
# Things whose outline nobody would ask to make square.
LIVING = {
    "person", "man", "woman", "child", "boy", "girl", "baby", "admiral", "astronaut", "photographer", "cat", "dog",
    "bird", "horse", "raccoon", "animal", "cow", "sheep", "fish", "people", "face", "flower", "tree", "plant",
}  # fmt: skip
PRESENT_SHARE = 0.12  # a colour that covers more of a thing counts as one of its own
DARK = 70  # mean brightness of 255 below which a photo was taken at night


@dataclass(frozen=True)
class PhotoFacts:
    """A photo with what is known of it: `pixels` uint8 (height, width, 3), RGB, as large as the masks in `content`."""

    source: Source
    pixels: np.ndarray
    content: PhotoContent

    @property
    def subject_is_known(self) -> bool:
        return self.content.subject is not None or bool(self.source.subject)

    @property
    def subject(self) -> str:
        return self.source.subject or ("person" if self.content.faces else UNNAMED_SUBJECT)

    @cached_property
    def subject_mask(self) -> np.ndarray:
        """The subject's pixels; where it was not found, its box, or the whole picture."""
        if self.content.subject is not None:
            return self.content.subject
        height, width = self.pixels.shape[:2]
        left, top, right, bottom = self.source.subject_box or (0.0, 0.0, 1.0, 1.0)
        mask = np.zeros((height, width), bool)
        mask[int(top * height) : int(np.ceil(bottom * height)), int(left * width) : int(np.ceil(right * width))] = True
        return mask

    @cached_property
    def subject_box(self) -> tuple[float, float, float, float]:
        rows, columns = np.flatnonzero(self.subject_mask.any(axis=1)), np.flatnonzero(self.subject_mask.any(axis=0))
        height, width = self.subject_mask.shape
        return (columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height)

    @cached_property
    def subject_share(self) -> float:
        return float(self.subject_mask.mean())

    @cached_property
    def brightness(self) -> float:
        return float(self.pixels.mean())

    @cached_property
    def subject_colours(self) -> set[str]:
        return self._colours_of(self.subject_mask)

    @cached_property
    def background_colours(self) -> set[str]:
        return self._colours_of(~self.subject_mask)

    @cached_property
    def picture_colours(self) -> set[str]:
        return self._colours_of(np.ones(self.pixels.shape[:2], bool))

    @cached_property
    def sky_colours(self) -> set[str]:
        return set() if self.content.sky is None else self._colours_of(self.content.sky)

    @cached_property
    def lettering_colours(self) -> set[str]:
        height, width = self.pixels.shape[:2]
        mask = np.zeros((height, width), bool)
        for left, top, right, bottom in self.content.lettering:
            mask[int(top * height) : int(bottom * height) + 1, int(left * width) : int(right * width) + 1] = True
        return self._colours_of(mask)

    def _colours_of(self, mask: np.ndarray) -> set[str]:
        pixels = self.pixels[mask]
        names = name_colours(pixels[:: max(1, len(pixels) // 20_000)])
        return {name for name in SLOTS["colour"] if len(names) and (names == name).mean() > PRESENT_SHARE}


def name_colours(pixels: np.ndarray) -> np.ndarray:
    """The name in the vocabulary of each colour ("" for greys and browns, which have none).

    Args:
        pixels: uint8, shape (n, 3), RGB.
    """
    if not len(pixels):
        return np.array([], "U6")
    hue, saturation, value = cv2.cvtColor(pixels.reshape(1, -1, 3), cv2.COLOR_RGB2HSV)[0].T.astype(int)
    # OpenCV's hue counts 0..179; the upper end of each name.
    bounds = [8, 22, 34, 82, 98, 128, 150, 172]
    names = np.array(["red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "red"], "U6")[
        np.searchsorted(bounds, hue, side="right")
    ]
    names[(names == "red") & (saturation < 130) & (value > 170)] = "pink"
    names[(names == "orange") & (value < 140)] = ""
    names[saturation < 45] = ""
    names[(saturation < 45) & (value > 185)] = "white"
    names[value < 50] = "black"
    return names


def makes_sense(task: Task, facts: PhotoFacts) -> bool:
    """Whether an instruction for this task can be written from a template and would mean something on this photo."""
    if not task.templates or not _has_what_it_needs(task.needs, facts.content, facts.subject_is_known):
        return False
    if any(FREE_SLOT in slots_of(template) for template in task.templates) and not facts.subject_is_known:
        return False
    return task.id not in _EXTRA_CONDITIONS or _EXTRA_CONDITIONS[task.id](facts)


def phrase(task: Task, facts: PhotoFacts, seed: int) -> str | None:
    """An instruction for the task on the photo, the same for the same seed; None when no word fits a slot."""
    choice = random.Random(stable_id(str(seed), facts.source.source_id, task.id))
    template = choice.choice(task.templates)
    words: dict[str, str] = {}
    for slot in slots_of(template):
        fitting = [facts.subject] if slot == FREE_SLOT else fitting_words(task.id, slot, facts)
        if not fitting:
            return None
        words[slot] = choice.choice(fitting)
    return fill_template(template, words)


def target_of(task: Task, facts: PhotoFacts) -> str:
    """What in the photo an instruction of this task is about, in words ("" for the picture as a whole)."""
    if task.id == "sky_replace":
        return "sky"
    if task.needs == "text":
        return "lettering"
    if task.needs == "person":
        return "face"
    names_subject = any(FREE_SLOT in slots_of(template) for template in task.templates)
    return facts.subject if names_subject else ""


def fitting_words(task_id: str, slot: str, facts: PhotoFacts) -> list[str]:
    """The words of a slot's vocabulary that would ask for a change one can see and that there is room for."""
    words = list(SLOTS[slot])
    rule = _WORD_RULES.get((task_id, slot)) or _WORD_RULES.get(("", slot))
    return [word for word in words if rule is None or rule(facts, word)]


def _has_what_it_needs(needs: str, content: PhotoContent, subject_is_known: bool) -> bool:
    return {
        "any": True,
        "surface": True,
        "object": subject_is_known,
        "objects": subject_is_known,
        "person": bool(content.faces),
        "outdoor": content.outdoor,
        "text": bool(content.lettering),
    }[needs]


def _room(facts: PhotoFacts, direction: str) -> float:
    """The width free beside the subject, as a share of the picture's."""
    left, _, right, _ = facts.subject_box
    return left if direction == "left" else 1 - right


def _corner_is_free(facts: PhotoFacts, corner: str) -> bool:
    """Among the corners, those that the subject covers least (nearly as little as the freest one)."""
    height, width = facts.subject_mask.shape
    covered = {}
    for name in SLOTS["corner"]:
        rows = slice(0, height // 3) if name.startswith("upper") else slice(-(height // 3), None)
        columns = slice(0, width // 3) if name.endswith("left") else slice(-(width // 3), None)
        covered[name] = facts.subject_mask[rows, columns].mean() if facts.content.subject is not None else 0.0
    return bool(covered[corner] <= min(covered.values()) + 0.05)


def _is_living(facts: PhotoFacts) -> bool:
    return bool(facts.content.faces) or bool(set(facts.subject.casefold().split()) & LIVING)


def _shape_differs(facts: PhotoFacts, shape: str) -> bool:
    contours, _ = cv2.findContours(facts.subject_mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(contours, key=cv2.contourArea)
    area = cv2.contourArea(outline)
    if shape == "round":
        return bool(area < 0.75 * np.pi * cv2.minEnclosingCircle(outline)[1] ** 2)
    (across, down) = cv2.minAreaRect(outline)[1]
    return bool(area < 0.88 * across * down or max(across, down) > 1.3 * min(across, down))


def _sky_differs(facts: PhotoFacts, sky: str) -> bool:
    present = facts.sky_colours
    if facts.brightness < DARK:
        return sky != "a starry night sky"
    return sky != ("a clear blue sky" if "blue" in present or "teal" in present else "heavy grey clouds")


def _fits_when_scaled(facts: PhotoFacts, factor: str) -> bool:
    left, top, right, bottom = facts.subject_box
    return int(factor) < 100 or max(right - left, bottom - top) * int(factor) <= 90


_EXTRA_CONDITIONS: dict[str, Callable[[PhotoFacts], bool]] = {
    # What fills most of the picture cannot be taken away, moved or doubled within it.
    "object_remove": lambda facts: facts.subject_share < 0.4,
    "object_replace": lambda facts: facts.subject_share < 0.5,
    "object_move": lambda facts: facts.subject_share < 0.35,
    "object_resize": lambda facts: facts.subject_share < 0.5,
    "object_duplicate": lambda facts: facts.subject_share < 0.3,
    "object_extract": lambda facts: facts.subject_share < 0.85,
    "background_replace": lambda facts: facts.subject_share < 0.85,
    "depth_of_field": lambda facts: facts.subject_share < 0.85,
    "reflection_shadow": lambda facts: facts.subject_share < 0.4 and facts.subject_box[3] < 0.94,
    "shape_change": lambda facts: not _is_living(facts) and facts.subject_share < 0.5,
    "sky_replace": lambda facts: facts.content.sky is not None,
    "season_change": lambda facts: "green" in facts.picture_colours,
    "lighting_change": lambda facts: not facts.content.greyscale,
    "colorize": lambda facts: not facts.content.greyscale,
}

_WORD_RULES: dict[tuple[str, str], Callable[[PhotoFacts, str], bool]] = {
    ("", "corner"): _corner_is_free,
    ("color_change", "colour"): lambda facts, colour: colour not in facts.subject_colours,
    ("multi_edit", "colour"): lambda facts, colour: colour not in facts.subject_colours,
    ("object_extract", "colour"): lambda facts, colour: colour not in facts.subject_colours,
    ("object_add", "colour"): lambda facts, colour: colour not in facts.picture_colours,
    ("object_replace", "colour"): lambda facts, colour: colour not in facts.background_colours,
    ("text_style", "colour"): lambda facts, colour: colour not in facts.lettering_colours | {"black", "white"},
    ("object_move", "direction"): lambda facts, direction: _room(facts, direction) > 0.12,
    ("object_duplicate", "direction"): lambda facts, direction: (
        _room(facts, direction) > 0.8 * (facts.subject_box[2] - facts.subject_box[0])
    ),
    ("object_resize", "factor"): _fits_when_scaled,
    ("shape_change", "shape"): _shape_differs,
    ("time_of_day", "time"): lambda facts, time: not (facts.brightness < DARK and time == "night"),
    ("season_change", "season"): lambda facts, season: not ("green" in facts.picture_colours and season == "spring"),
    ("sky_replace", "sky"): _sky_differs,
    ("tone_grading", "grade"): lambda facts, grade: not (facts.content.greyscale and "black-and-white" in grade),
}
