"""Tiny vision-language models of the Qwen kind, which three of the pipelines read photo and instruction with."""

from typing import Any

import torch
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from editfhf.qwen_processors import image_only_class
from tests.generators.tiny_pipelines.text import enliven, qwen_tokenizer

HIDDEN = 32


def processor(name: str, patch: int) -> Any:
    """A `Qwen2VLProcessor` or `Qwen3VLProcessor` whose photos are at most 64 patches."""
    image_processor = Qwen2VLImageProcessorPil(
        patch_size=patch,
        merge_size=2,
        temporal_patch_size=2,
        size={"shortest_edge": 4 * patch * patch, "longest_edge": 64 * patch * patch},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    tokenizer = qwen_tokenizer()
    return image_only_class(name)(image_processor, tokenizer, chat_template=tokenizer.chat_template)


def special_ids() -> dict[str, int]:
    tokenizer = qwen_tokenizer()
    return {
        "image_token_id": tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        "video_token_id": tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        "vision_start_token_id": tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        "vision_end_token_id": tokenizer.convert_tokens_to_ids("<|vision_end|>"),
    }


def text_config(**more: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(qwen_tokenizer()),
        "hidden_size": HIDDEN,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        **more,
    }


def qwen2_5_vl() -> Qwen2_5_VLForConditionalGeneration:
    """Two layers of text, two of vision; patches of 14 pixels."""
    torch.manual_seed(0)
    vision = {
        "depth": 2,
        "hidden_size": HIDDEN,
        "out_hidden_size": HIDDEN,
        "intermediate_size": 64,
        "num_heads": 2,
        "fullatt_block_indexes": [1],
        "window_size": 56,
    }
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e6}
    config = Qwen2_5_VLConfig(text_config=text_config(rope_parameters=rope), vision_config=vision, **special_ids())
    model = Qwen2_5_VLForConditionalGeneration(config).eval()
    enliven(model)
    return model


def qwen3_vl() -> Qwen3VLForConditionalGeneration:
    """Two layers of text, two of vision; patches of 16 pixels."""
    torch.manual_seed(0)
    vision = {
        "depth": 2,
        "hidden_size": HIDDEN,
        "out_hidden_size": HIDDEN,
        "intermediate_size": 64,
        "num_heads": 2,
        "deepstack_visual_indexes": [0],
        "num_position_embeddings": 64,
    }
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e6, "mrope_interleaved": True}
    config = Qwen3VLConfig(
        text_config=text_config(head_dim=16, rope_parameters=rope), vision_config=vision, **special_ids()
    )
    model = Qwen3VLForConditionalGeneration(config).eval()
    enliven(model)
    return model
