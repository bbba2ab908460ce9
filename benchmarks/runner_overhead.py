"""What the runner costs beside a bare loop over the same model: `python benchmarks/runner_overhead.py [PHOTOS]`.

The peer is what one would write in a script: open the photo, call the model, save a PNG, one after the other. Both are
whole processes, imports and loading included, on the same photos of a megapixel. Two models: one that takes a second
and leaves the processor alone, as a GPU does, and one that takes no time at all.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.campaigns import environment, make_campaign
from editfhf import console
from editfhf.workspace import Workspace

BARE_LOOP = """
import json, sys
from PIL import Image
from generators.base import EditRequest
from generators.registry import load_model
model = load_model("test/one")
for number, (photo, instruction, seed, params) in enumerate(json.loads(sys.stdin.read())):
    with Image.open(photo) as image:
        request = EditRequest(str(number), image.convert("RGB"), instruction, "style_transfer", seed, params)
    (outcome,) = model.edit([request])
    outcome.image.save(f"{sys.argv[1]}/{number}.png")
"""


def main(photos: int = 34) -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, seconds in (("1 s an image", 1.0), ("no time", 0.0)):
            root = make_campaign(Path(folder) / name, photos, side=1024, seconds=seconds)
            images, runner = measure(["-m", "editfhf", "generate", "-w", str(root)], root)
            bare = measure_bare_loop(root, Path(folder) / f"bare {name}")
            rows.append(
                {
                    "model": name,
                    "images": images,
                    "runner_s": f"{runner:.1f}",
                    "bare_loop_s": f"{bare:.1f}",
                    "runner / bare": f"{runner / bare:.3f}",
                    "runner images/s": f"{images / runner:.1f}",
                }
            )
    console.show(rows, title="Whole processes, 1024 × 1024 pixels")


def measure(command: list[str], root: Path) -> tuple[int, float]:
    start = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, capture_output=True, env=environment())
    seconds = time.perf_counter() - start
    return len(Workspace.open(root).edits()), seconds


def measure_bare_loop(root: Path, out: Path) -> float:
    """The same edits, from the ledger, one after the other."""
    out.mkdir()
    workspace = Workspace.open(root)
    if set(workspace.ledger.statuses().values()) != {"done"}:
        raise SystemExit("The runner did not make every edit: the loop would have fewer to make.")
    files = {source.source_id: str(workspace.path_of(source.file)) for source in workspace.sources()}
    edits = [(files[edit.source_id], edit.instruction, edit.seed, dict(edit.params)) for edit in workspace.edits()]
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", BARE_LOOP, str(out)], input=json.dumps(edits), text=True, check=True, env=environment()
    )
    seconds = time.perf_counter() - start
    if len(list(out.glob("*.png"))) != len(edits):
        raise SystemExit("The bare loop did not save every image.")
    return seconds


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
