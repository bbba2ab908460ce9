"""What verdicts on single drawings add to the probability of their places: the screen `verify` of a campaign.

Verdicts are not in a dataset (DESIGN §3), and what is stored there has to follow from it: the table `consensus` is
without them, and this is a table of its own.
"""

import numpy as np
import pandas as pd

from analysis.regions import Agreement

# Who is pointed at a place looks twice: it is missed only if both looks miss it.
LOOKS_WHEN_POINTED_AT = 2
FALSE_YES = 0.1  # prior: how often a place where nothing is gets a yes, people being polite to an outline
FALSE_YES_LOOKS = 10.0  # that this prior counts for
COLUMNS = ["place", "flaw", "no_flaw", "probability", "after"]


def after_verdicts(
    found: Agreement, places: np.ndarray, people: np.ndarray, is_flaw: np.ndarray, n_rounds: int = 50
) -> pd.DataFrame:
    """The probability of each place that has verdicts, without and with them.

    A verdict is a further look, by somebody whose rate of seeing flaws the drawings tell; how often a yes is false is
    estimated over all verdicts.

    Args:
        places, people: int codes, of each verdict: the place that the drawing is in, and who looked (-1: of whom no
            drawings tell). is_flaw: bool, what was said.

    Returns:
        columns place, flaw and no_flaw (counts of verdicts), probability (of the drawings), after; by place.
    """
    if not len(places):
        return pd.DataFrame({name: pd.Series(dtype=float) for name in COLUMNS})
    usual = float(np.mean(found.rates.sensitivity)) if len(found.rates.sensitivity) else 0.5
    once = np.where(people >= 0, found.rates.sensitivity[people], usual)
    sees = 1 - (1 - once) ** LOOKS_WHEN_POINTED_AT
    unique, of = np.unique(places, return_inverse=True)
    before = np.clip(found.probability[unique], 1e-9, 1 - 1e-9)
    false_yes, after = FALSE_YES, before
    for _ in range(n_rounds):
        of_yes, of_no = np.log(sees / false_yes), np.log((1 - sees) / (1 - false_yes))
        log_odds = np.log(before / (1 - before)) + np.bincount(of, np.where(is_flaw, of_yes, of_no))
        after = 1 / (1 + np.exp(-log_odds))
        nothing = 1 - after[of]
        yes = float(nothing[is_flaw].sum())
        false_yes = (yes + FALSE_YES * FALSE_YES_LOOKS) / (float(nothing.sum()) + FALSE_YES_LOOKS)
    flaw = np.bincount(of, is_flaw).astype(int)
    columns = (unique, flaw, np.bincount(of) - flaw, found.probability[unique], after)
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
