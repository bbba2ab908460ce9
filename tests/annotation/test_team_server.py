"""The server for a team: a real PostgreSQL from Debian's package and gunicorn, started by deploy/team-server."""

import contextlib
import json
import os
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from annotation.client import Client
from tests.annotation.conftest import free_port
from tests.annotation.on_server import projects_called
from tests.factories import make_workspace
from tests.team_server import start, started, team_server

pytestmark = pytest.mark.server

SCREEN = '<View><Text name="t" value="$text"/><Choices name="c" toName="t"><Choice value="a"/></Choices></View>'
N_PEOPLE, N_TASKS = 5, 40


@pytest.fixture(scope="module")
def folder():
    with started("--port", free_port()) as folder:
        yield folder


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("team") / "campaign", n_sources=1)


@pytest.fixture
def client(folder, workspace):
    running = start(folder)
    return Client(running["url"], Path(running["token_file"]).read_text(), workspace)


def processes(folder: Path) -> list[psutil.Process]:
    """All processes of the server: gunicorn's and PostgreSQL's."""
    postmaster = int((folder / "postgresql" / "postmaster.pid").read_text().split()[0])
    gunicorn = json.loads((folder / "server.json").read_text())["pid"]
    parents = [psutil.Process(pid) for pid in (postmaster, gunicorn)]
    return [*parents, *(child for parent in parents for child in parent.children(recursive=True))]


def test_a_round_of_five_people_at_once_on_postgresql_loses_and_doubles_nothing(client, folder, workspace, tmp_path):
    token = (folder / "token").read_text()
    project = client.create_project("Team round", SCREEN, N_PEOPLE, "Read <b>this</b>")
    tasks = client.import_tasks(project, [{"data": {"text": str(n)}} for n in range(N_TASKS)])
    assert projects_called(client, "Team round") == {project: N_TASKS}
    users = [client.create_user(f"p{n}@example.org", f"p{n}", f"Person {n}") for n in range(N_PEOPLE)]
    before = client.newest_change(project)

    def answer_all(user: int) -> None:
        own = Client(client.url, token, workspace)
        for task in tasks:
            result = [{"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": ["a"]}}]
            own.add_annotation(task, {"result": result, "completed_by": user})

    with ThreadPoolExecutor(N_PEOPLE) as pool:
        list(pool.map(answer_all, users))
    client.export(project, tmp_path / "export.json")
    exported = json.loads((tmp_path / "export.json").read_text())
    given = sorted((task["id"], one["completed_by"]) for task in exported for one in task["annotations"])
    assert given == sorted((task, user) for task in tasks for user in users)
    assert client.newest_change(project) != before
    assert client.project_state(project)["total_annotations_number"] == N_TASKS * N_PEOPLE
    client.delete_project(project)
    assert projects_called(client, "Team round") == {}


def test_the_database_is_postgresql_and_not_a_file(client, folder):
    assert client.users()
    assert not list((folder / "label-studio").rglob("*.sqlite3"))
    names = {process.name() for process in processes(folder)[:2]}
    assert names == {"postgres", "gunicorn"}


def test_it_listens_on_this_machine_alone_and_its_secrets_are_generated_and_for_the_owner_alone(client, folder):
    found = processes(folder)
    listening, seen = set(), ""
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):  # PostgreSQL's workers come and go
            connections = process.net_connections()
            listening |= {(process.name(), one.laddr.ip) for one in connections if one.status == psutil.CONN_LISTEN}
            seen += " ".join(process.cmdline())
    assert listening == {("gunicorn", "127.0.0.1")}  # PostgreSQL: a socket in the folder
    names = ("password.secret", "database.secret", "database_admin.secret", "token")
    secrets = [(folder / name).read_text() for name in names]
    assert len(set(secrets)) == len(names)
    assert min(map(len, secrets)) >= 32
    for file in folder.iterdir():
        private = file.name in (*names, "credentials.json", "settings.json", "server.json") or file.suffix == ".log"
        assert file.stat().st_mode & 0o077 == 0 or not private, file
    for hidden in ("label-studio", "postgresql", "socket"):
        assert (folder / hidden).stat().st_mode & 0o077 == 0
    seen += "".join(file.read_text(errors="replace") for file in folder.glob("*.log"))
    assert not [secret for secret in secrets if secret in seen]


def test_nobody_enters_the_database_without_its_password(client, folder):
    psql = next(Path("/usr/lib/postgresql").glob("*/bin/psql"))

    def enter(password: str) -> subprocess.CompletedProcess[str]:
        command = [psql, "-h", folder / "socket", "-U", "label_studio", "-d", "label_studio", "-Atc", "SELECT 1"]
        return subprocess.run(
            command, env={"PGPASSWORD": password}, capture_output=True, text=True, check=False, cwd="/"
        )

    assert enter((folder / "database.secret").read_text()).stdout == "1\n"
    assert "password authentication failed" in enter("postgres").stderr
    for superuser_only in ("COPY (SELECT 1) TO PROGRAM 'true'", "CREATE ROLE another SUPERUSER"):
        command = [psql, "-h", folder / "socket", "-U", "label_studio", "-d", "label_studio", "-c", superuser_only]
        environment = {"PGPASSWORD": (folder / "database.secret").read_text()}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd="/")
        assert "must be superuser" in done.stderr


def test_killed_it_is_started_again_with_all_it_had(client, folder, workspace):
    project = client.create_project("Survives", SCREEN, 1)
    victims = processes(folder)
    assert start(folder)["pid"] in {process.pid for process in victims}  # a second start finds it running
    for process in victims:
        if process.is_running():
            os.kill(process.pid, signal.SIGKILL)
    psutil.wait_procs(victims, 20)
    assert team_server("status", folder).returncode == 1
    running = start(folder)
    again = Client(running["url"], Path(running["token_file"]).read_text(), workspace)
    assert projects_called(again, "Survives") == {project: 0}
    assert team_server("stop", folder).stdout == "Stopped.\n"
    assert team_server("stop", folder).stdout == "Was not running.\n"
    assert not [process for process in psutil.process_iter(["cmdline"]) if str(folder) in str(process.info["cmdline"])]


def test_a_port_in_use_and_a_path_too_long_are_one_sentence(folder, tmp_path):
    team_server("stop", folder)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = team_server("start", folder, "--port", other.getsockname()[1])
    assert (taken.returncode, taken.stderr.count("\n")) == (2, 1)
    assert "in use by another program" in taken.stderr
    long = team_server("start", tmp_path / ("x" * 100))
    assert (long.returncode, "too long a path" in long.stderr) == (2, True)
    start(folder, "--port", free_port())


def test_the_back_up_of_docs_server_brings_back_what_was_deleted(client, folder, tmp_path):
    project = client.create_project("In the dump", SCREEN, 1)
    client.import_tasks(project, [{"data": {"text": "kept"}}])
    tools = next(Path("/usr/lib/postgresql").glob("*/bin"))
    environment = {"PGPASSWORD": (folder / "database.secret").read_text()}
    common = ["-h", folder / "socket", "-U", "label_studio"]
    dump = [tools / "pg_dump", *common, "-Fc", "label_studio", "-f", tmp_path / "label.dump"]
    subprocess.run(dump, env=environment, check=True, cwd="/")
    client.delete_project(project)
    back = [tools / "pg_restore", *common, "-d", "label_studio", "--clean", tmp_path / "label.dump"]
    subprocess.run(back, env=environment, check=True, cwd="/")
    assert projects_called(client, "In the dump") == {project: 1}
