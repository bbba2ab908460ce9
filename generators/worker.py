"""One model, loaded, and the jobs it is given: the same work in a process of this machine and in a Ray actor.

A worker knows nothing of its engine, of the workspace or of the ledger: encoded photos in, encoded edits out.
"""

import io
import logging
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from editfhf.errors import EditFHFError, first_line
from generators.base import EditModel, EditOutcome, EditRequest
from generators.registry import load_model, model_entry

if TYPE_CHECKING:
    from editfhf.oracle import Truth

log = logging.getLogger(__name__)
# A photo always varies more than this (standard deviation of 0..255, of a reduced copy); a blanked frame does not.
UNIFORM = 1.0


class DeviceLost(Exception):
    """The GPU's context is broken (an illegal address, a failed assertion): nothing works any more in this process."""


@dataclass(frozen=True, slots=True)
class Job:
    """An edit to make, as it travels: `source` is the photo's file as it lies on disk."""

    edit_id: str
    source: bytes
    instruction: str
    task: str
    seed: int
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """What came of a job, as it travels: `status` as in `EditOutcome`, the image as PNG."""

    edit_id: str
    status: str
    png: bytes = b""
    width: int = 0
    height: int = 0
    reason: str = ""
    retryable: bool = False
    unchanged: bool = False
    seconds: float = 0.0
    cost_usd: float = 0.0
    served_by: str = ""
    device: str = ""
    truth: "Truth | None" = None


@dataclass(frozen=True, slots=True)
class ModelLoad:
    """Which model a worker loads, how, and how much of a GPU it holds (a small one may share it: 0.25)."""

    model_id: str
    options: Mapping[str, Any]
    gpus: float = 0


class Worker:
    """A loaded model. `run` may be called from several threads: while one batch is with the model, another is decoded
    and the one before is encoded.

    Raises:
        BadInput: the model cannot be loaded, in one sentence.
    """

    def __init__(self, load: ModelLoad) -> None:
        self.model: EditModel = load_model(load.model_id, **load.options)
        self.device = _device_name(self.model)
        self._turn = threading.Semaphore(model_entry(load.model_id).concurrency)
        self._largest_batch = sys.maxsize

    def run(self, jobs: Sequence[Job]) -> list[Made]:
        """Make the edits of some jobs, in their order.

        Raises:
            BadInput, JobFailed: what no job of this model could survive, such as a wrong key. What one job does wrong
                is a `Made`.
            DeviceLost: the process has to end; another may go on.
        """
        made: list[Made | None] = [None] * len(jobs)
        requests: dict[int, EditRequest] = {}
        for place, job in enumerate(jobs):
            try:
                source = Image.open(io.BytesIO(job.source)).convert("RGB")
            except OSError as error:
                made[place] = Made(job.edit_id, "failed", reason=f"The source photo cannot be read: {error}")
                continue
            requests[place] = EditRequest(job.edit_id, source, job.instruction, job.task, job.seed, job.params)
        with self._turn:
            start = time.perf_counter()
            outcomes = self._edit(list(requests.values()))
            seconds = (time.perf_counter() - start) / max(1, len(requests))
        for (place, request), outcome in zip(requests.items(), outcomes, strict=True):
            made[place] = replace(encode(request, checked(outcome, request)), seconds=seconds, device=self.device)
        return [one for one in made if one is not None]

    def _edit(self, requests: list[EditRequest]) -> list[EditOutcome]:
        outcomes = []
        while requests:
            some, requests = requests[: self._largest_batch], requests[self._largest_batch :]
            outcomes += self._edit_batch(some)
        return outcomes

    def _edit_batch(self, requests: list[EditRequest]) -> list[EditOutcome]:
        # The one place where somebody's plugin may end badly: its edit fails, the run goes on.
        try:
            outcomes = self.model.edit(requests)
            if len(outcomes) != len(requests):
                raise RuntimeError(f"{len(outcomes)} outcomes for {len(requests)} requests")
            return outcomes
        except EditFHFError:
            raise
        except Exception as error:
            out_of_memory = _is_out_of_memory(error)
            if not out_of_memory and _is_device_lost(error):
                raise DeviceLost(first_line(error)) from error
            if not out_of_memory:
                log.exception("%s failed on %s", self.model.id, ", ".join(one.edit_id for one in requests))
            if len(requests) == 1:
                reason = "Out of memory with a single photo." if out_of_memory else f"{type(error).__name__}: {error}"
                return [EditOutcome("failed", reason=reason)]
        # Outside the handler: the failed call's tensors hang on its traceback.
        _free_memory()
        half = len(requests) // 2
        if out_of_memory:
            self._largest_batch = half
            log.warning("%s: out of memory with %d photos; going on with %d", self.model.id, len(requests), half)
            return self._edit(requests)
        return self._edit_batch(requests[:half]) + self._edit_batch(requests[half:])


def _is_out_of_memory(error: Exception) -> bool:
    """Also where a library of CUDA found no room, beside torch's own allocator: that leaves the context whole."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return any(words in str(error) for words in ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED"))


def _is_device_lost(error: Exception) -> bool:
    return type(error).__name__ == "AcceleratorError" or (
        isinstance(error, RuntimeError) and "CUDA error" in str(error)
    )


def checked(outcome: EditOutcome, request: EditRequest) -> EditOutcome:
    """An outcome as it may be believed: an image that a safety filter blanked is a refusal."""
    if outcome.status != "image":
        return outcome
    if outcome.image is None:
        return replace(outcome, status="failed", reason="The model said `image` and gave none.")
    try:
        small = np.asarray(outcome.image.convert("RGB").reduce(max(1, min(outcome.image.size) // 64)), float)
    except OSError as error:
        return replace(
            outcome, status="failed", image=None, retryable=True, reason=f"The image does not decode: {error}"
        )
    photo = np.asarray(request.source.reduce(max(1, min(request.source.size) // 64)), float)
    if small.std(axis=(0, 1)).max() < UNIFORM <= photo.std(axis=(0, 1)).max():
        shade = ", ".join(str(round(level)) for level in small.mean(axis=(0, 1)))
        reason = f"The image is one colour throughout (RGB {shade}), as a safety filter leaves it."
        return replace(outcome, status="refused", image=None, truth=None, reason=reason)
    return outcome


def encode(request: EditRequest, outcome: EditOutcome) -> Made:
    """The outcome as it travels; `unchanged` when the image is the photo, at the image's size."""
    told = Made(
        request.edit_id,
        outcome.status,
        reason=outcome.reason,
        retryable=outcome.retryable,
        cost_usd=outcome.cost_usd,
        served_by=outcome.served_by,
    )
    if outcome.image is None:
        return told
    image = outcome.image.convert("RGB")
    photo = request.source
    if photo.size != image.size:
        photo = photo.resize(image.size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return replace(
        told,
        png=buffer.getvalue(),
        width=image.width,
        height=image.height,
        unchanged=bool(np.array_equal(np.asarray(image), np.asarray(photo))),
        truth=outcome.truth,
    )


def _device_name(model: EditModel) -> str:
    device = str(getattr(model, "device", ""))
    if device.startswith("cuda"):
        import torch

        return str(torch.cuda.get_device_name(device))
    return device


def _free_memory() -> None:
    import gc

    gc.collect()
    if "torch" in sys.modules:
        sys.modules["torch"].cuda.empty_cache()
