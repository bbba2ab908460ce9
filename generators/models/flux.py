"""FLUX.1: Kontext, which sees the photo as further tokens, and ICEdit, which fills the right half of a diptych."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from generators.base import Figure, Licence, ModelEntry
from generators.models.calculation import bf16_memory, bf16_weights, seconds_on_h100
from generators.models.diffusion import LOAD_DEFAULTS, LOAD_PARAMS, DiffusersModel, loading_faults
from generators.sizes import SizePolicy

# The prompt of ICEdit (scripts/inference.py and scripts/gradio_demo.py of github.com/River-Zhang/ICEdit).
DIPTYCH = (
    "A diptych with two side-by-side images of the same scene. On the right, the scene is exactly the same as on the "
    "left but {instruction}"
)
LORA_FILE = "pytorch_lora_weights.safetensors"
# Parameters: transformer (counted in diffusers for the configuration of FLUX.1 [dev]; Fill has 11.90e9 as well);
# T5-XXL encoder and CLIP-L.
FLUX_DENOISER, FLUX_TEXT = 11.9e9, 4.89e9
FLUX_LICENCE = Licence(
    "FLUX.1 [dev] Non-Commercial License",
    outputs="yes",
    note='The weights may be used for non-commercial purposes only. 2(d): "We claim no ownership rights in and to the '
    "Outputs. [...] You may use Output for any purpose (including for commercial purposes), except as expressly "
    "prohibited herein. You may not use the Output to train, fine-tune or distill a model that is competitive with the "
    'FLUX.1 [dev] Model." 4(a) rules out, for what the model produces too, surveillance and biometric processing. '
    "Read in version 1.0; the first sentence on use of outputs is that of 1.1.1 too: "
    "https://github.com/black-forest-labs/flux/blob/main/model_licenses/LICENSE-FLUX1-dev",
)


class FluxKontext(DiffusersModel):
    """FLUX.1 Kontext (arXiv 2506.15742)."""

    pipeline_class = "FluxKontextPipeline"

    def arguments(
        self, prompts: list[str], photos: list[Image.Image], generators: list[Any], params: Mapping[str, Any]
    ) -> dict[str, Any]:
        width, height = photos[0].size
        return {
            "prompt": prompts,
            "image": photos,
            "width": width,
            "height": height,
            # The pipeline works the size out anew from an area, and would otherwise snap to one of its own list.
            "max_area": width * height,
            "_auto_resize": False,
            "generator": generators,
            "num_inference_steps": params["steps"],
            "guidance_scale": params["guidance_scale"],
        }


class ICEdit(DiffusersModel):
    """In-context edit (Zhang et al., arXiv 2504.20690): FLUX.1 Fill with a LoRA repeats the photo, edited, beside it.

    The LoRA is that of the second repository, or `lora/pytorch_lora_weights.safetensors` in a folder of weights.
    """

    pipeline_class = "FluxFillPipeline"

    def arguments(
        self, prompts: list[str], photos: list[Image.Image], generators: list[Any], params: Mapping[str, Any]
    ) -> dict[str, Any]:
        width, height = photos[0].size
        mask = Image.new("L", (2 * width, height), 0)
        mask.paste(255, (width, 0, 2 * width, height))
        return {
            "prompt": [DIPTYCH.format(instruction=prompt) for prompt in prompts],
            "image": [_twice(photo) for photo in photos],
            "mask_image": [mask] * len(photos),
            "width": 2 * width,
            "height": height,
            "generator": generators,
            "num_inference_steps": params["steps"],
            "guidance_scale": params["guidance_scale"],
        }

    def finish(self, images: list[Image.Image], photos: list[Image.Image]) -> list[Image.Image]:
        return [
            image.crop((photo.width, 0, 2 * photo.width, photo.height))
            for image, photo in zip(images, photos, strict=True)
        ]

    def _load(self, weights: str | None, quantization: Any) -> Any:
        pipeline = super()._load(weights, quantization)
        with loading_faults(self.entry, weights, self.entry.more_repositories[0]):
            if weights is not None:
                pipeline.load_lora_weights(str(Path(weights).expanduser() / "lora"), weight_name=LORA_FILE)
            else:
                commit = self.commits[1] if len(self.commits) > 1 else None
                pipeline.load_lora_weights(self.entry.more_repositories[0], weight_name=LORA_FILE, revision=commit)
        return pipeline


def _twice(photo: Image.Image) -> Image.Image:
    diptych = Image.new("RGB", (2 * photo.width, photo.height))
    diptych.paste(photo, (0, 0))
    diptych.paste(photo, (photo.width, 0))
    return diptych


def models() -> list[ModelEntry]:
    """The entries of this family."""
    return [
        ModelEntry(
            id="flux-kontext-dev",
            family=FluxKontext.pipeline_class,
            load=FluxKontext,
            repository="black-forest-labs/FLUX.1-Kontext-dev",
            revision="main",
            gated=True,
            description="FLUX.1 Kontext [dev]: a rectified-flow transformer of 12 billion parameters.",
            licence=FLUX_LICENCE,
            default_params={"steps": 28, "guidance_scale": 2.5, "max_pixels": 1024 * 1024, **LOAD_DEFAULTS},
            params_source="guidance 2.5: https://github.com/black-forest-labs/flux/blob/main/src/flux/cli_kontext.py "
            "(which takes 30 steps); 28 steps: the default of FluxKontextPipeline, whose example has guidance 2.5 "
            "(https://huggingface.co/docs/diffusers/main/en/api/pipelines/flux)",
            load_params=LOAD_PARAMS,
            # Trained on about one megapixel; the list of sizes of its authors goes to 2.3 : 1.
            size=SizePolicy(multiple=16, max_pixels=1024 * 1024, min_pixels=1024 * 1024, max_aspect=2.4),
            max_batch=4,
            batch_tolerance=2,
            memory_gb=bf16_memory(FLUX_DENOISER + FLUX_TEXT),
            weights_gb=bf16_weights(FLUX_DENOISER + FLUX_TEXT),
            seconds_per_image=seconds_on_h100(165.5, steps=28),
            extra="generate",
        ),
        ModelEntry(
            id="icedit",
            family=ICEdit.pipeline_class,
            load=ICEdit,
            repository="black-forest-labs/FLUX.1-Fill-dev",
            more_repositories=("RiverZ/normal-lora",),
            revision="main",
            gated=True,
            description="ICEdit: FLUX.1 Fill [dev] with a LoRA completes a diptych of photo and edit.",
            licence=Licence(
                "FLUX.1 [dev] Non-Commercial License, and the LoRA's own (`no-commercial`)",
                outputs="unclear",
                note="For the base see flux-kontext-dev. The card of the LoRA (RiverZ/normal-lora) says `license: "
                "other`, `no-commercial`, and refers to https://github.com/River-Zhang/ICEdit/blob/main/LICENSE, which "
                "was not read: whether outputs may be passed on is not known.",
            ),
            default_params={"steps": 28, "guidance_scale": 50.0, "max_pixels": 512 * 1024, **LOAD_DEFAULTS},
            params_source="https://github.com/River-Zhang/ICEdit/blob/main/scripts/gradio_demo.py: 28 steps, "
            "guidance 50, width 512",
            load_params=LOAD_PARAMS,
            # "We can only deal with the case where the image's width is 512" (gradio_demo.py), whatever the height.
            size=SizePolicy(multiple=16, width=512, max_pixels=512 * 1024, max_aspect=2.0),
            max_batch=4,
            batch_tolerance=2,
            memory_gb=Figure(35, "at 512 × 768, by its authors: README of https://github.com/River-Zhang/ICEdit"),
            weights_gb=bf16_weights(FLUX_DENOISER + FLUX_TEXT),
            seconds_per_image=seconds_on_h100(
                55.3,
                steps=28,
                besides='For 512 × 768; "about 9 seconds" by its authors, on a GPU they do not name: '
                "https://github.com/River-Zhang/ICEdit",
            ),
            extra="generate",
        ),
    ]
