"""ICEdit: the diptych recipe, and the LoRA that it is."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from editfhf.errors import BadInput
from generators.models.flux import LORA_FILE
from tests.factories import photo
from tests.generators.models.test_adapters import ENTRIES, pixels, request_for
from tests.generators.tiny_pipelines import build

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def weights(tmp_path) -> Path:
    return build("icedit", tmp_path / "icedit")


def load(weights: Path):
    return ENTRIES["icedit"].load(ENTRIES["icedit"], weights=str(weights), dtype="float32", device="cpu")


def test_the_lora_changes_what_the_model_makes(weights):
    import torch
    from safetensors.torch import load_file, save_file

    file = weights / "lora" / LORA_FILE
    with_lora = pixels(load(weights), request_for(load(weights)))
    nothing = {name: torch.zeros_like(value) for name, value in load_file(file).items()}
    save_file(nothing, file)
    assert np.abs(pixels(load(weights), request_for(load(weights))) - with_lora).max() > 3


def test_without_its_lora_icedit_does_not_run_as_something_else(weights):
    (weights / "lora" / LORA_FILE).unlink()
    with pytest.raises(BadInput, match=r"icedit: .* cannot be loaded"):
        load(weights)


def test_the_pipeline_sees_the_photo_twice_and_fills_the_right_half(weights):
    model = load(weights)
    source = Image.fromarray(photo(64, seed=1)).crop((0, 0, 64, 48))
    arguments = model.arguments(["make it red"], [source], [None], request_for(model).params)
    (diptych,), (mask,) = arguments["image"], arguments["mask_image"]
    assert (arguments["width"], arguments["height"]) == diptych.size == mask.size == (128, 48)
    assert np.array_equal(np.asarray(diptych)[:, :64], np.asarray(source))
    assert np.array_equal(np.asarray(diptych)[:, 64:], np.asarray(source))
    assert not np.asarray(mask)[:, :64].any()
    assert (np.asarray(mask)[:, 64:] == 255).all()
    assert arguments["prompt"][0].startswith("A diptych with two side-by-side images of the same scene.")
    assert arguments["prompt"][0].endswith("exactly the same as on the left but make it red")


def test_what_comes_back_is_the_right_half(weights):
    model = load(weights)
    whole = Image.fromarray(np.hstack([np.zeros((32, 48, 3), np.uint8), np.full((32, 48, 3), 200, np.uint8)]))
    (half,) = model.finish([whole], [Image.new("RGB", (48, 32))])
    assert half.size == (48, 32)
    assert (np.asarray(half) == 200).all()
