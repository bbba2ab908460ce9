"""The source photos of a workspace: imported from a folder once, normalised, and from then on unchanged."""

import difflib
import json
import math
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from editfhf.config import CONFIG_NAME, TEMPLATE
from editfhf.errors import BadInput
from editfhf.files import remove_leftovers, whole_file
from editfhf.photo_file import PhotoFile, UnusablePhotoError, read_photo
from editfhf.schema import Source
from editfhf.sheet import read_sheet
from editfhf.workspace import Workspace

SAMPLES = Path(__file__).parent / "samples"
SHEET_NAME = "photos.csv"
IGNORED_NAMES = {"thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r", SHEET_NAME, "readme.md", "readme.txt"}
IGNORED_FOLDERS = {"__macosx", "@eadir", "$recycle.bin"}
SUBJECT_LENGTH = 60  # characters: a name for an instruction, not a caption
Track = Callable[[Sequence[Path]], Iterable[Path]]


@dataclass
class ImportCounts:
    """Photos `imported` now, `already_there` (of them `described_anew` by photos.csv), and files `set_aside`."""

    imported: int = 0
    already_there: int = 0
    described_anew: int = 0
    set_aside: int = 0

    def as_row(self) -> dict[str, int]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PhotoNote:
    """What `photos.csv` says about a photo; "" and None where it says nothing."""

    licence: str = ""
    origin: str = ""
    subject: str = ""
    subject_box: tuple[float, float, float, float] | None = None


def init_workspace(
    root: Path | str, folder: Path | str | None = None, track: Track = iter
) -> tuple[Workspace, ImportCounts]:
    """Make a workspace (or open the one that is there) and import photos into it.

    Args:
        folder: the photos; None: the sample photos, unless the workspace has photos already.
        track: wraps the files, to show progress.

    Raises:
        BadInput: `root` is something else than a workspace or an empty folder, or lies within `folder` or around it;
            `folder` has no usable photo.
    """
    root = Path(root).expanduser().resolve()
    photos = SAMPLES if folder is None else Path(folder).expanduser().resolve()
    _check_folders(root, photos)
    if not (root / CONFIG_NAME).is_file():
        root.mkdir(parents=True, exist_ok=True)
        with whole_file(root / CONFIG_NAME) as temporary:
            temporary.write_text(_settings_text(root.name), encoding="utf-8")
    workspace = Workspace.open(root)
    if folder is None and (there := len(_own_photos(workspace.sources()))):
        return workspace, ImportCounts(already_there=there)
    return workspace, import_sources(workspace, photos, track)


def import_sources(workspace: Workspace, folder: Path, track: Track = iter) -> ImportCounts:
    """Take the photos of a folder, and of those within it, into the workspace; what is there already stays.

    A photo that cannot be used becomes a row of `sources_set_aside` with the reason. An optional `photos.csv` in the
    folder says more: columns file, licence, origin, subject, subject_box ("left top right bottom" in 0..1).

    Raises:
        BadInput: no folder, a wrong row in photos.csv, no usable photo at all, another import is going on.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        raise BadInput(f"{folder} is not a folder.", mend="Name the folder that your photos lie in.")
    settings = workspace.config.sources
    with workspace.lock("init"):
        workspace.sources_dir.mkdir(exist_ok=True)
        remove_leftovers(workspace.sources_dir)
        set_aside: dict[str, str] = {}
        files = list(_files_of(folder, set_aside))
        notes = _read_notes(folder, {_name(file, folder) for file in files})
        sources = {source.source_id: source for source in workspace.sources()}
        counts, first_seen = ImportCounts(), dict[str, str]()
        for file in track(files):
            name = _name(file, folder)
            try:
                photo = read_photo(_within(file, folder), settings.max_megapixels, settings.min_side)
            except UnusablePhotoError as error:
                set_aside[name] = str(error)
                continue
            if photo.source_id in first_seen:
                set_aside[name] = f"the same picture as {first_seen[photo.source_id]}"
                continue
            first_seen[photo.source_id] = name
            note = notes.get(name, PhotoNote())
            known = sources.get(photo.source_id)
            if known is None:
                sources[photo.source_id] = _store(workspace, photo, note, name, settings.licence)
                counts.imported += 1
            else:
                sources[photo.source_id] = _described_by(known, note)
                counts.already_there += 1
                counts.described_anew += sources[photo.source_id] != known
        if not first_seen:
            raise BadInput(
                f"{folder} has no photo that can be used{_why(set_aside)}.", mend="JPEG, PNG, WebP and TIFF are read."
            )
        counts.set_aside = len(set_aside)
        _write_tables(workspace, list(sources.values()), set_aside, {_name(file, folder) for file in files})
    return counts


def set_aside_rows(workspace: Workspace) -> list[dict[str, Any]]:
    """The files that were set aside, with the reason, as `editfhf init` shows them."""
    return list(workspace.read_table("sources_set_aside").to_pylist())


def _check_folders(root: Path, photos: Path) -> None:
    if not photos.is_dir():
        what = "is not a folder" if photos.exists() else "does not exist"
        raise BadInput(f"{photos} {what}.", mend="Name the folder that your photos lie in with --sources.")
    if root == photos or root.is_relative_to(photos):
        raise BadInput(
            f"The workspace {root} would lie in the folder of the photos, {photos}.", mend="Choose a place beside it."
        )
    if photos.is_relative_to(root):
        raise BadInput(
            f"The photos {photos} lie in the workspace {root}.", mend="Move them out, or choose another workspace."
        )
    if root.exists() and not root.is_dir():
        raise BadInput(f"{root} is a file.", mend="Name a new folder for the workspace.")
    # What a killed `init` may have left in a new folder does not make it somebody else's.
    others = (
        [entry for entry in root.iterdir() if not entry.name.startswith(f".{CONFIG_NAME}")] if root.is_dir() else []
    )
    if others and not (root / CONFIG_NAME).is_file():
        raise BadInput(
            f"{root} has other things in it and is not a workspace (no {CONFIG_NAME}).",
            mend="Name a new or an empty folder.",
        )


def _settings_text(name: str) -> str:
    printable = "".join(letter if letter.isprintable() else " " for letter in _decodable(name)).strip()
    title = printable if len(printable) >= 3 else f"EditFHF {printable}".strip()
    # JSON strings are YAML strings too.
    return TEMPLATE.format(
        licence="unknown",
        title=json.dumps(title[:50].strip(), ensure_ascii=False),
        name=json.dumps(printable or "my-edit-feedback", ensure_ascii=False),
    )


def _files_of(folder: Path, set_aside: dict[str, str]) -> Iterator[Path]:
    """Every file that may be a photo, real files before links, in an order that does not depend on the disk."""

    def unreadable(error: OSError) -> None:
        set_aside[_name(Path(error.filename), folder)] = f"the folder cannot be read ({error.strerror})"

    found: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=unreadable):
        here = Path(place)
        for name in list(folders):
            if name.startswith(".") or name.casefold() in IGNORED_FOLDERS:
                folders.remove(name)
            elif (here / name).is_symlink():
                inside = (here / name).resolve().is_relative_to(folder)
                where = "another folder here; its photos are taken there" if inside else "outside of the folder"
                set_aside[_name(here / name, folder)] = f"a link to {where}"
        found += [here / name for name in names if not name.startswith(".") and name.casefold() not in IGNORED_NAMES]
    yield from sorted(found, key=lambda path: (path.is_symlink(), str(path)))


def _within(file: Path, folder: Path) -> Path:
    try:
        real = file.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, up to Python 3.12
        raise UnusablePhotoError("a link to nothing") from error
    if not real.is_relative_to(folder):
        raise UnusablePhotoError("a link that leaves the folder")
    if not real.is_file():
        raise UnusablePhotoError("not a regular file")
    return real


def _name(file: Path, folder: Path) -> str:
    """The path within the folder, with `/`, composed letters, and only characters that every program can show."""
    return unicodedata.normalize("NFC", _decodable(file.relative_to(folder).as_posix()))


def _decodable(name: str) -> str:
    # Names that are not UTF-8 come from the system with lone surrogates, which no table can hold.
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _store(workspace: Workspace, photo: PhotoFile, note: PhotoNote, name: str, licence: str) -> Source:
    file = f"sources/{photo.source_id}.{photo.extension}"
    with whole_file(workspace.path_of(file)) as temporary:
        temporary.write_bytes(photo.data)
    source = Source(photo.source_id, file, photo.width, photo.height, licence, name)
    return _described_by(source, note)


def _described_by(source: Source, note: PhotoNote) -> Source:
    said = {key: value for key, value in asdict(note).items() if value}
    return replace(source, **said)


def _own_photos(sources: list[Source]) -> list[Source]:
    return [source for source in sources if not source.derived_from]


def _write_tables(workspace: Workspace, sources: list[Source], set_aside: dict[str, str], seen: set[str]) -> None:
    """The table of sources last: when it says that they are there, everything else is."""
    earlier = {row["file"]: row["reason"] for row in set_aside_rows(workspace) if row["file"] not in seen}
    rows = [{"file": file, "reason": reason} for file, reason in sorted({**earlier, **set_aside}.items())]
    workspace.write_table("sources_set_aside", rows)
    workspace.write_table("sources", sources)


def _why(set_aside: dict[str, str]) -> str:
    if not set_aside:
        return " (it is empty)"
    file, reason = next(iter(sorted(set_aside.items())))
    more = f", and {len(set_aside) - 1} more" if len(set_aside) > 1 else ""
    return f" ({file}: {reason}{more})"


def _read_notes(folder: Path, known: set[str]) -> dict[str, PhotoNote]:
    path = folder / SHEET_NAME
    if not path.is_file():
        return {}
    notes: dict[str, PhotoNote] = {}
    for line, row in read_sheet(path, ["file"], ["licence", "origin", "subject", "subject_box"]):
        where = f"{path}: line {line}:"
        name = unicodedata.normalize("NFC", row["file"].replace("\\", "/").removeprefix("./"))
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Files are named as seen from {folder}."
            raise BadInput(f"{where} no file {row['file']!r}.", mend=hint)
        if name in notes:
            raise BadInput(f"{where} {name!r} stands there twice.", mend="Remove one of the two rows.")
        notes[name] = PhotoNote(
            row["licence"], row["origin"], _subject(row["subject"], where), _subject_box(row["subject_box"], where)
        )
    return notes


def _subject(text: str, where: str) -> str:
    subject = " ".join(text.split()).rstrip(".").rstrip()
    if len(subject) > SUBJECT_LENGTH or not subject.isprintable() or set(subject) & set('"{}'):
        raise BadInput(
            f"{where} subject {subject!r} is not a name that fits into a sentence.",
            mend=f"At most {SUBJECT_LENGTH} characters, without double quotes and braces: `coffee cup`.",
        )
    return subject


def _subject_box(text: str, where: str) -> tuple[float, float, float, float] | None:
    if not text:
        return None
    try:
        left, top, right, bottom = (float(part) for part in text.split())
    except ValueError:
        left = math.nan
        top = right = bottom = 0.0
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise BadInput(
            f"{where} subject_box {text!r} is no box.",
            mend="Four numbers in 0..1: left top right bottom, `0.1 0.2 0.6 0.9`.",
        )
    return left, top, right, bottom
