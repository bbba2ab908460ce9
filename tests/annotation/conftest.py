from collections.abc import Iterator

import pytest

from annotation import server
from annotation.client import Client, connect
from annotation.collect import PULLED_TABLES
from editfhf.workspace import Workspace
from tests.factories import make_workspace

N_EDITS = 8


@pytest.fixture(scope="session")
def served_workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace with 8 edits and its Label Studio: a real one, started once for all tests."""
    workspace = make_workspace(tmp_path_factory.mktemp("annotation") / "campaign", n_sources=2)
    try:
        server.serve(workspace, print)
        yield workspace
    finally:
        server.stop(workspace)


@pytest.fixture
def workspace(served_workspace: Workspace) -> Workspace:
    """That workspace with a campaign not yet pushed."""
    start_afresh(served_workspace)
    return served_workspace


def start_afresh(workspace: Workspace) -> None:
    """Forget the campaign; the projects of other tests stay on the server beside the next one."""
    (workspace.annotation_dir / "campaign.json").unlink(missing_ok=True)
    for name in PULLED_TABLES:
        workspace.table_path(name).unlink(missing_ok=True)


@pytest.fixture
def client(workspace: Workspace) -> Client:
    return connect(workspace)
