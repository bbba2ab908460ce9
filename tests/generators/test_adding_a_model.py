"""The model that generators/README.md adds: its code is run as it stands there."""

import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generators.base import EditRequest
from generators.catalogue import models_page
from tests.factories import photo

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def sdedit():
    text = (ROOT / "generators/README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    module = types.ModuleType("sdedit")
    exec(compile(code, "sdedit.py", "exec"), module.__dict__)
    return module


@pytest.mark.filterwarnings("ignore")
def test_the_example_edits_photos(sdedit, tmp_path):
    import torch
    from diffusers import DDIMScheduler, StableDiffusionImg2ImgPipeline, UNet2DConditionModel

    from tests.generators.tiny_pipelines.stable_diffusion import autoencoder
    from tests.generators.tiny_pipelines.text import clip_text_encoder, clip_tokenizer

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(32, 64),
        layers_per_block=1,
        sample_size=32,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        norm_num_groups=8,
    )
    StableDiffusionImg2ImgPipeline(
        vae=autoencoder(),
        text_encoder=clip_text_encoder(),
        tokenizer=clip_tokenizer(),
        unet=unet,
        scheduler=DDIMScheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(tmp_path)
    (entry,) = sdedit.models()
    model = entry.load(entry, weights=str(tmp_path), dtype="float32", device="cpu")
    params = {**entry.default_params, "steps": 4, "max_pixels": 64 * 96}
    sources = [Image.fromarray(photo(96, seed=number)).resize((96, 64)) for number in range(2)]
    outcomes = model.edit([EditRequest("", source, "make it snow", "weather", 0, params) for source in sources])
    first, second = (np.asarray(outcome.image).astype(int) for outcome in outcomes)
    assert first.shape == (64, 96, 3)
    assert np.abs(first - second).max() > 3


def test_the_page_of_the_models_is_what_the_registry_says():
    page = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    assert page == models_page(), "run `editfhf models --page > docs/models.md`"


def test_planning_imports_no_torch():
    """`editfhf plan` and `models` have to answer at once."""
    import subprocess

    code = "import sys, generators.catalogue as c; c.models_page(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
