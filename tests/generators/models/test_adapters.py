"""Every local adapter, with the real pipeline class on tiny random weights that its own loading code loaded."""

import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from editfhf.errors import BadInput
from generators.base import EditModel, EditRequest
from generators.models import models
from tests.factories import photo
from tests.generators.tiny_pipelines import BUILDERS, TINY_PARAMS, build

pytestmark = pytest.mark.filterwarnings("ignore")
ENTRIES = {entry.id: entry for entry in models()}


@pytest.fixture(scope="module", params=sorted(ENTRIES))
def model(request, tmp_path_factory) -> Any:
    return loaded(request.param, tmp_path_factory.getbasetemp())


@cache
def loaded(model_id: str, folder: Path) -> EditModel:
    weights = folder / "-".join(BUILDERS[model_id])
    if not weights.is_dir():
        build(model_id, weights)
    entry = ENTRIES[model_id]
    return entry.load(entry, weights=str(weights), dtype="float32", device="cpu")


def request_for(model: EditModel, number: int = 0, **changes: Any) -> EditRequest:
    params = {**ENTRIES[model.id].default_params, **TINY_PARAMS}
    source = Image.fromarray(photo(160, seed=number))
    made = EditRequest(f"{number:016x}", source, f"make it look like number {number}", "style_transfer", number, params)
    return replace(made, **changes)


def pixels(model: EditModel, request: EditRequest) -> np.ndarray:
    (outcome,) = model.edit([request])
    assert outcome.status == "image", outcome.reason
    return np.asarray(outcome.image).astype(int)


def test_there_is_a_tiny_pipeline_for_every_local_model():
    assert set(BUILDERS) == set(ENTRIES)


def test_the_photo_really_reaches_the_model(model):
    one, other = request_for(model), request_for(model, source=Image.fromarray(photo(160, seed=99)))
    assert np.abs(pixels(model, one) - pixels(model, other)).max() > 3


def test_the_instruction_really_reaches_the_model(model):
    one, other = request_for(model), request_for(model, instruction="remove the tree and paint everything blue")
    assert np.abs(pixels(model, one) - pixels(model, other)).max() > 0


def test_the_seed_decides_and_nothing_else_does(model):
    first = pixels(model, request_for(model))
    assert np.abs(first - pixels(model, request_for(model, seed=5))).max() > 0
    pixels(model, request_for(model, number=3))
    assert np.array_equal(first, pixels(model, request_for(model, edit_id="f" * 16)))


@pytest.mark.parametrize("size", [(200, 130), (90, 256)])
def test_the_edit_has_the_size_that_the_policy_says(model, size):
    entry = ENTRIES[model.id]
    request = request_for(model, source=Image.fromarray(photo(256, seed=2)).resize(size))
    height, width = pixels(model, request).shape[:2]
    assert (width, height) == entry.size.fit(*size, request.params["max_pixels"])
    if not entry.size.framed:
        assert width % entry.size.multiple == height % entry.size.multiple == 0


def test_a_batch_equals_one_by_one_within_the_stated_tolerance(model):
    requests = [request_for(model, number) for number in range(3)]
    together = model.edit(requests)
    entry = ENTRIES[model.id]
    for request, outcome in zip(requests, together, strict=True):
        alone = pixels(model, request)
        assert np.abs(alone - np.asarray(outcome.image).astype(int)).max() <= entry.batch_tolerance


def test_photos_of_different_sizes_can_be_asked_for_together(model):
    wide = request_for(model, 1, source=Image.fromarray(photo(256, seed=1)).resize((200, 120)))
    requests = [request_for(model, 0), wide, request_for(model, 2)]
    sizes = [outcome.image.size for outcome in model.edit(requests) if outcome.image]
    entry = ENTRIES[model.id]
    assert sizes == [entry.size.fit(*one.source.size, TINY_PARAMS["max_pixels"]) for one in requests]


def test_joyimage_is_given_a_multiple_of_64_and_its_edit_is_cut_back_to_the_photo(tmp_path_factory, monkeypatch):
    model: Any = loaded("joyimage-edit", tmp_path_factory.getbasetemp())
    request = request_for(model, source=Image.fromarray(photo(256, seed=2)).resize((160, 100)))
    given = []
    arguments = model.arguments
    monkeypatch.setattr(model, "arguments", lambda *some: given.append(arguments(*some)) or given[-1])
    height, width = pixels(model, request).shape[:2]
    assert (given[0]["width"], given[0]["height"]) == (128, 64)
    assert (width, height) == (102, 64)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float8"}, "dtype 'float8' is not known.*bfloat16"),
        ({"offload": "disk"}, "offload 'disk' is not known"),
        ({"quantization": "1bit"}, "quantization '1bit' is not known"),
        ({"device": "tpu"}, "device 'tpu' is not known"),
        ({"device": "cuda:99"}, "there is no cuda:99"),
        ({"device": "cpu", "offload": "model"}, "offload 'model' moves parts off a GPU"),
        ({"weights": "nowhere"}, "nowhere, does not exist"),
    ],
)
def test_a_wrong_option_is_one_sentence(options, message):
    entry = ENTRIES["instruct-pix2pix"]
    with pytest.raises(BadInput, match=message):
        entry.load(entry, **options)


@pytest.mark.parametrize("model_id", ["flux2-klein", "instruct-pix2pix"])
def test_quantised_weights_are_int8_and_the_edit_nearly_the_same(model_id, tmp_path_factory):
    plain = loaded(model_id, tmp_path_factory.getbasetemp())
    entry = ENTRIES[model_id]
    weights = str(tmp_path_factory.getbasetemp() / "-".join(BUILDERS[model_id]))
    small = entry.load(entry, weights=weights, dtype="float32", device="cpu", quantization="8bit")
    denoiser = getattr(small.pipeline, small.quantized_parts[0])
    assert "Int8Tensor" in {type(one.data).__name__ for one in denoiser.parameters()}
    difference = np.abs(pixels(plain, request_for(plain)) - pixels(small, request_for(small)))
    assert difference.max() > 0
    assert difference.mean() < 8


def test_four_bits_without_a_gpu_is_one_sentence(tmp_path):
    entry = ENTRIES["flux2-klein"]
    with pytest.raises(BadInput, match="4bit weights need a GPU"):
        entry.load(entry, weights=str(tmp_path), device="cpu", quantization="4bit")


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles with g++")
def test_a_compiled_denoiser_makes_the_same_edit(tmp_path_factory):
    plain = loaded("flux2-klein", tmp_path_factory.getbasetemp())
    entry = ENTRIES["flux2-klein"]
    weights = str(tmp_path_factory.getbasetemp() / "-".join(BUILDERS["flux2-klein"]))
    compiled = entry.load(entry, weights=weights, dtype="float32", device="cpu", compile=True)
    assert "_orig_mod" in dict(compiled.pipeline.transformer.named_modules())
    assert np.abs(pixels(plain, request_for(plain)) - pixels(compiled, request_for(compiled))).max() <= 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU at hand")
def test_on_a_gpu_in_bf16_with_every_option(model, tmp_path_factory):
    """The edit is near that of the processor in float32, offloaded or not: the pipelines really run there."""
    entry = ENTRIES[model.id]
    weights = str(tmp_path_factory.getbasetemp() / "-".join(BUILDERS[model.id]))
    expected = pixels(model, request_for(model))
    for offload in ("none", "model", "sequential"):
        there = entry.load(entry, weights=weights, dtype="bfloat16", device="cuda", offload=offload)
        request = request_for(model)
        first = pixels(there, request)
        assert np.array_equal(first, pixels(there, request))
        assert np.abs(first - expected).mean() < 12


def test_a_folder_that_is_no_pipeline_is_one_sentence(tmp_path):
    entry = ENTRIES["instruct-pix2pix"]
    with pytest.raises(BadInput, match="cannot be loaded as a StableDiffusionInstructPix2PixPipeline"):
        entry.load(entry, weights=str(tmp_path), device="cpu")
