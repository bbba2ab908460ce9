import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from editfhf.errors import BadInput
from generators.api import models
from generators.api.connection import Options
from tests.factories import photo
from tests.generators.api.conftest import KEY, Remote
from tests.generators.api.servers import framed


def test_the_photo_and_the_instruction_reach_the_server_and_its_image_comes_back(remote: Remote):
    request = remote.request("turn the sofa green")
    outcome = remote.load().edit([request])[0]
    (received,) = remote.server.received
    assert received.instruction == "turn the sofa green"
    sent = remote.entry.size.resize(request.source)
    assert np.array_equal(np.asarray(received.photo), np.asarray(sent))
    assert outcome.status == "image"
    assert outcome.image is not None
    assert outcome.image.mode == "RGB"
    assert np.array_equal(np.asarray(outcome.image), np.asarray(framed(sent, "turn the sofa green")))


def test_many_threads_at_once_get_each_their_own_answer_in_order(remote: Remote):
    model = remote.load()
    batches = [
        [remote.request(f"instruction {thread}.{place}", seed=10 * thread + place) for place in range(2)]
        for thread in range(remote.entry.concurrency)
    ]
    with ThreadPoolExecutor(len(batches)) as pool:
        answers = list(pool.map(model.edit, batches))
    for batch, outcomes in zip(batches, answers, strict=True):
        for request, outcome in zip(batch, outcomes, strict=True):
            expected = framed(remote.entry.size.resize(request.source), request.instruction)
            assert outcome.image is not None, outcome.reason
            assert np.array_equal(np.asarray(outcome.image), np.asarray(expected)), request.instruction


def test_the_revision_is_the_name_of_the_model_that_is_asked_and_can_be_overridden(remote: Remote):
    assert remote.edit().status == "image"
    model = remote.load(revision="another-model-2026-12-24")
    assert model.revision == "another-model-2026-12-24"
    model.edit([remote.request()])
    assert [one.model for one in remote.server.received] == [remote.entry.revision, "another-model-2026-12-24"]


def test_the_client_libraries_own_variables_say_where_the_server_is(remote: Remote, monkeypatch):
    variables = {"gpt-image": "OPENAI_BASE_URL", "gemini-image": "GOOGLE_GEMINI_BASE_URL"}
    monkeypatch.setenv(variables[remote.entry.id], remote.url)
    assert remote.load(base_url=None).edit([remote.request()])[0].status == "image"


def real(remote: Remote) -> Remote:
    """The adapter with the sizes that it is registered with."""
    return replace(remote, entry=next(entry for entry in models() if entry.id == remote.entry.id))


@pytest.mark.parametrize("shape", [(400, 300), (300, 400), (300, 200), (1900, 1000), (90, 100), (300, 100)])
def test_gpt_image_is_asked_for_a_size_of_the_photos_own_aspect(gpt: Remote, shape):
    request = replace(gpt.request(), source=Image.new("RGB", shape, "orange"))
    outcome = real(gpt).load().edit([request])[0]
    width, height = (int(side) for side in gpt.server.received[0].fields["size"].split("x"))
    # What the model takes: https://github.com/MicrosoftDocs/azure-ai-docs/pull/779, openai.types.image_edit_params.
    assert width % 16 == height % 16 == 0
    assert 655_360 <= width * height <= 1024 * 1024
    assert 1 / 3 <= width / height <= 3
    assert width / height == pytest.approx(shape[0] / shape[1], rel=0.01)
    assert outcome.image is not None
    assert outcome.image.size == (width, height)


@pytest.mark.parametrize("shape", [(400, 300), (210, 330)])
@pytest.mark.parametrize("revision", ["gpt-image-1.5", "gpt-image-1-mini", "chatgpt-image-latest"])
def test_a_model_of_three_sizes_gets_the_photo_undistorted_and_its_answer_is_cut_back(gpt: Remote, shape, revision):
    request = replace(gpt.request(), source=Image.fromarray(photo(400, seed=3)).resize(shape))
    outcome = real(gpt).load(revision=revision).edit([request])[0]
    assert gpt.server.received[0].fields["size"] in ("1024x1024", "1536x1024", "1024x1536")
    assert_shows_all_of(request.source, outcome.image)


@pytest.mark.parametrize("shape", [(400, 300), (350, 100), (200, 143), (111, 300)])
def test_gemini_gets_the_photo_undistorted_and_its_answer_is_cut_back(gemini: Remote, shape):
    request = replace(gemini.request(), source=Image.fromarray(photo(400, seed=3)).resize(shape))
    outcome = real(gemini).load().edit([request])[0]
    assert_shows_all_of(request.source, outcome.image)


def assert_shows_all_of(source: Image.Image, edit: Image.Image | None) -> None:
    """The edit is the photo, larger; its outer eighths are not looked at, since the server draws a frame there."""
    assert edit is not None
    assert edit.width / edit.height == pytest.approx(source.width / source.height, rel=1.5 / min(edit.size))
    expected = np.asarray(source.resize(edit.size, Image.Resampling.LANCZOS)).astype(int)
    top, left = edit.height // 6, edit.width // 6
    inside = np.s_[top : edit.height - top, left : edit.width - left]
    assert np.abs(np.asarray(edit).astype(int)[inside] - expected[inside]).max() <= 1


def test_gpt_image_gets_its_parameters_and_none_that_is_left_out(gpt: Remote):
    gpt.load().edit([gpt.request(quality="low"), gpt.request(quality="max", input_fidelity="high")])
    first, second = (one.fields for one in gpt.server.received)
    assert first["quality"] == "low"
    assert "input_fidelity" not in first
    assert (second["quality"], second["input_fidelity"]) == ("max", "high")


def test_gemini_gets_its_parameters_and_the_seed_as_far_as_32_bits_hold_it(gemini: Remote):
    gemini.load().edit([gemini.request(seed=7, thinking_level="high"), gemini.request(seed=2**31 + 5)])
    first, second = (one.fields for one in gemini.server.received)
    assert (first["seed"], second["seed"]) == (7, 5)
    # The client writes thinking_level here; JSON of Protocol Buffers knows a field by both names.
    assert [level.lower() for level in first["thinkingConfig"].values()] == ["high"]
    assert (first["imageConfig"]["imageSize"], first["maxOutputTokens"]) == ("1K", 4096)


@pytest.mark.parametrize(
    ("shape", "aspect"),
    [
        ((90, 60), "3:2"),
        ((80, 60), "4:3"),
        ((60, 80), "3:4"),
        ((45, 80), "9:16"),
        ((70, 69), "1:1"),
        ((96, 50), "16:9"),
        ((96, 40), "21:9"),
        ((30, 100), "1:4"),
    ],
)
def test_gemini_is_asked_for_the_aspect_nearest_to_the_photo(gemini: Remote, shape, aspect):
    gemini.load().edit([replace(gemini.request(), source=Image.new("RGB", shape, "orange"))])
    assert gemini.server.received[0].fields["imageConfig"]["aspectRatio"] == aspect


def test_gemini_says_which_version_answered(gemini: Remote):
    assert gemini.edit().served_by == f"{gemini.entry.revision}-10-2026"


def test_an_unknown_option_is_refused_with_the_names_of_the_known(remote: Remote):
    with pytest.raises(BadInput, match=r"time_out.*Known: .*timeout_s"):
        remote.load(time_out=3)


@pytest.mark.parametrize("option", [{"timeout_s": 0}, {"attempts": 0}, {"timeout_s": "long"}])
def test_an_option_out_of_its_range_is_refused(remote: Remote, option):
    with pytest.raises(BadInput, match=next(iter(option))):
        remote.load(**option)


def test_an_unknown_parameter_is_refused_with_the_names_of_the_known(remote: Remote):
    with pytest.raises(BadInput, match=r"'steps'.*Known: "):
        remote.load().edit([remote.request(steps=50)])
    assert remote.server.requests == 0


@pytest.mark.parametrize("value", ["", "   "])
def test_a_missing_key_is_said_with_the_name_of_its_variable(remote: Remote, monkeypatch, value):
    monkeypatch.setenv(remote.entry.key_variable, value)
    with pytest.raises(BadInput, match=remote.entry.key_variable):
        remote.load()


def test_a_missing_client_library_is_said_with_the_extra_that_brings_it(remote: Remote, monkeypatch):
    package = {"gpt-image": "openai", "gemini-image": "google"}[remote.entry.id]
    for name in [name for name in sys.modules if name.startswith(("generators.api.openai", "generators.api.gemini"))]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BadInput, match=r"pip install 'editfhf\[api\]'"):
        remote.load()


def test_a_key_with_an_odd_letter_is_refused_without_being_shown(remote: Remote, monkeypatch):
    monkeypatch.setenv(remote.entry.key_variable, f"{KEY}\nand more")
    with pytest.raises(BadInput, match=remote.entry.key_variable) as caught:
        remote.load()
    assert KEY not in str(caught.value)


def test_listing_the_models_imports_neither_client():
    code = "import sys, generators.api; generators.api.models(); print(*sorted({'openai', 'google.genai', 'httpx', 'PIL'} & set(sys.modules)))"  # noqa: E501
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert listed.stdout.strip() == ""


def test_an_attempt_may_take_three_minutes_unless_told_otherwise():
    assert (Options().timeout_s, Options().attempts) == (180, 5)
