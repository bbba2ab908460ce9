"""Scores by plain rules: means, z-scores, removal of bias, rejection of subjects (ITU-R BT.500-15, ITU-T P.913)."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.opinions import Opinions

Variant = Literal["standard", "sureal"]
# ITU-R BT.500-15, Annex 1 to Part 1, § A1-2.3.1
NORMAL_KURTOSIS = (2, 4)
WIDE, WIDER = 2.0, np.sqrt(20)  # deviations from the mean, where the scores look normal and where they do not
OFTEN, BOTH_WAYS = 0.05, 0.3


@dataclass(frozen=True)
class Fit:
    """What a method makes of the opinions: the MOS is the mean of `adjusted`, weighted by `weight` of the subject.

    Attributes:
        adjusted: float64, one for each of `Opinions.scores`: without what is the subject's own, on the scale of the
            scores.
        weight, bias, rejected: of each subject; weight is 0 where rejected.
        inconsistency: of each subject: standard deviation of what is left; None: of its scores about MOS and bias.
        standard_error: of each MOS, by a model; None: from the spread of the scores of the stimulus.
        freedom: degrees of freedom of `standard_error`, for each stimulus.
    """

    adjusted: np.ndarray
    weight: np.ndarray
    bias: np.ndarray | None = None
    inconsistency: np.ndarray | None = None
    rejected: np.ndarray | None = None
    standard_error: np.ndarray | None = None
    freedom: np.ndarray | None = None


def plain(opinions: Opinions) -> Fit:
    """Every opinion as it is."""
    return Fit(opinions.scores, np.ones(len(opinions.subjects)))


def z_scores(opinions: Opinions) -> Fit:
    """Each subject's scores with the mean and the standard deviation (N − 1) that all scores have.

    A subject whose scores are all the same, or one, has no z-scores and is rejected.
    """
    mean, std = subject_moments(opinions)
    # `std` of equal scores is 0 up to rounding.
    flat = ~(std > 1e-9 * np.maximum(1, np.abs(mean)))
    pooled = opinions.scores
    spread = pooled.std(ddof=1) if len(pooled) > 1 else 0.0
    z = (pooled - mean[opinions.subject_of]) / np.where(flat, 1, std)[opinions.subject_of]
    return Fit(pooled.mean() + spread * z, (~flat).astype(float), rejected=flat)


def bias_removed(opinions: Opinions, rejection: bool = False, variant: Variant = "standard") -> Fit:
    """Scores less the subject's mean distance from the MOS; `rejection`: then screened as `screened` does."""
    bias = bias_of(opinions, opinions.scores)
    adjusted = opinions.scores - bias[opinions.subject_of]
    rejected = outlying(opinions, adjusted, variant) if rejection else np.zeros(len(bias), dtype=bool)
    return Fit(adjusted, (~rejected).astype(float), bias, rejected=rejected)


def screened(opinions: Opinions, variant: Variant = "standard") -> Fit:
    """Scores of the subjects that BT.500 keeps."""
    rejected = outlying(opinions, opinions.scores, variant)
    return Fit(opinions.scores, (~rejected).astype(float), rejected=rejected)


def bias_of(opinions: Opinions, scores: np.ndarray) -> np.ndarray:
    """Mean over a subject's stimuli of score less the plain mean of the stimulus (P.913 § 12.4); of each subject."""
    mos = opinions.by_stimulus(scores) / opinions.n_of_stimulus
    return opinions.by_subject(scores - mos[opinions.stimulus_of]) / opinions.n_of_subject


def subject_moments(opinions: Opinions) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (N − 1; NaN of one score) of each subject's scores."""
    mean = opinions.by_subject(opinions.scores) / opinions.n_of_subject
    squares = opinions.by_subject((opinions.scores - mean[opinions.subject_of]) ** 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return mean, np.sqrt(squares / np.where(opinions.n_of_subject > 1, opinions.n_of_subject - 1, np.nan))


def outlying(opinions: Opinions, scores: np.ndarray, variant: Variant = "standard") -> np.ndarray:
    """Which subjects BT.500 rejects: bool, one for each.

    A score is an outlier where it is 2 standard deviations or more from the mean of its stimulus, if the kurtosis of
    the stimulus lies in 2..4, or √20 otherwise. A subject is rejected whose scores are outliers in more than 5 % of
    cases, and of these about as many above as below (`|P − Q| ÷ (P + Q) < 0.3`). If this were everybody, nobody is.

    Args:
        scores: one for each of `opinions.scores`.
        variant: `standard`: deviation with N − 1; the share is of what the subject rated; where all agree there is no
            outlier. `sureal`: what the package sureal 0.9 computes: deviation with N; the share is of all stimuli;
            where all agree each score is an outlier on both sides.

    Source:
        ITU-R BT.500-15, § A1-2.3.1; the variant: github.com/Netflix/sureal, `subject_rejection`.
    """
    above, below = np.zeros(len(scores), dtype=bool), np.zeros(len(scores), dtype=bool)
    # Stimuli with as many people at once: their scores are the rows of one array.
    for places, _ in opinions.blocks():
        block = scores[places]
        n = block.shape[1]
        if n < 2 and variant == "standard":
            continue
        mean = block.mean(axis=1, keepdims=True)
        away = block - mean
        squares = away**2
        second = squares.mean(axis=1, keepdims=True)
        agree = second <= (1e-15 * mean) ** 2
        kurtosis = (squares**2).mean(axis=1, keepdims=True) / np.where(agree, np.nan, second) ** 2
        factor = np.where((kurtosis >= NORMAL_KURTOSIS[0]) & (kurtosis <= NORMAL_KURTOSIS[1]), WIDE, WIDER)
        if variant == "sureal":
            limit = factor * np.sqrt(second)
            above[places], below[places] = block >= mean + limit, block <= mean - limit
        else:
            limit = factor * np.sqrt(second * n / (n - 1))
            above[places], below[places] = (block >= mean + limit) & ~agree, (block <= mean - limit) & ~agree
    up, down = opinions.by_subject(above), opinions.by_subject(below)
    seen = len(opinions.stimuli) if variant == "sureal" else opinions.n_of_subject
    with np.errstate(invalid="ignore"):
        rejected = ((up + down) / seen > OFTEN) & (np.abs(up - down) / (up + down) < BOTH_WAYS)
    return rejected & ~rejected.all()
