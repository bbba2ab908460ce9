"""What a flaw operator gets to see and what it gives back, and the soft shapes that operators share."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from editfhf.flaws import FLAWS
from generators.procedural.compositing import blur, bounding_box, luminance, sample
from generators.procedural.context import CannotEditError, EditContext, EditDraft, Editor
from generators.procedural.palette import cloud_noise


@dataclass(frozen=True)
class FlawScene:
    """An edit in which something is about to go wrong.

    Attributes:
        context: the request; editor: who did it; draft: the flawless result.
        edited: bool, shape (height, width): where the flawless result visibly differs from the source.
        unedited: an operator before this one has left the edit out: nothing lies at `draft.place`.
    """

    context: EditContext
    editor: Editor
    draft: EditDraft
    edited: np.ndarray
    unedited: bool = False

    @property
    def task(self) -> str:
        return self.context.task

    @property
    def subject_name(self) -> str:
        return self.context.slots.get("subject") or "subject"

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the edited image in pixels."""
        return self.draft.image.shape[0], self.draft.image.shape[1]

    @property
    def is_local(self) -> bool:
        """Whether the edit has a border inside the picture."""
        return 0.001 < self.draft.place.mean() < 0.85

    def redraw(self, context: EditContext) -> EditDraft | None:
        """The same editor with other slots, another subject or other tweaks; None where it cannot."""
        try:
            return self.editor.draw(context)
        except CannotEditError:
            return None

    def left_out(self) -> "FlawScene":
        return replace(self, unedited=True)

    def redone(self, wrong: EditDraft) -> "FlawScene":
        """The scene after the edit was made anew, wrongly: what comes next happens where the thing now lies."""
        changed = self.draft.changed | wrong.changed
        return replace(self, draft=replace(self.draft, place=wrong.place, changed=changed))


@dataclass(frozen=True)
class Flawed:
    """What an operator made.

    Attributes:
        image: float32, shape (height, width, 3), 0..255, before finishing.
        description: a sentence such as an attentive annotator would write.
        extent: `region`, `whole` (it is everywhere) or `missing` (what should be there is not).
        source_mask: bool, of the frame of the edit: where in the source the thing was that vanished or was not edited.
        severity: what it came out as, where the operator has no way to be mild; None: as asked.
        redrawn: the wrong edit, where the whole edit was made anew with other slots or tweaks.
    """

    image: np.ndarray
    description: str
    extent: str = "region"
    source_mask: np.ndarray | None = None
    severity: float | None = None
    redrawn: EditDraft | None = None


@dataclass(frozen=True)
class FlawOperator:
    """One way to spoil an edit.

    Attributes:
        name: its own; several operators may make one flaw type.
        flaw_type: of the taxonomy in `editfhf.flaws`.
        suits: whether it makes sense for an edit.
        apply: (scene, image so far, rng, severity 0..1) → the spoilt image, or None where it found nothing to spoil.
        replaces_edit: it makes the edit anew instead of working on the image so far; an edit has at most one of these.
        weight: how often it is drawn, against the others that suit.
    """

    name: str
    flaw_type: str
    suits: Callable[[FlawScene], bool]
    apply: Callable[[FlawScene, np.ndarray, np.random.Generator, float], Flawed | None]
    replaces_edit: bool = False
    weight: float = 1.0

    @property
    def kind(self) -> str:
        return FLAWS[self.flaw_type].kind


def between(low: float, high: float, severity: float) -> float:
    """A strength that grows evenly with the severity."""
    return low + (high - low) * severity


def blob(
    size: tuple[int, int], centre: tuple[float, float], radius: float, rng: np.random.Generator, softness: float = 0.25
) -> np.ndarray:
    """An irregular round patch with a soft edge: float32, shape `size`, 0..1. `centre` is (x, y) in pixels."""
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32)
    aspect = rng.uniform(0.7, 1.4)
    distance = np.hypot((columns - centre[0]) / aspect, (rows - centre[1]) * aspect) / max(radius, 1)
    wobble = 0.5 * (cloud_noise(size, rng, 0.2, 3) - 0.5)
    return np.clip((1 - distance + wobble) / softness, 0, 1).astype(np.float32)


def spot(
    mask: np.ndarray, rng: np.random.Generator, image: np.ndarray | None = None, tries: int = 12
) -> tuple[float, float] | None:
    """A random place (x, y) in the mask; with an image, the one of several with the most detail around it."""
    ys, xs = np.nonzero(mask)
    if len(ys) == 0:
        return None
    picks = rng.integers(len(ys), size=tries)
    pick = picks[0]
    if image is not None:
        grey = luminance(image)
        detail = blur(np.abs(grey - blur(grey, 2.0)), 0.02 * max(mask.shape))
        pick = picks[int(np.argmax(detail[ys[picks], xs[picks]]))]
    return float(xs[pick]), float(ys[pick])


def reach(scene: FlawScene, severity: float) -> float:
    """Radius in pixels of a local flaw: it grows with the severity, and fits the thing it lies on."""
    left, top, right, bottom = scene.draft.place_box
    thing = max(16.0, 0.75 * max(right - left, bottom - top))
    return float(min(between(0.055, 0.17, severity) * min(scene.size), between(0.6, 1.0, severity) * thing))


def displaced(image: np.ndarray, shift_x: np.ndarray, shift_y: np.ndarray) -> np.ndarray:
    """Each pixel taken from where the shifts (float32, pixels) point."""
    rows, columns = np.mgrid[0 : image.shape[0], 0 : image.shape[1]].astype(np.float32)
    return sample(image, columns + shift_x, rows + shift_y)


def where(mask: np.ndarray) -> str:
    """In words: `in the upper left`, `in the middle` …"""
    left, top, right, bottom = bounding_box(mask)
    height, width = mask.shape
    x, y = (left + right) / 2 / width, (top + bottom) / 2 / height
    vertical = "upper" if y < 0.38 else "lower" if y > 0.62 else ""
    horizontal = "left" if x < 0.38 else "right" if x > 0.62 else ""
    words = " ".join(word for word in (vertical, horizontal) if word)
    if not words:
        return "in the middle"
    return f"in the {words}{' part' if not horizontal else ''}"
