"""Every ranking of a workspace: the leaderboard, what is sure of it, by group of tasks, refusals and preferences."""

from contextlib import suppress
from dataclasses import dataclass, fields

import pandas as pd

from analysis.leaderboard import leaderboard_by_group, refusals, stand
from analysis.preferences import bradley_terry, choices_between_models
from editfhf.errors import BadInput
from editfhf.files import whole_file
from editfhf.tasks import TASKS
from editfhf.workspace import Workspace


@dataclass(frozen=True)
class Rankings:
    """Tables, each empty where there is nothing to rank.

    Attributes:
        leaderboard, comparisons: of `analysis.leaderboard`, overall and by dimension.
        task_groups: the leaderboard of each group of tasks, on its own pairs.
        refusals: how often models refused, and the ranks if a refusal were the worst edit.
        preferences: strengths by the answers of the screen *preference*.
    """

    leaderboard: pd.DataFrame
    comparisons: pd.DataFrame
    task_groups: pd.DataFrame
    refusals: pd.DataFrame
    preferences: pd.DataFrame


def rankings(workspace: Workspace, scores: pd.DataFrame, ratings: pd.DataFrame) -> Rankings:
    """Reckon all of them.

    Args:
        scores: columns edit_id, source_id, photo, model, task, dimension, mos. ratings: the table of that name, of
            which `scores` are.
    """
    nothing = pd.DataFrame()
    board = comparisons = refused = groups = nothing
    ratings = ratings[ratings["edit_id"].isin(set(scores["edit_id"]))]
    if len(scores):
        # Where models share no pair there is nothing to rank, and the rest of the study stands.
        with suppress(BadInput):
            standing = stand(scores, ratings=ratings)
            board, comparisons = standing.board(), standing.comparisons()
        with suppress(BadInput):
            refused = refusals(scores, _outcomes(workspace), ratings=ratings)
        groups = leaderboard_by_group(scores, {name: task.group for name, task in TASKS.items()}, ratings=ratings)
    photos = {source.source_id: source.root_id for source in workspace.sources()}
    edits = {edit.edit_id: edit for edit in workspace.edits()}
    choices = choices_between_models(workspace.read_table("preferences").to_pandas(), edits, photos)
    preferred = bradley_terry(choices) if len(choices) else nothing
    return Rankings(board, comparisons, groups, refused, preferred)


def write_rankings(workspace: Workspace, found: Rankings) -> None:
    """Write `WS/analysis/NAME.csv` for each of them; what is empty has no file."""
    workspace.analysis_dir.mkdir(parents=True, exist_ok=True)
    for field in fields(found):
        table = getattr(found, field.name)
        path = workspace.analysis_dir / f"{field.name}.csv"
        if table.empty:
            path.unlink(missing_ok=True)
            continue
        with whole_file(path) as temporary:
            table.to_csv(temporary, float_format="%.4f", index=field.name != "comparisons")


def _outcomes(workspace: Workspace) -> pd.DataFrame:
    """What became of each edit of a photo that was planned; refined images are no answers to a task."""
    statuses = workspace.ledger.statuses()
    rows = [
        (edit.source_id, edit.task, edit.model, statuses[edit.edit_id])
        for edit in workspace.ledger.edits()
        if not edit.parent_edit_id
    ]
    return pd.DataFrame(rows, columns=["source_id", "task", "model", "status"])
