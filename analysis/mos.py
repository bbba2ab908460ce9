"""Mean opinion scores (MOS): from many people's ratings to one score per stimulus with its uncertainty."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

from analysis.opinions import COLUMNS, Opinions
from analysis.projection import marginal, projected
from analysis.screening import Fit, bias_removed, plain, screened, z_scores
from editfhf.errors import BadInput

DEFAULT = "p910_marginal"
METHODS: dict[str, Callable[..., Fit]] = {
    "mean": plain,
    "zscore": z_scores,
    "bt500": screened,
    "bias_removed": bias_removed,
    "p910": projected,
    DEFAULT: marginal,
}
OPTIONS = {"bt500": ("variant",), "bias_removed": ("rejection", "variant")}
CONFIDENCE = 0.95
Z_STANDARD = 1.96  # ITU-R BT.500 and ITU-T P.910, for any number of people
BLOCK = 4_000_000  # numbers that a bootstrap holds at one time
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MosEstimate:
    """Scores and what was learned about the people.

    Attributes:
        stimuli: indexed by stimulus, sorted; on the scale of the scores: mos; std (N − 1) of the scores that count,
            less bias where the method removes it; ci95, half width of an interval that covers 95 % with few people,
            too; n (people who count); ci95_standard, as the standards compute it; and ci95_bootstrap_low and
            ci95_bootstrap_high where asked for. What one person alone cannot tell is NaN, as is all where n is 0.
        subjects: indexed by subject, sorted; bias (of the model, or the mean of score less MOS), inconsistency
            (standard deviation about that), rejected, n (stimuli).
        notes: what to know before these scores are used, in whole sentences.
    """

    stimuli: pd.DataFrame
    subjects: pd.DataFrame
    notes: tuple[str, ...] = ()


def estimate_mos(
    ratings: pd.DataFrame, method: str = DEFAULT, bootstrap: int = 0, seed: int = 0, **options: object
) -> MosEstimate:
    """Opinion scores from a long table of ratings with gaps of any pattern.

    Args:
        ratings: columns stimulus, subject, score (finite, on any one scale). Several ratings of one stimulus by one
            subject are averaged first: a person is one voice.
        method: `mean`; `zscore`: of each subject's scores, put back on the scale of all; `bt500`: the mean of those
            that BT.500 keeps (option variant: `standard` or `sureal`); `bias_removed`: without the subjects' bias
            (options rejection: then screened as by BT.500, which is P.913 § 12.4; variant); `p910`: Annex E of P.910,
            alternating projection; `p910_marginal`: its model with quality and bias as random effects, the best of them
            where ratings are few.
        bootstrap: draws of the subjects, with replacement, for a third interval; biases and weights stay as they are.

    Raises:
        BadInput: a column is missing, no rows, a score that is not finite, an unknown method or option.

    Source:
        ITU-R BT.500-15, ITU-T P.910 (07/22), ITU-T P.913 (06/21). The standards' interval takes 1.96 for any number of
        people, which at 5 people covers 88 % where 95 % are promised; ci95 takes Student's t.

    Example:
        >>> table = pd.DataFrame({"stimulus": ["a", "a"], "subject": ["x", "y"], "score": [2.0, 4.0]})
        >>> estimate_mos(table, "mean").stimuli.round(1).to_dict("index")
        {'a': {'mos': 3.0, 'std': 1.4, 'ci95': 12.7, 'n': 2, 'ci95_standard': 2.0}}
    """
    if method not in METHODS:
        raise BadInput(f"Unknown method {method!r} of opinion scores.", mend=f"There are: {', '.join(METHODS)}.")
    if unknown := set(options) - set(OPTIONS.get(method, ())):
        known = ", ".join(OPTIONS.get(method, ())) or "none"
        raise BadInput(f"The method {method} has no option {sorted(unknown)[0]!r}.", mend=f"It has: {known}.")
    if options.get("variant", "standard") not in ("standard", "sureal"):
        raise BadInput(f"Unknown variant {options['variant']!r}.", mend="There are: standard, sureal.")
    opinions = Opinions.of(ratings)
    fit = METHODS[method](opinions, **options)
    stimuli, scores_off = _stimuli(opinions, fit)
    if bootstrap:
        low, high = _bootstrap(opinions, fit, bootstrap, seed)
        stimuli["ci95_bootstrap_low"], stimuli["ci95_bootstrap_high"] = low, high
    notes = _notes(opinions, stimuli)
    for note in notes:
        log.warning("%s", note)
    return MosEstimate(stimuli, _subjects(opinions, fit, scores_off), notes)


def half_width(std: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Half the width of the 95 % interval of a mean of n values with standard deviation std; NaN where n < 2."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return student_quantile(np.where(n > 1, n - 1, np.nan)) * std / np.sqrt(n)


def student_quantile(freedom: np.ndarray) -> np.ndarray:
    """How many standard errors the 95 % interval reaches on either side; NaN for NaN degrees of freedom."""
    values, place = np.unique(freedom, return_inverse=True)  # few different ones, and each is dear
    return student_t.ppf((1 + CONFIDENCE) / 2, values)[place]


def estimates_by_dimension(ratings: pd.DataFrame, method: str = DEFAULT) -> dict[str, MosEstimate]:
    """`estimate_mos` on 0..100 for each dimension; people may be rejected in one and count in another.

    Args:
        ratings: columns of the table `ratings`. Attention checks and screened ratings are left out here.
        method: of `estimate_mos`.

    Raises:
        BadInput: a scale has no width, or a score is not finite.
    """
    if (ratings["scale_max"] <= ratings["scale_min"]).any():
        raise BadInput("The scale of a rating ends where it begins.", mend="Pull the answers again.")
    counted = ratings[~ratings["check"] & ~ratings["screened"]]
    estimates = {}
    for dimension, group in counted.groupby("dimension", sort=True):
        share = (group["score"] - group["scale_min"]) / (group["scale_max"] - group["scale_min"])
        table = pd.DataFrame({"stimulus": group["edit_id"], "subject": group["annotator"], "score": 100 * share})
        estimates[str(dimension)] = estimate_mos(table, method)
    return estimates


def scores_of(estimates: Mapping[str, MosEstimate]) -> pd.DataFrame:
    """What `estimates_by_dimension` says of the edits: columns edit_id, dimension, mos, std, ci95, n; in that order."""
    # Less a person's bias, a rating at the end of the scale lies beyond it.
    rows = [
        one.stimuli.assign(mos=one.stimuli["mos"].clip(0, 100), dimension=name).rename_axis("edit_id").reset_index()
        for name, one in estimates.items()
    ]
    columns = ["edit_id", "dimension", "mos", "std", "ci95", "n"]
    if not rows:
        return pd.DataFrame(columns=columns)
    return pd.concat(rows)[columns].sort_values(["edit_id", "dimension"], ignore_index=True)


def people_of(estimates: Mapping[str, MosEstimate]) -> pd.DataFrame:
    """What they say of people: columns annotator, dimension, bias and inconsistency (points of 0..100), rejected, n."""
    rows = [
        one.subjects.rename_axis("annotator").reset_index().assign(dimension=name) for name, one in estimates.items()
    ]
    columns = ["annotator", "dimension", "bias", "inconsistency", "rejected", "n"]
    if not rows:
        return pd.DataFrame(columns=columns)
    return pd.concat(rows)[columns].sort_values(["annotator", "dimension"], ignore_index=True)


def mos_by_dimension(ratings: pd.DataFrame, method: str = DEFAULT) -> pd.DataFrame:
    """Opinion scores on 0..100 for every edit and dimension: `scores_of` what `estimates_by_dimension` finds."""
    return scores_of(estimates_by_dimension(ratings, method))


def _stimuli(opinions: Opinions, fit: Fit) -> tuple[pd.DataFrame, np.ndarray]:
    """The table of the stimuli, and how far each score is from its MOS."""
    weight = fit.weight[opinions.subject_of]
    counts = weight > 0
    n = opinions.by_stimulus(counts).astype(int)
    with np.errstate(invalid="ignore", divide="ignore"):
        mos = opinions.by_stimulus(weight * fit.adjusted) / opinions.by_stimulus(weight)
        off = fit.adjusted - mos[opinions.stimulus_of]
        plain_mean = opinions.by_stimulus(counts * off) / n
        about_mean = opinions.by_stimulus(counts * (off - plain_mean[opinions.stimulus_of]) ** 2)
        std = np.sqrt(about_mean / np.where(n > 1, n - 1, np.nan))
        # Annex E of P.910 takes the deviation with N, BT.500 and P.913 with N − 1.
        standard = Z_STANDARD * (std if fit.inconsistency is None else np.sqrt(about_mean / n)) / np.sqrt(n)
        if fit.standard_error is None or fit.freedom is None:
            ci95 = half_width(std, n)
        else:
            ci95 = student_quantile(fit.freedom) * fit.standard_error
        ci95, standard = np.where(n > 1, ci95, np.nan), np.where(n > 1, standard, np.nan)
    columns = {"mos": mos, "std": std, "ci95": ci95, "n": n, "ci95_standard": standard}
    return pd.DataFrame(columns, index=opinions.stimuli.rename("stimulus")), off


def _subjects(opinions: Opinions, fit: Fit, off: np.ndarray) -> pd.DataFrame:
    """The table of the subjects; what the method did not estimate is told by the distance from the MOS."""
    n = opinions.n_of_subject
    mean = opinions.by_subject(off) / n
    squares = opinions.by_subject((off - mean[opinions.subject_of]) ** 2)
    with np.errstate(invalid="ignore"):
        about = np.sqrt(squares / np.where(n > 1, n - 1, np.nan))
    columns = {
        "bias": mean if fit.bias is None else fit.bias,
        "inconsistency": about if fit.inconsistency is None else fit.inconsistency,
        "rejected": np.zeros(len(n), dtype=bool) if fit.rejected is None else fit.rejected,
        "n": n,
    }
    return pd.DataFrame(columns, index=opinions.subjects.rename("subject"))


def _bootstrap(opinions: Opinions, fit: Fit, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles of the MOS over draws of the subjects, biases and weights as they are; NaN where n < 2."""
    rng = np.random.default_rng(seed)
    n_subjects = len(opinions.subjects)
    times = rng.multinomial(n_subjects, np.full(n_subjects, 1 / n_subjects), size=draws).T * fit.weight[:, None]
    scores, seen = opinions.matrix(fit.adjusted), opinions.matrix(np.ones(len(fit.adjusted)))
    parts = []
    step = max(1, BLOCK // draws)
    for start in range(0, len(opinions.stimuli), step):
        some = slice(start, start + step)
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn = (scores[some] @ times) / (seen[some] @ times)
        with np.errstate(invalid="ignore"):
            parts.append(np.nanpercentile(drawn, [2.5, 97.5], axis=1))
    low, high = np.concatenate(parts, axis=1)
    alone = opinions.by_stimulus(fit.weight[opinions.subject_of] > 0) < 2
    return np.where(alone, np.nan, low), np.where(alone, np.nan, high)


def _notes(opinions: Opinions, stimuli: pd.DataFrame) -> tuple[str, ...]:
    notes = []
    if (parts := opinions.n_parts()) > 1:
        notes.append(
            f"{parts} groups of people share no stimulus with each other: between them, bias of people and quality of "
            "stimuli cannot be told apart."
        )
    if nobody := int((stimuli["n"] == 0).sum()):
        notes.append(f"{nobody} stimuli have no score: all who rated them were rejected.")
    return tuple(notes)


__all__ = [
    "COLUMNS", "DEFAULT", "METHODS", "MosEstimate", "estimate_mos", "estimates_by_dimension", "half_width",
    "mos_by_dimension", "people_of", "scores_of",
]  # fmt: skip
