"""Tiny FLUX.1 pipelines with random weights, and a LoRA for one of them."""

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxFillPipeline,
    FluxKontextPipeline,
    FluxTransformer2DModel,
)
from peft import LoraConfig, get_peft_model_state_dict

from tests.generators.tiny_pipelines.text import clip_text_encoder, clip_tokenizer, enliven, t5_encoder, t5_tokenizer


def parts(in_channels: int, seed: int = 0) -> dict[str, Any]:
    """The components of a FLUX.1 pipeline; `out_channels` are always those of four packed latents."""
    torch.manual_seed(seed)
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=in_channels,
        out_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        guidance_embeds=True,
        axes_dims_rope=(4, 4, 8),
    )
    enliven(transformer)
    vae = AutoencoderKL(
        block_out_channels=(16, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=8,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.0609,
        scaling_factor=1.5035,
    )
    return {
        "scheduler": FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        "vae": vae,
        "text_encoder": clip_text_encoder(),
        "tokenizer": clip_tokenizer(),
        "text_encoder_2": t5_encoder(),
        "tokenizer_2": t5_tokenizer(),
        "transformer": transformer,
    }


def build_flux_kontext(folder: Path) -> None:
    """A pipeline like FLUX.1-Kontext-dev."""
    FluxKontextPipeline(**parts(in_channels=16)).save_pretrained(folder)


def build_icedit(folder: Path) -> None:
    """A pipeline like FLUX.1-Fill-dev, and beside it, in `lora/`, an adapter like ICEdit's."""
    # Latents, those of the masked photo, and the mask: 8 × 8 pixels of it for each of the four packed latents.
    pipeline = FluxFillPipeline(**parts(in_channels=16 + 16 + 4 * 64))
    pipeline.save_pretrained(folder)
    torch.manual_seed(1)
    pipeline.transformer.add_adapter(
        LoraConfig(r=4, lora_alpha=4, init_lora_weights="gaussian", target_modules=["to_q", "to_k", "to_v", "to_out.0"])
    )
    weights = get_peft_model_state_dict(pipeline.transformer)
    # Adapters begin as no change at all: this one has to be seen.
    changed = {name: torch.randn_like(value) for name, value in weights.items()}
    FluxFillPipeline.save_lora_weights(folder / "lora", transformer_lora_layers=changed)
