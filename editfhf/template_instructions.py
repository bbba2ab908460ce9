"""Instructions from templates, and the photos made worse on purpose that some of them are about."""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from editfhf.degradations import degrade
from editfhf.files import whole_file
from editfhf.instruction_sheet import new_instruction
from editfhf.photo_content import describe_photo
from editfhf.photo_file import encode_png, source_id_of
from editfhf.phrasing import PhotoFacts, makes_sense, phrase, target_of
from editfhf.schema import Instruction, Source, canonical_json, stable_id
from editfhf.tasks import FREE_SLOT, TASKS, Task, slots_of
from editfhf.workspace import Workspace

Track = Callable[[Sequence[Source]], Iterable[Source]]


def instructions_from_templates(
    workspace: Workspace, photos: Sequence[Source], tasks: Collection[str], track: Track = iter
) -> list[Instruction]:
    """An instruction for each of the tasks that makes sense on each of the (clean) photos.

    The photos that derived tasks (colorize, restoration, deblur) are about are made, and added to the sources.
    """
    seed = workspace.config.generate.seed
    sources = workspace.sources()
    derived = {(one.derived_from, kind_of(one)): one for one in sources if one.derived_from}
    written = []
    for source in track(photos):
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
            written.append(new_instruction(about.source_id, task_id, text, target_of(task, facts)))
    known = {source.source_id for source in sources}
    new = [one for one in derived.values() if one.source_id not in known]
    if new:
        workspace.write_table("sources", [*sources, *new])
    return written


def needs_subject(task: Task) -> bool:
    """Whether templates write an instruction for it only where they know what the photo shows."""
    named = any(FREE_SLOT in slots_of(template) for template in task.templates)
    return bool(task.templates) and (named or task.needs in ("object", "objects"))


def kind_of(source: Source) -> str:
    """How a photo was made worse: `greyscale`, `damaged`, `blurred`; "" for one as it was imported."""
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
