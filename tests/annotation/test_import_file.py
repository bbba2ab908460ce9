import json

import pytest

from annotation.harvest import HARVESTED
from annotation.import_file import import_export
from annotation.membership import erase_imported
from editfhf import cli
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
    assert counts.as_row() == {
        "screen": "together",
        "ratings": 9,
        "regions": 1,
        "answers": 3,
        "refused": 2,
        "erased": 0,
    }
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


def test_an_export_of_which_nothing_can_be_taken_fails_and_says_the_commonest_reason_and_where_to_look(
    workspace, tmp_path, capsys
):
    first = workspace.edits()[0].edit_id
    import_export(workspace, export(tmp_path, task(first, annotation(ratings(), id=1))))
    strange = [task(f"elsewhere-{n}", annotation(ratings(), id=n)) for n in range(2, 5)]
    path = export(tmp_path, *strange, task(first, annotation([], id=9)))
    arguments = ["annotate", "import", str(path), "-w", str(workspace.root)]
    for _ in range(2):
        assert cli.run(arguments) == 1
        said = capsys.readouterr().err
        assert "None of the 4 answers" in said
        assert "this workspace has handed out no item …" in said
        assert str(workspace.table_path("refused_answers")) in said
        assert len(tables_of(workspace)["refused_answers"]) == 4
        assert len(tables_of(workspace)["answers"]) == 1  # what was there stays

    assert cli.run(["annotate", "refused", "-w", str(workspace.root), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["n"], row["lost"], row["project_type"], row["people"]) for row in rows] == [
        (3, 3, "ratings", 1),
        (1, 1, "ratings", 1),
    ]
    assert rows[1]["reason"] == "the answer is empty"


def test_an_export_whose_answers_are_all_in_a_newer_one_is_no_failure(workspace, tmp_path):
    first = workspace.edits()[0].edit_id
    late = annotation(ratings(), id=1, updated_at="2026-11-24T08:00:00.000000Z")
    import_export(workspace, export(tmp_path, task(first, late)))
    assert import_export(workspace, export(tmp_path, task(first, annotation(ratings(), id=1)))).answers == 1


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


def test_a_project_exported_again_when_it_has_grown_counts_once_and_the_newest_wins(workspace, tmp_path):
    first, second, *_ = (edit.edit_id for edit in workspace.edits())
    early = annotation(ratings("1", "1", "1"), id=1)
    late = annotation(ratings("5", "5", "5"), id=1, updated_at="2026-11-24T08:00:00.000000Z")
    other = annotation(ratings(), id=2, completed_by=2)
    more = annotation(ratings(), id=3)
    orders = {}
    for order, files in {"grown": (0, 1), "old one last": (1, 0), "twice": (0, 1, 0, 1)}.items():
        for name in ("raw/import-*.json", "raw/import-*/*"):
            for path in workspace.annotation_dir.glob(name):
                path.unlink()
        exports = [[task(first, early, other)], [task(first, late, other), task(second, more)]]
        for number in files:
            import_export(workspace, export(tmp_path, *exports[number]))
        orders[order] = tables_of(workspace)
    for tables in orders.values():
        assert len(tables["answers"]) == 3
        assert tables["refused_answers"] == []
        ann = {row["annotator"] for row in tables["answers"] if row["edit_id"] == second}
        assert {row["score"] for row in tables["ratings"] if row["edit_id"] == first and {row["annotator"]} == ann} == {
            5
        }


def test_an_answer_that_is_in_one_of_two_exports_alone_stays(workspace, tmp_path):
    first, second, *_ = (edit.edit_id for edit in workspace.edits())
    import_export(workspace, export(tmp_path, task(first, annotation(ratings(), id=1))))
    import_export(workspace, export(tmp_path, task(second, annotation(ratings(), id=2))))
    assert {row["edit_id"] for row in tables_of(workspace)["answers"]} == {first, second}


def test_two_servers_that_number_alike_do_not_hide_each_others_answers(workspace, tmp_path):
    first, second, *_ = (edit.edit_id for edit in workspace.edits())
    import_export(workspace, export(tmp_path, task(first, annotation(ratings(), id=7, completed_by=1))))
    import_export(workspace, export(tmp_path, task(first, annotation(ratings(), id=7, completed_by=2))))
    import_export(workspace, export(tmp_path, task(second, annotation(ratings(), id=7, completed_by=1))))
    assert len(tables_of(workspace)["answers"]) == 3


def test_a_person_asked_twice_in_two_projects_has_one_answer_and_the_other_is_kept_aside(workspace, tmp_path):
    first = workspace.edits()[0].edit_id
    import_export(workspace, export(tmp_path, task(first, annotation(ratings("1", "1", "1"), id=1, project=1))))
    counts = import_export(
        workspace, export(tmp_path, task(first, annotation(ratings("5", "5", "5"), id=9, project=2)))
    )
    assert (counts.answers, counts.refused) == (1, 1)
    tables = tables_of(workspace)
    assert {row["score"] for row in tables["ratings"]} == {5}
    assert "answered twice" in tables["refused_answers"][0]["reason"]


def test_exports_of_different_screens_lie_side_by_side(workspace, tmp_path):
    first = workspace.edits()[0].edit_id
    import_export(workspace, export(tmp_path, task(first, annotation(ratings(), id=1))))
    import_export(workspace, export(tmp_path, task(first, annotation(region(), id=2))))
    assert sorted(row["project_type"] for row in tables_of(workspace)["answers"]) == ["ratings", "regions"]


def test_an_imported_person_is_erased_everywhere_and_no_later_export_brings_the_answers_back(workspace, tmp_path):
    first, second, *_ = (edit.edit_id for edit in workspace.edits())
    secret = annotation([*ratings(), *region(reason="my words")], id=1)
    drafts = [{"user": "ann@example.org", "result": []}]
    path = export(
        tmp_path, task(first, secret, annotation(ratings(), id=2, completed_by=2)) | {"drafts": drafts, "project": 2}
    )
    import_export(workspace, path)
    (ann,) = {row["annotator"] for row in tables_of(workspace)["regions"]}

    assert erase_imported(workspace, "nobody@example.org") is None
    gone = erase_imported(workspace, ann[:8])
    assert (gone.annotator, gone.edits, gone.rows) == (ann, 1, {"ratings": 3, "regions": 1, "answers": 1})

    def is_gone():
        tables = tables_of(workspace)
        kept = b"".join(path.read_bytes() for path in workspace.annotation_dir.rglob("*") if path.is_file())
        return (
            all(row["annotator"] != ann for rows in tables.values() for row in rows)
            and b"my words" not in kept
            and b"ann@example.org" not in kept
        )

    assert is_gone()
    assert len(tables_of(workspace)["answers"]) == 1  # the other's
    import_export(workspace, path)
    assert is_gone()
    again = export(tmp_path, task(second, annotation([*ratings(), *region(reason="my words")], id=5)))
    assert import_export(workspace, again).erased == 1
    assert is_gone()
    assert len(tables_of(workspace)["answers"]) == 1
    copies = [*workspace.annotation_dir.glob("raw/import-*.json"), workspace.annotation_dir / "erased.json"]
    assert {copy.stat().st_mode & 0o777 for copy in copies} == {0o600}


def test_an_imported_person_is_erased_by_command_without_any_server(workspace, tmp_path, capsys):
    import_export(
        workspace, export(tmp_path, task(workspace.edits()[0].edit_id, annotation(ratings(), completed_by=3)))
    )
    arguments = ["annotate", "erase", "user-3@label-studio.export", "-w", str(workspace.root), "--yes", "--json"]
    assert cli.run(arguments) == 0
    assert json.loads(capsys.readouterr().out)["ratings"] == 3
    assert tables_of(workspace)["answers"] == []
    assert cli.run(arguments) == 2  # nobody is called so, and there is no server to ask
