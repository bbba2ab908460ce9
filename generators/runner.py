"""Makes the edits that are planned and missing: one process, one ledger, nothing lost or doubled however it ends."""

import io
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TypeVar

from PIL import Image

from editfhf import oracle
from editfhf.errors import BadInput
from editfhf.instructions import configured_tasks, read_instructions
from editfhf.schema import Edit
from editfhf.tasks import TASKS, require_task
from editfhf.workspace import Workspace, remove_leftovers
from generators.base import EditModel, EditOutcome, EditRequest
from generators.plan import plan_edits
from generators.registry import load_model, model_entry

log = logging.getLogger(__name__)
Item = TypeVar("Item")
Track = Callable[[Sequence[Item]], Iterable[Item]]


@dataclass
class RunCounts:
    """What a run did: edits `made` now, `already_made` before, `refused` and `failed` now, `set_aside` by earlier runs.

    `beyond_limit` counts planned edits that `limit` leaves for later.
    """

    made: int = 0
    already_made: int = 0
    refused: int = 0
    failed: int = 0
    set_aside: int = 0
    beyond_limit: int = 0

    def as_row(self) -> dict[str, int]:
        return asdict(self)


def generate(
    workspace: Workspace,
    models: Sequence[str] = (),
    tasks: Sequence[str] = (),
    limit: int | None = None,
    retry: str | None = None,
    track: Track[Edit] = iter,
) -> RunCounts:
    """Plan all edits of a workspace and make the missing ones.

    Args:
        models, tasks: only these; default: those of the configuration, as far as tasks have instructions.
        limit: only the first so many of the plan, a subset balanced over models, tasks and photos. The same limit again
            is the same subset.
        retry: `failed` or `refused`: try those again that ended so.
        track: wraps the edits to make, to show progress.

    Raises:
        BadInput: unknown model or task, no instructions yet, another run is going on.
    """
    if retry not in (None, "failed", "refused"):
        raise BadInput(f"--retry {retry}: only `failed` or `refused` can be tried again.")
    for task in tasks:
        require_task(task)
    tasks = tasks or configured_tasks(workspace)
    with workspace.lock("generate"):
        remove_leftovers(workspace.images_dir)
        remove_leftovers(workspace.oracle_dir)
        selected, counts = _select(workspace, models, tasks, limit)
        missing = list(_missing(workspace, selected, retry, counts))
        for edit, outcome, seconds in _outcomes(workspace, track(missing)):
            _store(workspace, edit, outcome, seconds, counts)
    return counts


def _select(
    workspace: Workspace, models: Sequence[str], tasks: Sequence[str], limit: int | None
) -> tuple[list[Edit], RunCounts]:
    instructions = read_instructions(workspace)
    config = workspace.config.generate
    entries = [model_entry(name) for name in dict.fromkeys(models or config.models)]
    wanted = [one for one in instructions if one.task in tasks]
    if not wanted:
        what = f"for {', '.join(tasks)} " if instructions else ""
        raise BadInput(
            f"{workspace.root} has no instructions {what}yet.",
            mend=f"Run `editfhf instruct -w {workspace.root}` first.",
        )
    plan = plan_edits(workspace.sources(), wanted, entries, config.seed, config.params)
    if not plan:
        raise BadInput(
            f"None of the models ({', '.join(entry.id for entry in entries)}) can do any of the tasks.",
            mend="`editfhf models` says what each can do.",
        )
    workspace.ledger.plan(plan)
    selected = plan if limit is None else plan[:limit]
    return selected, RunCounts(beyond_limit=len(plan) - len(selected))


def _missing(workspace: Workspace, selected: list[Edit], retry: str | None, counts: RunCounts) -> Iterator[Edit]:
    """The selected edits that have no image, model by model (a model is loaded once), else in the order of the plan."""
    statuses = workspace.ledger.statuses()
    images = {edit.edit_id: edit.image for edit in workspace.ledger.edits("done")}
    order = {model: position for position, model in enumerate(dict.fromkeys(edit.model for edit in selected))}
    for edit in sorted(selected, key=lambda edit: order[edit.model]):
        status = statuses[edit.edit_id]
        if status == "done" and workspace.path_of(images[edit.edit_id]).is_file():
            counts.already_made += 1
        elif status in ("failed", "refused") and status != retry:
            counts.set_aside += 1
        else:
            yield edit


def _outcomes(workspace: Workspace, edits: Iterable[Edit]) -> Iterator[tuple[Edit, EditOutcome, float]]:
    files = {source.source_id: source.file for source in workspace.sources()}
    for model_id, group in groupby(edits, key=lambda edit: edit.model):
        model = load_model(model_id)
        for edit in group:
            with Image.open(workspace.path_of(files[edit.source_id])) as photo:
                source = photo.convert("RGB")
            request = EditRequest(edit.edit_id, source, edit.instruction, edit.task, edit.seed, edit.params)
            start = time.perf_counter()
            outcome = _edit(model, request)
            yield edit, outcome, time.perf_counter() - start


def _edit(model: EditModel, request: EditRequest) -> EditOutcome:
    # The one place where somebody's plugin may end badly: its edit fails, the run goes on.
    try:
        return model.edit([request])[0]
    except Exception as error:
        log.exception("%s failed on %s", model.id, request.edit_id)
        return EditOutcome("failed", reason=f"{type(error).__name__}: {error}")


def _store(workspace: Workspace, edit: Edit, outcome: EditOutcome, seconds: float, counts: RunCounts) -> None:
    """Image and truth first, the ledger's word last: what the ledger calls done is whole on disk."""
    if outcome.image is None:
        status = "refused" if outcome.status == "refused" else "failed"
        workspace.ledger.record_no_image(edit.edit_id, status, outcome.reason, seconds)
        setattr(counts, status, getattr(counts, status) + 1)
        return
    buffer = io.BytesIO()
    outcome.image.convert("RGB").save(buffer, "png")
    file = workspace.store_image(buffer.getvalue())
    if outcome.truth is not None:
        oracle.write(workspace.oracle_dir / edit.edit_id, outcome.truth)
    workspace.ledger.record_image(edit.edit_id, file, outcome.image.width, outcome.image.height, seconds)
    counts.made += 1


def model_rows() -> list[dict[str, object]]:
    """What `editfhf models` shows: a row for each registered model."""
    from generators.registry import registered_models

    return [
        {
            "model": entry.id,
            "procedural": entry.procedural,
            "tasks": len(entry.tasks) or len(TASKS),
            "max_side": entry.max_side,
            "licence": entry.licence,
            "revision": entry.revision,
            "description": entry.description,
        }
        for entry in registered_models().values()
    ]
