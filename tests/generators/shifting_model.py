"""An editing model for the runner's tests: turns a photo's hue by its seed, refuses or fails where told to. Run as a
program it makes the edits of a workspace, so that a test can kill it."""

import sys
import time
from collections.abc import Sequence

import numpy as np
from PIL import Image

from editfhf.workspace import Workspace
from generators import registry, runner
from generators.base import EditOutcome, EditRequest, ModelEntry


class ShiftingModel:
    revision = "1"

    def __init__(self, name: str) -> None:
        self.id = name

    def edit(self, requests: Sequence[EditRequest]) -> list[EditOutcome]:
        return [self._edit(request) for request in requests]

    def _edit(self, request: EditRequest) -> EditOutcome:
        if "refuse" in request.instruction:
            return EditOutcome("refused", reason="I would rather not.")
        if "crash" in request.instruction:
            raise RuntimeError("out of luck")
        time.sleep(request.params.get("seconds", 0))
        pixels = np.roll(np.asarray(request.source), 1 + len(request.instruction), axis=2).copy()
        pixels[0, 0] = len(self.id)
        return EditOutcome("image", Image.fromarray(pixels))


def entries(seconds: float = 0.0) -> dict[str, ModelEntry]:
    names = ("test/one", "test/three")
    return {
        name: ModelEntry(
            name,
            "1",
            "MIT",
            "turns the hue",
            load=lambda name=name: ShiftingModel(name),
            default_params={"seconds": seconds},
        )
        for name in names
    }


if __name__ == "__main__":
    registry.registered_models = lambda: entries(seconds=0.02)  # type: ignore[assignment]
    runner.generate(Workspace.open(sys.argv[1]))
