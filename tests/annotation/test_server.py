import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import psutil
import pytest

from annotation import campaign, installation, server
from annotation.client import Client, connect
from annotation.projects import item_of
from annotation.pseudonyms import Pseudonyms
from editfhf import cli
from editfhf.errors import BadInput, JobFailed
from tests.annotation.conftest import edits_of, only_project, own_server


@pytest.fixture
def false_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An installation whose program is a shell script."""

    def make(script: str) -> None:
        home = tmp_path / "home"
        (home / "bin").mkdir(parents=True)
        (home / "bin" / "label-studio").write_text(f"#!/bin/sh\n{script}\n")
        (home / "bin" / "label-studio").chmod(0o755)
        (home / installation.COMPLETE).touch()
        monkeypatch.setenv(installation.HOME_VARIABLE, str(home))

    return make


def test_a_server_that_dies_at_its_start_is_told_with_its_last_word_and_its_log(campaign, false_program):
    false_program("echo first; echo 'no space left on device' >&2; exit 3")
    with pytest.raises(JobFailed, match=r"died at its start: no space left on device \(log: .*label-studio.log\)"):
        server.serve(campaign, print)
    assert not server.stop(campaign)


def test_a_port_in_use_is_one_sentence(campaign, false_program):
    false_program("exit 0")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(BadInput, match=f"Port {port} is in use by another program"):
            server.serve(campaign, print, port)


def test_a_process_that_has_the_number_of_a_dead_server_is_not_taken_for_it_and_never_killed(campaign):
    with subprocess.Popen(["sleep", "60"]) as bystander:
        try:
            campaign.annotation_dir.mkdir()
            state = {"url": "http://127.0.0.1:8080", "pid": bystander.pid, "started": 1.0}
            (campaign.annotation_dir / "server.json").write_text(json.dumps(state))
            assert server.find_server(campaign) is None
            assert not server.stop(campaign)
            assert bystander.poll() is None
        finally:
            bystander.kill()


def test_without_a_server_the_commands_say_how_to_start_one(campaign, capsys):
    for command in ("push", "simulate", "pull"):
        assert cli.run(["annotate", command, "-w", str(campaign.root)]) == 2
        assert "editfhf annotate serve -w" in capsys.readouterr().err
    assert cli.run(["annotate", "status", "-w", str(campaign.root)]) == 0
    assert cli.run(["annotate", "serve", "--stop", "-w", str(campaign.root)]) == 0


def test_a_server_that_dies_under_a_command_is_one_sentence(campaign):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        client = Client(f"http://127.0.0.1:{free.getsockname()[1]}", "token", campaign)
    with pytest.raises(JobFailed, match=r"the server has died .* annotate serve"):
        client.import_tasks(1, [{"data": {}}])


def test_an_installation_that_was_killed_is_made_again_from_nothing(tmp_path, monkeypatch):
    home = tmp_path / "home"
    monkeypatch.setenv(installation.HOME_VARIABLE, str(home))
    home.mkdir()
    (home / installation.STARTED).touch()
    (home / "half_a_package").touch()
    commands: list[list[str]] = []

    def run(command, **_):
        commands.append(command)
        (home / "bin").mkdir(exist_ok=True)
        installation.program().touch()
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(installation.subprocess, "run", run)
    installation.install(print)
    assert not (home / "half_a_package").exists()
    assert any(f"label-studio=={installation.VERSION}" in command for command in commands)
    assert installation.is_installed()
    n_commands = len(commands)
    installation.install(print)
    assert len(commands) == n_commands


def test_what_pip_said_last_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv(installation.HOME_VARIABLE, str(tmp_path / "home"))

    def run(command, **_):
        raise subprocess.CalledProcessError(1, command, "", "Collecting …\nERROR: No matching distribution\n")

    monkeypatch.setattr(installation.subprocess, "run", run)
    with pytest.raises(JobFailed, match="ERROR: No matching distribution"):
        installation.install(print)
    assert not installation.is_installed()


@own_server
@pytest.mark.server
def test_serving_twice_is_the_same_server(workspace, capsys):
    running = server.find_server(workspace)
    assert server.serve(workspace, print) == running
    assert cli.run(["annotate", "serve", "-w", str(workspace.root), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == {"url": running.url, "token_file": str(workspace.annotation_dir / "token"), "pid": running.pid}


@own_server
@pytest.mark.server
def test_it_is_found_again_when_the_command_was_killed_before_it_noted_the_process(workspace):
    running = server.find_server(workspace)
    (workspace.annotation_dir / "server.json").unlink()
    assert server.find_server(workspace) == running


@own_server
@pytest.mark.server
def test_secrets_lie_in_files_for_their_owner_alone_and_in_no_process_list_or_log(workspace):
    _, password = server.credentials(workspace)
    token = server.token_path(workspace).read_text()
    assert min(len(password), len(token)) >= 32
    Pseudonyms.of(workspace)
    for file in ("credentials.json", "token", "pseudonym.key", "server.json"):
        assert (workspace.annotation_dir / file).stat().st_mode & 0o777 == 0o600
    assert server.data_dir(workspace).stat().st_mode & 0o777 == 0o700
    process = psutil.Process(server.find_server(workspace).pid)
    seen = " ".join(process.cmdline()) + server.log_path(workspace).read_text()
    assert password not in seen
    assert token not in seen
    assert not {"HF_TOKEN", "HF_HOME"} & set(process.environ())


@own_server
@pytest.mark.server
def test_it_listens_on_this_machine_alone(workspace):
    process = psutil.Process(server.find_server(workspace).pid)
    listening = {c.laddr.ip for c in process.net_connections() if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}


@own_server
@pytest.mark.server
def test_it_hands_out_the_images_and_neither_oracle_nor_keys(workspace, client):
    campaign.push(workspace, client)
    Pseudonyms.of(workspace)
    project = only_project(workspace, client)
    task = next(iter(client.tasks(project)))
    edit = next(edit for edit in workspace.edits() if edit.edit_id == edits_of(workspace)[item_of(task)])
    headers = {"Authorization": f"Token {server.token_path(workspace).read_text()}"}
    with httpx.Client(base_url=client.url, headers=headers) as http:
        answer = http.get(task.data["edited_image"])
        assert answer.content == workspace.path_of(edit.image).read_bytes()
        assert http.get(task.data["source_image"]).status_code == 200
        secrets = [
            workspace.annotation_dir / "pseudonym.key",
            workspace.annotation_dir / "token",
            workspace.annotation_dir / "credentials.json",
            workspace.oracle_dir / edit.edit_id / "flaws.json",
            workspace.root / "ledger.sqlite",
            server.data_dir(workspace) / "label_studio.sqlite3",
        ]
        for secret in secrets:
            assert secret.is_file()
            below_images = os.path.relpath(secret, server.served_dir(workspace) / "images")
            below_root = os.path.relpath(secret, server.served_dir(workspace))
            for path in (below_root, f"images/{below_images}", str(secret), str(secret.relative_to(workspace.root))):
                answer = http.get("/data/local-files/", params={"d": path})
                assert answer.is_error  # 403 or 404; 500 for a path that climbs out
                assert secret.read_bytes() not in answer.content
        # Nor can somebody who has signed in widen what is handed out.
        storage = {"project": project, "path": str(workspace.oracle_dir)}
        assert http.post("/api/storages/localfiles", json=storage).status_code == 400
    assert httpx.get(client.url + task.data["edited_image"]).status_code in (401, 403)
    with httpx.Client(base_url=client.url) as stranger:
        stranger.get("/user/signup/")
        form = {
            "email": "a@example.org",
            "password": "0123456789",
            "csrfmiddlewaretoken": stranger.cookies["csrftoken"],
        }
        stranger.post("/user/signup/", data=form, headers={"Referer": client.url})
    assert "a@example.org" not in client.users().values()


@own_server
@pytest.mark.server
def test_killed_it_is_missed_and_started_again_with_all_it_had(workspace, client):
    pushed = campaign.push(workspace, client)
    running = server.find_server(workspace)
    os.kill(running.pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(running.pid)] if psutil.pid_exists(running.pid) else [], 10)
    with pytest.raises(BadInput, match=r"No Label Studio is running .* annotate serve"):
        connect(workspace)
    again = server.serve(workspace, print)
    assert again.url == running.url
    assert again.pid != running.pid
    assert campaign.push(workspace, connect(workspace)).projects == pushed.projects
