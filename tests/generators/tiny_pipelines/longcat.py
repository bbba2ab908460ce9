"""A tiny LongCat-Image-Edit pipeline with random weights."""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    LongCatImageEditPipeline,
    LongCatImageTransformer2DModel,
)

from tests.generators.tiny_pipelines.text import enliven, qwen_tokenizer
from tests.generators.tiny_pipelines.vision_language import HIDDEN, processor, qwen2_5_vl


def build_longcat_image_edit(folder: Path) -> None:
    """A pipeline like LongCat-Image-Edit, which fixes the number of latent channels at 16."""
    text_encoder = qwen2_5_vl()
    torch.manual_seed(0)
    transformer = LongCatImageTransformer2DModel(
        in_channels=64,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=HIDDEN,
        pooled_projection_dim=HIDDEN,
        axes_dims_rope=[4, 6, 6],
    )
    enliven(transformer)
    vae = AutoencoderKL(
        block_out_channels=(16, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=16,
        norm_num_groups=8,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.1159,
        scaling_factor=0.3611,
    )
    LongCatImageEditPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=qwen_tokenizer(),
        text_processor=processor("Qwen2VLProcessor", patch=14),
        transformer=transformer,
    ).save_pretrained(folder)
