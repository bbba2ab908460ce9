"""`editfhf demo`, killed with -9 in each of its stages, ends with the same edits and doubles nothing on the server."""

import hashlib
import random
import re
import subprocess
import sys
import time
from collections import Counter
from itertools import takewhile
from pathlib import Path

import pytest

from editfhf import cli
from editfhf.demo import demo_commands
from editfhf.workspace import Workspace
from tests.annotation.on_server import tasks_on_server

pytestmark = pytest.mark.server
EDITS = 48  # fewer leave too few to train on


def state(root: Path) -> dict[str, str]:
    """edit_id → hash of the bytes on disk."""
    workspace = Workspace.open(root)
    return {
        edit.edit_id: hashlib.sha256(workspace.path_of(edit.image).read_bytes()).hexdigest()
        for edit in workspace.edits()
    }


def start(root: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "editfhf", "demo", str(root), "--edits", str(EDITS)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def kill_in_stage(root: Path, stage: str, seconds: float) -> None:
    """Start the demo and kill it `seconds` after it has printed the command of a stage."""
    demo = start(root)
    for line in demo.stdout:
        if re.match(rf"\$ editfhf {stage}\b", line):
            time.sleep(seconds)
            break
    else:
        raise AssertionError(f"the demo ended and never came to {stage}")
    demo.kill()
    demo.wait()


def test_killed_in_every_stage_it_ends_as_if_never_killed(tmp_path):
    unbroken, killed = tmp_path / "unbroken", tmp_path / "killed"
    assert start(unbroken).wait(timeout=1200) == 0

    moments = random.Random(11)
    stages = [" ".join(takewhile(str.isalpha, command)) for command in demo_commands(killed, EDITS)]
    for stage in dict.fromkeys(stages):  # `analyze` comes twice
        kill_in_stage(killed, stage, moments.uniform(0.1, 2.0))
    assert start(killed).wait(timeout=1200) == 0

    assert state(killed) == state(unbroken)
    assert "Benchmark of the refiner" in (killed / "analysis" / "report.html").read_text(encoding="utf-8")
    assert cli.run(["validate", str(killed / "dataset")]) == 0
    assert cli.run(["annotate", "serve", "-w", str(killed)]) == 0
    try:
        tasks = tasks_on_server(Workspace.open(killed))
    finally:
        assert cli.run(["annotate", "serve", "-w", str(killed), "--stop"]) == 0
    settings = Workspace.open(killed).config.annotation
    wanted = {"ratings": settings.raters_per_edit, "regions": settings.drawers_per_edit}
    given = Counter((task["project_type"], task["edit_id"]) for task in tasks if task["role"] == "edit")
    assert given == {(screen, edit): n for screen, n in wanted.items() for edit in state(unbroken)}
    assert {task["answers"] for task in tasks} == {1}
