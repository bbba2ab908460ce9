"""Which model is best: means with intervals, on the photos and tasks that all models answered."""

import numpy as np
import pandas as pd

from editfhf.errors import BadInput
from editfhf.schema import DIMENSIONS

OVERALL = "overall"
COLUMNS = ("source_id", "task", "dimension", "mos")


def leaderboard(scores: pd.DataFrame, by: str = "model", n_bootstrap: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Mean opinion score of each model, overall and by dimension, best first.

    Models are compared on the (photo, task) pairs that every model has scores for in every dimension. The intervals
    are percentiles over photos drawn again with replacement: the photos are the sample, so edits of one photo go
    together, and all models are drawn together. That the raters are a sample too is not in them yet.

    Args:
        scores: columns source_id, task, `by`, dimension, mos (0..100); a row per edit and dimension. Where several
            sources were made from one photo, a column `photo` names it, and they are drawn together.
        by: the column that names what is ranked.

    Returns:
        Indexed by `by`; for `overall` (the mean of the dimensions) and each dimension: NAME, NAME_low, NAME_high (95 %
        interval; NaN with a single photo, which says nothing about others); rank (1 is best) and n_edits.

    Raises:
        BadInput: a column is missing, or there is no pair that all have.
    """
    missing = [column for column in (by, *COLUMNS) if column not in scores]
    if missing:
        raise BadInput(f"The scores lack the column {', '.join(missing)}.")
    # Photo × task in rows, model × dimension in columns: the rows without a gap are what all models answered.
    table = scores.pivot_table(index=["source_id", "task"], columns=[by, "dimension"], values="mos", aggfunc="mean")
    names = sorted(scores[by].unique())
    columns = pd.MultiIndex.from_product([names, DIMENSIONS])
    table = table.reindex(columns=columns).dropna().sort_index()
    if table.empty:
        raise BadInput(f"No photo and task has scores of every {by}.", mend="Bring more answers home, then try again.")
    values = table.to_numpy().reshape(len(table), len(names), len(DIMENSIONS))
    values = np.concatenate([values.mean(axis=2, keepdims=True), values], axis=2)  # overall first

    source_of_row = table.index.get_level_values("source_id")
    if "photo" in scores:
        source_of_row = source_of_row.map(scores.drop_duplicates("source_id").set_index("source_id")["photo"].to_dict())
    photos, photo_of_row = np.unique(source_of_row, return_inverse=True)
    sums = np.zeros((len(photos), *values.shape[1:]))
    np.add.at(sums, photo_of_row, values)
    counts = np.bincount(photo_of_row)
    weights = np.random.default_rng(seed).multinomial(len(photos), np.full(len(photos), 1 / len(photos)), n_bootstrap)
    drawn = np.tensordot(weights, sums, axes=1) / (weights @ counts)[:, None, None]
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0) if len(photos) > 1 else np.full((2, *drawn.shape[1:]), np.nan)
    means = values.mean(axis=0)

    board = pd.DataFrame(index=pd.Index(names, name=by))
    for position, name in enumerate((OVERALL, *DIMENSIONS)):
        board[name] = means[:, position]
        board[f"{name}_low"] = low[:, position]
        board[f"{name}_high"] = high[:, position]
    board["n_edits"] = len(table)
    board = board.sort_values([OVERALL], ascending=False, kind="stable")
    board.insert(0, "rank", np.arange(1, len(board) + 1))
    return board
