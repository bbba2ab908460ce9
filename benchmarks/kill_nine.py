"""Twenty kills −9 at random moments, of the run and of its workers: `python benchmarks/kill_nine.py [local] [ray]`.

After the last kill the run is let through once, and the workspace is looked at: planned edits without an image are
lost, images that no edit owns are doubled work that was paid for, files whose bytes are not those of their name are
torn. The peer is the plan: as many edits as an unbroken run makes.
"""

import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.campaigns import environment, make_campaign
from editfhf import console
from editfhf.workspace import Workspace

KILLS = 20
LONGEST_S = 540
WORKERS = {"local": "generators.local_engine", "ray": "ray::_Actor"}


def main(engines: list[str]) -> None:
    rows = []
    for engine in engines:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(engine, make_campaign(Path(folder), photos=120, side=128, seconds=0.2)))
    console.show(rows, title=f"{KILLS} kills −9 at random moments")


def measure(engine: str, root: Path) -> dict[str, object]:
    moments = random.Random(1)
    begin = time.monotonic()
    kills = {"of the run": 0, "of a worker": 0}
    run: subprocess.Popen[bytes] | None = None
    while sum(kills.values()) < KILLS and time.monotonic() - begin < LONGEST_S:
        before = count(root)
        if run is None or run.poll() is not None:
            run = start(engine, root)
        while count(root) == before and run.poll() is None and time.monotonic() - begin < LONGEST_S:
            time.sleep(0.01)  # a kill while nothing is made would prove little
        time.sleep(moments.uniform(0, 0.5))
        victims = workers(engine)
        if victims and moments.random() < 0.5:
            os.kill(victims[0], signal.SIGKILL)
            kills["of a worker"] += 1
        elif run.poll() is None:
            run.kill()
            run.wait()
            kills["of the run"] += 1
    if run is not None and run.poll() is None:
        run.wait()
    made_before = count(root)
    subprocess.run(command(engine, root), check=True, capture_output=True, env=environment())
    return {"engine": engine, **kills, "images before the last run": made_before, **look_at(root)}


def look_at(root: Path) -> dict[str, int]:
    """Edits planned, lost and doubled, files torn."""
    workspace = Workspace.open(root)
    owned = [edit.image.removeprefix("images/") for edit in workspace.edits()]
    stored = {f"{path.parent.name}/{path.name}": path for path in workspace.images_dir.glob("??/*")}
    torn = [
        name
        for name, path in stored.items()
        if hashlib.sha256(path.read_bytes()).hexdigest() != path.stem or name.startswith(".")
    ]
    planned = len(workspace.ledger.statuses())
    return {
        "planned": planned,
        "lost": planned - sum(name in stored for name in owned),
        "doubled": len(stored.keys() - set(owned)) + len(owned) - len(set(owned)),
        "torn": len(torn),
    }


def start(engine: str, root: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command(engine, root), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()
    )


def command(engine: str, root: Path) -> list[str]:
    return [sys.executable, "-m", "editfhf", "generate", "-w", str(root), "--engine", engine, "--workers", "2"]


def workers(engine: str) -> list[int]:
    """Processes that hold a model now."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if WORKERS[engine] in " ".join(process.info["cmdline"] or []):
            found.append(process.pid)
    return found


def count(root: Path) -> int:
    return sum(1 for _ in (root / "images").glob("??/[!.]*"))


if __name__ == "__main__":
    main(sys.argv[1:] or ["local", "ray"])
