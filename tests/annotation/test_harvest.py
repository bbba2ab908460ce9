"""What is read from exports, without a server: memory, a kill in the middle, and what became of a thing since it was
handed out."""

import csv
import json
import multiprocessing
import os
import shutil
import signal
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from annotation import collect, harvest
from annotation.campaign import read_assignments
from annotation.cost import plan_workspace
from annotation.export_file import read_export
from annotation.harvest import HARVESTED
from annotation.harvest_files import harvest_files
from annotation.items import preference_item, verdict_items
from annotation.offers import Offers
from annotation.pair_folders import readable_pairs, take_in, write_copies
from annotation.pseudonyms import Pseudonyms
from annotation.published import address_of
from annotation.shown_regions import recall, remember
from editfhf.errors import JobFailed
from editfhf.files import remove_leftovers
from editfhf.schema import Assignment, Region, Verdict, stable_id
from tests.annotation.conftest import use_settings
from tests.annotation.label_studio_json import annotation, ratings, region
from tests.factories import make_workspace

EMAILS = {1: "ann@example.org"}
SQUARE = [[[0.1, 0.1], [0.5, 0.1], [0.5, 0.5]]]


@pytest.fixture
def workspace(tmp_path):
    return make_workspace(tmp_path / "workspace", n_sources=1)


def hand_out(workspace, project_type, *things):
    """Every thing to whoever comes; returns their items."""
    rows = [Assignment(stable_id(thing), "", project_type, thing, "edit", 1) for thing in things]
    workspace.write_table("assignments", [*read_assignments(workspace), *rows])
    return [row.item_id for row in rows]


def read(workspace, name, *tasks):
    """Read an export as the only project, and the tables of the workspace from it."""
    path = collect.raw_folder(workspace) / f"{name}.json"
    path.write_text(json.dumps(list(tasks)))
    folder = path.with_suffix("")
    is_whole = collect.harvest(1, collect.known_of(workspace, EMAILS), path, folder)
    collect.merge(workspace, [folder])
    return is_whole


def task(item, *results, **data):
    return {"id": 3, "data": {"item": item, **data}, "annotations": [annotation(result) for result in results]}


def rows_of(workspace, table):
    return workspace.read_table(table).to_pylist()


# Memory


def test_reading_four_times_as_many_answers_takes_no_more_memory(workspace, tmp_path, monkeypatch):
    monkeypatch.setattr(harvest, "BATCH", 20)

    def watched(held):
        def tasks(path):
            for one in read_export(path):
                held.append(max(held.pop(), pa.total_allocated_bytes()))
                yield one

        return tasks

    def peak(n: int) -> int:
        items = hand_out(workspace, "together", *[edit.edit_id for edit in workspace.edits()][:1])
        tasks = [task(items[0], [*ratings(), *region()]) for _ in range(n)]
        for one in tasks[1:]:  # refused with the whole annotation in the row: the largest rows of all
            one["data"]["item"] = "strange"
        path = tmp_path / f"{n}.json"
        path.write_text(json.dumps(tasks))
        known = collect.known_of(workspace, EMAILS)
        held, before = [0], pa.total_allocated_bytes()  # by Arrow: Python does not see it
        tracemalloc.start()
        monkeypatch.setattr(collect, "read_export", watched(held))
        collect.harvest(1, known, path, tmp_path / str(n))
        most = tracemalloc.get_traced_memory()[1] + max(held) - before
        tracemalloc.stop()
        assert pq.read_metadata(tmp_path / f"{n}/refused_answers.parquet").num_rows == n - 1
        return most

    monkeypatch.setattr("annotation.export_file.BLOCK", 1 << 12)
    peak(100)  # what is imported and remembered at first use
    assert peak(1600) < 1.3 * peak(400)


def test_an_item_that_is_there_twice_is_noticed(workspace):
    first, second = hand_out(workspace, "together", *[edit.edit_id for edit in workspace.edits()][:2])
    assert read(workspace, "one", task(first, ratings()), task(second, ratings()), task("strange"), task("strange"))
    assert not read(
        workspace, "one", task(first, ratings()), task(second, ratings()), task(first, ratings("1", "1", "1"))
    )
    assert len(rows_of(workspace, "answers")) == 2
    assert "twice" in rows_of(workspace, "refused_answers")[0]["reason"]


# Killed


def _die_in_the_middle(folder):
    with harvest_files(folder) as put:
        put("answers", pq.read_table(folder / "answers.parquet"))
        os.kill(os.getpid(), signal.SIGKILL)


def test_killed_in_the_middle_the_tables_of_before_stay_and_nothing_is_left_over(workspace):
    (item,) = hand_out(workspace, "together", workspace.edits()[0].edit_id)
    read(workspace, "one", task(item, [*ratings(), *region()]))
    folder = collect.raw_folder(workspace) / "one"
    before = {name: pq.read_table(folder / f"{name}.parquet") for name in HARVESTED}
    process = multiprocessing.get_context("fork").Process(target=_die_in_the_middle, args=(folder,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert all(pq.read_table(folder / f"{name}.parquet").equals(table) for name, table in before.items())
    assert len(list(folder.iterdir())) > len(HARVESTED)
    remove_leftovers(collect.raw_folder(workspace))  # as the next pull does
    assert sorted(path.stem for path in folder.iterdir()) == sorted(HARVESTED)


def test_an_export_that_breaks_off_leaves_the_tables_of_before(workspace):
    (item,) = hand_out(workspace, "together", workspace.edits()[0].edit_id)
    read(workspace, "one", task(item, ratings()))
    path = collect.raw_folder(workspace) / "one.json"
    path.write_text(path.read_text()[:-5])
    folder = path.with_suffix("")
    before = {one.name: one.read_bytes() for one in folder.iterdir()}
    with pytest.raises(JobFailed, match="not a whole export"):
        collect.harvest(1, collect.known_of(workspace, EMAILS), path, folder)
    assert {one.name: one.read_bytes() for one in folder.iterdir()} == before


# What became of a region since it was shown


def drawn(workspace, region_id):
    edit = workspace.edits()[0].edit_id
    return Region(
        edit, "bob", "human", region_id, "artifact", "texture_noise", "region", SQUARE, [], "x", False, 1.0, ""
    )


def test_a_verdict_counts_by_what_was_shown_whatever_became_of_the_region(workspace):
    edit = workspace.edits()[0].edit_id
    (item,) = hand_out(workspace, "verify", "a" * 16)
    remember(workspace, {"a" * 16: edit})
    answer = task(item, verdict_items("texture_noise"))
    workspace.write_table("regions", [drawn(workspace, "a" * 16)])
    read(workspace, "one", answer)
    verdicts = rows_of(workspace, "verdicts")
    assert [(row["region_id"], row["edit_id"], row["verdict"]) for row in verdicts] == [("a" * 16, edit, "flaw")]
    workspace.write_table("regions", [drawn(workspace, "b" * 16)])  # drawn anew: another one
    read(workspace, "one", answer)
    assert rows_of(workspace, "verdicts") == verdicts
    remember(workspace, {"b" * 16: edit})
    assert set(recall(workspace)) == {"a" * 16, "b" * 16}


@pytest.mark.parametrize("table", ["regions", "verdicts"])
def test_regions_handed_out_before_they_were_noted_are_known_by_what_was_brought_home(workspace, table):
    (item,) = hand_out(workspace, "verify", "a" * 16)
    edit = workspace.edits()[0].edit_id
    before = Verdict("a" * 16, edit, "cid", "human", "flaw", "texture_noise", 1.0, "")
    folder = collect.raw_folder(workspace) / "import-regions"
    with harvest_files(folder) as put:
        record = drawn(workspace, "a" * 16) if table == "regions" else before
        put(table, collect.TABLES[table].empty_table())
        put(table, harvest.to_table(table, [record]))
    read(workspace, "one", task(item, verdict_items(None)))
    assert [row["edit_id"] for row in rows_of(workspace, "verdicts")] == [edit]


def test_a_region_of_which_nothing_is_known_is_refused(workspace):
    (item,) = hand_out(workspace, "verify", "a" * 16)
    read(workspace, "one", task(item, verdict_items(None)))
    assert "no region 'aaaa" in rows_of(workspace, "refused_answers")[0]["reason"]


# What became of a pair


@pytest.fixture
def asked(workspace, tmp_path):
    """A folder of pairs in the workspace, with one pair."""
    folder = tmp_path / "asked"
    (folder / "hand-out").mkdir(parents=True)
    names = {name: f"{name}.png" for name in ("source", "left", "right")}
    for number, name in enumerate(names.values()):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / "hand-out" / name)
    edit = {"edit_id": workspace.edits()[0].edit_id, "pair": "pair-001", "after": "left"}
    edit |= {"before_sha256": "0" * 64, "after_sha256": "1" * 64}
    key = {"format": 1, "dataset": "d", "run": "r", "editor": "lite/simple", "seed": 0, "edits": [edit]}
    (folder / "key.json").write_text(json.dumps(key))
    with (folder / "hand-out/pairs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["pair", "instruction", *names])
        writer.writeheader()
        writer.writerow({"pair": "pair-001", "instruction": "remove it", **names})
    return take_in(workspace, folder)


def judged(workspace, pair):
    """A task with this pair, and that the left image is better."""
    key = Pseudonyms.of(workspace).key
    shown = {"first_image": address_of(key, pair.first_file), "second_image": address_of(key, pair.second_file)}
    (item,) = hand_out(workspace, "preference", pair.pair_id)
    return task(item, [preference_item("first")], **shown)


@pytest.mark.parametrize("file", ["key.json", "hand-out/pairs.csv"])
def test_of_a_damaged_folder_of_pairs_the_answers_are_refused_by_name_and_all_others_come_home(workspace, asked, file):
    of_models = next(iter(Offers(workspace, workspace.edits()).all_pairs.values()))
    (in_folder,) = readable_pairs(workspace)
    tasks = [judged(workspace, of_models), judged(workspace, in_folder)]
    read(workspace, "one", *tasks)
    both = rows_of(workspace, "preferences")
    assert {row["pair_id"] for row in both} == {of_models.pair_id, in_folder.pair_id}
    (copy,) = asked.glob("campaign-*.csv")
    content = (asked / file).read_bytes()
    (asked / file).write_bytes(b"{" * 9)

    read(workspace, "one", *tasks)
    assert [row["pair_id"] for row in rows_of(workspace, "preferences")] == [of_models.pair_id]
    (refused,) = rows_of(workspace, "refused_answers")
    assert in_folder.pair_id in refused["reason"]
    assert str(asked / file) in refused["reason"]
    assert copy.is_file()  # what was written there stays, too

    (asked / file).write_bytes(content)
    read(workspace, "one", *tasks)
    assert rows_of(workspace, "preferences") == both
    assert not rows_of(workspace, "refused_answers")
    copy.unlink()
    write_copies(workspace, both)
    assert copy.is_file()


def test_a_photo_that_is_gone_stops_neither_the_answers_nor_the_plan(workspace):
    use_settings(workspace, screens="[preference]")
    n = len(workspace.edits())
    pair = next(iter(Offers(workspace, workspace.edits()).all_pairs.values()))
    answer = judged(workspace, pair)
    shutil.rmtree(workspace.sources_dir)
    workspace.write_table("sources", [])
    read(workspace, "one", answer)
    assert [row["pair_id"] for row in rows_of(workspace, "preferences")] == [pair.pair_id]
    (plan,) = plan_workspace(workspace, n_edits=n)
    assert plan.answers > 0
