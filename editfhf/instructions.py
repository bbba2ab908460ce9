"""Instructions: what to do to which photo. Written from templates, edited by people as a CSV file, read back."""

import csv
import difflib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from editfhf.config import CONFIG_NAME, line_of_setting
from editfhf.degradations import degrade
from editfhf.errors import BadInput
from editfhf.files import remove_leftovers, whole_file
from editfhf.photo_content import describe_photo
from editfhf.photo_file import encode_png, source_id_of
from editfhf.phrasing import PhotoFacts, makes_sense, phrase, target_of
from editfhf.schema import Instruction, Source, canonical_json, stable_id
from editfhf.sheet import read_sheet
from editfhf.tasks import TASKS, parse_slots, require_task
from editfhf.workspace import Workspace

__all__ = ["InstructionCounts", "parse_slots", "read_instructions", "write_instructions"]

REQUIRED = ("source_id", "task", "instruction")
OPTIONAL = ("instruction_id", "target", "author", "reviewed")
COLUMNS = ("instruction_id", "source_id", "photo", "task", "instruction", "target", "author", "reviewed")
# Spreadsheets write truth in the language of their user.
YES = {"true", "yes", "y", "1", "x", "wahr", "ja", "vrai", "oui", "verdadero", "sí"}
NO = {"", "false", "no", "n", "0", "falsch", "nein", "faux", "non", "falso"}
Track = Callable[[Sequence[Source]], Iterable[Source]]
Pair = tuple[str, str]  # source_id, task: at most one instruction each


@dataclass
class InstructionCounts:
    """The instructions there are now, and what became of them in this run.

    `from_templates` were written by templates (now or before), `by_people` given or changed by somebody; `added`,
    `changed`, `removed` and `unchanged` compare with what was there before. `derived_photos` were made worse on
    purpose.
    """

    instructions: int = 0
    from_templates: int = 0
    by_people: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    derived_photos: int = 0

    def as_row(self) -> dict[str, int]:
        return asdict(self)


def read_instructions(workspace: Workspace) -> list[Instruction]:
    """The instructions of a workspace; none before `editfhf instruct`. The file may have been edited by hand.

    Raises:
        BadInput: unknown photo or task, an empty or doubled instruction, a missing column; the line is named.
    """
    if not workspace.instructions_path.is_file():
        return []
    return _read_file(workspace.instructions_path, workspace.sources())


def write_instructions(
    workspace: Workspace, with_: str | Path = "template", drop_missing: bool = False, track: Track = iter
) -> InstructionCounts:
    """Write instructions from templates, or take those of a CSV file that a person edited.

    Templates write one for each (photo, task) that makes sense, and leave what people wrote. A file adds and changes;
    what it does not mention stays, unless `drop_missing`.

    Args:
        with_: `template`, or the path of a CSV file with the columns source_id, task, instruction (target, reviewed).
        drop_missing: instructions that the file does not have are removed.
        track: wraps the photos that are looked at, to show progress.

    Raises:
        BadInput: no photos, an unknown task in the settings, a wrong row in the file (its line is named).
    """
    if not workspace.sources():
        raise BadInput(
            f"{workspace.root} has no photos yet.", mend=f"Run `editfhf init {workspace.root} --sources PHOTOS` first."
        )
    with workspace.lock("instruct"):
        before = {_pair(one): one for one in read_instructions(workspace)}
        if str(with_) == "template":
            after = _from_templates(workspace, before, track)
        else:
            given = _read_file(Path(with_).expanduser(), workspace.sources())
            after = _merge({} if drop_missing else before, before, given)
        _write_file(workspace, after)
    return _count(before, {_pair(one): one for one in after}, workspace.sources())


# From templates


def _from_templates(workspace: Workspace, before: dict[Pair, Instruction], track: Track) -> list[Instruction]:
    tasks = configured_tasks(workspace)
    seed = workspace.config.generate.seed
    remove_leftovers(workspace.sources_dir)
    sources = workspace.sources()
    derived = {(one.derived_from, _kind_of(one)): one for one in sources if one.derived_from}
    written: dict[Pair, Instruction] = {}
    for source in track([one for one in sources if not one.derived_from]):
        pixels = workspace.read_image(source.file)
        facts = PhotoFacts(source, pixels, describe_photo(pixels, source.subject_box))
        for task_id in tasks:
            task = TASKS[task_id]
            text = phrase(task, facts, seed) if makes_sense(task, facts) else None
            if text is None:
                continue
            about = source
            if task.derived:
                key = (source.source_id, task.derived)
                if key not in derived:
                    derived[key] = _derive(workspace, source, pixels, task.derived, seed)
                about = derived[key]
            one = _instruction(about.source_id, task_id, text, target_of(task, facts))
            written[_pair(one)] = one
    known = {source.source_id for source in sources}
    new = [one for one in derived.values() if one.source_id not in known]
    if new:
        workspace.write_table("sources", [*sources, *new])
    by_people = {pair: one for pair, one in before.items() if one.author != "template" or one.reviewed}
    return list({**written, **by_people}.values())


def configured_tasks(workspace: Workspace) -> list[str]:
    """The tasks that the settings ask for: those of `generate.tasks`, or all 43.

    Raises:
        BadInput: an unknown task; the message names the line of editfhf.yaml.
    """
    chosen = workspace.config.generate.tasks
    path = workspace.root / CONFIG_NAME
    for position, task_id in enumerate(chosen):
        if task_id not in TASKS:
            line = line_of_setting(path, "generate", "tasks", position)
            require_task(task_id, where=f"{path}: line {line}: `generate.tasks`: ")
    return [task_id for task_id in TASKS if not chosen or task_id in chosen]


def _kind_of(source: Source) -> str:
    return str(json.loads(source.degradation).get("kind", "")) if source.degradation else ""


def _derive(workspace: Workspace, source: Source, pixels: np.ndarray, kind: str, seed: int) -> Source:
    """A photo made worse: its file is written now, its row with the others."""
    worse, done = degrade(pixels, kind, int(stable_id(str(seed), source.source_id, kind), 16) % 2**32)
    image = Image.fromarray(worse)
    source_id = source_id_of(image)
    file = f"sources/{source_id}.png"
    with whole_file(workspace.path_of(file)) as temporary:
        temporary.write_bytes(encode_png(image))
    return replace(
        source,
        source_id=source_id,
        file=file,
        origin=f"{source.origin} ({kind})",
        derived_from=source.source_id,
        degradation=canonical_json(done),
    )


def _instruction(source_id: str, task: str, text: str, target: str) -> Instruction:
    return Instruction(stable_id(source_id, task, text), source_id, task, text, target)


# From a file


def _read_file(path: Path, sources: Sequence[Source]) -> list[Instruction]:
    known = {source.source_id for source in sources}
    found: dict[Pair, tuple[int, Instruction]] = {}
    for line, row in read_sheet(path, REQUIRED, OPTIONAL):
        where = f"{path}: line {line}: "
        if row["source_id"] not in known:
            raise _unknown_source(where, row["source_id"], known)
        require_task(row["task"], where)
        one = _from_row(row, where)
        if _pair(one) in found:
            raise BadInput(
                f"{where}line {found[_pair(one)][0]} has an instruction for {one.source_id} and {one.task} already.",
                mend="A photo has one instruction for a task: remove one of the two lines.",
            )
        found[_pair(one)] = line, one
    return [one for _, one in found.values()]


def _from_row(row: dict[str, str], where: str) -> Instruction:
    text = " ".join(row["instruction"].split())
    if not text:
        raise BadInput(f"{where}the instruction is empty.", mend="Write one, or remove the line.")
    reviewed = row["reviewed"].casefold()
    if reviewed not in YES | NO:
        raise BadInput(f"{where}reviewed is {row['reviewed']!r}.", mend="Write `true` or `false`.")
    one = _instruction(row["source_id"], row["task"], text, row["target"])
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


def _merge(
    kept: dict[Pair, Instruction], before: dict[Pair, Instruction], given: Iterable[Instruction]
) -> list[Instruction]:
    merged = dict(kept)
    for one in given:
        old = before.get(_pair(one))
        if old is None or (old.text, old.target) != (one.text, one.target):
            one = replace(one, author="file", reviewed=True)
        elif old.reviewed or one.reviewed:
            one = replace(old, reviewed=True)
        else:
            one = old
        merged[_pair(one)] = one
    return list(merged.values())


# On disk


def _write_file(workspace: Workspace, instructions: list[Instruction]) -> None:
    sources = workspace.sources()
    place = {source.source_id: position for position, source in enumerate(sources)}
    origin = {source.source_id: source.origin for source in sources}
    task_place = {task: position for position, task in enumerate(TASKS)}
    ordered = sorted(instructions, key=lambda one: (place[one.source_id], task_place[one.task]))
    # With a byte order mark, or Excel takes UTF-8 for something else.
    with (
        whole_file(workspace.instructions_path) as temporary,
        temporary.open("w", encoding="utf-8-sig", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for one in ordered:
            photo = _plain_text(origin[one.source_id])
            reviewed = "true" if one.reviewed else "false"
            writer.writerow(
                [one.instruction_id, one.source_id, photo, one.task, one.text, one.target, one.author, reviewed]
            )


def _plain_text(cell: str) -> str:
    # A file name that begins like a formula would be run as one by a spreadsheet.
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell


def _pair(one: Instruction) -> Pair:
    return one.source_id, one.task


def _count(
    before: dict[Pair, Instruction], after: dict[Pair, Instruction], sources: Sequence[Source]
) -> InstructionCounts:
    shared = before.keys() & after.keys()
    changed = sum(before[pair] != after[pair] for pair in shared)
    from_templates = sum(one.author == "template" for one in after.values())
    return InstructionCounts(
        instructions=len(after),
        from_templates=from_templates,
        by_people=len(after) - from_templates,
        added=len(after.keys() - before.keys()),
        changed=changed,
        removed=len(before.keys() - after.keys()),
        unchanged=len(shared) - changed,
        derived_photos=sum(bool(source.derived_from) for source in sources),
    )
