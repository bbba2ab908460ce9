"""Back-up and restore of a workspace's own Label Studio: its database and what opens it, in one file."""

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from annotation import database, installation
from annotation.server import credentials_path, data_dir, find_server, token_path
from editfhf.errors import BadInput
from editfhf.files import whole_file
from editfhf.workspace import Workspace

FORMAT = "editfhf back-up of Label Studio"
MANIFEST = "manifest.json"
DATABASE = f"label-studio/{database.NAME}"
SERVER_KEY = "label-studio/.env"  # with which it signs sessions and personal access tokens
# Of the campaign: they go on with the tables of the workspace, so they are brought back only where they are missing.
CAMPAIGN_FILES = ("campaign.json", "projects.json", "people.json", "pseudonym.key", "erased.json")
MEDIA = "label-studio/media/"  # pictures that people uploaded


def back_up(workspace: Workspace, target: Path | None = None) -> Path:
    """Write a back-up; the server may run. Returns its path.

    It holds passwords' hashes, e-mail addresses, the token and the key of the pseudonyms, and has mode 0600. The images
    are not in it: `editfhf annotate push` serves them again.

    Args:
        target: a file that is not there yet, or a folder; without it `annotation/backups/label-studio-TIME.zip`.

    Raises:
        BadInput: there is no database, or it is damaged; or the target is there or cannot be written.
    """
    path = data_dir(workspace) / database.NAME
    if not path.is_file():
        raise BadInput(
            f"{workspace.root} has no Label Studio of its own to back up.",
            mend="A server elsewhere is backed up by those who run it.",
        )
    target = _target_of(workspace, target)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".copy-", suffix=".tmp") as folder:
        copied = Path(folder) / database.NAME
        database.copy(path, copied)
        database.check(copied, "Restore an earlier back-up.")
        files = {DATABASE: copied} | _other_files(workspace)
        manifest = {
            "format": FORMAT,
            "label_studio": installation.VERSION,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "sha256": {name: _sha256(file) for name, file in files.items()},
        }
        with whole_file(target, mode=0o600) as temporary:
            _pack(temporary, manifest, files)
    return target


def _target_of(workspace: Workspace, target: Path | None) -> Path:
    name = f"label-studio-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}.zip"
    if target is None:
        folder = workspace.annotation_dir / "backups"
        folder.mkdir(exist_ok=True, mode=0o700)
        return folder / name
    target = target.expanduser().resolve()
    target = target / name if target.is_dir() else target
    if target.exists():
        raise BadInput(f"{target} is there already.", mend="Choose another name: a back-up is never written over.")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise BadInput(f"{target} cannot be written.", mend="Choose a folder that is there and that you may write to.")
    return target


def earlier_copies(workspace: Workspace) -> list[Path]:
    """Back-ups of the server that lie in the workspace, and what was put aside by a restore or an upgrade."""
    backups = (workspace.annotation_dir / "backups").glob("*.zip")
    return sorted([*backups, *data_dir(workspace).glob(f"{database.NAME}.*")])


def restore(workspace: Workspace, path: Path) -> Path | None:
    """Make the server what it was when the back-up was made. Killed half way, it may be run again.

    What stood there stays beside the database, as `label_studio.sqlite3.before-restore`. Answers that were pulled since
    the back-up stay in the tables until the next pull, which makes them those on the server.

    Returns:
        Where the database is kept that stood there; None where there was none.

    Raises:
        BadInput: the file is damaged, no back-up, of another campaign or of a newer Label Studio; or the server runs.
    """
    with workspace.lock("annotate serve"), workspace.lock("annotate"):
        if find_server(workspace) is not None:
            raise BadInput(
                f"The server of {workspace.root} is running.",
                mend=f"Stop it first: `editfhf annotate serve -w {workspace.root} --stop`.",
            )
        workspace.annotation_dir.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=workspace.annotation_dir, prefix=".restore-", suffix=".tmp") as folder:
            files = _unpack(path, Path(folder))
            _require_same_campaign(workspace, path, files)
            database.check(files[DATABASE], f"Is {path} of this toolkit?")
            return _put_in_place(workspace, files)


def _put_in_place(workspace: Workspace, files: dict[str, Path]) -> Path | None:
    for name in CAMPAIGN_FILES:
        if name in files and not (workspace.annotation_dir / name).exists():
            _install(files[name], workspace.annotation_dir / name)
    data = data_dir(workspace)
    data.mkdir(mode=0o700, exist_ok=True)
    for name, file in files.items():
        if name not in (DATABASE, *CAMPAIGN_FILES):
            _install(file, workspace.annotation_dir / name)
    current = data / database.NAME
    kept = database.set_aside(current, "before-restore") if current.exists() else None
    database.remove_companions(current)
    _install(files[DATABASE], current)
    return kept


def _install(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    file.chmod(0o600)
    file.replace(target)


def _other_files(workspace: Workspace) -> dict[str, Path]:
    """Name in the archive → file: what opens the server, pictures that people uploaded, the campaign's own."""
    annotation = workspace.annotation_dir
    media = data_dir(workspace) / "media"
    wanted = [
        credentials_path(workspace), token_path(workspace), annotation / SERVER_KEY,
        *(annotation / name for name in CAMPAIGN_FILES),
        *(sorted(media.rglob("*")) if media.is_dir() else []),
    ]  # fmt: skip
    return {
        file.relative_to(annotation).as_posix(): file for file in wanted if file.is_file() and not file.is_symlink()
    }


def _pack(path: Path, manifest: dict[str, Any], files: dict[str, Path]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
        for name, file in files.items():
            archive.write(file, name)


def _unpack(path: Path, folder: Path) -> dict[str, Path]:
    """Name → file, each compared with its hash; nothing but what the manifest names, and nothing outside the folder."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read(MANIFEST))
            if manifest["format"] != FORMAT:
                raise KeyError
            sums = dict(manifest["sha256"])
            files = {name: folder / str(number) for number, name in enumerate(sums)}
            if not all(_is_ours(name) for name in files) or any(_is_within(name, files) for name in files):
                raise KeyError
            size, free = sum(archive.getinfo(name).file_size for name in files), shutil.disk_usage(folder).free
            if size > free:
                raise BadInput(f"{path} holds {size >> 20} MiB; {free >> 20} are free.", mend="Make room for it.")
            for name, file in files.items():
                with archive.open(name) as packed, file.open("wb") as unpacked:
                    while block := packed.read(1 << 20):
                        unpacked.write(block)
                if _sha256(file) != sums[name]:
                    raise BadInput(f"{path} is damaged: {name} is not what was put in.", mend="Use another back-up.")
        if DATABASE not in files:
            raise KeyError
    except FileNotFoundError as error:
        raise BadInput(f"{path} does not exist.", mend="Back-ups lie in annotation/backups.") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadInput(f"{path} is no back-up of Label Studio.", mend="They lie in annotation/backups.") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise BadInput(f"{path} is damaged, or no back-up: {error}.", mend="Use another back-up.") from error
    return files


def _is_ours(name: str) -> bool:
    known = {DATABASE, SERVER_KEY, "credentials.json", "token", *CAMPAIGN_FILES}
    parts = name.removeprefix(MEDIA).split("/")
    plain = not any(part in ("", ".", "..") or "\0" in part or "\\" in part for part in parts)
    return name in known or (name.startswith(MEDIA) and plain)


def _is_within(name: str, names: Iterable[str]) -> bool:
    """Whether one of the names is that of a file in the place of which this one needs a folder."""
    return any(parent in names for parent in map(str, PurePosixPath(name).parents))


def _require_same_campaign(workspace: Workspace, path: Path, files: dict[str, Path]) -> None:
    key, restored = workspace.annotation_dir / "pseudonym.key", files.get("pseudonym.key")
    if key.is_file() and restored and key.read_bytes() != restored.read_bytes():
        raise BadInput(
            f"{path} is a back-up of another campaign: its people have other pseudonyms.",
            mend=f"Restore it in a workspace of its own, not in {workspace.root}.",
        )


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
