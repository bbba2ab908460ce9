"""`editfhf analyze`: reads the answers of a workspace, writes scores, consensus, maps, leaderboard and report."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from analysis.agreement_table import write_agreement
from analysis.drawings import Drawings
from analysis.mos import estimates_by_dimension, people_of, scores_of
from analysis.rankings import Rankings, rankings, write_rankings
from editfhf.errors import BadInput
from editfhf.files import remove_leftovers, whole_file
from editfhf.schema import TABLES, Edit
from editfhf.workspace import Workspace

MAP_NAMES = {"artifact": "artifact", "editing_failure": "failure"}
Track = Callable[[Sequence[Edit]], Iterable[Edit]]


@dataclass(frozen=True)
class Study:
    """What the answers of a workspace say.

    Attributes:
        scores: columns edit_id, source_id, photo, model, task, dimension, mos, std, ci95, n. `photo` is the source, or
            the clean photo that it was made from.
        consensus: rows of the table `consensus`.
        rankings: all of them.
        agreement: of `agreement_table`.
        people: columns annotator, annotator_kind, dimension, bias, inconsistency, rejected, n; of who rated.
        inspected: the edits that somebody looked at for flaws.
        unknown_edits: how many answers are about edits that the ledger has no image of.
        unknown_ids: those edits.
    """

    scores: pd.DataFrame
    consensus: list[dict[str, Any]]
    rankings: Rankings
    agreement: pd.DataFrame
    people: pd.DataFrame
    inspected: frozenset[str]
    unknown_edits: int
    unknown_ids: tuple[str, ...]

    @property
    def board(self) -> pd.DataFrame:
        """The leaderboard; empty when no (photo, task) pair was answered for all models."""
        return self.rankings.leaderboard


def analyze_workspace(workspace: Workspace, track: Track = iter) -> Study:
    """Compute everything that the answers say and store it under `WS/analysis/`; running it again replaces it.

    Raises:
        BadInput: no answers yet.
    """
    answers = workspace.read_table("answers")
    if not answers.num_rows:
        raise BadInput(
            f"{workspace.root} has no answers yet.",
            mend=f"Bring them home: `editfhf annotate pull -w {workspace.root}`.",
        )
    with workspace.lock("analyze"):
        edits = {edit.edit_id: edit for edit in workspace.edits()}
        ratings = workspace.read_table("ratings").to_pandas()
        # Before the estimate: what a person said of other edits would move the scores of these.
        estimates = estimates_by_dimension(ratings[ratings["edit_id"].isin(set(edits))])
        scores = scores_of(estimates)
        workspace.write_table("mos", pa.Table.from_pandas(scores, preserve_index=False).cast(TABLES["mos"]))
        # As in the dataset, where only edits with an image are: people's rates come from all that is in these tables.
        known = pa.array(list(edits), pa.string())
        regions = workspace.read_table("regions")
        drawings = Drawings(
            *(table.filter(pc.is_in(table["edit_id"], value_set=known)) for table in (answers, regions))
        )
        consensus = _store_consensus(workspace, edits, drawings, track)
        workspace.write_table("consensus", consensus)
        _store_second_looks(workspace, drawings)
        for column in ("source_id", "model", "task"):
            scores[column] = [getattr(edits[edit_id], column) for edit_id in scores["edit_id"]]
        roots = {source.source_id: source.root_id for source in workspace.sources()}
        scores["photo"] = [roots.get(source_id, source_id) for source_id in scores["source_id"]]
        found = rankings(workspace, scores, ratings)
        write_rankings(workspace, found)
        agreement = write_agreement(workspace)
    kind_of = ratings.drop_duplicates("annotator").set_index("annotator")["annotator_kind"]
    people = people_of(estimates)
    people.insert(1, "annotator_kind", people["annotator"].map(kind_of))
    inspected = frozenset(edit_id for edit_id in edits if drawings.n_inspected(edit_id))
    unknown = [edit_id for edit_id in answers["edit_id"].to_pylist() if edit_id not in edits]
    return Study(scores, consensus, found, agreement, people, inspected, len(unknown), tuple(sorted(set(unknown))))


def map_bytes(pixels: np.ndarray) -> bytes:
    """A map as an 8-bit grey PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def _store_consensus(
    workspace: Workspace, edits: Mapping[str, Edit], drawings: Drawings, track: Track
) -> list[dict[str, Any]]:
    folder = workspace.analysis_dir / "maps"
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    rows, written = [], set()
    for edit in track([edit for edit in edits.values() if drawings.n_inspected(edit.edit_id)]):
        consensus = drawings.consensus(edit.edit_id, edit.width, edit.height)
        if consensus is None:
            continue
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


def _store_second_looks(workspace: Workspace, drawings: Drawings) -> None:
    """What verdicts say, beside the consensus: they are in no dataset, and so nothing that is may rest on them."""
    path = workspace.analysis_dir / "second_looks.csv"
    verdicts = workspace.read_table("verdicts")
    if not verdicts.num_rows:
        path.unlink(missing_ok=True)
        return
    with whole_file(path) as temporary:
        drawings.second_looks(verdicts).to_csv(temporary, index=False, float_format="%.4f")


def board_records(board: pd.DataFrame) -> list[dict[str, Any]]:
    """The leaderboard as plain rows, best first; None where a single photo gives no interval (JSON has no NaN)."""
    return [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in board.reset_index().to_dict("records")
    ]


def model_rows(board: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The leaderboard as rows for a person: score and interval as text."""
    for model, row in board.iterrows():
        yield {
            "rank": int(row["rank"]),
            "model": model,
            **{name: _with_interval(row, name) for name in board.columns if f"{name}_low" in board.columns},
            "edits": int(row["n_edits"]),
        }


def _with_interval(row: pd.Series, name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{row[name]:.1f} (no interval)" if pd.isna(low) else f"{row[name]:.1f} ({low:.1f} to {high:.1f})"
