"""Answers that were begun and not submitted, on the real Label Studio."""

from collections import Counter

import pytest

from annotation import campaign, collect, membership
from annotation.campaign import read_assignments, require_projects
from annotation.interface import DECLINES
from annotation.items import admission_items
from annotation.projects import Place, heal, item_of
from annotation.roster import Roster
from annotation.status import status
from annotation.status_page import tables_of
from tests.annotation.conftest import edits_of, only_project, use_settings
from tests.annotation.label_studio_json import ratings

pytestmark = pytest.mark.server
PEOPLE = ["ann@example.org", "bob@example.org", "cid@example.org"]


@pytest.fixture
def begun(workspace, client):
    """Three named people, of whom Bob has begun to answer a task: it, and his project."""
    use_settings(workspace, drawers_per_edit=2)
    Roster(workspace).add(PEOPLE)
    campaign.push(workspace, client)
    project = require_projects(workspace, client).known[Place("together", 2)]
    task = next(iter(client.tasks(project)))
    begin(client, task.id)
    return task, project


def begin(client, task: int) -> None:
    client._request("POST", f"api/tasks/{task}/drafts", json={"result": ratings()[:1], "lead_time": 3.0})


def people_of(workspace, edit: str) -> Counter[str]:
    names = {Roster(workspace).pseudonym(one): one.email for one in Roster(workspace).members}
    return Counter(names[row.annotator] for row in read_assignments(workspace) if row.edit_id == edit)


def user(client, email: str) -> int:
    if email not in client.users().values():
        client.create_user(email, email.split("@")[0], "Somebody")
    return next(number for number, address in client.users().items() if address == email)


def test_a_draft_is_counted_by_pull_and_status_and_is_no_answer(workspace, client, begun):
    _, project = begun
    counts = collect.pull(workspace, client)
    assert (counts.drafts, counts.as_row()["drafts"], counts.answers) == ({project: 1}, 1, 0)
    seen = status(workspace)
    names = {Roster(workspace).pseudonym(one): one.email for one in Roster(workspace).members}
    drafts = {names[row["annotator"]]: row["drafts"] for row in seen["progress"]}
    assert drafts == {"ann@example.org": 0, "bob@example.org": 1, "cid@example.org": 0}
    assert (seen["drafts"], seen["answers"]) == (1, 0)
    assert "1 answer" in dict(tables_of(seen))[""]["begun"]


def test_who_pauses_with_a_draft_keeps_that_task_and_nobody_else_gets_the_edit(workspace, client, begun):
    task, project = begun
    edit = edits_of(workspace)[item_of(task)]
    before = people_of(workspace, edit)
    assert before["bob@example.org"] == 1
    Roster(workspace).set_state("bob@example.org", "paused")
    open_tasks = len(list(client.tasks(project)))
    # Two people for each edit: of the others both get all that Bob had, but for what he has begun.
    assert campaign.push(workspace, client).withdrawn == open_tasks - 1
    assert [one.id for one in client.tasks(project)] == [task.id]
    assert client.tasks_with_drafts(project) == [task.id]
    assert people_of(workspace, edit) == before
    Roster(workspace).set_state("bob@example.org", "active")
    campaign.push(workspace, client)
    assert people_of(workspace, edit) == before
    assert client.tasks_with_drafts(project) == [task.id]


def test_who_leaves_with_a_draft_can_still_submit_it_but_nobody_waits_for_it(workspace, client, begun):
    task, project = begun
    edit = edits_of(workspace)[item_of(task)]
    Roster(workspace).set_state("bob@example.org", "left")
    campaign.push(workspace, client)
    assert [one.id for one in client.tasks(project)] == [task.id]
    assert people_of(workspace, edit) == Counter(PEOPLE)
    again = campaign.push(workspace, client)
    assert (again.tasks, again.withdrawn) == (0, 0)
    client.add_annotation(task.id, {"result": ratings(), "completed_by": user(client, "bob@example.org")})
    counts = collect.pull(workspace, client)
    assert (counts.answers, counts.refused) == (1, 0)


def test_a_draft_that_is_begun_while_a_push_is_at_work_stays(workspace, client, begun, monkeypatch):
    _, project = begun
    other = list(client.tasks(project))[1]
    Roster(workspace).set_state("bob@example.org", "left")
    real = campaign.done_pairs

    def begin_now(*arguments):
        begin(client, other.id)
        return real(*arguments)

    monkeypatch.setattr(campaign, "done_pairs", begin_now)
    campaign.push(workspace, client)
    monkeypatch.undo()
    assert other.id in [one.id for one in client.tasks(project)]
    client.add_annotation(other.id, {"result": ratings(), "completed_by": user(client, "bob@example.org")})
    counts = collect.pull(workspace, client)
    assert (counts.answers, counts.refused) == (1, 0)


def test_of_a_task_that_is_there_twice_that_with_the_draft_stays(workspace, client, begun):
    _, project = begun
    other = list(client.tasks(project))[1]
    (twin,) = client.import_tasks(project, [{"data": other.data}])
    begin(client, twin)
    kept = {task.id for task in heal(client, project)}
    assert (twin in kept, other.id in kept) == (True, False)


def test_drafts_are_counted_and_erased_with_their_person_where_everybody_shares_a_project(workspace, client):
    use_settings(workspace, drawers_per_edit=2)
    campaign.push(workspace, client)
    project = only_project(workspace, client)
    for task in list(client.tasks(project))[:2]:
        begin(client, task.id)
    (row,) = [one for one in status(workspace)["progress"] if one["drafts"]]
    assert (row["drafts"], row["done"]) == (2, 0)
    assert {draft.email for draft in client.drafts(project)} == {client.whoami()}
    membership.erase(workspace, client, client.whoami())
    assert client.drafts(project) == []


def test_a_draft_of_who_was_not_admitted_holds_nothing(workspace, client):
    design = {"screens": "[ratings]", "raters_per_edit": 2}
    Roster(workspace).add(["ann@x.org", "bob@x.org", "cid@x.org"])
    use_settings(workspace, **design, consent="false", vision_check="false")
    campaign.push(workspace, client)
    known = require_projects(workspace, client).known
    task = next(iter(client.tasks(known[Place("ratings", 2)])))
    edit = edits_of(workspace)[item_of(task)]
    begin(client, task.id)
    use_settings(workspace, **design, consent="true", vision_check="false")
    campaign.push(workspace, client)
    (form,) = client.tasks(require_projects(workspace, client).known[Place("admission", 2)])
    declined = admission_items({"consent": DECLINES})
    client.add_annotation(form.id, {"result": declined, "completed_by": user(client, "bob@x.org")})
    collect.pull(workspace, client)
    assert campaign.push(workspace, client).not_admitted == 1
    assert {"ann@x.org", "cid@x.org"} <= set(people_of(workspace, edit))
