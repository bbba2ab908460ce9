"""Back-up, restore and upgrade of the workspace's own Label Studio."""

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import threading
import zipfile
from pathlib import Path

import httpx
import pytest

from annotation import backup, database, installation, server
from annotation.client import connect
from editfhf import cli
from editfhf.errors import BadInput
from tests.annotation.conftest import own_server
from tests.annotation.on_server import projects_called
from tests.factories import make_workspace

SCREEN = '<View><Text name="t" value="$text"/><Choices name="c" toName="t"><Choice value="a"/></Choices></View>'
ANSWER = {"result": [{"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": ["a"]}}]}


@pytest.fixture(scope="module")
def fresh() -> Path:
    """The database with which a new server begins."""
    installation.install(print)
    return installation.home() / installation.FRESH_DATABASE


@pytest.fixture
def stopped(campaign, fresh):
    """A workspace whose server has run and was stopped; Ann has an account there."""
    folder = server.data_dir(campaign)
    (folder / "media" / "avatars").mkdir(parents=True)
    shutil.copyfile(fresh, folder / database.NAME)
    add_user(folder / database.NAME, "ann@example.org")
    (folder / ".env").write_text("SECRET_KEY=s")
    (folder / "media" / "avatars" / "ann.png").write_bytes(b"picture")
    for name in ("token", "credentials.json", "campaign.json", "pseudonym.key"):
        (campaign.annotation_dir / name).write_text(f"{name} then")
    return campaign


def add_user(path: Path, email: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as opened, opened:
        columns = [
            row for row in opened.execute("PRAGMA table_info(htx_user)") if row[3] and row[4] is None and not row[5]
        ]
        values = {name: 0 if kind.startswith(("bool", "int")) else "2026-01-01" for _, name, kind, *_ in columns}
        values |= {"email": email, "username": email}
        marks = ", ".join("?" * len(values))
        opened.execute(f"INSERT INTO htx_user ({', '.join(values)}) VALUES ({marks})", list(values.values()))


def users(workspace) -> set[str]:
    path = server.data_dir(workspace) / database.NAME
    with contextlib.closing(sqlite3.connect(path)) as opened:
        return {email for (email,) in opened.execute("SELECT email FROM htx_user")}


def contents(workspace) -> dict[str, bytes]:
    """Every file that belongs to the server, but the copies that were kept."""
    folder = workspace.annotation_dir
    kept = (".before-restore", ".lock")
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and "backups" not in file.parts and not file.name.endswith(kept)
    }


def test_restored_all_is_as_it_was_and_what_stood_there_is_kept(stopped):
    before = contents(stopped)
    made = backup.back_up(stopped)
    assert made.stat().st_mode & 0o777 == 0o600
    add_user(server.data_dir(stopped) / database.NAME, "bob@example.org")
    (stopped.annotation_dir / "token").write_text("another")
    (server.data_dir(stopped) / f"{database.NAME}-journal").write_bytes(b"of the other database")
    said = backup.restore(stopped, made)
    assert users(stopped) == {"ann@example.org"}
    after = contents(stopped)
    assert {name: after[name] for name in before if not name.endswith(database.NAME)} == {
        name: data for name, data in before.items() if not name.endswith(database.NAME)
    }
    assert not (server.data_dir(stopped) / f"{database.NAME}-journal").exists()
    kept = server.data_dir(stopped) / f"{database.NAME}.before-restore"
    assert said == kept
    (server.data_dir(stopped) / f"{database.NAME}.before-restore-journal").unlink()
    with contextlib.closing(sqlite3.connect(kept)) as opened:
        assert ("bob@example.org",) in opened.execute("SELECT email FROM htx_user").fetchall()
    backup.restore(stopped, made)  # twice is once
    assert users(stopped) == {"ann@example.org"}


def test_it_goes_to_an_empty_workspace_and_not_over_the_campaign_of_another(stopped, tmp_path):
    made = backup.back_up(stopped)
    empty = make_workspace(tmp_path / "empty", n_sources=1)
    assert backup.restore(empty, made) is None  # nothing stood there
    assert users(empty) == {"ann@example.org"}
    assert (empty.annotation_dir / "pseudonym.key").read_text() == "pseudonym.key then"
    other = make_workspace(tmp_path / "other", n_sources=1)
    other.annotation_dir.mkdir()
    (other.annotation_dir / "pseudonym.key").write_text("of others")
    with pytest.raises(BadInput, match="of another campaign"):
        backup.restore(other, made)
    assert [file.name for file in other.annotation_dir.iterdir()] == ["pseudonym.key"]
    # What the campaign has learnt since is not taken back with the server.
    (stopped.annotation_dir / "campaign.json").write_text("since")
    backup.restore(stopped, made)
    assert (stopped.annotation_dir / "campaign.json").read_text() == "since"


def test_a_byte_that_flipped_anywhere_is_noticed_or_changes_nothing(stopped, tmp_path):
    made = backup.back_up(stopped)
    data, before = made.read_bytes(), contents(stopped)
    refused = 0
    for place in range(0, len(data), max(1, len(data) // 60)):
        flipped = tmp_path / "flipped.zip"
        flipped.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        try:
            backup.restore(stopped, flipped)
        except BadInput:
            refused += 1
            assert contents(stopped).keys() == before.keys()
        assert users(stopped) == {"ann@example.org"}
    assert refused > 55
    for length in (0, 10, len(data) // 2, len(data) - 1):
        flipped.write_bytes(data[:length])
        with pytest.raises(BadInput):
            backup.restore(stopped, flipped)


@pytest.mark.parametrize(
    "names",
    [
        ["label-studio/media/../../../evil"], ["label-studio/media//etc/evil"], ["label-studio/media/."], ["/etc/evil"],
        ["label-studio/media/"], ["label-studio/media/a", "label-studio/media/a/b"], ["label-studio/media/a\\..\\evil"],
        ["../evil"], ["people.json/../../evil"],
    ],
)  # fmt: skip
def test_an_archive_that_would_write_elsewhere_writes_nothing(stopped, fresh, tmp_path, names):
    before, outside = contents(stopped), {path for path in tmp_path.rglob("*") if "backups" not in path.parts}
    inner = {backup.DATABASE: fresh.read_bytes()} | dict.fromkeys(names, b"x")
    path = tmp_path / "foreign.zip"
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in inner.items()}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(backup.MANIFEST, json.dumps({"format": backup.FORMAT, "sha256": sums}))
        for name, data in inner.items():
            archive.writestr(name, data)
    with pytest.raises(BadInput, match="is no back-up"):
        backup.restore(stopped, path)
    assert contents(stopped) == before
    assert {one for one in tmp_path.rglob("*") if "backups" not in one.parts} <= outside | {path} | set(
        stopped.root.glob(".*.lock")
    )


def test_a_link_in_an_archive_becomes_a_file_and_never_a_link(stopped, fresh, tmp_path):
    path, name = tmp_path / "links.zip", "label-studio/media/link"
    inner = {backup.DATABASE: fresh.read_bytes(), name: b"/etc/passwd"}
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in inner.items()}
    link = zipfile.ZipInfo(name)
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(backup.MANIFEST, json.dumps({"format": backup.FORMAT, "sha256": sums}))
        archive.writestr(backup.DATABASE, inner[backup.DATABASE])
        archive.writestr(link, inner[name])
    backup.restore(stopped, path)
    restored = stopped.annotation_dir / name
    assert restored.is_file()
    assert not restored.is_symlink()
    assert restored.read_bytes() == b"/etc/passwd"


def test_an_archive_larger_than_the_disk_is_refused_before_it_is_unpacked(stopped, monkeypatch):
    made = backup.back_up(stopped)
    monkeypatch.setattr(backup.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 1000))
    with pytest.raises(BadInput, match="Make room"):
        backup.restore(stopped, made)


def test_the_commands_back_up_to_a_file_and_bring_it_back(stopped, tmp_path, capsys):
    serve, file = ["annotate", "serve", "-w", str(stopped.root)], tmp_path / "before.zip"
    assert cli.run([*serve, "--backup", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"backup": str(file)}
    assert file.stat().st_mode & 0o777 == 0o600
    add_user(server.data_dir(stopped) / database.NAME, "bob@example.org")
    assert cli.run([*serve, "--restore", str(file)]) == 0
    assert "before.zip" in capsys.readouterr().out
    assert users(stopped) == {"ann@example.org"}
    for arguments, sentence in (
        (["--backup", str(file)], "is there already"),
        (["--backup", str(tmp_path / "none" / "x.zip")], "cannot be written"),
        (["--restore", str(tmp_path / "none.zip")], "does not exist"),
        (["--stop", "--logs"], "one thing at a time"),
        (["--logs"], "never started"),
    ):
        assert cli.run([*serve, *arguments]) == 2
        assert sentence in capsys.readouterr().err
    assert cli.run([*serve, "--status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["server"] == "not running"


def test_what_is_no_back_up_is_one_sentence_and_leaves_all_as_it_was(stopped, fresh, tmp_path):
    before = contents(stopped)
    manifest = {"format": backup.FORMAT, "sha256": {}}
    climbing = manifest | {"sha256": {backup.DATABASE: "", "label-studio/media/../../../evil": ""}}
    cases = {
        "none.zip": (None, "does not exist"),
        "folder": ("folder", "damaged, or no back-up"),
        "text.zip": (b"hello", "damaged, or no back-up"),
        "database.zip": (fresh.read_bytes(), "damaged, or no back-up"),
        "other.zip": ({"a.txt": "x"}, "is no back-up"),
        "empty.zip": ({backup.MANIFEST: json.dumps(manifest)}, "is no back-up"),
        "list.zip": ({backup.MANIFEST: "[]"}, "is no back-up"),
        "sums.zip": ({backup.MANIFEST: json.dumps(manifest | {"sha256": "x"})}, "is no back-up"),
        "climb.zip": (
            {backup.MANIFEST: json.dumps(climbing), backup.DATABASE: "x", "label-studio/media/../../../evil": "x"},
            "is damaged|is no back-up",
        ),
    }
    for name, (data, sentence) in cases.items():
        path = tmp_path / name
        if isinstance(data, bytes):
            path.write_bytes(data)
        elif data == "folder":
            path.mkdir()
        elif data:
            with zipfile.ZipFile(path, "w") as archive:
                for inner, text in data.items():
                    archive.writestr(inner, text)
        with pytest.raises(BadInput, match=sentence):
            backup.restore(stopped, path)
    assert contents(stopped) == before
    assert not list(tmp_path.rglob("evil"))
    shutil.rmtree(server.data_dir(stopped))
    with pytest.raises(BadInput, match="no Label Studio of its own"):
        backup.back_up(stopped)


# The database at a start


def test_a_database_that_is_missing_or_was_half_made_is_made_new(campaign, fresh):
    folder = server.data_dir(campaign)
    folder.mkdir(parents=True)
    path = folder / database.NAME
    database.prepare(folder, pytest.fail)
    assert path.read_bytes() == fresh.read_bytes()
    path.write_bytes(b"")
    database.prepare(folder, pytest.fail)
    assert path.read_bytes() == fresh.read_bytes()
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as opened, opened:
        opened.execute("CREATE TABLE django_migrations (app, name)")
    (folder / f"{database.NAME}-journal").write_bytes(b"")
    database.prepare(folder, pytest.fail)
    assert path.read_bytes() == fresh.read_bytes()
    assert not (folder / f"{database.NAME}-journal").exists()


def test_a_damaged_foreign_or_newer_database_is_one_sentence_and_stays(stopped, fresh):
    folder = server.data_dir(stopped)
    path = folder / database.NAME
    whole = path.read_bytes()

    def refused(match: str) -> None:
        before = path.read_bytes()
        with pytest.raises(BadInput, match=match):
            database.prepare(folder, pytest.fail)
        assert path.read_bytes() == before

    path.write_bytes(b"no database at all, but long enough to look at" * 100)
    refused("damaged: file is not a database")
    path.write_bytes(whole[: len(whole) // 2])
    refused("damaged")
    torn = bytearray(whole)
    torn[200_000:260_000] = os.urandom(60_000)
    path.write_bytes(torn)
    refused("damaged")
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as opened, opened:
        opened.execute("CREATE TABLE htx_user (email)")
    refused("no database of Label Studio")
    path.write_bytes(whole)
    with contextlib.closing(sqlite3.connect(path)) as opened, opened:
        opened.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('tasks', '9999_later', '2030-01-01')"
        )
    refused(f"newer Label Studio than {installation.VERSION}")


@pytest.mark.server
def test_a_database_of_an_older_label_studio_is_copied_and_brought_up_to_date(stopped):
    """Made older by Label Studio itself, which takes its newest change of the users' table back."""
    path = server.data_dir(stopped) / database.NAME
    environment = installation.server_environment(server.data_dir(stopped)) | {
        "DJANGO_SETTINGS_MODULE": "core.settings.label_studio", "PYTHONPATH": str(installation.source()),
    }  # fmt: skip
    command = [installation.home() / "bin" / "python", installation.source() / "manage.py", "migrate", "users", "0010"]
    subprocess.run(command, env=environment, check=True, capture_output=True)

    def columns(file: Path) -> set[str]:
        with contextlib.closing(sqlite3.connect(file)) as opened:
            return {row[1] for row in opened.execute("PRAGMA table_info(htx_user)")}

    assert "custom_hotkeys" not in columns(path)
    for name in ("token", "credentials.json"):
        (stopped.annotation_dir / name).unlink()
    said: list[str] = []
    try:
        server.serve(stopped, said.append, server_port())
        assert connect(stopped).users().keys()
    finally:
        server.stop(stopped)
    assert "custom_hotkeys" in columns(path)
    assert "ann@example.org" in users(stopped)
    kept = path.with_name(f"{database.NAME}.before-{installation.VERSION}")
    assert "custom_hotkeys" not in columns(kept)
    assert any(str(kept) in line for line in said)


def server_port() -> int:
    with server.socket.socket() as probe:
        probe.bind((server.HOST, 0))
        return int(probe.getsockname()[1])


# The real server


@own_server
@pytest.mark.server
def test_a_back_up_under_load_is_whole_and_brings_the_server_back(served_workspace, tmp_path):
    workspace = served_workspace
    client = connect(workspace)
    project = client.create_project("Backed up", SCREEN, 1)
    tasks = client.import_tasks(project, [{"data": {"text": str(n)}} for n in range(30)])
    client.add_annotation(tasks[0], ANSWER)
    busy = threading.Thread(target=lambda: [client.add_annotation(task, ANSWER) for task in tasks[1:]])
    busy.start()
    made = backup.back_up(workspace)
    busy.join()
    later = client.create_project("Later", SCREEN, 1)
    with pytest.raises(BadInput, match=r"is running.* --stop"):
        backup.restore(workspace, made)
    url = server.find_server(workspace).url
    server.stop(workspace)
    try:
        backup.restore(workspace, made)
    finally:
        server.serve(workspace, print)
    again = connect(workspace)  # with the token as before
    assert again.url == url
    assert projects_called(again, "Later") == {}
    with pytest.raises(BadInput, match="deleted"):
        again.project_state(later)
    again.export(project, tmp_path / "export.json")
    exported = json.loads((tmp_path / "export.json").read_text())
    given = sum(len(task["annotations"]) for task in exported)
    assert [task["data"]["text"] for task in sorted(exported, key=lambda task: task["id"])] == [
        str(n) for n in range(30)
    ]
    assert 1 <= given <= 30
    assert again.project_state(project)["total_annotations_number"] == given
    # What stood there is not lost.
    kept = server.data_dir(workspace) / f"{database.NAME}.before-restore"
    with contextlib.closing(sqlite3.connect(kept)) as opened:
        assert opened.execute("SELECT count(*) FROM task_completion WHERE project_id = ?", [project]).fetchone() == (
            30,
        )
        assert opened.execute("SELECT count(*) FROM project WHERE id = ?", [later]).fetchone() == (1,)
    again.delete_project(project)


@own_server
@pytest.mark.server
def test_the_log_of_the_start_before_is_kept(served_workspace):
    running = server.find_server(served_workspace)
    server.log_path(served_workspace).write_text("what it said then")
    server.stop(served_workspace)
    assert server.serve(served_workspace, print).url == running.url
    assert server.log_path(served_workspace).with_name("label-studio.log.1").read_text() == "what it said then"
    assert httpx.get(f"{running.url}/health").status_code == 200
