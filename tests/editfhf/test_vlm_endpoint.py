"""`instruct --with vlm` through a server: what it says of a photo ends up with that photo, or aside with the reason."""

import json
import logging
import re

import httpx
import pytest

from editfhf import cli
from editfhf.errors import BadInput, JobFailed
from editfhf.instructions import read_instructions, write_instructions
from editfhf.tasks import TASKS
from editfhf.vlm import EndpointModel
from editfhf.workspace import Workspace
from tests.editfhf.vlm_server import (
    BAD_PHOTO,
    CUT,
    FILTERED,
    HANGS,
    NO_CHOICES,
    NOT_JSON,
    OK,
    POLICY,
    QUOTA,
    RATE_LIMITED,
    REFUSAL,
    SERVER_ERROR,
    VlmServer,
    fails,
    lists,
    mean_colour,
    says,
)
from tests.editfhf.vlm_workspaces import ASKED, GOOD, by_vlm, instruct, near, only_tasks, photos_of, set_aside

KEY = "sk-test-7a31c9d2e5f80b46"


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """Two photos, and tasks of which none needs a photo made worse (that takes its time)."""
    return only_tasks(photos_of(tmp_path / "ws", n_sources=2), *ASKED)


@pytest.fixture
def one_photo(tmp_path) -> Workspace:
    return only_tasks(photos_of(tmp_path / "ws", n_sources=1), *ASKED)


def test_each_photo_gets_the_instructions_that_were_written_for_it(workspace):
    with VlmServer() as server:
        counts = instruct(workspace, server)
    colours = {source.source_id: mean_colour(workspace.read_image(source.file)) for source in workspace.sources()}
    written = by_vlm(workspace)
    assert len(written) == counts.by_vlm == 4
    assert {one.author for one in written} == {"vlm:some-model"}
    for one in written:
        said = tuple(map(int, re.findall(r"\d+", one.text)))
        assert near(said, colours[one.source_id])
        assert one.target == {"object_add": "", "color_change": "patch"}[one.task]
    assert (counts.photos_asked, counts.photos_set_aside) == (2, 0)


def test_the_server_hears_the_model_the_key_the_tasks_and_the_form_of_an_answer(one_photo):
    one_photo = only_tasks(one_photo, "style_transfer", "colorize", "sky_replace")
    with VlmServer([lists(GOOD)]) as server:
        instruct(one_photo, server, params={"temperature": 0})
    (request,) = server.received
    assert (request.model, request.authorization) == ("some-model", f"Bearer {KEY}")
    assert request.body["temperature"] == 0
    # colorize is about a photo that is made here, so nobody has to look.
    item = request.schema["properties"]["instructions"]["items"]
    assert item["properties"]["task"]["enum"] == ["sky_replace", "style_transfer"]
    assert "sky_replace" in request.prompt
    assert "colorize" not in request.prompt


def test_every_task_that_a_photo_as_it_is_can_have_is_offered(one_photo):
    only_tasks(one_photo)
    with VlmServer() as server:
        instruct(one_photo, server)
    offered = server.received[0].schema["properties"]["instructions"]["items"]["properties"]["task"]["enum"]
    assert offered == [task.id for task in TASKS.values() if not task.derived]
    assert len(offered) == 40


def test_a_large_photo_is_sent_small(tmp_path):
    workspace = only_tasks(photos_of(tmp_path / "ws", n_sources=1, side=1000), *ASKED)
    with VlmServer() as server:
        instruct(workspace, server)
    assert server.received[0].size == (768, 768)


def test_photos_are_made_worse_for_the_tasks_that_mend_them_as_templates_do(workspace):
    workspace = only_tasks(photos_of(workspace.root / "many", n_sources=6), "object_add", "colorize", "deblur_enhance")
    write_instructions(workspace)
    derived = {one.instruction_id for one in read_instructions(workspace) if TASKS[one.task].derived}
    photos = [one for one in workspace.sources() if one.derived_from]
    workspace.instructions_path.unlink()
    workspace.write_table("sources", [one for one in workspace.sources() if not one.derived_from])
    with VlmServer() as server:
        instruct(workspace, server)
    again = [one for one in read_instructions(workspace) if TASKS[one.task].derived]
    assert {one.instruction_id for one in again} == derived
    assert [one for one in workspace.sources() if one.derived_from] == photos


# What a model writes wrong


def test_a_wrong_answer_is_sent_back_once_with_what_is_wrong(one_photo):
    with VlmServer([lists(("sky_replac", "replace the sky", "sky")), lists(GOOD)]) as server:
        counts = instruct(one_photo, server)
    first, second = (request.prompt for request in server.received)
    assert second.startswith(first)
    assert "Instruction 1 (task 'sky_replac'): task is not on the list of tasks (did you mean sky_replace?)" in second
    assert '"replace the sky"' in second
    assert [one.text for one in by_vlm(one_photo)] == [GOOD[1]]
    assert (counts.photos_set_aside, set_aside(one_photo)) == (0, [])


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (says("I see a cat."), "The answer is not JSON"),
        (CUT, "The answer is not JSON: Unterminated string"),
        (says("[" * 50_000), "The answer is not JSON"),
        (says('"\\ud800"'), "is not an object"),
        (says("[]"), "is not an object"),
        (says('{"instructions": {}}'), "is not an object"),
        (says('{"instructions": []}'), "holds no instruction"),
        (says('{"instructions": ["style_transfer"]}'), "Instruction 1: "),
        (says('{"instructions": [{"task": "style_transfer"}]}'), "instruction is missing"),
        (says('{"instructions": [{"task": 7, "instruction": "x"}]}'), "Instruction 1: task"),
        (lists(("flying", "make it fly", "")), "(task 'flying'): task is not on the list"),
        (lists(("colorize", "colour it", "")), "(task 'colorize'): task is not on the list"),
        (lists(("style_transfer", "  ", "")), "instruction is empty"),
        (lists(("style_transfer", "x" * 301, "")), "has 301 characters"),
        (lists(("style_transfer", "one line\nand another", "")), "one line of plain text"),
        (lists(("style_transfer", "\x1b[31mred", "")), "one line of plain text"),
        (lists(("style_transfer", '=HYPERLINK("http://a")', "")), "formula"),
        (lists(("color_change", "turn it yellow", "")), "target is empty"),
        (lists(("color_change", "turn it yellow", "the whole picture")), "target is empty"),
    ],
)
def test_what_is_wrong_twice_is_set_aside_with_the_reason_and_the_words(one_photo, behaviour, reason):
    with VlmServer([behaviour, behaviour]) as server:
        counts = instruct(one_photo, server)
        assert len(server.received) == 2
        assert instruct(one_photo, server).photos_asked == 0  # a later run leaves it aside
    assert by_vlm(one_photo) == []
    assert counts.photos_set_aside == 1
    (row,) = set_aside(one_photo)
    assert reason in row["reason"]
    assert (row["source_id"], row["model"]) == (one_photo.sources()[0].source_id, "some-model")
    assert row["answer"]
    assert row["answer"] in behaviour.content or json.loads(row["answer"]) in json.loads(behaviour.content).get(
        "instructions"
    )


def test_of_a_half_wrong_answer_the_right_half_is_taken(one_photo):
    wrong = lists(GOOD, ("flying", "make it fly", "cat"), ("style_transfer", "turn it into a comic", ""))
    with VlmServer([wrong, wrong]) as server:
        counts = instruct(one_photo, server)
    assert [(one.task, one.text) for one in by_vlm(one_photo)] == [GOOD[:2]]
    assert [row["reason"] for row in set_aside(one_photo)] == [
        "Instruction 2 (task 'flying'): task is not on the list of tasks.",
        "Instruction 3: there is one for style_transfer already.",
    ]
    assert counts.photos_set_aside == 1


def test_a_second_answer_that_is_worse_does_not_take_the_first_away(one_photo):
    with VlmServer([lists(GOOD, ("flying", "make it fly", "cat")), CUT]) as server:
        instruct(one_photo, server)
    assert [one.text for one in by_vlm(one_photo)] == [GOOD[1]]


@pytest.mark.parametrize("around", ["```json\n{}\n```", "```\n{}\n```\n", "<think>A {cat}?</think>\n{}"])
def test_an_answer_in_a_fence_or_after_thinking_aloud_is_read(one_photo, around):
    plain = lists(GOOD).content or ""
    with VlmServer([says(around.replace("{}", plain))]) as server:
        instruct(one_photo, server)
        assert len(server.received) == 1
    assert [one.text for one in by_vlm(one_photo)] == [GOOD[1]]


def test_no_more_instructions_are_taken_than_the_settings_allow(one_photo):
    path = one_photo.root / "editfhf.yaml"
    path.write_text(path.read_text().replace("instructions_per_photo: 43", "instructions_per_photo: 1"))
    with VlmServer([lists(GOOD, ("object_add", "add a ball", ""))]) as server:
        assert instruct(one_photo, server).by_vlm == 1
        assert "at most 1" in server.received[0].prompt


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [(REFUSAL, "cannot help with this photo"), (POLICY, "safety system"), (FILTERED, "content filter")],
)
def test_a_photo_that_the_model_refuses_is_set_aside_and_the_others_are_not(workspace, behaviour, words):
    with VlmServer([behaviour]) as server:
        counts = instruct(workspace, server)
        assert len(server.received) == 2  # nobody is asked to think again about a refusal
    (row,) = set_aside(workspace)
    assert row["reason"].startswith("The model refused: ")
    assert words in row["reason"]
    assert (counts.by_vlm, counts.photos_set_aside) == (2, 1)
    assert {one.source_id for one in by_vlm(workspace)}.isdisjoint({row["source_id"]})


# What a server does wrong


@pytest.mark.parametrize("fault", [RATE_LIMITED, SERVER_ERROR, fails(503, "Overloaded.")])
def test_a_busy_server_is_asked_again(one_photo, fault):
    with VlmServer([fault, fault]) as server:
        counts = instruct(one_photo, server)
        assert len(server.received) == 3
    assert (counts.by_vlm, counts.photos_set_aside) == (2, 0)


@pytest.mark.parametrize(
    ("fault", "error", "sentence"),
    [
        (fails(401, "Incorrect API key provided."), BadInput, "does not accept the key in OPENAI_API_KEY"),
        (fails(403, "Your organization must be verified."), BadInput, "organization must be verified"),
        (fails(404, "The model does not exist.", "model_not_found"), BadInput, "no model 'some-model'"),
        (RATE_LIMITED, JobFailed, "wants fewer requests.*run the same again later"),
        (QUOTA, JobFailed, "account is empty"),
    ],
)
def test_what_no_photo_can_get_past_ends_the_run_in_a_sentence(workspace, fault, error, sentence):
    with VlmServer([fault] * 20) as server, pytest.raises(error, match=sentence):
        instruct(workspace, server)
    assert not workspace.instructions_path.exists()


@pytest.mark.parametrize("fault", [SERVER_ERROR, BAD_PHOTO, NOT_JSON, NO_CHOICES])
def test_a_photo_without_an_answer_is_a_row_and_is_asked_about_in_the_next_run(tmp_path, fault):
    workspace = only_tasks(photos_of(tmp_path / "ws", n_sources=3), *ASKED)
    with VlmServer([OK, OK, fault, fault, fault]) as server:
        # One after the other, so that the script meets the photos in their order.
        vlm = EndpointModel("some-model", server.url, retries=2)
        vlm.concurrency = 1
        counts = write_instructions(workspace, "vlm", vlm=vlm)
        server.script.clear()
        assert (counts.by_vlm, counts.photos_asked, counts.photos_set_aside) == (4, 3, 1)
        (row,) = set_aside(workspace)
        assert row["source_id"] == workspace.sources()[2].source_id
        assert row["answer"] == ""
        counts = instruct(workspace, server)
    assert (counts.by_vlm, counts.photos_asked, counts.photos_set_aside) == (6, 1, 0)
    assert set_aside(workspace) == []


def test_a_server_that_never_answers_ends_the_run_and_keeps_what_was_answered(tmp_path):
    workspace = only_tasks(photos_of(tmp_path / "ws", n_sources=6), *ASKED)
    with VlmServer([OK, OK, *[SERVER_ERROR] * 99]) as server:
        vlm = EndpointModel("some-model", server.url, retries=0)
        vlm.concurrency = 1
        with pytest.raises(JobFailed, match=r"3 photos in a row got no answer: .*500.*kept"):
            write_instructions(workspace, "vlm", vlm=vlm)
        assert (len(by_vlm(workspace)), len(set_aside(workspace))) == (4, 3)
        server.script.clear()
        assert instruct(workspace, server).photos_asked == 4
    assert set_aside(workspace) == []
    assert len(by_vlm(workspace)) == 12


def test_the_last_photo_without_an_answer_holds_nothing_back(workspace):
    photos = workspace.sources()
    with VlmServer() as server:
        workspace.write_table("sources", photos[:1])
        instruct(workspace, server)
        workspace.write_table("sources", photos)
        server.script = [BAD_PHOTO] * 2
        with pytest.raises(JobFailed, match=r"The photo got no answer: .*Invalid image"):
            instruct(workspace, server)
    assert len(by_vlm(workspace)) == 2


def test_a_server_that_hangs_or_is_not_there_is_a_sentence(one_photo):
    with VlmServer([HANGS] * 5) as server, pytest.raises(JobFailed, match=r"no answer within 0.3 s"):
        instruct(one_photo, server, timeout_s=0.3)
    with pytest.raises(JobFailed, match="cannot be reached"):
        instruct(one_photo, server)


@pytest.mark.parametrize("named", ["on the command line", "in the settings"])
def test_a_server_that_is_not_there_is_named_with_its_url_and_where_that_stands(workspace, named, capsys, monkeypatch):
    url, path = "http://127.0.0.1:9/v1", workspace.root / "editfhf.yaml"
    tries = []
    monkeypatch.setattr("httpx.head", lambda *given, **_: tries.append(given) or _refuse())
    words = ["instruct", "-w", str(workspace.root), "--with", "vlm"]
    if named == "in the settings":
        path.write_text(path.read_text().replace('vlm_base_url: ""', f"vlm_base_url: {url}"))
        where = f"instruct.vlm_base_url in {path}"
    else:
        words, where = [*words, "--vlm-url", url], "--vlm-url"
    assert cli.run(words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{url} ({where}) cannot be reached. Start the server there, or correct the address." in line
    assert 1 <= len(tries) <= 2  # photos that were under way at the same time


def _refuse():
    raise httpx.ConnectError("refused")


def test_a_wrong_url_or_key_is_a_sentence_before_anybody_is_asked(monkeypatch):
    with pytest.raises(BadInput, match="not the URL of a server"):
        EndpointModel("some-model", "localhost:8000/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-ключ")
    with pytest.raises(BadInput, match="OPENAI_API_KEY does not hold a key") as caught:
        EndpointModel("some-model", "http://localhost:8000/v1")
    assert "ключ" not in str(caught.value)
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(BadInput, match="needs a key"):
        EndpointModel("some-model", "https://api.openai.com/v1")


def test_a_server_of_ones_own_needs_no_key(one_photo, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with VlmServer() as server:
        assert instruct(one_photo, server).by_vlm == 2


def test_the_key_is_never_shown_and_never_stored(one_photo, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    fault = fails(500, "no such key: KEY")
    told = [type(fault)(**{**vars(fault), "status": status, "echo_key": True}) for status in (500, 401)]
    with VlmServer(told) as server, pytest.raises(BadInput) as caught:
        instruct(one_photo, server)
    assert "[key]" in str(caught.value)
    refusal = type(REFUSAL)(refusal="I was given KEY.", echo_key=True)
    with VlmServer([refusal]) as server:
        instruct(one_photo, server)
    assert "[key]" in set_aside(one_photo)[0]["reason"]
    shown = "".join(capfd.readouterr()) + caplog.text + repr(caught.value) + repr(caught.value.__context__)
    assert KEY not in shown
    assert KEY.encode() not in b"".join(path.read_bytes() for path in one_photo.root.rglob("*") if path.is_file())
