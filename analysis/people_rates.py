"""How much of what is there each person marks, how often where nothing is, and so how likely each cluster is a flaw.

A model of capture and recapture with false alarms, fitted by expectation–maximisation over a whole campaign. An edit
has a number of flaws (Poisson): some that anybody may see, and some that everybody tends to miss; person p marks them
with the rates s_p and HARD_TO_SEE · s_p. Person p also marks, λ_p times an edit (Poisson), a place where nothing is,
and another person joins there with the chance COINCIDENCE. That nobody marked a flaw is part of the model: what is
never seen is in no table, and counts among everybody's misses.

Source: Dawid and Skene, Applied Statistics 28, 1979, for rates of people from agreement alone; Chao, Statistics in
Medicine 20, 2001, for capture–recapture with several lists.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

HARD_TO_SEE = 0.3  # of a person's rate: what is left of it for flaws that everybody tends to miss
COINCIDENCE = 0.01  # that another person marks a place where nothing is
# Priors, as that many flaws or edits seen before: rates of somebody new, and what little data cannot move far.
PRIOR_SEEN, PRIOR_MISSED = 3.0, 2.0
PRIOR_FALSE, PRIOR_EDITS = 0.6, 3.0  # false alarms, in so many edits
PRIOR_FLAWS, PRIOR_HARD, PRIOR_FLAW_EDITS = 40.0, 30.0, 10.0  # flaws that anybody may see, hard ones; edits
ITERATIONS, SETTLED = 200, 1e-4
_LEAST, _MOST = 0.02, 0.98


@dataclass(frozen=True)
class Looks:
    """Who looked at each cluster, and who marked it: a row for each (cluster, person who inspected its edit).

    Attributes:
        cluster, person, edit: int codes; marked: bool. Every cluster is marked by somebody.
        inspected_edit, inspected_person: who inspected which edit, each pair once, also where nobody marked anything.
    """

    cluster: np.ndarray
    person: np.ndarray
    marked: np.ndarray
    inspected_edit: np.ndarray
    inspected_person: np.ndarray


@dataclass(frozen=True)
class Rates:
    """What the model says.

    Attributes:
        sensitivity: share of the flaws that are not hard to see that each person marks, 0..1.
        false_alarms: of each person, in an edit.
        flaws, hard_flaws: in an edit, mean.
        weight: of each person, 0..1: the F-measure expected of the person's marks.
    """

    sensitivity: np.ndarray
    false_alarms: np.ndarray
    flaws: float
    hard_flaws: float
    weight: np.ndarray

    @classmethod
    def unknown(cls, n_people: int) -> "Rates":
        """Of people about whom nothing is known: all alike."""
        return cls(
            np.full(n_people, PRIOR_SEEN / (PRIOR_SEEN + PRIOR_MISSED)),
            np.full(n_people, PRIOR_FALSE / PRIOR_EDITS),
            PRIOR_FLAWS / PRIOR_FLAW_EDITS,
            PRIOR_HARD / PRIOR_FLAW_EDITS,
            np.ones(n_people),
        )


def probability_of(looks: Looks, rates: Rates, n_clusters: int) -> np.ndarray:
    """The probability that each cluster is a flaw: float64, shape (n_clusters,)."""
    if not n_clusters:
        return np.empty(0)
    *_, false = _shares(_table(looks, len(rates.sensitivity), n_clusters), rates)
    return np.clip(1 - false, 0.0, 1.0)


def estimate_rates(looks: Looks, n_people: int, n_clusters: int, n_edits: int) -> Rates:
    """Everybody's rates. With one edit, no more is known of anybody than the priors say: `Rates.unknown`.

    Args:
        n_edits: that somebody inspected.
    """
    rates = Rates.unknown(n_people)
    if n_edits < 2 or n_clusters == 0:
        return rates
    edits = np.bincount(looks.inspected_person, minlength=n_people)
    table = _table(looks, n_people, n_clusters)
    back, who_marked = table.T.tocsr(), table[:, n_people:]
    person, edit = looks.inspected_person, looks.inspected_edit
    for _ in range(ITERATIONS):
        easy, hard, false = _shares(table, rates)
        unseen_easy, unseen_hard = _unseen(looks, rates)
        # Who of those who marked a place where nothing is began it, in proportion to their λ; the others joined.
        began = false / np.maximum(who_marked @ rates.false_alarms, 1e-300)
        sums = back @ np.stack([easy, hard, false, began], axis=1)
        missed, marked = sums[:n_people], sums[n_people:]
        not_seen_easy = np.bincount(person, unseen_easy[edit], n_people)
        not_seen_hard = np.bincount(person, unseen_hard[edit], n_people)
        chances = missed[:, 0] + marked[:, 0] + not_seen_easy
        chances += HARD_TO_SEE * (missed[:, 1] + marked[:, 1] + not_seen_hard)
        hits = marked[:, 0] + marked[:, 1]
        misses = missed[:, 0] + missed[:, 1] + not_seen_easy + not_seen_hard
        old, rates = (
            rates,
            Rates(
                np.clip((hits + PRIOR_SEEN) / (chances + PRIOR_SEEN + PRIOR_MISSED), _LEAST, _MOST),
                (marked[:, 3] * rates.false_alarms + PRIOR_FALSE) / (edits + PRIOR_EDITS),
                float((easy.sum() + unseen_easy.sum() + PRIOR_FLAWS) / (n_edits + PRIOR_FLAW_EDITS)),
                float((hard.sum() + unseen_hard.sum() + PRIOR_HARD) / (n_edits + PRIOR_FLAW_EDITS)),
                2 * (hits + PRIOR_SEEN) / (2 * (hits + PRIOR_SEEN) + marked[:, 2] + misses + PRIOR_MISSED),
            ),
        )
        if np.abs(rates.sensitivity - old.sensitivity).max() < SETTLED:
            break
    return rates


def _table(looks: Looks, n_people: int, n_clusters: int) -> sparse.csr_array:
    """Clusters × (everybody who did not mark it, everybody who did): 1 where that is so."""
    column = looks.person + n_people * looks.marked
    return sparse.csr_array((np.ones(len(column)), (looks.cluster, column)), shape=(n_clusters, 2 * n_people))


def _shares(table: sparse.csr_array, rates: Rates) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How likely each cluster is a flaw, one that is hard to see, none."""
    n_people = len(rates.sensitivity)
    hard = HARD_TO_SEE * rates.sensitivity
    nobody, everybody = np.zeros(n_people), np.ones(n_people)
    of_look = np.stack(
        [
            np.r_[np.log1p(-rates.sensitivity), np.log(rates.sensitivity)],
            np.r_[np.log1p(-hard), np.log(hard)],
            np.r_[np.log1p(-COINCIDENCE) * everybody, np.log(COINCIDENCE) * everybody],
            np.r_[nobody, rates.false_alarms],
        ],
        axis=1,
    )
    easy, missed, false, began = np.ascontiguousarray((table @ of_look).T)
    easy += np.log(rates.flaws)
    missed += np.log(rates.hard_flaws)
    false += np.log(np.maximum(began, 1e-300)) - np.log(COINCIDENCE)  # one of them did not join
    top = np.maximum(np.maximum(easy, missed), false)
    shares = np.exp(np.stack([easy - top, missed - top, false - top]))
    shares /= shares.sum(axis=0)
    return shares[0], shares[1], shares[2]


def _unseen(looks: Looks, rates: Rates) -> tuple[np.ndarray, np.ndarray]:
    """How many flaws of each sort nobody marked, expected, in each edit."""

    def all_missed(rate: np.ndarray) -> np.ndarray:
        return np.exp(np.bincount(looks.inspected_edit, np.log1p(-rate[looks.inspected_person])))

    return rates.flaws * all_missed(rates.sensitivity), rates.hard_flaws * all_missed(HARD_TO_SEE * rates.sensitivity)
