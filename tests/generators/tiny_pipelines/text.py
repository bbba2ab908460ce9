"""Tokenizers and text encoders for tiny pipelines: made here from configs, nothing fetched."""

from typing import Any

import torch
from tokenizers import pre_tokenizers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer


def clip_tokenizer() -> CLIPTokenizer:
    """A CLIP tokenizer over single bytes: any instruction becomes tokens."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={word: number for number, word in enumerate(words)}, merges=[], model_max_length=77)


def clip_text_encoder(hidden: int = 32, seed: int = 0, projection: bool = False, **settings: Any) -> Any:
    """A CLIP text encoder of two layers that knows the words of `clip_tokenizer`."""
    torch.manual_seed(seed)
    tokenizer = clip_tokenizer()
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=hidden + 5,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=hidden,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **settings,
    )
    return (CLIPTextModelWithProjection if projection else CLIPTextModel)(config).eval()
