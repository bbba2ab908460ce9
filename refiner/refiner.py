"""`Refiner`: a trained run, ready: perceive, evaluate, refine."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from generators.base import EditModel
from refiner.agents import Pair, Scores
from refiner.inputs import language_note, make_pair
from refiner.loop import OnCompared, refine
from refiner.runs import RunRecord, run_folder
from refiner.trace import RefineTrace, TraceStep

Picture = Image.Image | np.ndarray


class Refiner:
    """The four agents of a run.

    Args:
        model: perception, reasoning and evaluation.
        action: what repairs.
    """

    def __init__(self, model: Any, action: Any, record: RunRecord) -> None:
        self.model, self.action, self.record = model, action, record

    @classmethod
    def from_run(cls, path_or_repo: str | Path, editor: EditModel | None = None, retrieve: bool = False) -> "Refiner":
        """A refiner from a run folder, or from a repository of the Hub.

        Args:
            editor: does what was asked again, where a step of a plan says so; default: the small editor of `lite`.
            retrieve: reasons in people's words from training, instead of composed ones.

        Raises:
            BadInput: no run, half written, damaged or of another version.
        """
        from refiner.lite.model import LiteModel
        from refiner.lite.repair import LiteAction
        from refiner.lite.simple_editor import SimpleEditor

        model = LiteModel.read(run_folder(str(path_or_repo)), retrieve)
        return cls(model, LiteAction(editor or SimpleEditor()), model.record)

    def refine(
        self,
        source: Picture,
        edited: Picture,
        instruction: str,
        max_iterations: int = 4,
        force: bool = False,
        on_step: Callable[[TraceStep], None] | None = None,
    ) -> RefineTrace:
        """Repair an edited image, as far as the evaluation is certain that it gets better.

        Args:
            source, edited: PIL images or uint8 arrays, shape (height, width, 3).
            force: also where the edited image does not look like an edit of that photo.

        Raises:
            BadInput: see `refiner.inputs.make_pair`.
        """
        return self.refine_pair(make_pair(source, edited, instruction, force), max_iterations, on_step)

    def refine_pair(
        self,
        pair: Pair,
        max_iterations: int = 4,
        on_step: Callable[[TraceStep], None] | None = None,
        on_compared: OnCompared | None = None,
    ) -> RefineTrace:
        """`refine` for a pair that was checked; `on_compared`: see `refiner.loop.refine`."""
        trace = refine(pair, self.model, self.model, self.action, self.model, max_iterations, on_step, on_compared)
        notes = (self.note, language_note(pair.instruction))
        return RefineTrace(
            trace.instruction, trace.source, trace.images, trace.scores, trace.best_index, trace.steps, trace.stopped,
            " ".join(note for note in notes if note),
        )  # fmt: skip

    def perceive(
        self, source: Picture, edited: Picture, instruction: str, force: bool = False
    ) -> Mapping[str, np.ndarray]:
        """Both maps: kind → float32, shape (height, width) of the edited image, 0..1.

        Raises:
            BadInput: see `refiner.inputs.make_pair`.
        """
        return dict(self.model.perceive(make_pair(source, edited, instruction, force)).maps)

    def evaluate(self, source: Picture, edited: Picture, instruction: str, force: bool = False) -> Mapping[str, float]:
        """The three scores: dimension → 0..100.

        Raises:
            BadInput: see `refiner.inputs.make_pair`.
        """
        scores: Scores = self.model.evaluate(make_pair(source, edited, instruction, force))
        return dict(scores.values)

    @property
    def note(self) -> str:
        """What a reader must know before the numbers; "" for nothing."""
        taught = [
            "simulated people" if self.record.simulated else "",
            "procedural edits" if self.record.procedural else "",
        ]
        told = " and ".join(one for one in taught if one)
        notes = [f"Trained on {told}: a rehearsal, not human feedback." if told else "", self.record.too_few]
        return " ".join(note for note in notes if note)
