"""What goes wrong in a campaign on the real Label Studio, one thing at a time: a sentence, exit 2, and nothing lost."""

import contextlib
import json
import shutil
import socket
import sqlite3
from datetime import UTC, datetime, timedelta

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from annotation import campaign, collect, database, remote, server, simulate
from annotation.campaign import require_projects
from annotation.client import connect, is_own
from annotation.dates import TOLERANCE, count_misdated
from annotation.projects import title_of_campaign
from editfhf import cli
from editfhf.errors import BadInput, JobFailed
from tests.annotation.conftest import N_EDITS, ON_POSTGRESQL, free_port, only_project, own_server, use_settings
from tests.annotation.label_studio_json import ratings
from tests.factories import make_workspace

pytestmark = pytest.mark.server


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    monkeypatch.delenv(remote.URL_VARIABLE, raising=False)
    if not ON_POSTGRESQL:
        monkeypatch.delenv(remote.TOKEN_VARIABLE, raising=False)


@pytest.fixture
def answered(workspace, client):
    """A campaign of two people, all of it answered and brought home."""
    use_settings(workspace, drawers_per_edit=1, simulated_annotators=2)
    simulate.simulate(workspace, client)
    counts = collect.pull(workspace, client)
    assert (counts.answers, counts.misdated) == (N_EDITS, 0)
    return workspace


def run(workspace, *arguments: str) -> int:
    command, *rest = arguments
    return cli.run(["annotate", command, *rest, "-w", str(workspace.root)])


# The address and the token


@own_server
def test_every_command_works_by_address_and_a_wrong_one_or_a_wrong_token_is_one_sentence(
    answered, client, monkeypatch, capsys
):
    before = answered.read_table("answers")
    monkeypatch.setenv(remote.TOKEN_VARIABLE, server.token_path(answered).read_text())
    for command in ("push", "pull", "status"):
        assert run(answered, command, "--url", client.url, "--json") == 0
        shown = json.loads(capsys.readouterr().out)
        if command == "status":
            assert (shown["server"], shown["answers"]) == (client.url, len(before))
        else:
            assert shown["projects"] == sorted(require_projects(answered, client).known.values())
    assert remote.remembered(answered) is None  # it is the workspace's own, by its address
    with socket.socket() as free:
        free.bind((server.HOST, 0))
        nobody = f"http://{server.HOST}:{free.getsockname()[1]}"
    monkeypatch.setattr("annotation.connection.time.sleep", lambda _: None)
    for url, code, sentence in (
        (f"{client.url}/projects/1", 2, "does not answer as Label Studio does"),
        (nobody, 1, "Nothing answers at"),
        ("label.example.org", 2, "no address of a Label Studio"),
    ):
        for command in ("push", "pull", "status"):
            assert run(answered, command, "--url", url) == code
            *before_it, said = capsys.readouterr().err.strip().splitlines()
            assert sentence in said
            assert before_it == [f"No answer from {nobody} yet, trying again …"] * (url == nobody)
    monkeypatch.setenv(remote.TOKEN_VARIABLE, "wrong" * 8)
    for command in (["pull"], ["suspend", "1"], ["erase", "1", "--yes"]):
        assert run(answered, *command, "--url", client.url) == 2
        assert "does not take the token" in capsys.readouterr().err
    assert answered.read_table("answers").equals(before)


@own_server
def test_the_workspaces_own_server_is_known_by_another_name_and_starts_again_afterwards(
    workspace, client, monkeypatch, tmp_path, capsys
):
    monkeypatch.setenv(remote.TOKEN_VARIABLE, server.token_path(workspace).read_text())
    by_name = client.url.replace(server.HOST, "localhost")
    for _ in range(2):  # when nothing was handed out yet, and later
        assert run(workspace, "push", "--url", by_name) == 0
        assert remote.remembered(workspace) is None
    remote.remember(workspace, by_name)  # as earlier versions did
    assert run(workspace, "push") == 0
    assert remote.remembered(workspace) is None
    running = server.serve(workspace, print)
    assert running.url == client.url

    # Another server is none of ours, though it listens on this machine, and even with projects named alike.
    other = make_workspace(tmp_path / "other", n_sources=1)
    with monkeypatch.context() as patch:
        patch.setattr(client, "is_remote", True)
        patch.setattr(client, "url", by_name)
        title = title_of_campaign(workspace)
        assert is_own(workspace, client, title)
        assert not is_own(other, client, title)  # which has none
        really = client.invite_token()
        patch.setattr(client, "invite_token", lambda: really + "x")
        assert not is_own(workspace, client, title)


def test_a_server_elsewhere_that_serve_refuses_says_what_to_do(campaign, monkeypatch):
    remote.remember(campaign, "http://localhost:8080")
    with pytest.raises(BadInput, match=rf"own server by another name, remove {remote.path_of(campaign)} and run"):
        server.serve(campaign, print)
    remote.path_of(campaign).unlink()
    monkeypatch.setenv(remote.URL_VARIABLE, "http://localhost:8080")
    with pytest.raises(BadInput, match="LABEL_STUDIO_URL says so: unset it"):
        server.serve(campaign, print)


@own_server
def test_a_campaign_goes_on_where_it_was_begun(workspace, client, capsys):
    """A forgotten LABEL_STUDIO_URL does not hand it out a second time."""
    campaign.push(workspace, client)
    client.delete_project(only_project(workspace, client))  # as if it had never been here
    remote.remember(workspace, "https://label.example.org")
    with pytest.raises(BadInput, match=r"was handed out on https://label.example.org; .* has nothing of it"):
        campaign.push(workspace, client)
    assert client.projects_titled(title_of_campaign(workspace)) == {}
    (workspace.annotation_dir / "server.json").rename(workspace.annotation_dir / "server.kept")
    try:
        with pytest.raises(BadInput, match=r"has its server at https://label.example.org"):
            server.serve(workspace, print)
    finally:
        (workspace.annotation_dir / "server.kept").rename(workspace.annotation_dir / "server.json")
        (workspace.annotation_dir / "remote.json").unlink()


# Changed by hand on the server


def test_a_project_renamed_by_hand_is_found_and_gets_its_name_back(answered, client):
    before = require_projects(answered, client)
    project = next(iter(before.known.values()))
    title = client.project_state(project)["title"]
    client.update_project(project, title="My favourite images")
    assert require_projects(answered, client).known == before.known
    counts = collect.pull(answered, client)
    assert (counts.answers, counts.altered, counts.gone) == (N_EDITS, [project], [])
    pushed = campaign.push(answered, client)
    assert (pushed.tasks, pushed.projects) == (0, sorted(before.known.values()))
    assert client.project_state(project)["title"] == title


def test_a_strangers_project_with_the_number_of_ours_is_not_taken_for_it(answered, client):
    project = client.create_project("A stranger's", "<View><Text name='t' value='$text'/></View>", 1)
    client.import_tasks(project, [{"data": {"text": "x", "item": "y"}}])
    projects = require_projects(answered, client)
    projects._note_screen(project, "12345678")
    assert project not in require_projects(answered, client).known.values()
    client.delete_project(project)


def test_new_guidelines_and_settings_reach_the_projects_that_are_there_and_no_answer_changes(
    answered, client, monkeypatch
):
    answers = answered.read_table("answers")
    projects = sorted(require_projects(answered, client).known.values())
    changes: list[dict] = []
    really = client.update_project
    monkeypatch.setattr(
        client, "update_project", lambda project, **fields: changes.append(fields) or really(project, **fields)
    )
    campaign.push(answered, client)
    assert changes == []  # nothing had changed
    monkeypatch.setattr(campaign, "guidelines", lambda *_: "<h3>New</h3><p>Look twice.</p>")
    really(projects[0], maximum_annotations=7, show_instruction=False)  # by hand
    campaign.push(answered, client)
    assert len(changes) == len(projects)
    for project in projects:
        state = client.project_state(project)
        assert state["expert_instruction"] == "<h3>New</h3><p>Look twice.</p>"
        assert (state["maximum_annotations"], state["show_instruction"]) == (1, True)
    collect.pull(answered, client, everything=True)
    assert answered.read_table("answers").equals(answers)


def test_a_project_deleted_during_the_campaign_is_said_and_its_answers_stay(answered, client, capsys):
    project = min(require_projects(answered, client).known.values())
    answers = answered.read_table("answers")
    client.delete_project(project)
    assert run(answered, "pull") == 0
    assert f"Deleted on the server: project {project};" in capsys.readouterr().err
    assert sorted(answered.read_table("answers").to_pylist(), key=str) == sorted(answers.to_pylist(), key=str)


# Images


def test_images_that_are_gone_are_served_again_and_those_that_cannot_be_read_are_said(workspace, client):
    def shown(folder):
        return [path for path in folder.rglob("*") if path.is_symlink() or path.is_file()]

    campaign.push(workspace, client)
    task = next(iter(client.tasks(only_project(workspace, client))))
    images = server.served_dir(workspace) / "images"
    for file in shown(images):
        file.unlink()
    with pytest.raises(BadInput, match="cannot show the images"):
        client.require_image(task.data["edited_image"])
    campaign.push(workspace, client)
    client.require_image(task.data["edited_image"])
    for file in shown(images):  # a store that is no longer mounted
        file.unlink()
        file.symlink_to("/nowhere/at/all")
    try:
        with pytest.raises(BadInput, match=r"cannot show the images \(it answers 404"):
            campaign.push(workspace, client)
    finally:
        for file in shown(images):
            file.unlink()


def test_a_workspace_that_is_moved_while_its_server_runs_goes_on_after_serve_and_push(tmp_path):
    before = make_workspace(tmp_path / "before", n_sources=1)
    use_settings(before, simulated_annotators=4)
    said: list[str] = []
    moved = None
    try:
        first = server.serve(before, said.append, free_port())
        campaign.push(before, connect(before))
        project = only_project(before, connect(before))
        task = next(iter(connect(before).tasks(project)))
        connect(before).add_annotation(task.id, {"result": ratings()})
        copied = tmp_path / "copied"
        shutil.copytree(before.root, copied)
        assert server._find_left_behind(before.open(copied)) is None  # of which it is a copy: not touched
        before.root.rename(tmp_path / "after")
        moved = before.open(tmp_path / "after")
        with pytest.raises(BadInput, match=r"No Label Studio is running .* annotate serve"):
            connect(moved)
        server.serve(moved, said.append)
        assert any("was moved while its server ran" in line for line in said)
        assert not psutil.pid_exists(first.pid) or psutil.Process(first.pid).status() == psutil.STATUS_ZOMBIE
        client = connect(moved)
        with pytest.raises(BadInput, match="cannot show the images"):
            client.require_image(task.data["edited_image"])
        assert campaign.push(moved, client).tasks == 0
        client.require_image(task.data["edited_image"])
        assert only_project(moved, client) == project
        assert [one.answers for one in client.tasks(project) if one.id == task.id] == [1]
    finally:
        for workspace in (before, moved):
            if workspace is not None and workspace.root.is_dir():
                server.stop(workspace)


# Clocks


@own_server
def test_answers_dated_in_the_future_or_before_the_campaign_are_taken_and_said(answered, client, capsys):
    now = datetime.now(UTC)
    with contextlib.closing(sqlite3.connect(server.data_dir(answered) / database.NAME, timeout=60)) as opened, opened:
        for project in require_projects(answered, client).known.values():
            for year in (now.year + 3, now.year - 3):
                changed = opened.execute(
                    "UPDATE task_completion SET created_at = ? WHERE id = (SELECT id FROM task_completion WHERE "
                    "project_id = ? AND created_at BETWEEN ? AND ? LIMIT 1)",
                    [f"{year}-01-01 00:00:00", project, str(now - timedelta(days=1)), str(now + timedelta(days=1))],
                )
                assert changed.rowcount == 1
    n = 2 * len(require_projects(answered, client).known)
    assert run(answered, "pull", "--all") == 0
    assert f"{n} answers are dated before their project was made, or in the future" in capsys.readouterr().err
    assert len(answered.read_table("answers")) == N_EDITS


def test_a_time_just_within_what_two_clocks_may_differ_is_right(tmp_path):
    now, since = datetime(2026, 11, 25, 12, tzinfo=UTC), datetime(2026, 11, 24, tzinfo=UTC)
    second = timedelta(seconds=1)
    right = [since - TOLERANCE, since, now, now + TOLERANCE - second / 2]
    wrong = [since - TOLERANCE - second / 2, now + TOLERANCE + second, datetime(1970, 1, 1, tzinfo=UTC)]
    for times, expected in ((right, 0), (wrong, len(wrong)), ([], 0)):
        table = pa.table({"submitted_at": pa.array([time.isoformat() for time in times], pa.string())})
        pq.write_table(table, tmp_path / "answers.parquet")
        assert count_misdated(tmp_path / "answers.parquet", since.isoformat(timespec="milliseconds"), now) == expected
    assert count_misdated(tmp_path / "answers.parquet", "", now) == 0


# Two at once, a server that dies


def test_two_at_once_on_one_workspace_wait_for_each_other(answered, capsys):
    with answered.lock("annotate"):
        for command in (["pull"], ["push"], ["simulate"], ["suspend", "1"], ["erase", "1", "--yes"]):
            assert run(answered, *command) == 2
            assert "Another `editfhf annotate` is running" in capsys.readouterr().err
    assert run(answered, "pull") == 0


@own_server
def test_status_and_log_of_the_running_server_are_shown(workspace, capsys):
    running = server.find_server(workspace)
    assert run(workspace, "serve", "--status", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["server"], shown["url"], shown["pid"]) == ("running", running.url, running.pid)
    server.log_path(workspace).write_text("".join(f"line {n}\n" for n in range(100)))
    assert run(workspace, "serve", "--logs") == 0
    lines = capsys.readouterr().out.split("\n")[:-1]
    assert len(lines) == 40
    ours = [line for line in lines if line.startswith("line ")]  # the server may have said something since
    assert ours == [f"line {n}" for n in range(100 - len(ours), 100)]
    assert len(ours) > 30


@own_server
def test_a_server_that_stops_under_a_push_is_one_sentence_and_the_push_goes_on_afterwards(
    workspace, client, monkeypatch
):
    really = client.import_tasks
    monkeypatch.setattr(campaign, "CHUNK", 3)
    calls: list[int] = []

    def stopping(project, tasks):
        calls.append(len(tasks))
        if len(calls) == 2:
            server.stop(workspace)
        return really(project, tasks)

    monkeypatch.setattr(client, "import_tasks", stopping)
    try:
        with pytest.raises(JobFailed, match="the server has died"):
            campaign.push(workspace, client)
    finally:
        server.serve(workspace, print)
    assert campaign.push(workspace, connect(workspace)).tasks == N_EDITS - 3


@own_server
def test_an_answer_that_the_server_failed_to_count_is_seen_brought_home_and_never_withdrawn(workspace, client):
    campaign.push(workspace, client)
    project = only_project(workspace, client)
    task = next(iter(client.tasks(project)))
    assert collect.pull(workspace, client).answers == 0
    path = server.data_dir(workspace) / database.NAME
    with contextlib.closing(sqlite3.connect(path, timeout=60)) as opened, opened:
        (before,) = opened.execute("SELECT updated_at FROM task WHERE id = ?", (task.id,)).fetchone()
    client.add_annotation(task.id, {"result": ratings()})
    with contextlib.closing(sqlite3.connect(path, timeout=60)) as opened, opened:  # as `database is locked` leaves it
        change = "UPDATE task SET total_annotations = 0, is_labeled = 0, updated_at = ? WHERE id = ?"
        opened.execute(change, (before, task.id))
    assert not any(one.answers for one in client.tasks(project))

    assert collect.pull(workspace, client).answers == 1
    workspace.write_table("assignments", [])  # nothing is wanted any more: all that is not answered goes
    use_settings(workspace, screens="[ratings]")
    assert campaign.push(workspace, client).withdrawn == N_EDITS - 1
    assert [one.id for one in client.tasks(project)] == [task.id]
