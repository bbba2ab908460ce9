"""Instructions: what to do to which photo. Written by templates or a model, edited by people as a CSV file."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from editfhf import console
from editfhf.config import CONFIG_NAME, line_of_setting
from editfhf.errors import BadInput
from editfhf.files import remove_leftovers
from editfhf.instruction_sheet import COLUMNS, Pair, pair_of, read_instruction_sheet, write_instruction_sheet
from editfhf.schema import Instruction, Source
from editfhf.tasks import TASKS, parse_slots, require_task
from editfhf.template_instructions import Track, instructions_from_templates, kind_of, needs_subject
from editfhf.vlm import VisionLanguageModel, open_vlm
from editfhf.vlm_instructions import VlmRun, ask_about_photos, is_from_vlm, settle
from editfhf.workspace import Workspace

__all__ = [
    "COLUMNS", "InstructionChange", "InstructionCounts", "configured_tasks", "parse_slots", "read_instructions",
    "write_instructions",
]  # fmt: skip

MOST_NOTES = 3  # photos that are named one by one


@dataclass(frozen=True, slots=True)
class InstructionChange:
    """What became of the instruction for one photo and task: `change` is `added`, `changed` or `removed`.

    `photo` is the file it was imported from; `before` and `after` are "" where there was, or is, none.
    """

    change: str
    photo: str
    source_id: str
    task: str
    before: str
    after: str


@dataclass
class InstructionCounts:
    """The instructions there are now, and what became of them in this run.

    `from_templates` were written by templates and `by_vlm` by a vision-language model (now or before), `by_people`
    given or changed by somebody; `added`, `changed`, `removed` and `unchanged` compare with what was there before, and
    `changes` says it one by one. `own_photos` were imported, `derived_photos` are copies made worse on purpose; `notes`
    says what for, and which photos have few instructions for want of a subject. A vision-language model was asked about
    `photos_asked` in this run; something of `photos_set_aside` was set aside, in this run or before, with the reason in
    the table `instructions_set_aside`.
    """

    instructions: int = 0
    from_templates: int = 0
    by_vlm: int = 0
    by_people: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    own_photos: int = 0
    derived_photos: int = 0
    photos_asked: int = 0
    photos_set_aside: int = 0
    changes: list[InstructionChange] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_row(self) -> dict[str, int]:
        """The counts alone."""
        return {name: value for name, value in asdict(self).items() if name not in ("changes", "notes")}


def read_instructions(workspace: Workspace) -> list[Instruction]:
    """The instructions of a workspace; none before `editfhf instruct`. The file may have been edited by hand.

    Raises:
        BadInput: unknown photo or task, an empty or doubled instruction, a missing column; the line is named.
    """
    if not workspace.instructions_path.is_file():
        return []
    return read_instruction_sheet(workspace.instructions_path, workspace.sources())


def write_instructions(
    workspace: Workspace,
    with_: str | Path = "template",
    drop_missing: bool = False,
    track: Track = iter,
    vlm: VisionLanguageModel | None = None,
    again: bool = False,
) -> InstructionCounts:
    """Write instructions from templates or with a vision-language model, or take those of a file that a person edited.

    Templates and models write one for each (photo, task) that makes sense, and leave what people wrote or reviewed. A
    file adds and changes; what it does not mention stays, unless `drop_missing`.

    Args:
        with_: `template`, `vlm`, or the path of a CSV file with the columns source_id, task, instruction (target,
            reviewed).
        drop_missing: instructions that the file does not have are removed.
        track: wraps the photos that are looked at, to show progress.
        vlm: the model that `vlm` asks; default: the one of the settings.
        again: `vlm` asks also about photos that this model was asked about before.

    Raises:
        BadInput: no photos, an unknown task in the settings, a wrong row in the file (its line is named), a model that
            is not there.
        JobFailed: the model cannot be asked any more. What it answered so far is written, and the next run goes on.
    """
    if not workspace.sources():
        raise BadInput(
            f"{workspace.root} has no photos yet.", mend=f"Run `editfhf init {workspace.root} --sources PHOTOS` first."
        )
    run: VlmRun | None = None
    with workspace.lock("instruct"):
        before = {pair_of(one): one for one in read_instructions(workspace)}
        if str(with_) == "template":
            after = _from_templates(workspace, before, track)
        elif str(with_) == "vlm":
            run = ask_about_photos(
                workspace, vlm or open_vlm(workspace.config.instruct), configured_tasks(workspace), track, again
            )
            after = _with_answers(workspace, before, run)
        else:
            given = read_instruction_sheet(Path(with_).expanduser(), workspace.sources())
            after = _merge({} if drop_missing else before, before, given)
        write_instruction_sheet(workspace.instructions_path, after, workspace.sources())
        if run:
            settle(workspace, run)
            if run.fault:
                raise run.fault
    counts = _count(before, {pair_of(one): one for one in after}, workspace.sources())
    counts.notes = _notes(after, workspace.sources(), configured_tasks(workspace))
    return replace(counts, photos_asked=run.asked, photos_set_aside=run.photos_set_aside) if run else counts


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


def _from_templates(workspace: Workspace, before: dict[Pair, Instruction], track: Track) -> list[Instruction]:
    remove_leftovers(workspace.sources_dir)
    tasks = configured_tasks(workspace)
    photos = [one for one in workspace.sources() if not one.derived_from]
    written = instructions_from_templates(workspace, photos, tasks, track)
    others = [one for one in before.values() if one.author != "template" or one.reviewed]
    return _by_pair(written, others)


def _with_answers(workspace: Workspace, before: dict[Pair, Instruction], run: VlmRun) -> list[Instruction]:
    """What was there, with the new answers in place of what templates and models had written about their photos."""
    remove_leftovers(workspace.sources_dir)
    # The sources of derived tasks are made here, so no model need look at them: templates say all there is to say.
    derived = [task for task in configured_tasks(workspace) if TASKS[task].derived]
    worse = instructions_from_templates(workspace, run.photos, derived) if derived else []
    answered = {one.source_id for one in run.instructions}
    by_people = [one for one in before.values() if one.reviewed or not (one.author == "template" or is_from_vlm(one))]
    others = [one for one in before.values() if one.source_id not in answered]
    return _by_pair(others, worse, run.instructions, by_people)


def _by_pair(*groups: Iterable[Instruction]) -> list[Instruction]:
    """One instruction for a photo and task: that of the last group."""
    return list({pair_of(one): one for group in groups for one in group}.values())


def _merge(
    kept: dict[Pair, Instruction], before: dict[Pair, Instruction], given: Iterable[Instruction]
) -> list[Instruction]:
    merged = dict(kept)
    for one in given:
        old = before.get(pair_of(one))
        if old is None or (old.text, old.target) != (one.text, one.target):
            one = replace(one, author="file", reviewed=True)
        elif old.reviewed or one.reviewed:
            one = replace(old, reviewed=True)
        else:
            one = old
        merged[pair_of(one)] = one
    return list(merged.values())


def _count(
    before: dict[Pair, Instruction], after: dict[Pair, Instruction], sources: Sequence[Source]
) -> InstructionCounts:
    changes = _compare(before, after, sources)
    happened = [one.change for one in changes]
    from_templates = sum(one.author == "template" for one in after.values())
    by_vlm = sum(is_from_vlm(one) for one in after.values())
    return InstructionCounts(
        instructions=len(after),
        from_templates=from_templates,
        by_vlm=by_vlm,
        by_people=len(after) - from_templates - by_vlm,
        added=happened.count("added"),
        changed=happened.count("changed"),
        removed=happened.count("removed"),
        unchanged=len(after) - happened.count("added") - happened.count("changed"),
        own_photos=sum(not source.derived_from for source in sources),
        derived_photos=sum(bool(source.derived_from) for source in sources),
        changes=changes,
    )


def _notes(instructions: Sequence[Instruction], sources: Sequence[Source], tasks: Sequence[str]) -> list[str]:
    """What photos were made worse for, and which photos would have more instructions if their subject were known."""
    derived = [one for one in sources if one.derived_from]
    notes = []
    if derived:
        kinds = sorted({kind_of(one) for one in derived})
        mended = [task for task in tasks if TASKS[task].derived in kinds]
        notes.append(
            f"{len(sources) - len(derived)} photos are yours; {len(derived)} are copies of them, made worse on purpose "
            f"({', '.join(kinds)}): what {', '.join(mended)} start from."
        )
    about_object = [task for task in tasks if needs_subject(TASKS[task])]
    there = {(one.source_id, one.task) for one in instructions}
    without = [
        one.origin
        for one in sources
        if not one.derived_from
        and not one.subject
        and about_object
        and not any((one.source_id, task) in there for task in about_object)
    ]
    why = f"{len(about_object)} tasks that need an object left out, none found; name its subject in photos.csv"
    if len(without) <= MOST_NOTES:
        notes += [f"{photo}: {why}." for photo in without]
    else:
        notes.append(f"{len(without)} photos ({console.some_of(without)}): {why}.")
    if without:
        notes.append("photos.csv lies beside your photos; then `editfhf init WS --sources DIR` and `instruct` again.")
    return notes


def _compare(
    before: dict[Pair, Instruction], after: dict[Pair, Instruction], sources: Sequence[Source]
) -> list[InstructionChange]:
    """What is not the same, in the order of photos and tasks."""
    place = {source.source_id: position for position, source in enumerate(sources)}
    task_place = {task: position for position, task in enumerate(TASKS)}
    changes = []
    for pair in sorted(before.keys() | after.keys(), key=lambda pair: (place[pair[0]], task_place[pair[1]])):
        old, new = before.get(pair), after.get(pair)
        if old != new:
            change = "added" if old is None else "removed" if new is None else "changed"
            photo = sources[place[pair[0]]].origin
            changes.append(InstructionChange(change, photo, *pair, _in_words(old, new), _in_words(new, old)))
    return changes


def _in_words(one: Instruction | None, other: Instruction | None) -> str:
    """The text of an instruction, and of the rest what its other version has not."""
    if one is None:
        return ""
    words = one.text
    if other and one.target != other.target:
        words += f" [about: {one.target or 'the whole picture'}]"
    if other and (one.text, one.target) == (other.text, other.target) and one.reviewed != other.reviewed:
        words += " [reviewed]" if one.reviewed else " [not reviewed]"
    return words
