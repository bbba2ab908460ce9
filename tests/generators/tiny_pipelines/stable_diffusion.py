"""Tiny Stable Diffusion pipelines with random weights: the real classes, small enough for a processor."""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    EDMEulerScheduler,
    EulerAncestralDiscreteScheduler,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionXLInstructPix2PixPipeline,
    UNet2DConditionModel,
)

from generators.models.instruct_pix2pix import COSXL_SCHEDULE
from tests.generators.tiny_pipelines.text import clip_text_encoder, clip_tokenizer

SECOND_WIDTH = 48  # of the second text encoder of SDXL: loaders tell the two apart by it


def autoencoder(seed: int = 0) -> AutoencoderKL:
    """Eight pixels to one latent, as the real one."""
    torch.manual_seed(seed)
    return AutoencoderKL(
        block_out_channels=(16, 32, 32, 32),
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=8,
    )


def build_instruct_pix2pix(folder: Path) -> None:
    """A pipeline like timbrooks/instruct-pix2pix: four latent channels and four of the photo."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(32, 64),
        layers_per_block=1,
        sample_size=32,
        in_channels=8,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        norm_num_groups=8,
    )
    StableDiffusionInstructPix2PixPipeline(
        vae=autoencoder(),
        text_encoder=clip_text_encoder(),
        tokenizer=clip_tokenizer(),
        unet=unet,
        scheduler=EulerAncestralDiscreteScheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)


def build_cosxl_edit(folder: Path) -> None:
    """A pipeline like CosXL Edit: two text encoders of different width, sizes as conditions, the EDM schedule."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(32, 64),
        layers_per_block=1,
        sample_size=32,
        in_channels=8,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 1),
        projection_class_embeddings_input_dim=SECOND_WIDTH + 6 * 8,
        cross_attention_dim=32 + SECOND_WIDTH,
        norm_num_groups=8,
    )
    StableDiffusionXLInstructPix2PixPipeline(
        vae=autoencoder(),
        text_encoder=clip_text_encoder(),
        text_encoder_2=clip_text_encoder(SECOND_WIDTH, seed=1, projection=True),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        unet=unet,
        scheduler=EDMEulerScheduler(**COSXL_SCHEDULE),
        is_cosxl_edit=True,
    ).save_pretrained(folder)
