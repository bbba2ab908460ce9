"""The ledger: which edits are planned, made, refused or failed. SQLite in WAL mode, one writer."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from editfhf.errors import BadInput
from editfhf.schema import Edit, canonical_json

STATUSES = ("planned", "done", "refused", "failed")

_CREATE = """
CREATE TABLE IF NOT EXISTS edits (
    edit_id TEXT PRIMARY KEY,
    parent_edit_id TEXT NOT NULL,
    source_id TEXT NOT NULL,
    task TEXT NOT NULL,
    instruction TEXT NOT NULL,
    model TEXT NOT NULL,
    model_revision TEXT NOT NULL,
    params TEXT NOT NULL,
    seed INTEGER NOT NULL,
    status TEXT NOT NULL DEFAULT 'planned' CHECK (status IN ('planned', 'done', 'refused', 'failed')),
    image TEXT NOT NULL DEFAULT '',
    width INTEGER NOT NULL DEFAULT 0,
    height INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    seconds REAL NOT NULL DEFAULT 0,
    finished_at TEXT NOT NULL DEFAULT ''
)
"""
_EDIT_COLUMNS = (
    "edit_id, source_id, task, instruction, model, model_revision, params, seed, parent_edit_id, image, width, height"
)


class Ledger:
    """What became of each planned edit. Every change is one committed transaction: it survives kill -9.

    Raises:
        BadInput: the file is not a ledger (from any method).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None

    def plan(self, edits: Iterable[Edit]) -> int:
        """Add edits that are not there yet, keep the others as they are; returns how many were added."""
        rows = [
            (
                edit.edit_id, edit.source_id, edit.task, edit.instruction, edit.model, edit.model_revision,
                canonical_json(edit.params), edit.seed, edit.parent_edit_id,
            )
            for edit in edits
        ]  # fmt: skip
        with self._transaction() as connection:
            before = connection.total_changes
            connection.executemany(
                "INSERT OR IGNORE INTO edits (edit_id, source_id, task, instruction, model, model_revision, params, "
                "seed, parent_edit_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            return connection.total_changes - before

    def edits(self, status: str | None = None) -> list[Edit]:
        """The edits with a status, or all, in the order in which they were planned."""
        where, values = ("WHERE status = ?", (status,)) if status else ("", ())
        with self._transaction() as connection:
            rows = connection.execute(f"SELECT {_EDIT_COLUMNS} FROM edits {where} ORDER BY rowid", values).fetchall()
        return [Edit(*row[:6], json.loads(row[6]), *row[7:]) for row in rows]  # type: ignore[call-arg]

    def statuses(self) -> dict[str, str]:
        """edit_id → status, for every edit."""
        with self._transaction() as connection:
            return dict(connection.execute("SELECT edit_id, status FROM edits").fetchall())

    def reasons(self) -> dict[str, str]:
        """edit_id → why it was refused or failed."""
        with self._transaction() as connection:
            return dict(connection.execute("SELECT edit_id, reason FROM edits WHERE reason != ''").fetchall())

    def record_image(self, edit_id: str, image: str, width: int, height: int, seconds: float) -> None:
        """An edit was made and its image lies in the store."""
        self._finish(edit_id, "done", image, width, height, "", seconds)

    def record_no_image(self, edit_id: str, status: str, reason: str, seconds: float) -> None:
        """An edit was `refused` (with the model's words) or `failed` (with the reason)."""
        self._finish(edit_id, status, "", 0, 0, reason, seconds)

    def _finish(
        self, edit_id: str, status: str, image: str, width: int, height: int, reason: str, seconds: float
    ) -> None:
        with self._transaction() as connection:
            cursor = connection.execute(
                "UPDATE edits SET status = ?, image = ?, width = ?, height = ?, reason = ?, seconds = ?, "
                "attempts = attempts + 1, finished_at = ? WHERE edit_id = ?",
                (status, image, width, height, reason, seconds, datetime.now(UTC).isoformat(), edit_id),
            )
            if cursor.rowcount != 1:
                raise KeyError(f"{edit_id} was never planned")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._connection is None:
                self._connection = sqlite3.connect(self.path, timeout=30)
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = NORMAL")
                self._connection.execute(_CREATE)
            with self._connection:
                yield self._connection
        except sqlite3.DatabaseError as error:
            raise BadInput(
                f"{self.path}: the ledger cannot be used: {error}.",
                mend="Move it away and run `editfhf generate` again: images already made are found by their hash.",
            ) from error
