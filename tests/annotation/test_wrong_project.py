"""Somebody answers in another's project: its person is shown the task again, and nothing is handed out twice."""

import re

import httpx
import pytest

from annotation import campaign, collect
from annotation.campaign import read_assignments, require_projects
from annotation.client import Client, ServerTask
from annotation.interface import DECLINES
from annotation.items import admission_items
from annotation.own_answers import overlap_of
from annotation.projects import Place, title_of_campaign
from annotation.refusals import lost_answers
from annotation.roster import Roster
from annotation.screens import SCREENS
from annotation.status import status
from editfhf import cli
from tests.annotation.conftest import N_EDITS, use_settings
from tests.annotation.label_studio_json import ratings
from tests.annotation.on_server import tasks_on_server

PASSWORD = "a password of hers 1"
ONE_EACH = {"screens": "[ratings]", "raters_per_edit": 1}


def sign_up(client: Client, email: str) -> httpx.Client:
    """An account with a browser's session: the way in that people have."""
    browser = httpx.Client(base_url=client.url, follow_redirects=True, timeout=60)
    link = client.invite_link()
    form = browser.get(link).text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    assert token
    said = {"csrfmiddlewaretoken": token[1], "email": email, "password": PASSWORD, "allow_newsletters": "false"}
    browser.post(link, data=said, headers={"Referer": link}).raise_for_status()
    assert browser.get("/api/current-user/whoami").json()["email"] == email
    return browser


def next_task(browser: httpx.Client, project: int) -> int | None:
    """What the labelling stream shows now; None: "No more tasks left in queue"."""
    answer = browser.get(f"/api/projects/{project}/next/")
    return answer.json()["id"] if answer.status_code == httpx.codes.OK else None


def answer_next(browser: httpx.Client, project: int, result: list | None = None) -> int | None:
    task = next_task(browser, project)
    if task is not None:
        token = browser.cookies.get("csrftoken") or ""
        body = {"result": ratings() if result is None else result, "lead_time": 9.0}
        headers = {"X-CSRFToken": token, "Referer": str(browser.base_url)}
        browser.post(f"/api/tasks/{task}/annotations/", json=body, headers=headers).raise_for_status()
    return task


@pytest.mark.server
def test_who_answers_in_anothers_project_does_not_lock_its_person_out(workspace, client):
    use_settings(workspace, **ONE_EACH)
    bob, eve = "bob-astray@x.org", "eve-astray@x.org"
    roster = Roster(workspace)
    names = {one.email: roster.pseudonym(one) for one in roster.add([bob, eve])}
    campaign.push(workspace, client)
    before = read_assignments(workspace)
    of_eve = require_projects(workspace, client).known[Place("ratings", 2)]
    bobs = sign_up(client, bob)
    astray = {answer_next(bobs, of_eve), answer_next(bobs, of_eve)}
    eves = sign_up(client, eve)
    seen = set()
    while (task := answer_next(eves, of_eve)) is not None:
        seen.add(task)
    assert len(seen) == N_EDITS // 2 - 2
    assert not seen & astray
    collect.pull(workspace, client)
    assert [row["reason"] for row in workspace.read_table("refused_answers").to_pylist()] == [
        "this was another person's to answer"
    ] * 2
    found = status(workspace)
    (row,) = found["blocked"]
    assert row == {"screen": "ratings", "annotator": names[eve], "tasks": 2, "by": [names[bob]]}
    assert {one["annotator"]: one["done"] for one in found["progress"]} == {names[bob]: 0, names[eve]: len(seen)}

    campaign.push(workspace, client)
    after = read_assignments(workspace)
    assert {row for row in before if row.annotator == names[eve]} <= set(after)  # what is hers stays hers
    assert sorted(row.edit_id for row in after) == sorted(edit.edit_id for edit in workspace.edits())
    assert status(workspace)["blocked"] == []
    while (task := answer_next(eves, of_eve)) is not None:
        seen.add(task)
    assert astray < seen
    collect.pull(workspace, client)
    answers = workspace.read_table("answers").to_pylist()
    assert [one["annotator"] for one in answers] == [names[eve]] * len(seen)
    assert len(lost_answers(workspace)) == 2  # nothing that Bob said is gone

    campaign.push(workspace, client)
    assert client.project_state(of_eve)["maximum_annotations"] == 1
    assert next_task(eves, of_eve) not in seen


@pytest.mark.server
def test_who_answered_the_entrance_of_another_admits_nobody_and_shuts_nobody_out(workspace, client, capsys):
    use_settings(workspace, **ONE_EACH, consent="true", vision_check="false")
    bob, eve = "bob-entrance@x.org", "eve-entrance@x.org"
    Roster(workspace).add([bob, eve])
    campaign.push(workspace, client)
    of_eve = require_projects(workspace, client).known[Place("admission", 2)]
    bobs, eves = sign_up(client, bob), sign_up(client, eve)
    task = answer_next(bobs, of_eve)
    assert task is not None
    assert next_task(eves, of_eve) is None
    counts = campaign.push(workspace, client)  # also without a pull in between
    assert (counts.waiting, counts.tasks, counts.withdrawn) == (2, 0, 0)
    assert next_task(eves, of_eve) == task
    # What each answers is theirs; two at once are named by their numbers.
    says_no = admission_items({"consent": DECLINES})
    of_bob = require_projects(workspace, client).known[Place("admission", 1)]
    assert answer_next(eves, of_eve, says_no) == task
    assert answer_next(bobs, of_bob, says_no) is not None
    capsys.readouterr()
    assert cli.run(["annotate", "pull", "-w", str(workspace.root)]) == 0
    said = capsys.readouterr()
    for number in (1, 2):
        name = Roster(workspace).pseudonym(Roster(workspace).find(str(number)))
        assert f"{number} ({name})" in " ".join(said.out.split())
    assert "Not admitted: 2 people" in said.err
    assert "1 answer came from somebody in another's project" in said.err
    assert "x.org" not in said.out + said.err


@pytest.mark.server
def test_what_others_answered_for_somebody_who_left_goes_to_others(workspace, client):
    use_settings(workspace, **ONE_EACH)
    bob, eve = "bob-leaving@x.org", "eve-leaving@x.org"
    roster = Roster(workspace)
    roster.add([bob, eve])
    campaign.push(workspace, client)
    of_eve = require_projects(workspace, client).known[Place("ratings", 2)]
    answer_next(sign_up(client, bob), of_eve)
    Roster(workspace).set_state(eve, "left")
    campaign.push(workspace, client)
    campaign.push(workspace, client)
    name = roster.pseudonym(roster.find(bob))
    assert len([row for row in tasks_on_server(workspace) if row["annotator"] == name]) == N_EDITS
    pulled = collect.pull(workspace, client)
    assert pulled.refused == 1
    (row,) = workspace.read_table("refused_answers").to_pylist()
    assert row["reason"] == "this was another person's to answer"


def test_one_answer_more_than_the_most_that_others_gave_closes_a_task():
    tasks = [ServerTask(1, {}, 1), ServerTask(2, {}, 3)]
    assert [overlap_of(tasks[:n]) for n in range(3)] == [1, 2, 4]


@pytest.mark.server
def test_a_campaign_of_an_earlier_version_goes_on_under_its_new_titles(workspace, client):
    use_settings(workspace, **ONE_EACH, consent="true", vision_check="false")
    ann = "ann-earlier@x.org"
    roster = Roster(workspace)
    roster.add([ann])
    campaign.push(workspace, client)
    known = dict(require_projects(workspace, client).known)
    base = title_of_campaign(workspace)
    for place, project in known.items():
        client.update_project(project, title=f"{base} {place.project_type} {place.number:03d}")
    answer_next(sign_up(client, ann), known[Place("admission", 1)])  # it is not touched any more but for its title
    assert dict(require_projects(workspace, client).known) == known
    counts = campaign.push(workspace, client)
    assert counts.tasks == 0
    titles = {number: row["title"] for number, row in client.projects_titled(base).items()}
    assert titles == {project: f"001 {place.project_type} {base}" for place, project in known.items()}
    stranger = client.create_project(f"about {base}", SCREENS["ratings"].label_config, 1)
    try:
        assert dict(require_projects(workspace, client).known) == known
    finally:
        client.delete_project(stranger)
