"""The ledger: which edits are planned, made, refused or failed. SQLite in WAL mode, one writer."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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
# Columns that came later: a ledger of an earlier version gets them when it is opened.
_LATER_COLUMNS = {
    "retryable": "INTEGER NOT NULL DEFAULT 0",
    "unchanged": "INTEGER NOT NULL DEFAULT 0",
    "n_bytes": "INTEGER NOT NULL DEFAULT 0",
    "device": "TEXT NOT NULL DEFAULT ''",
    "served_by": "TEXT NOT NULL DEFAULT ''",
    "cost_usd": "REAL NOT NULL DEFAULT 0",
    "reserved_usd": "REAL NOT NULL DEFAULT 0",
    "kills": "INTEGER NOT NULL DEFAULT 0",
    "run": "INTEGER NOT NULL DEFAULT 0",
}
_CREATE_RUNS = """
CREATE TABLE IF NOT EXISTS runs (
    run INTEGER PRIMARY KEY,
    started_at TEXT NOT NULL,
    about TEXT NOT NULL
)
"""
_EDIT_COLUMNS = (
    "edit_id, source_id, task, instruction, model, model_revision, params, seed, parent_edit_id, image, width, height"
)


@dataclass(frozen=True, slots=True)
class Finished:
    """How one attempt at an edit ended.

    Attributes:
        status: `done`, `refused` (with the model's words as `reason`) or `failed` (with the reason).
        image, width, height, n_bytes: of the image in the store.
        retryable: another try may mend the failure.
        unchanged: the image is the source photo, pixel by pixel.
        seconds: the model's own time, without reading and writing.
        device: what it ran on, such as the name of the GPU.
        served_by: the version that an API says answered.
        cost_usd: of this attempt.
    """

    edit_id: str
    status: str
    image: str = ""
    width: int = 0
    height: int = 0
    n_bytes: int = 0
    reason: str = ""
    retryable: bool = False
    unchanged: bool = False
    seconds: float = 0.0
    device: str = ""
    served_by: str = ""
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an edit stands: what a run has to know to go on."""

    status: str
    image: str
    retryable: bool
    attempts: int
    kills: int


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

    def pairs(self) -> list[tuple[str, str, int]]:
        """(source_id, task, seed) of everything that was ever planned, in that order, each once."""
        query = "SELECT source_id, task, seed FROM edits WHERE parent_edit_id = '' GROUP BY 1, 2, 3 ORDER BY MIN(rowid)"
        with self._transaction() as connection:
            return connection.execute(query).fetchall()

    def statuses(self) -> dict[str, str]:
        """edit_id → status, for every edit."""
        with self._transaction() as connection:
            return dict(connection.execute("SELECT edit_id, status FROM edits").fetchall())

    def progress(self) -> dict[str, Progress]:
        """edit_id → where it stands, for every edit."""
        with self._transaction() as connection:
            rows = connection.execute("SELECT edit_id, status, image, retryable, attempts, kills FROM edits").fetchall()
        return {row[0]: Progress(row[1], row[2], bool(row[3]), row[4], row[5]) for row in rows}

    def reasons(self) -> dict[str, str]:
        """edit_id → why it was refused or failed."""
        with self._transaction() as connection:
            return dict(connection.execute("SELECT edit_id, reason FROM edits WHERE reason != ''").fetchall())

    def finished(self, status: str = "") -> list[Finished]:
        """How every edit ended that did, or those that ended with a status; `cost_usd` over all attempts."""
        query = (
            "SELECT edit_id, status, image, width, height, n_bytes, reason, retryable, unchanged, seconds, device, "
            "served_by, cost_usd FROM edits WHERE status != 'planned' AND (status = ? OR ? = '') ORDER BY rowid"
        )
        with self._transaction() as connection:
            rows = connection.execute(query, (status, status)).fetchall()
        return [Finished(*row[:7], bool(row[7]), bool(row[8]), *row[9:]) for row in rows]  # type: ignore[call-arg]

    # What a run writes

    def start_run(self, about: Mapping[str, Any]) -> int:
        """Note that a run begins and what it runs with (versions, engine, machine); returns its number."""
        with self._transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO runs (started_at, about) VALUES (?, ?)",
                (datetime.now(UTC).isoformat(), canonical_json(about)),
            )
            return int(cursor.lastrowid or 0)

    def runs(self) -> dict[int, dict[str, Any]]:
        """Number of the run → what it ran with, and when it began (`started_at`)."""
        with self._transaction() as connection:
            rows = connection.execute("SELECT run, started_at, about FROM runs ORDER BY run").fetchall()
        return {run: {"started_at": started_at, **json.loads(about)} for run, started_at, about in rows}

    def record(self, finished: Iterable[Finished], run: int = 0) -> None:
        """Note how edits ended; what was reserved for them becomes what they cost."""
        now = datetime.now(UTC).isoformat()
        rows = [
            (
                one.status, one.image, one.width, one.height, one.n_bytes, one.reason, one.retryable, one.unchanged,
                one.seconds, one.device, one.served_by, one.cost_usd, run, now, one.edit_id,
            )
            for one in finished
        ]  # fmt: skip
        with self._transaction() as connection:
            for row in rows:
                cursor = connection.execute(
                    "UPDATE edits SET status = ?, image = ?, width = ?, height = ?, n_bytes = ?, reason = ?, "
                    "retryable = ?, unchanged = ?, seconds = ?, device = ?, served_by = ?, cost_usd = cost_usd + ?, "
                    "reserved_usd = 0, run = ?, attempts = attempts + 1, finished_at = ? WHERE edit_id = ?",
                    row,
                )
                if cursor.rowcount != 1:
                    raise KeyError(f"{row[-1]} was never planned")

    def record_image(self, edit_id: str, image: str, width: int, height: int, seconds: float) -> None:
        """An edit was made and its image lies in the store."""
        self.record([Finished(edit_id, "done", image, width, height, seconds=seconds)])

    def record_no_image(self, edit_id: str, status: str, reason: str, seconds: float) -> None:
        """An edit was `refused` (with the model's words) or `failed` (with the reason)."""
        self.record([Finished(edit_id, status, reason=reason, seconds=seconds)])

    def take_over(self, part: "Ledger", edit_ids: Sequence[str]) -> None:
        """Copy how these edits ended from another ledger, with what they cost; they have to be planned here."""
        columns = (
            "status, image, width, height, n_bytes, reason, retryable, unchanged, seconds, device, served_by, "
            "attempts, finished_at"
        )
        wanted = set(edit_ids)
        with part._transaction() as connection:
            rows = connection.execute(f"SELECT {columns}, cost_usd + reserved_usd, edit_id FROM edits").fetchall()
        run = self.start_run({"merged": str(part.path), "runs": part.runs()}) if wanted else 0
        setting = ", ".join(f"{name.strip()} = ?" for name in columns.split(","))
        with self._transaction() as connection:
            connection.executemany(
                f"UPDATE edits SET {setting}, cost_usd = cost_usd + ?, run = {run} WHERE edit_id = ?",
                [row for row in rows if row[-1] in wanted],
            )

    def count_kill(self, edit_id: str) -> int:
        """The edit's worker died while it worked on nothing else; returns how often that happened."""
        with self._transaction() as connection:
            row = connection.execute(
                "UPDATE edits SET kills = kills + 1 WHERE edit_id = ? RETURNING kills", (edit_id,)
            ).fetchone()
        return int(row[0])

    # Money

    def reserve(self, edit_ids: Iterable[str], usd: float) -> None:
        """Set aside what each of these edits may cost, before it is asked for."""
        with self._transaction() as connection:
            connection.executemany(
                "UPDATE edits SET reserved_usd = ? WHERE edit_id = ?", [(usd, edit_id) for edit_id in edit_ids]
            )

    def settle(self) -> None:
        """Count what an earlier run reserved and never accounted for as spent: it died, and may have been billed."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE edits SET cost_usd = cost_usd + reserved_usd, reserved_usd = 0 WHERE reserved_usd > 0"
            )

    def spent_usd(self) -> float:
        """Dollars spent and reserved so far, over all edits."""
        with self._transaction() as connection:
            return float(connection.execute("SELECT TOTAL(cost_usd + reserved_usd) FROM edits").fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._connection is None:
                self._connection = self._open()
            with self._connection:
                yield self._connection
        except sqlite3.DatabaseError as error:
            if "full" in str(error):
                raise OSError(28, "No space left on device", str(self.path)) from error
            raise BadInput(
                f"{self.path}: the ledger cannot be used: {error}.",
                mend="Move it away and run `editfhf generate` again: images already made are found by their hash.",
            ) from error

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=30)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        with connection:
            # Two processes may open a new ledger at the same time: one makes it, the other waits.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_CREATE)
            connection.execute(_CREATE_RUNS)
            there = {row[1] for row in connection.execute("PRAGMA table_info(edits)")}
            for name, kind in _LATER_COLUMNS.items():
                if name not in there:
                    connection.execute(f"ALTER TABLE edits ADD COLUMN {name} {kind}")
        return connection
