"""How many FLOP one pass of each denoiser takes, counted by torch on the meta device: no weights, no GPU.

    python benchmarks/flop_counts.py

The registry's calculated seconds per image (`generators/models/`) rest on these numbers. A pass is one evaluation of
the denoiser on one photo at the size that the model works at, with as many tokens of text as stated; autoencoders and
text encoders are left out. Multiplications and additions count separately (2 FLOP), attention included. The
configurations are the defaults of the diffusers classes, which are those of the published weights, except where one is
given here.
"""

import inspect
from collections.abc import Callable
from typing import Any

import diffusers
import torch
from torch.utils.flop_counter import FlopCounterMode

# Image tokens: a patch of 16 × 16 pixels each (autoencoder 8, patches of 2).
MEGAPIXEL = 4096
DIPTYCH = 2 * 32 * 48  # two halves of 512 × 768


def main() -> None:
    """Print model, parameters of its denoiser, and TFLOP of a pass."""
    print(f"{'model':24}{'parameters':>12}{'TFLOP a pass':>14}")
    for name, count in COUNTS.items():
        with torch.device("meta"):
            parameters, flop = count()
        print(f"{name:24}{parameters / 1e9:10.2f} B{flop / 1e12:14.2f}")


def counted(model: torch.nn.Module, **inputs: Any) -> tuple[float, float]:
    """Parameters of a model, and the FLOP of one call. Inputs that its `forward` does not know are left out."""
    known = inspect.signature(model.forward).parameters
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(**{name: value for name, value in inputs.items() if name in known}, return_dict=False)
    return float(sum(one.numel() for one in model.parameters())), float(counter.get_total_flops())


def unet(width: int, sdxl: bool) -> tuple[float, float]:
    """The U-Nets of Stable Diffusion 1.5 and SDXL with 8 input channels; latents of width × width."""
    config: dict[str, Any] = {"in_channels": 8, "cross_attention_dim": 768}
    if sdxl:
        config = {
            "in_channels": 8,
            "block_out_channels": (320, 640, 1280),
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            "attention_head_dim": (5, 10, 20),
            "transformer_layers_per_block": (1, 2, 10),
            "use_linear_projection": True,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 2816,
            "cross_attention_dim": 2048,
        }
    return counted(
        diffusers.UNet2DConditionModel(**config),
        sample=torch.zeros(1, 8, width, width),
        timestep=torch.zeros(1),
        encoder_hidden_states=torch.zeros(1, 77, config["cross_attention_dim"]),
        added_cond_kwargs={"text_embeds": torch.zeros(1, 1280), "time_ids": torch.zeros(1, 6)},
    )


def flux(image_tokens: int, text_tokens: int = 512, fill: bool = False) -> tuple[float, float]:
    """FLUX.1 Kontext (photo and edit as tokens) and Fill (the photo as channels)."""
    model = diffusers.FluxTransformer2DModel(guidance_embeds=True, in_channels=384 if fill else 64, out_channels=64)
    return counted(
        model,
        hidden_states=torch.zeros(1, image_tokens, 384 if fill else 64),
        encoder_hidden_states=torch.zeros(1, text_tokens, 4096),
        pooled_projections=torch.zeros(1, 768),
        timestep=torch.zeros(1),
        guidance=torch.zeros(1),
        img_ids=torch.zeros(image_tokens, 3),
        txt_ids=torch.zeros(text_tokens, 3),
    )


def flux2(image_tokens: int, text_tokens: int = 512) -> tuple[float, float]:
    """FLUX.2 [klein] 4B: 5 double and 20 single blocks of width 3072, three layers of Qwen3-4B as text."""
    model = diffusers.Flux2Transformer2DModel(
        num_layers=5, num_single_layers=20, num_attention_heads=24, joint_attention_dim=7680, guidance_embeds=False
    )
    return counted(
        model,
        hidden_states=torch.zeros(1, image_tokens, 128),
        encoder_hidden_states=torch.zeros(1, text_tokens, 7680),
        timestep=torch.zeros(1),
        img_ids=torch.zeros(1, image_tokens, 4),
        txt_ids=torch.zeros(1, text_tokens, 4),
    )


def qwen(text_tokens: int = 300) -> tuple[float, float]:
    """Qwen-Image-Edit: photo and edit of a megapixel."""
    return counted(
        diffusers.QwenImageTransformer2DModel(),
        hidden_states=torch.zeros(1, 2 * MEGAPIXEL, 64),
        encoder_hidden_states=torch.zeros(1, text_tokens, 3584),
        encoder_hidden_states_mask=torch.ones(1, text_tokens, dtype=torch.bool),
        timestep=torch.zeros(1),
        img_shapes=[[(1, 64, 64), (1, 64, 64)]],
        txt_seq_lens=[text_tokens],
    )


def longcat(text_tokens: int = 1600) -> tuple[float, float]:
    """LongCat-Image-Edit: 10 double and 20 single blocks; the text holds the photo as Qwen2.5-VL sees it."""
    return counted(
        diffusers.LongCatImageTransformer2DModel(num_layers=10, num_single_layers=20),
        hidden_states=torch.zeros(1, 2 * MEGAPIXEL, 64),
        encoder_hidden_states=torch.zeros(1, text_tokens, 3584),
        timestep=torch.zeros(1),
        img_ids=torch.zeros(2 * MEGAPIXEL, 3),
        txt_ids=torch.zeros(text_tokens, 3),
    )


def joyimage(text_tokens: int = 1100) -> tuple[float, float]:
    """JoyAI-Image-Edit: two frames of a megapixel; width 4096 and 40 blocks, as its repository has them."""
    model = diffusers.JoyImageEditTransformer3DModel(hidden_size=4096, num_attention_heads=32, num_layers=40)
    return counted(
        model,
        hidden_states=torch.zeros(1, 2, 16, 1, 128, 128),
        encoder_hidden_states=torch.zeros(1, text_tokens, 4096),
        encoder_hidden_states_mask=torch.ones(1, text_tokens),
        timestep=torch.zeros(1),
    )


class NoRotation(torch.nn.Module):
    """In the place of OmniGen's rotary embedding, which asks for the values of positions; its FLOP are nothing."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens

    def forward(self, *_: Any) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.ones(self.tokens, 96), torch.zeros(self.tokens, 96)


def omnigen(text_tokens: int = 100) -> tuple[float, float]:
    """OmniGen: photo and edit of a megapixel in one sequence with the words."""
    factors = [1.0] * 48
    model = diffusers.OmniGenTransformer2DModel(
        rope_scaling={"type": "su", "long_factor": factors, "short_factor": factors}
    )
    tokens = 2 * MEGAPIXEL + text_tokens + 1
    model.rope = NoRotation(tokens)
    return counted(
        model,
        hidden_states=torch.zeros(1, 4, 128, 128),
        timestep=torch.zeros(1),
        input_ids=torch.zeros(1, MEGAPIXEL + text_tokens, dtype=torch.long),
        input_img_latents=[torch.zeros(1, 4, 128, 128)],
        input_image_sizes={0: [[0, MEGAPIXEL]]},
        attention_mask=torch.ones(1, tokens, tokens),
        position_ids=torch.zeros(1, tokens, dtype=torch.long),
    )


COUNTS: dict[str, Callable[[], tuple[float, float]]] = {
    "instruct-pix2pix": lambda: unet(64, sdxl=False),
    "cosxl-edit": lambda: unet(128, sdxl=True),
    "omnigen": omnigen,
    "icedit": lambda: flux(DIPTYCH, fill=True),
    "flux-kontext-dev": lambda: flux(2 * MEGAPIXEL),
    "flux2-klein": lambda: flux2(2 * MEGAPIXEL),
    "qwen-image-edit-2511": qwen,
    "longcat-image-edit": longcat,
    "joyimage-edit": joyimage,
}


if __name__ == "__main__":
    main()
