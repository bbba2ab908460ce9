"""Opinion scores against their definition, and intervals that cover what they promise."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from analysis.mos import METHODS, estimate_mos, mos_by_dimension
from editfhf.errors import BadInput

rows = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("wxyz"), st.integers(1, 5)), min_size=1, max_size=40)


def table(triples) -> pd.DataFrame:
    return pd.DataFrame(triples, columns=["stimulus", "subject", "score"]).astype({"score": float})


@given(triples=rows)
def test_scores_are_the_mean_of_one_voice_per_person(triples):
    estimate = estimate_mos(table(triples), "mean").stimuli
    for stimulus in {triple[0] for triple in triples}:
        people = {}
        for _, subject, score in (triple for triple in triples if triple[0] == stimulus):
            people.setdefault(subject, []).append(score)
        voices = np.array([np.mean(scores) for scores in people.values()])
        row = estimate.loc[stimulus]
        assert row["mos"] == pytest.approx(voices.mean())
        assert row["n"] == len(voices)
        if len(voices) == 1:
            assert np.isnan(row["std"])
            assert np.isnan(row["ci95"])
        else:
            low, high = t.interval(0.95, len(voices) - 1, voices.mean(), np.std(voices, ddof=1) / len(voices) ** 0.5)
            if voices.std() > 0:
                assert row["ci95"] == pytest.approx((high - low) / 2)
            assert row["std"] == pytest.approx(voices.std(ddof=1))


@given(triples=rows, seed=st.integers(0, 9))
def test_the_order_of_the_table_changes_nothing_at_all(triples, seed):
    shuffled = table(triples).sample(frac=1, random_state=seed)
    for method in METHODS:
        pd.testing.assert_frame_equal(
            estimate_mos(shuffled, method).stimuli, estimate_mos(table(triples), method).stimuli, check_exact=True
        )


@pytest.mark.parametrize("n", [3, 4, 8, 15])
def test_the_interval_covers_the_true_mean_in_95_of_100_studies(n):
    rng = np.random.default_rng(n)
    scores = rng.normal(50, 10, (4000, n))
    stimuli, subjects = np.indices(scores.shape)
    long = pd.DataFrame({"stimulus": stimuli.ravel(), "subject": subjects.ravel(), "score": scores.ravel()})
    estimate = estimate_mos(long, "mean").stimuli
    covered = (np.abs(estimate["mos"] - 50) <= estimate["ci95"]).mean()
    assert 0.94 <= covered <= 0.96


def test_a_lenient_person_has_a_positive_bias():
    long = table([(stimulus, person, 3 + (person == "x")) for stimulus in "abcd" for person in "wxyz"])
    subjects = estimate_mos(long, "mean").subjects
    assert subjects["bias"].to_dict() == pytest.approx({"w": -0.25, "x": 0.75, "y": -0.25, "z": -0.25})
    assert not subjects["rejected"].any()


@pytest.mark.parametrize(
    ("ratings", "options", "message"),
    [
        (table([("a", "x", 1)]).drop(columns="score"), {}, "lack the column score"),
        (table([]), {}, "no ratings"),
        (table([("a", "x", np.inf)]), {}, "not a finite number"),
        (table([("a", "x", np.nan)]), {}, "not a finite number"),
        (table([("a", "x", 1)]), {"method": "magic"}, "Unknown method 'magic'"),
        (table([("a", None, 1)]), {}, "no subject"),
        (table([("a", "x", 1)]), {"method": "mean", "variant": "sureal"}, "no option 'variant'"),
        (table([("a", "x", 1)]), {"method": "bt500", "variant": "my"}, "Unknown variant 'my'"),
    ],
)
def test_bad_tables_are_said_in_a_sentence(ratings, options, message):
    with pytest.raises(BadInput, match=message):
        estimate_mos(ratings, **options)


def test_scales_become_0_to_100_and_checks_and_screened_ratings_stay_out():
    columns = ["edit_id", "annotator", "dimension", "score", "scale_min", "scale_max", "check", "screened"]
    ratings = pd.DataFrame(
        [
            ("e", "x", "visual_consistency", 2.0, 1.0, 5.0, False, False),
            ("e", "y", "visual_consistency", 75.0, 0.0, 100.0, False, False),
            ("e", "z", "visual_consistency", 5.0, 1.0, 5.0, True, False),
            ("e", "u", "visual_consistency", 5.0, 1.0, 5.0, False, True),
        ],
        columns=columns,
    )
    scores = mos_by_dimension(ratings)
    assert scores[["mos", "n"]].to_dict("records") == [{"mos": 50.0, "n": 2}]


def test_scores_less_bias_stay_on_the_scale():
    rng = np.random.default_rng(0)
    quality = rng.choice([0.0, 100.0], 40)
    rows = [
        (f"e{edit:02}", f"p{person}", "visual_consistency", np.clip(score + 15 * (person - 2), 0, 100), 0.0, 100.0)
        for edit, score in enumerate(quality)
        for person in range(5)
    ]
    columns = ["edit_id", "annotator", "dimension", "score", "scale_min", "scale_max"]
    scores = mos_by_dimension(pd.DataFrame(rows, columns=columns).assign(check=False, screened=False))
    assert scores["mos"].between(0, 100).all()
