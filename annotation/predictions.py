"""A model's regions on the labelling screen, drawn before a person looks: to correct, not to believe.

Some edits are left without, as a control: what people draw there tells how much the others were led. Edits of the split
`test` never get any: a model must not be measured by answers that began as its own.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from annotation.campaign import IMPORT_CHUNK, chunks, heal, project_of
from annotation.client import Client
from annotation.items import region_items
from editfhf.errors import BadInput
from editfhf.schema import Edit, canonical_json, stable_id
from editfhf.splits import split_workspace
from editfhf.workspace import Workspace

CONTROL_SHARE = 0.1  # of the edits: enough to see a shift, and a tenth of the help is lost


@dataclass(frozen=True, slots=True)
class PredictionCounts:
    """How many edits have predictions on the server now, and what was done for it.

    Attributes:
        added, removed, already_there: tasks whose prediction was added, removed (also to be replaced), left as it was.
        control: edits left without to compare with; in_test: left without, as their photo is in the split `test`.
        without_place: predicted flaws that are not sent: the panel for them is folded, and nobody would see them there
            before pressing Submit.
    """

    model: str
    added: int
    removed: int
    already_there: int
    control: int
    in_test: int
    without_place: int

    def as_row(self) -> dict[str, Any]:
        return asdict(self)


def push_predictions(
    workspace: Workspace, client: Client, control_share: float = CONTROL_SHARE, seed: int = 0
) -> PredictionCounts:
    """Make the predictions on the server those of the table `predictions`, on the tasks that are there.

    May be killed at any moment and run again: the server is asked what it has.

    Args:
        control_share: 0..1, of the edits; seed: decides which. An edit keeps its lot when others are added.

    Raises:
        BadInput: nothing was predicted or pushed yet, or the predictions are of several models.
    """
    rows = workspace.read_table("predictions").to_pylist()
    models = sorted({row["model"] for row in rows})
    if len(models) != 1:
        problem = f"predictions of {len(models)} models" if models else "no predictions"
        raise BadInput(
            f"{workspace.root} has {problem}.", mend=f"Make them: `editfhf predict --run RUN -w {workspace.root}`."
        )
    regions = defaultdict(list)
    for row in (row for row in rows if row["polygon"]):
        regions[row["edit_id"]].append(row)
    without_place = sum(not row["polygon"] for row in rows)
    with workspace.lock("annotate"):
        project = project_of(workspace, client)
        edits = {edit.edit_id: edit for edit in workspace.edits()}
        tasks = [task for task in heal(client, project) if task.edit_id in edits]
        split_of = split_workspace(workspace)
        in_test = {task.edit_id for task in tasks if split_of[edits[task.edit_id].source_id] == "test"}
        control = {task.edit_id for task in tasks if is_control(task.edit_id, control_share, seed)} - in_test
        wanted = {
            task.id: prediction_of(edits[task.edit_id], regions[task.edit_id]) | {"task": task.id}
            for task in tasks
            if task.edit_id in regions and task.edit_id not in control | in_test
        }
        there = defaultdict(list)
        for prediction in client.predictions(project):
            there[prediction["task"]].append(_content(prediction))
        right = {task for task, prediction in wanted.items() if there.get(task) == [_content(prediction)]}
        wrong = sorted((set(there) & {task.id for task in tasks}) - right)
        missing = [prediction for task, prediction in sorted(wanted.items()) if task not in right]
        for chunk in chunks(wrong, IMPORT_CHUNK):
            client.delete_predictions(project, chunk)
        for predictions in chunks(missing, IMPORT_CHUNK):
            client.import_predictions(project, predictions)
        if wanted:
            client.show_predictions(project, models[0])
    counts = (len(missing), len(wrong), len(right), len(control), len(in_test), without_place)
    return PredictionCounts(models[0], *counts)


def is_control(edit_id: str, share: float = CONTROL_SHARE, seed: int = 0) -> bool:
    """Whether an edit is left without predictions, to compare with: by lot, whatever other edits there are."""
    return int(stable_id("control", str(seed), edit_id), 16) < share * 16**16


def prediction_of(edit: Edit, regions: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The predicted regions of an edit as Label Studio's JSON.

    Args:
        regions: rows of the table `predictions` with a polygon, all of this edit, one or more. Holes are lost: the
            screen takes none.
    """
    result = []
    for number, row in enumerate(regions):
        name = stable_id(row["model"], edit.edit_id, str(number))[:10]
        result += region_items(
            name, row["kind"], row["flaw_type"], row["description"], row["polygon"][0], (edit.width, edit.height),
            "prediction",
        )  # fmt: skip
    score = max(row["confidence"] for row in regions)
    return {"model_version": regions[0]["model"], "score": round(score, 4), "result": result}


def _content(prediction: dict[str, Any]) -> str:
    return canonical_json([prediction["model_version"], prediction["result"]])
