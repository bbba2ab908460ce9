"""Instructions as a CSV file: written for spreadsheets, read back from whoever edited it."""

import csv
import difflib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from editfhf.errors import BadInput
from editfhf.files import whole_file
from editfhf.schema import Instruction, Source, stable_id
from editfhf.sheet import read_sheet
from editfhf.tasks import TASKS, require_task

REQUIRED = ("source_id", "task", "instruction")
OPTIONAL = ("instruction_id", "target", "author", "reviewed")
COLUMNS = ("instruction_id", "source_id", "photo", "task", "instruction", "target", "author", "reviewed")
# Spreadsheets write truth in the language of their user.
YES = {"true", "yes", "y", "1", "x", "wahr", "ja", "vrai", "oui", "verdadero", "sí"}
NO = {"", "false", "no", "n", "0", "falsch", "nein", "faux", "non", "falso"}
Pair = tuple[str, str]  # source_id, task: at most one instruction each


def pair_of(one: Instruction) -> Pair:
    return one.source_id, one.task


def new_instruction(source_id: str, task: str, text: str, target: str, author: str = "template") -> Instruction:
    """An instruction with the id that its text gives it."""
    return Instruction(stable_id(source_id, task, text), source_id, task, text, target, author)


def read_instruction_sheet(path: Path, sources: Sequence[Source]) -> list[Instruction]:
    """The instructions of a CSV file, in its order.

    Raises:
        BadInput: unknown photo or task, an empty or doubled instruction, a missing column; the line is named.
    """
    known = {source.source_id for source in sources}
    found: dict[Pair, tuple[int, Instruction]] = {}
    for line, row in read_sheet(path, REQUIRED, OPTIONAL):
        where = f"{path}: line {line}: "
        if row["source_id"] not in known:
            raise _unknown_source(where, row["source_id"], known)
        require_task(row["task"], where)
        one = _from_row(row, where)
        if pair_of(one) in found:
            raise BadInput(
                f"{where}line {found[pair_of(one)][0]} has an instruction for {one.source_id} and {one.task} already.",
                mend="A photo has one instruction for a task: remove one of the two lines.",
            )
        found[pair_of(one)] = line, one
    return [one for _, one in found.values()]


def write_instruction_sheet(path: Path, instructions: Iterable[Instruction], sources: Sequence[Source]) -> None:
    """Write a CSV file, ordered by photo and task, whole or not at all."""
    place = {source.source_id: position for position, source in enumerate(sources)}
    origin = {source.source_id: source.origin for source in sources}
    task_place = {task: position for position, task in enumerate(TASKS)}
    ordered = sorted(instructions, key=lambda one: (place[one.source_id], task_place[one.task]))
    # With a byte order mark, or Excel takes UTF-8 for something else.
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for one in ordered:
            photo = _plain_text(origin[one.source_id])
            reviewed = "true" if one.reviewed else "false"
            writer.writerow(
                [one.instruction_id, one.source_id, photo, one.task, one.text, one.target, one.author, reviewed]
            )


def _from_row(row: dict[str, str], where: str) -> Instruction:
    text = " ".join(row["instruction"].split())
    if not text:
        raise BadInput(f"{where}the instruction is empty.", mend="Write one, or remove the line.")
    reviewed = row["reviewed"].casefold()
    if reviewed not in YES | NO:
        raise BadInput(f"{where}reviewed is {row['reviewed']!r}.", mend="Write `true` or `false`.")
    one = new_instruction(row["source_id"], row["task"], text, row["target"])
    if one.instruction_id != row["instruction_id"]:
        # The id is made from the text: a person wrote this line, or changed it.
        return replace(one, author="file", reviewed=True)
    return replace(one, author=row["author"] or "file", reviewed=reviewed in YES)


def _unknown_source(where: str, source_id: str, known: set[str]) -> BadInput:
    close = difflib.get_close_matches(source_id, known, 1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    return BadInput(
        f"{where}no photo has the source_id {source_id!r}.",
        mend=f"{hint}A spreadsheet may have taken it for a number: import that column as text.",
    )


def _plain_text(cell: str) -> str:
    # A file name that begins like a formula would be run as one by a spreadsheet.
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell
