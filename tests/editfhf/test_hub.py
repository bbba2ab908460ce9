"""Publishing through the real client of the Hub to a server on this machine that speaks its protocol."""

import json
import re

import pytest

from editfhf import cli, hub
from editfhf.errors import BadInput, JobFailed
from editfhf.export import build_dataset
from refiner import runs
from tests.editfhf.answered import make_answered
from tests.hub_server import SMALL, HubServer, Repository, use_hub

TOKEN = "hf_a_secret_of_this_test"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("published")
    build_dataset(make_answered(root / "campaign", n_sources=3), root / "dataset")
    return root / "dataset"


@pytest.fixture
def run(tmp_path):
    """A run folder as `train` leaves it, with the checkpoint of its last epoch and a lock."""
    folder = tmp_path / "run"
    (folder / "checkpoint").mkdir(parents=True)
    for number, name in enumerate(hub.RUN_FILES):
        (folder / name).write_bytes(bytes([65 + number]) * 300 * (number + 1))
    (folder / "run.json").write_text('{"format": 1}')
    for name in ("checkpoint/epoch-3.safetensors", ".lock", "config.json", "notes about colleagues.txt"):
        (folder / name).write_bytes(b"not to be published")
    return folder


@pytest.fixture
def server(tmp_path, monkeypatch):
    with HubServer(token=TOKEN) as server:
        use_hub(monkeypatch, server.url, tmp_path / "cache", TOKEN)
        yield server


def test_the_files_of_a_run_are_those_that_training_writes():
    assert hub.RUN_FILES == runs.FILES


def test_a_dataset_arrives_private_whole_and_byte_for_byte(dataset, server, capsys):
    assert cli.run(["publish", str(dataset), "--repo", "me/edits"]) == 0
    said = capsys.readouterr()
    assert "editfhf.load('me/edits')" in said.out
    assert TOKEN not in said.out + said.err
    (there,) = server.repositories.values()
    assert there.private
    on_disk = {path.relative_to(dataset).as_posix(): path for path in dataset.rglob("*") if path.is_file()}
    assert any(path.stat().st_size > SMALL for path in on_disk.values())
    assert there.files == {name: path.read_bytes() for name, path in on_disk.items()}


def test_of_a_run_only_its_own_files_arrive_and_it_can_be_fetched_by_its_name(run, server):
    assert cli.run(["publish", str(run), "--repo", "me/refiner"]) == 0
    there = server.repositories["me/refiner"]
    assert set(there.files) == set(hub.RUN_FILES)
    fetched = runs.run_folder("me/refiner")
    assert {path.name: path.read_bytes() for path in fetched.iterdir()} == there.files


def test_what_stands_beside_a_dataset_stays_at_home(dataset, server):
    secret = dataset / "data/edits/notes.txt"
    secret.write_text("about colleagues")
    try:
        hub.publish(hub.read_publication(dataset), "me/edits")
    finally:
        secret.unlink()
    assert not any("notes" in name for name in server.repositories["datasets/me/edits"].files)


def test_a_dry_run_lists_files_and_sizes_and_asks_nobody(dataset, server, monkeypatch, capsys):
    monkeypatch.delenv("HF_TOKEN")
    assert cli.run(["publish", str(dataset), "--repo", "me/edits", "--dry-run", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["visibility"] == "private"
    assert {one["file"]: one["bytes"] for one in shown["files"]} == {
        path.relative_to(dataset).as_posix(): path.stat().st_size for path in dataset.rglob("*") if path.is_file()
    }
    assert shown["bytes"] == sum(one["bytes"] for one in shown["files"])
    assert cli.run(["publish", str(dataset), "--repo", "me/edits", "--dry-run"]) == 0
    assert "Would be uploaded" in capsys.readouterr().out
    assert server.asked == []


def test_a_second_upload_sends_no_large_file_again_and_takes_old_shards_away(dataset, server):
    server.repositories["datasets/me/edits"] = Repository(
        private=True, files={"data/edits/train-00000-of-00009.parquet": b"old", "notes.md": b"of the owner"}
    )
    hub.publish(hub.read_publication(dataset), "me/edits")
    there = server.repositories["datasets/me/edits"].files
    assert "data/edits/train-00000-of-00009.parquet" not in there
    assert there["notes.md"] == b"of the owner"
    server.asked.clear()
    hub.publish(hub.read_publication(dataset), "me/edits")
    assert not [one for one in server.asked if one.startswith("PUT /lfs")]


def test_an_upload_that_broke_off_goes_on_where_it_was(dataset, server):
    server.uploads_left = 1
    with pytest.raises(JobFailed, match=r"Publishing to me/edits broke off: .* it goes on"):
        hub.publish(hub.read_publication(dataset), "me/edits")
    sent = len(server.objects)
    assert sent == 1
    server.uploads_left = 1_000
    server.asked.clear()
    publication = hub.read_publication(dataset)
    hub.publish(publication, "me/edits")
    large = sum(size > SMALL for size in publication.files.values())
    assert len([one for one in server.asked if one.startswith("PUT /lfs")]) == large - sent


def test_public_is_public_and_a_public_repository_is_not_written_to_by_accident(run, server):
    publication = hub.read_publication(run)
    hub.publish(publication, "me/refiner")
    hub.publish(publication, "me/refiner", public=True)
    assert not server.repositories["me/refiner"].private
    hub.publish(publication, "me/other", public=True)
    assert not server.repositories["me/other"].private
    before = dict(server.repositories["me/other"].files)
    (run / "weights.safetensors").write_bytes(b"a secret")
    with pytest.raises(BadInput, match=r"public\. Add --public"):
        hub.publish(hub.read_publication(run), "me/other")
    assert server.repositories["me/other"].files == before


@pytest.mark.parametrize(
    ("token", "repository", "message"),
    [
        (None, "me/refiner", "No token for the Hub. Set HF_TOKEN"),
        ("hf_wrong_token", "me/refiner", r"does not let this token write to me/refiner \(401\)"),
        (TOKEN, "them/refiner", r"does not let this token write to them/refiner \(403\)"),
        (TOKEN, "refiner", "no name of a repository"),
        (TOKEN, "me/re finer", "no name of a repository"),
        (TOKEN, "me/a/b", "no name of a repository"),
        (TOKEN, "../x", "no name of a repository"),
    ],
)
def test_what_the_hub_refuses_is_one_sentence_without_the_token(
    run, server, monkeypatch, tmp_path, capsys, token, repository, message
):
    use_hub(monkeypatch, server.url, tmp_path / "cache", token)
    assert cli.run(["publish", str(run), "--repo", repository]) == 2
    said = capsys.readouterr().err
    assert re.search(message, said)
    assert said.count("\n") == 1
    assert not token or token not in said


def test_a_hub_that_cannot_be_reached_is_one_sentence(run, monkeypatch, tmp_path, capsys):
    use_hub(monkeypatch, "http://127.0.0.1:1", tmp_path / "cache", TOKEN)
    assert cli.run(["publish", str(run), "--repo", "me/refiner"]) == 1
    assert "broke off" in capsys.readouterr().err


def test_a_token_that_no_header_can_hold_is_not_printed(run, server, monkeypatch, tmp_path, capsys):
    use_hub(monkeypatch, server.url, tmp_path / "cache", "hf_secret\x01with_a_control")
    assert cli.run(["publish", str(run), "--repo", "me/refiner"]) in (1, 2)
    assert "hf_secret" not in capsys.readouterr().err


def test_what_is_no_dataset_and_no_run_is_one_sentence(dataset, run, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=r"neither a dataset .* nor a trained run"):
        hub.read_publication(tmp_path / "empty")
    with pytest.raises(BadInput, match="is no folder"):
        hub.read_publication(tmp_path / "none")
    (run / "calibration.json").unlink()
    with pytest.raises(BadInput, match=r"calibration\.json is missing"):
        hub.read_publication(run)
    (run / "run.json").write_text("{")
    with pytest.raises(BadInput, match=r"run\.json is damaged"):
        hub.read_publication(run)


def test_a_dataset_that_is_not_whole_is_not_published(dataset):
    card = dataset / "README.md"
    text = card.read_bytes()
    try:
        card.write_bytes(text + b"changed")
        with pytest.raises(BadInput, match="the manifest says"):
            hub.read_publication(dataset)
        card.unlink()
        card.symlink_to("/etc/hostname")
        with pytest.raises(BadInput, match="lies elsewhere"):
            hub.read_publication(dataset)
    finally:
        card.unlink()
        card.write_bytes(text)
