import json
from dataclasses import asdict

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation import campaign, collect, export_file
from annotation.export_file import read_export
from annotation.harvest import HARVESTED
from annotation.projects import item_of
from editfhf.errors import JobFailed
from editfhf.schema import CheckAnswer, to_table
from tests.annotation.conftest import edits_of, only_project
from tests.annotation.label_studio_json import ratings, region

NOON = "2026-11-02T12:00:00+00:00"


def test_read_export_gives_what_json_gives_however_small_the_blocks(tmp_path, monkeypatch):
    path = tmp_path / "export.json"

    @given(
        tasks=st.lists(st.dictionaries(st.text(), st.integers() | st.text() | st.none(), max_size=4)),
        size=st.integers(1, 9),
    )
    def check(tasks, size):
        monkeypatch.setattr(export_file, "BLOCK", size)
        path.write_text(json.dumps(tasks, ensure_ascii=False), encoding="utf-8")
        assert list(read_export(path)) == tasks

    check()


@pytest.mark.parametrize(
    "text", ["", "[", '[{"id": 1}', '[{"id": 1}, {"id":', "<html>", '[{"id": 1}, 3]', '{"detail": 1}']
)
def test_an_export_that_is_cut_short_is_never_taken_for_a_whole_one(tmp_path, text):
    (tmp_path / "export.json").write_text(text)
    with pytest.raises(JobFailed, match="not a whole export"):
        list(read_export(tmp_path / "export.json"))


@pytest.mark.server
def test_what_is_malformed_is_refused_with_its_reason_while_the_rest_arrives(workspace, client):
    campaign.push(workspace, client)
    tasks = list(client.tasks(only_project(workspace, client)))
    posted = [
        [*ratings(), *region()],
        [*ratings(), *region(points=[[1, 1], [2, 2]])],
        [*ratings(), *region(points=[[200, 10], [50, 10], [50, -5]])],
        [*ratings(), *region(reason=None)],
        [*ratings(), {"id": "x", "from_name": "unknown", "type": "choices", "to_name": "edited", "value": {}}],
        [],
    ]
    for task, result in zip(tasks, posted, strict=False):
        client.add_annotation(task.id, {"result": result, "lead_time": 2.5})
    client.add_annotation(tasks[6].id, {"result": [], "was_cancelled": True})

    counts = collect.pull(workspace, client)
    refused = workspace.read_table("refused_answers").to_pylist()
    edit_of = edits_of(workspace)
    assert (counts.ratings, counts.regions, counts.answers, counts.refused) == (15, 1, 6, 5)
    assert {row["edit_id"] for row in refused} == {edit_of[item_of(task)] for task in tasks[1:6]}
    told = " | ".join(row["reason"] for row in sorted(refused, key=lambda row: row["task"]))
    for reason in ("2 points", "outside the image", "reason is missing", "'unknown'", "empty"):
        assert reason in told
    assert json.loads(refused[0]["raw"])["result"]
    outcomes = {row["edit_id"]: row["outcome"] for row in workspace.read_table("answers").to_pylist()}
    assert outcomes[edit_of[item_of(tasks[0])]] == "answered"
    assert outcomes[edit_of[item_of(tasks[6])]] == "skipped"
    assert set(workspace.read_table("answers")["annotator_kind"].to_pylist()) == {"human"}
    assert (workspace.annotation_dir / "raw" / f"project-{counts.projects[0]}.json").stat().st_mode & 0o077 == 0


@pytest.mark.server
def test_no_address_leaves_the_server(workspace, client):
    campaign.push(workspace, client)
    task = next(iter(client.tasks(only_project(workspace, client))))
    client.add_annotation(task.id, {"result": [*ratings(), *region(reason=None)]})
    collect.pull(workspace, client)
    for name in HARVESTED:
        assert "@" not in str(workspace.read_table(name).to_pylist())


@pytest.mark.server
def test_a_second_pull_changes_nothing_and_later_ones_follow_what_changed_on_the_server(workspace, client):
    campaign.push(workspace, client)
    task, other = list(client.tasks(only_project(workspace, client)))[:2]
    client.add_annotation(task.id, {"result": [*ratings(), *region()], "lead_time": 2.5})
    client.add_annotation(other.id, {"result": ratings(), "lead_time": 4.0})
    first = collect.pull(workspace, client)
    tables = {name: workspace.read_table(name) for name in HARVESTED}
    again = collect.pull(workspace, client)
    assert (again.changed, first.changed) == ([], first.projects)
    assert (again.ratings, again.regions, again.answers) == (first.ratings, first.regions, first.answers)
    assert all(workspace.read_table(name).equals(tables[name]) for name in HARVESTED)
    positions = {row["edit_id"]: row["position"] for row in tables["ratings"].to_pylist()}
    edit_of = edits_of(workspace)
    assert positions == {edit_of[item_of(task)]: 1, edit_of[item_of(other)]: 2}

    annotation = client.annotations(task.id)[0]["id"]
    client._request("PATCH", f"api/annotations/{annotation}", json={"result": ratings("1 Bad", "1 Bad", "1 Bad")})
    client._request("DELETE", f"api/annotations/{client.annotations(other.id)[0]['id']}")
    counts = collect.pull(workspace, client)
    assert (counts.ratings, counts.regions, counts.answers) == (3, 0, 1)
    assert {row["score"] for row in workspace.read_table("ratings").to_pylist()} == {1.0}


@pytest.mark.server
def test_a_person_who_answered_twice_counts_once_and_the_other_answer_is_kept_aside(workspace, client):
    campaign.push(workspace, client)
    task = next(iter(client.tasks(only_project(workspace, client))))
    client.add_annotation(task.id, {"result": ratings("1 Bad", "1 Bad", "1 Bad")})
    client.add_annotation(task.id, {"result": ratings("5 Excellent", "5 Excellent", "5 Excellent")})
    counts = collect.pull(workspace, client)
    assert (counts.ratings, counts.answers, counts.refused) == (3, 1, 1)
    assert {row["score"] for row in workspace.read_table("ratings").to_pylist()} == {5.0}
    assert "twice" in workspace.read_table("refused_answers")["reason"][0].as_py()


@pytest.mark.server
def test_a_task_that_is_there_twice_is_healed_by_the_pull_and_counts_once(workspace, client):
    campaign.push(workspace, client)
    project = only_project(workspace, client)
    first, other, *_ = client.tasks(project)
    answer = {"result": ratings()}
    client.add_annotation(first.id, answer)
    client.import_tasks(project, [{"data": first.data, "annotations": [answer]}, {"data": other.data}])

    counts = collect.pull(workspace, client)
    assert (counts.answers, counts.refused) == (1, 0)
    assert len(list(client.tasks(project))) == len(workspace.edits())
    assert collect.pull(workspace, client).changed == []


def test_a_merged_table_is_read_and_written_in_pieces_without_losing_a_row(workspace, monkeypatch):
    monkeypatch.setattr(collect, "ROW_GROUP", 4)
    rows = [CheckAnswer(f"c{n}", f"a{n % 2}", "human", "ratings", "check", True, "{}", 1.0, NOON) for n in range(11)]
    folders = [workspace.root / f"part-{n}" for n in range(3)]
    for folder, own in zip(folders, (rows[:2], rows[2:2], rows[2:]), strict=True):
        folder.mkdir()
        for name in HARVESTED:
            pq.write_table(to_table(name, own if name == "check_answers" else []), folder / f"{name}.parquet")
    assert collect.merge(workspace, folders)["check_answers"] == len(rows)
    assert workspace.read_table("check_answers").to_pylist() == [asdict(row) for row in rows]
    assert workspace.read_table("ratings").num_rows == 0


def test_one_is_made_ahead_and_an_error_comes_in_its_turn():
    made = []

    def items():
        for n in range(3):
            made.append(n)
            yield n
        raise JobFailed("the fourth")

    taken: list[int] = []
    with pytest.raises(JobFailed, match="the fourth"):
        taken.extend(collect._one_ahead(items()))
    assert taken == made == [0, 1, 2]
