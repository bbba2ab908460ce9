"""An SQLite file as it is now, read without a lock and without writing: for files that other machines may hold."""

import shutil
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

from editfhf.errors import JobFailed

TRIES = 20  # at reading what somebody writes to meanwhile


def read_snapshot(path: Path) -> sqlite3.Connection:
    """What a database in WAL mode holds now, as one in memory; empty where there is none.

    Neither the file nor its folder is touched. SQLite itself would write beside it, and need memory shared with the
    others that have it open, which network file systems do not give.

    Raises:
        JobFailed: somebody changed it each time that it was read.
        sqlite3.DatabaseError: it is damaged, or no database.
    """
    memory = sqlite3.connect(":memory:")
    for _ in range(TRIES):
        before = _stamp(path)
        if before is None:
            break
        try:
            _read_into(memory, path)
        except (sqlite3.DatabaseError, FileNotFoundError):
            if _stamp(path) == before:
                raise
            continue
        if _stamp(path) == before:
            break
    else:
        raise JobFailed(f"{path}: another process writes to it all the time.", mend="Run it again.")
    return memory


def _read_into(memory: sqlite3.Connection, path: Path) -> None:
    log = path.with_name(path.name + "-wal")
    with TemporaryDirectory() as folder:
        if log.is_file() and log.stat().st_size:
            # What a run has written last is in its log only, so both are copied.
            copy = Path(folder) / path.name
            shutil.copyfile(path, copy)
            shutil.copyfile(log, copy.with_name(log.name))
            source = sqlite3.connect(copy)
        else:
            source = sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)
        try:
            source.backup(memory)
        finally:
            source.close()


def _stamp(path: Path) -> tuple[int, int, bytes] | None:
    """Changes when pages of the file change or its log begins anew; what is only added to the log does no harm."""
    if not path.is_file():
        return None
    stat = path.stat()
    try:
        with path.with_name(path.name + "-wal").open("rb") as log:
            head = log.read(32)  # bytes; with the salt of this log
    except FileNotFoundError:
        head = b""
    return stat.st_mtime_ns, stat.st_size, head
