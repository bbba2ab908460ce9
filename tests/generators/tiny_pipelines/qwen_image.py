"""A tiny Qwen-Image-Edit pipeline with random weights."""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    QwenImageEditPlusPipeline,
    QwenImageTransformer2DModel,
)

from tests.generators.tiny_pipelines.text import enliven, qwen_tokenizer
from tests.generators.tiny_pipelines.vision_language import HIDDEN, processor, qwen2_5_vl


def build_qwen_image_edit(folder: Path) -> None:
    """A pipeline like Qwen-Image-Edit-2511."""
    text_encoder = qwen2_5_vl()
    torch.manual_seed(0)
    transformer = QwenImageTransformer2DModel(
        in_channels=16,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=HIDDEN,
        axes_dims_rope=(4, 6, 6),
    )
    enliven(transformer, 4.0)
    vae = AutoencoderKLQwenImage(
        base_dim=8,
        z_dim=4,
        dim_mult=[1, 2, 2, 2],
        num_res_blocks=1,
        latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
    )
    enliven(vae, 3.0)
    QwenImageEditPlusPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=qwen_tokenizer(),
        processor=processor("Qwen2VLProcessor", patch=14),
        transformer=transformer,
    ).save_pretrained(folder)
