"""The tables of the report, whole, and the files that they become: `WS/analysis/tables/NAME.csv` and `.parquet`."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from analysis.flaw_shares import flaw_shares
from analysis.study import Study
from editfhf.files import remove_leftovers, whole_file
from editfhf.tasks import TASKS
from editfhf.workspace import Workspace

BIN = 5.0  # points of 0..100: the bars of the distributions


def report_tables(workspace: Workspace, study: Study) -> dict[str, pd.DataFrame]:
    """Every table by its name; those that say nothing are empty.

    collected, reasons (why edits and answers were refused), leaderboard, comparisons, task_groups, refusals,
    preferences, model_by_task, distributions, flaw_types, agreement, raters, opinion_scores.
    """
    found = study.rankings
    scores = study.scores
    model_of = {edit.edit_id: edit.model for edit in workspace.edits()}
    return {
        "collected": _collected(workspace),
        "reasons": _reasons(workspace),
        "leaderboard": found.leaderboard.reset_index() if len(found.leaderboard) else found.leaderboard,
        "comparisons": found.comparisons,
        "task_groups": found.task_groups.reset_index() if len(found.task_groups) else found.task_groups,
        "refusals": found.refusals.reset_index() if len(found.refusals) else found.refusals,
        "preferences": found.preferences.reset_index() if len(found.preferences) else found.preferences,
        "model_by_task": _model_by_task(scores),
        "distributions": _distributions(scores),
        "flaw_types": flaw_shares(study.consensus, model_of, study.inspected),
        "agreement": study.agreement,
        "raters": study.people,
        "opinion_scores": scores,
    }


def write_tables(workspace: Workspace, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write each of them in both formats, the same rows and numbers; what is empty, or no longer there, has no file."""
    folder = workspace.analysis_dir / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    written = set()
    for name, table in tables.items():
        if table.empty:
            continue
        with whole_file(folder / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False)
        with whole_file(folder / f"{name}.parquet") as temporary:
            pq.write_table(pa.Table.from_pandas(table, preserve_index=False), temporary)
        written.add(name)
    for pattern in ("*.csv", "*.parquet"):
        for path in folder.glob(pattern):
            if path.stem not in written:
                path.unlink()


def _collected(workspace: Workspace) -> pd.DataFrame:
    edits = workspace.edits()
    statuses = Counter(workspace.ledger.statuses().values())
    answers, ratings = workspace.read_table("answers"), workspace.read_table("ratings")
    sources = workspace.sources()
    rows = [
        ("photos", sum(not source.derived_from for source in sources)),
        ("photos made worse on purpose", sum(bool(source.derived_from) for source in sources)),
        ("files set aside", workspace.read_table("sources_set_aside").num_rows),
        ("tasks", len({edit.task for edit in edits})),
        ("models", len({edit.model for edit in edits})),
        ("edited images", len(edits)),
        ("edits refused by the model", statuses["refused"]),
        ("edits failed", statuses["failed"]),
        ("people", pc.count_distinct(answers["annotator"]).as_py()),
        ("answers", answers.num_rows),
        ("ratings", ratings.num_rows),
        ("ratings set aside or checks", _true(pc.or_(ratings["screened"], ratings["check"]))),
        ("regions drawn", workspace.read_table("regions").num_rows),
        ("choices between two edits", workspace.read_table("preferences").num_rows),
        ("answers refused in part or whole", workspace.read_table("refused_answers").num_rows),
    ]
    return pd.DataFrame(rows, columns=["what", "count"])


def _true(flags: pa.ChunkedArray) -> int:
    return int(pc.sum(flags).as_py() or 0)


def _reasons(workspace: Workspace) -> pd.DataFrame:
    """Why edits were refused or failed, and why answers were; the most frequent of each first."""
    statuses = workspace.ledger.statuses()
    edits = Counter((f"edit {statuses[one]}", reason) for one, reason in workspace.ledger.reasons().items())
    refused = workspace.read_table("refused_answers")["reason"].to_pylist()
    answers = Counter(("answer refused", reason) for reason in refused)
    rows = [(*key, count) for counter in (edits, answers) for key, count in counter.most_common()]
    return pd.DataFrame(rows, columns=["what", "reason", "count"])


def _model_by_task(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean of the opinion scores over dimensions and edits; n_edits that have any."""
    if scores.empty:
        return pd.DataFrame()
    table = scores.groupby(["task", "model"]).agg(overall=("mos", "mean"), n_edits=("edit_id", "nunique")).reset_index()
    table.insert(0, "task_group", [TASKS[task].group if task in TASKS else "" for task in table["task"]])
    return table


def _distributions(scores: pd.DataFrame) -> pd.DataFrame:
    """How many edits' scores lie in each step of `BIN` points; what is less than 0 or more than 100 is at the end."""
    edges = np.arange(0, 100 + BIN, BIN)
    tables = []
    for name, values in scores.groupby("dimension", sort=True)["mos"]:
        counts, _ = np.histogram(values.dropna().clip(0, 100), bins=edges)
        tables.append(pd.DataFrame({"dimension": name, "from": edges[:-1], "to": edges[1:], "edits": counts}))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
