"""InstructPix2Pix (Brooks et al., CVPR 2023) and what was trained from it: a U-Net that sees photo and instruction."""

from collections.abc import Mapping
from typing import Any

from PIL import Image

from generators.base import Licence, ModelEntry
from generators.models.diffusion import LOAD_DEFAULTS, LOAD_PARAMS, DiffusersModel, loading_faults
from generators.sizes import SizePolicy

COSXL_EDIT_FILE = "cosxl_edit.safetensors"
# The schedule that CosXL was trained on: the example for `is_cosxl_edit` in the documentation of diffusers.
COSXL_SCHEDULE: Mapping[str, Any] = {
    "sigma_min": 0.002,
    "sigma_max": 120.0,
    "sigma_data": 1.0,
    "prediction_type": "v_prediction",
    "sigma_schedule": "exponential",
}
SD15_SIZE = SizePolicy(multiple=8, max_pixels=512 * 512, min_pixels=512 * 512)


def models() -> list[ModelEntry]:
    """The entries of this family."""
    same: dict[str, Any] = {
        "family": InstructPix2Pix.pipeline_class,
        "load": InstructPix2Pix,
        "size": SD15_SIZE,
        "load_params": LOAD_PARAMS,
        "max_batch": 8,
        "batch_tolerance": 2,
        "extra": "generate",
    }
    return [
        ModelEntry(
            id="instruct-pix2pix",
            repository="timbrooks/instruct-pix2pix",
            revision="main",
            description="InstructPix2Pix: Stable Diffusion 1.5 trained on 454k generated pairs.",
            licence=Licence("MIT", outputs="yes"),
            default_params={
                "steps": 100, "guidance_scale": 7.5, "image_guidance_scale": 1.5, "max_pixels": 512 * 512,
                **LOAD_DEFAULTS,
            },
            **same,
        ),
        ModelEntry(
            id="magicbrush",
            repository="vinesmsuic/magicbrush-jul7",
            revision="main",
            description="InstructPix2Pix trained further on MagicBrush, photos edited by people.",
            default_params={
                "steps": 100, "guidance_scale": 7.5, "image_guidance_scale": 1.5, "max_pixels": 512 * 512,
                **LOAD_DEFAULTS,
            },
            **same,
        ),
        ModelEntry(
            id="cosxl-edit",
            family=CosXLEdit.pipeline_class,
            load=CosXLEdit,
            repository="stabilityai/cosxl",
            revision="main",
            description="CosXL Edit: SDXL trained on instructions with a cosine-continuous EDM schedule.",
            default_params={
                "steps": 20, "guidance_scale": 7.0, "image_guidance_scale": 1.5, "max_pixels": 1024 * 1024,
                **LOAD_DEFAULTS,
            },
            size=SizePolicy(multiple=8, max_pixels=1024 * 1024, min_pixels=1024 * 1024),
            load_params=LOAD_PARAMS,
            max_batch=4,
            batch_tolerance=2,
            extra="generate",
        ),
    ]  # fmt: skip


class InstructPix2Pix(DiffusersModel):
    """Stable Diffusion 1.5 with the photo as extra input channels."""

    pipeline_class = "StableDiffusionInstructPix2PixPipeline"
    quantized_parts = ("unet",)

    def arguments(
        self, prompts: list[str], photos: list[Image.Image], generators: list[Any], params: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {
            "prompt": prompts,
            "image": photos,
            "generator": generators,
            "num_inference_steps": params["steps"],
            "guidance_scale": params["guidance_scale"],
            "image_guidance_scale": params["image_guidance_scale"],
        }


class CosXLEdit(DiffusersModel):
    """SDXL with the photo as extra input channels, trained on a cosine-continuous EDM schedule (CosXL)."""

    pipeline_class = "StableDiffusionXLInstructPix2PixPipeline"
    quantized_parts = ("unet",)

    def components(self, weights: str | None) -> dict[str, Any]:
        return {"is_cosxl_edit": True}

    def arguments(
        self, prompts: list[str], photos: list[Image.Image], generators: list[Any], params: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {
            "prompt": prompts,
            "image": photos,
            "width": photos[0].width,
            "height": photos[0].height,
            "generator": generators,
            "num_inference_steps": params["steps"],
            "guidance_scale": params["guidance_scale"],
            "image_guidance_scale": params["image_guidance_scale"],
        }

    def _load(self, weights: str | None, quantization: Any) -> Any:
        if weights is not None:
            return super()._load(weights, quantization)
        # The repository holds one checkpoint file in Stability's own format, without a pipeline around it.
        import diffusers
        from huggingface_hub import hf_hub_download

        pipeline_class = getattr(diffusers, self.pipeline_class)
        options = {"quantization_config": quantization} if quantization is not None else {}
        with loading_faults(self.entry, weights):
            checkpoint = hf_hub_download(self.entry.repository, COSXL_EDIT_FILE, revision=self.commits[0])
            pipeline = pipeline_class.from_single_file(
                checkpoint, num_in_channels=8, is_cosxl_edit=True, torch_dtype=self.dtype, **options
            )
        pipeline.scheduler = diffusers.EDMEulerScheduler(**COSXL_SCHEDULE)
        return pipeline
