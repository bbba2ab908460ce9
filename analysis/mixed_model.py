"""The models' means by a mixed-effects model: models are fixed, photos and the tasks on them are drawn by chance.

An option beside `leaderboard`: it also uses photos that only some models answered, and assumes normal effects. The
scores are opinion scores: that other people would give others is not in the intervals.
"""

import warnings

import numpy as np
import pandas as pd
from scipy.stats import norm

from analysis.leaderboard import OVERALL
from editfhf.errors import BadInput, JobFailed
from editfhf.schema import DIMENSIONS

CONFIDENCE = 0.95


def mixed_model(scores: pd.DataFrame, by: str = "model", dimension: str = OVERALL) -> pd.DataFrame:
    """Means of the models, and how far each is from the best, by restricted maximum likelihood.

    Args:
        scores: as `leaderboard`; gaps are allowed.
        dimension: one of them, or `overall`: the mean of an edit's dimensions, where it has all.

    Returns:
        Indexed by `by`, best first: mean, low, high (95 %); below_best, below_best_low, below_best_high: the best's
        mean less this one's; n_edits. In `.attrs`: photo_std, task_std (of a task on one photo) and rest_std.

    Raises:
        BadInput: a column is missing, or fewer than two models or photos. JobFailed: the fit did not converge.

    Source:
        Laird and Ware, Biometrics 38, 1982; statsmodels' MixedLM.
    """
    try:
        from statsmodels.regression.mixed_linear_model import MixedLM
        from statsmodels.tools.sm_exceptions import ConvergenceWarning
    except ImportError:
        raise BadInput(
            "Mixed models need statsmodels, which is not installed.", mend="pip install 'editfhf[mixed]'"
        ) from None

    if missing := [column for column in ("source_id", "task", by, "dimension", "mos") if column not in scores]:
        raise BadInput(f"The scores lack the column {', '.join(missing)}.")
    wide = scores.pivot_table(index=["source_id", "task", by], columns="dimension", values="mos", aggfunc="mean")
    wide = wide.reindex(columns=list(DIMENSIONS))
    values = wide.dropna().mean(axis=1) if dimension == OVERALL else wide[dimension].dropna()
    table = values.rename("mos").reset_index()
    if "photo" in scores:
        photo_of = scores.drop_duplicates("source_id").set_index("source_id")["photo"]
        photo = table["source_id"].map(photo_of)
    else:
        photo = table["source_id"]
    names = sorted(table[by].unique())
    if len(names) < 2 or photo.nunique() < 2:
        raise BadInput(f"A mixed model needs two or more of {by} and of photos.", mend="Bring more answers home.")
    design = (table[by].to_numpy()[:, None] == np.array(names, dtype=object)).astype(float)
    # A photo's tasks vary within it only if it has several.
    pairs = table.assign(photo=photo).groupby("photo")["task"].nunique()
    parts = {"task": "0 + C(task)"} if (pairs > 1).any() else None
    table = table.assign(photo=photo.to_numpy(), **{f"x{i}": design[:, i] for i in range(len(names))})
    formula = "mos ~ 0 + " + " + ".join(f"x{i}" for i in range(len(names)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a variance of 0 lies on the border, and is no fault
        fitted = MixedLM.from_formula(formula, table, groups="photo", vc_formula=parts, re_formula="1").fit(reml=True)
    if not np.isfinite(fitted.fe_params).all() or not np.isfinite(fitted.cov_params().to_numpy()[: len(names)]).any():
        raise JobFailed("The mixed model did not converge.", mend="Use the leaderboard without it.")
    means = fitted.fe_params.to_numpy()
    covariance = fitted.cov_params().to_numpy()[: len(names), : len(names)]
    best = int(np.argmax(means))
    reach = float(norm.ppf((1 + CONFIDENCE) / 2))
    errors = np.sqrt(np.diag(covariance))
    below = means[best] - means
    spread = np.sqrt(np.maximum(covariance[best, best] + np.diag(covariance) - 2 * covariance[best], 0))
    board = pd.DataFrame(
        {
            "mean": means, "low": means - reach * errors, "high": means + reach * errors,
            "below_best": below, "below_best_low": below - reach * spread, "below_best_high": below + reach * spread,
            "n_edits": design.sum(axis=0).astype(int),
        },
        index=pd.Index(names, name=by),
    ).sort_values("mean", ascending=False, kind="stable")  # fmt: skip
    board.attrs = {
        "photo_std": float(np.sqrt(fitted.cov_re.iloc[0, 0])),
        "task_std": float(np.sqrt(fitted.vcomp[0])) if parts else 0.0,
        "rest_std": float(np.sqrt(fitted.scale)),
    }
    return board
