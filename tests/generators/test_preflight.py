"""What is missing for a run is said before it, one sentence each."""

from dataclasses import fields, replace

import pytest

from editfhf.errors import BadInput
from generators import preflight
from generators.api import models as api_models
from generators.api.connection import Options
from generators.base import Figure, ModelEntry
from generators.models import models as local_models
from generators.plan import plan_campaign
from generators.preflight import find_problems, require_settings
from generators.registry import API_OPTIONS

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
    found = [str(one) for one in find_problems(workspace, {"gpt-image": (GPT, edits[:1])}, elsewhere=True)]
    assert len([text for text in found if "a_package_of_nobody" in text]) == 1


def test_a_package_that_is_not_installed_hides_nothing_else_that_is_missing(make_campaign, monkeypatch):
    monkeypatch.delenv(GPT.key_variable, raising=False)
    monkeypatch.setitem(preflight.MODULES, "api", ("openai", "a_package_of_nobody"))
    package, key, budget = problems(make_campaign("[test/one]"), GPT)
    assert "gpt-image needs a_package_of_nobody" in package
    assert "pip install 'editfhf[api]'" in package
    assert "API key" in key
    assert "costs money" in budget


@pytest.mark.parametrize(
    ("model", "option", "message"),
    [
        ("procedural/careful", "device: cpu", "procedural/careful has no option 'device'. It has none."),
        ("flux2-klein", "devise: cpu", r"has no option 'devise'\. Did you mean 'device'\? It has: .*offload"),
        ("flux2-klein", "dtype: float32", r"it is a parameter. Write generate.params: {flux2-klein: {dtype: float32}}"),
        ("gpt-image", "timeout: 3", "Did you mean 'timeout_s'"),
        ("test/one", "strat: die", "Did you mean 'start'"),
    ],
)
def test_an_option_that_a_model_does_not_have_is_refused_before_the_run(make_campaign, model, option, message):
    workspace = make_campaign("[test/one]", f"  options: {{{model}: {{{option}}}}}\n")
    with pytest.raises(BadInput, match=message):
        require_settings(workspace.config.generate)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("flux2-klein", "weights: folder, device: cpu, offload: none, gpus: 0.5"),
        ("gpt-image", "base_url: 'http://localhost', timeout_s: 3, attempts: 1, max_wait_s: 2"),
    ],
)
def test_options_that_a_model_has_are_taken(make_campaign, model, options):
    workspace = make_campaign("[test/one]", f"  options: {{{model}: {{{options}}}}}\n")
    require_settings(workspace.config.generate)


def test_the_options_of_apis_are_those_that_their_adapters_take():
    taken = {field.name for field in fields(Options)} - {"revision", "wait"}
    assert set(API_OPTIONS) == taken
