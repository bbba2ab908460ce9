"""Editing models for the runner's tests, registered from outside as a user's own are: through an entry point.

They turn a photo's colours, and refuse, fail, run out of memory, lose their GPU or kill their process where the
instruction begins with `[refuse]` and the like, which no template writes, or whatever it says where `start` does.

What they do is noted for the tests in the file EDITFHF_TEST_DIARY, also of a process that is killed. With
EDITFHF_TEST_SLOW_DISK a process that knows these models writes files in pieces, so that a kill may come in between.
"""

import os
import re
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
        self._diary = os.environ.get("EDITFHF_TEST_DIARY")
        self._note(f"loaded on GPU {os.environ.get('CUDA_VISIBLE_DEVICES', 'any')}")

    def edit(self, requests: Sequence[EditRequest]) -> list[EditOutcome]:
        self._note(f"batch {len(requests)}")
        if len(requests) > LARGEST_BATCH:
            raise OutOfMemoryError("too many photos")
        return [self._edit(request) for request in requests]

    def _edit(self, request: EditRequest) -> EditOutcome:
        self._note(f"edit {request.edit_id}")
        ordered = re.match(r"\[([^]]+)\]", request.instruction)
        order = ordered[1] if ordered else self._start
        if order == "refuse":
            return EditOutcome("refused", reason="I would rather not.", cost_usd=self._price())
        if order == "lose the GPU" or self._gpu_is_lost:
            self._gpu_is_lost = True  # as CUDA has it: whatever comes after fails too
            raise RuntimeError("CUDA error: an illegal memory access was encountered\nCompile with …")
        if order == "no room":
            raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
        if order == "crash":
            raise RuntimeError("out of luck")
        if order == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if order == "wrong key":
            raise BadInput("The key is wrong.", mend="Set another.")
        if order == "busy":
            return EditOutcome("failed", reason="The server is busy.", retryable=True, cost_usd=self._price())
        time.sleep(request.params["seconds"])
        pixels = np.asarray(request.source)
        if order == "black":
            return EditOutcome("image", Image.fromarray(np.zeros_like(pixels)))
        if order == "nothing":
            return EditOutcome("image", Image.fromarray(pixels))
        pixels = np.roll(pixels, 1 + len(request.instruction) % 2, axis=2).copy()
        pixels[0, 0] = [len(self.id), request.seed % 256, 0]
        return EditOutcome("image", Image.fromarray(pixels), cost_usd=self._price(), served_by=f"{self.id} of today")

    def _price(self) -> float:
        return 0.75 if self.id == "test/paid" else 0.0

    def _note(self, text: str) -> None:
        if self._diary:
            with Path(self._diary).open("a") as file:
                file.write(text + "\n")


def _write_slowly(path: Path, data: bytes) -> int:
    """`Path.write_bytes` on a disk that takes 40 ms for whatever it is."""
    piece = len(data) // 8 + 1
    with path.open("wb", buffering=0) as file:
        for start in range(0, len(data), piece):
            file.write(data[start : start + piece])
            time.sleep(0.005)
    return len(data)


if os.environ.get("EDITFHF_TEST_SLOW_DISK"):
    Path.write_bytes = _write_slowly  # type: ignore[method-assign, assignment]


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
