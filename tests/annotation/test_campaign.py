from xml.etree import ElementTree

import pytest

from annotation import campaign, interface
from annotation.client import Client
from editfhf.errors import BadInput
from editfhf.flaws import FLAWS
from editfhf.schema import DIMENSIONS
from editfhf.workspace import Workspace
from tests.annotation.label_studio_json import ratings

pytestmark = pytest.mark.server


def test_a_second_push_adds_nothing(workspace, client):
    first = campaign.push(workspace, client)
    assert first.tasks == len(workspace.edits())
    second = campaign.push(workspace, client)
    assert (second.projects, second.tasks) == (first.projects, 0)


def test_annotators_are_told_all_they_need_and_not_the_model(workspace, client):
    campaign.push(workspace, client)
    tasks = list(client.tasks(campaign.project_of(workspace, client)))
    assert {task.edit_id for task in tasks} == {edit.edit_id for edit in workspace.edits()}
    for task in tasks:
        assert set(task.data) == {"edit_id", "source_image", "edited_image", "instruction", "task"}
        assert "procedural" not in str(task.data)


def test_the_order_of_the_tasks_does_not_give_the_model_away(workspace, client):
    campaign.push(workspace, client)
    model_of = {edit.edit_id: edit.model for edit in workspace.edits()}
    models = [model_of[task.edit_id] for task in client.tasks(campaign.project_of(workspace, client))]
    planned = [edit.model for edit in workspace.edits()]
    assert planned == planned[:2] * (len(planned) // 2)  # the ledger's order is regular: careful, broken, careful …
    assert models != planned
    assert models != sorted(models)


def test_a_push_killed_between_two_imports_goes_on(workspace, client, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(campaign, "IMPORT_CHUNK", 3)
        really, calls = client.import_tasks, []

        def dying(project, tasks):
            calls.append(really(project, tasks))
            if len(calls) == 2:
                raise KeyboardInterrupt

        patch.setattr(client, "import_tasks", dying)
        with pytest.raises(KeyboardInterrupt):
            campaign.push(workspace, client)
    assert campaign.push(workspace, client).tasks == len(workspace.edits()) - 6
    tasks = [task.edit_id for task in client.tasks(campaign.project_of(workspace, client))]
    assert sorted(tasks) == sorted(edit.edit_id for edit in workspace.edits())


def test_the_tasks_of_a_project_made_twice_are_found_where_they_are(workspace, client):
    title = campaign.push(workspace, client) and campaign._title(workspace)
    project = campaign.project_of(workspace, client)
    client.create_project(title, interface.label_config(), 4)
    assert campaign.project_of(workspace, client) == project


def test_more_tasks_than_one_page_are_all_listed(workspace, client, monkeypatch):
    campaign.push(workspace, client)
    monkeypatch.setattr("annotation.client.PAGE", 3)
    tasks = [task.id for task in client.tasks(campaign.project_of(workspace, client))]
    assert len(tasks) == len(set(tasks)) == len(workspace.edits())


def test_two_different_answers_to_one_edit_both_stay(workspace, client):
    campaign.push(workspace, client)
    project = campaign.project_of(workspace, client)
    task = next(iter(client.tasks(project)))
    client.import_tasks(project, [{"data": task.data}])
    twin = max(other.id for other in client.tasks(project))
    client.add_annotation(task.id, {"result": ratings()})
    client.add_annotation(twin, {"result": ratings("1 Bad", "1 Bad", "1 Bad")})
    assert {task.id, twin} <= {other.id for other in campaign.heal(client, project)}


def test_a_workspace_without_edits_is_told_to_generate(workspace, client, tmp_path):
    (tmp_path / "editfhf.yaml").write_text("")
    with pytest.raises(BadInput, match="editfhf generate"):
        campaign.push(Workspace.open(tmp_path), client)


def test_a_project_that_was_deleted_on_the_server_is_said_and_can_be_pushed_again(workspace, client):
    project = campaign.push(workspace, client).projects[0]
    client._request("DELETE", f"api/projects/{project}")
    with pytest.raises(BadInput, match=r"no project for .* annotate push"):
        campaign.project_of(workspace, client)
    assert campaign.push(workspace, client).tasks == len(workspace.edits())


def test_a_wrong_token_is_one_sentence(workspace, client):
    url = client.url
    with pytest.raises(BadInput, match=r"does not take the token in .*/token"):
        campaign.push(workspace, Client(url, "wrong" * 8, workspace))


def test_the_screen_offers_every_flaw_type_and_dimension():
    screen = ElementTree.fromstring(interface.label_config())
    for control, kind in (("artifact_type", "artifact"), ("editing_failure_type", "editing_failure")):
        (choices,) = screen.iterfind(f".//Choices[@name='{control}']")
        assert {choice.get("alias") for choice in choices} == {flaw.id for flaw in FLAWS.values() if flaw.kind == kind}
        assert choices.get("required") == "true"
    for dimension in DIMENSIONS:
        (choices,) = screen.iterfind(f".//Choices[@name='{dimension}']")
        assert [choice.get("alias") for choice in choices] == ["1 Bad", "2 Poor", "3 Fair", "4 Good", "5 Excellent"]
    buttons = [
        choice.get("value")
        for dimension in DIMENSIONS
        for choice in screen.iterfind(f".//Choices[@name='{dimension}']/")
    ]
    assert len(set(buttons)) == 15  # the browser switches off radio buttons of the same name
    keys = [tag.get("hotkey") for tag in screen.iter() if tag.get("hotkey")]
    assert len(keys) == len(set(keys))
