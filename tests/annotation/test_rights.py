"""The right to be forgotten, and membership, on the real Label Studio: who is erased stays so, whatever is restored."""

import io
import json

import pyarrow.parquet as pq
import pytest

from annotation import backup, campaign, collect, membership, server, simulate
from annotation.campaign import read_assignments, require_projects
from annotation.client import connect
from annotation.import_file import import_export
from annotation.projects import Place, Projects
from annotation.roster import Roster
from editfhf import cli
from editfhf.errors import BadInput, JobFailed
from tests.annotation.conftest import own_server, use_settings
from tests.annotation.label_studio_json import ratings

pytestmark = pytest.mark.server


@pytest.fixture
def answered(workspace, client):
    """Three people have answered all of it, and it was brought home."""
    use_settings(workspace, drawers_per_edit=2, simulated_annotators=3)
    simulate.simulate(workspace, client)
    collect.pull(workspace, client)
    return workspace


def user_of(client, email: str) -> int:
    return next(number for number, one in client.users().items() if one == email)


def traces(workspace, email: str, pseudonym: str) -> list[str]:
    """Files of the workspace that still hold a person, but for the server's own and the list of who was erased."""
    found = []
    for path in workspace.root.rglob("*"):
        if path.is_file() and "label-studio" not in path.parts and path.suffix not in (".lock", ".zip"):
            content = path.read_bytes()
            if path.suffix == ".parquet":
                content = str(pq.read_table(path).to_pylist()).encode()
            if email.encode() in content or (pseudonym.encode() in content and path.name != "erased.json"):
                found.append(path.name)
    return found


def raw_answers_by(workspace, user: int) -> int:
    files = (workspace.annotation_dir / "raw").glob("project-*.json")
    tasks = [task for path in files for task in json.loads(path.read_text())]
    return sum(one["completed_by"] == user for task in tasks for one in task["annotations"])


@own_server
def test_what_a_restored_server_still_has_of_an_erased_person_does_not_come_home(answered, client, tmp_path, capsys):
    workspace, roster = answered, Roster(answered)
    gone = roster.find("2")
    pseudonym, user = roster.pseudonym(gone), user_of(client, gone.email)
    # Once by mistake in somebody else's project: refused, with all that was said.
    other = require_projects(workspace, client).known[Place("together", 1)]
    task = next(iter(client.tasks(other)))
    client.add_annotation(task.id, {"result": ratings("1", "1", "1"), "completed_by": user})
    assert collect.pull(workspace, client).refused == 1
    theirs = workspace.read_table("answers")["annotator"].to_pylist().count(pseudonym) + 1
    made = backup.back_up(workspace, tmp_path / "before.zip")

    membership.erase(workspace, client, "2")
    assert traces(workspace, gone.email, pseudonym) == []
    server.stop(workspace)
    try:
        backup.restore(workspace, made)
    finally:
        server.serve(workspace, print)
    client = connect(workspace)
    assert Place("together", 2) in Projects(workspace, client).known  # it is back

    for everything in (False, True):
        counts = collect.pull(workspace, client, everything)
        assert (counts.erased, counts.refused) == (theirs, 0)
        assert traces(workspace, gone.email, pseudonym) == []
        assert raw_answers_by(workspace, user) == 0
    (new,) = Roster(workspace).add(["new@example.org"])
    assert new.number == 4  # not the restored project of the other

    root = str(workspace.root)
    assert cli.run(["annotate", "pull", "--all", "-w", root]) == 0
    assert f"Left out: {theirs} answers of people who were erased; they are on the server" in capsys.readouterr().err
    assert cli.run(["annotate", "erase", gone.email, "--yes", "-w", root]) == 0
    assert f"DELETE /api/users/{user}" in capsys.readouterr().err
    for project in Projects(workspace, client).known.values():
        assert client.tasks_answered_by(project, user) == []
    assert collect.pull(workspace, client).erased == 0


def test_a_project_that_is_on_no_server_any_more_keeps_nothing_of_an_erased_person(answered, client):
    roster = Roster(answered)
    gone = roster.find("2")
    user, pseudonym = user_of(client, gone.email), roster.pseudonym(gone)
    shared = require_projects(answered, client).known[Place("together", 1)]
    task = next(iter(client.tasks(shared)))
    client.add_annotation(task.id, {"result": ratings("1", "1", "1"), "completed_by": user})
    collect.pull(answered, client)
    third = Place("together", 3)
    for number in (1, 2):
        client.delete_project(require_projects(answered, client).known[Place("together", number)])
    assert len(collect.pull(answered, client).gone) == 2
    assert raw_answers_by(answered, user) > 1
    others = raw_answers_by(answered, user_of(client, roster.find("1").email))
    damaged = collect.raw_folder(answered) / f"project-{require_projects(answered, client).known[third]}.json"
    damaged.write_text('[{"id": 1, "annotations": [')
    membership.erase(answered, client, "2")
    assert raw_answers_by(answered, user) == 0
    assert raw_answers_by(answered, user_of(client, roster.find("1").email)) == others > 0
    assert traces(answered, gone.email, pseudonym) == []
    assert not damaged.exists()


def test_an_old_export_of_the_campaign_brings_nothing_of_an_erased_person_back(answered, client, tmp_path):
    roster = Roster(answered)
    gone = roster.find("2")
    pseudonym, user = roster.pseudonym(gone), user_of(client, gone.email)
    places = require_projects(answered, client).known
    task = next(iter(client.tasks(places[Place("together", 1)])))
    client.add_annotation(task.id, {"result": ratings("1", "1", "1"), "completed_by": user})
    exports = [tmp_path / f"{number}.json" for number in (1, 2)]
    for number, path in enumerate(exports, start=1):
        client.export(places[Place("together", number)], path)

    def kept_of_imports() -> list[int]:
        files = (answered.annotation_dir / "raw").glob("import-*.json")
        tasks = [task for path in files for task in json.loads(path.read_text())]
        return sorted(one["completed_by"] for task in tasks for one in task["annotations"])

    n_others = len([one for task in json.loads(exports[0].read_text()) for one in task["annotations"]]) - 1
    n_own = len([one for task in json.loads(exports[1].read_text()) for one in task["annotations"]])
    with pytest.raises(JobFailed, match="None of the"):  # a number on that server is nobody here; the file is kept
        import_export(answered, exports[0])  # before, and both after
    assert user in kept_of_imports()
    membership.erase(answered, client, "2")
    assert kept_of_imports() == [user_of(client, roster.find("1").email)] * n_others
    with pytest.raises(JobFailed, match="None of the"):  # so it is of the others
        import_export(answered, exports[0])
    assert import_export(answered, exports[1]).erased == n_own
    assert kept_of_imports() == [user_of(client, roster.find("1").email)] * n_others
    refused = answered.read_table("refused_answers").to_pylist()
    assert {json.loads(row["raw"])["completed_by"] for row in refused} == {user_of(client, roster.find("1").email)}
    assert traces(answered, gone.email, pseudonym) == []


def test_an_erasure_that_is_killed_brings_nothing_back_and_is_finished_by_the_next(answered, client, monkeypatch):
    roster = Roster(answered)
    gone = roster.find("3")
    pseudonym = roster.pseudonym(gone)
    n = len(answered.read_table("answers"))
    theirs = answered.read_table("answers")["annotator"].to_pylist().count(pseudonym)

    def die(_project):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(client, "delete_project", die)
        with pytest.raises(KeyboardInterrupt):
            membership.erase(answered, client, "3")
    counts = collect.pull(answered, client, everything=True)
    assert (counts.erased, counts.answers) == (theirs, n - theirs)
    membership.erase(answered, client, "3")
    assert traces(answered, gone.email, pseudonym) == []
    assert Place("together", 3) not in Projects(answered, client).known
    assert [one.number for one in Roster(answered).add(["new@example.org"])] == [4]


def test_who_was_erased_does_not_join_again_under_the_same_address(answered, client):
    roster = Roster(answered)
    gone = roster.find("3").email
    membership.erase(answered, client, "3")
    with pytest.raises(BadInput, match=r"was erased.* under another address"):
        Roster(answered).add(["new@example.org", gone])
    assert len(Roster(answered).members) == 2
    use_settings(answered, drawers_per_edit=1, simulated_annotators=3)
    simulate.simulate(answered, client)  # a rehearsal goes on without
    assert gone not in {one.email for one in Roster(answered).members}


def test_erase_says_whom_it_means_before_it_asks_and_no_changes_nothing(answered, client, capsys, monkeypatch):
    root, member = str(answered.root), Roster(answered).find("2")
    before = answered.read_table("answers")
    for said in ("n\n", ""):
        monkeypatch.setattr("sys.stdin", io.StringIO(said))
        assert cli.run(["annotate", "erase", "2", "-w", root]) == 1
        shown = capsys.readouterr()
        assert f"{member.email} (number 2, pseudonym {Roster(answered).pseudonym(member)})" in shown.out
        assert "Nothing was changed." in shown.out
        assert "Stopped" not in shown.err
    assert answered.read_table("answers").equals(before)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert cli.run(["annotate", "erase", "nobody@example.org", "-w", root]) == 2
    shown = capsys.readouterr()
    assert "Nobody in" in shown.err
    assert "Remove every answer" not in shown.out
    assert cli.run(["annotate", "erase", "2", "-w", root]) == 0
    assert [one.number for one in Roster(answered).members] == [1, 3]


@own_server
def test_copies_of_the_server_that_still_hold_an_erased_person_are_named(answered, client):
    made = backup.back_up(answered)
    aside = server.data_dir(answered) / "label_studio.sqlite3.before-restore"
    aside.touch()
    try:
        notes = membership.still_held(answered, membership.erase(answered, client, "2"))
    finally:
        made.unlink()
        aside.unlink()
    assert "annotate push" in notes[0]
    assert f"annotation/backups/{made.name}" in notes[1]
    assert aside.name in notes[1]


def test_back_ups_elsewhere_are_spoken_of_where_none_lie_here(campaign):
    notes = membership.still_held(campaign, membership.Erased("a" * 16, {}, [], 0))
    assert any("wherever `editfhf annotate serve --backup FILE` put them, still hold" in one for one in notes)


# Who is set aside


def screened(workspace) -> set[str]:
    table = workspace.read_table("answers").to_pandas()
    return set(table[table.screened].annotator)


def test_who_had_left_or_leaves_meanwhile_is_not_active_again_when_a_suspension_is_undone(answered, client):
    use_settings(answered, drawers_per_edit=1)
    roster = Roster(answered)
    roster.set_state("2", "left")
    membership.suspend(answered, client, "2")
    assert screened(answered) == {roster.pseudonym(roster.find("2"))}
    membership.suspend(answered, client, "2")  # twice changes nothing
    membership.suspend(answered, client, "2", undo=True)
    assert (Roster(answered).find("2").state, screened(answered)) == ("left", set())
    with pytest.raises(BadInput, match=r"is not suspended \(left\)"):
        membership.suspend(answered, client, "2", undo=True)

    membership.suspend(answered, client, "3")
    Roster(answered).set_state("3", "paused")
    assert Roster(answered).find("3").state == "suspended"  # the answers stay set aside
    membership.suspend(answered, client, "3", undo=True)
    assert Roster(answered).find("3").state == "paused"


@pytest.mark.parametrize("where", ["project_state", "import_tasks"])
def test_a_suspension_whose_push_dies_half_way_is_flagged_and_repeatable(answered, client, monkeypatch, where):
    Roster(answered).add(["new@example.org"])
    bad = Roster(answered).pseudonym(Roster(answered).find("2"))

    def die(*_arguments):
        raise JobFailed("the server has died")

    with monkeypatch.context() as patch:
        patch.setattr(client, where, die)
        with pytest.raises(JobFailed):
            membership.suspend(answered, client, "2")
    assert (Roster(answered).find("2").state, screened(answered)) == ("suspended", {bad})
    membership.suspend(answered, client, "2")
    rows = [row for row in read_assignments(answered) if row.annotator != bad]
    assert len({(row.edit_id, row.annotator) for row in rows}) == 2 * 8
    assert campaign.push(answered, client).tasks == 0
