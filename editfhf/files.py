"""Files that are whole or not there, whenever the process dies."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path, mode: int = 0o644) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well: written whole or not at all."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.fchmod(handle, mode)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what `whole_file` and `oracle.write` left behind when they were killed. Only while holding the lock."""
    for path in list(folder.rglob(".*.tmp")):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def write_secret(path: Path, text: str | None = None) -> str:
    """Store a secret (a fresh random one without `text`) in a file that only its owner can read; returns it."""
    text = text or secrets.token_urlsafe(24)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, mode=0o600) as temporary:
        temporary.write_text(text)
    return text
