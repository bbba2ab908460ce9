"""Tiny pipelines with random weights, one builder for each local model: the real diffusers classes on a processor."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

# Model id → module and function that write its pipeline into a folder, as `save_pretrained` does.
BUILDERS = {
    "instruct-pix2pix": ("stable_diffusion", "build_instruct_pix2pix"),
    "magicbrush": ("stable_diffusion", "build_instruct_pix2pix"),
    "cosxl-edit": ("stable_diffusion", "build_cosxl_edit"),
    "omnigen": ("omnigen", "build_omnigen"),
    "icedit": ("flux", "build_icedit"),
    "flux-kontext-dev": ("flux", "build_flux_kontext"),
    "flux2-klein": ("flux2", "build_flux2_klein"),
    "qwen-image-edit-2511": ("qwen_image", "build_qwen_image_edit"),
    "longcat-image-edit": ("longcat", "build_longcat_image_edit"),
    "joyimage-edit": ("joyimage", "build_joyimage_edit"),
}
# Settings that keep a tiny model quick; everything else is as registered.
TINY_PARAMS = {"steps": 2, "dtype": "float32", "max_pixels": 128 * 128}


def build(model_id: str, folder: Path) -> Path:
    """Write the tiny pipeline of a model into a folder; returns the folder."""
    module, function = BUILDERS[model_id]
    builder: Callable[[Path], None] = getattr(import_module(f"{__name__}.{module}"), function)
    builder(folder)
    return folder
