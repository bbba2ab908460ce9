"""Files and folders that are whole or not there, whenever the process dies."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from editfhf.errors import BadInput


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


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder` that takes its place when the block ends well, and that of what was there.

    Raises:
        BadInput: no folder can be made there.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = _folder_beside(folder)
    except OSError as error:
        raise BadInput(f"{folder} cannot be written ({error.strerror}).", mend="Choose another folder.") from error
    try:
        temporary.chmod(0o755)
        yield temporary
        if folder.is_dir():
            earlier = _folder_beside(folder)
            folder.replace(earlier)
            temporary.replace(folder)
            shutil.rmtree(earlier)
        else:
            temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _folder_beside(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))


def remove_leftovers(folder: Path) -> None:
    """Remove what `whole_…` above and `oracle.write` left when they were killed. Only while holding the lock."""
    for path in list(folder.rglob(".*.tmp")):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def require_apart(out: Path, inputs: Iterable[Path]) -> None:
    """Whether `out` takes the place of none of the inputs, and of no folder that holds one: asked before the work.

    Raises:
        BadInput: it would.
    """
    for path in inputs:
        real = path.expanduser().resolve()
        if out.exists() and any(one.exists() and one.samefile(out) for one in (real, *real.parents)):
            raise BadInput(f"{out} would be written over {path}, which is read.", mend="Choose another name with -o.")


def write_secret(path: Path, text: str | None = None) -> str:
    """Store a secret (a fresh random one without `text`) in a file that only its owner can read; returns it."""
    text = text or secrets.token_urlsafe(24)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, mode=0o600) as temporary:
        temporary.write_text(text)
    return text
