"""InstructPix2Pix (Brooks et al., CVPR 2023) and what was trained from it: a U-Net that sees photo and instruction."""

from collections.abc import Mapping
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from generators.base import Figure, Licence, ModelEntry
from generators.models.calculation import UNET_SHARE, bf16_memory, bf16_weights, seconds_on_h100
from generators.models.diffusion import LOAD_DEFAULTS, LOAD_PARAMS, DiffusersModel, loading_faults
from generators.sizes import SizePolicy

COSXL_EDIT_FILE = "cosxl_edit.safetensors"
SDXL_CONFIGS = ("*.json", "**/*.json", "*.txt", "**/*.txt")
# Parameters: U-Net, CLIP-L, autoencoder; for SDXL U-Net, both CLIPs, autoencoder. U-Nets and
# autoencoders were counted in diffusers for their configurations with 8 input channels.
SD15_PARAMETERS = 0.86e9 + 0.12e9 + 0.08e9
SDXL_PARAMETERS = 2.57e9 + 0.82e9 + 0.08e9
# TFLOP of one pass of the U-Net for one image, by benchmarks/flop_counts.py: at 512 × 512, at 1024 × 1024. A step has
# three passes: with photo and words, with the photo alone, with neither.
SD15_TFLOP, SDXL_TFLOP = 0.80, 6.76
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
        "memory_gb": bf16_memory(SD15_PARAMETERS),
        "weights_gb": bf16_weights(SD15_PARAMETERS),
        "seconds_per_image": seconds_on_h100(SD15_TFLOP, steps=100, passes=3, share=UNET_SHARE),
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
            "under \"Tips\", 100 steps and 512 pixels in the example; Euler ancestral: edit_cli.py",
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
            "steps of Euler ancestral, guidance 7.5, image guidance 1.5, 512 pixels",
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
            more_repositories=("stabilityai/stable-diffusion-xl-base-1.0",),  # configurations and tokenizers
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
            seconds_per_image=seconds_on_h100(SDXL_TFLOP, steps=20, passes=3, share=UNET_SHARE),
            extra="generate",
        ),
    ]  # fmt: skip


class InstructPix2Pix(DiffusersModel):
    """Stable Diffusion 1.5 with the photo as extra input channels."""

    pipeline_class = "StableDiffusionInstructPix2PixPipeline"
    quantized_parts = ("unet",)

    def components(self, weights: str | None) -> dict[str, Any]:  # noqa: ARG002
        # Not part of either recipe, and it blanks harmless photos: docs/decisions.md.
        return {"safety_checker": None, "requires_safety_checker": False}

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

    def _load(self, weights: str | None, quantization: Any) -> Any:
        from diffusers import EulerAncestralDiscreteScheduler

        pipeline = super()._load(weights, quantization)
        # The recipe's sampler over all noise levels, whichever a repository happens to store (conversions: PNDM).
        pipeline.scheduler = EulerAncestralDiscreteScheduler.from_config(
            pipeline.scheduler.config, timestep_spacing="linspace"
        )
        return pipeline


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
        # The repository holds one checkpoint file in Stability's own format, without a pipeline around it: what that is
        # made of, and the tokenizers, are those of SDXL.
        from huggingface_hub import hf_hub_download, snapshot_download

        repository, sdxl = self.entry.repository, self.entry.more_repositories[0]
        commit = self.commits[1] if len(self.commits) > 1 else None
        with loading_faults(self.entry, weights, sdxl):
            config = snapshot_download(sdxl, revision=commit, allow_patterns=list(SDXL_CONFIGS))
        with loading_faults(self.entry, weights, repository):
            checkpoint = hf_hub_download(repository, COSXL_EDIT_FILE, revision=self.commits[0])
            return self._from_checkpoint(checkpoint, config, quantization)

    def _from_checkpoint(self, checkpoint: str, config: str, quantization: Any) -> Any:
        """The pipeline of a file in Stability's format; `config` is a folder like SDXL's, without weights."""
        import diffusers

        unet = diffusers.UNet2DConditionModel.from_single_file(
            checkpoint, config=config, subfolder="unet", in_channels=8, torch_dtype=self.dtype
        )
        if quantization is not None:
            # `from_single_file` believes that the file is quantised already, and leaves the weights as they are.
            with TemporaryDirectory() as folder:
                unet.save_pretrained(folder)
                unet = diffusers.UNet2DConditionModel.from_pretrained(
                    folder, torch_dtype=self.dtype, quantization_config=quantization.quant_mapping["unet"]
                )
        pipeline = getattr(diffusers, self.pipeline_class).from_single_file(
            checkpoint, config=config, unet=unet, is_cosxl_edit=True, torch_dtype=self.dtype
        )
        pipeline.scheduler = diffusers.EDMEulerScheduler(**COSXL_SCHEDULE)
        return pipeline
