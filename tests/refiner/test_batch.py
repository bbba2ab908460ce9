import csv
import html.parser
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import editfhf
from editfhf.errors import BadInput
from editfhf.schema import DIMENSIONS
from refiner.batch import COLUMNS, refine_batch
from refiner.pairs import find_pairs
from refiner.trace import RefineTrace
from tests.refiner.small_refiner import MAGENTA, small_refiner, write_pairs

SLOW_BATCH = """
import sys
from refiner.batch import refine_batch
from refiner.pairs import find_pairs
from tests.refiner.small_refiner import small_refiner
refine_batch(small_refiner(delay=0.05), find_pairs(sys.argv[1]), sys.argv[2])
"""


def results(out: Path) -> list[dict[str, str]]:
    with (out / "results.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class Links(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.targets += [value for name, value in attrs if name in ("href", "src")]


def test_each_pair_becomes_a_trace_and_a_row_of_the_table(tmp_path):
    sheet = write_pairs(tmp_path / "in", 3, clean=(1,))
    told = []
    counts = refine_batch(small_refiner(), find_pairs(str(sheet)), tmp_path / "out", lambda *done: told.append(done))
    assert (counts.pairs, counts.refined, counts.set_aside) == (3, 3, 0)
    assert (counts.improved, counts.left_as_they_were) == (2, 1)
    assert told[0] == (0, 3)
    assert told[-1] == (3, 3)
    rows = results(tmp_path / "out")
    assert list(rows[0]) == list(COLUMNS)
    for row in rows:
        trace = RefineTrace.load(tmp_path / "out" / row["id"])
        assert float(row["before"]) == pytest.approx(trace.scores[0].mean, abs=0.01)
        assert float(row["after"]) == pytest.approx(trace.scores[trace.best_index].mean, abs=0.01)
        assert all(float(row[f"after_{name}"]) == float(row["after"]) for name in DIMENSIONS)
        assert int(row["accepted_steps"]) == len(trace.images) - 1
        assert row["stopped"] == trace.stopped
        assert not (trace.best == MAGENTA).all(axis=2).any()
        assert (tmp_path / "out" / row["best_image"]).is_file()
    assert [int(row["accepted_steps"]) for row in rows] == [1, 0, 1]
    assert [row["id"][:8] for row in rows] == ["edited-0", "edited-1", "edited-2"]
    assert counts.mean_gain == pytest.approx(
        np.mean([float(row["after"]) - float(row["before"]) for row in rows]), abs=0.01
    )


def test_the_index_links_every_trace_and_writes_what_was_asked_as_text(tmp_path):
    sheet = write_pairs(tmp_path / "in", 3, rows=("images/none.png,images/edited 0.png,<script>alert(1)</script>",))
    refine_batch(small_refiner(), find_pairs(str(sheet)), tmp_path / "out")
    page = (tmp_path / "out/index.html").read_text(encoding="utf-8")
    links = Links()
    links.feed(page)
    assert {tag for tag in links.tags if tag in ("b", "script")} == set()
    assert sum(target.endswith("trace.html") for target in links.targets) == 3
    assert all((tmp_path / "out" / target).is_file() for target in links.targets)
    assert "Trained on simulated people" in page
    assert "<h1>3 edits looked at, 3 improved</h1>" in page
    assert "better beyond its error" not in page


def test_the_index_counts_what_was_improved_and_says_why_the_rest_was_not(tmp_path):
    refine_batch(small_refiner(), find_pairs(str(write_pairs(tmp_path / "in", 4, clean=(0, 1, 3)))), tmp_path / "out")
    page = (tmp_path / "out/index.html").read_text(encoding="utf-8")
    assert page.count("4 edits looked at, 1 improved") == 2  # title and heading
    assert "3 stay as they are: nothing was found to repair, or no candidate was better beyond its error." in page


def test_what_is_done_is_not_done_again_and_the_table_is_whole(tmp_path):
    sheet = write_pairs(tmp_path / "in", 3)
    refine_batch(small_refiner(), find_pairs(str(sheet))[:2], tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.png")}
    counts = refine_batch(small_refiner(), find_pairs(str(sheet)), tmp_path / "out")
    assert (counts.refined, counts.done_before, counts.improved) == (1, 2, 3)
    assert len(results(tmp_path / "out")) == 3
    assert all(path.stat().st_mtime_ns == when for path, when in before.items())


def test_a_bad_pair_is_a_row_with_its_reason_and_the_rest_is_done(tmp_path):
    rows = (
        "images/photo 0.png,images/missing.png,make it red",
        "images/photo 0.png,pairs.csv,make it red",
        "images/photo 0.png,images/edited 1.png,",
        "images/photo 1.png,images/edited 1.png,make it <b>1</b> times as red",
        ",images/edited 1.png,make it red",
    )
    sheet = write_pairs(tmp_path / "in", 2, rows=rows)
    counts = refine_batch(small_refiner(), find_pairs(str(sheet)), tmp_path / "out")
    assert (counts.refined, counts.set_aside) == (2, 5)
    told = [row["reason"] for row in results(tmp_path / "out")]
    assert told[:2] == ["", ""]
    for line, reason, words in zip(
        range(4, 9), told[2:], ("missing.png does not exist", "not an image", "empty", "same pair as", "column source"),
        strict=True,
    ):  # fmt: skip
        assert f"line {line}: " in reason
        assert words in reason
    assert list(counts.reasons) == told[2:]
    # Once the file is there, the next run takes it.
    (tmp_path / "in/images/missing.png").write_bytes((tmp_path / "in/images/edited 0.png").read_bytes())
    assert refine_batch(small_refiner(), find_pairs(str(sheet)), tmp_path / "out").refined == 1


def test_killed_at_any_moment_it_goes_on_and_ends_as_if_it_had_not_been(tmp_path):
    sheet = write_pairs(tmp_path / "in", 12, clean=(3, 7))
    out = tmp_path / "out"
    moments = random.Random(5)
    kills = 0
    for _ in range(4):
        done = len(list(out.glob("*/trace.json"))) if out.exists() else 0
        process = subprocess.Popen([sys.executable, "-c", SLOW_BATCH, str(sheet), str(out)])
        while process.poll() is None and len(list(out.glob("*/trace.json"))) < min(done + 2, 11):
            time.sleep(0.01)
        time.sleep(moments.random() * 0.1)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        for folder in out.glob("edited*"):
            RefineTrace.load(folder)  # whole
    assert kills >= 3
    counts = refine_batch(small_refiner(), find_pairs(str(sheet)), out)
    assert counts.done_before >= 6
    assert counts.refined + counts.done_before == 12
    assert not list(out.glob(".*.tmp"))
    refine_batch(small_refiner(), find_pairs(str(sheet)), tmp_path / "unbroken")
    ours, theirs = results(out), results(tmp_path / "unbroken")
    assert [row | {"seconds": ""} for row in ours] == [row | {"seconds": ""} for row in theirs]


def test_a_damaged_trace_is_made_again(tmp_path):
    sheet = write_pairs(tmp_path / "in", 1)
    refine_batch(small_refiner(), find_pairs(str(sheet)), tmp_path / "out")
    (trace,) = (tmp_path / "out").glob("*/trace.json")
    trace.write_text(trace.read_text()[:100])
    assert refine_batch(small_refiner(), find_pairs(str(sheet)), tmp_path / "out").refined == 1
    RefineTrace.load(trace.parent)


@pytest.mark.parametrize("name", ["image-1.png", "best.png", "source.png", "map-1-artifact.png", "trace.html"])
def test_a_trace_that_lost_a_file_is_made_again(tmp_path, name):
    pairs = find_pairs(str(write_pairs(tmp_path / "in", 2)))
    refine_batch(small_refiner(), pairs, tmp_path / "out")
    lost = tmp_path / "out" / pairs[1].id / name
    lost.unlink()
    counts = refine_batch(small_refiner(), pairs, tmp_path / "out")
    assert (counts.refined, counts.done_before) == (1, 1)
    assert lost.is_file()


def test_one_folder_holds_one_run_with_one_configuration_and_nothing_else(tmp_path):
    pairs = find_pairs(str(write_pairs(tmp_path / "in", 1)))
    refine_batch(small_refiner(), pairs, tmp_path / "out", settings={"run": "a@1"})
    with pytest.raises(BadInput, match=r"begun with another run \('a@1', now 'b@2'\)"):
        refine_batch(small_refiner(), pairs, tmp_path / "out", settings={"run": "b@2"})
    with pytest.raises(BadInput, match="another max iterations"):
        refine_batch(small_refiner(), pairs, tmp_path / "out", max_iterations=9, settings={"run": "a@1"})
    with pytest.raises(BadInput, match="not empty"):
        refine_batch(small_refiner(), pairs, tmp_path / "in")
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="cannot be written"):
        refine_batch(small_refiner(), pairs, tmp_path / "file")
    (tmp_path / "out/batch.json").write_text("{")
    with pytest.raises(BadInput, match="cannot be read"):
        refine_batch(small_refiner(), pairs, tmp_path / "out", settings={"run": "a@1"})


def test_pairs_are_found_in_a_file_a_folder_and_a_dataset(tmp_path, dataset):
    sheet = write_pairs(tmp_path / "in", 2)
    by_file, by_folder = find_pairs(str(sheet)), find_pairs(str(sheet.parent))
    assert [one.id for one in by_file] == [one.id for one in by_folder]
    rows = find_pairs(str(dataset), "validation")
    assert all(len(one.id) == 16 for one in rows)
    counts = refine_batch(small_refiner(), rows[:2], tmp_path / "out")
    assert counts.refined == 2
    assert {path.parent.name for path in (tmp_path / "out").glob("*/trace.json")} == {one.id for one in rows[:2]}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.csv", "does not exist"),
        ("no/such", "neither a folder nor|does not give it"),
        ("empty", "no CSV file and no dataset"),
        ("two", "2 CSV files, none of them pairs.csv"),
        ("columns.csv", "no column instruction"),
        ("header.csv", "has no pairs"),
    ],
)
def test_what_is_no_list_of_pairs_is_one_sentence(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("two").mkdir()
    for file in ("two/a.csv", "two/b.csv", "header.csv"):
        Path(file).write_text("source,edited,instruction\n")
    Path("columns.csv").write_text("source,edited\na,b\n")
    with pytest.raises(BadInput, match=message):
        find_pairs(name)


def test_a_split_that_is_not_there_is_one_sentence(dataset):
    with pytest.raises(BadInput, match="no split 'tset'"):
        find_pairs(str(dataset), "tset")


def test_the_settings_are_kept_for_whoever_looks_later(tmp_path):
    refine_batch(
        small_refiner(), find_pairs(str(write_pairs(tmp_path / "in", 1))), tmp_path / "out", settings={"run": "a"}
    )
    assert json.loads((tmp_path / "out/batch.json").read_text()) == {"max_iterations": 4, "run": "a"}


def test_no_editor_repairs_its_own_edits_of_a_dataset(dataset):
    every = find_pairs(str(dataset), "train")
    own = editfhf.load(str(dataset))["train"]["model"]
    editor = own[0]
    refused = 0
    for pair, model in zip(find_pairs(str(dataset), "train", apart_from=editor), own, strict=True):
        if model == editor:
            refused += 1
            with pytest.raises(BadInput, match=f"was made by {editor}"):
                pair.read()
        else:
            pair.read()
    assert 0 < refused < len(every)
