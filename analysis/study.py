"""`editfhf analyze`: reads the answers of a workspace, writes scores, consensus, maps, leaderboard and report."""

import io
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image

from analysis.leaderboard import leaderboard
from analysis.mos import mos_by_dimension
from analysis.regions import find_consensus
from editfhf.errors import BadInput
from editfhf.schema import TABLES, Edit
from editfhf.workspace import Workspace, remove_leftovers, whole_file

INSPECTED = ("answered", "no_flaw")
MAP_NAMES = {"artifact": "artifact", "editing_failure": "failure"}
Track = Callable[[Sequence[Edit]], Iterable[Edit]]


@dataclass(frozen=True)
class Study:
    """What the answers of a workspace say.

    Attributes:
        scores: columns edit_id, source_id, model, task, dimension, mos, std, ci95, n.
        consensus: rows of the table `consensus`.
        board: the leaderboard; empty when no (photo, task) pair was answered for all models.
        unknown_edits: answers about edits that the ledger does not know.
    """

    scores: pd.DataFrame
    consensus: list[dict[str, Any]]
    board: pd.DataFrame
    unknown_edits: int


def analyze_workspace(workspace: Workspace, track: Track = iter) -> Study:
    """Compute everything that the answers say and store it under `WS/analysis/`; running it again replaces it.

    Raises:
        BadInput: no answers yet.
    """
    answers = workspace.read_table("answers").to_pylist()
    if not answers:
        raise BadInput(
            f"{workspace.root} has no answers yet.",
            mend=f"Bring them home: `editfhf annotate pull -w {workspace.root}`.",
        )
    with workspace.lock("analyze"):
        edits = {edit.edit_id: edit for edit in workspace.edits()}
        scores = mos_by_dimension(workspace.read_table("ratings").to_pandas())
        scores = scores[scores["edit_id"].isin(set(edits))]
        workspace.write_table("mos", pa.Table.from_pandas(scores, preserve_index=False).cast(TABLES["mos"]))
        consensus = _store_consensus(workspace, edits, answers, track)
        workspace.write_table("consensus", consensus)
        for column in ("source_id", "model", "task"):
            scores[column] = [getattr(edits[edit_id], column) for edit_id in scores["edit_id"]]
        board = _board(scores)
        board.to_csv(workspace.analysis_dir / "leaderboard.csv", float_format="%.4f")
    unknown = sum(row["edit_id"] not in edits for row in answers)
    return Study(scores, consensus, board, unknown)


def inspections(answers: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """edit_id → how many different people looked for flaws on it."""
    return Counter(
        edit for edit, _ in {(row["edit_id"], row["annotator"]) for row in answers if row["outcome"] in INSPECTED}
    )


def map_bytes(pixels: np.ndarray) -> bytes:
    """A map as an 8-bit grey PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def _store_consensus(
    workspace: Workspace, edits: Mapping[str, Edit], answers: list[dict[str, Any]], track: Track
) -> list[dict[str, Any]]:
    inspected = inspections(answers)
    regions: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in workspace.read_table("regions").to_pylist():
        regions[row["edit_id"]].append(row)
    folder = workspace.analysis_dir / "maps"
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    rows, written = [], set()
    for edit in track([edit for edit in edits.values() if inspected[edit.edit_id]]):
        consensus = find_consensus(regions[edit.edit_id], inspected[edit.edit_id], edit.width, edit.height)
        rows += [{"edit_id": edit.edit_id, **row} for row in consensus.regions]
        for kind, pixels in consensus.maps.items():
            path = folder / f"{edit.edit_id}_{MAP_NAMES[kind]}.png"
            with whole_file(path) as temporary:
                temporary.write_bytes(map_bytes(pixels))
            written.add(path.name)
    for path in folder.glob("*.png"):
        if path.name not in written:
            path.unlink()
    return rows


def _board(scores: pd.DataFrame) -> pd.DataFrame:
    try:
        return leaderboard(scores)
    except BadInput:  # no pair that all models share: nothing to rank, and the rest of the study stands
        return pd.DataFrame()


def board_records(board: pd.DataFrame) -> list[dict[str, Any]]:
    """The leaderboard as plain rows, best first."""
    return [{str(name): value for name, value in row.items()} for row in board.reset_index().to_dict("records")]


def model_rows(board: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The leaderboard as rows for a person: score and interval as text."""
    for model, row in board.iterrows():
        yield {
            "rank": int(row["rank"]),
            "model": model,
            **{
                name: f"{row[name]:.1f} ({row[f'{name}_low']:.1f} to {row[f'{name}_high']:.1f})"
                for name in board.columns
                if f"{name}_low" in board.columns
            },
            "edits": int(row["n_edits"]),
        }
