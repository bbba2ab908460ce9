"""Images in a store elsewhere: a real S3 client against a local S3 server."""

import socket
import subprocess
import sys
import time

import pytest

from editfhf.errors import BadInput, JobFailed
from editfhf.workspace import Workspace
from generators.runner import generate
from tests.editfhf.answered import answer
from tests.generators.conftest import N_PHOTOS
from tests.generators.test_runner import state

EVERYTHING = N_PHOTOS * 3 * 2


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("s3") / "log"
    with log.open("wb") as file:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-p", str(port), "-H", "127.0.0.1"], stdout=file, stderr=file
        )
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    server.kill()
    server.wait()


@pytest.fixture
def bucket(s3_server, monkeypatch) -> str:
    import s3fs

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anything")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
    files = s3fs.S3FileSystem(endpoint_url=s3_server)
    if not files.exists("campaigns"):
        files.mkdir("campaigns")
    return s3_server


def storage(url: str, endpoint: str) -> str:
    return f"storage:\n  images: {url}\n  options: {{endpoint_url: '{endpoint}'}}\n"


def test_images_lie_in_the_bucket_and_are_the_same(bucket, make_campaign, workspace):
    import s3fs

    generate(workspace)
    remote = make_campaign(more=storage("s3://campaigns/one", bucket))
    assert generate(remote).made == EVERYTHING
    assert list(remote.images_dir.rglob("*.png")) == []
    stored = s3fs.S3FileSystem(endpoint_url=bucket).find("campaigns/one")
    assert {path.rsplit("/", 1)[1] for path in stored} == {edit.image.rsplit("/", 1)[1] for edit in workspace.edits()}
    assert state(remote) == state(workspace)  # fetched into the cache
    assert generate(Workspace.open(remote.root)).already_made == EVERYTHING


def test_an_image_that_vanished_from_the_bucket_is_made_again(bucket, make_campaign):
    import s3fs

    remote = make_campaign(more=storage("s3://campaigns/two", bucket))
    generate(remote)
    victim = remote.edits()[0].image
    files = s3fs.S3FileSystem(endpoint_url=bucket)
    files.rm(f"campaigns/two/{victim.removeprefix('images/')}")
    sharing = sum(edit.image == victim for edit in remote.edits())
    assert generate(Workspace.open(remote.root)).made == sharing


def test_what_was_damaged_there_is_noticed(bucket, make_campaign):
    import s3fs

    remote = make_campaign(more=storage("s3://campaigns/three", bucket))
    generate(remote)
    victim = remote.edits()[0].image
    s3fs.S3FileSystem(endpoint_url=bucket).pipe_file(
        f"campaigns/three/{victim.removeprefix('images/')}", b"something else"
    )
    with pytest.raises(BadInput, match="is damaged"):
        Workspace.open(remote.root).read_image(victim)


def test_a_dataset_is_built_from_images_in_a_bucket(bucket, make_campaign, tmp_path):
    import datasets

    from editfhf.export import build_dataset

    remote = make_campaign(more=storage("s3://campaigns/four", bucket), photos=4)
    generate(remote)
    answer(remote, remote.edits())
    build_dataset(remote, tmp_path / "dataset")
    rows = sum(len(split) for split in datasets.load_dataset(str(tmp_path / "dataset")).values())
    assert rows == len(remote.edits()) > 0


@pytest.mark.parametrize(
    ("url", "endpoint", "error", "message"),
    [
        ("s3://no-such-bucket/x", None, BadInput, "no-such-bucket.*bucket"),
        ("s3://campaigns/x", "http://127.0.0.1:1", JobFailed, "cannot be reached.*nothing is lost"),
        ("nonsense://campaigns/x", None, BadInput, "storage.images is 'nonsense://campaigns/x'"),
    ],
)
def test_a_store_that_cannot_be_used_is_one_sentence(bucket, make_campaign, url, endpoint, error, message):
    remote = make_campaign("[test/one]", storage(url, endpoint or bucket))
    with pytest.raises(error, match=message):
        generate(remote)
