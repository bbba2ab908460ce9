"""Mean opinion scores (MOS): from many people's ratings to one score per stimulus with its uncertainty."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

from editfhf.errors import BadInput

METHODS = ("mean",)
COLUMNS = ("stimulus", "subject", "score")
CONFIDENCE = 0.95


@dataclass(frozen=True)
class MosEstimate:
    """Scores and what was learned about the people.

    Attributes:
        stimuli: indexed by stimulus; mos, std (N − 1), ci95 (half width) on the scale of the scores, n (people).
            std and ci95 are NaN where n is 1.
        subjects: indexed by subject; bias (mean of score minus MOS), inconsistency (standard deviation of that, N − 1),
            rejected (always False for `mean`), n (stimuli).
    """

    stimuli: pd.DataFrame
    subjects: pd.DataFrame


def estimate_mos(ratings: pd.DataFrame, method: str = "mean") -> MosEstimate:
    """Opinion scores from a long table of ratings with gaps of any pattern.

    Args:
        ratings: columns stimulus, subject, score (finite, on any one scale). Several ratings of one stimulus by one
            subject are averaged first: a person is one voice.
        method: `mean`: the plain mean with an interval from Student's t.

    Raises:
        BadInput: a column is missing, no rows, a score that is not finite, an unknown method.

    Source:
        Mean and deviation: ITU-T P.910 and ITU-R BT.500. Their interval takes 1.96 for any number of people, which at
        5 people covers 88 % where 95 % are promised; Student's t with n − 1 degrees of freedom covers what it says
        (for ratings that are normal).

    Example:
        >>> table = pd.DataFrame({"stimulus": ["a", "a"], "subject": ["x", "y"], "score": [2.0, 4.0]})
        >>> estimate_mos(table).stimuli.round(1).to_dict("index")
        {'a': {'mos': 3.0, 'std': 1.4, 'ci95': 12.7, 'n': 2}}
    """
    if method not in METHODS:
        raise BadInput(f"Unknown method {method!r} of opinion scores.", mend=f"There are: {', '.join(METHODS)}.")
    missing = [column for column in COLUMNS if column not in ratings]
    if missing:
        raise BadInput(f"The ratings lack the column {', '.join(missing)}.", mend=f"Needed: {', '.join(COLUMNS)}.")
    if ratings.empty:
        raise BadInput("There are no ratings.", mend="Bring answers home first: `editfhf annotate pull`.")
    if not np.isfinite(pd.to_numeric(ratings["score"], errors="coerce").to_numpy(dtype=float)).all():
        raise BadInput("A score is not a finite number.", mend="Remove the rows with NaN, infinite or textual scores.")
    if ratings[["stimulus", "subject"]].isna().any(axis=None):
        raise BadInput("A rating names no stimulus or no subject.", mend="Remove the rows where either is empty.")
    # Sorted: sums of floats depend on their order, and a result must not depend on the order of the table.
    one_voice = ratings.sort_values(list(COLUMNS)).groupby(["stimulus", "subject"], sort=True)["score"].mean()
    by_stimulus = one_voice.groupby("stimulus")
    stimuli = pd.DataFrame({"mos": by_stimulus.mean(), "std": by_stimulus.std(ddof=1), "n": by_stimulus.size()})
    stimuli.insert(2, "ci95", half_width(stimuli["std"].to_numpy(), stimuli["n"].to_numpy()))
    deviation = one_voice - stimuli["mos"].reindex(one_voice.index, level="stimulus")
    by_subject = deviation.groupby("subject")
    subjects = pd.DataFrame(
        {
            "bias": by_subject.mean(),
            "inconsistency": by_subject.std(ddof=1),
            "rejected": False,
            "n": by_subject.size(),
        }
    )
    return MosEstimate(stimuli, subjects)


def half_width(std: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Half the width of the 95 % interval of a mean of n values with standard deviation std; NaN where n < 2."""
    with np.errstate(invalid="ignore"):
        return student_t.ppf((1 + CONFIDENCE) / 2, np.where(n > 1, n - 1, np.nan)) * std / np.sqrt(n)


def mos_by_dimension(ratings: pd.DataFrame) -> pd.DataFrame:
    """Opinion scores on 0..100 for every edit and dimension.

    Args:
        ratings: columns of the table `ratings`. Attention checks and screened ratings are left out here.

    Returns:
        columns edit_id, dimension, mos, std, ci95, n; ordered by edit_id and dimension.

    Raises:
        BadInput: a scale has no width, or a score is not finite.
    """
    if (ratings["scale_max"] <= ratings["scale_min"]).any():
        raise BadInput("The scale of a rating ends where it begins.", mend="Pull the answers again.")
    counted = ratings[~ratings["check"] & ~ratings["screened"]]
    rows = []
    for dimension, group in counted.groupby("dimension", sort=True):
        share = (group["score"] - group["scale_min"]) / (group["scale_max"] - group["scale_min"])
        table = pd.DataFrame({"stimulus": group["edit_id"], "subject": group["annotator"], "score": 100 * share})
        rows.append(estimate_mos(table).stimuli.rename_axis("edit_id").reset_index().assign(dimension=dimension))
    columns = ["edit_id", "dimension", "mos", "std", "ci95", "n"]
    if not rows:
        return pd.DataFrame(columns=columns)
    return pd.concat(rows)[columns].sort_values(["edit_id", "dimension"], ignore_index=True)
