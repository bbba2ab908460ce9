"""Label Studio on a real PostgreSQL from Debian's package, started for tests by deploy/team-server."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


def team_server(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(REPOSITORY / "deploy" / "team-server"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def start(folder: Path, *arguments: object) -> dict:
    """Start it, or find it running: its `url`, `pid` and `token_file`."""
    done = team_server("start", folder, *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def started(*arguments: object) -> Iterator[Path]:
    """The folder of a running one; gone at the end."""
    require_postgresql()
    # Not pytest's folder: the user postgres may not enter it.
    parent = Path(tempfile.mkdtemp(prefix="team-", dir="/tmp"))
    parent.chmod(0o755)
    try:
        start(parent / "server", *arguments)
        yield parent / "server"
    finally:
        team_server("stop", parent / "server")
        shutil.rmtree(parent)


def require_postgresql() -> None:
    def found() -> bool:
        return any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))

    if not found() and os.geteuid() == 0:
        subprocess.run(["sh", str(REPOSITORY / "deploy" / "install-debian-packages")], check=False, capture_output=True)
    if not found():
        pytest.skip("needs Debian's package postgresql: sh deploy/install-debian-packages, as root")
