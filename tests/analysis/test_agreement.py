from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from analysis.agreement import agreement_so_far, alpha_interval, krippendorff_alpha, outline_agreement, pairs_alike
from editfhf.errors import BadInput
from editfhf.schema import DIMENSIONS
from tests.editfhf.answered import make_answered

# Four observers, twelve units: the example of K. Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011.
_ = np.nan
PUBLISHED = np.array([
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
])  # fmt: skip
LEVELS = ("nominal", "ordinal", "interval", "ratio")


@pytest.mark.parametrize(
    ("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_the_published_example_has_the_published_alpha(level, alpha):
    assert krippendorff_alpha(PUBLISHED, level) == pytest.approx(alpha, abs=0.0005)


def alpha_over_pairs(matrix, level):
    """By its definition: the mean disagreement of pairs within units against that of all pairs of ratings."""
    units = [[value for value in column if not np.isnan(value)] for column in matrix.T]
    units = [unit for unit in units if len(unit) > 1]
    everything = [value for unit in units for value in unit]

    def apart(one, other):
        low, high = min(one, other), max(one, other)
        if level == "nominal":
            return float(one != other)
        if level == "interval":
            return (one - other) ** 2
        if level == "ratio":
            return ((one - other) / (one + other)) ** 2 if one + other else 0.0
        between = sum(low <= value <= high for value in everything)
        ends = (everything.count(low) + everything.count(high)) / 2
        return (between - ends) ** 2 if one != other else 0.0

    n = len(everything)
    observed = sum(2 * apart(*pair) / (len(unit) - 1) for unit in units for pair in combinations(unit, 2)) / n
    expected = sum(2 * apart(*pair) for pair in combinations(everything, 2)) / (n * (n - 1))
    return 1 - observed / expected if expected else np.nan


matrices = st.integers(2, 5).flatmap(
    lambda people: st.lists(
        st.lists(st.sampled_from([np.nan, 0.0, 1.0, 2.0, 2.5, 5.0]), min_size=people, max_size=people),
        min_size=2, max_size=7,
    )
).map(lambda columns: np.array(columns).T)  # fmt: skip


@given(matrices, st.sampled_from(LEVELS))
def test_alpha_is_that_of_counting_every_pair(matrix, level):
    ours = krippendorff_alpha(matrix, level)
    if (~np.isnan(matrix)).sum(axis=0).max() < 2:
        assert np.isnan(ours)
    else:
        assert ours == pytest.approx(alpha_over_pairs(matrix, level), nan_ok=True)


@given(matrices)
def test_interval_alpha_does_not_depend_on_the_scale_nor_on_who_is_who(matrix):
    alpha = krippendorff_alpha(matrix)
    assert krippendorff_alpha(25 * matrix - 3) == pytest.approx(alpha, nan_ok=True)
    assert krippendorff_alpha(matrix[::-1, ::-1]) == pytest.approx(alpha, nan_ok=True)


def test_people_who_answer_by_chance_agree_by_chance_and_the_interval_says_so():
    by_chance = np.random.default_rng(3).integers(1, 6, (6, 400)).astype(float)
    low, high = alpha_interval(by_chance)
    assert low < 0 < high
    assert abs(krippendorff_alpha(by_chance)) < 0.05
    assert alpha_interval(by_chance) == (low, high)
    truth = np.random.default_rng(4).normal(size=400)
    alike = truth + 0.5 * np.random.default_rng(5).normal(size=(6, 400))  # 1 / (1 + 0.25) of the variance is shared
    low, high = alpha_interval(alike)
    assert low < 0.8 < high


@pytest.mark.parametrize(
    ("matrix", "level", "words"),
    [
        (np.ones(3), "interval", "matrix"),
        (np.ones((2, 3)), "cardinal", "cardinal"),
        (np.array([[1.0, np.inf]]), "interval", "infinite"),
        (-np.ones((2, 3)), "ratio", "negative"),
    ],
)
def test_what_is_no_matrix_of_ratings_is_bad_input(matrix, level, words):
    with pytest.raises(BadInput, match=words):
        krippendorff_alpha(matrix, level)


def test_nothing_is_said_of_one_person_or_of_one_value():
    assert np.isnan(krippendorff_alpha(np.array([[1.0, 2.0]])))
    assert np.isnan(krippendorff_alpha(np.ones((3, 4))))
    assert np.isnan(krippendorff_alpha(np.empty((0, 0))))
    assert np.isnan(alpha_interval(PUBLISHED[:, :5])[0])


def graded(rng, photos, of_photo, edits=12, people=5):
    """Grades of five steps, people × edits; of the true variance 0.8 a share is the photo's. With each edit's photo."""
    photo = np.repeat(np.arange(photos), edits)
    true = np.sqrt(0.8 * of_photo) * rng.normal(size=photos)[photo]
    true = true + np.sqrt(0.8 * (1 - of_photo)) * rng.normal(size=len(photo))
    latent = true + np.sqrt(0.6) * rng.normal(size=(people, len(photo)))
    return np.clip(np.round(3 + latent), 1, 5), photo


@pytest.mark.parametrize("of_photo", [5 / 16, 5 / 8])
def test_the_interval_of_alpha_holds_that_of_other_photos(of_photo):
    rng = np.random.default_rng(6)
    truth = krippendorff_alpha(graded(rng, 5000, of_photo)[0])
    runs, by_photo, by_edit = 200, 0, 0
    for run in range(runs):
        matrix, photo = graded(rng, 40, of_photo)
        low, high = alpha_interval(matrix, clusters=photo, draws=400, seed=run)
        by_photo += low <= truth <= high
        low, high = alpha_interval(matrix, draws=400, seed=run)
        by_edit += low <= truth <= high
    # As often as 0.9 of the time, as far as so many runs can tell (1 of 1,000 by accident); edits drawn singly do not.
    assert by_photo >= binom.ppf(0.001, runs, 0.9)
    assert by_edit < by_photo
    if of_photo > 0.5:
        assert by_edit < binom.ppf(0.001, runs, 0.9)


def test_clusters_of_one_stimulus_are_single_stimuli_and_few_say_nothing():
    matrix, photo = graded(np.random.default_rng(7), 9, 0.5)
    assert alpha_interval(matrix, clusters=range(len(photo))) == alpha_interval(matrix)
    assert np.isnan(alpha_interval(matrix, clusters=photo)).all()


def test_pairs_who_say_the_same_are_those_that_are_counted_and_do_not_depend_on_how_many_look():
    marked = np.array([[1, 0, 1, np.nan, 1], [1, 0, 0, 1, np.nan], [1, 0, 1, np.nan, 1]])
    assert pairs_alike(marked)[0] == pytest.approx((1 + 1 + 1 / 3 + 1) / 4)  # the fourth has no pair
    assert np.isnan(pairs_alike(marked[:1])).all()
    rng = np.random.default_rng(8)
    chance = rng.beta(0.5, 0.5, 20_000)
    many = (rng.random((5, 20_000)) < chance).astype(float)
    two, five = pairs_alike(many[:2], draws=10)[0], pairs_alike(many, draws=10)[0]
    assert two == pytest.approx(five, abs=0.02)
    assert two == pytest.approx(np.mean(chance**2 + (1 - chance) ** 2), abs=0.02)


def test_the_interval_of_pairs_is_wider_where_photos_differ():
    rng = np.random.default_rng(9)
    photo = np.repeat(np.arange(40), 12)
    marked = (rng.random((4, len(photo))) < rng.choice([0.5, 0.98], 40)[photo]).astype(float)
    value, low, high = pairs_alike(marked, photo)
    _, single_low, single_high = pairs_alike(marked)
    assert low < single_low < value < single_high < high


def square(left, right):
    return [[[left, 0.0], [right, 0.0], [right, 1.0], [left, 1.0]]]


def test_outlines_agree_as_far_as_what_two_people_marked_is_the_same():
    rows = [
        ("one", "ann", "artifact", "region", square(0.0, 0.2)),
        ("one", "ann", "artifact", "region", square(0.1, 0.4)),  # together 0 to 0.4
        ("one", "bob", "artifact", "region", square(0.2, 0.6)),  # shared 0.2 of 0.6
        ("one", "bob", "editing_failure", "region", square(0.0, 0.2)),  # alone
        ("two", "ann", "artifact", "whole", []),
        ("two", "bob", "artifact", "region", square(0.0, 0.5)),
        ("two", "eve", "artifact", "missing", []),
    ]
    table = pd.DataFrame(rows, columns=["edit_id", "annotator", "kind", "extent", "polygon"])
    assert outline_agreement(table) == (pytest.approx((1 / 3 + 1 / 2) / 2), 2)
    assert outline_agreement(table[:0])[1] == 0


def test_a_workspace_says_how_far_its_people_agree_without_those_set_aside(tmp_path):
    workspace = make_answered(tmp_path / "campaign", n_sources=4)
    rows = {(row["about"], row["measure"]): row for row in agreement_so_far(workspace)}
    scores = np.array([[2 + number % 3, 3] for number in range(15)], float).T
    for dimension in DIMENSIONS:
        row = rows[dimension, "Krippendorff's alpha (interval)"]
        assert row["value"] == pytest.approx(alpha_over_pairs(scores, "interval"))
        assert (row["edits"], row["people"]) == (15, 2)
        assert row["low"] is None  # four photos say nothing of others
    assert rows["artifact seen", "share of pairs of people who say the same"]["value"] == 1
    assert rows["place of flaws", "mean IoU of two people"]["value"] == pytest.approx(1)  # both drew the same box

    for name in ("ratings", "answers"):
        table = workspace.read_table(name).to_pandas()
        table["screened"] = table["annotator"] == "bob"
        workspace.write_table(name, table.to_dict("records"))
    assert agreement_so_far(workspace) == []  # nobody is left to agree with


def test_the_interval_of_a_workspace_is_over_its_photos(tmp_path):
    workspace = make_answered(tmp_path / "campaign", n_sources=12)
    edits = workspace.edits()[:-1]
    scores = np.array([[2 + number % 3, 3] for number in range(len(edits))], float).T / 4
    expected = alpha_interval(scores, clusters=[edit.source_id for edit in edits])
    rows = {(row["about"], row["measure"]): row for row in agreement_so_far(workspace)}
    row = rows[DIMENSIONS[0], "Krippendorff's alpha (interval)"]
    assert (row["low"], row["high"]) == pytest.approx(expected, abs=0.08)  # the order of the edits draws others
    assert row["low"] < row["value"] < row["high"]


def test_a_workspace_without_answers_says_nothing(campaign):
    assert agreement_so_far(campaign) == []
