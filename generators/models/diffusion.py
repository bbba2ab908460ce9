"""What every local model shares: loading a diffusers pipeline with its options, batches by size, seeds."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from editfhf.errors import BadInput
from editfhf.qwen_processors import image_only_processor
from generators.base import EditOutcome, EditRequest, ModelEntry
from generators.sizes import Framing

log = logging.getLogger(__name__)

DTYPES = ("bfloat16", "float16", "float32")
OFFLOADS = ("none", "model", "sequential")
QUANTIZATIONS = ("none", "8bit", "4bit")
# What every local model is planned with, beside parameters of its own; all of it changes pixels.
LOAD_PARAMS = ("dtype", "quantization", "compile")
LOAD_DEFAULTS: Mapping[str, Any] = {"dtype": "bfloat16", "quantization": "none", "compile": False}


class DiffusersModel(ABC):
    """An editing model that is a diffusers pipeline; one subclass for each pipeline class.

    Noise is drawn on the CPU, one generator for each request, so a seed means the same noise on every device and in
    every batch.

    Args:
        entry: of the registry.
        revision, weights, dtype, device, offload, quantization, compile: see `generators.registry.load_model`.

    Raises:
        BadInput: an option is unknown or cannot be had on this machine; the weights cannot be had.
    """

    pipeline_class: ClassVar[str]
    quantized_parts: ClassVar[tuple[str, ...]] = ("transformer",)
    # The class of a part that is a processor of images and videos, and the part's name: without torchvision, its image
    # part alone is loaded.
    processor_class: ClassVar[str] = ""
    processor_part: ClassVar[str] = "processor"

    def __init__(
        self,
        entry: ModelEntry,
        revision: str | None = None,
        weights: str | None = None,
        dtype: str = "bfloat16",
        device: str = "auto",
        offload: str = "none",
        quantization: str = "none",
        compile: bool = False,
    ) -> None:
        self.entry = entry
        self.id = entry.id
        self.revision = revision or entry.revision
        _require(entry.id, "dtype", dtype, DTYPES)
        _require(entry.id, "offload", offload, OFFLOADS)
        _require(entry.id, "quantization", quantization, QUANTIZATIONS)
        import torch

        self.dtype = getattr(torch, dtype)
        self.device = _device(entry.id, device)
        if offload != "none" and self.device == "cpu":
            raise BadInput(
                f"{entry.id}: offload {offload!r} moves parts off a GPU, but it is to run on the processor.",
                mend="Use offload `none`.",
            )
        # The adapters of several repositories share one revision text: commit+commit, in their order.
        self.commits = self.revision.split("+")
        self.pipeline = self._load(weights, self._quantization(quantization))
        self.pipeline.set_progress_bar_config(disable=True)
        self._place(offload)
        if compile:
            denoiser = "transformer" if hasattr(self.pipeline, "transformer") else "unet"
            setattr(self.pipeline, denoiser, torch.compile(getattr(self.pipeline, denoiser)))

    @abstractmethod
    def arguments(
        self, prompts: list[str], photos: list[Image.Image], generators: list[Any], params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """How the pipeline is called on photos of one size (already resized), all with the same parameters."""

    def components(self, weights: str | None) -> dict[str, Any]:
        """Arguments of `from_pretrained` beside the usual ones; the place for parts that need a class of their own."""
        if not self.processor_class:
            return {}
        location, revision = (self.entry.repository, self.commits[0]) if weights is None else (weights, None)
        processor = image_only_processor(self.processor_class, location, self.processor_part, revision)
        return {self.processor_part: processor} if processor is not None else {}

    def during_call(self, photos: list[Image.Image]) -> AbstractContextManager[None]:  # noqa: ARG002
        """What has to hold while the pipeline runs, for those that have no argument for it."""
        return nullcontext()

    def finish(self, images: list[Image.Image], photos: list[Image.Image]) -> list[Image.Image]:  # noqa: ARG002
        """What becomes of the images that the pipeline made."""
        return images

    def edit(self, requests: Sequence[EditRequest]) -> list[EditOutcome]:
        """Edit; requests of one size and the same parameters go through the pipeline together, `max_batch` at most.

        Raises:
            torch.OutOfMemoryError: too many at once for this device; nothing of the call is kept.
        """
        outcomes: list[EditOutcome] = []
        for batch in self._batches(requests):
            outcomes += self._edit_batch(batch)
        return outcomes

    def _batches(self, requests: Sequence[EditRequest]) -> Iterator[list[EditRequest]]:
        for _, group in groupby(requests, key=lambda one: (self._framing(one), sorted(map(str, one.params.items())))):
            same = list(group)
            for start in range(0, len(same), self.entry.max_batch):
                yield same[start : start + self.entry.max_batch]

    def _framing(self, request: EditRequest) -> Framing:
        return self.entry.size.framing(request.source.width, request.source.height, request.params.get("max_pixels"))

    def _edit_batch(self, batch: list[EditRequest]) -> list[EditOutcome]:
        import torch

        params = batch[0].params
        photos = [self.entry.size.resize(one.source, params.get("max_pixels")) for one in batch]
        generators = [torch.Generator("cpu").manual_seed(one.seed) for one in batch]
        # Some pipelines draw more (OmniGen when it encodes the photo) and ask no generator for it.
        torch.manual_seed(batch[0].seed)
        with torch.inference_mode(), self.during_call(photos):
            output = self.pipeline(**self.arguments([one.instruction for one in batch], photos, generators, params))
        blocked = getattr(output, "nsfw_content_detected", None) or [False] * len(batch)
        framing = self._framing(batch[0])
        images = [framing.cut(image) for image in self.finish(list(output.images), photos)]
        return [
            EditOutcome("refused", reason="The pipeline's safety checker blanked the image.")
            if is_blocked
            else EditOutcome("image", image)
            for image, is_blocked in zip(images, blocked, strict=True)
        ]

    # Loading

    def _load(self, weights: str | None, quantization: Any) -> Any:
        import diffusers

        pipeline_class = getattr(diffusers, self.pipeline_class)
        options: dict[str, Any] = {"torch_dtype": self.dtype, **self.components(weights)}
        if quantization is not None:
            options["quantization_config"] = quantization
        if weights is None:
            options["revision"] = self.commits[0]
        with loading_faults(self.entry, weights):
            return pipeline_class.from_pretrained(_folder(self.entry, weights) or self.entry.repository, **options)

    def _quantization(self, quantization: str) -> Any:
        return _quantization_config(self.id, quantization, self.dtype, self.device, self.quantized_parts)

    def _place(self, offload: str) -> None:
        if offload == "model":
            self.pipeline.enable_model_cpu_offload(device=self.device)
        elif offload == "sequential":
            self.pipeline.enable_sequential_cpu_offload(device=self.device)
        else:
            self.pipeline.to(self.device)


class loading_faults:  # noqa: N801 (a context manager that reads as a phrase)
    """Turns what the Hub and the disk answer while weights are loaded into one sentence.

    Raises:
        BadInput: the terms were not accepted, the token is missing or wrong, the repository or revision does not exist,
            the folder is no pipeline, the network is away.

    Args:
        repository: whose weights they are; default: the model's first.
    """

    def __init__(self, entry: ModelEntry, weights: str | None, repository: str = "") -> None:
        self.entry, self.weights, self.repository = entry, weights, repository

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        from generators.revisions import explain_hub_fault

        if isinstance(error, OSError | ValueError | ImportError):
            if self.weights is not None:
                first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
                raise BadInput(
                    f"{self.entry.id}: {self.weights} cannot be loaded as a {self.entry.family}: {first}",
                    mend="Name a folder that `save_pretrained` wrote, or leave `weights` out to use the Hub.",
                ) from error
            raise explain_hub_fault(self.entry, error, self.repository) from error


def _folder(entry: ModelEntry, weights: str | None) -> str | None:
    if weights is None:
        return None
    folder = Path(weights).expanduser()
    if not folder.is_dir():
        raise BadInput(f"{entry.id}: the folder of its weights, {folder}, does not exist.", mend="Correct `weights`.")
    return str(folder)


def _require(model: str, option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise BadInput(f"{model}: {option} {value!r} is not known.", mend=f"Use one of: {', '.join(known)}.")


def _device(model: str, device: str) -> str:
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = device.partition(":")
    if kind not in ("cuda", "cpu") or (number and not number.isdigit()):
        raise BadInput(f"{model}: device {device!r} is not known.", mend="Use auto, cuda, cuda:1, … or cpu.")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise BadInput(f"{model}: there is no {device} here ({count} GPUs).", mend="Use auto or cpu.")
    return device


def _quantization_config(model: str, quantization: str, dtype: Any, device: str, parts: tuple[str, ...]) -> Any:
    """What diffusers is told: int8 weights of torchao (any device), nf4 of bitsandbytes (CUDA)."""
    if quantization == "none":
        return None
    if quantization == "4bit" and device == "cpu":
        raise BadInput(f"{model}: 4bit weights need a GPU.", mend="Use `8bit` or `none` for quantization.")
    from diffusers.quantizers import PipelineQuantizationConfig

    package = "torchao" if quantization == "8bit" else "bitsandbytes"
    if find_spec(package) is None:
        raise BadInput(
            f"{model}: {quantization} weights need {package}, which is not installed.",
            mend="Run `pip install 'editfhf[quantize]'`.",
        )
    if quantization == "8bit":
        from diffusers import TorchAoConfig
        from torchao.quantization import Int8WeightOnlyConfig

        config = TorchAoConfig(Int8WeightOnlyConfig())
    else:
        from diffusers import BitsAndBytesConfig

        config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
    return PipelineQuantizationConfig(quant_mapping=dict.fromkeys(parts, config))
