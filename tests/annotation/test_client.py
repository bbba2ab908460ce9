"""What the client does, against the real Label Studio."""

import httpx
import pytest

from annotation.client import connect
from editfhf.errors import BadInput
from tests.annotation.on_server import projects_called

SCREEN = (
    """<View><Text name="text" value="$text"/><Choices name="c" toName="text"><Choice value="a"/></Choices></View>"""
)
CHANGED = SCREEN.replace('value="a"', 'value="b"')

pytestmark = pytest.mark.server


@pytest.fixture
def client(served_workspace):
    return connect(served_workspace)


@pytest.fixture
def project(client):
    number = client.create_project("Client round", SCREEN, 1, "<b>Look</b> first")
    yield number
    if number in client.projects_titled("Client round"):
        client.delete_project(number)


def answer(choice="a"):
    return {"result": [{"from_name": "c", "to_name": "text", "type": "choices", "value": {"choices": [choice]}}]}


def test_the_state_of_a_project_tells_what_was_changed_by_hand(client, project):
    client.import_tasks(project, [{"data": {"text": str(n)}} for n in range(3)])
    state = client.project_state(project)
    assert state["label_config"] == SCREEN
    assert state["expert_instruction"] == "<b>Look</b> first"
    assert state["show_instruction"] is True
    assert (state["task_number"], state["maximum_annotations"]) == (3, 1)
    client.update_project(project, label_config=CHANGED, title="Client round changed")
    state = client.project_state(project)
    assert (state["label_config"], state["title"]) == (CHANGED, "Client round changed")


def test_projects_are_found_by_words_in_their_titles_on_all_pages(client, project, monkeypatch):
    others = [client.create_project(f"Client round {n}", SCREEN, 1) for n in range(3)]
    within = client.create_project("A Client round", SCREEN, 1)
    decoys = [client.create_project(title, SCREEN, 1) for title in ("Client rou nd", "client round")]
    try:
        client.import_tasks(others[1], [{"data": {"text": "1"}}])
        found = client.projects_titled("Client round")
        assert found == {
            project: {"title": "Client round", "task_number": 0},
            others[0]: {"title": "Client round 0", "task_number": 0},
            others[1]: {"title": "Client round 1", "task_number": 1},
            others[2]: {"title": "Client round 2", "task_number": 0},
            within: {"title": "A Client round", "task_number": 0},
        }
        monkeypatch.setattr("annotation.client.PROJECT_PAGE", 2)
        assert client.projects_titled("Client round") == found
        assert projects_called(client, "Client round") == {project: 0}
    finally:
        for number in (*others, within, *decoys):
            client.delete_project(number)
    with pytest.raises(BadInput, match="deleted"):
        client.project_state(others[0])


def test_every_change_of_tasks_and_answers_changes_the_fingerprint_and_looking_does_not(client, project):
    seen = [client.newest_change(project)]

    def note():
        now = client.newest_change(project)
        assert now not in seen
        assert client.newest_change(project) == now
        seen.append(now)

    tasks = client.import_tasks(project, [{"data": {"text": str(n)}} for n in range(4)])
    note()
    for task in tasks[:3]:  # an answer to the oldest after one to a newer
        client.add_annotation(task, answer())
        note()
    client.add_annotation(tasks[0], answer())
    note()
    first = client.annotations(tasks[0])[0]["id"]
    change(client, "PATCH", first, answer("b") | {"was_cancelled": False})
    note()
    change(client, "PATCH", first, {"was_cancelled": True})  # becomes a skip
    note()
    change(client, "DELETE", first)
    note()
    # Deleted with one added elsewhere: all the numbers are as before.
    change(client, "DELETE", client.annotations(tasks[0])[0]["id"])
    client.add_annotation(tasks[3], answer())
    note()
    client.delete_tasks(project, [tasks[1]])
    note()
    client.delete_tasks(project, [tasks[3]])
    client.import_tasks(project, [{"data": {"text": "new"}, "annotations": [answer()]}])
    note()
    _ = list(client.tasks(project)), client.annotations(tasks[0]), client.project_state(project)
    assert client.newest_change(project) == seen[-1]


def change(client, method, annotation, fields=None):
    client._request(method, f"api/annotations/{annotation}/", json=fields)


def test_the_invite_link_opens_the_form_in_which_people_make_their_account(client):
    link = client.invite_link()
    assert link.startswith(f"{client.url}/user/signup/?token=")
    assert 'name="password"' in httpx.get(link).text
