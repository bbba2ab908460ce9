"""What an editor gets (`EditContext`) and what it gives back (`EditDraft`)."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np

from editfhf.photo_content import PhotoContent, describe_photo
from generators.procedural.compositing import bounding_box
from generators.procedural.filling import fill_region

# An object that fills more of the photo than this cannot be taken out or moved: too little is left to fill from.
LARGEST_SUBJECT = 0.6
SMALLEST_SUBJECT = 0.002  # of the photo; anything smaller is a slip of the segmentation


class CannotEditError(Exception):
    """The photo lacks what the instruction is about; the message is one sentence for the user."""


class Photo:
    """A source photo with all that several editors want to know about it, worked out once and on demand.

    Attributes:
        pixels: uint8, shape (height, width, 3).
        digest: 16 hex digits that stand for the pixels and the subject's box.
    """

    def __init__(self, pixels: np.ndarray, subject_box: tuple[float, float, float, float] | None) -> None:
        self.pixels = pixels
        self.subject_box = subject_box
        self.digest = photo_digest(pixels, subject_box)
        self._fills: dict[bytes, np.ndarray] = {}

    @cached_property
    def content(self) -> PhotoContent:
        return describe_photo(self.pixels, self.subject_box)

    def filled(self, hole: np.ndarray) -> np.ndarray:
        """The photo with `hole` (bool) filled from what surrounds it: uint8, shape (height, width, 3)."""
        key = hashlib.sha256(np.packbits(hole).tobytes()).digest()
        if key not in self._fills:
            self._fills[key] = fill_region(self.pixels, hole)
        return self._fills[key]


def photo_digest(pixels: np.ndarray, subject_box: tuple[float, float, float, float] | None) -> str:
    """16 hex digits of the sha-256 of pixels, size and the subject's box."""
    head = f"{pixels.shape} {subject_box}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(pixels).tobytes()).hexdigest()[:16]


@dataclass(frozen=True)
class EditContext:
    """One edit to make.

    Attributes:
        task: one of the editors' task ids.
        slots: what the instruction says, such as {"subject": "cat", "colour": "red"}.
        photo: the source, its longer side already reduced.
        seed: decides all that is random in a flawless edit; the same for all four models.
        subject_mask: bool, shape (height, width), instead of the photo's own subject (a flaw edits the wrong thing).
        tweaks: what a flaw operator bends: `lift` and `scale` of the object that is put in, `copies` of it.
    """

    task: str
    slots: Mapping[str, str]
    photo: Photo
    seed: int
    subject_mask: np.ndarray | None = None
    tweaks: Mapping[str, float] = field(default_factory=dict)

    @property
    def pixels(self) -> np.ndarray:
        return self.photo.pixels

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def rng(self, purpose: str) -> np.random.Generator:
        """A generator of its own for each purpose, so that editors do not disturb each other's draws."""
        return rng_of(self.seed, self.photo.digest, self.task, purpose)

    def subject(self, largest: float = 1.0) -> np.ndarray:
        """The subject's mask: bool, shape (height, width).

        Raises:
            CannotEditError: none was found, or it fills more than `largest` of the photo.
        """
        mask = self.subject_mask if self.subject_mask is not None else self.photo.content.subject
        name = self.slots.get("subject") or "subject"
        if mask is None or mask.mean() < SMALLEST_SUBJECT:
            raise CannotEditError(f"No {name} could be found in this photo.")
        if mask.mean() > largest:
            raise CannotEditError(f"The {name} fills too much of this photo to be taken out of it.")
        return mask

    def with_slots(self, **slots: str) -> "EditContext":
        return replace(self, slots={**self.slots, **slots})

    def with_tweaks(self, **tweaks: float) -> "EditContext":
        return replace(self, tweaks={**self.tweaks, **tweaks})


@dataclass(frozen=True)
class EditDraft:
    """An edit before its finishing (the mild resampling and grain that every image gets).

    Attributes:
        image: float32, shape (height, width, 3), 0..255.
        changed: bool, shape (height, width): where the edit was meant to change something.
        place: bool, same shape: what the instruction is about, where it now lies (the ball, the letters, the sky).
        before: uint8, shape of `image`: the source photo in the frame of the edit.
        keep: bool: what had to stay as it was; None for all that `changed` leaves over.
    """

    image: np.ndarray
    changed: np.ndarray
    place: np.ndarray
    before: np.ndarray
    keep: np.ndarray | None = None

    @property
    def place_box(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of `place` in pixels."""
        return bounding_box(self.place)


@dataclass(frozen=True)
class Editor:
    """How one task is done, and what can be said of it when it goes wrong.

    Attributes:
        draw: the edit itself, a pure function.
        effect: `insert` puts something in, `remove` takes something out, `place` changes where or how large something
            is, `look` changes colour, texture or light of a part, `whole` of everything, `write` is about letters.
        attribute: the slot that says how the result must be (colour, style, weather …), "" when there is none.
        position: the slot that says where, "" when there is none.
    """

    draw: Callable[[EditContext], EditDraft]
    effect: Literal["insert", "remove", "place", "look", "whole", "write"]
    attribute: str = ""
    position: str = ""


def rng_of(*parts: object) -> np.random.Generator:
    """A random generator that depends on the parts alone: on no order, batch or machine."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))
