"""The answers on every kind of screen as one table: how long each took, whatever it was about."""

import pandas as pd

from editfhf.schema import TABLES
from editfhf.workspace import Workspace

# Screens whose things are no edits have tables of their own: screen → (table, the column that says what was chosen).
OWN_TABLES = {"verify": ("verdicts", "verdict"), "preference": ("preferences", "choice")}
NOT_ANSWERED = ("cannot_judge", "skipped")


def all_answers(workspace: Workspace) -> pd.DataFrame:
    """Rows of `answers`, and one for each verdict and preference; columns of the record `Answer`.

    Of a preference the edit is the first of the pair.
    """
    parts = [workspace.read_table("answers").to_pandas()]
    for screen, (table, said) in OWN_TABLES.items():
        rows = workspace.read_table(table).to_pandas()
        outcome = rows[said].where(rows[said].isin(NOT_ANSWERED), "answered")
        parts.append(rows.assign(project_type=screen, outcome=outcome, reason="")[TABLES["answers"].names])
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
