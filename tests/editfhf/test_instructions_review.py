"""The review of instructions: written out, edited, given back; what changed is shown, all of it, and only that."""

import json

import pytest

from editfhf import cli
from editfhf.instructions import InstructionChange, read_instructions, write_instructions
from editfhf.workspace import Workspace
from tests.editfhf.test_instructions import rows_of, write_rows
from tests.factories import make_workspace


@pytest.fixture
def small(tmp_path) -> Workspace:
    workspace = make_workspace(tmp_path / "ws", n_sources=2)
    path = workspace.root / "editfhf.yaml"
    path.write_text(path.read_text().replace("  tasks: []", "  tasks: [object_add, lighting_change, style_transfer]"))
    workspace = Workspace.open(workspace.root)
    write_instructions(workspace)
    return workspace


def texts(workspace) -> dict[tuple[str, str], str]:
    return {(one.source_id, one.task): one.text for one in read_instructions(workspace)}


def test_what_a_person_changed_added_and_removed_is_told_one_by_one(small, tmp_path):
    before = texts(small)
    rows = rows_of(small.instructions_path)
    changed, approved, removed = rows[0], rows[1], rows.pop(2)
    old = changed["instruction"]
    changed["instruction"] = "add a kite"
    approved["reviewed"] = "true"
    rows.append({"source_id": removed["source_id"], "task": "text_add", "instruction": "write HELLO", "target": "wall"})
    counts = write_instructions(small, write_rows(tmp_path / "copy.csv", rows), drop_missing=True)
    photo, source_id = removed["photo"], removed["source_id"]
    same = approved["instruction"]
    assert counts.changes == [
        InstructionChange("changed", photo, source_id, "object_add", old, "add a kite"),
        InstructionChange(
            "changed", photo, source_id, "lighting_change", f"{same} [not reviewed]", f"{same} [reviewed]"
        ),
        InstructionChange("added", photo, source_id, "text_add", "", "write HELLO"),
        InstructionChange("removed", photo, source_id, "style_transfer", removed["instruction"], ""),
    ]
    # Told once more: taking the changes back from the new gives the old.
    now = texts(small)
    for one in counts.changes:
        pair = (one.source_id, one.task)
        assert now.get(pair, "") == one.after.removesuffix(" [reviewed]")
        if one.before:
            now[pair] = one.before.removesuffix(" [not reviewed]")
        else:
            del now[pair]
    assert now == before
    assert (counts.added, counts.changed, counts.removed) == (1, 2, 1)


def test_a_copy_given_back_as_it_was_changes_nothing(small, tmp_path):
    copy = tmp_path / "copy.csv"
    copy.write_bytes(small.instructions_path.read_bytes())
    text = small.instructions_path.read_bytes()
    for drop_missing in (False, True):
        counts = write_instructions(small, copy, drop_missing=drop_missing)
        assert (counts.changes, counts.unchanged) == ([], counts.instructions)
        assert small.instructions_path.read_bytes() == text


def test_another_target_is_a_change_that_shows(small, tmp_path):
    rows = rows_of(small.instructions_path)[:1]
    rows[0]["target"] = "the roof"
    (change,) = write_instructions(small, write_rows(tmp_path / "copy.csv", rows)).changes
    assert change.before == f"{rows[0]['instruction']} [about: the whole picture]"
    assert change.after == f"{rows[0]['instruction']} [about: the roof]"


def test_the_command_shows_what_the_file_changed(small, tmp_path, capsys):
    rows = rows_of(small.instructions_path)
    old = rows[0]["instruction"]
    rows[0]["instruction"] = "add a [bold]kite[/bold]"
    copy = str(write_rows(tmp_path / "copy.csv", rows))
    root = str(small.root)
    assert cli.run(["instruct", "-w", root, "--with", copy]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"changed {rows[0]['photo']} {rows[0]['source_id']} {rows[0]['task']} {old} add a [bold]kite[/bold]" in shown
    assert cli.run(["instruct", "-w", root, "--with", copy]) == 0
    assert "What the file changed" not in capsys.readouterr().out
    write_rows(tmp_path / "copy.csv", [{**rows[0], "instruction": "add a boat"}])
    assert cli.run(["instruct", "-w", root, "--with", copy, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["changes"] == [
        {
            "change": "changed",
            "photo": rows[0]["photo"],
            "source_id": rows[0]["source_id"],
            "task": rows[0]["task"],
            "before": "add a [bold]kite[/bold]",
            "after": "add a boat",
        }
    ]
    assert cli.run(["instruct", "-w", root, "--json"]) == 0
    assert "changes" not in json.loads(capsys.readouterr().out)
