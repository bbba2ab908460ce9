"""Kills −9 at random moments, of a run and of its workers: `python benchmarks/kill_nine.py [local] [ray] [--kills N]`.

At each kill, before the next run could mend anything, the images are looked at: one whose bytes are not those of its
name is torn. The disk is slow and the images have about a megabyte, so that many kills come in the middle of writing
one. After the last kill the run is let through once. Planned edits that are not done, or without an image, are lost.
The models note every call: an edit that was done at a kill and is asked for again was made twice, and over all no more
calls are allowed than there are edits, and jobs in flight at the kills. The peer is the plan: as many edits as an
unbroken run makes.
"""

import argparse
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.campaigns import environment, make_campaign
from editfhf import console
from editfhf.ledger import Ledger
from editfhf.workspace import Workspace

N_WORKERS = 2
DEPTH = 3  # edits that a worker holds at the same time: one decoded, one with the model, one encoded
WORKERS = {"local": "generators.local_engine", "ray": "ray::_Actor"}
SIDE = 640  # pixels: a PNG of a megabyte


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("engines", nargs="*", metavar="local|ray", help="default: both")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--photos", type=int, default=120, help="a third of the edits; default: 120")
    parser.add_argument("--longest", type=float, default=540, help="seconds of killing for an engine; default: 540")
    chosen = parser.parse_args()
    rows = []
    for engine in chosen.engines or list(WORKERS):
        with tempfile.TemporaryDirectory() as folder:
            root = make_campaign(Path(folder), chosen.photos, SIDE, seconds=0.2)
            rows.append(Killing(engine, root).measure(chosen.kills, chosen.longest))
            console.show(rows[-1:], title=f"{engine}: kills −9 at random moments")
    if any(row[name] for row in rows for name in ("lost", "torn", "doubled", "made again though done")):
        raise SystemExit("Something was lost, torn or doubled.")
    if any(row["made again beyond what was in flight"] for row in rows):
        raise SystemExit("Edits were made again that were not in flight.")


class Killing:
    """A campaign that is made with an engine, while its processes are killed."""

    def __init__(self, engine: str, root: Path) -> None:
        self.engine, self.root = engine, root
        self.diary = root.parent / "diary.txt"
        self.environment = {**environment(), "EDITFHF_TEST_DIARY": str(self.diary), "EDITFHF_TEST_SLOW_DISK": "1"}
        self.started: set[psutil.Process] = set()  # all that a run ever started: nothing else is killed
        self.whole: set[str] = set()
        self.torn: set[str] = set()
        self.done_at_kill: list[tuple[set[str], int]] = []  # edits that are done, and how many calls there were

    def measure(self, n_kills: int, longest_s: float) -> dict[str, int | str]:
        moments = random.Random(1)
        end = time.monotonic() + longest_s
        kills = {"of the run": 0, "of a worker": 0}
        run: subprocess.Popen[bytes] | None = None
        while sum(kills.values()) < n_kills and time.monotonic() < end:
            before = self.count()
            if run is None or run.poll() is not None:
                run = self.start()
            while self.count() == before and run.poll() is None and time.monotonic() < end:
                time.sleep(0.01)  # a kill while nothing is made would prove little
            time.sleep(moments.uniform(0, 0.5))
            descendants = self.descendants(run)
            victims = [process for process in descendants if self.is_worker(process)]
            if victims and moments.random() < 0.5:
                with suppress(psutil.NoSuchProcess):
                    victims[0].kill()
                    kills["of a worker"] += 1
            elif run.poll() is None:
                run.kill()
                run.wait()
                kills["of the run"] += 1
            self.look()
        if run is not None and run.poll() is None:
            run.wait()
        made_before = self.count()
        subprocess.run(self.command(), check=True, capture_output=True, env=self.environment)
        self.look()
        self.end_what_was_left()
        in_flight = DEPTH * (N_WORKERS * kills["of the run"] + kills["of a worker"])
        return {"engine": self.engine, **kills, "images before the last run": made_before, **self.result(in_flight)}

    def look(self) -> None:
        """Straight after a kill, with nothing mended: which images are torn, what is done, what was asked for."""
        for name, path in self.stored().items():
            if name not in self.whole:
                whole = hashlib.sha256(path.read_bytes()).hexdigest() == path.stem
                (self.whole if whole else self.torn).add(name)
        statuses = Ledger(self.root / "ledger.sqlite", read_only=True).statuses()
        # In this order: what was done before the calls were counted is not asked for after.
        self.done_at_kill.append(({edit for edit, status in statuses.items() if status == "done"}, len(self.calls())))

    def result(self, in_flight: int) -> dict[str, int]:
        workspace = Workspace.open(self.root)
        statuses = workspace.ledger.statuses()
        if set(statuses.values()) != {"done"}:
            reasons = set(workspace.ledger.reasons().values())
            raise SystemExit(f"{self.engine}: edits are {set(statuses.values())}, and all should be done: {reasons}")
        owned = [edit.image.removeprefix("images/") for edit in workspace.edits()]
        stored, calls = self.stored(), self.calls()
        again = sum(call in done for done, n_calls in self.done_at_kill[-1:] for call in calls[n_calls:])
        for (done, start), (_, stop) in zip(self.done_at_kill, self.done_at_kill[1:], strict=False):
            again += sum(call in done for call in calls[start:stop])
        return {
            "planned": len(statuses),
            "lost": len(statuses) - sum(name in stored for name in owned),
            "doubled": len(stored.keys() - set(owned)),  # two edits with the same pixels share a file
            "torn": len(self.torn),
            "calls": len(calls),
            "made again though done": again,
            "made again beyond what was in flight": max(0, len(calls) - len(statuses) - in_flight),
        }

    def stored(self) -> dict[str, Path]:
        """The images that have their final names."""
        return {f"{path.parent.name}/{path.name}": path for path in (self.root / "images").glob("??/[!.]*")}

    def count(self) -> int:
        return len(self.stored())

    def calls(self) -> list[str]:
        """The edits that a model was asked for, in order, as often as it was."""
        lines = self.diary.read_text().splitlines() if self.diary.is_file() else []
        return [line.removeprefix("edit ") for line in lines if line.startswith("edit ")]

    def start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.environment
        )

    def command(self) -> list[str]:
        generate = [sys.executable, "-m", "editfhf", "generate", "-w", str(self.root)]
        return [*generate, "--engine", self.engine, "--workers", str(N_WORKERS)]

    def descendants(self, run: "subprocess.Popen[bytes]") -> list[psutil.Process]:
        """The processes that a run started: its workers; or its Ray, and the actors of that."""
        try:
            found = psutil.Process(run.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        self.started.update(found)
        return found

    def is_worker(self, process: psutil.Process) -> bool:
        """Whether it holds a model now."""
        try:
            return WORKERS[self.engine] in " ".join(process.cmdline())
        except psutil.Error:
            return False

    def end_what_was_left(self) -> None:
        """Ray's own processes may outlive a run that was killed."""
        for process in psutil.wait_procs(self.started, timeout=10)[1]:
            with suppress(psutil.NoSuchProcess):
                process.kill()  # of a number that another process has by now, psutil makes an error


if __name__ == "__main__":
    os.environ.pop("RAY_ADDRESS", None)  # a cluster of others is no place for this
    main()
