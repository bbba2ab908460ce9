"""Does the leaderboard find the truth? Mean opinion score beside true quality, editor by editor, on a finished demo.

    editfhf demo demo && python benchmarks/editor_order.py demo

The peer is the oracle: what each procedural editor really broke. Prints both orders and their rank correlation.
"""

import sys
from pathlib import Path

import pandas as pd
from scipy.stats import spearmanr

from editfhf import console
from editfhf.errors import BadInput
from editfhf.oracle import read
from editfhf.schema import DIMENSIONS
from editfhf.true_quality import true_quality
from editfhf.workspace import Workspace


def editor_scores(workspace: Workspace) -> pd.DataFrame:
    """A row per edit: model, and for each dimension the opinion score and the true quality, both 0..100."""
    mos = workspace.read_table("mos").to_pandas().pivot_table(index="edit_id", columns="dimension", values="mos")
    rows = []
    for edit in workspace.edits():
        truth = true_quality(workspace.read_image(edit.image), read(workspace.oracle_dir / edit.edit_id))
        if edit.edit_id in mos.index:
            opinion = {f"{name}_mos": mos.loc[edit.edit_id, name] for name in DIMENSIONS}
            rows.append({"model": edit.model, **opinion, **{f"{name}_true": truth[name] for name in DIMENSIONS}})
    if not rows:
        raise BadInput(f"{workspace.root} has no scores yet.", mend=f"Run `editfhf analyze -w {workspace.root}`.")
    return pd.DataFrame(rows)


def main(root: str) -> None:
    scores = editor_scores(Workspace.open(Path(root)))
    for kind in ("mos", "true"):
        scores[f"overall_{kind}"] = scores[[f"{name}_{kind}" for name in DIMENSIONS]].mean(axis=1)
    means = scores.groupby("model").mean().sort_values("overall_true", ascending=False)
    names = ("overall", *DIMENSIONS)
    console.show(
        [
            {"model": model, **{name: f"{row[f'{name}_true']:.1f} / {row[f'{name}_mos']:.1f}" for name in names}}
            for model, row in means.iterrows()
        ],
        title=f"{len(scores)} edits: true quality / mean opinion score",
    )
    order_of_opinion = means.sort_values("overall_mos", ascending=False).index
    console.say(f"order by true quality: {' > '.join(map(str, means.index))}")
    console.say(f"order by opinion:      {' > '.join(map(str, order_of_opinion))}")
    for name in names:
        rank = spearmanr(scores[f"{name}_mos"], scores[f"{name}_true"]).statistic
        console.say(f"rank correlation over edits, {name}: {rank:.3f}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "demo")
