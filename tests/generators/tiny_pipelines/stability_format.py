"""Weights of diffusers' SDXL parts in Stability's own format: one file, as CosXL is published.

The names are those of the original code, https://github.com/Stability-AI/generative-models (`sgm/modules`).
"""

import re

import torch
from transformers import CLIPTextModelWithProjection

Weights = dict[str, torch.Tensor]
RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
    "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
UNET = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
}  # fmt: skip
MIDDLE = {"resnets.0": "middle_block.0", "attentions.0": "middle_block.1", "resnets.1": "middle_block.2"}
AUTOENCODER_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
OPEN_CLIP = {
    "layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}  # fmt: skip


def unet_in_stability_format(weights: Weights, attention_below: bool) -> Weights:
    """A U-Net of one layer a block. `attention_below`: the up block with an upsampler has attention before it."""
    renamed = {}
    for name, value in weights.items():
        part, _, kind = name.rpartition(".")
        if part in UNET:
            renamed[f"{UNET[part]}.{kind}"] = value
            continue
        side, number, rest = re.fullmatch(r"(down|mid|up)_block(?:s\.(\d))?\.(.*)", name).groups()  # type: ignore[union-attr]
        block = int(number or 0)
        what, layer, rest = re.fullmatch(r"(resnets|attentions|downsamplers|upsamplers)\.(\d)\.(.*)", rest).groups()  # type: ignore[union-attr]
        if side == "mid":
            place = MIDDLE[f"{what}.{layer}"]
        elif side == "down":
            place = f"input_blocks.{2 * block + 1 + int(layer)}.{int(what == 'attentions')}"
            if what == "downsamplers":
                place, rest = f"input_blocks.{2 * block + 2}.0", rest.replace("conv", "op")
        else:
            place = f"output_blocks.{2 * block + int(layer)}.{int(what == 'attentions')}"
            if what == "upsamplers":
                place = f"output_blocks.{2 * block + 1}.{2 if attention_below else 1}"
        if what == "resnets":
            inner, _, kind = rest.rpartition(".")
            rest = f"{RESNET[inner]}.{kind}"
        renamed[f"model.diffusion_model.{place}.{rest}"] = value
    top = {name for name in renamed if not name.startswith("model.")}
    return {f"model.diffusion_model.{name}" if name in top else name: value for name, value in renamed.items()}


def autoencoder_in_stability_format(weights: Weights, n_blocks: int) -> Weights:
    """An autoencoder with `n_blocks` blocks each way; attention is written as convolutions of one pixel."""
    renamed = {}
    for name, value in weights.items():
        new = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
        new = re.sub(r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2", new)
        new = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", new)
        new = re.sub(r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"up.{n_blocks - 1 - int(m[1])}.block.{m[2]}", new)
        new = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{n_blocks - 1 - int(m[1])}.upsample", new)
        new = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", new)
        if found := re.fullmatch(r"(.*)mid_block\.attentions\.0\.(.*)\.(weight|bias)", new):
            new = f"{found[1]}mid.attn_1.{AUTOENCODER_ATTENTION[found[2]]}.{found[3]}"
            value = value[:, :, None, None] if value.ndim == 2 else value
        renamed[f"first_stage_model.{new}"] = value
    return renamed


def open_clip_in_stability_format(encoder: CLIPTextModelWithProjection) -> Weights:
    """The second text encoder: query, key and value in one matrix, the projection transposed."""
    weights, start = dict(encoder.state_dict()), "conditioner.embedders.1.model."
    renamed = {
        "positional_embedding": weights["text_model.embeddings.position_embedding.weight"],
        "token_embedding.weight": weights["text_model.embeddings.token_embedding.weight"],
        "ln_final.weight": weights["text_model.final_layer_norm.weight"],
        "ln_final.bias": weights["text_model.final_layer_norm.bias"],
        "text_projection": weights["text_projection.weight"].T.contiguous(),
    }
    for layer in range(encoder.config.num_hidden_layers):
        theirs, ours = f"text_model.encoder.layers.{layer}.", f"transformer.resblocks.{layer}."
        for kind in ("weight", "bias"):
            joined = [weights[f"{theirs}self_attn.{part}_proj.{kind}"] for part in "qkv"]
            renamed[f"{ours}attn.in_proj_{kind}"] = torch.cat(joined)
            for part, name in OPEN_CLIP.items():
                renamed[f"{ours}{name}.{kind}"] = weights[f"{theirs}{part}.{kind}"]
    return {start + name: value for name, value in renamed.items()}


def clip_in_stability_format(weights: Weights) -> Weights:
    """The first text encoder, which is transformers' own, as it was named before transformers 5.6."""
    return {f"conditioner.embedders.0.transformer.text_model.{name}": value for name, value in weights.items()}
