import json

import pytest

from annotation.harvest import HARVESTED
from annotation.import_file import import_export
from editfhf.errors import BadInput
from tests.annotation.label_studio_json import annotation, outcome, placeless, ratings, region, region_in_photo
from tests.factories import make_workspace


@pytest.fixture
def workspace(tmp_path):
    return make_workspace(tmp_path / "workspace", n_sources=2)


def export(tmp_path, *tasks):
    path = tmp_path / "export.json"
    path.write_text(json.dumps(list(tasks)))
    return path


def task(edit_id, *annotations):
    return {"id": 3, "data": {"edit_id": edit_id}, "annotations": list(annotations)}


def tables_of(workspace):
    return {name: workspace.read_table(name).to_pylist() for name in HARVESTED}


def test_answers_of_another_server_arrive_and_the_same_file_again_changes_nothing(workspace, tmp_path):
    first, second, *_ = (edit.edit_id for edit in workspace.edits())
    path = export(
        tmp_path,
        task(first, annotation([*ratings("1", "2", "3"), *region()]), annotation(ratings(), completed_by=2)),
        task(second, annotation(ratings(), completed_by=2), annotation([], completed_by=1)),
        task("elsewhere", annotation(ratings())),
        {"id": 4, "data": {"edit_id": second}},
    )
    counts = import_export(workspace, path)
    assert counts.as_row() == {"screen": "together", "ratings": 9, "regions": 1, "answers": 3, "refused": 2}
    tables = tables_of(workspace)
    scores = [row["score"] for row in tables["ratings"] if row["edit_id"] == first]
    assert sorted(scores) == sorted([1, 2, 3, 4, 2, 5])
    assert len({row["annotator"] for row in tables["answers"]}) == 2
    assert {row["annotator_kind"] for row in tables["answers"]} == {"human"}
    assert [row["edit_id"] for row in tables["regions"]] == [first]
    told = " | ".join(row["reason"] for row in tables["refused_answers"])
    assert "no item 'elsewhere'" in told
    assert "empty" in told

    assert import_export(workspace, path) == counts
    assert tables_of(workspace) == tables
    raw = workspace.annotation_dir / "raw"
    assert [copy.stat().st_mode & 0o777 for copy in raw.glob("import-*.json")] == [0o600]


@pytest.mark.parametrize(
    ("result", "screen"),
    [
        (ratings(), "ratings"),
        ([*ratings(), *region()], "together"),
        ([*ratings(), *placeless("whole_artifact", ["texture_noise"], "grey")], "together"),
        (region(), "regions"),
        (region_in_photo(), "regions"),
        (placeless("whole_artifact", ["texture_noise"], "grey"), "regions"),
        (outcome("no_flaw"), "regions"),
    ],
)
def test_the_screen_is_known_by_what_was_answered(workspace, tmp_path, result, screen):
    path = export(tmp_path, task(workspace.edits()[0].edit_id, annotation(result)))
    counts = import_export(workspace, path)
    assert (counts.screen, counts.answers, counts.refused) == (screen, 1, 0)


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b'{"detail": "no"}', b"[3]", b'[{"id": 1}', b"[\xff\xfe]", b"\x89PNG\r\n", b"[" * 200_000],
)
def test_what_is_no_export_is_bad_input_and_changes_nothing(workspace, tmp_path, content):
    path = tmp_path / "export.json"
    path.write_bytes(content)
    before = tables_of(workspace)
    with pytest.raises(BadInput, match="no JSON export"):
        import_export(workspace, path)
    assert tables_of(workspace) == before
    assert not list(workspace.annotation_dir.glob("raw/import-*"))


def test_no_file_is_bad_input(workspace, tmp_path):
    for path in (tmp_path / "nowhere.json", tmp_path):
        with pytest.raises(BadInput, match="is no file"):
            import_export(workspace, path)


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"annotations": 3},
        {"annotations": {"a": 1}},
        {"annotations": [None, 3, "x"]},
        {"data": 3, "annotations": [{}]},
        {"annotations": [{"completed_by": True, "result": 3}]},
        {"annotations": [{"result": [None, 4]}]},
    ],
)
def test_an_odd_task_does_not_keep_the_others_out(workspace, tmp_path, odd):
    path = export(tmp_path, odd, task(workspace.edits()[0].edit_id, annotation(ratings())))
    assert import_export(workspace, path).ratings == 3
