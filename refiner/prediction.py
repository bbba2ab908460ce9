"""`editfhf predict`: the regions that a refiner finds on every edit of a workspace, as its table `predictions`."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from editfhf.errors import BadInput
from editfhf.files import whole_file
from editfhf.schema import Edit, PredictedRegion
from editfhf.splits import split_workspace
from editfhf.workspace import Workspace
from refiner.inputs import read_pair
from refiner.refiner import Refiner


@dataclass(frozen=True, slots=True)
class PredictionCounts:
    """What was predicted.

    Attributes:
        edits: that were looked at; clean: those of them on which nothing was found.
        in_test: edits that were not looked at, as their photo is in the split `test`.
        set_aside: edits whose images cannot be read; `reasons` says why.
    """

    model: str
    edits: int
    regions: int
    clean: int
    in_test: int
    set_aside: int
    reasons: tuple[str, ...] = ()

    def as_row(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "reasons"}


def predict_regions(
    refiner: Refiner,
    workspace: Workspace,
    model: str,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> PredictionCounts:
    """Find the regions of every edit of a workspace, and make them its table `predictions`, in place of an earlier one.

    Edits of photos in the split `test` are left out: people who correct a model's regions must not make the answers
    that models are measured by. Photos that have no split yet get theirs here, as the next build would give it: later
    it would be too late. May be killed at any moment and run again with the same model: it goes on.

    Args:
        model: the run and what is in it (`refiner.runs.version_of`).
        on_progress: is told (edits done, edits in all).

    Raises:
        BadInput: nothing was generated yet, or the run lacks the agents for it.
    """
    with workspace.lock("predict"):
        edits = workspace.edits()
        if not edits:
            raise BadInput(
                f"{workspace.root} has no edited images to look at.",
                mend=f"Make them with `editfhf generate -w {workspace.root}`.",
            )
        split_of = split_workspace(workspace)
        shown = [edit for edit in edits if split_of[edit.source_id] != "test"]
        files = {source.source_id: source.file for source in workspace.sources()}
        progress = _Progress(workspace.table_path("predictions").with_name("predictions.partial.jsonl"), model)
        reasons = []
        on_progress(0, len(shown))
        for done, edit in enumerate(shown, start=1):
            if not progress.has(edit):
                try:
                    progress.add(edit, _regions_of(refiner, workspace, edit, files[edit.source_id], model))
                except _UnreadableEditError as error:
                    reasons.append(str(error))
            on_progress(done, len(shown))
        found = [progress.found[edit.edit_id] for edit in shown if progress.has(edit)]
        regions = [region for one in found for region in one]
        workspace.write_table("predictions", regions)
        progress.remove()
    clean = sum(not one for one in found)
    n_test = len(edits) - len(shown)
    return PredictionCounts(model, len(found), len(regions), clean, n_test, len(reasons), tuple(reasons))


class _UnreadableEditError(Exception):
    """Why the images of one edit cannot be looked at."""


def _regions_of(
    refiner: Refiner, workspace: Workspace, edit: Edit, source_file: str, model: str
) -> list[dict[str, Any]]:
    try:
        paths = workspace.path_of(source_file), workspace.path_of(edit.image)
        # The workspace knows that it is an edit of that photo, whatever it looks like.
        pair = read_pair(*paths, edit.instruction, force=True)
    except BadInput as error:
        raise _UnreadableEditError(f"{edit.edit_id}: {error}") from error
    regions = refiner.model.find_regions(pair, refiner.model.perceive(pair))
    return [
        asdict(
            PredictedRegion(
                edit.edit_id, model, one.kind, one.flaw_type, one.extent, one.polygon, one.description, one.confidence
            )
        )
        for one in regions
    ]


class _Progress:
    """What was found so far, a line for each edit; those of another model are dropped."""

    def __init__(self, path: Path, model: str) -> None:
        self._path, self._model = path, model
        self.found: dict[str, list[dict[str, Any]]] = {}
        self._images: dict[str, str] = {}
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        kept = []
        for line in lines:
            try:
                one = json.loads(line)
            except ValueError:
                break  # cut off by a kill
            if one["model"] == model:
                self._take(one)
                kept.append(line)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")

    def has(self, edit: Edit) -> bool:
        return self._images.get(edit.edit_id) == edit.image

    def add(self, edit: Edit, regions: list[dict[str, Any]]) -> None:
        one = {"model": self._model, "edit_id": edit.edit_id, "image": edit.image, "regions": regions}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(one) + "\n")
        self._take(one)

    def remove(self) -> None:
        self._path.unlink()

    def _take(self, one: dict[str, Any]) -> None:
        self.found[one["edit_id"]], self._images[one["edit_id"]] = one["regions"], one["image"]
