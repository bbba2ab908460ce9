"""A tiny OmniGen pipeline with random weights."""

from pathlib import Path

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, OmniGenPipeline, OmniGenTransformer2DModel
from diffusers.pipelines.omnigen import pipeline_omnigen

from generators.models.omnigen import image_only_processor
from tests.generators.tiny_pipelines.stable_diffusion import autoencoder
from tests.generators.tiny_pipelines.text import enliven, llama_tokenizer


def build_omnigen(folder: Path) -> None:
    """A pipeline like OmniGen-v1."""
    tokenizer = llama_tokenizer()
    torch.manual_seed(0)
    transformer = OmniGenTransformer2DModel(
        hidden_size=32,
        num_attention_heads=4,
        num_key_value_heads=4,
        intermediate_size=64,
        num_layers=2,
        in_channels=4,
        time_step_dim=8,
        vocab_size=len(tokenizer),
        pad_token_id=0,
        rope_scaling={"long_factor": [1.0] * 4, "short_factor": [1.0] * 4, "type": "su"},
    )
    enliven(transformer, 2.0)
    if not hasattr(pipeline_omnigen, "transforms"):
        pipeline_omnigen.OmniGenMultiModalProcessor = image_only_processor()
    OmniGenPipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(invert_sigmas=True, num_train_timesteps=1),
        vae=autoencoder(),
        tokenizer=tokenizer,
    ).save_pretrained(folder)
