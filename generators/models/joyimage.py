"""JoyAI-Image-Edit (JD): a transformer over the latents of two frames, the photo and its edit."""

from collections.abc import Mapping
from typing import Any

from PIL import Image

from generators.base import Licence, ModelEntry
from generators.models.calculation import bf16_memory, bf16_weights, seconds_on_h100
from generators.models.diffusion import LOAD_DEFAULTS, LOAD_PARAMS, DiffusersModel
from generators.sizes import SizePolicy

# Parameters: transformer (counted in diffusers for the configuration on the Hub; "16B" by its authors); Qwen3-VL-8B.
DENOISER, TEXT = 16.26e9, 8.77e9


class JoyImageEdit(DiffusersModel):
    """JoyAI-Image-Edit."""

    pipeline_class = "JoyImageEditPipeline"
    processor_class = "Qwen3VLProcessor"

    def arguments(
        self, prompts: list[str], photos: list[Image.Image], generators: list[Any], params: Mapping[str, Any]
    ) -> dict[str, Any]:
        (photo,), (prompt,), (generator,) = photos, prompts, generators
        return {
            "prompt": prompt,
            "image": photo,
            "width": photo.width,
            "height": photo.height,
            "generator": generator,
            "num_inference_steps": params["steps"],
            "guidance_scale": params["guidance_scale"],
            "negative_prompt": params["negative_prompt"],
        }

    def _load(self, weights: str | None, quantization: Any) -> Any:
        pipeline = super()._load(weights, quantization)
        # It would crop to the nearest of its own sizes; ours (the same area, multiples of the same 64) keep the frame.
        pipeline.vae_image_processor.get_default_height_width = lambda image, height, width: (height, width)  # noqa: ARG005
        return pipeline


def models() -> list[ModelEntry]:
    """The entries of this family."""
    return [
        ModelEntry(
            id="joyimage-edit",
            family=JoyImageEdit.pipeline_class,
            load=JoyImageEdit,
            repository="jdopensource/JoyAI-Image-Edit-Diffusers",
            revision="main",
            description="JoyAI-Image-Edit: a transformer of 16 billion parameters.",
            licence=Licence(
                "Apache-2.0",
                outputs="yes",
                note="The licence says nothing of outputs (https://github.com/jd-opensource/JoyAI-Image).",
            ),
            default_params={
                "steps": 40, "guidance_scale": 4.0, "negative_prompt": "", "max_pixels": 1024 * 1024, **LOAD_DEFAULTS,
            },
            params_source="https://huggingface.co/docs/diffusers/en/api/pipelines/joyimage_edit: 40 steps, guidance 4. "
            "Its authors' own https://github.com/jd-opensource/JoyAI-Image takes 50 by default and 30 in its example, "
            "guidance 4 or 5 by version",
            load_params=LOAD_PARAMS,
            # The sizes it was trained on are multiples of 64, too coarse for a photo's aspect.
            size=SizePolicy(
                multiple=64, max_pixels=1024 * 1024, min_pixels=1024 * 1024, max_aspect=3.0, framed=True
            ),
            max_batch=1,  # it resizes one photo for all prompts
            memory_gb=bf16_memory(DENOISER + TEXT),
            weights_gb=bf16_weights(DENOISER + TEXT),
            seconds_per_image=seconds_on_h100(206.3, steps=40, passes=2),
            extra="generate",
        )
    ]  # fmt: skip
