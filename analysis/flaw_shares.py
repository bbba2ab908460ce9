"""How often each model's edits have each type of flaw: shares with exact intervals."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import beta

from editfhf.flaws import FLAW_TYPES

LIKELY = 0.5  # probability from which on a consensus region counts as a flaw
TAIL = 0.025
COLUMNS = ("model", "kind", "flaw_type", "regions", "edits_with", "edits", "share", "low", "high")


def flaw_shares(
    consensus: Iterable[Mapping[str, Any]], model_of: Mapping[str, str], inspected: Collection[str]
) -> pd.DataFrame:
    """Of all models together (model "") and of each: in how many of its edits each type of flaw is.

    Args:
        consensus: rows of the table `consensus`; those less probable than `LIKELY` do not count.
        model_of: edit_id → model. inspected: the edits that somebody looked at for flaws.

    Returns:
        `COLUMNS`: regions, and edits_with any, of `edits` that were looked at; share of them, 0..1, with its 95 %
        interval. A row for each flaw type of the taxonomy, the most frequent first, with 0 where there is none.

    Source:
        Clopper and Pearson, Biometrika 26, 1934. Edits count as independent: those of one photo are not quite.
    """
    rows = [(row["edit_id"], row["flaw_type"]) for row in consensus if row["probability"] >= LIKELY]
    found = pd.DataFrame(rows, columns=["edit_id", "flaw_type"])
    found["model"] = found["edit_id"].map(model_of)
    n_edits = pd.Series([model_of[one] for one in inspected], dtype=object).value_counts()
    if n_edits.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    models = ["", *sorted(n_edits.index)]
    found = pd.concat([found, found.assign(model="")])
    by_type = found.groupby(["flaw_type", "model"])["edit_id"]
    grid = pd.MultiIndex.from_product([[flaw.id for flaw in FLAW_TYPES], models], names=["flaw_type", "model"])
    table = pd.DataFrame({"regions": by_type.size(), "edits_with": by_type.nunique()}).reindex(grid, fill_value=0)
    table = table.reset_index()
    table["edits"] = table["model"].map({**n_edits, "": n_edits.sum()}).astype(int)
    table["share"] = table["edits_with"] / table["edits"]
    table["low"], table["high"] = exact_interval(table["edits_with"].to_numpy(), table["edits"].to_numpy())
    table["kind"] = table["flaw_type"].map({flaw.id: flaw.kind for flaw in FLAW_TYPES})
    order = table[table["model"] == ""].sort_values("share", ascending=False, kind="stable")["flaw_type"].tolist()
    table["order"] = table["flaw_type"].map({name: place for place, name in enumerate(order)})
    return table.sort_values(["order", "model"], ignore_index=True)[list(COLUMNS)]


def exact_interval(k: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Clopper and Pearson's 95 % interval of a share of k out of n; n is 1 or more."""
    low = np.where(k > 0, beta.ppf(TAIL, np.maximum(k, 1), n - k + 1), 0.0)
    high = np.where(k < n, beta.ppf(1 - TAIL, k + 1, np.maximum(n - k, 1)), 1.0)
    return low, high
