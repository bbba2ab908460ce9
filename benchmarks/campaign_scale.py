"""A campaign's push, answers and pull beside the server's own export.

`python benchmarks/campaign_scale.py OUT [--edits 5000] [--at-once 1] [--postgresql] [--only-push]`

Ten simulated people answer every edit on the screen with ratings and regions, through the embedded Label Studio, or
through that of a team on PostgreSQL. Printed are the times of push and pull, and pull as a ratio to the server's own
JSON export of the same projects in the same run; the peak memory of the pull in MB; and what N people at the same time
(`--at-once N`) lost, doubled or got too much.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from annotation import campaign, collect, remote, server, simulate
from annotation.client import Client, connect
from annotation.export_file import read_export
from annotation.harvest import HARVESTED
from annotation.projects import Projects
from editfhf import console
from editfhf.workspace import Workspace
from tests import team_server
from tests.annotation.conftest import free_port
from tests.annotation.on_server import tasks_on_server
from tests.factories import make_workspace

EDITS_A_PHOTO = 4  # of `make_workspace`
PEOPLE = 10


def main(out: Path, edits: int, at_once: int, on_postgresql: bool, only_push: bool) -> None:
    workspace = _workspace(out, edits)
    with (_team_server if on_postgresql else _own_server)(workspace):
        client = connect(workspace)
        rows = [_timed("push", lambda: campaign.push(workspace, client).tasks)]
        if only_push:
            rows.append(_timed("push again, nothing changed", lambda: campaign.push(workspace, client).tasks))
            console.show(rows)
            return
        rows.append(_timed(f"answers, {at_once} at once", lambda: _answers(workspace, client, at_once)))
        rows.append(_timed("the server's export", lambda: _export(workspace, client)))
        rows.append(_timed("pull", lambda: _pull_in_a_process(workspace)))
        rows.append(_timed("pull again, nothing changed", lambda: len(collect.pull(workspace, client).changed)))
        console.show([*rows, {"what": "pull / export", "seconds": round(rows[3]["seconds"] / rows[2]["seconds"], 2)}])
        console.show(_exactness(workspace))


@contextmanager
def _own_server(workspace: Workspace) -> Iterator[None]:
    server.serve(workspace, console.note)
    try:
        yield
    finally:
        server.stop(workspace)


@contextmanager
def _team_server(workspace: Workspace) -> Iterator[None]:
    with team_server.started("--port", free_port(), "--serve", server.served_dir(workspace)) as folder:
        os.environ[remote.TOKEN_VARIABLE] = (folder / "token").read_text()
        remote.remember(workspace, team_server.start(folder)["url"])
        yield


def _workspace(out: Path, edits: int) -> Workspace:
    root = out / f"campaign-{edits}"
    if not root.is_dir():
        make_workspace(root, n_sources=-(-edits // EDITS_A_PHOTO))
    (root / "editfhf.yaml").write_text(
        f"annotation:\n  screens: [together]\n  drawers_per_edit: {PEOPLE}\n  checks: 0.0\n  repeats: 0.0\n"
    )
    shutil.rmtree(root / "annotation", ignore_errors=True)  # a server and a campaign of its own in each run
    workspace = Workspace.open(root)
    for name in (*HARVESTED, "assignments"):
        workspace.table_path(name).unlink(missing_ok=True)
    return workspace


def _answers(workspace: Workspace, client: Client, at_once: int) -> int:
    return simulate.simulate(workspace, client, annotators=PEOPLE if at_once == 1 else at_once, at_once=at_once).answers


def _export(workspace: Workspace, client: Client) -> int:
    with tempfile.TemporaryDirectory() as folder:
        sizes = []
        for project in Projects(workspace, client).known.values():
            path = Path(folder) / f"{project}.json"
            client.export(project, path)
            sizes.append(path.stat().st_size)
        return sum(sizes)


def _pull_in_a_process(workspace: Workspace) -> int:
    """As a user pulls; its peak memory in MB."""
    peak = Path(__file__).with_name("peak.py")
    command = [sys.executable, str(peak), "annotate", "pull", "-w", str(workspace.root)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _timed(what: str, work: object) -> dict[str, object]:
    start = time.perf_counter()
    result = work()  # type: ignore[operator]
    return {"what": what, "seconds": round(time.perf_counter() - start, 2), "result": result}


def _exactness(workspace: Workspace) -> list[dict[str, object]]:
    """What an assignment promises, counted in the server's own export of all answers."""
    edit_of = {row.item_id: row.edit_id for row in campaign.read_assignments(workspace)}
    answers = {
        (path.stem, task["id"]): (edit_of[task["data"]["item"]], len(task["annotations"]))
        for path in collect.raw_folder(workspace).glob("project-*.json")
        for task in read_export(path)
    }
    given: Counter[str] = Counter()
    for edit, n in answers.values():
        given[edit] += n
    counted = sum(task["answers"] for task in tasks_on_server(workspace))
    wanted = {edit.edit_id: PEOPLE for edit in workspace.edits()}
    return [
        {"promise": "answers lost", "broken": sum(max(0, n - given[edit]) for edit, n in wanted.items())},
        {"promise": "answers too many", "broken": sum(max(0, given[edit] - n) for edit, n in wanted.items())},
        {"promise": "tasks answered twice", "broken": sum(n > 1 for _, n in answers.values())},
        {"promise": "answers that the server did not count at their task", "broken": given.total() - counted},
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--edits", type=int, default=5000)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--only-push", action="store_true")
    chosen = parser.parse_args()
    out = chosen.out.expanduser().resolve()
    main(out, chosen.edits, chosen.at_once, chosen.postgresql, chosen.only_push)
