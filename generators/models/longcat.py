"""LongCat-Image-Edit (Meituan): a small FLUX-like transformer with a vision-language model as its reader."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from PIL import Image

from generators.base import Licence, ModelEntry
from generators.models.calculation import bf16_memory, bf16_weights, seconds_on_h100
from generators.models.diffusion import LOAD_DEFAULTS, LOAD_PARAMS, DiffusersModel
from generators.sizes import SizePolicy

# Parameters: transformer (counted in diffusers for 10 + 20 blocks; "6B" by its authors); Qwen2.5-VL-7B.
DENOISER, TEXT = 6.27e9, 8.29e9


class LongCatImageEdit(DiffusersModel):
    """LongCat-Image-Edit."""

    pipeline_class = "LongCatImageEditPipeline"
    processor_class = "Qwen2VLProcessor"
    processor_part = "text_processor"

    def arguments(
        self, prompts: list[str], photos: list[Image.Image], generators: list[Any], params: Mapping[str, Any]
    ) -> dict[str, Any]:
        (photo,), (prompt,), (generator,) = photos, prompts, generators
        return {
            "prompt": prompt,
            "image": photo,
            "generator": generator,
            "num_inference_steps": params["steps"],
            "guidance_scale": params["guidance_scale"],
            "negative_prompt": params["negative_prompt"],
        }

    @contextmanager
    def during_call(self, photos: list[Image.Image]) -> Iterator[None]:
        from diffusers.pipelines.longcat_image import pipeline_longcat_image_edit as module

        # The pipeline has no argument for the size: it works it out from the aspect, always about one megapixel.
        before = module.calculate_dimensions
        module.calculate_dimensions = lambda area, ratio: photos[0].size  # noqa: ARG005
        try:
            yield
        finally:
            module.calculate_dimensions = before


def models() -> list[ModelEntry]:
    """The entries of this family."""
    return [
        ModelEntry(
            id="longcat-image-edit",
            family=LongCatImageEdit.pipeline_class,
            load=LongCatImageEdit,
            repository="meituan-longcat/LongCat-Image-Edit",
            revision="main",
            description="LongCat-Image-Edit: a transformer of 6 billion parameters.",
            licence=Licence(
                "Apache-2.0",
                outputs="yes",
                note="The licence says nothing of outputs (https://huggingface.co/meituan-longcat/LongCat-Image-Edit).",
            ),
            default_params={
                "steps": 50, "guidance_scale": 4.5, "negative_prompt": "", "max_pixels": 1024 * 1024, **LOAD_DEFAULTS,
            },
            params_source="https://github.com/meituan-longcat/LongCat-Image, \"Run Image Editing (Standard Mode)\": 50 "
            "steps, guidance 4.5, empty negative prompt",
            load_params=LOAD_PARAMS,
            size=SizePolicy(multiple=16, max_pixels=1024 * 1024, min_pixels=1024 * 1024, max_aspect=3.0),
            max_batch=1,  # it reads the first prompt of a list only
            memory_gb=bf16_memory(DENOISER + TEXT),
            weights_gb=bf16_weights(DENOISER + TEXT),
            seconds_per_image=seconds_on_h100(101.9, steps=50, passes=2),
            extra="generate",
        )
    ]  # fmt: skip
