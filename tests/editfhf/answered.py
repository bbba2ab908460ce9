"""A workspace as it is after `analyze`, without a server: answers and opinions written by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from editfhf.schema import DIMENSIONS, Answer, Edit, Rating, Region, stable_id
from editfhf.workspace import Workspace
from tests.factories import make_workspace

BOX = [[[0.25, 0.25], [0.5, 0.25], [0.5, 0.5], [0.25, 0.5]]]
WHEN = "2026-01-02T03:04:05+00:00"


def make_answered(root: Path, n_sources: int = 6) -> Workspace:
    """Two people answered about every edit but the last; both marked the same box as an artifact."""
    workspace = make_workspace(root, n_sources, side=64)
    answer(workspace, workspace.edits()[:-1])
    return workspace


def answer(workspace: Workspace, edits: Sequence[Edit]) -> None:
    """Write the answers of two people about these edits, and the opinions that follow from them."""
    ratings, regions, answers, mos, consensus = [], [], [], [], []
    for number, edit in enumerate(edits):
        for person, score in (("ann", 2 + number % 3), ("bob", 3)):
            kind = "simulated"
            answers.append(Answer(edit.edit_id, person, kind, "together", "answered", "", 30.0, WHEN))
            ratings += [
                Rating(edit.edit_id, person, kind, name, score, 1, 5, "s", number, 30.0, WHEN) for name in DIMENSIONS
            ]
            regions.append(
                Region(
                    edit.edit_id, person, kind, stable_id(edit.edit_id, person), "artifact", "texture_noise", "region",
                    BOX, [], "coloured noise", False, 30.0, WHEN,
                )
            )  # fmt: skip
        scores = np.array([2 + number % 3, 3])
        mos += [
            {
                "edit_id": edit.edit_id, "dimension": name, "mos": float((scores.mean() - 1) * 25),
                "std": float(scores.std(ddof=1) * 25), "ci95": float(scores.std(ddof=1) * 25 * 8.98), "n": 2,
            }
            for name in DIMENSIONS
        ]  # fmt: skip
        consensus.append(
            {
                "edit_id": edit.edit_id, "kind": "artifact", "flaw_type": "texture_noise", "extent": "region",
                "polygon": BOX, "source_polygon": [], "description": "coloured noise", "support": 2, "probability": 0.9,
            }
        )  # fmt: skip
        maps = workspace.analysis_dir / "maps"
        maps.mkdir(parents=True, exist_ok=True)
        for kind in ("artifact", "failure"):
            Image.fromarray(np.zeros((edit.height, edit.width), np.uint8)).save(maps / f"{edit.edit_id}_{kind}.png")
    for name, rows in (("ratings", ratings), ("regions", regions), ("answers", answers), ("mos", mos)):
        workspace.write_table(name, rows)
    workspace.write_table("consensus", consensus)
