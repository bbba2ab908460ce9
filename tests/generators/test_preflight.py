"""What is missing for a run is said before it, one sentence each."""

from dataclasses import replace

import pytest

from generators import preflight
from generators.api import models as api_models
from generators.base import Figure, ModelEntry
from generators.models import models as local_models
from generators.plan import plan_campaign
from generators.preflight import find_problems

FLUX = next(entry for entry in local_models() if entry.id == "flux2-klein")
GPT = next(entry for entry in api_models() if entry.id == "gpt-image")


def problems(workspace, entry: ModelEntry, **changes: object) -> list[str]:
    edits = plan_campaign(workspace, ["test/one"]).edits
    params = {**entry.default_params, **changes}
    return [str(one) for one in find_problems(workspace, {entry.id: (entry, [replace(edits[0], params=params)])})]


@pytest.fixture
def on_gpu(monkeypatch):
    """A machine with one GPU of 24 GB."""
    torch = pytest.importorskip("torch")

    class Properties:
        total_memory = 24e9

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _number: Properties)


def weights(tmp_path, more: str = "") -> str:
    return f"  options: {{flux2-klein: {{weights: {tmp_path}{more}}}}}\n"


def test_no_gpu(make_campaign, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    found = problems(make_campaign("[test/one]", weights(tmp_path)), FLUX)
    assert len(found) == 1
    assert "flux2-klein needs a GPU" in found[0]
    assert "this machine has none" in found[0]


def test_a_processor_may_be_asked_for(make_campaign, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert problems(make_campaign("[test/one]", weights(tmp_path, ", device: cpu")), FLUX) == []


def test_a_gpu_that_is_too_small_unless_memory_is_spared(make_campaign, tmp_path, on_gpu):
    large = replace(FLUX, memory_gb=Figure(60, "said"))
    plain = make_campaign("[test/one]", weights(tmp_path))
    (found,) = problems(plain, large)
    assert "about 60 GB, this one has 24 GB" in found
    assert problems(plain, large, quantization="4bit") == []
    assert problems(make_campaign("[test/one]", weights(tmp_path, ", offload: model")), large) == []
    assert problems(plain, replace(FLUX, memory_gb=Figure(20, "said"))) == []


def test_no_key_and_no_budget(make_campaign, monkeypatch):
    monkeypatch.delenv(GPT.key_variable, raising=False)
    found = problems(make_campaign("[test/one]"), GPT)
    assert len(found) == 2
    assert "gpt-image needs an API key" in found[0]
    assert "OPENAI_API_KEY" in found[0]
    assert "costs money" in found[1]


def test_a_model_behind_an_api_needs_its_package_here_whatever_the_engine(make_campaign, monkeypatch):
    monkeypatch.setitem(preflight.MODULES, "api", ("a_package_of_nobody",))
    workspace = make_campaign("[test/one]")
    edits = plan_campaign(workspace, ["test/one"]).edits
    (found,) = find_problems(workspace, {"gpt-image": (GPT, edits[:1])}, elsewhere=True)
    assert "a_package_of_nobody" in str(found)


def test_a_package_that_is_not_installed(make_campaign, monkeypatch):
    monkeypatch.setitem(preflight.MODULES, "api", ("openai", "a_package_of_nobody"))
    (found,) = problems(make_campaign("[test/one]"), GPT)
    assert "gpt-image needs a_package_of_nobody" in found
    assert "pip install 'editfhf[api]'" in found
