"""Campaigns for the benchmarks: photos with the grain of a camera, one model that does as little as it is told to."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

ROOT = Path(__file__).parent.parent
PLUGIN = ROOT / "tests/generators/plugin"  # registers test/one: turns the colours, after params.seconds
TASKS = ("object_add", "text_add", "style_transfer")


def make_campaign(folder: Path, photos: int, side: int, seconds: float) -> Path:
    """A workspace with so many square photos, three tasks each for the model `test/one`; returns its root."""
    (folder / "photos").mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(photos):
        coarse = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        smooth = coarse.resize((side, side), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(2))
        grain = random.normal(0, 4, (side, side, 3))
        pixels = np.clip(np.asarray(smooth) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"photos/{number:04d}.jpg", quality=92)
    root = folder / "campaign"
    root.mkdir()
    (root / "editfhf.yaml").write_text(
        f"generate:\n  models: [test/one]\n  tasks: [{', '.join(TASKS)}]\n  repeats: 0.0\n"
        f"  params: {{test/one: {{seconds: {seconds}}}}}\n"
    )
    for command in (["init", str(root), "--sources", str(folder / "photos")], ["instruct", "-w", str(root)]):
        subprocess.run([sys.executable, "-m", "editfhf", *command], check=True, capture_output=True, env=environment())
    return root


def environment() -> dict[str, str]:
    """Of a process that knows the model."""
    paths = [str(PLUGIN), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
