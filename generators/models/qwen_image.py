"""Qwen-Image-Edit (arXiv 2508.02324): a vision-language model reads photo and instruction, a transformer edits."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from PIL import Image

from generators.base import Licence, ModelEntry
from generators.models.calculation import bf16_memory, bf16_weights, seconds_on_h100
from generators.models.diffusion import LOAD_DEFAULTS, LOAD_PARAMS, DiffusersModel
from generators.sizes import SizePolicy

# Parameters: transformer (counted in diffusers; "20B" in https://github.com/QwenLM/Qwen-Image); Qwen2.5-VL-7B.
DENOISER, TEXT = 20.4e9, 8.29e9
CONDITION_PIXELS = 384 * 384  # of the photo as the vision-language model sees it


class QwenImageEdit(DiffusersModel):
    """Qwen-Image-Edit 2509 and later."""

    pipeline_class = "QwenImageEditPlusPipeline"
    processor_class = "Qwen2VLProcessor"

    def arguments(
        self, prompts: list[str], photos: list[Image.Image], generators: list[Any], params: Mapping[str, Any]
    ) -> dict[str, Any]:
        (photo,), (prompt,), (generator,) = photos, prompts, generators
        return {
            "prompt": prompt,
            "image": [photo],
            "width": photo.width,
            "height": photo.height,
            "generator": generator,
            "num_inference_steps": params["steps"],
            "true_cfg_scale": params["true_cfg_scale"],
            # Guidance needs a negative prompt, and its authors' is a space.
            "negative_prompt": params["negative_prompt"],
        }

    @contextmanager
    def during_call(self, photos: list[Image.Image]) -> Iterator[None]:
        from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as module

        # The pipeline shows the model the photo at an area of its own, one megapixel, whatever it is to make.
        area = photos[0].width * photos[0].height
        before = module.VAE_IMAGE_SIZE, module.CONDITION_IMAGE_SIZE
        module.VAE_IMAGE_SIZE, module.CONDITION_IMAGE_SIZE = area, min(area, CONDITION_PIXELS)
        try:
            yield
        finally:
            module.VAE_IMAGE_SIZE, module.CONDITION_IMAGE_SIZE = before


def models() -> list[ModelEntry]:
    """The entries of this family."""
    return [
        ModelEntry(
            id="qwen-image-edit-2511",
            family=QwenImageEdit.pipeline_class,
            load=QwenImageEdit,
            repository="Qwen/Qwen-Image-Edit-2511",
            revision="main",
            description="Qwen-Image-Edit 2511 (weights of December 2025): a transformer of 20 billion parameters.",
            licence=Licence(
                "Apache-2.0",
                outputs="yes",
                note="The licence says nothing of outputs (https://huggingface.co/Qwen/Qwen-Image-Edit-2511; its tag "
                "was not verified).",
            ),
            default_params={
                "steps": 40, "true_cfg_scale": 4.0, "negative_prompt": " ",
                "max_pixels": 1024 * 1024, **LOAD_DEFAULTS,
            },
            params_source="https://github.com/QwenLM/Qwen-Image, example of Qwen-Image-Edit-2511: 40 steps, "
            "true_cfg_scale 4, negative prompt a space. (Its advice for the "
            "first version, to have instructions rewritten by a language model, is not followed.)",
            load_params=LOAD_PARAMS,
            size=SizePolicy(multiple=32, max_pixels=1024 * 1024, min_pixels=1024 * 1024, max_aspect=3.0),
            max_batch=1,  # the pipeline refuses more than one prompt
            memory_gb=bf16_memory(DENOISER + TEXT),
            weights_gb=bf16_weights(DENOISER + TEXT),
            seconds_per_image=seconds_on_h100(168.6, steps=40, passes=2),
            extra="generate",
        )
    ]  # fmt: skip
