"""FLUX.2 [klein]: a small, distilled rectified-flow transformer that takes photos as references."""

from collections.abc import Mapping
from typing import Any

from PIL import Image

from generators.base import Licence, ModelEntry
from generators.models.calculation import bf16_memory, bf16_weights, seconds_on_h100
from generators.models.diffusion import LOAD_DEFAULTS, LOAD_PARAMS, DiffusersModel
from generators.sizes import SizePolicy

# Parameters: transformer (counted in diffusers for 5 + 20 blocks of width 3072); Qwen3-4B.
DENOISER, TEXT = 3.88e9, 4.02e9


class Flux2Klein(DiffusersModel):
    """FLUX.2 [klein]. The distilled weights take no guidance: the pipeline leaves it out for them."""

    pipeline_class = "Flux2KleinPipeline"

    def arguments(
        self, prompts: list[str], photos: list[Image.Image], generators: list[Any], params: Mapping[str, Any]
    ) -> dict[str, Any]:
        # A list of photos would be references that all prompts share: there is only ever one.
        (photo,), (prompt,), (generator,) = photos, prompts, generators
        return {
            "prompt": prompt,
            "image": photo,
            "width": photo.width,
            "height": photo.height,
            "generator": generator,
            "num_inference_steps": params["steps"],
            "guidance_scale": params["guidance_scale"],
        }


def models() -> list[ModelEntry]:
    """The entries of this family."""
    return [
        ModelEntry(
            id="flux2-klein",
            family=Flux2Klein.pipeline_class,
            load=Flux2Klein,
            repository="black-forest-labs/FLUX.2-klein-4B",
            revision="main",
            description="FLUX.2 [klein] 4B: distilled to four steps.",
            licence=Licence(
                "Apache-2.0",
                outputs="yes",
                note="The licence says nothing of outputs; the other sizes but 4B are non-commercial "
                "(https://github.com/black-forest-labs/flux2, table of models).",
            ),
            default_params={"steps": 4, "guidance_scale": 1.0, "max_pixels": 1024 * 1024, **LOAD_DEFAULTS},
            params_source='4 steps: https://github.com/black-forest-labs/flux2 ("Distilled (4-step)"); guidance 1, '
            "which the distilled weights ignore: the example on "
            "https://huggingface.co/black-forest-labs/FLUX.2-klein-4B (not verified)",
            load_params=LOAD_PARAMS,
            size=SizePolicy(multiple=16, max_pixels=1024 * 1024, min_pixels=512 * 512, max_aspect=3.0),
            max_batch=1,  # it shows every prompt of a batch all the photos
            memory_gb=bf16_memory(DENOISER + TEXT),
            weights_gb=bf16_weights(DENOISER + TEXT),
            seconds_per_image=seconds_on_h100(76.7, steps=4),
            extra="generate",
        )
    ]
