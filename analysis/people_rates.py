"""How much of what is there each person marks, how often where nothing is, and so how likely each cluster is a flaw.

A model of capture and recapture with false alarms, fitted by expectation–maximisation over a whole campaign. An edit has
a number of flaws (Poisson): some that anybody may see, and some that everybody tends to miss, each marked by person p
with the rate s_p or HARD_TO_SEE · s_p. Person p also marks, λ_p times an edit (Poisson), a place where nothing is, and
another person joins there with the chance COINCIDENCE. That nobody marked a flaw is part of the model: what is never
seen is in no table, and counts among everybody's misses.

Source: Dawid and Skene, Applied Statistics 28, 1979, for rates of people from agreement alone; Chao, Statistics in
Medicine 20, 2001, for capture–recapture with several lists.
"""

from dataclasses import dataclass

import numpy as np

HARD_TO_SEE = 0.35  # of a person's rate: what is left of it for flaws that everybody tends to miss
COINCIDENCE = 0.04  # that another person marks a place where nothing is
# Priors, as that many flaws or edits seen before: rates of somebody new, and what little data cannot move far.
PRIOR_SEEN, PRIOR_MISSED = 3.0, 2.0
PRIOR_FALSE, PRIOR_EDITS = 1.0, 3.0  # false alarms, in so many edits
PRIOR_FLAWS, PRIOR_HARD = 3.0, 1.5  # flaws, in one edit
PRIOR_FLAW_EDITS = 1.0
ITERATIONS, SETTLED = 200, 1e-7
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
    easy, hard, false = _shares(looks, rates, n_clusters)
    return np.clip(1 - false, 0.0, 1.0) if n_clusters else easy + hard


def estimate_rates(looks: Looks, n_people: int, n_clusters: int, n_edits: int) -> Rates:
    """Everybody's rates. With one edit, no more is known of anybody than the priors say: `Rates.unknown`.

    Args:
        n_edits: that somebody inspected.
    """
    rates = Rates.unknown(n_people)
    if n_edits < 2 or n_clusters == 0:
        return rates
    edits = np.bincount(looks.inspected_person, minlength=n_people)
    marked = looks.marked
    for _ in range(ITERATIONS):
        easy, hard, false = _shares(looks, rates, n_clusters)
        unseen_easy, unseen_hard = _unseen(looks, rates)
        at_easy, at_hard, at_false = easy[looks.cluster], hard[looks.cluster], false[looks.cluster]
        in_edit = looks.inspected_edit
        chances = _sums(looks.person, at_easy + HARD_TO_SEE * at_hard, n_people) + _sums(
            looks.inspected_person, unseen_easy[in_edit] + HARD_TO_SEE * unseen_hard[in_edit], n_people
        )
        hits = _sums(looks.person[marked], (at_easy + at_hard)[marked], n_people)
        sensitivity = np.clip((hits + PRIOR_SEEN) / (chances + PRIOR_SEEN + PRIOR_MISSED), _LEAST, _MOST)
        # Of those who marked a place where nothing is, one began and the others joined: each in proportion to λ.
        began = rates.false_alarms[looks.person[marked]]
        all_began = _sums(looks.cluster[marked], began, n_clusters)[looks.cluster[marked]]
        alarms = _sums(looks.person[marked], at_false[marked] * began / all_began, n_people)
        false_alarms = (alarms + PRIOR_FALSE) / (edits + PRIOR_EDITS)
        total_alarms = _sums(looks.person[marked], at_false[marked], n_people)
        missed = _sums(looks.person[~marked], (at_easy + at_hard)[~marked], n_people)
        missed += _sums(looks.inspected_person, (unseen_easy + unseen_hard)[in_edit], n_people)
        weight = (2 * hits + 2 * PRIOR_SEEN) / (2 * hits + total_alarms + missed + 2 * PRIOR_SEEN + PRIOR_MISSED)
        old, rates = rates, Rates(
            sensitivity,
            false_alarms,
            float((easy.sum() + unseen_easy.sum() + PRIOR_FLAWS) / (n_edits + PRIOR_FLAW_EDITS)),
            float((hard.sum() + unseen_hard.sum() + PRIOR_HARD) / (n_edits + PRIOR_FLAW_EDITS)),
            weight,
        )
        if np.abs(rates.sensitivity - old.sensitivity).max() < SETTLED:
            break
    return rates


def _shares(looks: Looks, rates: Rates, n_clusters: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How likely each cluster is a flaw, one that is hard to see, none."""
    marked = looks.marked

    def chance(rate: np.ndarray) -> np.ndarray:
        of_look = np.where(marked, np.log(rate[looks.person]), np.log1p(-rate[looks.person]))
        return _sums(looks.cluster, of_look, n_clusters)

    n_marked = _sums(looks.cluster, marked, n_clusters)
    n_looked = np.bincount(looks.cluster, minlength=n_clusters)
    began = _sums(looks.cluster[marked], rates.false_alarms[looks.person[marked]], n_clusters)
    joined = (n_marked - 1) * np.log(COINCIDENCE) + (n_looked - n_marked) * np.log1p(-COINCIDENCE)
    logs = np.stack(
        [
            np.log(rates.flaws) + chance(rates.sensitivity),
            np.log(rates.hard_flaws) + chance(HARD_TO_SEE * rates.sensitivity),
            np.log(np.maximum(began, 1e-300)) + joined,
        ]
    )
    shares = np.exp(logs - logs.max(axis=0)) if n_clusters else np.empty((3, 0))
    shares /= shares.sum(axis=0)
    return shares[0], shares[1], shares[2]


def _unseen(looks: Looks, rates: Rates) -> tuple[np.ndarray, np.ndarray]:
    """How many flaws of each sort nobody marked, expected, in each edit."""

    def all_missed(rate: np.ndarray) -> np.ndarray:
        return np.exp(np.bincount(looks.inspected_edit, np.log1p(-rate[looks.inspected_person])))

    return rates.flaws * all_missed(rates.sensitivity), rates.hard_flaws * all_missed(HARD_TO_SEE * rates.sensitivity)


def _sums(code: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    """The sum of the values of each code: float64, shape (n,), also where there are none at all."""
    return np.bincount(code, values, n).astype(float)
