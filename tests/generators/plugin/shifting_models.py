"""Editing models for the runner's tests, registered from outside as a user's own are: through an entry point.

They turn a photo's colours, and refuse, fail, run out of memory, lose their GPU or kill their process where the
instruction says so, or whatever it says where `start` does.
"""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from editfhf.errors import BadInput
from generators.base import EditOutcome, EditRequest, Figure, ModelEntry
from generators.sizes import SizePolicy

LARGEST_BATCH = 3  # photos that "fit in memory"


class OutOfMemoryError(RuntimeError):
    """Named as torch names its own."""


class ShiftingModel:
    def __init__(self, entry: ModelEntry, revision: str = "1", start: str = "") -> None:
        if start == "refuse":
            raise BadInput(f"{entry.id} cannot be loaded.", mend="Set generate.options otherwise.")
        if start == "die":
            os._exit(3)
        if entry.key_variable and not os.environ.get(entry.key_variable):
            raise BadInput(f"{entry.id} finds no key.")
        self._start = start
        self._gpu_is_lost = False
        self.id = entry.id
        self.revision = revision
        self.device = "imagination"
        # A test counts here what reached the model, also after its process was killed.
        self._diary = os.environ.get("EDITFHF_TEST_DIARY")

    def edit(self, requests: Sequence[EditRequest]) -> list[EditOutcome]:
        self._note(f"batch {len(requests)}")
        if len(requests) > LARGEST_BATCH:
            raise OutOfMemoryError("too many photos")
        return [self._edit(request) for request in requests]

    def _edit(self, request: EditRequest) -> EditOutcome:
        self._note(f"edit {request.edit_id}")
        text = request.instruction + self._start
        if "refuse" in text:
            return EditOutcome("refused", reason="I would rather not.", cost_usd=self._price())
        if "lose the GPU" in text or self._gpu_is_lost:
            self._gpu_is_lost = True  # as CUDA has it: whatever comes after fails too
            raise RuntimeError("CUDA error: an illegal memory access was encountered\nCompile with …")
        if "no room" in text:
            raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
        if "crash" in text:
            raise RuntimeError("out of luck")
        if "kill" in text:
            os.kill(os.getpid(), signal.SIGKILL)
        if "wrong key" in text:
            raise BadInput("The key is wrong.", mend="Set another.")
        if "busy" in text:
            return EditOutcome("failed", reason="The server is busy.", retryable=True, cost_usd=self._price())
        time.sleep(request.params["seconds"])
        pixels = np.asarray(request.source)
        if "black" in text:
            return EditOutcome("image", Image.fromarray(np.zeros_like(pixels)))
        if "nothing" in text:
            return EditOutcome("image", Image.fromarray(pixels))
        pixels = np.roll(pixels, 1 + len(text) % 2, axis=2).copy()
        pixels[0, 0] = [len(self.id), request.seed % 256, 0]
        return EditOutcome("image", Image.fromarray(pixels), cost_usd=self._price(), served_by=f"{self.id} of today")

    def _price(self) -> float:
        return 0.75 if self.id == "test/paid" else 0.0

    def _note(self, text: str) -> None:
        if self._diary:
            with Path(self._diary).open("a") as file:
                file.write(text + "\n")


def models() -> list[ModelEntry]:
    def entry(name: str, **more: object) -> ModelEntry:
        return ModelEntry(
            f"test/{name}",
            "1",
            "turns the colours",
            load=ShiftingModel,
            **{"default_params": {"seconds": 0.0}, "max_batch": 8, **more},  # type: ignore[arg-type]
        )

    return [
        entry("one"),
        entry("three"),
        entry("paid", price_usd=Figure(1.0, "invented"), concurrency=2),
        entry("keyed", key_variable="EDITFHF_TEST_KEY"),
        entry("square", size=SizePolicy(max_aspect=1.2)),
    ]
