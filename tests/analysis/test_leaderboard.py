"""The leaderboard: order, fair comparison, intervals that cover."""

import numpy as np
import pandas as pd
import pytest

from analysis.leaderboard import leaderboard
from editfhf.errors import BadInput
from editfhf.schema import DIMENSIONS


def campaign(means: dict[str, float], n_photos: int, seed: int, tasks: int = 2) -> pd.DataFrame:
    """Scores with an effect of the photo that all models share, and noise of their own."""
    rng = np.random.default_rng(seed)
    rows = []
    for photo in range(n_photos):
        effect = rng.normal(0, 10)
        for task in range(tasks):
            for model, mean in means.items():
                rows += [
                    {"source_id": f"s{photo}", "task": f"t{task}", "model": model, "dimension": name,
                     "mos": mean + effect + rng.normal(0, 5)}
                    for name in DIMENSIONS
                ]  # fmt: skip
    return pd.DataFrame(rows)


def test_the_better_model_stands_first_with_its_own_mean():
    scores = campaign({"good": 60, "bad": 50, "middle": 55}, 60, seed=1)
    board = leaderboard(scores)
    assert list(board.index) == ["good", "middle", "bad"]
    assert board["rank"].tolist() == [1, 2, 3]
    for model, row in board.iterrows():
        assert row["overall"] == pytest.approx(scores.loc[scores["model"] == model, "mos"].mean())
        for name in DIMENSIONS:
            chosen = scores[(scores["model"] == model) & (scores["dimension"] == name)]
            assert row[name] == pytest.approx(chosen["mos"].mean())


def test_only_pairs_that_every_model_has_are_compared():
    scores = campaign({"a": 50, "b": 50}, 10, seed=2)
    easy_photo_only_for_a = scores[(scores["source_id"] == "s0") & (scores["model"] == "a")].assign(
        source_id="easy", mos=100.0
    )
    board = leaderboard(pd.concat([scores, easy_photo_only_for_a]))
    pd.testing.assert_frame_equal(board, leaderboard(scores))


def test_the_interval_covers_the_true_mean():
    covered = []
    for seed in range(150):
        board = leaderboard(campaign({"a": 50, "b": 55}, 40, seed), n_bootstrap=400)
        covered += [
            row["overall_low"] <= mean <= row["overall_high"]
            for row, mean in ((board.loc["a"], 50), (board.loc["b"], 55))
        ]
    assert 0.90 <= np.mean(covered) <= 0.985


def test_the_same_seed_gives_the_same_intervals_and_the_order_of_rows_none_other():
    scores = campaign({"a": 50, "b": 55}, 10, seed=3)
    pd.testing.assert_frame_equal(leaderboard(scores), leaderboard(scores.sample(frac=1, random_state=1)))


def test_models_without_a_common_pair_cannot_be_ranked():
    scores = campaign({"a": 50}, 3, seed=1)
    other = campaign({"b": 50}, 3, seed=1).assign(task="other")
    with pytest.raises(BadInput, match="No photo and task has scores of every model"):
        leaderboard(pd.concat([scores, other]))
    with pytest.raises(BadInput, match="lack the column mos"):
        leaderboard(scores.drop(columns="mos"))
