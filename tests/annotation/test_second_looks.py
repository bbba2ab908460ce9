"""Verifying and preferring from end to end on the real server: handed out, answered, brought home, forgotten."""

import csv
import json
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from annotation import campaign, collect, membership, simulate
from annotation.campaign import read_assignments, require_projects
from annotation.cost import plan_workspace
from annotation.items import preference_item
from annotation.lone_regions import lone_regions
from annotation.pair_folders import folders_with_choices
from annotation.projects import item_of
from annotation.quality import assess_workspace
from annotation.roster import Roster
from annotation.status import status
from editfhf import cli
from editfhf.errors import BadInput
from refiner.inputs import pixels_hash
from refiner.preferences import read_preferences
from tests.annotation.conftest import use_settings
from tests.annotation.on_server import tasks_on_server

pytestmark = pytest.mark.server
SCREENS = "[regions, verify, preference]"
FEW = {"drawers_per_edit": 2, "verifiers_per_region": 2, "judges_per_pair": 3}


@pytest.fixture
def blind_folder(workspace, tmp_path):
    """What `editfhf pairs` writes, of two edits of this workspace; what is "after" is the photo itself."""
    folder = tmp_path / "asked"
    (folder / "hand-out/images").mkdir(parents=True)
    files = {source.source_id: source.file for source in workspace.sources()}
    edits, rows = [], []
    for number, edit in enumerate(workspace.edits()[:2], start=1):
        before, after = workspace.read_image(edit.image), workspace.read_image(files[edit.source_id])
        side = ("left", "right")[number % 2]
        left, right = (after, before) if side == "left" else (before, after)
        row = {"pair": f"pair-{number:03}", "instruction": edit.instruction, "preferred": ""}
        for column, image in (("source", after), ("left", left), ("right", right)):
            row[column] = f"images/{number}{column}.png"
            Image.fromarray(image).save(folder / "hand-out" / row[column])
        rows.append(row)
        hashes = {"before_sha256": pixels_hash(before), "after_sha256": pixels_hash(after)}
        edits.append({"edit_id": edit.edit_id, "pair": row["pair"], "after": side, **hashes})
    key = {"format": 1, "dataset": "d", "run": "r", "editor": "lite/simple", "seed": 0, "edits": edits}
    (folder / "key.json").write_text(json.dumps(key))
    with (folder / "hand-out/pairs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder


def tables(workspace, *names):
    return [workspace.read_table(name).to_pandas() for name in names]


def test_a_region_of_a_single_person_is_verified_by_others_and_never_by_that_person(workspace, client):
    use_settings(workspace, screens=SCREENS, preference_pairs=0, **FEW)
    first = simulate.simulate(workspace, client, seed=3)
    collect.pull(workspace, client)
    regions, answers = tables(workspace, "regions", "answers")
    lone = lone_regions(regions, answers).set_index("region_id")
    assert 0 < len(lone) < len(regions)

    second = simulate.simulate(workspace, client, seed=3)
    assert second.answers == 2 * len(lone)
    assert first.answers == 2 * len(workspace.edits())
    rows = [row for row in read_assignments(workspace) if row.project_type == "verify"]
    assert {row.role for row in rows} == {"edit"}
    assert all(lone.annotator[row.edit_id] != row.annotator for row in rows)
    load = [sum(row.annotator == person for row in rows) for person in {row.annotator for row in rows}]
    assert max(load) - min(load) <= 1

    for place, project in require_projects(workspace, client).known.items():
        for task in client.tasks(project) if place.project_type == "verify" else ():
            assert set(task.data) == {"item", "source_image", "marked_image", "instruction"}
            assert not any(name in str(task.data) for name in (*lone.index, *lone.edit_id, *lone.annotator))
    counts = collect.pull(workspace, client)
    assert (counts.verdicts, counts.refused) == (2 * len(lone), 0)
    (verdicts,) = tables(workspace, "verdicts")
    assert dict(verdicts.groupby("region_id").annotator.nunique()) == dict.fromkeys(lone.index, 2)
    assert set(verdicts.annotator_kind) == {"simulated"}
    assert (verdicts.edit_id == verdicts.region_id.map(lone.edit_id)).all()
    assert set(verdicts.verdict) <= {"flaw", "no_flaw"}
    assert (verdicts.flaw_type.ne("") == verdicts.verdict.eq("flaw")).all()
    assert len(tables(workspace, "answers")[0]) == len(answers)  # these are about edits as a whole
    assert simulate.simulate(workspace, client, seed=3).answers == 0

    # Who drew a lone region is erased: nobody is shown it any more, nowhere.
    roster = Roster(workspace)
    drawer = next(one for one in roster.members if roster.pseudonym(one) == lone.annotator.iloc[0])
    own = set(lone.index[lone.annotator == lone.annotator.iloc[0]])
    assert all((workspace.annotation_dir / f"marks/{one}.png").is_file() for one in own)
    erased = membership.erase(workspace, client, drawer.email)
    assert erased.rows["verdicts"] > 0
    assert not any((workspace.annotation_dir / f"marks/{one}.png").is_file() for one in own)
    for path in workspace.root.rglob("*.parquet"):
        assert erased.annotator not in str(pq.read_table(path).to_pylist()), path
    assert status(workspace)["tasks"] > 0
    # What the others said of these regions stays, however often it is read.
    (others,) = tables(workspace, "verdicts")
    assert own & set(others.region_id)
    for everything in (False, True):
        collect.pull(workspace, client, everything)
        assert tables(workspace, "verdicts")[0].equals(others)


def test_pairs_of_two_models_and_of_a_folder_are_judged_blindly_and_come_home(workspace, client, blind_folder, capsys):
    use_settings(workspace, screens="[preference]", preference_pairs=3, **FEW)
    Roster(workspace).add(["ann@example.org", "bob@example.org", "cid@example.org"])
    assert cli.run(["annotate", "push", "-w", str(workspace.root), "--pairs", str(blind_folder)]) == 0
    assert campaign.push(workspace, client, blind_folder).tasks == 0
    for member in Roster(workspace).members:
        Roster(workspace).set_state(member.email, "left")
    counts = simulate.simulate(workspace, client, annotators=5, seed=1, mix="")
    assert counts.answers == (3 + 2) * 3
    data = [
        task.data for project in require_projects(workspace, client).known.values() for task in client.tasks(project)
    ]
    assert {tuple(sorted(one)) for one in data} == {
        ("first_image", "instruction", "item", "second_image", "source_image")
    }
    pulled = collect.pull(workspace, client)
    assert (pulled.preferences, pulled.refused, pulled.answers) == (15, 0, 0)
    (preferences,) = tables(workspace, "preferences")
    sides = preferences.groupby("pair_id").left.agg(lambda left: (left == "first").sum())
    assert set(sides) <= {1, 2}  # of three people

    # Of two models: simulated people prefer what is better, whatever side it was on.
    of_models = preferences[preferences.other_edit_id != ""]
    model_of = {edit.edit_id: edit.model for edit in workspace.edits()}
    assert len(of_models) == 9
    chosen = of_models[of_models.choice.isin(["first", "second"])]
    won = [model_of[row.edit_id if row.choice == "first" else row.other_edit_id] for row in chosen.itertuples()]
    assert len(won) > 4
    # Nine opinions with noise in them: were the sides mistaken for each other, it would be a fifth.
    assert np.mean([model.endswith("careful") for model in won]) > 0.4

    # Before and after: the folder in the workspace is what `benchmark --preferences` reads.
    (folder,) = folders_with_choices(workspace)
    assert cli.run(["annotate", "pull", "-w", str(workspace.root)]) == 0
    assert f"editfhf benchmark --preferences {folder}" in " ".join(capsys.readouterr().err.split())
    told = read_preferences(folder, {edit.edit_id for edit in workspace.edits()})
    refined = preferences[preferences.other_edit_id == ""]
    assert told.n_people == told.n_simulated == refined.annotator.nunique()
    mean = refined.assign(vote=refined.choice.map({"first": -1, "tie": 0, "second": 1})).groupby("edit_id").vote.mean()
    assert dict(told.votes) == pytest.approx(dict(mean))
    edit = next(one for one in workspace.edits() if one.edit_id == refined.edit_id.iloc[0])
    assert refined.first_sha256.iloc[0] == pixels_hash(workspace.read_image(edit.image))

    # Damaged, it stops nobody else's answers; mended, its own come home with the next pull.
    content = (folder / "key.json").read_bytes()
    (folder / "key.json").write_bytes(b"{")
    assert cli.run(["annotate", "pull", "-w", str(workspace.root), "--all"]) == 1
    assert f"{folder}/key.json is damaged" in capsys.readouterr().err.replace("\n", "")
    assert set(tables(workspace, "preferences")[0].pair_id) == set(of_models.pair_id)
    (folder / "key.json").write_bytes(content)
    assert cli.run(["annotate", "pull", "-w", str(workspace.root)]) == 0
    assert tables(workspace, "preferences")[0].equals(preferences)

    # Who is set aside has chosen nothing there; who is erased has left nothing.
    person = refined.annotator.iloc[0]
    number = next(one.number for one in Roster(workspace).members if Roster(workspace).pseudonym(one) == person)
    membership.suspend(workspace, client, str(number))
    (preferences,) = tables(workspace, "preferences")
    assert set(preferences[preferences.screened].annotator) == {person}
    assert not (folder / f"campaign-{person}.csv").exists()
    membership.suspend(workspace, client, str(number), undo=True)
    assert (folder / f"campaign-{person}.csv").exists()
    membership.erase(workspace, client, str(number))
    assert not (folder / f"campaign-{person}.csv").exists()
    assert person not in set(tables(workspace, "preferences")[0].annotator)
    assert {row["annotator"] for row in assess_workspace(workspace)} == set(preferences.annotator) - {person}


def test_what_a_suspended_person_alone_drew_is_shown_to_nobody_until_that_is_undone(workspace, client):
    use_settings(workspace, screens="[regions]", **FEW)
    simulate.simulate(workspace, client, seed=3)
    collect.pull(workspace, client)
    use_settings(workspace, screens=SCREENS, preference_pairs=0, **FEW)
    campaign.push(workspace, client)

    def regions_of(person: str) -> set[str]:
        rows = [row for row in read_assignments(workspace) if row.project_type == "verify"]
        return {row.edit_id for row in rows} & set(regions[regions.annotator == person].region_id)

    (regions,) = tables(workspace, "regions")
    roster = Roster(workspace)
    person = max(set(regions.annotator), key=lambda one: len(regions_of(one)))
    number = next(one.number for one in roster.members if roster.pseudonym(one) == person)
    before = regions_of(person)
    assert before
    assert membership.suspend(workspace, client, str(number)).withdrawn >= 2 * len(before)
    assert not regions_of(person)
    membership.suspend(workspace, client, str(number), undo=True)
    assert regions_of(person) == before


def test_without_regions_or_people_the_screen_says_what_it_needs_and_the_others_go_on(workspace, client):
    use_settings(workspace, screens="[regions, verify]", **FEW)
    counts = campaign.push(workspace, client)
    assert counts.tasks == len(workspace.edits())
    assert "people have to be named" in counts.notes[0]
    Roster(workspace).add([f"person-{number}@example.org" for number in range(4)])
    (note,) = campaign.push(workspace, client).notes  # and `annotate push` says it
    assert "`editfhf annotate pull` and push again" in note
    assert not [row for row in read_assignments(workspace) if row.project_type == "verify"]


def test_a_screen_that_alone_has_nothing_to_show_is_bad_input(workspace, client):
    use_settings(workspace, screens="[preference]", preference_pairs=0)
    with pytest.raises(BadInput, match="no folder of pairs"):
        campaign.push(workspace, client)


def test_pairs_need_their_screen_and_a_whole_folder(workspace, client, blind_folder):
    use_settings(workspace, screens="[ratings]")
    with pytest.raises(BadInput, match=r"no screen for pairs.* Add preference to annotation.screens"):
        campaign.push(workspace, client, blind_folder)
    use_settings(workspace, screens="[preference]")
    (blind_folder / "hand-out/images/1left.png").write_bytes(b"no image")
    with pytest.raises(BadInput, match=r"images/1left.png', which is no image"):
        campaign.push(workspace, client, blind_folder)
    assert not list((workspace.annotation_dir / "pairs").glob("*"))
    sheet = blind_folder / "hand-out/pairs.csv"
    absolute = blind_folder / "hand-out/images/2left.png"
    sheet.write_text(sheet.read_text().replace("images/2left.png", str(absolute)))
    Image.new("RGB", (8, 8)).save(blind_folder / "hand-out/images/1left.png")
    with pytest.raises(BadInput, match=rf"{absolute}', which is not named by its place in that folder"):
        campaign.push(workspace, client, blind_folder)
    assert absolute.is_file()


def test_while_nobody_is_named_whoever_comes_compares_pairs(workspace, client):
    use_settings(workspace, screens="[preference]", preference_pairs=2, **FEW)
    assert campaign.push(workspace, client).tasks == 2
    first, second = (task["edit_id"] for task in tasks_on_server(workspace))
    assert first != second
    (project,) = require_projects(workspace, client).known.values()
    task = next(iter(client.tasks(project)))
    client.add_annotation(task.id, {"result": [preference_item("second")], "lead_time": 4.0})
    other = max(client.tasks(project), key=lambda one: one.id)
    shown = other.data | {"first_image": other.data["source_image"]}
    client.import_tasks(project, [{"data": shown, "annotations": [{"result": [preference_item("tie")]}]}])
    client.delete_tasks(project, [other.id])
    pulled = collect.pull(workspace, client)
    assert (pulled.preferences, pulled.refused) == (1, 1)
    (row,) = workspace.read_table("preferences").to_pylist()
    assert row["choice"] == {"first": "second", "second": "first"}[row["left"]]
    assert (row["annotator_kind"], row["lead_time_s"]) == ("human", 4.0)
    assert row["pair_id"] == {one.item_id: one.edit_id for one in read_assignments(workspace)}[item_of(task)]
    (refused,) = workspace.read_table("refused_answers").to_pylist()
    assert "does not show the images of its pair" in refused["reason"]


def test_what_a_push_withdraws_does_not_count_among_the_sides_that_were_shown(workspace, client):
    use_settings(workspace, screens="[preference]", preference_pairs=8, judges_per_pair=4)
    Roster(workspace).add(f"person-{number}@example.org" for number in range(8))
    campaign.push(workspace, client)
    for number in "246":
        Roster(workspace).set_state(number, "left")
    assert campaign.push(workspace, client).withdrawn > 0
    pair_of = {row.item_id: row.edit_id for row in read_assignments(workspace)}
    shown: dict[str, Counter[str]] = {}
    for project in require_projects(workspace, client).known.values():
        for task in client.tasks(project):
            shown.setdefault(pair_of[item_of(task)], Counter())[task.data["first_image"]] += 1
    assert len(shown) == 4
    assert {tuple(sides.values()) for sides in shown.values()} == {(2, 2)}  # two see it one way round, two the other


def test_the_plan_counts_regions_and_pairs(workspace):
    use_settings(workspace, screens=SCREENS, preference_pairs=3, **FEW)
    plans = {one.screen: one for one in plan_workspace(workspace)}
    assert plans["preference"].of_edits == 3 * 3
    assert plans["preference"].answers == 3 * 3
    assert plans["verify"].of_edits == 2 * 2 * len(workspace.edits())  # two for each edit, as long as nobody drew
    assert plans["verify"].people == 3
