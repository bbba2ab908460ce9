"""`instruct --with vlm` on this machine: a tiny Qwen3-VL of the real class, random weights, loaded by our own code."""

import json
import shutil
import socket
import sys

import pytest
import torch
from PIL import Image
from transformers import Qwen3VLForConditionalGeneration

from editfhf import cli
from editfhf.errors import BadInput
from editfhf.instructions import read_instructions, write_instructions
from editfhf.vlm import open_vlm
from editfhf.vlm_local import LocalModel
from editfhf.workspace import Workspace
from tests.factories import make_workspace
from tests.generators.test_revisions import use_hub
from tests.generators.tiny_pipelines.vision_language import processor, qwen3_vl

SCHEMA: dict = {}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint as it lies on the Hub: weights, tokenizer, the processor's files."""
    path = tmp_path_factory.mktemp("tiny_qwen3_vl")
    model = qwen3_vl()
    # As real checkpoints bring them: settings for sampling, which would make every answer another.
    model.generation_config.update(do_sample=True, temperature=0.7, top_p=0.8, top_k=20)
    model.save_pretrained(path)
    processor("Qwen3VLProcessor", 16).save_pretrained(path)
    return path


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    made = make_workspace(tmp_path / "ws", n_sources=2)
    path = made.root / "editfhf.yaml"
    path.write_text(path.read_text().replace("  tasks: []", "  tasks: [object_add, style_transfer]"))
    return Workspace.open(made.root)


@pytest.fixture
def generated(monkeypatch):
    """What every call of `generate` was given."""
    calls = []
    real = Qwen3VLForConditionalGeneration.generate

    def counted(self, **inputs):
        calls.append(inputs)
        return real(self, **inputs)

    monkeypatch.setattr(Qwen3VLForConditionalGeneration, "generate", counted)
    return calls


def picture(colour) -> Image.Image:
    return Image.new("RGB", (96, 64), colour)


def test_babble_is_asked_for_once_more_and_then_set_aside_word_for_word(workspace, folder, generated):
    counts = write_instructions(workspace, "vlm", vlm=LocalModel(str(folder), max_new_tokens=12))
    assert len(generated) == 4  # two photos, two attempts each
    assert [call["input_ids"].shape[1] for call in generated[::2]] < [
        call["input_ids"].shape[1] for call in generated[1::2]
    ]
    rows = workspace.read_table("instructions_set_aside").to_pylist()
    assert {row["source_id"] for row in rows} == {source.source_id for source in workspace.sources()}
    assert all(row["reason"].startswith("The answer is not JSON: ") and row["answer"] for row in rows)
    assert {row["model"] for row in rows} == {str(folder)}
    assert (counts.photos_asked, counts.photos_set_aside, counts.by_vlm) == (2, 2, 0)
    write_instructions(workspace, "vlm", vlm=LocalModel(str(folder), max_new_tokens=12))
    assert len(generated) == 4  # what was set aside is not asked again


def test_the_photo_and_the_prompt_are_what_the_model_sees(folder):
    vlm = LocalModel(str(folder), max_new_tokens=16)
    said = vlm.ask([picture("red")], "What is this?", SCHEMA)
    assert said == vlm.ask([picture("red")], "What is this?", SCHEMA)
    assert said != vlm.ask([picture("white")], "What is this?", SCHEMA)
    assert said != vlm.ask([picture("red")], "Who?", SCHEMA)


def test_the_answer_is_what_the_model_itself_would_say_greedily(folder):
    """Token by token with the bare model, whose logits nobody samples from."""
    said = LocalModel(str(folder), max_new_tokens=8).ask([picture("red")], "What is this?", SCHEMA)
    model, tools = Qwen3VLForConditionalGeneration.from_pretrained(folder).eval(), processor("Qwen3VLProcessor", 16)
    content = [{"type": "image", "image": picture("red")}, {"type": "text", "text": "What is this?"}]
    text = tools.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    inputs = tools(images=[picture("red")], text=[text], return_tensors="pt")
    start = inputs["input_ids"].shape[1]
    with torch.inference_mode():
        for _ in range(8):
            inputs["mm_token_type_ids"] = torch.nn.functional.pad(
                inputs["mm_token_type_ids"], (0, inputs["input_ids"].shape[1] - inputs["mm_token_type_ids"].shape[1])
            )
            inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
            best = model(**inputs).logits[0, -1].argmax()
            inputs["input_ids"] = torch.cat([inputs["input_ids"], best.view(1, 1)], dim=1)
    assert tools.tokenizer.decode(inputs["input_ids"][0, start:], skip_special_tokens=True) == said


def test_what_a_model_here_says_well_becomes_instructions(workspace, folder, monkeypatch):
    """The tiny model cannot write; its tokens are replaced, and all around them is as ever."""
    answer = json.dumps({"instructions": [{"task": "object_add", "instruction": "add a kite", "target": "sky"}]})

    def said(self, input_ids, **_):
        tokens = processor("Qwen3VLProcessor", 16).tokenizer(answer, return_tensors="pt").input_ids
        return torch.cat([input_ids, tokens], dim=1)

    monkeypatch.setattr(Qwen3VLForConditionalGeneration, "generate", said)
    root = str(workspace.root)
    assert cli.run(["instruct", "-w", root, "--with", "vlm", "--vlm-model", str(folder), "--json"]) == 0
    written = read_instructions(workspace)
    assert {(one.text, one.target, one.author) for one in written} == {("add a kite", "sky", f"vlm:{folder}")}
    assert len(written) == 2


def test_without_a_server_the_model_runs_here(workspace, folder):
    vlm = open_vlm(workspace.config.instruct, model=str(folder))
    assert isinstance(vlm, LocalModel)
    assert open_vlm(workspace.config.instruct).name == "Qwen/Qwen3-VL-8B-Instruct"


def test_a_model_that_is_not_there_or_cannot_see_is_a_sentence(workspace, tmp_path):
    with pytest.raises(BadInput, match=r"'.*nowhere' cannot be loaded: .*--vlm-model"):
        write_instructions(workspace, "vlm", vlm=LocalModel(str(tmp_path / "nowhere")))
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(BadInput, match="cannot"):
        LocalModel(str(tmp_path)).ask([picture("red")], "What is this?", SCHEMA)
    assert not workspace.instructions_path.exists()


def test_without_network_one_sentence_is_said_after_one_try(workspace, monkeypatch, tmp_path, capfd, caplog):
    tries = []

    def resolve(host, *_, **__):
        tries.append(host)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    use_hub(monkeypatch, "https://hub.nowhere.example", tmp_path / "cache")
    assert cli.run(["instruct", "-w", str(workspace.root), "--with", "vlm", "--vlm-model", "someone/model"]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "'someone/model' is not on this machine, and https://hub.nowhere.example cannot be reached: " in line
    assert "not known. Check the network" in line
    assert 1 <= len(tries) <= 2  # photos that were under way at the same time
    assert "Retrying" not in caplog.text


def test_without_network_weights_that_are_in_the_cache_are_loaded(folder, monkeypatch, tmp_path):
    use_hub(monkeypatch, "http://127.0.0.1:1", tmp_path / "cache")
    place = tmp_path / "cache/models--someone--model"
    (place / "refs").mkdir(parents=True)
    (place / "refs/main").write_text("a" * 40)
    shutil.copytree(folder, place / "snapshots" / ("a" * 40))
    assert LocalModel("someone/model", max_new_tokens=4).ask([picture("red")], "What is this?", SCHEMA)


def test_code_that_comes_with_weights_is_never_run(tmp_path):
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    auto = {"AutoConfig": "evil.Evil", "AutoModelForImageTextToText": "evil.Evil"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "evil", "auto_map": auto}))
    with pytest.raises(BadInput, match="cannot be loaded"):
        LocalModel(str(tmp_path)).ask([picture("red")], "What is this?", SCHEMA)
    assert not (tmp_path / "ran").exists()


def test_missing_packages_are_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(BadInput, match=r"needs transformers.*editfhf\[generate\]"):
        LocalModel(str(folder)).ask([picture("red")], "What is this?", SCHEMA)
