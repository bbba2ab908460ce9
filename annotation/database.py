"""Label Studio's SQLite file: whether it is whole, which version made it, and a copy of it while others write."""

import contextlib
import re
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from annotation import installation
from editfhf.errors import BadInput
from editfhf.files import whole_file

NAME = "label_studio.sqlite3"
BUSY_LIMIT_S = 60
# SQLite would replay what lies in these into whatever database stands beside them.
COMPANIONS = ("-journal", "-wal", "-shm")
NEEDED_TABLES = {"django_migrations", "htx_user", "project", "task", "task_completion"}


def prepare(folder: Path, say: Callable[[str], None]) -> None:
    """Make the database in this folder one that the installed Label Studio can start with. No server may run on it.

    A missing one, or one whose making was cut off before it held anything, is made new. One of an older Label Studio is
    copied beside itself first: the server then brings it up to date.

    Raises:
        BadInput: it is damaged, or of a newer Label Studio.
    """
    path = folder / NAME
    if path.exists() and _is_half_made(path):
        set_aside(path, "half-made")
    if not path.exists():
        remove_companions(path)
        installation.copy_fresh_database(folder)
        return
    check(path, "Restore a back-up.")
    if _is_older(path):
        # Not made again by each try to start: the first is the one from before.
        kept = path.with_name(f"{NAME}.before-{installation.VERSION}")
        if not kept.exists():
            copy(path, kept)
        say(f"The database is of an older Label Studio and will be brought up to date; a copy stays in {kept}.")


def check(path: Path, mend: str) -> None:
    """Whether the file is a whole database of Label Studio, not newer than the installed one.

    Raises:
        BadInput: it is not; `mend` says what to do.
    """
    try:
        with contextlib.closing(_open(path)) as database:
            (result,) = database.execute("PRAGMA quick_check(1)").fetchone()
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.DatabaseError as error:
        raise BadInput(f"{path} is damaged: {error}.", mend=mend) from error
    if result != "ok":
        raise BadInput(f"{path} is damaged: {' '.join(str(result).split())[:200]}.", mend=mend)
    if not tables >= NEEDED_TABLES:
        raise BadInput(f"{path} is no database of Label Studio.", mend=mend)
    known, found = _newest(_migrations(_fresh())), _newest(_migrations(path))
    if known and any(number > known.get(app, -1) for app, number in found.items()):
        raise BadInput(
            f"{path} was made by a newer Label Studio than {installation.VERSION}, which is installed.",
            mend="Use the newer toolkit, or restore a back-up from before.",
        )


def copy(source: Path, target: Path) -> None:
    """A consistent copy (mode 0600), also while a server writes: whole or not there.

    Raises:
        BadInput: the source cannot be read.
    """
    try:
        with whole_file(target, mode=0o600) as temporary, contextlib.closing(_open(source)) as database:
            with contextlib.closing(sqlite3.connect(temporary)) as copied:
                database.backup(copied)  # in one step: a writer waits, and cannot make it begin anew for ever
            remove_companions(temporary)
    except sqlite3.Error as error:
        raise BadInput(f"{source} cannot be copied: {error}.", mend="Restore a back-up.") from error


def set_aside(path: Path, why: str) -> Path:
    """Move a database out of the way, with what belongs to it. Returns where it lies now."""
    for suffix in ("", *COMPANIONS):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(path.with_name(f"{path.name}.{why}{suffix}"))
    return path.with_name(f"{path.name}.{why}")


def remove_companions(path: Path) -> None:
    """Remove what belonged to a database that is gone."""
    for suffix in COMPANIONS:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _is_half_made(path: Path) -> bool:
    """Whether it holds no table of users: nobody can have entered anything."""
    try:
        with contextlib.closing(_open(path)) as database:
            return not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'htx_user'").fetchone()
    except sqlite3.DatabaseError:
        return False  # damaged, which is another thing


def _is_older(path: Path) -> bool:
    return bool(_migrations(_fresh()) - _migrations(path))


def _fresh() -> Path:
    return installation.home() / installation.FRESH_DATABASE


def _migrations(path: Path) -> set[tuple[str, str]]:
    """App and name of each change of the tables that was made to a database."""
    if not path.is_file():
        return set()
    with contextlib.closing(_open(path)) as database:
        return set(database.execute("SELECT app, name FROM django_migrations"))


def _newest(migrations: set[tuple[str, str]]) -> dict[str, int]:
    """App → number of its newest change: names begin with it."""
    newest: defaultdict[str, int] = defaultdict(int)
    for app, name in migrations:
        number = re.match(r"\d+", name)
        newest[app] = max(newest[app], int(number[0]) if number else 0)
    return newest


def _open(path: Path) -> sqlite3.Connection:
    # For reading and writing: what a killed server left half written has to be rolled back first.
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=BUSY_LIMIT_S)
