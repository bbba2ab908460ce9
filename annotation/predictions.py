"""A model's regions on the labelling screen, drawn before a person looks: to correct, not to believe.

Some edits are left without, as a control: what people draw there tells how much the others were led. Edits of the split
`test` never get any: a model must not be measured by answers that began as its own.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from annotation.campaign import read_assignments, require_projects
from annotation.client import Client
from annotation.items import region_items
from annotation.projects import CHUNK, chunks, heal, item_of
from editfhf.errors import BadInput
from editfhf.schema import REGION_TYPES, Edit, canonical_json, stable_id
from editfhf.splits import split_workspace
from editfhf.workspace import Workspace


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
    workspace: Workspace, client: Client, control_share: float | None = None, seed: int = 0
) -> PredictionCounts:
    """Make the predictions on the server those of the table `predictions`, on the tasks that are there.

    May be killed at any moment and run again: the server is asked what it has.

    Args:
        control_share: 0..1, of the edits (default: what `annotation.assisted` of the settings leaves); seed: decides
            which. An edit keeps its lot when others are added.

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
    share = 1 - workspace.config.annotation.assisted if control_share is None else control_share
    regions = defaultdict(list)
    for row in (row for row in rows if row["polygon"]):
        regions[row["edit_id"]].append(row)
    without_place = sum(not row["polygon"] for row in rows)
    edits = {edit.edit_id: edit for edit in workspace.edits()}
    split_of = split_workspace(workspace)
    in_test = {edit.edit_id for edit in edits.values() if split_of[edit.source_id] == "test"}
    control = {edit_id for edit_id in edits if is_control(edit_id, share, seed)} - in_test
    drawn = {
        edit_id: prediction_of(edits[edit_id], regions[edit_id])
        for edit_id in regions
        if edit_id in edits and edit_id not in control | in_test
    }
    counts: Counter[str] = Counter()
    shown: set[str] = set()
    with workspace.lock("annotate"):
        edit_of = {row.item_id: row.edit_id for row in read_assignments(workspace)}
        for place, project in require_projects(workspace, client).known.items():
            if place.project_type in REGION_TYPES:
                tasks = {task.id: edit_of.get(item_of(task), "") for task in heal(client, project)}
                shown |= set(tasks.values())
                counts += _push_to(client, project, tasks, drawn, models[0])
    return PredictionCounts(
        models[0], counts["added"], counts["removed"], counts["already_there"],
        len(control & shown), len(in_test & shown), without_place,
    )  # fmt: skip


def _push_to(
    client: Client, project: int, tasks: Mapping[int, str], drawn: Mapping[str, dict[str, Any]], model: str
) -> Counter[str]:
    """One project's predictions; `tasks`: number → edit."""
    wanted = {task: drawn[edit_id] | {"task": task} for task, edit_id in tasks.items() if edit_id in drawn}
    there = defaultdict(list)
    for prediction in client.predictions(project):
        there[prediction["task"]].append(_content(prediction))
    right = {task for task, prediction in wanted.items() if there.get(task) == [_content(prediction)]}
    wrong = sorted((set(there) & set(tasks)) - right)
    missing = [prediction for task, prediction in sorted(wanted.items()) if task not in right]
    for chunk in chunks(wrong, CHUNK):
        client.delete_predictions(project, chunk)
    for predictions in chunks(missing, CHUNK):
        client.import_predictions(project, predictions)
    if wanted:
        client.show_predictions(project, model)
    return Counter(added=len(missing), removed=len(wrong), already_there=len(right))


def is_control(edit_id: str, share: float, seed: int = 0) -> bool:
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
