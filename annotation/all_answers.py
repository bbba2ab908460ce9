"""The answers on every kind of screen as one table: how long each took, whatever it was about."""

import pandas as pd

from editfhf.schema import OWN_TABLES, TABLES
from editfhf.workspace import Workspace

NOT_ANSWERED = ("cannot_judge", "skipped")


def all_answers(workspace: Workspace) -> pd.DataFrame:
    """Rows of `answers`, and one for each verdict and preference; columns of the record `Answer`.

    Of a preference the edit is the first of the pair.
    """
    parts = [workspace.read_table("answers").to_pandas()]
    for screen, (table, _, said) in OWN_TABLES.items():
        rows = workspace.read_table(table).to_pandas()
        outcome = rows[said].where(rows[said].isin(NOT_ANSWERED), "answered")
        parts.append(rows.assign(project_type=screen, outcome=outcome, reason="")[TABLES["answers"].names])
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
