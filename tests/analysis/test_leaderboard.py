"""The leaderboard: order, fair comparison, intervals that cover."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, ttest_1samp, ttest_rel

from analysis.leaderboard import leaderboard, leaderboard_by_group, letters, refusals, stand
from analysis.mos import mos_by_dimension
from editfhf.errors import BadInput
from editfhf.schema import DIMENSIONS
from tests.analysis.campaigns import MEANS, rated_campaign


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


def rated(seed: int, method: str = "p910_marginal", **design) -> tuple[pd.DataFrame, pd.DataFrame]:
    ratings, edits = rated_campaign(np.random.default_rng(seed), **design)
    return ratings, mos_by_dimension(ratings, method).merge(edits)


@pytest.mark.parametrize("design", [{"n_people": 12, "each": 12}, {"n_people": 24, "each": 4}], ids=["dense", "crowd"])
def test_intervals_hold_for_other_photos_and_other_people(design):
    """Means and differences; those over photos alone hold the means less often."""
    truth = dict(zip(("m0", "m1", "m2", "m3"), MEANS, strict=True))
    means, differences, photos_alone = [], [], []
    for seed in range(40):
        ratings, scores = rated(seed, n_photos=30, n_tasks=1, **design)
        standing = stand(scores, n_bootstrap=400, ratings=ratings)
        board, pairs = standing.board(), standing.comparisons()
        told = board.index.map(truth)
        means += list((board["overall_low"] <= told) & (told <= board["overall_high"]))
        own = pairs[pairs["dimension"] == "overall"]
        gap = own["better"].map(truth) - own["worse"].map(truth)
        differences += list((own["low"] <= gap) & (gap <= own["high"]))
        alone = leaderboard(scores, n_bootstrap=400)
        photos_alone += list((alone["overall_low"] <= told) & (told <= alone["overall_high"]))
    # 40 campaigns, whose four means go together: as sure as 40 would be.
    assert binomtest(round(40 * np.mean(means)), 40, 0.95).pvalue > 0.005
    assert binomtest(round(40 * np.mean(differences)), 40, 0.95).pvalue > 0.005
    assert np.mean(photos_alone) < np.mean(means)
    if design["n_people"] == design["each"]:  # the same few people everywhere: their level is in every mean
        assert np.mean(photos_alone) < 0.85


def test_a_difference_is_as_sure_as_the_photos_it_is_seen_on_and_surer_than_each_mean():
    """With photos alone, the standard error of a difference is that of the paired test over photos."""
    scores = campaign({"a": 50, "b": 55}, 40, seed=4, tasks=1)
    pairs = stand(scores).comparisons()
    wide = scores.pivot_table(index="source_id", columns="model", values="mos")
    own = pairs[pairs["dimension"] == "overall"].iloc[0]
    assert (own["better"], own["worse"]) == ("b", "a")
    assert own["p"] == pytest.approx(ttest_rel(wide["b"], wide["a"]).pvalue)
    low, high = ttest_rel(wide["b"], wide["a"]).confidence_interval()
    assert (own["low"], own["high"]) == (pytest.approx(low, abs=0.3), pytest.approx(high, abs=0.3))
    board = leaderboard(scores)
    assert own["high"] - own["low"] < 0.6 * (board["overall_high"] - board["overall_low"]).min()


def test_what_people_differ_in_between_models_is_in_the_interval():
    """No noise and one quality: people's tastes alone. Then the error is that of the mean of their differences."""
    rng = np.random.default_rng(8)
    taste = rng.normal(0, 5, (10, 2))
    rows = [
        {"edit_id": f"{photo} {model}", "source_id": f"s{photo}", "task": "t", "model": f"m{model}",
         "annotator": f"p{person}", "dimension": name, "score": 50 + taste[person, model]}
        for photo in range(200) for model in range(2) for person in range(10) for name in DIMENSIONS
    ]  # fmt: skip
    ratings = pd.DataFrame(rows)
    edits = ratings[["edit_id", "source_id", "task", "model"]].drop_duplicates()
    scores = ratings.groupby(["edit_id", "dimension"], as_index=False)["score"].mean().rename(columns={"score": "mos"})
    pairs = stand(scores.merge(edits), ratings=ratings, method="mean", n_bootstrap=4000).comparisons()
    own = pairs[pairs["dimension"] == "overall"].iloc[0]
    low, high = ttest_1samp(taste[:, 0] - taste[:, 1], 0).confidence_interval()
    told = sorted(np.abs([low, high])) if low * high > 0 else [min(abs(low), abs(high)) * -1, max(abs(low), abs(high))]
    assert [own["low"], own["high"]] == pytest.approx(told, abs=0.08 * (high - low))


def test_equal_models_are_seldom_told_apart_and_different_ones_are():
    ratings, scores = rated(3, n_photos=60, n_tasks=1)
    board = leaderboard(scores, ratings=ratings)
    assert not set(board.loc["m3", "group"].split()) & set(board.loc["m0", "group"].split())  # 10 points apart
    assert set(board.loc["m0", "group"].split()) & set(board.loc["m1", "group"].split())
    assert board.loc["m3", "best_rank"] == 1
    assert ((board["best_rank"] <= board["rank"]) & (board["rank"] <= board["worst_rank"])).all()
    false = 0
    for seed in range(40):
        _, even = rated(100 + seed, n_photos=15, n_tasks=1, n_people=3, each=3, means=(50.0,) * 5, taste=0.0)
        pairs = stand(even, n_bootstrap=400).comparisons()
        false += (pairs.loc[pairs["dimension"] == "overall", "p_adjusted"] < 0.05).any()
    assert false <= 7  # of 40 campaigns, 5 %: more than 7 has a chance of 1 in 1000
    assert (pairs["p_adjusted"] >= pairs["p"]).all()


@given(st.integers(1, 6).flatmap(lambda n: st.lists(st.booleans(), min_size=n * n, max_size=n * n)))
def test_two_share_a_letter_just_when_they_are_not_told_apart(cells):
    n = round(len(cells) ** 0.5)
    apart = np.triu(np.array(cells).reshape(n, n), 1)
    apart |= apart.T
    groups = [set(text.split()) for text in letters(apart)]
    for i in range(n):
        for j in range(n):
            assert bool(groups[i] & groups[j]) != apart[i, j]


def test_task_groups_are_ranked_by_themselves():
    scores = campaign({"a": 60, "b": 50}, 20, seed=5)
    turned = scores.assign(mos=scores["mos"].where(scores["task"] == "t0", 100 - scores["mos"]))
    board = leaderboard_by_group(turned, {"t0": "object", "t1": "style"})
    assert board.loc["object"].index.tolist() == ["a", "b"]
    assert board.loc["style"].index.tolist() == ["b", "a"]
    assert leaderboard_by_group(turned, {}).empty


def test_a_model_that_refuses_what_is_hard_falls_when_refusals_count_as_the_worst():
    scores = campaign({"picky": 60, "plain": 55}, 30, seed=6, tasks=1)
    hard = {f"s{photo}" for photo in range(10)}
    answered = scores[~((scores["model"] == "picky") & scores["source_id"].isin(hard))]
    outcomes = scores[["source_id", "task", "model"]].drop_duplicates()
    outcomes["status"] = np.where((outcomes["model"] == "picky") & outcomes["source_id"].isin(hard), "refused", "done")
    never_rated = pd.DataFrame([{"source_id": "new", "task": "t0", "model": "picky", "status": "refused"}])
    table = refusals(answered, pd.concat([outcomes, never_rated]))
    assert leaderboard(answered).index[0] == "picky"
    assert table.index.tolist() == ["plain", "picky"]
    assert table.loc["picky", ["made", "refused", "n_edits"]].tolist() == [20, 11, 30]
    assert table.loc["picky", "refusal_rate"] == pytest.approx(11 / 31)
    kept = answered[answered["model"] == "picky"]
    assert table.loc["picky", "overall"] == pytest.approx(kept["mos"].sum() / 90)


def test_ratings_without_the_edits_they_are_of_are_bad_input():
    ratings, scores = rated(1, n_photos=4)
    with pytest.raises(BadInput, match="edit_id"):
        leaderboard(scores.drop(columns="edit_id"), ratings=ratings)
    with pytest.raises(BadInput, match="annotator"):
        leaderboard(scores, ratings=ratings.drop(columns="annotator"))
    with pytest.raises(BadInput, match="best_guess"):
        leaderboard(scores, ratings=ratings, method="best_guess")
