"""Tokenizers and text encoders for tiny pipelines: made here from configs, nothing fetched."""

from typing import Any

import torch
from tokenizers import pre_tokenizers
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    LlamaTokenizer,
    Qwen2Tokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

PRINTABLE = [chr(code) for code in range(33, 127)]
QWEN_SPECIAL = (
    "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
# As the chat template of the Qwen models writes a message; images where their places are.
QWEN_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def enliven(module: torch.nn.Module, factor: float = 3.0) -> None:
    """Make random weights larger: at their initial size a tiny network hardly hears what it is told."""
    with torch.no_grad():
        for weights in module.parameters():
            if weights.ndim > 1:
                weights.mul_(factor)


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


def t5_tokenizer() -> T5Tokenizer:
    """A T5 tokenizer over single characters."""
    words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *((letter, -3.0) for letter in PRINTABLE)]
    return T5Tokenizer(vocab=words, extra_ids=0)


def t5_encoder(hidden: int = 32) -> T5EncoderModel:
    """A T5 encoder of two layers that knows the words of `t5_tokenizer`."""
    torch.manual_seed(2)
    config = T5Config(
        vocab_size=len(t5_tokenizer()),
        d_model=hidden,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        relative_attention_num_buckets=8,
    )
    return T5EncoderModel(config).eval()


def llama_tokenizer() -> LlamaTokenizer:
    """A Llama tokenizer over single characters."""
    words = ["<unk>", "<s>", "</s>", "▁", "\n", *PRINTABLE]
    return LlamaTokenizer(vocab={word: number for number, word in enumerate(words)}, merges=[])


def qwen_tokenizer() -> Qwen2Tokenizer:
    """A Qwen tokenizer over single bytes, with its special tokens and chat template."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Qwen2Tokenizer(
        vocab={word: number for number, word in enumerate([*letters, "<|endoftext|>"])}, merges=[]
    )
    tokenizer.add_tokens(list(QWEN_SPECIAL), special_tokens=True)
    tokenizer.chat_template = QWEN_TEMPLATE
    return tokenizer
