"""`instruct --with vlm` over several runs: nobody is asked twice, a person has the last word, a kill loses nothing."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from editfhf import cli
from editfhf.errors import BadInput
from editfhf.instructions import read_instructions, write_instructions
from editfhf.vlm import EndpointModel
from editfhf.workspace import Workspace
from tests.editfhf.vlm_server import OK, REFUSAL, VlmServer, fails, lists, mean_colour
from tests.editfhf.vlm_workspaces import ASKED, GOOD, by_vlm, instruct, near, only_tasks, photos_of


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """Two photos, and tasks of which none needs a photo made worse (that takes its time)."""
    return only_tasks(photos_of(tmp_path / "ws", n_sources=2), *ASKED)


def test_nobody_is_asked_twice_without_need(workspace):
    with VlmServer() as server:
        instruct(workspace, server)
        text = workspace.instructions_path.read_bytes()
        counts = instruct(workspace, server)
        assert (len(server.received), counts.photos_asked, counts.unchanged) == (2, 0, counts.instructions)
        assert workspace.instructions_path.read_bytes() == text
        assert instruct(workspace, server, again=True).photos_asked == 2


def test_another_model_and_other_tasks_are_another_question(workspace):
    only_tasks(workspace, "object_add", "color_change")
    with VlmServer() as server:
        instruct(workspace, server)
        other = write_instructions(workspace, "vlm", vlm=EndpointModel("other", server.url))
        assert (other.photos_asked, other.by_vlm) == (2, 4)
        assert {one.author for one in by_vlm(workspace)} == {"vlm:other"}
        only_tasks(workspace, "object_add")
        assert instruct(workspace, server).photos_asked == 0
        only_tasks(workspace, "object_add", "color_change", "text_add")
        assert instruct(workspace, server).photos_asked == 2


def test_a_person_has_the_last_word(workspace, tmp_path):
    with VlmServer() as server:
        instruct(workspace, server)
        first, second, third, fourth = by_vlm(workspace)
        sheet = tmp_path / "mine.csv"
        sheet.write_text(
            "instruction_id,source_id,task,instruction,target,author,reviewed\n"
            f"{first.instruction_id},{first.source_id},{first.task},add a red ball,,vlm:some-model,false\n"
            f'{second.instruction_id},{second.source_id},{second.task},"{second.text}",patch,vlm:some-model,yes\n'
            f'{third.instruction_id},{third.source_id},{third.task},"{third.text}",,vlm:some-model,\n'
        )
        counts = write_instructions(workspace, sheet, drop_missing=True)
        assert (counts.by_people, counts.by_vlm) == (1, 2)
        # Nothing new was answered: what the person threw away stays away.
        instruct(workspace, server)
        kept = {(one.source_id, one.task): one for one in read_instructions(workspace)}
        assert (fourth.source_id, fourth.task) not in kept
        # Asked anew, only what nobody wrote or approved is written anew.
        server.script = [lists(("object_add", "add a cube", ""), ("color_change", "turn the roof red", "roof"))] * 2
        instruct(workspace, server, again=True)
    kept = {(one.source_id, one.task): one for one in read_instructions(workspace)}
    assert kept[first.source_id, first.task].text == "add a red ball"
    assert kept[first.source_id, first.task].author == "file"
    assert kept[second.source_id, second.task].text == second.text
    assert kept[second.source_id, second.task].author == "vlm:some-model"
    assert kept[third.source_id, third.task].text == "add a cube"
    assert kept[fourth.source_id, fourth.task].text == "turn the roof red"


def test_an_answer_takes_the_place_of_the_templates_of_its_photo_and_of_no_other(workspace):
    write_instructions(workspace)
    before = {(one.source_id, one.task): one for one in read_instructions(workspace)}
    with VlmServer([lists(GOOD), REFUSAL]) as server:
        vlm = EndpointModel("some-model", server.url)
        vlm.concurrency = 1
        write_instructions(workspace, "vlm", vlm=vlm)
    answered, refused = (one.source_id for one in workspace.sources() if not one.derived_from)
    after = read_instructions(workspace)
    assert [one.text for one in after if one.source_id == answered] == [GOOD[1]]
    rest = {(one.source_id, one.task): one for one in after if one.source_id != answered}
    assert rest == {pair: one for pair, one in before.items() if pair[0] != answered}
    assert refused in {source_id for source_id, _ in rest}


def test_whoever_removes_the_file_gets_it_again_from_the_answers(workspace):
    with VlmServer() as server:
        instruct(workspace, server)
        text = workspace.instructions_path.read_bytes()
        workspace.instructions_path.unlink()
        instruct(workspace, server)
        assert len(server.received) == 2
    assert workspace.instructions_path.read_bytes() == text


def test_asking_again_goes_on_where_it_was_cut_off(workspace):
    with VlmServer() as server:
        instruct(workspace, server)
        server.script = [OK, fails(401, "The key has expired.")]
        vlm = EndpointModel("some-model", server.url)
        vlm.concurrency = 1
        with pytest.raises(BadInput, match="expired"):
            write_instructions(workspace, "vlm", vlm=vlm, again=True)
        assert instruct(workspace, server, again=True).photos_asked == 1
        assert len(server.received) == 5


def test_a_run_that_is_killed_goes_on_and_asks_nobody_about_what_was_answered(tmp_path):
    workspace = only_tasks(photos_of(tmp_path / "ws", n_sources=9), *ASKED)
    command = [sys.executable, "-m", "editfhf", "instruct", "-w", str(workspace.root), "--with", "vlm"]
    with VlmServer(pause_s=0.4) as server:
        command += ["--vlm-url", server.url, "--vlm-model", "some-model"]
        running = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
        deadline = time.monotonic() + 60
        while len(list((workspace.root / "vlm").glob("[!.]*.json"))) < 3 and time.monotonic() < deadline:
            time.sleep(0.005)
        running.send_signal(signal.SIGKILL)
        running.wait()
        kept = sorted((workspace.root / "vlm").glob("[!.]*.json"))
        assert 3 <= len(kept) < 9
        answered = [json.loads(path.read_text())["source_id"] for path in kept]
        asked_before = len(server.received)
        server.pause_s = 0
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    asked_now = server.colours[asked_before:]
    assert len(asked_now) == 9 - len(kept)
    colours = {source.source_id: mean_colour(workspace.read_image(source.file)) for source in workspace.sources()}
    assert not [colour for colour in asked_now if any(near(colour, colours[source_id]) for source_id in answered)]
    assert len(by_vlm(workspace)) == 18
    assert len(workspace.read_table("vlm_answers")) == 9
    assert list((workspace.root / "vlm").iterdir()) == []


# The command


def test_the_command_asks_counts_and_says_where_the_reasons_are(workspace, capsys):
    with VlmServer([REFUSAL]) as server:
        arguments = ["instruct", "-w", str(workspace.root), "--with", "vlm", "--vlm-url", server.url]
        assert cli.run([*arguments, "--vlm-model", "some-model"]) == 0
        shown = " ".join(capsys.readouterr().out.split())
        assert re.search(r"by vlm 2 .*photos asked 2 photos set aside 1", shown)
        assert "The model refused: I cannot help with this photo." in shown
        assert "instructions_set_aside.parquet" in shown
        assert cli.run([*arguments, "--vlm-model", "some-model", "--json"]) == 0
        (row,) = json.loads(capsys.readouterr().out)["set_aside"]
        assert row["photo"] in {source.origin for source in workspace.sources()}
        assert cli.run([*arguments, "--vlm-model", "some-model", "--again", "--json"]) == 0
        counts = json.loads(capsys.readouterr().out)
        assert (counts["by_vlm"], counts["photos_asked"], counts["photos_set_aside"]) == (4, 2, 0)


def test_the_settings_name_the_server_and_options_of_a_model_want_a_model(workspace, capsys):
    with VlmServer() as server:
        path = workspace.root / "editfhf.yaml"
        text = path.read_text().replace('vlm_base_url: ""', f"vlm_base_url: {server.url}")
        path.write_text(text.replace("Qwen/Qwen3-VL-8B-Instruct", "configured"))
        assert cli.run(["instruct", "-w", str(workspace.root), "--with", "vlm", "--json"]) == 0
    assert {request.model for request in server.received} == {"configured"}
    assert {one.author for one in by_vlm(workspace)} == {"vlm:configured"}
    assert cli.run(["instruct", "-w", str(workspace.root), "--again"]) == 2
    assert "--with vlm" in capsys.readouterr().err
