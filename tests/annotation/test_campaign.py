import json
from collections import Counter
from itertools import pairwise

import pyarrow.parquet as pq
import pytest

from annotation import campaign, collect, membership, simulate
from annotation.campaign import read_assignments, require_projects
from annotation.client import Client
from annotation.projects import Place, Projects, heal, item_of, title_of_campaign
from annotation.roster import Roster
from annotation.screens import SCREENS
from editfhf import cli
from editfhf.errors import BadInput
from editfhf.workspace import Workspace
from tests.annotation.conftest import edits_of, only_project, use_settings
from tests.annotation.label_studio_json import ratings
from tests.annotation.on_server import tasks_on_server

pytestmark = pytest.mark.server


def test_a_second_push_adds_nothing(workspace, client):
    first = campaign.push(workspace, client)
    assert first.tasks == len(workspace.edits())
    second = campaign.push(workspace, client)
    assert (second.projects, second.tasks) == (first.projects, 0)


def test_annotators_are_told_all_they_need_and_not_the_model(workspace, client):
    campaign.push(workspace, client)
    tasks = list(client.tasks(only_project(workspace, client)))
    edit_of = edits_of(workspace)
    assert {edit_of[item_of(task)] for task in tasks} == {edit.edit_id for edit in workspace.edits()}
    for task in tasks:
        assert set(task.data) == {"item", "source_image", "edited_image", "instruction"}
        assert "procedural" not in str(task.data)
        assert edit_of[item_of(task)] not in str(task.data)


def test_the_order_of_the_tasks_does_not_give_the_model_away(workspace, client):
    campaign.push(workspace, client)
    model_of = {edit.edit_id: edit.model for edit in workspace.edits()}
    edit_of = edits_of(workspace)
    models = [model_of[edit_of[item_of(task)]] for task in client.tasks(only_project(workspace, client))]
    planned = [edit.model for edit in workspace.edits()]
    assert planned == planned[:2] * (len(planned) // 2)  # the ledger's order is regular: careful, broken, careful …
    assert models != planned
    assert models != sorted(models)


def test_a_push_killed_between_two_imports_goes_on(workspace, client, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(campaign, "CHUNK", 3)
        really, calls = client.import_tasks, []

        def dying(project, tasks):
            calls.append(really(project, tasks))
            if len(calls) == 2:
                raise KeyboardInterrupt
            return calls[-1]

        patch.setattr(client, "import_tasks", dying)
        with pytest.raises(KeyboardInterrupt):
            campaign.push(workspace, client)
    assert campaign.push(workspace, client).tasks == len(workspace.edits()) - 6
    edit_of = edits_of(workspace)
    tasks = [edit_of[item_of(task)] for task in client.tasks(only_project(workspace, client))]
    assert sorted(tasks) == sorted(edit.edit_id for edit in workspace.edits())


def test_the_tasks_of_a_project_made_twice_are_found_where_they_are(workspace, client):
    campaign.push(workspace, client)
    project = only_project(workspace, client)
    client.create_project(f"{title_of_campaign(workspace)} together 000", SCREENS["together"].label_config, 4)
    assert only_project(workspace, client) == project


def test_more_tasks_than_one_page_are_all_listed(workspace, client, monkeypatch):
    campaign.push(workspace, client)
    monkeypatch.setattr("annotation.client.PAGE", 3)
    tasks = [task.id for task in client.tasks(only_project(workspace, client))]
    assert len(tasks) == len(set(tasks)) == len(workspace.edits())


def test_two_different_answers_to_one_edit_both_stay(workspace, client):
    campaign.push(workspace, client)
    project = only_project(workspace, client)
    task = next(iter(client.tasks(project)))
    client.import_tasks(project, [{"data": task.data}])
    twin = max(other.id for other in client.tasks(project))
    client.add_annotation(task.id, {"result": ratings()})
    client.add_annotation(twin, {"result": ratings("1 Bad", "1 Bad", "1 Bad")})
    assert {task.id, twin} <= {other.id for other in heal(client, project)}


def test_a_workspace_without_edits_is_told_to_generate(workspace, client, tmp_path):
    (tmp_path / "editfhf.yaml").write_text("")
    with pytest.raises(BadInput, match="editfhf generate"):
        campaign.push(Workspace.open(tmp_path), client)


def test_a_project_that_was_deleted_on_the_server_is_said_and_can_be_pushed_again(workspace, client):
    project = campaign.push(workspace, client).projects[0]
    client.delete_project(project)
    with pytest.raises(BadInput, match=r"no project for .* annotate push"):
        require_projects(workspace, client)
    assert campaign.push(workspace, client).tasks == len(workspace.edits())


def test_what_was_pulled_of_a_project_that_is_deleted_later_stays_and_is_not_asked_for_again(workspace, client):
    use_settings(workspace, drawers_per_edit=2, simulated_annotators=3)
    simulate.simulate(workspace, client)
    before = collect.pull(workspace, client)
    project = require_projects(workspace, client).known[Place("together", 2)]
    client.delete_project(project)
    after = collect.pull(workspace, client)
    assert (after.gone, after.answers) == ([project], before.answers)
    assert campaign.push(workspace, client).tasks == 0


def test_a_wrong_token_is_one_sentence(workspace, client):
    url = client.url
    with pytest.raises(BadInput, match=r"does not take the token in .*/token"):
        campaign.push(workspace, Client(url, "wrong" * 8, workspace))


def handed_out(workspace, project_type: str) -> Counter[tuple[str, str]]:
    """(edit, person) → how often, of all items that are edits."""
    rows = read_assignments(workspace)
    return Counter(
        (row.edit_id, row.annotator) for row in rows if (row.project_type, row.role) == (project_type, "edit")
    )


def test_every_edit_gets_exactly_its_raters_on_each_screen_with_many_people_at_once(workspace, client):
    use_settings(
        workspace, screens="[ratings, regions]", raters_per_edit=6, drawers_per_edit=3, checks=0.1, repeats=0.2
    )
    counts = simulate.simulate(workspace, client, annotators=20, at_once=20)
    assert simulate.simulate(workspace, client, annotators=20, at_once=20).answers == 0
    pulled = collect.pull(workspace, client)
    assert pulled.refused == 0
    answers = workspace.read_table("answers").to_pandas()
    for screen, raters in (("ratings", 6), ("regions", 3)):
        own = answers[answers.project_type == screen]
        assert dict(own.groupby("edit_id").size()) == {edit.edit_id: raters for edit in workspace.edits()}
        assert not own.duplicated(["edit_id", "annotator"]).any()
        assert set(own.groupby("annotator").size()) <= {raters * 8 // 20, raters * 8 // 20 + 1}
    given = tasks_on_server(workspace)
    # Label Studio counts the answers of a task in passing, and may miss one when many come at once.
    assert max(task["answers"] for task in given) == 1
    assert len(given) == counts.answers
    ratings_table = workspace.read_table("ratings").to_pandas()
    assert len(ratings_table[~ratings_table["repeat"]]) == 3 * 6 * 8
    checked = workspace.read_table("check_answers").to_pandas()
    assert len(checked) == sum(task["role"] == "check" for task in given) > 0
    assert checked.passed.all()


def test_nobody_can_tell_a_check_or_a_repeat_from_an_edit_by_its_task(workspace, client):
    use_settings(workspace, screens="[ratings]", raters_per_edit=2, checks=0.2, repeats=0.2)
    Roster(workspace).add(f"person-{number}@example.org" for number in range(2))
    campaign.push(workspace, client)
    role_of = {row.item_id: row.role for row in read_assignments(workspace)}
    assert {"edit", "check", "repeat"} == set(role_of.values())
    shapes = set()
    for project in require_projects(workspace, client).known.values():
        for task in client.tasks(project):
            texts = {name: len(text) for name, text in task.data.items() if name != "instruction"}
            shapes.add(tuple(sorted(texts.items())))
            assert not {"check", "repeat", "noise"} & set(str(task.data).replace("/", " ").split())
            assert "check" not in str(task.data)
    assert len(shapes) == 1


def test_people_join_pause_and_leave_and_what_is_done_stays_where_it_is(workspace, client):
    use_settings(workspace, drawers_per_edit=2)
    roster = Roster(workspace)
    roster.add(["ann@example.org", "bob@example.org", "cid@example.org"])
    campaign.push(workspace, client)
    places = require_projects(workspace, client).known
    ann = Place("together", 1)
    done = next(iter(client.tasks(places[ann])))
    user = (
        client.create_user("ann@example.org", "ann", "Ann") if "ann@example.org" not in client.users().values() else 0
    )
    user = user or next(number for number, email in client.users().items() if email == "ann@example.org")
    client.add_annotation(done.id, {"result": ratings(), "completed_by": user})

    roster = Roster(workspace)
    roster.set_state("bob@example.org", "left")
    roster.add(["dan@example.org"])
    counts = campaign.push(workspace, client)
    assert counts.withdrawn > 0
    pairs = handed_out(workspace, "together")
    assert set(pairs.values()) == {1}
    assert dict(Counter(edit for edit, _ in pairs)) == {edit.edit_id: 2 for edit in workspace.edits()}
    assert roster.pseudonym(roster.find("bob@example.org")) not in {person for _, person in pairs}
    load = Counter(person for _, person in pairs)
    assert max(load.values()) - min(load.values()) <= 1
    assert done.id in {task.id for task in client.tasks(places[ann])}
    assert campaign.push(workspace, client).tasks == 0

    Roster(workspace).set_state("cid@example.org", "paused")
    campaign.push(workspace, client)
    pairs = handed_out(workspace, "together")
    assert len({person for _, person in pairs}) == 2
    assert set(Counter(edit for edit, _ in pairs).values()) == {2}


def test_who_is_suspended_is_kept_and_flagged_and_others_get_the_work(workspace, client):
    use_settings(workspace, drawers_per_edit=2, simulated_annotators=3)
    simulate.simulate(workspace, client)
    collect.pull(workspace, client)
    roster = Roster(workspace)
    bad = roster.pseudonym(roster.find("2"))
    roster.add(["new@example.org"])
    before = workspace.read_table("answers").to_pandas()
    counts = membership.suspend(workspace, client, "2")
    assert counts.tasks == (before.annotator == bad).sum()
    table = workspace.read_table("answers").to_pandas()
    assert len(table) == len(before)
    assert set(table[table.screened].annotator) == {bad}
    screened = workspace.read_table("ratings").to_pandas()
    assert set(screened[screened.screened].annotator) == {bad}

    membership.suspend(workspace, client, "2", undo=True)
    assert not workspace.read_table("answers").to_pandas().screened.any()


def test_a_suspension_that_leaves_too_few_people_changes_nothing(workspace, client):
    use_settings(workspace, drawers_per_edit=3, simulated_annotators=3)
    simulate.simulate(workspace, client)
    collect.pull(workspace, client)
    with pytest.raises(BadInput, match=r"needs 3 different people.* 1 more join"):
        membership.suspend(workspace, client, "2")
    assert {one.state for one in Roster(workspace).members} == {"active"}


def test_an_erased_person_is_nowhere_any_more(workspace, client):
    use_settings(workspace, drawers_per_edit=2, simulated_annotators=3)
    simulate.simulate(workspace, client)
    collect.pull(workspace, client)
    roster = Roster(workspace)
    gone = roster.find("2")
    pseudonym = roster.pseudonym(gone)
    erased = membership.erase(workspace, client, pseudonym)
    assert erased.rows["answers"] > 0
    for path in workspace.root.rglob("*"):
        if path.is_file() and "label-studio" not in path.parts and path.suffix != ".lock":
            content = path.read_bytes()
            assert gone.email.encode() not in content, path
            if path.suffix != ".parquet" and path.name != "erased.json":  # which keeps it from coming back
                assert pseudonym.encode() not in content, path
    for path in workspace.root.rglob("*.parquet"):
        assert pseudonym not in str(pq.read_table(path).to_pylist()), path
    assert Place("together", 2) not in Projects(workspace, client).known
    assert collect.pull(workspace, client).answers == len(workspace.read_table("answers"))
    assert pseudonym not in workspace.read_table("answers")["annotator"].to_pylist()


def test_whoever_answered_while_nobody_was_named_can_be_erased(workspace, client):
    campaign.push(workspace, client)
    project = only_project(workspace, client)
    task = next(iter(client.tasks(project)))
    client.add_annotation(task.id, {"result": ratings()})
    collect.pull(workspace, client)
    (answer,) = workspace.read_table("answers").to_pylist()
    erased = membership.erase(workspace, client, answer["annotator"][:10])
    assert (erased.annotator, erased.rows["answers"]) == (answer["annotator"], 1)
    assert client.annotations(task.id) == []
    assert Place("together", 0) in Projects(workspace, client).known  # it is everybody's
    assert collect.pull(workspace, client).answers == 0
    with pytest.raises(BadInput, match="Nobody"):
        membership.erase(workspace, client, "ghost@example.org")


def test_edits_of_one_photo_lie_apart_in_everybodys_order(workspace, client):
    use_settings(workspace, drawers_per_edit=2)
    Roster(workspace).add(["ann@example.org", "bob@example.org"])
    campaign.push(workspace, client)
    photo_of = {edit.edit_id: edit.source_id for edit in workspace.edits()}
    edit_of = edits_of(workspace)
    for project in require_projects(workspace, client).known.values():
        photos = [photo_of[edit_of[item_of(task)]] for task in client.tasks(project)]
        alike = sum(one == other for one, other in pairwise(photos))
        assert alike <= 2  # of four edits each of two photos: spread, they alternate but for the seams


def test_a_screen_changed_by_hand_on_the_server_is_said_and_the_next_push_restores_it(workspace, client):
    campaign.push(workspace, client)
    project = only_project(workspace, client)
    client.update_project(project, label_config='<View><Text name="t" value="$instruction"/></View>')
    assert collect.pull(workspace, client).altered == [project]
    campaign.push(workspace, client)
    assert client.project_state(project)["label_config"].strip() == SCREENS["together"].label_config.strip()


def test_what_is_answered_while_a_push_is_at_work_stays(workspace, client, monkeypatch):
    use_settings(workspace, drawers_per_edit=2)
    roster = Roster(workspace)
    roster.add(["ann@example.org", "bob@example.org", "cid@example.org"])
    campaign.push(workspace, client)
    task = next(iter(client.tasks(require_projects(workspace, client).known[Place("together", 2)])))
    if "bob@example.org" not in client.users().values():
        client.create_user("bob@example.org", "bob", "Bob")
    user = next(number for number, email in client.users().items() if email == "bob@example.org")
    Roster(workspace).set_state("bob@example.org", "left")
    real = campaign.done_pairs

    def answer_now(*arguments):
        client.add_annotation(task.id, {"result": ratings(), "completed_by": user})
        return real(*arguments)

    monkeypatch.setattr(campaign, "done_pairs", answer_now)
    assert campaign.push(workspace, client).withdrawn > 0
    monkeypatch.undo()
    counts = collect.pull(workspace, client)
    assert (counts.answers, counts.refused) == (1, 0)


def test_what_was_pulled_before_a_table_was_known_goes_on(workspace, client):
    use_settings(workspace, drawers_per_edit=2, simulated_annotators=3)
    simulate.simulate(workspace, client)
    before = collect.pull(workspace, client)
    project = before.projects[0]
    client.delete_project(project)
    (collect.raw_folder(workspace) / f"project-{project}" / "verdicts.parquet").unlink()
    after = collect.pull(workspace, client)
    assert (after.gone, after.answers, after.verdicts) == ([project], before.answers, 0)
    membership.erase(workspace, client, "2")
    assert len(workspace.read_table("answers")["annotator"].unique()) == 2


def test_the_command_line_invites_takes_back_only_who_is_suspended_and_simulates_nobody_among_people(
    workspace, client, capsys
):
    root = str(workspace.root)
    assert cli.run(["annotate", "people", "-w", root, "--invite"]) == 0
    assert capsys.readouterr().out.startswith(f"{client.url}/user/signup/?token=")
    use_settings(workspace, drawers_per_edit=2)
    add = [part for name in ("ann", "bob", "cid") for part in ("--add", f"{name}@example.org")]
    assert cli.run(["annotate", "people", "-w", root, *add]) == 0
    assert "already" not in capsys.readouterr().err
    assert cli.run(["annotate", "people", "-w", root, "--add", "BOB@example.org", *add]) == 0
    assert "3 of them were there already" in capsys.readouterr().err
    assert cli.run(["annotate", "push", "-w", root]) == 0
    printed = capsys.readouterr().out
    known = require_projects(workspace, client).known
    numbers = sorted(known.values())
    assert f"{numbers[0]}–{numbers[2]}" in printed  # made one after the other
    assert cli.run(["annotate", "people", "-w", root, "--invite"]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("2  bob@example.org")
    project = known[Place("together", 2)]
    assert lines[at + 1].endswith(f"together: {client.url}/projects/{project}/data?labeling=1")
    assert client.project_state(project)["title"].startswith("002 together ")
    assert cli.run(["annotate", "people", "-w", root, "--invite", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["people"]
    assert [row["number"] for row in rows] == [1, 2, 3]
    assert f"Next: people label at {client.url}, each in their own projects (editfhf annotate people" in printed
    assert cli.run(["annotate", "push", "-w", root, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["projects"] == numbers
    assert cli.run(["annotate", "suspend", "1", "-w", root, "--undo"]) == 2
    assert "1 is not suspended (active)" in capsys.readouterr().err
    assert cli.run(["annotate", "simulate", "-w", root]) == 2
    assert "3 people are named" in capsys.readouterr().err
    assert all(task["answers"] == 0 for task in tasks_on_server(workspace))
