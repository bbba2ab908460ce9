import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from annotation import remote, server
from annotation.campaign import read_assignments, require_projects
from annotation.client import Client, connect
from annotation.harvest import HARVESTED
from editfhf.schema import PredictedRegion
from editfhf.workspace import Workspace
from tests import team_server
from tests.factories import make_workspace

# `make test-postgres`: the server that most tests share runs on PostgreSQL, as that of a team.
DATABASE_VARIABLE = "EDITFHF_TEST_DATABASE"
ON_POSTGRESQL = os.environ.get(DATABASE_VARIABLE, "sqlite") == "postgresql"
own_server = pytest.mark.skipif(ON_POSTGRESQL, reason="about the server of a workspace, which is on SQLite")

N_EDITS = 8
SQUARE = [[[0.1, 0.1], [0.5, 0.1], [0.5, 0.5], [0.1, 0.5]], [[0.2, 0.2], [0.3, 0.2], [0.3, 0.3]]]


@pytest.fixture(scope="session")
def served_workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace with 8 edits and its Label Studio: a real one, started once for all tests."""
    workspace = make_workspace(tmp_path_factory.mktemp("annotation") / "campaign", n_sources=2)
    use_settings(workspace)
    if ON_POSTGRESQL:
        with on_postgresql(workspace):
            yield workspace
        return
    try:
        server.serve(workspace, print, free_port())
        yield workspace
    finally:
        server.stop(workspace)


@contextmanager
def on_postgresql(workspace: Workspace) -> Iterator[None]:
    """Its server is that of a team, by its address; name, password and token lie where tests look for them."""
    served = server.served_dir(workspace)
    with team_server.started("--port", free_port(), "--serve", served) as folder, pytest.MonkeyPatch.context() as patch:
        for name in ("credentials.json", "token"):
            shutil.copy(folder / name, workspace.annotation_dir / name)
        patch.setenv(remote.TOKEN_VARIABLE, (folder / "token").read_text())
        remote.remember(workspace, team_server.start(folder)["url"])
        yield


def free_port() -> int:
    """Not the usual one: the server of another test may take that while this one is restarted."""
    with socket.socket() as probe:
        probe.bind((server.HOST, 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def workspace(served_workspace: Workspace) -> Workspace:
    """That workspace with a campaign not yet pushed."""
    start_afresh(served_workspace)
    return served_workspace


SETTINGS = {
    "screens": "[together]", "raters_per_edit": 3, "drawers_per_edit": 4, "checks": 0.0, "repeats": 0.0,
    "simulated_annotators": 8, "consent": "false", "vision_check": "false",
}  # fmt: skip


def use_settings(workspace: Workspace, **changes: object) -> Workspace:
    """A small campaign: ratings and regions on one screen, by four people, unless a test says otherwise.

    Nobody has to be admitted, unless it is about that.
    """
    lines = [f"  {name}: {value}" for name, value in (SETTINGS | changes).items()]
    (workspace.root / "editfhf.yaml").write_text("\n".join(["annotation:", *lines]) + "\n")
    workspace.__dict__.pop("config", None)  # read again
    return workspace


def start_afresh(workspace: Workspace) -> None:
    """Forget the campaign; the projects of other tests stay on the server beside the next one."""
    for name in ("campaign.json", "projects.json", "people.json", "erased.json"):
        (workspace.annotation_dir / name).unlink(missing_ok=True)
    for name in ("raw", "checks", "marks", "pairs", "plates", "consent"):
        shutil.rmtree(workspace.annotation_dir / name, ignore_errors=True)
    for name in (*HARVESTED, "assignments"):
        workspace.table_path(name).unlink(missing_ok=True)
    use_settings(workspace)


def only_project(workspace: Workspace, client: Client) -> int:
    """The project that everybody shares, of a campaign with one screen and nobody named."""
    (project,) = require_projects(workspace, client).known.values()
    return project


def edits_of(workspace: Workspace) -> dict[str, str]:
    """Item → edit."""
    return {row.item_id: row.edit_id for row in read_assignments(workspace)}


@pytest.fixture
def client(workspace: Workspace) -> Client:
    return connect(workspace)


def predict_everywhere(workspace, model: str = "run@1234") -> None:
    """Two drawn regions on every edit, and a flaw without a place."""
    rows = []
    for edit in workspace.edits():
        one = PredictedRegion(edit.edit_id, model, "artifact", "texture_noise", "region", SQUARE, "grain <b>", 0.8)
        rows += [
            one,
            replace(one, kind="editing_failure", flaw_type="not_edited", confidence=0.6),
            replace(one, kind="editing_failure", flaw_type="wrong_style", extent="whole", polygon=[]),
        ]
    workspace.write_table("predictions", rows)


@pytest.fixture
def predicted(workspace):
    """The workspace of the server, not yet pushed, with predictions for every edit; one of two photos is in test."""
    predict_everywhere(workspace)
    yield workspace
    workspace.table_path("predictions").unlink()
