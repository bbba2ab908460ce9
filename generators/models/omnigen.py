"""OmniGen (Xiao et al., arXiv 2409.11340): one transformer over the words and the photo's latents."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np
from PIL import Image

from generators.base import Licence, ModelEntry
from generators.models.calculation import bf16_memory, bf16_weights, seconds_on_h100
from generators.models.diffusion import LOAD_DEFAULTS, LOAD_PARAMS, DiffusersModel
from generators.sizes import SizePolicy

# Transformer (its float32 file on the Hub has 15.5 GB) and autoencoder of SDXL.
PARAMETERS = 3.88e9 + 0.08e9


class OmniGen(DiffusersModel):
    """The photo stands in the prompt as `<img><|image_1|></img>`, as its documentation shows for edits."""

    pipeline_class = "OmniGenPipeline"

    def arguments(
        self, prompts: list[str], photos: list[Image.Image], generators: list[Any], params: Mapping[str, Any]
    ) -> dict[str, Any]:
        width, height = photos[0].size
        return {
            "prompt": [f"<img><|image_1|></img> {prompt}" for prompt in prompts],
            "input_images": [[photo] for photo in photos],
            "width": width,
            "height": height,
            "max_input_image_size": max(width, height),
            "generator": generators,
            "num_inference_steps": params["steps"],
            "guidance_scale": params["guidance_scale"],
            "img_guidance_scale": params["image_guidance_scale"],
        }

    def _load(self, weights: str | None, quantization: Any) -> Any:
        from diffusers.pipelines.omnigen import pipeline_omnigen

        if find_spec("torchvision") is None:
            # The pipeline makes its processor itself, and that one is written with torchvision.
            pipeline_omnigen.OmniGenMultiModalProcessor = image_only_processor()
        return super()._load(weights, quantization)


def image_only_processor() -> type:
    """OmniGen's processor of prompt and photo, its image part written with NumPy."""
    import torch
    from diffusers.pipelines.omnigen import processor_omnigen

    class ImageOnlyProcessor(processor_omnigen.OmniGenMultiModalProcessor):
        def __init__(self, text_tokenizer: Any, max_image_size: int = 1024) -> None:
            self.text_tokenizer = text_tokenizer
            self.max_image_size = max_image_size
            self.collator = processor_omnigen.OmniGenCollator()

        def reset_max_image_size(self, max_image_size: int) -> None:
            self.max_image_size = max_image_size

        def process_image(self, image: Image.Image) -> torch.Tensor:
            cropped = processor_omnigen.crop_image(image.convert("RGB"), self.max_image_size)
            # float32, 3 × height × width, -1..1
            return torch.from_numpy(np.asarray(cropped, np.float32) / 127.5 - 1).permute(2, 0, 1)

    return ImageOnlyProcessor


def models() -> list[ModelEntry]:
    """The entries of this family."""
    return [
        ModelEntry(
            id="omnigen",
            family=OmniGen.pipeline_class,
            load=OmniGen,
            repository="Shitao/OmniGen-v1-diffusers",
            revision="main",
            description="OmniGen v1: one transformer of 3.8 billion parameters for text and images alike.",
            licence=Licence(
                "MIT",
                outputs="yes",
                note="The licence says nothing of outputs (https://huggingface.co/Shitao/OmniGen-v1).",
            ),
            default_params={
                "steps": 50, "guidance_scale": 2.0, "image_guidance_scale": 1.6, "max_pixels": 1024 * 1024,
                **LOAD_DEFAULTS,
            },
            params_source="https://huggingface.co/docs/diffusers/main/using-diffusers/omnigen, \"Image edit\": "
            "guidance 2, image guidance 1.6; 50 steps is the pipeline's default. Its authors: \"between 2 "
            "and 3\" (https://github.com/VectorSpaceLab/OmniGen/blob/main/docs/inference.md)",
            load_params=LOAD_PARAMS,
            size=SizePolicy(multiple=16, max_pixels=1024 * 1024, max_aspect=3.0),
            # One by one: it encodes the photos with draws from torch's own generator, which a batch would share.
            max_batch=1,
            memory_gb=bf16_memory(PARAMETERS),
            weights_gb=bf16_weights(PARAMETERS),
            seconds_per_image=seconds_on_h100(
                87.2,
                steps=50,
                passes=3,
                besides="66 s on an A800 by its authors, photo and edit of 1024 × 1024, with a key-value cache that "
                "diffusers does not have: https://github.com/VectorSpaceLab/OmniGen/blob/main/docs/inference.md",
            ),
            extra="generate",
        )
    ]  # fmt: skip
