"""InstructPix2Pix and its kin: the recipe's sampler whatever is stored, and CosXL's one file in Stability's format."""

import json
import shutil

import numpy as np
import pytest
import torch
from diffusers import PNDMScheduler, StableDiffusionInstructPix2PixPipeline, StableDiffusionXLInstructPix2PixPipeline
from safetensors.torch import save_file

from editfhf.errors import BadInput
from generators.models.instruct_pix2pix import COSXL_EDIT_FILE
from tests.generators.models.test_adapters import ENTRIES, pixels, request_for
from tests.generators.tiny_pipelines import build
from tests.generators.tiny_pipelines.stability_format import (
    autoencoder_in_stability_format,
    clip_in_stability_format,
    open_clip_in_stability_format,
    unet_in_stability_format,
)
from tests.hub_server import HubServer, Repository, use_hub

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("model_id", ["instruct-pix2pix", "magicbrush"])
def test_a_repository_that_stores_another_sampler_is_run_with_the_recipes(model_id, tmp_path):
    weights, entry = build(model_id, tmp_path / "tiny"), ENTRIES[model_id]
    loaded = StableDiffusionInstructPix2PixPipeline.from_pretrained(weights, safety_checker=None)
    loaded.scheduler = PNDMScheduler.from_config(loaded.scheduler.config, skip_prk_steps=True, steps_offset=1)
    loaded.save_pretrained(tmp_path / "pndm")
    usual, model = (
        entry.load(entry, weights=str(folder), dtype="float32", device="cpu") for folder in (weights, tmp_path / "pndm")
    )
    assert type(model.pipeline.scheduler).__name__ == "EulerAncestralDiscreteScheduler"
    assert np.array_equal(pixels(model, request_for(model)), pixels(usual, request_for(usual)))


@pytest.mark.parametrize("model_id", ["instruct-pix2pix", "magicbrush"])
def test_no_stored_safety_checker_blanks_an_edit(model_id, tmp_path):
    weights, entry = build(model_id, tmp_path / "tiny"), ENTRIES[model_id]
    index = weights / "model_index.json"
    stored = json.loads(index.read_text())
    stored["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    index.write_text(json.dumps(stored))  # its weights are not even asked for
    model = entry.load(entry, weights=str(weights), dtype="float32", device="cpu")
    assert model.pipeline.safety_checker is None


@pytest.fixture
def cosxl(tmp_path, monkeypatch):
    """CosXL as it is published, a checkpoint in one repository and what it is made of in another; and as a folder."""
    folder = build("cosxl-edit", tmp_path / "tiny")
    pipeline = StableDiffusionXLInstructPix2PixPipeline.from_pretrained(folder)
    checkpoint = {
        **unet_in_stability_format(pipeline.unet.state_dict(), attention_below=True),
        **autoencoder_in_stability_format(pipeline.vae.state_dict(), n_blocks=4),
        **clip_in_stability_format(pipeline.text_encoder.state_dict()),
        **open_clip_in_stability_format(pipeline.text_encoder_2),
    }
    (tmp_path / "cosxl").mkdir()
    save_file({name: value.contiguous() for name, value in checkpoint.items()}, tmp_path / "cosxl" / COSXL_EDIT_FILE)
    sdxl = tmp_path / "sdxl"
    shutil.copytree(folder, sdxl, ignore=shutil.ignore_patterns("*.safetensors"))
    entry = ENTRIES["cosxl-edit"]
    repositories = {
        entry.repository: Repository.of(tmp_path / "cosxl", "a" * 40),
        entry.more_repositories[0]: Repository.of(sdxl, "b" * 40),
    }
    with HubServer(repositories) as hub:
        use_hub(monkeypatch, hub.url, tmp_path / "cache")
        yield hub, folder


def test_cosxl_is_loaded_from_its_one_file_as_from_a_folder(cosxl):
    hub, folder = cosxl
    entry = ENTRIES["cosxl-edit"]
    published = entry.load(entry, revision=f"{'a' * 40}+{'b' * 40}", dtype="float32", device="cpu")
    plain = entry.load(entry, weights=str(folder), dtype="float32", device="cpu")
    for part in ("unet", "vae", "text_encoder", "text_encoder_2"):
        ours, theirs = (getattr(one.pipeline, part).state_dict() for one in (published, plain))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours), part
    assert np.array_equal(pixels(published, request_for(published)), pixels(plain, request_for(plain)))
    # Asked for a branch, the Hub would name its commit and answer with that: the first question tells.
    for repository, commit in zip((entry.repository, *entry.more_repositories), ("a" * 40, "b" * 40), strict=True):
        asked = [path for path in hub.asked if f"/{repository}" in path]
        assert asked
        assert all(commit in path for path in asked)


def test_cosxl_can_be_quantised(cosxl):
    entry = ENTRIES["cosxl-edit"]
    model = entry.load(entry, revision=f"{'a' * 40}+{'b' * 40}", dtype="float32", device="cpu", quantization="8bit")
    assert "Int8Tensor" in {type(one.data).__name__ for one in model.pipeline.unet.parameters()}
    assert pixels(model, request_for(model)).std() > 0


def test_what_keeps_cosxl_from_sdxls_configurations_is_said_of_that_repository(cosxl):
    hub, _ = cosxl
    entry = ENTRIES["cosxl-edit"]
    hub.repositories[entry.more_repositories[0]].gate = "private"
    with pytest.raises(BadInput, match=r"does not show stabilityai/stable-diffusion-xl-base-1\.0 to you"):
        entry.load(entry, device="cpu")
