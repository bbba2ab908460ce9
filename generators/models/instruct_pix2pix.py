"""InstructPix2Pix (Brooks et al., CVPR 2023) and what was trained from it: a U-Net that sees photo and instruction."""

from collections.abc import Mapping
from typing import Any

from PIL import Image

from generators.base import Figure, Licence, ModelEntry
from generators.models.calculation import bf16_memory, bf16_weights
from generators.models.diffusion import LOAD_DEFAULTS, LOAD_PARAMS, DiffusersModel, loading_faults
from generators.sizes import SizePolicy

COSXL_EDIT_FILE = "cosxl_edit.safetensors"
# Parameters: U-Net, CLIP-L, autoencoder, safety checker; for SDXL U-Net, both CLIPs, autoencoder. U-Nets and
# autoencoders were counted in diffusers for their configurations with 8 input channels.
SD15_PARAMETERS = 0.86e9 + 0.12e9 + 0.08e9 + 0.30e9
SDXL_PARAMETERS = 2.57e9 + 0.82e9 + 0.08e9
# FLOP of one pass of the U-Net for one image, counted by torch's FlopCounterMode: at 512 × 512, at 1024 × 1024.
SD15_FLOP, SDXL_FLOP = 0.80e12, 6.76e12
# A tenth of an H100's 989 TFLOP/s: an assumption, as small convolutions use a large GPU badly.
UNET_FLOPS = 0.1 * 989e12
# The schedule that CosXL was trained on: the example for `is_cosxl_edit` in the documentation of diffusers.
COSXL_SCHEDULE: Mapping[str, Any] = {
    "sigma_min": 0.002,
    "sigma_max": 120.0,
    "sigma_data": 1.0,
    "prediction_type": "v_prediction",
    "sigma_schedule": "exponential",
}
SD15_SIZE = SizePolicy(multiple=8, max_pixels=512 * 512, min_pixels=512 * 512)


def _seconds_on_h100(flop: float, steps: int) -> Figure:
    """GPU seconds of one image; three passes a step: with photo and words, with the photo alone, with neither."""
    return Figure(
        round(flop * steps * 3 / UNET_FLOPS, 1),
        f"calculated, not measured: {flop / 1e12:g} TFLOP × {steps} steps × 3 passes at "
        f"{UNET_FLOPS / 1e12:.0f} TFLOP/s (an H100 at a tenth, an assumption)",
    )


def models() -> list[ModelEntry]:
    """The entries of this family."""
    same: dict[str, Any] = {
        "family": InstructPix2Pix.pipeline_class,
        "load": InstructPix2Pix,
        "size": SD15_SIZE,
        "load_params": LOAD_PARAMS,
        "max_batch": 8,
        "batch_tolerance": 2,
        "memory_gb": bf16_memory(SD15_PARAMETERS),
        "weights_gb": bf16_weights(SD15_PARAMETERS),
        "seconds_per_image": _seconds_on_h100(SD15_FLOP, steps=100),
        "extra": "generate",
    }
    return [
        ModelEntry(
            id="instruct-pix2pix",
            repository="timbrooks/instruct-pix2pix",
            revision="main",
            description="InstructPix2Pix: Stable Diffusion 1.5 trained on 454k generated pairs.",
            licence=Licence(
                "MIT, and CreativeML Open RAIL-M of Stable Diffusion",
                outputs="yes",
                note="The LICENSE of https://github.com/timothybrooks/instruct-pix2pix is MIT's with a reference: "
                "checkpoints are derived from Stable Diffusion, \"further restrictions may apply\". Open RAIL-M, 6: "
                "\"Licensor claims no rights in the Output You generate\"; its uses in attachment A are forbidden.",
            ),
            params_source="https://github.com/timothybrooks/instruct-pix2pix: guidance 7.5 and image guidance 1.5 "
            "under \"Tips\", 100 steps and 512 pixels in the example",
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
            licence=Licence(
                "CreativeML Open RAIL-M",
                outputs="yes",
                note="\"The model is released under CreativeML Open RAIL-M inherited from stable diffusion\", data and "
                "code under CC-BY-4.0: https://github.com/OSU-NLP-Group/MagicBrush/blob/main/LICENSE. Open RAIL-M, 6: "
                "\"Licensor claims no rights in the Output You generate\"; its uses in attachment A are forbidden. The "
                "repository is another person's conversion of the weights; what it says itself was not verified.",
            ),
            params_source="https://github.com/OSU-NLP-Group/MagicBrush/blob/main/edit_cli_single_multi_turn.py: 100 "
            "steps, guidance 7.5, image guidance 1.5, 512 pixels",
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
            gated=True,
            description="CosXL Edit: SDXL trained on instructions with a cosine-continuous EDM schedule.",
            licence=Licence(
                "Stability AI Non-Commercial Research Community License (7 April 2024)",
                outputs="unclear",
                note="The weights are for research and other non-commercial uses; \"Derivative Works do not include "
                "the output of any Model\", and whether outputs may be passed on it leaves to the user's own judgement "
                "(2, read in the version of June 2024): https://huggingface.co/stabilityai/cosxl",
            ),
            params_source="its authors recommend none; 20 steps, guidance 7, 1024 pixels: the unofficial demo "
            "https://huggingface.co/spaces/multimodalart/cosxl; image guidance 1.5: the pipeline's default",
            default_params={
                "steps": 20, "guidance_scale": 7.0, "image_guidance_scale": 1.5, "max_pixels": 1024 * 1024,
                **LOAD_DEFAULTS,
            },
            size=SizePolicy(multiple=8, max_pixels=1024 * 1024, min_pixels=1024 * 1024),
            load_params=LOAD_PARAMS,
            max_batch=4,
            batch_tolerance=2,
            memory_gb=bf16_memory(SDXL_PARAMETERS),
            weights_gb=Figure(6.9, "size of cosxl_edit.safetensors: https://huggingface.co/TIGER-Lab/cosxl/tree/main"),
            seconds_per_image=_seconds_on_h100(SDXL_FLOP, steps=20),
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

    def components(self, weights: str | None) -> dict[str, Any]:  # noqa: ARG002
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
