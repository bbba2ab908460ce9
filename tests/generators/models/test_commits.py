"""Weights of every local model: each repository's own, at the commit that was planned for it."""

import shutil
from typing import Any

import numpy as np
import pytest
from huggingface_hub import hf_api
from transformers.utils import hub as transformers_hub

from generators.models.flux import LORA_FILE
from tests.generators.models.test_adapters import ENTRIES, pixels, request_for
from tests.generators.tiny_pipelines import build
from tests.hub_server import HubServer, Repository, use_hub

pytestmark = pytest.mark.filterwarnings("ignore")
COMMITS = ("a" * 40, "b" * 40)
# CosXL's repository is laid out in a way of its own: test_instruct_pix2pix.py.
LIKE_A_FOLDER = sorted(set(ENTRIES) - {"cosxl-edit"})


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """Puts a model's tiny weights on a Hub, what lies in `lora/` into its second repository; returns that Hub."""
    hub = HubServer()

    def make(model_id: str) -> HubServer:
        entry, base = ENTRIES[model_id], tmp_path / "base"
        shutil.copytree(build(model_id, tmp_path / "weights"), base, ignore=shutil.ignore_patterns("lora"))
        folders = (base, tmp_path / "weights/lora")
        names = (entry.repository, *entry.more_repositories)
        hub.repositories |= {
            name: Repository.of(folder, commit) for name, folder, commit in zip(names, folders, COMMITS, strict=False)
        }
        return hub

    with hub:
        use_hub(monkeypatch, hub.url, tmp_path / "cache")
        # Clients that diffusers and transformers made when they were imported or first asked.
        monkeypatch.setattr(hf_api.api, "endpoint", hub.url)
        monkeypatch.setattr(transformers_hub, "_hf_api", None, raising=False)
        yield make


def load(model_id: str, **options: Any) -> Any:
    return ENTRIES[model_id].load(ENTRIES[model_id], dtype="float32", device="cpu", **options)


@pytest.mark.parametrize("model_id", LIKE_A_FOLDER)
def test_all_that_is_loaded_comes_from_the_planned_commit(model_id, publish):
    """Weights that their owner changes after planning would be another model under the same revision."""
    hub = publish(model_id)
    load(model_id, revision="+".join(repository.commit for repository in hub.repositories.values()))
    for name, repository in hub.repositories.items():
        # Asked for a branch, the Hub would name its commit and answer with that: the first question tells.
        asked = [path for path in hub.asked if f"/{name}" in path]
        assert any(path.endswith(".safetensors") for path in asked)
        assert all(repository.commit in path for path in asked)


def test_icedits_lora_is_that_of_its_own_repository(publish, tmp_path):
    hub, (lora,) = publish("icedit"), ENTRIES["icedit"].more_repositories
    published = load("icedit", revision="+".join(COMMITS))
    assert {one.split()[1] for one in hub.asked if lora in one} == {f"/{lora}/resolve/{COMMITS[1]}/{LORA_FILE}"}
    plain = load("icedit", weights=str(tmp_path / "weights"))
    assert np.array_equal(pixels(published, request_for(published)), pixels(plain, request_for(plain)))
