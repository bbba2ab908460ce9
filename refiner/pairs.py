"""Pairs to score or to refine, from a CSV file, a folder with one, or a dataset: named, and read one at a time."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from editfhf.errors import BadInput, first_line
from editfhf.export import sha256_of
from editfhf.manifest import MANIFEST_NAME
from editfhf.photo_file import DECODE_ERRORS, FORMATS
from editfhf.schema import DIMENSIONS, SPLITS, stable_id
from editfhf.sheet import read_sheet
from refiner.agents import Pair
from refiner.inputs import make_pair, read_pair

SHEET_COLUMNS = ("source", "edited", "instruction")
DATASET_NAME = "dataset"  # in a workspace: where the examples build it
SHEET_NAME = "pairs.csv"  # in a folder that has other CSV files too
DATASET_COLUMNS = ("edit_id", "source_image", "edited_image", "instruction", "model")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif")
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


@dataclass(frozen=True, slots=True)
class NamedPair:
    """A pair that was not read yet.

    Attributes:
        id: a name for its files: the edit's id, or the name of the edited image and 8 hex digits of all that is in the
            pair; the same whenever that is the same, wherever it stands in its list.
        where: for messages.
        source, edited: the paths as they were written; "" for a row of a dataset.
        read: reads and checks it (`refiner.inputs`); raises BadInput.
    """

    id: str
    where: str
    instruction: str
    read: Callable[[], Pair]
    source: str = ""
    edited: str = ""


def find_pairs(
    where: str, split: str = "", force: bool = False, worst: int | None = None, apart_from: str | None = None
) -> list[NamedPair]:
    """The pairs of a CSV file, of a folder with one, or of one split of a dataset.

    Args:
        where: a CSV file (`read_pair_sheet`); a folder that holds one, or several of which one is `pairs.csv`; a folder
            that `editfhf build` wrote; or the name of a dataset on the Hub.
        split: of a dataset: train, validation or test; "" is test.
        force: also take pairs where the edited image does not look like an edit of that photo.
        apart_from: of a dataset, the editor that is to repair: its own edits cannot be read, with that as the reason.
        worst: of a dataset, only so many: those that people scored lowest on the mean of the three dimensions.

    Raises:
        BadInput: it is none of these, or holds no pair; `split` or `worst` of what is no dataset.
    """
    path = sheet = Path(where).expanduser()
    if path.is_dir() and not (path / MANIFEST_NAME).is_file():
        sheets = sorted(path.glob("*.csv"))
        named = [sheet for sheet in sheets if sheet.name == SHEET_NAME] or sheets
        if len(named) != 1:
            below = path / DATASET_NAME
            if not sheets and (below / MANIFEST_NAME).is_file():
                raise BadInput(f"{path} holds no CSV file and no dataset.", mend=f"Name the dataset below it: {below}.")
            problem = f"{len(sheets)} CSV files, none of them {SHEET_NAME}" if sheets else "no CSV file and no dataset"
            raise BadInput(f"{path} holds {problem}.", mend="Name the CSV file itself, or a dataset's folder.")
        sheet = named[0]
    if sheet.is_file():
        if split or worst is not None:
            raise BadInput(f"--split and --worst need a dataset; {sheet} is a CSV file.", mend="Leave them out.")
        return read_pair_sheet(sheet, force)
    if not path.exists() and (path.suffix.casefold() == ".csv" or where.count("/") != 1):
        raise BadInput(f"{path} does not exist.", mend="Name a CSV file, a dataset's folder or a name on the Hub.")
    return _dataset_pairs(where, split or "test", force, worst, apart_from)


def read_pair_sheet(path: Path, force: bool = False) -> list[NamedPair]:
    """The pairs of a CSV file with the columns source, edited and instruction; paths are relative to the file.

    Raises:
        BadInput: it cannot be read, lacks a column or has no rows.
    """
    if path.suffix.casefold() in IMAGE_SUFFIXES:
        raise BadInput(f"{path} is an image, not a CSV file.", mend="One pair is refined with --source and --edited.")
    rows = read_sheet(path, SHEET_COLUMNS)
    if not rows:
        raise BadInput(
            f"{path} has no pairs.", mend=f"Its columns are {', '.join(SHEET_COLUMNS)}; a row for each pair."
        )
    pairs = []
    for line, row in rows:
        source, edited = (path.parent / Path(row[name]).expanduser() for name in ("source", "edited"))
        name = _pair_name(source, edited, row["instruction"])
        read = partial(_read_row, row, source, edited, force)
        pairs.append(NamedPair(name, f"{path}: line {line}", row["instruction"], read, row["source"], row["edited"]))
    return pairs


def _read_row(row: dict[str, str], source: Path, edited: Path, force: bool) -> Pair:
    for name in ("source", "edited"):
        if not row[name]:
            raise BadInput(f"The column {name} is empty.", mend="Write the path of an image file.")
    return read_pair(source, edited, row["instruction"], force)


def _pair_name(source: Path, edited: Path, instruction: str) -> str:
    contents = [sha256_of(path) if path.is_file() else str(path) for path in (source, edited)]
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", edited.stem).strip("-")[:40] or "pair"
    return f"{stem}-{stable_id(*contents, instruction)[:8]}"


def _dataset_pairs(dataset: str, split: str, force: bool, worst: int | None, apart_from: str | None) -> list[NamedPair]:
    from datasets import Image as ImageFeature

    import editfhf

    if split not in SPLITS:
        raise BadInput(f"There is no split {split!r}.", mend=f"There are: {', '.join(SPLITS)}.")
    table = editfhf.load(dataset)[split]
    if missing := [name for name in DATASET_COLUMNS if name not in table.column_names]:
        raise BadInput(f"{dataset} has no column {missing[0]!r}.", mend="Build it with this version: `editfhf build`.")
    if not len(table):
        raise BadInput(f"{dataset} has no edits in its split {split}.", mend="Name another with --split.")
    if worst is not None:
        table = table.select(_lowest(table.select_columns([*DIMENSIONS, "edit_id"]), worst))
    table = table.select_columns(list(DATASET_COLUMNS))
    for name in ("source_image", "edited_image"):
        table = table.cast_column(name, ImageFeature(decode=False))
    texts = table.select_columns(["edit_id", "instruction", "model"])
    return [
        NamedPair(
            row["edit_id"] if FILE_NAME.fullmatch(row["edit_id"]) else stable_id(row["edit_id"]),
            f"{dataset}: {split}: edit {row['edit_id']}",
            row["instruction"],
            partial(_refuse_own, apart_from)
            if apart_from is not None and row["model"] == apart_from
            else partial(_read_dataset_row, table, number, force),
        )
        for number, row in enumerate(texts)
    ]


def _lowest(scores: Any, count: int) -> list[int]:
    """The positions of the edits with the lowest mean score; those that nobody rated are none of them."""
    rated = [
        (sum(row[name] for name in DIMENSIONS), row["edit_id"], number)
        for number, row in enumerate(scores)
        if all(row[name] is not None for name in DIMENSIONS)
    ]
    return [number for *_, number in sorted(rated)[:count]]


def _refuse_own(editor: str) -> Pair:
    raise BadInput(f"The edit was made by {editor}.", mend="No editor repairs its own: name another with --editor.")


def _read_dataset_row(table: Any, number: int, force: bool) -> Pair:
    row = table[number]
    images = [_open(row[name], name) for name in ("source_image", "edited_image")]
    return make_pair(images[0], images[1], row["instruction"], force)


def _open(stored: dict[str, Any] | None, column: str) -> Image.Image:
    data = (stored or {}).get("bytes")
    if not data:
        raise BadInput(f"The {column} has no bytes in the dataset.")
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except (*DECODE_ERRORS, Image.DecompressionBombError) as error:
        raise BadInput(f"The {column} is damaged ({first_line(error)}).") from error
