"""What training takes in memory and time as edits grow: `python benchmarks/train_memory.py DATASET [EDITS]`.

Runs on EDITS (400 by default) and on twice as many of the dataset's training edits, each in a process of its own, with
nothing of the features held in memory, so that what grows is what has no bound. What is counted is anonymous memory:
pages of the memory-mapped dataset are given back whenever they are needed. The first run works the features out, the
others find them in the cache; the last holds what fits, as ever. The peer is to hold what the network sees of every
edit, and its encoded images, in memory: the bytes of both.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from editfhf import console
from refiner.data import Sample, open_samples
from refiner.lite import features
from refiner.runs import TrainConfig, read_json
from refiner.train import train

WANTED = 15_000  # edits of the paper
EPOCHS = 1
VALIDATED = 40  # edits, in every run
SAMPLED_S = 0.02
NOTHING, AS_EVER = 0, features.HELD_BYTES


def main(dataset: str, n_edits: str = "400") -> None:
    small, large = int(n_edits), 2 * int(n_edits)
    if len(open_samples(dataset, "train")) < large:
        raise SystemExit(f"{dataset} has fewer than {large} judged edits to train on.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cold = run(dataset, folder / "cold", large, NOTHING)
        seen = [*open_samples(dataset, "train")[:large], *open_samples(dataset, "validation")[:VALIDATED]]
        peer = held_by_all(seen, folder / "features") / len(seen) / 1e6
        few, many = (run(dataset, folder / f"{number}", number, NOTHING) for number in (small, large))
        held = run(dataset, folder / "held", large, AS_EVER)
    console.show([cold, few, many, held], title="Training")
    each = (many["peak MB"] - few["peak MB"]) / (large - small)
    base = cold["peak MB"] - each * large
    console.show(
        {
            "MB per edit": round(each, 3),
            "MB per edit, all in memory": round(peer, 3),
            f"GB at {WANTED:,} edits, nothing held": round((base + WANTED * each) / 1e3, 2),
            f"GB at {WANTED:,} edits, {AS_EVER / 2**30:.0f} GiB held": round(
                (base + WANTED * each + AS_EVER / 1e6) / 1e3, 2
            ),
            f"GB at {WANTED:,} edits, all in memory": round((base + WANTED * peer) / 1e3, 2),
        }
    )


def run(dataset: str, out: Path, n_edits: int, held_bytes: int) -> dict[str, Any]:
    """One training in a process of its own."""
    command = [sys.executable, __file__, "child", dataset, str(out), str(n_edits), str(held_bytes)]
    seen = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    return {"edits": n_edits, "held": "what fits" if held_bytes else "nothing", **seen}


def child(dataset: str, out: Path, n_edits: int, held_bytes: int) -> None:
    features.HELD_BYTES = held_bytes
    # One at a time: a slice would hold so many images, and the peak would be theirs.
    only = {one.edit_id for one in islice(open_samples(dataset, "train"), n_edits)}
    only |= {one.edit_id for one in islice(open_samples(dataset, "validation"), VALIDATED)}
    peak = Peak()
    train(dataset, out, TrainConfig(epochs=EPOCHS, patience=EPOCHS), only, cache=out.parent / "features")
    history = read_json(out, "history.json")
    print(
        json.dumps(
            {
                "peak MB": round(peak.stop() / 1e6, 1),
                "start seconds": history[0]["preparation_seconds"],
                "epoch seconds": min(row["seconds"] for row in history),
            }
        )
    )


class Peak:
    """The most anonymous memory that this process has had, in bytes, looked at every `SAMPLED_S`."""

    def __init__(self) -> None:
        self._highest, self._ended = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._ended.set()
        self._thread.join()
        return self._highest

    def _watch(self) -> None:
        while not self._ended.is_set():
            status = Path("/proc/self/status").read_text(encoding="ascii")
            (line,) = (line for line in status.splitlines() if line.startswith("RssAnon:"))
            self._highest = max(self._highest, 1024 * int(line.split()[1]))
            time.sleep(SAMPLED_S)


def held_by_all(samples: Sequence[Sample], cache: Path) -> int:
    """Bytes of all that lies in the cache and of the encoded images."""
    encoded = {data for one in samples for data in (one.source, one.edited)}
    return sum(map(len, encoded)) + sum(file.stat().st_size for file in cache.rglob("*.safetensors"))


if __name__ == "__main__":
    if sys.argv[1] == "child":
        child(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
    else:
        main(*sys.argv[1:])
