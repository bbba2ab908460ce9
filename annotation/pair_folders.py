"""Folders of blind pairs (`editfhf pairs`) in a campaign: taken in, shown in Label Studio, and filled copies written.

```
annotation/pairs/ID/            a folder as `editfhf.blind_pairs` describes it; ID is a hash of its key
  campaign-PSEUDONYM.csv        what each person chose: `editfhf benchmark --preferences` reads the folder
```
"""

import csv
import hashlib
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from annotation.pairs import Pair
from editfhf.blind_pairs import HAND_OUT, KEY_FILE, PAIRS_FILE, Key, KeyOfEdit, read_key
from editfhf.errors import BadInput
from editfhf.files import whole_file, whole_folder
from editfhf.photo_file import DECODE_ERRORS
from editfhf.schema import ID_LENGTH, Edit, stable_id
from editfhf.sheet import read_sheet
from editfhf.workspace import Workspace

FOLDER = "pairs"
COPY = "campaign-"  # and the pseudonym
IMAGE_COLUMNS = ("source", "left", "right")
COPY_COLUMNS = ("pair", "preferred", "annotator_kind")


def take_in(workspace: Workspace, folder: Path) -> Path:
    """Copy a folder of pairs into the workspace, whole or not at all; once is enough. Returns where it lies.

    Raises:
        BadInput: no such folder, or its key, its sheet and its images do not fit together.
    """
    folder = folder.expanduser()
    key = read_key(folder / KEY_FILE)
    name = hashlib.sha256((folder / KEY_FILE).read_bytes()).hexdigest()[:ID_LENGTH]
    target = folder_of(workspace, name)
    if target.is_dir():
        return target
    hand_out = folder / HAND_OUT
    files = [row[column] for row in _rows(hand_out, key).values() for column in IMAGE_COLUMNS]
    for file in files:
        _require_image(hand_out, file)
    with whole_folder(target) as temporary:
        for file in files:
            copy = temporary / HAND_OUT / file
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(hand_out / file, copy)
        shutil.copyfile(hand_out / PAIRS_FILE, temporary / HAND_OUT / PAIRS_FILE)
        shutil.copyfile(folder / KEY_FILE, temporary / KEY_FILE)
    return target


def pairs_in_folders(workspace: Workspace, edits: Mapping[str, Edit], photo_of: Mapping[str, str]) -> list[Pair]:
    """Every pair that was taken in; the first is the image before refining.

    Args:
        edits: those of this workspace, by their ids: a pair may be about others. photo_of: source id → its photo.

    Raises:
        BadInput: a folder was damaged since.
    """
    return [pair for folder in _folders(workspace) for pair in _pairs_in(workspace, folder, edits, photo_of)]


def readable_pairs(workspace: Workspace) -> list[Pair]:
    """Those of the folders that can be read; without the photo that each is of, which takes reading it."""
    damaged = damaged_folders(workspace)
    folders = [folder for folder in _folders(workspace) if folder not in damaged]
    return [pair for folder in folders for pair in _pairs_in(workspace, folder, {}, None)]


def damaged_folders(workspace: Workspace) -> dict[Path, str]:
    """The folders that cannot be read, each with one sentence that says why."""
    damaged = {}
    for folder in _folders(workspace):
        try:
            _rows(folder / HAND_OUT, read_key(folder / KEY_FILE))
        except BadInput as error:
            damaged[folder] = error.what
    return damaged


def _pairs_in(
    workspace: Workspace, folder: Path, edits: Mapping[str, Edit], photo_of: Mapping[str, str] | None
) -> list[Pair]:
    key = read_key(folder / KEY_FILE)
    rows = _rows(folder / HAND_OUT, key)
    return [
        _pair(workspace, folder, one, rows[one.pair], key, edits.get(one.edit_id), photo_of)
        for one in key.edits
        if one.pair
    ]


def forget_copies(workspace: Workspace, annotator: str) -> None:
    """Remove what a person chose from every folder of pairs, damaged ones too."""
    for path in (workspace.annotation_dir / FOLDER).glob(f"*/{COPY}{annotator}.csv"):
        path.unlink()


def write_copies(workspace: Workspace, preferences: Iterable[Mapping[str, Any]]) -> None:
    """Write what each person chose beside the keys, in the place of what was written before.

    Args:
        preferences: rows of that table; of who is set aside nothing is written, and nothing in a damaged folder.
    """
    damaged = damaged_folders(workspace)
    folders = [folder for folder in _folders(workspace) if folder not in damaged]
    if not folders:
        return
    pairs = {pair.pair_id: pair for pair in readable_pairs(workspace)}
    copies: defaultdict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for row in preferences:
        pair = pairs.get(row["pair_id"])
        if pair is not None and not row["screened"] and row["choice"] in ("first", "second", "tie"):
            other = {"left": "right", "right": "left"}[pair.after]
            side = {"first": other, "second": pair.after, "tie": "tie"}[row["choice"]]
            filled = (pair.name, side, str(row["annotator_kind"]))
            copies[pair.folder, row["annotator"]].append(dict(zip(COPY_COLUMNS, filled, strict=True)))
    for folder in folders:
        for path in folder.glob(f"{COPY}*.csv"):
            if (folder.name, path.stem.removeprefix(COPY)) not in copies:
                path.unlink()
    for (name, annotator), filled_rows in copies.items():
        with (
            whole_file(folder_of(workspace, name) / f"{COPY}{annotator}.csv") as temporary,
            temporary.open("w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.DictWriter(file, COPY_COLUMNS)
            writer.writeheader()
            writer.writerows(sorted(filled_rows, key=lambda row: row["pair"]))


def folders_with_choices(workspace: Workspace) -> list[Path]:
    """The folders of pairs in which somebody's choices lie, for `editfhf benchmark --preferences`."""
    return [folder for folder in _folders(workspace) if any(folder.glob(f"{COPY}*.csv"))]


def folder_of(workspace: Workspace, name: str) -> Path:
    """Where the folder of this name lies in the workspace."""
    return workspace.annotation_dir / FOLDER / name


def _folders(workspace: Workspace) -> list[Path]:
    return sorted(path for path in (workspace.annotation_dir / FOLDER).glob("[!.]*") if path.is_dir())


def _rows(hand_out: Path, key: Key) -> dict[str, dict[str, str]]:
    """The rows of the sheet, by the names of their pairs: one for each that the key asks about."""
    path = hand_out / PAIRS_FILE
    rows = {row["pair"]: row for _, row in read_sheet(path, ("pair", "instruction", *IMAGE_COLUMNS))}
    missing = sorted({one.pair for one in key.edits if one.pair} - set(rows))
    if missing:
        raise BadInput(f"{path} lacks the pair {missing[0]}.", mend="Copy the whole folder that `editfhf pairs` wrote.")
    return rows


def _require_image(hand_out: Path, file: str) -> None:
    path = (hand_out / file).resolve()
    problem = ""
    if Path(file).is_absolute():
        problem = "is not named by its place in that folder"
    elif not file or not path.is_relative_to(hand_out.resolve()):
        problem = "lies outside of it"
    elif not path.is_file():
        problem = "is not there"
    else:
        try:
            with Image.open(path) as image:
                image.verify()
        except DECODE_ERRORS:
            problem = "is no image"
    if problem:
        raise BadInput(
            f"{hand_out / PAIRS_FILE} names the image {file!r}, which {problem}.",
            mend="Copy the whole folder that `editfhf pairs` wrote.",
        )


def _pair(
    workspace: Workspace,
    folder: Path,
    one: KeyOfEdit,
    row: Mapping[str, str],
    key: Key,
    edit: Edit | None,
    photo_of: Mapping[str, str] | None,
) -> Pair:
    before = {"left": "right", "right": "left"}[one.after]
    source, first, second = (
        (folder / HAND_OUT / row[column]).relative_to(workspace.root).as_posix()
        for column in ("source", before, one.after)
    )
    photo = ""
    if photo_of is not None:
        photo = (photo_of.get(edit.source_id, "") if edit else "") or _digest(workspace.root / source)
    return Pair(
        stable_id("pair", folder.name, one.pair), one.edit_id, "", source, first, second, row["instruction"],
        photo, ("before", f"after {key.editor}"), edit.task if edit else "",
        one.before_sha256, one.after_sha256, folder.name, one.pair, one.after,
    )  # fmt: skip


def _digest(path: Path) -> str:
    """The photo of an edit that is not of this workspace: the same image, the same photo."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:ID_LENGTH] if path.is_file() else path.name
