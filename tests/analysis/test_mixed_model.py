"""The mixed model: on a full layout it is the analysis of variance, and it finds what varies."""

import numpy as np
import pandas as pd
import pytest

from analysis.mixed_model import mixed_model
from editfhf.errors import BadInput
from editfhf.schema import DIMENSIONS


def scores(seed: int, n_photos: int, tasks: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for photo in range(n_photos):
        shift = rng.normal(0, 10)
        for task in range(tasks):
            own = shift + rng.normal(0, 6)
            for model, mean in (("a", 50.0), ("b", 55.0), ("c", 45.0)):
                mos = mean + own + rng.normal(0, 5)
                rows += [
                    {"source_id": f"s{photo}", "task": f"t{task}", "model": model, "dimension": name, "mos": mos}
                    for name in DIMENSIONS
                ]
    return pd.DataFrame(rows)


def test_on_a_full_layout_it_is_the_analysis_of_variance():
    table = scores(1, 40, 1)
    board = mixed_model(table)
    wide = table.pivot_table(index="source_id", columns="model", values="mos")
    assert board.index.tolist() == ["b", "a", "c"]
    assert board["mean"].to_dict() == pytest.approx(wide.mean().to_dict())
    rest = wide.sub(wide.mean(axis=1), axis=0)
    rest = rest - rest.mean()
    error = np.sqrt(2 * np.square(rest.to_numpy()).sum() / (39 * 2) / 40)
    reach = (board.loc["c", "below_best_high"] - board.loc["c", "below_best_low"]) / 2
    assert reach == pytest.approx(1.96 * error, rel=0.01)


def test_what_varies_is_found_and_gaps_are_used():
    table = scores(2, 80, 2)
    assert mixed_model(table).attrs == pytest.approx({"photo_std": 10, "task_std": 6, "rest_std": 5}, rel=0.25)
    gone = table[~((table["model"] == "a") & (table["source_id"].isin([f"s{n}" for n in range(40)])))]
    board = mixed_model(gone)
    assert board.loc["a", "n_edits"] == 80
    assert board.loc["b", "n_edits"] == 160
    assert board.loc["a", "low"] < 50 < board.loc["a", "high"]


def test_one_model_cannot_be_compared():
    table = scores(3, 5, 1)
    with pytest.raises(BadInput, match="two or more"):
        mixed_model(table[table["model"] == "a"])
