"""The answers on every kind of screen as one table: how long each took, whatever it was about."""

import pandas as pd

from annotation.roster import Roster
from editfhf.schema import OWN_TABLES, TABLES
from editfhf.workspace import Workspace

NOT_ANSWERED = ("cannot_judge", "skipped")


def all_answers(workspace: Workspace, with_checks: bool = False) -> pd.DataFrame:
    """Rows of `answers`, and one for each verdict and preference; columns of the record `Answer`.

    Of a preference the edit is the first of the pair.

    Args:
        with_checks: also one for each answer to a check, in the place of the edit; set aside with its person.
    """
    columns = TABLES["answers"].names
    parts = [workspace.read_table("answers").to_pandas()]
    for screen, (table, _, said) in OWN_TABLES.items():
        rows = workspace.read_table(table).to_pandas()
        outcome = rows[said].where(rows[said].isin(NOT_ANSWERED), "answered")
        parts.append(rows.assign(project_type=screen, outcome=outcome, reason="")[columns])
    if with_checks:
        rows = workspace.read_table("check_answers").to_pandas().rename(columns={"check_id": "edit_id"})
        aside = rows["annotator"].isin(Roster(workspace).screened())
        parts.append(rows.assign(outcome="answered", reason="", screened=aside, screen="")[columns])
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
