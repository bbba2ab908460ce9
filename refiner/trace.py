"""What happened in a refinement: every image, map, plan, score and decision; saved as a folder that people can read."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, ValidationError

from editfhf.errors import BadInput
from editfhf.files import whole_folder
from editfhf.photo_file import DECODE_ERRORS
from refiner.agents import Difference, FoundRegion, RepairStep, Scores

AGENTS = ("perception", "reasoning", "action", "evaluation")
FORMAT = 1  # of the folder; raise it when an older program could not read it
TRACE_FILE, PAGE_FILE, SOURCE_FILE, BEST_FILE = "trace.json", "trace.html", "source.png", "best.png"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One step of a plan that was tried.

    Attributes:
        difference: the candidate compared with the image before; None where there was nothing to compare.
        said: what came of it, in words.
        kept: whether its image replaced the one before.
    """

    step: RepairStep
    difference: Difference | None
    said: str
    kept: bool = False


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Iteration:
    """All of an iteration but its maps, which become files of their own."""

    iteration: int
    presence: Mapping[str, float]
    regions: tuple[FoundRegion, ...]
    plan: tuple[RepairStep, ...]
    attempts: tuple[Attempt, ...]
    before: Scores
    after: Scores | None
    accepted: bool
    why: str
    seconds: Mapping[str, float]

    def values(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(_Iteration)}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TraceStep(_Iteration):
    """One iteration.

    Attributes:
        iteration: from 1.
        maps, presence: what perception saw on the image that this iteration began with (`Perceived`).
        regions, plan: what reasoning made of it.
        attempts: the steps that were tried, in order; one of them is kept, if any was accepted.
        before, after: scores of the image that it began with, and of the accepted one (None: none was).
        accepted: whether the image was replaced.
        why: the decision in words.
        seconds: agent → how long it was at work. The first iteration's holds the input's evaluation too.
    """

    maps: Mapping[str, np.ndarray]

    @property
    def difference(self) -> Difference | None:
        """How the accepted image compares with the one before; None where none was accepted."""
        return next((attempt.difference for attempt in self.attempts if attempt.kept), None)


@dataclass(frozen=True, slots=True, eq=False)
class RefineTrace:
    """A refinement, from the input to the best image.

    Attributes:
        instruction: what was asked of the edit.
        source: the photo, uint8, shape (height, width, 3).
        images: the input and each accepted image after it, uint8, all of one shape.
        scores: one for each image.
        best_index: which of the images has the highest mean score.
        steps: one for each iteration.
        stopped: why it ended, in words.
        note: what a reader must know before the numbers, such as a model trained on simulated people; "" for nothing.
    """

    instruction: str
    source: np.ndarray
    images: Sequence[np.ndarray]
    scores: Sequence[Scores]
    best_index: int
    steps: Sequence[TraceStep]
    stopped: str
    note: str = ""

    @property
    def best(self) -> np.ndarray:
        """The image of `best_index`."""
        return self.images[self.best_index]

    def image_of(self, step: TraceStep) -> np.ndarray:
        """The image that an iteration began with: every one before it was accepted, or it would be the last."""
        return self.images[step.iteration - 1]

    def save(self, folder: Path | str) -> Path:
        """Write `best.png`, the page `trace.html`, `trace.json` and every image and map as PNG; whole or not at all.

        Maps are kept in 255 steps. An earlier trace in the folder is replaced; anything else is not touched.

        Raises:
            BadInput: the folder holds something else, or cannot be written.
        """
        from refiner.trace_page import page_of

        folder = Path(folder)
        _refuse_to_overwrite(folder)
        with whole_folder(folder) as temporary:
            _write_png(temporary / SOURCE_FILE, self.source)
            for number, image in enumerate(self.images):
                _write_png(temporary / image_file(number), image)
            _write_png(temporary / BEST_FILE, self.best)  # for people: programs have its number
            for step in self.steps:
                for kind, values in step.maps.items():
                    _write_png(temporary / map_file(step.iteration, kind), np.rint(values * 255).astype(np.uint8))
            (temporary / PAGE_FILE).write_text(page_of(self), encoding="utf-8")
            (temporary / TRACE_FILE).write_text(_Stored.of(self).model_dump_json(indent=1) + "\n", encoding="utf-8")
        return folder

    @classmethod
    def load(cls, folder: Path | str) -> "RefineTrace":
        """A trace that `save` wrote.

        Raises:
            BadInput: it is not there, of another version, or damaged; the sentence names the file.
        """
        folder = Path(folder)
        path = folder / TRACE_FILE
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise BadInput(f"{folder} holds no trace (no {TRACE_FILE}).", mend="`editfhf refine` makes one.") from error
        except (OSError, UnicodeDecodeError) as error:
            raise _damaged(path) from error
        stored = _Stored.read(text, path)
        images = [_read_png(folder / image_file(number), "RGB") for number in range(len(stored.scores))]
        if len({image.shape for image in images}) > 1:
            raise BadInput(f"The images of the trace in {folder} differ in size.", mend="Refine the pair again.")
        steps = [step.whole(folder, images[0].shape[:2]) for step in stored.steps]
        source = _read_png(folder / SOURCE_FILE, "RGB")
        best, note = stored.best_index, stored.note
        return cls(stored.instruction, source, images, stored.scores, best, steps, stored.stopped, note)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _StoredStep(_Iteration):
    """A `TraceStep` as it stands in `trace.json`: its maps by their kinds."""

    kinds: list[str]

    @classmethod
    def of(cls, step: TraceStep) -> "_StoredStep":
        return cls(kinds=list(step.maps), **step.values())

    def whole(self, folder: Path, shape: tuple[int, ...]) -> TraceStep:
        maps = {}
        for kind in self.kinds:
            path = folder / map_file(self.iteration, kind)
            maps[kind] = _read_png(path, "L").astype(np.float32) / 255
            if maps[kind].shape != shape:
                raise _damaged(path)
        return TraceStep(maps=maps, **self.values())


class _Stored(BaseModel):
    """`trace.json`."""

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")

    format: int
    instruction: str
    note: str
    stopped: str
    best_index: int
    scores: list[Scores]
    steps: list[_StoredStep]

    @classmethod
    def of(cls, trace: RefineTrace) -> "_Stored":
        return cls(
            format=FORMAT,
            instruction=trace.instruction,
            note=trace.note,
            stopped=trace.stopped,
            best_index=trace.best_index,
            scores=list(trace.scores),
            steps=[_StoredStep.of(step) for step in trace.steps],
        )

    @classmethod
    def read(cls, text: str, path: Path) -> "_Stored":
        try:
            values = json.loads(text)
            if isinstance(values, dict) and values.get("format") not in (FORMAT, None):
                raise BadInput(
                    f"{path} was written by another version of EditFHF (format {values['format']}, here {FORMAT}).",
                    mend="Read it with that version, or refine the pair again.",
                )
            stored = cls.model_validate(values)
        except (ValueError, RecursionError) as error:  # JSONDecodeError and ValidationError are ValueErrors
            where = ""
            if isinstance(error, ValidationError):
                first = error.errors()[0]
                where = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise _damaged(path, where) from error
        is_sound = (
            0 <= stored.best_index < len(stored.scores)
            and len(stored.scores) == 1 + sum(step.accepted for step in stored.steps)
            and [step.iteration for step in stored.steps] == list(range(1, len(stored.steps) + 1))
            and all(step.accepted for step in stored.steps[:-1])
            and all(kind.isidentifier() for step in stored.steps for kind in step.kinds)
        )
        if not is_sound:
            raise _damaged(path, "its parts do not belong together")
        return stored


def image_file(number: int) -> str:
    """In a trace's folder: 0 is the input, the others what each accepted repair gave."""
    return f"image-{number}.png"


def map_file(iteration: int, kind: str) -> str:
    """In a trace's folder: of an iteration, from 1, and a kind of region."""
    return f"map-{iteration}-{kind}.png"


def _damaged(path: Path, where: str = "") -> BadInput:
    return BadInput(f"{path} is damaged or incomplete{f' ({where})' if where else ''}.", mend="Refine the pair again.")


def _refuse_to_overwrite(folder: Path) -> None:
    is_free = not folder.exists() or (
        folder.is_dir() and ((folder / TRACE_FILE).is_file() or not any(folder.iterdir()))
    )
    if not is_free:
        raise BadInput(f"{folder} holds something other than a trace.", mend="Choose another folder.")


def _write_png(path: Path, pixels: np.ndarray) -> None:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png", compress_level=3)
    path.write_bytes(buffer.getvalue())


def _read_png(path: Path, mode: str) -> np.ndarray:
    try:
        with Image.open(path, formats=("PNG",)) as image:
            return np.array(image.convert(mode))
    except (*DECODE_ERRORS, Image.DecompressionBombError) as error:
        raise _damaged(path) from error
