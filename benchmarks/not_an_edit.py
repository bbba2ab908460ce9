"""Is an edited image told from a stranger's? `python benchmarks/not_an_edit.py WS [SEED]` on a workspace with edits.

Prints which share of the edits passes `refiner.inputs.likeness`, which share of as many mismatched pairs is caught
(with a photo of another scene, and with another crop of the same scene; only pairs whose frames would fit), and the
likeness of each task's least edits. A scene is what stands before "#" in a source's origin.
"""

import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent.parent))

from editfhf import console
from editfhf.errors import BadInput
from editfhf.workspace import Workspace
from refiner.inputs import LEAST_LIKENESS, MOST_ASPECT_CHANGE, likeness


def likenesses(workspace: Workspace, seed: int = 0) -> pd.DataFrame:
    """A row per edit: task, and its likeness to its own photo, to another scene's, to another photo of its scene."""
    random = np.random.default_rng(seed)
    sources = {source.source_id: source for source in workspace.sources()}
    scenes = {one: sources.get(source.root_id, source).origin.split("#")[0] for one, source in sources.items()}
    if len(set(scenes.values())) < 2:
        raise BadInput(f"{workspace.root} has photos of one scene only.", mend="Two are needed to mismatch them.")

    @cache
    def photo(source_id: str) -> np.ndarray:
        return workspace.read_image(sources[source_id].file)

    def compared(source_id: str, edited: np.ndarray) -> float:
        source = photo(source_id)
        change = edited.shape[1] * source.shape[0] / (edited.shape[0] * source.shape[1])
        fits = max(change, 1 / change) <= MOST_ASPECT_CHANGE  # others are refused before they are compared
        return likeness(source, edited) if fits else np.nan

    rows = []
    for edit in console.track(workspace.edits(), "Comparing"):
        own, scene = edit.source_id, scenes[edit.source_id]
        others = [one for one in sources if scenes[one] != scene]
        crops = [one for one in sources if scenes[one] == scene and sources[one].root_id != sources[own].root_id]
        edited = workspace.read_image(edit.image)
        row: dict[str, Any] = {"task": edit.task, "own": compared(own, edited)}
        row["other_scene"] = compared(str(random.choice(others)), edited)
        row["same_scene"] = compared(str(random.choice(crops)), edited) if crops else np.nan
        rows.append(row)
    return pd.DataFrame(rows)


def main(root: str, seed: int) -> None:
    table = likenesses(Workspace.open(root), seed)
    console.show(
        [
            {
                "least likeness": least,
                "edits that pass": f"{(table.own >= least).mean():.2%}",
                "other scenes caught": f"{(table.other_scene.dropna() < least).mean():.1%}",
                "same scene caught": f"{(table.same_scene.dropna() < least).mean():.1%}",
            }
            for least in sorted({0.35, 0.45, 0.5, LEAST_LIKENESS})
        ],
        title=f"{len(table)} edits; the limit in use is {LEAST_LIKENESS}",
    )
    worst = table.groupby("task").own.agg(least="min", refused=lambda own: int((own < LEAST_LIKENESS).sum()))
    rows = [{"task": task, **row} for task, row in worst.sort_values("least").head(8).iterrows()]
    console.show(rows, title="tasks with the least likeness")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
