"""The model that generators/README.md adds: its code is run as it stands there."""

import io
import json
import os
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from editfhf.cli import run
from generators import registry
from generators.base import EditRequest
from generators.catalogue import models_page
from generators.runner import generate
from tests.factories import photo

ROOT = Path(__file__).parent.parent.parent


def examples() -> dict[str, str]:
    """The files of the README, by name."""
    text = (ROOT / "generators/README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return {re.match(r'"""(\w+\.py):', block)[1]: block for block in blocks}  # type: ignore[index]


@pytest.fixture
def install(tmp_path, monkeypatch, plugin):
    """Installs a package of one module, with an entry point of editfhf.models, here and for every process started."""

    def it(name: str, code: str) -> None:
        folder = tmp_path / f"package of {name}"
        about = folder / f"some_{name}-2.5.dist-info"
        about.mkdir(parents=True)
        (folder / f"{name}.py").write_text(code)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: some-{name}\nVersion: 2.5\n")
        (about / "entry_points.txt").write_text(f"[editfhf.models]\nmine = {name}:models\n")
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ["PYTHONPATH"]]))
        registry.registered_models.cache_clear()

    return it


def test_the_plain_class_of_the_readme_makes_edits(install, make_campaign):
    install("mirror", examples()["mirror.py"])
    workspace = make_campaign("[mirror]", photos=1)
    assert generate(workspace).made == 3
    (edit, *_) = workspace.edits()
    source = {one.source_id: one for one in workspace.sources()}[edit.source_id]
    photo_, edited = workspace.read_image(source.file), np.asarray(Image.open(io.BytesIO(image_of(workspace, edit))))
    assert (photo_[:, ::-1] == edited).all()


def image_of(workspace, edit) -> bytes:
    return next(workspace.images_dir.rglob(Path(edit.image).name)).read_bytes()


FAULTY = {
    "no module": ("import of_nobody\n", "ModuleNotFoundError: No module named 'of_nobody'"),
    "bug": ("def models():\n    return 1 / 0\n", "ZeroDivisionError: division by zero"),
    "no revision": (
        "from generators.base import ModelEntry\n"
        "def models():\n    return [ModelEntry(id='x', description='', load=print)]\n",
        "TypeError: .*'revision'",
    ),
    "no entries": ("def models():\n    return ['x']\n", "TypeError: it returns 'x', which is no ModelEntry"),
    "nothing": ("", "AttributeError: .*'models'"),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_a_faulty_plugin_is_named_in_a_sentence_and_takes_no_other_model_with_it(install, capsys, fault):
    code, message = FAULTY[fault]
    name = f"faulty_{fault.replace(' ', '_')}"
    install(name, code)
    assert run(["models", "--json"]) == 0
    shown = capsys.readouterr()
    assert {"flux2-klein", "test/one", "procedural/careful"} <= {row["model"] for row in json.loads(shown.out)}
    (line,) = shown.err.splitlines()
    package = re.escape(f"mine = {name}:models (some-{name} 2.5)")
    assert re.search(f"{package} are left out: {message}", line)


@pytest.fixture
def sdedit():
    code = examples()["sdedit.py"]
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
