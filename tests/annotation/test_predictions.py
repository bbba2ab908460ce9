"""A model's regions on the labelling screen of a real server, and home again."""

import json

import numpy as np
import pytest

from annotation import campaign, collect, predictions
from annotation.predictions import is_control, prediction_of, push_predictions
from annotation.projects import item_of
from editfhf import cli
from editfhf.errors import BadInput, JobFailed
from editfhf.splits import split_workspace
from tests.annotation.conftest import edits_of, only_project, predict_everywhere
from tests.annotation.label_studio_json import ratings, region


def by_edit(workspace, client, project: int) -> dict[str, list[dict]]:
    known = edits_of(workspace)
    edit_of = {task.id: known[item_of(task)] for task in client.tasks(project)}
    there: dict[str, list[dict]] = {}
    for one in client.predictions(project):
        there.setdefault(edit_of[one["task"]], []).append(one)
    return there


def test_a_tenth_is_control_by_lot_and_keeps_its_lot_whatever_is_added():
    names = [f"{number:016x}" for number in range(20_000)]
    control = [name for name in names if is_control(name, 0.1)]
    assert len(control) / len(names) == pytest.approx(0.1, abs=0.01)
    other = [name for name in names if is_control(name, 0.1, seed=1)]
    assert len(set(control) & set(other)) / len(control) == pytest.approx(0.1, abs=0.03)
    assert not any(is_control(name, share=0) for name in names)
    assert all(is_control(name, share=1) for name in names)


def test_a_predicted_region_has_the_shape_that_the_screen_itself_writes(campaign):
    edit = campaign.edits()[0]
    row = {
        "model": "m", "kind": "artifact", "flaw_type": "texture_noise", "description": "grain on the wall",
        "polygon": [[[0.1, 0.1], [0.5, 0.1], [0.5, 0.3], [0.1, 0.3]]], "confidence": 0.5,
    }  # fmt: skip
    ours, theirs = prediction_of(edit, [row])["result"], region()
    for one, other in zip(ours, theirs, strict=True):
        assert {name: one[name] for name in ("from_name", "to_name", "type")} == {
            name: other[name] for name in ("from_name", "to_name", "type")
        }
    assert ours[0]["value"] == theirs[0]["value"]
    assert len({one["id"] for one in ours}) == 1


def test_without_predictions_the_command_says_how_to_make_them(campaign):
    with pytest.raises(BadInput, match=r"no predictions.*editfhf predict --run RUN -w"):
        push_predictions(campaign, None)
    predict_everywhere(campaign)
    table = campaign.read_table("predictions").to_pylist()
    campaign.write_table("predictions", [*table, table[0] | {"model": "other"}])
    with pytest.raises(BadInput, match="predictions of 2 models"):
        push_predictions(campaign, None)


@pytest.mark.server
def test_predictions_lie_on_the_tasks_but_never_on_control_or_test_and_a_second_push_doubles_nothing(predicted, client):
    assert cli.run(["annotate", "push", "-w", str(predicted.root), "--predictions"]) == 0
    project = only_project(predicted, client)
    split_of = split_workspace(predicted)
    assert "test" in split_of.values()
    helped = {
        edit.edit_id
        for edit in predicted.edits()
        if split_of[edit.source_id] != "test" and not is_control(edit.edit_id, 1 - 0.9)
    }
    there = by_edit(predicted, client, project)
    assert set(there) == helped
    counts = push_predictions(predicted, client)
    assert (counts.added, counts.removed, counts.already_there) == (0, 0, len(helped))
    assert counts.without_place == len(predicted.edits())
    assert counts.in_test + counts.control + counts.already_there == len(predicted.edits())
    assert by_edit(predicted, client, project) == there

    task = next(task for task in client.tasks(project) if edits_of(predicted)[item_of(task)] in helped)
    (shown,) = client._get(f"api/tasks/{task.id}", project=project)["predictions"]
    assert shown["model_version"] == "run@1234"
    assert shown["score"] == 0.8
    drawn = [item["value"]["points"] for item in shown["result"] if item["type"] == "polygonlabels"]
    assert np.array(drawn).tolist() == [[[10, 10], [50, 10], [50, 50], [10, 50]]] * 2
    settings = client._get(f"api/projects/{project}")
    assert (settings["show_collab_predictions"], settings["model_version"]) == (True, "run@1234")


@pytest.mark.server
def test_a_region_that_stems_from_a_prediction_comes_home_as_assisted_and_one_drawn_beside_it_does_not(
    predicted, client
):
    project = campaign.push(predicted, client).projects[0]
    push_predictions(predicted, client, control_share=0)
    prediction = client.predictions(project)[0]
    artifact, failure = prediction["result"][:3], prediction["result"][3:]
    moved = [item | {"origin": "prediction-changed"} for item in artifact]
    drawn = region([[60, 60], [90, 60], [90, 90]], reason="drawn by hand", region_id="byhand")
    answer = {"result": [*ratings(), *moved, *failure, *(item | {"origin": "manual"} for item in drawn)]}
    client.add_annotation(prediction["task"], answer | {"parent_prediction": prediction["id"]})
    counts = collect.pull(predicted, client)
    assert counts.refused == 0
    rows = predicted.read_table("regions").to_pylist()
    assert {(row["kind"], row["description"], row["assisted"]) for row in rows} == {
        ("artifact", "grain <b>", True),
        ("editing_failure", "grain <b>", True),
        ("artifact", "drawn by hand", False),
    }


@pytest.mark.server
def test_predictions_of_a_newer_run_take_the_place_of_the_old_ones(predicted, client):
    project = campaign.push(predicted, client).projects[0]
    first = push_predictions(predicted, client, control_share=0)
    predict_everywhere(predicted, "run@5678")
    second = push_predictions(predicted, client, control_share=0)
    assert second.removed == second.added == first.added
    assert {one["model_version"] for one in client.predictions(project)} == {"run@5678"}
    assert client._get(f"api/projects/{project}")["model_version"] == "run@5678"


@pytest.mark.server
def test_a_push_killed_between_deleting_and_adding_goes_on(predicted, client, monkeypatch):
    project = campaign.push(predicted, client).projects[0]
    push_predictions(predicted, client, control_share=0)
    before = {name: [one["result"] for one in found] for name, found in by_edit(predicted, client, project).items()}
    with monkeypatch.context() as patch:
        predict_everywhere(predicted, "run@5678")
        patch.setattr(predictions, "CHUNK", 1)
        really = client.import_predictions

        def dying(project, chunk):
            really(project, chunk)
            raise KeyboardInterrupt

        patch.setattr(client, "import_predictions", dying)
        with pytest.raises(KeyboardInterrupt):
            push_predictions(predicted, client, control_share=0)
    push_predictions(predicted, client, control_share=0)
    after = by_edit(predicted, client, project)
    assert set(after) == set(before)
    assert all(len(found) == 1 for found in after.values())


@pytest.mark.server
def test_what_the_server_leaves_out_without_a_word_is_noticed(predicted, client):
    project = campaign.push(predicted, client).projects[0]
    task = next(iter(client.tasks(project)))
    item = {"from_name": "nowhere", "to_name": "edited", "type": "choices", "value": {"choices": ["x"]}, "id": "a"}
    with pytest.raises(JobFailed, match="took 0 of 1 predictions"):
        client.import_predictions(project, [{"task": task.id, "result": [item], "model_version": "m"}])


@pytest.mark.server
def test_the_counts_are_there_for_programs(predicted, client, capsys):
    assert cli.run(["annotate", "push", "-w", str(predicted.root), "--predictions", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["tasks"] == len(predicted.edits())
    assert shown["predictions"]["model"] == "run@1234"
