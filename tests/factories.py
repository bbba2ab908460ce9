"""Small workspaces for tests: real files of every kind, made in well under a second."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from editfhf import oracle
from editfhf.config import TEMPLATE
from editfhf.ledger import Finished, Ledger
from editfhf.schema import Edit, Source, stable_id
from editfhf.workspace import Workspace

MODELS = ("procedural/careful", "procedural/broken")
TASKS = ("color_change", "object_remove")


def make_workspace(root: Path, n_sources: int = 4, side: int = 96) -> Workspace:
    """A workspace with photos, made edits and their truth, but no answers: 2 tasks × 2 models for each photo.

    Every edit has one artifact and one editing failure of a known rectangle, severity 0.2 (careful) or 0.8 (broken).
    """
    (root / "sources").mkdir(parents=True)
    (root / "editfhf.yaml").write_text(TEMPLATE.format(licence="CC0-1.0", title="test", name="test"))
    workspace = Workspace.open(root)
    sources, edits = [], []
    for number in range(n_sources):
        pixels = photo(side, seed=number)
        source_id = stable_id("test source", str(number))
        Image.fromarray(pixels).save(root / f"sources/{source_id}.png")
        sources.append(Source(source_id, f"sources/{source_id}.png", side, side, "CC0-1.0", f"photo {number}.png"))
        for task in TASKS:
            for model in MODELS:
                edit = Edit.plan(source_id, task, f"do {task}", model, "1", {"max_side": 1024}, 0)
                edits.append((edit, pixels))
    workspace.write_table("sources", sources)
    workspace.ledger.plan(edit for edit, _ in edits)
    for edit, pixels in edits:
        truth, edited = _broken_edit(pixels, 0.8 if edit.model.endswith("broken") else 0.2)
        oracle.write(workspace.oracle_dir / edit.edit_id, truth)
        record_image(workspace.ledger, edit.edit_id, workspace.store_image(png(edited)), side)
    return workspace


def record_image(ledger: Ledger, edit_id: str, image: str, side: int) -> None:
    """An edit was made and its square image lies in the store."""
    ledger.record([Finished(edit_id, "done", image, side, side, seconds=0.1)])


def photo(side: int, seed: int) -> np.ndarray:
    """A smooth random picture, uint8, shape (side, side, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def _broken_edit(pixels: np.ndarray, severity: float) -> tuple[oracle.Truth, np.ndarray]:
    side = pixels.shape[0]
    target = np.zeros((side, side), bool)
    target[side // 4 : side // 2, side // 4 : side // 2] = True
    artifact = np.zeros_like(target)
    artifact[side // 8 : side // 4, side // 2 : side * 3 // 4] = True
    failure = np.zeros_like(target)
    failure[side * 5 // 8 : side * 7 // 8, side // 8 : side * 3 // 8] = True
    flawless = pixels.copy()
    flawless[target] = [200, 30, 30]
    edited = flawless.astype(float)
    edited[artifact] = (1 - severity) * edited[artifact] + severity * np.array([255, 0, 255])
    edited[failure] = (1 - severity) * edited[failure] + severity * np.array([0, 255, 0])
    flaws = [
        oracle.TrueFlaw("artifact", "texture_noise", "region", severity, artifact, "test", "coloured noise"),
        oracle.TrueFlaw(
            "editing_failure", "unintended_change", "region", severity, failure, "test", "was not asked for"
        ),
    ]
    return oracle.Truth(flawless, ~target, pixels, flaws), edited.astype(np.uint8)
