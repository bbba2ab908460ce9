"""The ledger: which edits are planned, made, refused or failed, and what was paid. SQLite in WAL mode, one writer."""

import errno
import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from editfhf.errors import BadInput, EditFHFError, JobFailed
from editfhf.schema import Edit, canonical_json
from editfhf.snapshot import read_snapshot

LOCK_WAIT_S = 30.0  # for another process that writes; each transaction takes milliseconds

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
# A bill, or what is set aside for one that is under way (`reserved`). The ledger that it was first written to is part
# of its key: joined twice, or in whatever order, it is there once.
_CREATE_PAYMENTS = """
CREATE TABLE IF NOT EXISTS payments (
    edit_id TEXT NOT NULL,
    ledger TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    usd REAL NOT NULL,
    reserved INTEGER NOT NULL,
    PRIMARY KEY (edit_id, ledger, attempt)
)
"""
_CREATE_ABOUT = "CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL)"
_OWN = "(SELECT value FROM about WHERE name = 'ledger_id')"
_UNTOUCHED = (
    "status = 'planned' AND attempts = 0 AND kills = 0 AND parent_edit_id = '' "
    "AND edit_id NOT IN (SELECT edit_id FROM payments)"
)
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


@dataclass(frozen=True, slots=True)
class Payment:
    """Dollars billed for one attempt at an edit, or `reserved` for one whose bill is not known yet."""

    edit_id: str
    ledger: str
    attempt: int
    usd: float
    reserved: bool

    @property
    def key(self) -> tuple[str, str, int]:
        return self.edit_id, self.ledger, self.attempt


class Ledger:
    """What became of each planned edit. Every change is one committed transaction: it survives kill -9.

    Args:
        read_only: look at what is there at the first reading, touching neither the file nor its folder: for ledgers
            that others write to, on whatever file system.

    Raises:
        BadInput: the file is damaged, or not a ledger (from any method).
        JobFailed: another process holds it, or it cannot be written to (from any method).
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self.path = path
        self._read_only = read_only
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

    def replan(self, edits: Sequence[Edit], models: Sequence[str] = (), tasks: Sequence[str] = ()) -> None:
        """Plan these edits, and forget those planned earlier that are not among them and that nobody ever attempted.

        Args:
            models, tasks: forget only theirs; default: everybody's.
        """
        planned = {edit.edit_id for edit in edits}
        with self._transaction() as connection:
            rows = connection.execute(f"SELECT edit_id, model, task FROM edits WHERE {_UNTOUCHED}").fetchall()
            forgotten = [
                (edit_id,)
                for edit_id, model, task in rows
                if edit_id not in planned and (not models or model in models) and (not tasks or task in tasks)
            ]
            connection.executemany("DELETE FROM edits WHERE edit_id = ?", forgotten)
        self.plan(edits)

    def edits(self, status: str | None = None) -> list[Edit]:
        """The edits with a status, or all, in the order in which they were planned."""
        where, values = ("WHERE status = ?", (status,)) if status else ("", ())
        with self._reading() as connection:
            rows = connection.execute(f"SELECT {_EDIT_COLUMNS} FROM edits {where} ORDER BY rowid", values).fetchall()
        return [Edit(*row[:6], json.loads(row[6]), *row[7:]) for row in rows]  # type: ignore[call-arg]

    def attempted(self) -> list[tuple[str, str, int, str]]:
        """(source_id, task, seed, model) of every edit of a photo that ended, killed its worker or cost money."""
        query = (
            "SELECT source_id, task, seed, model FROM edits "
            f"WHERE parent_edit_id = '' AND NOT ({_UNTOUCHED}) ORDER BY rowid"
        )
        with self._reading() as connection:
            return connection.execute(query).fetchall()

    def statuses(self) -> dict[str, str]:
        """edit_id → status, for every edit."""
        with self._reading() as connection:
            return dict(connection.execute("SELECT edit_id, status FROM edits").fetchall())

    def progress(self) -> dict[str, Progress]:
        """edit_id → where it stands, for every edit."""
        with self._reading() as connection:
            rows = connection.execute("SELECT edit_id, status, image, retryable, attempts FROM edits").fetchall()
        return {row[0]: Progress(row[1], row[2], bool(row[3]), row[4]) for row in rows}

    def reasons(self) -> dict[str, str]:
        """edit_id → why it was refused or failed."""
        with self._reading() as connection:
            return dict(connection.execute("SELECT edit_id, reason FROM edits WHERE reason != ''").fetchall())

    def finished(self, status: str = "") -> list[Finished]:
        """How every edit ended that did, or those that ended with a status; `cost_usd` over all attempts."""
        query = (
            "SELECT edit_id, status, image, width, height, n_bytes, reason, retryable, unchanged, seconds, device, "
            "served_by, (SELECT TOTAL(usd) FROM payments WHERE payments.edit_id = edits.edit_id AND NOT reserved) "
            "FROM edits WHERE status != 'planned' AND (status = ? OR ? = '') ORDER BY rowid"
        )
        with self._reading() as connection:
            rows = connection.execute(query, (status, status)).fetchall()
        return [Finished(*row[:7], bool(row[7]), bool(row[8]), *row[9:]) for row in rows]  # type: ignore[call-arg]

    def first_made(self) -> set[str]:
        """The edit that each model made first in each run: its time holds what is done once, such as compiling."""
        query = (
            "SELECT edit_id FROM (SELECT edit_id, ROW_NUMBER() OVER (PARTITION BY run, model ORDER BY finished_at, "
            "rowid) AS place FROM edits WHERE status = 'done') WHERE place = 1"
        )
        with self._reading() as connection:
            return {row[0] for row in connection.execute(query)}

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
        with self._reading() as connection:
            rows = connection.execute("SELECT run, started_at, about FROM runs ORDER BY run").fetchall()
        return {run: {"started_at": started_at, **json.loads(about)} for run, started_at, about in rows}

    def record(self, finished: Iterable[Finished], run: int = 0) -> None:
        """Note how edits ended; what was reserved for them becomes what they cost."""
        now = datetime.now(UTC).isoformat()
        with self._transaction() as connection:
            for one in finished:
                cursor = connection.execute(
                    "UPDATE edits SET status = ?, image = ?, width = ?, height = ?, n_bytes = ?, reason = ?, "
                    "retryable = ?, unchanged = ?, seconds = ?, device = ?, served_by = ?, run = ?, "
                    "attempts = attempts + 1, finished_at = ? WHERE edit_id = ?",
                    (
                        one.status, one.image, one.width, one.height, one.n_bytes, one.reason, one.retryable,
                        one.unchanged, one.seconds, one.device, one.served_by, run, now, one.edit_id,
                    ),
                )  # fmt: skip
                if cursor.rowcount != 1:
                    raise KeyError(f"{one.edit_id} was never planned")
                billed = connection.execute(
                    f"UPDATE payments SET usd = ?, reserved = 0 WHERE edit_id = ? AND ledger = {_OWN} AND reserved",
                    (one.cost_usd, one.edit_id),
                )
                if billed.rowcount == 0 and one.cost_usd:
                    _add_payment(connection, one.edit_id, one.cost_usd, reserved=False)

    def take_over(self, part: "Ledger", edit_ids: Sequence[str]) -> None:
        """Copy how these edits ended from another ledger; they have to be planned here."""
        columns = (
            "status, image, width, height, n_bytes, reason, retryable, unchanged, seconds, device, served_by, "
            "attempts, finished_at"
        )
        wanted = set(edit_ids)
        with part._reading() as connection:
            rows = connection.execute(f"SELECT {columns}, edit_id FROM edits").fetchall()
        run = self.start_run({"merged": str(part.path), "runs": part.runs()}) if wanted else 0
        setting = ", ".join(f"{name.strip()} = ?" for name in columns.split(","))
        with self._transaction() as connection:
            connection.executemany(
                f"UPDATE edits SET {setting}, run = {run} WHERE edit_id = ?",
                [row for row in rows if row[-1] in wanted],
            )

    def count_kill(self, edit_ids: Sequence[str]) -> int:
        """The worker that held these edits died; returns how often that happened to the one that was alone, or 0.

        What was reserved for them may have been billed and counts as spent; as much is reserved anew, since they will
        be asked for again (an edit that is not gives it back when its end is recorded, or by `release`).
        """
        with self._transaction() as connection:
            for edit_id in edit_ids:
                row = connection.execute(
                    f"UPDATE payments SET reserved = 0 WHERE edit_id = ? AND ledger = {_OWN} AND reserved "
                    "RETURNING usd",
                    (edit_id,),
                ).fetchone()
                if row:
                    _add_payment(connection, edit_id, row[0], reserved=True)
            if len(edit_ids) != 1:
                return 0
            (kills,) = connection.execute(
                "UPDATE edits SET kills = kills + 1 WHERE edit_id = ? RETURNING kills", (edit_ids[0],)
            ).fetchone()
            return int(kills)

    # Money

    def reserve(self, edit_ids: Iterable[str], usd: float) -> None:
        """Set aside what each of these edits may cost, before it is asked for."""
        with self._transaction() as connection:
            for edit_id in edit_ids:
                _add_payment(connection, edit_id, usd, reserved=True)

    def release(self, edit_ids: Iterable[str]) -> None:
        """Give back what is reserved for edits that were not asked for."""
        with self._transaction() as connection:
            connection.executemany(
                f"DELETE FROM payments WHERE edit_id = ? AND ledger = {_OWN} AND reserved",
                [(edit_id,) for edit_id in edit_ids],
            )

    def settle(self) -> None:
        """Count what an earlier run reserved and never accounted for as spent: it died, and may have been billed."""
        with self._transaction() as connection:
            connection.execute(f"UPDATE payments SET reserved = 0 WHERE ledger = {_OWN} AND reserved")

    def spent_usd(self) -> float:
        """Dollars spent and reserved so far, over all edits."""
        with self._reading() as connection:
            return float(connection.execute("SELECT TOTAL(usd) FROM payments").fetchone()[0])

    def payments(self) -> list[Payment]:
        """Every bill and every reservation, those that were joined too."""
        with self._reading() as connection:
            rows = connection.execute("SELECT edit_id, ledger, attempt, usd, reserved FROM payments").fetchall()
        return [Payment(edit, ledger, attempt, usd, bool(reserved)) for edit, ledger, attempt, usd, reserved in rows]

    def add_payments(self, payments: Iterable[Payment]) -> None:
        """Join the payments of another ledger: each is there once, however often it is joined."""
        with self._transaction() as connection:
            connection.executemany(
                "INSERT INTO payments (edit_id, ledger, attempt, usd, reserved) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET usd = excluded.usd, reserved = excluded.reserved WHERE payments.reserved",
                [(one.edit_id, one.ledger, one.attempt, one.usd, one.reserved) for one in payments],
            )

    @property
    def ledger_id(self) -> str:
        """What this ledger's own payments are known by."""
        return self._about("ledger_id")

    def grant(self, usd: float) -> None:
        """Note how many dollars the runs that write here may spend in all; 0 when they are over."""
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO about VALUES ('granted_usd', ?)", (repr(usd),))

    def granted_usd(self) -> float:
        return float(self._about("granted_usd") or 0)

    def _about(self, name: str) -> str:
        with self._reading() as connection:
            row = connection.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else ""

    # Access

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """As `_transaction`, but a ledger that is not there is an empty one, and is not made."""
        if self._connection is not None or (self.path.is_file() and not self._read_only):
            with self._transaction() as connection:
                yield connection
            return
        with self._faults_told():
            connection = _snapshot(self.path)
            if self._read_only:
                self._connection = connection
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._faults_told():
            if self._connection is None:
                self._connection = _snapshot(self.path) if self._read_only else _open(self.path)
            with self._connection:
                yield self._connection

    @contextmanager
    def _faults_told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            fault = _explain(self.path, error)
            if fault is None:
                raise
            raise fault from error


def _explain(path: Path, error: sqlite3.DatabaseError) -> EditFHFError | OSError | None:
    """What a fault of SQLite means for the user; None: it is ours."""
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF  # the rest says which kind of it
    if code == sqlite3.SQLITE_FULL:
        return OSError(errno.ENOSPC, "No space left on device", str(path))
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return JobFailed(
            f"{path}: another process holds the ledger.", mend="Nothing is lost: wait for it to end, then run it again."
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR):
        return JobFailed(
            f"{path}: the ledger cannot be read or written just now: {error}.",
            mend="Nothing is lost: look at disk and permissions, and whether another process holds it; run it again.",
        )
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return BadInput(
            f"{path}: the ledger is damaged: {error}.",
            mend="Keep it: without it every edit would be made, and paid, again. "
            f"`sqlite3 {path.name} .recover | sqlite3 recovered.sqlite` saves what can be read: put that, or a copy of "
            "your own, in its place.",
        )
    if code == sqlite3.SQLITE_ERROR:
        return BadInput(f"{path} is not a ledger of this version: {error}.", mend="Is it the right workspace?")
    return None


def _add_payment(connection: sqlite3.Connection, edit_id: str, usd: float, reserved: bool) -> None:
    connection.execute(
        f"INSERT INTO payments SELECT ?, {_OWN}, 1 + COALESCE(MAX(attempt), 0), ?, ? FROM payments "
        f"WHERE edit_id = ? AND ledger = {_OWN}",
        (edit_id, usd, reserved, edit_id),
    )


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=LOCK_WAIT_S)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    with connection:
        # Two processes may open a new ledger at the same time: one makes it, the other waits.
        connection.execute("BEGIN IMMEDIATE")
        _make_tables(connection)
    return connection


def _make_tables(connection: sqlite3.Connection) -> None:
    """Create what is missing; a ledger of this version is not written to."""
    connection.execute(_CREATE)
    connection.execute(_CREATE_RUNS)
    connection.execute(_CREATE_ABOUT)
    connection.execute("INSERT OR IGNORE INTO about VALUES ('ledger_id', ?)", (uuid.uuid4().hex,))
    there = {row[1] for row in connection.execute("PRAGMA table_info(edits)")}
    for name, kind in _LATER_COLUMNS.items():
        if name not in there:
            connection.execute(f"ALTER TABLE edits ADD COLUMN {name} {kind}")
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    connection.execute(_CREATE_PAYMENTS)
    if "payments" not in tables and "cost_usd" in there:
        # An earlier version kept one sum for each edit.
        connection.execute(
            f"INSERT INTO payments SELECT edit_id, {_OWN}, 1, cost_usd + reserved_usd, 0 FROM edits "
            "WHERE cost_usd + reserved_usd > 0"
        )


def _snapshot(path: Path) -> sqlite3.Connection:
    """What a ledger holds now, in memory and not to be changed; an empty one where there is none."""
    memory = read_snapshot(path)
    with memory:
        _make_tables(memory)
    memory.execute("PRAGMA query_only = 1")
    return memory
