"""A vision-language model of transformers, on this machine's GPU, or on its CPU when there is none."""

import logging
import threading
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image

from editfhf.errors import BadInput, JobFailed, first_line, hub_faults

HUB_TIMEOUT_S = 10.0  # of one question whether it is there
MAX_NEW_TOKENS = 4096  # of an answer: 43 instructions of some 60 tokens each, and room
# Families whose processor without torchvision is the real one less its video part.
IMAGE_ONLY = {
    "qwen2_vl": "Qwen2VLProcessor",
    "qwen2_5_vl": "Qwen2_5_VLProcessor",
    "qwen3_vl": "Qwen3VLProcessor",
    "qwen3_vl_moe": "Qwen3VLProcessor",
}
# Checkpoints bring settings for sampling along, and transformers would warn of each that is not used.
GREEDY = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}


class LocalModel:
    """A chat model for images and text, such as Qwen3-VL: a repository of the Hub, or a folder.

    It answers greedily: the same photo and prompt, the same words. Nothing holds it to a schema: the prompt has to say
    what is wanted. Code that comes with weights is never run.
    """

    concurrency = 1

    def __init__(self, name: str, max_new_tokens: int = MAX_NEW_TOKENS) -> None:
        self.name = name
        self._max_new_tokens = max_new_tokens
        self._loading = threading.Lock()

    def ask(self, images: Sequence[Image.Image], prompt: str, schema: dict[str, Any]) -> str:  # noqa: ARG002
        with self._loading:
            processor, model = self._loaded
        import torch

        content = [*({"type": "image", "image": image} for image in images), {"type": "text", "text": prompt}]
        inputs = processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        ).to(model.device)
        try:
            with torch.inference_mode():
                tokens = model.generate(**inputs, max_new_tokens=self._max_new_tokens, **GREEDY)
        except torch.OutOfMemoryError:
            raise JobFailed(
                f"{self.name} does not fit into the memory of {model.device} with a photo.",
                mend="Take a smaller model, or a server with `--vlm-url`.",
            ) from None
        answer = tokens[0, inputs["input_ids"].shape[1] :]
        return str(processor.decode(answer, skip_special_tokens=True))

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        missing = [name for name in ("torch", "transformers", "accelerate") if find_spec(name) is None]
        if missing:
            raise BadInput(
                f"A model on this machine needs {', '.join(missing)}.",
                mend="Run `pip install 'editfhf[generate]'`, or name a server with `--vlm-url`.",
            )
        name = _place_of(self.name)  # before what takes seconds to import
        import torch
        from transformers import AutoConfig, AutoModelForImageTextToText

        faults: tuple[type[Exception], ...] = (*hub_faults(), ValueError, ImportError)
        try:
            config = AutoConfig.from_pretrained(name)
            processor = _processor(name, config.model_type)
            model = AutoModelForImageTextToText.from_pretrained(name, dtype="auto")
        except faults as error:
            raise BadInput(
                f"The vision-language model {self.name!r} cannot be loaded: {_sentence(error)}",
                mend="Name a repository of the Hub or a folder with `--vlm-model`, or a server with `--vlm-url`.",
            ) from None
        device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            return processor, model.to(device).eval()
        except torch.OutOfMemoryError:
            raise JobFailed(
                f"{self.name} does not fit into the memory of {device}.",
                mend="Take a smaller model, or a server with `--vlm-url`.",
            ) from None


def _place_of(name: str) -> str:
    """What the weights are loaded from: the folder or repository itself, or its copy in the cache when the Hub is away.

    Without network every file would be asked for six times, with a wait and four lines on the console each.

    Raises:
        BadInput: the Hub cannot be reached, and the weights are not here.
    """
    import huggingface_hub
    from huggingface_hub import constants, errors
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except errors.HFValidationError:
        return name  # a path
    if Path(name).is_dir():
        return name
    if logging.getLogger().level > logging.DEBUG:
        huggingface_hub.logging.set_verbosity_error()  # it has a handler of its own, and tells of each try
    try:
        huggingface_hub.get_session().head(constants.ENDPOINT, timeout=HUB_TIMEOUT_S)
    except hub_faults() as error:
        try:
            return huggingface_hub.snapshot_download(name, local_files_only=True)
        except errors.LocalEntryNotFoundError:
            raise BadInput(
                f"The vision-language model {name!r} is not on this machine, and {constants.ENDPOINT} cannot be "
                f"reached: {first_line(error).rstrip('.')}.",
                mend="Check the network, or name a folder with `--vlm-model`, or a server with `--vlm-url`.",
            ) from None
    return name


def _processor(name: str, model_type: str) -> Any:
    from transformers import AutoProcessor

    from editfhf.qwen_processors import image_only_processor

    # Without torchvision AutoProcessor silently gives a tokenizer that cannot take photos.
    processor = image_only_processor(IMAGE_ONLY[model_type], name) if model_type in IMAGE_ONLY else None
    processor = processor or AutoProcessor.from_pretrained(name)
    if not hasattr(processor, "image_processor"):
        raise BadInput(
            f"{name} ({model_type}) cannot take photos here.",
            mend="If it can at all, its processor needs torchvision: `pip install torchvision`.",
        )
    return processor


def _sentence(error: Exception) -> str:
    line = first_line(error)
    return line if line.endswith(".") else f"{line}."
