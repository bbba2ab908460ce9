import json

import pytest

from annotation import status as live
from annotation.campaign import push
from annotation.collect import pull
from annotation.projects import Projects
from annotation.report_section import campaign_section
from annotation.roster import Roster
from annotation.status import progress_in_tables, status
from annotation.status_page import BLOCKED, bar, tables_of
from editfhf import cli
from editfhf.schema import Answer, Assignment
from tests.annotation.conftest import use_settings
from tests.annotation.label_studio_json import ratings, region
from tests.editfhf.answered import make_answered

EMAILS = ("ann@example.org", "bob@example.org")


@pytest.fixture
def half_done(tmp_path):
    """Two named people who have both answered 15 of 16 edits."""
    workspace = make_answered(tmp_path / "half", n_sources=4)
    use_settings(workspace, drawers_per_edit=2, title="half done")
    roster = Roster(workspace)
    names = dict(zip(("ann", "bob"), (roster.pseudonym(one) for one in roster.add(EMAILS)), strict=True))
    for table in ("ratings", "regions", "answers"):
        rows = workspace.read_table(table).to_pylist()
        workspace.write_table(table, [row | {"annotator": names[row["annotator"]]} for row in rows])
    workspace.write_table("assignments", [
        Assignment(f"{name} {edit.edit_id}", name, "together", edit.edit_id, "edit", position)
        for name in names.values() for position, edit in enumerate(workspace.edits(), start=1)
    ])  # fmt: skip
    return workspace


def test_without_a_server_the_status_is_that_of_the_last_pull(half_done):
    seen = status(half_done)
    assert seen["server"] == "not running"
    assert (seen["answers"], seen["tasks"]) == (30, 32)
    (screen,) = seen["screens"]
    assert (screen["complete"], screen["edits"], screen["measured"]) == (15, 16, True)
    assert seen["hours_left"] == pytest.approx(2 * 30 / 3600, abs=0.05)
    assert json.loads(json.dumps(seen)) == seen
    titles = [title for title, _ in tables_of(seen)]
    assert titles[:2] == ["", "By screen"]
    assert titles[-1] == "By person"


def test_nobody_is_named_by_address_and_nobody_simulated_goes_unmarked(half_done, capsys):
    answers = half_done.read_table("answers").to_pylist()
    extra = Answer(
        answers[0]["edit_id"], "e" * 16, "simulated", "together", "answered", "", 9.0, answers[0]["submitted_at"]
    )
    half_done.write_table("answers", [*answers, extra])
    assert cli.run(["annotate", "status", "-w", str(half_done.root)]) == 0
    printed = capsys.readouterr().out
    section = str(campaign_section(half_done))
    lines = [line.split() for line in printed.splitlines() if " together " in f" {line} "]
    numbers = {line[2][:8]: line[1] for line in lines if len(line) > 2 and line[1] in "12"}
    roster = Roster(half_done)
    assert {roster.pseudonym(one)[:8]: str(one.number) for one in roster.members}.items() >= numbers.items() != set()
    for shown in (printed, section):
        assert "example.org" not in shown
        assert "simulated" in shown.lower()
        assert "eeeeeeee" in shown
    assert section.count("SIMULATED") >= 1


def test_the_section_gives_each_verdict_with_its_reasons_and_is_there_only_for_a_campaign(half_done, campaign):
    assert campaign_section(campaign) is None
    section = str(campaign_section(half_done))
    assert "94%" in section  # 30 of 32
    assert "15 of 16" in section
    assert "docs/quality.md" in section
    for name in {row["annotator"] for row in half_done.read_table("answers").to_pylist()}:
        assert section.count(name[:8]) == 2  # among people and among verdicts


def test_answers_from_a_file_alone_are_shown_too(half_done):
    half_done.table_path("assignments").unlink()
    (half_done.annotation_dir / "people.json").unlink()
    section = str(campaign_section(half_done))
    assert "came from a file" in section
    assert progress_in_tables(half_done).screens == []
    assert {one.done for one in progress_in_tables(half_done).people} == {15}


def test_watching_shows_frame_after_frame_and_ends_with_ctrl_c(half_done, capsys, monkeypatch):
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("editfhf.console.time.sleep", sleep)
    assert cli.run(["annotate", "status", "--watch", "5", "-w", str(half_done.root)]) == 0
    assert slept == [5, 5, 5]
    assert capsys.readouterr().out.count("By screen") == 3
    assert cli.run(["annotate", "status", "--watch", "5", "--json", "-w", str(half_done.root)]) == 2


def test_who_watches_sees_what_was_pulled_meanwhile(half_done):
    frames = live.watch(half_done)
    first = next(frames)
    last = half_done.edits()[-1].edit_id
    rows = half_done.read_table("answers").to_pylist()
    half_done.write_table("answers", [*rows, *({**row, "edit_id": last} for row in rows[:2])])
    second = next(frames)
    assert (first["answers"], second["answers"]) == (30, 32)
    assert second["screens"][0]["complete"] == 16
    assert second["agreement"] != first["agreement"]


def test_a_bar_is_full_only_where_all_is_done():
    assert bar(0) == "░" * 20
    assert bar(0.999).count("░") == 1
    assert bar(1.0) == "█" * 20


@pytest.mark.server
def test_the_server_counts_what_is_not_yet_pulled(workspace, client):
    use_settings(workspace, drawers_per_edit=2)
    Roster(workspace).add(EMAILS)
    push(workspace, client)
    project = min(status(workspace)["progress"], key=lambda row: row["annotator"])
    assert (project["done"], project["asked"]) == (0, 8)
    assert status(workspace)["screens"][0] | {"hours_left": 0} == {
        "screen": "together", "done": 0, "asked": 16, "share": 0, "complete": 0, "edits": 8, "people_each": 2,
        "seconds": 150, "measured": False, "hours_left": 0,
    }  # fmt: skip
    for number in Projects(workspace, client).known.values():
        task = next(iter(client.tasks(number)))
        client.add_annotation(task.id, {"result": [*ratings(), *region()]})
    before = status(workspace)
    assert (before["answers"], [row["tasks"] for row in before["blocked"]]) == (0, [1, 1])
    assert [title for title, _ in tables_of(before)][2] == BLOCKED
    pull(workspace, client)  # they are the administrator's, in other people's projects: nothing of them is taken
    seen = status(workspace)
    assert (seen["answers"], seen["refused"], seen["drafts"]) == (0, 2, 0)
    admin = next(row for row in seen["progress"] if row["state"] == "not named")
    assert (admin["refused"], admin["done"]) == (2, 0)
    assert {row["refused"] for row in seen["progress"] if row is not admin} == {0}
    assert "2 answers, not counted as given" in dict(tables_of(seen))[""]["refused"]
