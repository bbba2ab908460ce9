"""Which model people prefer when they choose between two: strengths by the model of Bradley and Terry."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import expit

from analysis.two_way import two_way, worth_of
from editfhf.errors import BadInput
from editfhf.schema import Edit

COLUMNS = ("photo", "annotator", "first", "second", "choice")
WINS = {"first": 1.0, "tie": 0.5, "second": 0.0}
PRIOR_CHOICES = 1.0  # with a model of mean strength, half of them won: nobody who won all is infinitely strong
STEPS = 100  # of Newton's method; it takes about six
CHANGE = 1e-10  # of a strength, below which it ends


def choices_between_models(
    preferences: pd.DataFrame, edits: Mapping[str, Edit], photos: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """The rows of the table `preferences` that say which of two models' edits somebody prefers.

    Args:
        preferences: screened ones, and those that chose nothing, are left out; and pairs whose second is no edit.
        edits: edit_id → edit, of all.
        photos: source_id → the photo that it was made from (`Source.root_id`); default: each is its own.

    Returns:
        columns photo, annotator, first and second (models), choice; without pairs of one model with itself.
    """
    said = preferences[~preferences["screened"].astype(bool) & preferences["choice"].isin(list(WINS))]
    said = said[said["edit_id"].isin(list(edits)) & said["other_edit_id"].isin(list(edits))]
    sources = [edits[one].source_id for one in said["edit_id"]]
    rows = pd.DataFrame({
        "photo": [(photos or {}).get(source, source) for source in sources],
        "annotator": said["annotator"].to_numpy(),
        "first": [edits[one].model for one in said["edit_id"]],
        "second": [edits[one].model for one in said["other_edit_id"]],
        "choice": said["choice"].to_numpy(),
    })  # fmt: skip
    return rows[rows["first"] != rows["second"]].reset_index(drop=True)


def bradley_terry(choices: pd.DataFrame, n_bootstrap: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Strengths of models from choices between two, strongest first.

    A tie is half a win of each. Models that nobody compared, not even by way of others, are still ranked, but by
    `PRIOR_CHOICES` alone: `connected` says so. Intervals are over other photos and other people, like those of
    `leaderboard`.

    Args:
        choices: columns photo, annotator, first, second (names), choice (`first`, `second`, `tie`).

    Returns:
        Indexed by model: rank; strength, strength_low, strength_high: in logits, mean 0: a model beats another with
        probability 1 / (1 + e^−difference); wins, wins_low, wins_high: the share of choices that it would win against
        a model of mean strength; n_choices; connected.

    Raises:
        BadInput: a column is missing, there are no choices, or one of something else.

    Source:
        Bradley and Terry, Biometrika 39, 1952; ties as half: Glenn and David, Biometrics 16, 1960.
    """
    if missing := [column for column in COLUMNS if column not in choices]:
        raise BadInput(f"The choices lack the column {', '.join(missing)}.")
    if choices.empty:
        raise BadInput("Nobody has chosen between two models yet.", mend="Hand out pairs: `editfhf annotate push`.")
    if not choices["choice"].isin(list(WINS)).all():
        raise BadInput("A choice is neither first, second nor tie.", mend="Leave out those who could not judge.")
    names = sorted({*choices["first"], *choices["second"]})
    m, n = len(names), len(choices)
    first = pd.Index(names).get_indexer(pd.Index(choices["first"]))
    second = pd.Index(names).get_indexer(pd.Index(choices["second"]))
    won = choices["choice"].map(WINS).to_numpy(float)
    strengths, information = _fitted(first, second, won, m)

    # To first order each choice moves the strengths by the inverse information times its own score.
    surprise = won - expit(strengths[first] - strengths[second])
    rows = np.tile(np.arange(n), 2)
    scores = sparse.coo_array((np.r_[surprise, -surprise], (rows, np.r_[first, second])), shape=(n, m)).tocsr()
    inverse = np.linalg.pinv(information)
    photo, _ = pd.factorize(choices["photo"], sort=True)
    person, _ = pd.factorize(choices["annotator"], sort=True)
    cell = np.unique(np.stack([photo, person]), axis=1, return_inverse=True)[1].ravel()
    by_photo, by_person, answers = (_summed(scores, which) @ inverse for which in (photo, person, cell))
    worth = worth_of(np.bincount(person).astype(float))
    known = two_way(strengths, by_photo, by_person, answers, n_bootstrap, seed, worth).of(np.eye(m) - 1 / m)
    low, high = known.interval()

    links = sparse.coo_array((np.ones(n), (first, second)), shape=(m, m))
    _, part = sparse.csgraph.connected_components(links, directed=False)
    table = pd.DataFrame(
        {
            "strength": known.estimate, "strength_low": low, "strength_high": high,
            "wins": expit(known.estimate), "wins_low": expit(low), "wins_high": expit(high),
            "n_choices": np.bincount(first, minlength=m) + np.bincount(second, minlength=m),
            "connected": part == np.bincount(part).argmax(),
        },
        index=pd.Index(names, name="model"),
    )  # fmt: skip
    table = table.sort_values("strength", ascending=False, kind="stable")
    table.insert(0, "rank", np.arange(1, m + 1))
    return table


def _fitted(first: np.ndarray, second: np.ndarray, won: np.ndarray, m: int) -> tuple[np.ndarray, np.ndarray]:
    """The strengths, mean 0, that make the choices and the prior most probable; and their information, (m, m)."""
    strengths = np.zeros(m)
    for _ in range(STEPS):
        p = expit(strengths[first] - strengths[second])
        prior = expit(strengths)
        gained = np.bincount(first, won - p, m) - np.bincount(second, won - p, m) + PRIOR_CHOICES * (0.5 - prior)
        between = np.zeros((m, m))
        np.add.at(between, (first, second), p * (1 - p))
        between += between.T
        information = np.diag(between.sum(axis=1) + PRIOR_CHOICES * prior * (1 - prior)) - between
        step = np.linalg.solve(information, gained)
        strengths = strengths + np.clip(step, -1, 1)  # far from the end, a whole step may overshoot
        if np.abs(step).max() < CHANGE:
            break
    return strengths - strengths.mean(), information


def _summed(scores: sparse.csr_array, group: np.ndarray) -> np.ndarray:
    """Sums of the rows of each group: shape (groups, m)."""
    n = len(group)
    member = sparse.coo_array((np.ones(n), (group, np.arange(n))), shape=(int(group.max()) + 1, n)).tocsr()
    return (member @ scores).toarray()
