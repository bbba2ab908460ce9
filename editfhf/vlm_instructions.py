"""Instructions by a vision-language model: each photo asked about once, each answer kept as it comes.

An answer is a file in `vlm/` of the workspace from the moment it is there until `instructions.csv` has been written;
then it is a row of the table `vlm_answers`. A run that is killed loses the answers under way, and nothing else.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from PIL import Image

from editfhf.errors import JobFailed
from editfhf.files import remove_leftovers, whole_file
from editfhf.instruction_sheet import new_instruction
from editfhf.schema import Instruction, SetAsideInstruction, Source, VlmAnswer, stable_id
from editfhf.tasks import TASKS
from editfhf.template_instructions import Track
from editfhf.vlm import KEPT, Refused, Unanswered, VisionLanguageModel
from editfhf.vlm_answers import LONGEST_ANSWER, Reading, answer_schema, question, question_again, read_answer
from editfhf.workspace import Workspace

AUTHOR = "vlm:"
LONGER_SIDE = 768  # pixels of a photo as the model sees it
UNANSWERED_IN_A_ROW = 3  # photos; then the server is down, and not a photo hard to answer
Key = tuple[str, str]  # source_id, model


@dataclass
class VlmRun:
    """What came of asking.

    Attributes:
        photos: those whose answers `instructions.csv` does not know yet.
        instructions: what these answers say.
        answers: all there are, by every model, as the table will hold them.
        set_aside: what could not be taken, by every model, and the photos that got no answer in this run.
        asked: how many photos the model was to be asked about.
        fault: what ended the run before all were answered.
    """

    photos: list[Source]
    instructions: list[Instruction]
    answers: list[VlmAnswer]
    set_aside: list[SetAsideInstruction]
    asked: int = 0
    fault: JobFailed | None = None
    photos_set_aside: int = field(init=False)

    def __post_init__(self) -> None:
        self.photos_set_aside = len({one.source_id for one in self.set_aside})


def is_from_vlm(one: Instruction) -> bool:
    return one.author.startswith(AUTHOR)


def ask_about_photos(
    workspace: Workspace, vlm: VisionLanguageModel, tasks: Sequence[str], track: Track = iter, again: bool = False
) -> VlmRun:
    """Ask about every photo that this model was not yet asked about (with these tasks).

    A wrong answer is sent back once, with what is wrong with it. What is right in the better of the two is taken; the
    rest is set aside, with the reason. A photo that gets no answer at all is set aside too, and asked about again in
    the next run.

    Args:
        tasks: what may be asked for; of those that need a photo made worse on purpose no model is asked.
        again: also the photos that it was asked about before.

    Raises:
        BadInput, JobFailed: nobody answers. Once there are answers, a `JobFailed` is not raised but stands in `fault`.
    """
    folder = workspace.root / "vlm"
    folder.mkdir(exist_ok=True)
    remove_leftovers(folder)
    clean = [one for one in workspace.sources() if not one.derived_from]
    tasks = [task for task in tasks if not TASKS[task].derived]
    at_most = min(workspace.config.instruct.instructions_per_photo, len(tasks))
    # An answer that waits here was never used: a run that was killed goes on after it, `again` or not.
    known = _waiting(folder) if again else _all_answers(workspace, folder)
    to_ask = [one for one in clean if tasks and not _was_asked(known.get((one.source_id, vlm.name)), tasks)]

    def ask(photo: Source) -> None:
        answer = _ask(workspace, vlm, photo, tasks, at_most)
        with whole_file(_path(folder, answer)) as temporary:
            temporary.write_text(json.dumps(asdict(answer)), encoding="utf-8")

    unanswered, fault = _ask_all(to_ask, ask, vlm.concurrency, track)
    if fault and not _waiting(folder):
        raise fault
    place = {one.source_id: position for position, one in enumerate(clean)}
    answers = sorted(
        (one for one in _all_answers(workspace, folder).values() if one.source_id in place),
        key=lambda one: (place[one.source_id], one.model),
    )
    # Whoever removes instructions.csv wants it written anew, from all that was ever answered.
    anew = not workspace.instructions_path.is_file()
    new = [one for one in answers if one.model == vlm.name and (anew or _path(folder, one).is_file())]
    set_aside = [
        SetAsideInstruction(one.source_id, one.model, reason, words)
        for one in answers
        for reason, words in _faults(one, at_most)
    ]
    set_aside += [SetAsideInstruction(photo.source_id, vlm.name, reason, "") for photo, reason in unanswered]
    return VlmRun(
        photos=[clean[place[one.source_id]] for one in new],
        instructions=[
            new_instruction(answer.source_id, one.task, one.instruction, one.target, f"{AUTHOR}{answer.model}")
            for answer in new
            for one in read_answer(answer.answer, answer.tasks, at_most).written
        ],
        answers=answers,
        set_aside=set_aside,
        asked=len(to_ask),
        fault=fault,
    )


def settle(workspace: Workspace, run: VlmRun) -> None:
    """Move the answers into the tables, once `instructions.csv` has been written."""
    workspace.write_table("vlm_answers", run.answers)
    workspace.write_table("instructions_set_aside", run.set_aside)
    for answer in run.answers:
        _path(workspace.root / "vlm", answer).unlink(missing_ok=True)


def set_aside_rows(workspace: Workspace) -> list[dict[str, str]]:
    """What was set aside, for people: which photo, which model, why. The words themselves are in the table."""
    origin = {source.source_id: source.origin for source in workspace.sources()}
    rows = workspace.read_table("instructions_set_aside").to_pylist()
    return [
        {"photo": origin.get(row["source_id"], row["source_id"]), "model": row["model"], "reason": row["reason"]}
        for row in rows
    ]


# Asking


def _ask_all(
    photos: Sequence[Source], ask: Callable[[Source], None], workers: int, track: Track
) -> tuple[list[tuple[Source, str]], JobFailed | None]:
    """Ask about all photos, some at once; returns those that got no answer, with the reason, and what ended it."""
    unanswered: list[tuple[Source, str]] = []
    in_a_row = 0
    try:
        # The bar moves with each answer, whichever photo it is about.
        for _, (photo, reason) in zip(track(photos), _as_they_come(photos, ask, workers), strict=True):
            in_a_row = in_a_row + 1 if reason else 0
            if reason:
                unanswered.append((photo, reason))
            if in_a_row == UNANSWERED_IN_A_ROW or len(unanswered) == len(photos):
                who = "The photo" if len(photos) == 1 else f"{in_a_row} photos in a row"
                raise JobFailed(f"{who} got no answer: {reason.rstrip('.')}.", mend=KEPT)
    except JobFailed as fault:
        return unanswered, fault
    return unanswered, None


def _as_they_come(
    photos: Sequence[Source], ask: Callable[[Source], None], workers: int
) -> Iterator[tuple[Source, str]]:
    """(photo, why it got no answer, or ""), in the order in which the answers come."""
    with ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(ask, photo): photo for photo in photos}
        try:
            for future in as_completed(futures):
                try:
                    future.result()
                except Unanswered as fault:
                    yield futures[future], str(fault)
                else:
                    yield futures[future], ""
        finally:
            pool.shutdown(cancel_futures=True)


def _ask(
    workspace: Workspace, vlm: VisionLanguageModel, photo: Source, tasks: Sequence[str], at_most: int
) -> VlmAnswer:
    """The better of at most two answers."""
    with Image.fromarray(workspace.read_image(photo.file)) as image:
        image.thumbnail((LONGER_SIDE, LONGER_SIDE), Image.Resampling.LANCZOS)
        ask = partial(vlm.ask, [image], schema=answer_schema(tasks))
        prompt = question(photo, tasks, at_most)
        try:
            answer = _storable(ask(prompt))
            reading = read_answer(answer, tasks, at_most)
            if reading.faults:
                second = _storable(ask(question_again(prompt, answer, reading)))
                answer = _better(answer, reading, second, read_answer(second, tasks, at_most))
        except Refused as refusal:
            return VlmAnswer(photo.source_id, vlm.name, list(tasks), "", f"The model refused: {refusal}.")
    return VlmAnswer(photo.source_id, vlm.name, list(tasks), answer)


def _better(first: str, first_reading: Reading, second: str, second_reading: Reading) -> str:
    """The answer with more that can be taken; the second, when there is no difference."""
    return first if len(first_reading.written) > len(second_reading.written) else second


def _storable(answer: str) -> str:
    # Half a surrogate pair, as a cut answer may end with, is no text that a file can hold.
    return answer[:LONGEST_ANSWER].encode("utf-8", "replace").decode()


# Answers


def _all_answers(workspace: Workspace, folder: Path) -> dict[Key, VlmAnswer]:
    """Those of the table, and in their place the newer ones that wait in the folder."""
    rows = workspace.read_table("vlm_answers").to_pylist()
    return {**{(row["source_id"], row["model"]): VlmAnswer(**row) for row in rows}, **_waiting(folder)}


def _waiting(folder: Path) -> dict[Key, VlmAnswer]:
    answers = [VlmAnswer(**json.loads(path.read_text(encoding="utf-8"))) for path in folder.glob("[!.]*.json")]
    return {(one.source_id, one.model): one for one in answers}


def _path(folder: Path, answer: VlmAnswer) -> Path:
    return folder / f"{stable_id(answer.source_id, answer.model)}.json"


def _was_asked(answer: VlmAnswer | None, tasks: Sequence[str]) -> bool:
    return answer is not None and set(answer.tasks) >= set(tasks)


def _faults(answer: VlmAnswer, at_most: int) -> list[tuple[str, str]]:
    return [(answer.refusal, "")] if answer.refusal else read_answer(answer.answer, answer.tasks, at_most).faults
