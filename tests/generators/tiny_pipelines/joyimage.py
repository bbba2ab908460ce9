"""A tiny JoyAI-Image-Edit pipeline with random weights."""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    JoyImageEditPipeline,
    JoyImageEditTransformer3DModel,
)

from tests.generators.tiny_pipelines.text import enliven, qwen_tokenizer
from tests.generators.tiny_pipelines.vision_language import HIDDEN, processor, qwen3_vl


def build_joyimage_edit(folder: Path) -> None:
    """A pipeline like JoyAI-Image-Edit."""
    text_encoder = qwen3_vl()
    torch.manual_seed(0)
    transformer = JoyImageEditTransformer3DModel(
        in_channels=4,
        hidden_size=32,
        num_attention_heads=2,
        text_dim=HIDDEN,
        num_layers=2,
        rope_dim_list=[4, 6, 6],
    )
    enliven(transformer, 4.0)
    vae = AutoencoderKLWan(
        base_dim=8, z_dim=4, dim_mult=[1, 2, 2, 2], num_res_blocks=1, latents_mean=[0.0] * 4, latents_std=[1.0] * 4
    )
    enliven(vae, 2.0)
    JoyImageEditPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=qwen_tokenizer(),
        processor=processor("Qwen3VLProcessor", patch=16),
        transformer=transformer,
    ).save_pretrained(folder)
