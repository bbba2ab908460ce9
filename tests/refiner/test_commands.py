import csv
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from editfhf import cli
from refiner import commands, runs
from refiner.refiner import Refiner
from refiner.trace import RefineTrace
from tests.refiner.small_refiner import MAGENTA, small_refiner, write_pairs


@pytest.fixture
def sheet(tmp_path, monkeypatch):
    """Three pairs, and `--run run` that is the small refiner."""
    monkeypatch.setattr(commands, "_open", lambda _run, _editor=None: small_refiner())
    monkeypatch.setattr(runs, "version_of", lambda _run: "run@1234")
    monkeypatch.chdir(tmp_path)
    return write_pairs(tmp_path / "in", 3, clean=(1,))


def pair_options(number: int) -> list[str]:
    return [
        "--source", f"in/images/photo {number}.png", "--edited", f"in/images/edited {number}.png",
        "--instruction", "make it red",
    ]  # fmt: skip


def test_one_pair_becomes_a_trace_and_the_command_says_what_came_of_it(sheet, capsys):
    assert cli.run(["refine", *pair_options(0), "-o", "out"]) == 0
    said = capsys.readouterr()
    assert "Next: open out/trace.html in a browser" in said.out
    assert "Trained on simulated people: a rehearsal, not human feedback." in said.err
    assert RefineTrace.load("out").best_index == 1
    assert cli.run(["refine", *pair_options(1), "-o", "out", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["accepted_steps"], shown["after"]) == (0, 100)
    assert Path(shown["best_image"]).name == "best.png"
    assert Path(shown["best_image"]).is_file()
    assert shown["note"].startswith("Trained on simulated")


def test_a_png_file_gets_the_best_image_alone(sheet):
    assert cli.run(["refine", *pair_options(0), "-o", "best.png"]) == 0
    with Image.open("best.png") as image:
        assert not (np.asarray(image) == MAGENTA).all(axis=2).any()
    assert not list(Path().glob("**/trace.json"))


def test_a_batch_ends_with_a_table_a_page_and_what_was_set_aside(sheet, capsys):
    with sheet.open("a") as file:
        file.write("images/photo 0.png,images/none.png,make it red\n")
    assert cli.run(["refine", "--batch", "in", "-o", "out"]) == 0
    said = capsys.readouterr()
    assert "1 pairs were set aside" in said.err
    assert "line 5: " in said.err
    assert "Next: open out/index.html in a browser" in said.out
    assert json.loads(Path("out/batch.json").read_text()) == {
        "max_iterations": 4, "run": "run@1234", "editor": "lite/simple",
    }  # fmt: skip
    assert cli.run(["refine", "--batch", "in/pairs.csv", "-o", "out", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["done_before"], shown["refined"], shown["set_aside"]) == (3, 0, 1)


@pytest.mark.parametrize("command", [["score", "none.csv"], ["refine", "--batch", "none.csv", "-o", "out"]])
def test_a_sheet_of_which_no_pair_can_be_taken_is_bad_input(sheet, capsys, command):
    Path("none.csv").write_text("source,edited,instruction\nin/images/photo 0.png,in/images/none.png,make it red\n")
    assert cli.run(command) == 2
    said = capsys.readouterr()
    assert "none.csv: none of 1 pairs could be taken. The first: " in said.err
    assert "Next:" not in said.out


def test_what_learned_from_few_edits_says_so_before_its_numbers(sheet, monkeypatch, capsys):
    few = small_refiner()
    few.record = few.record.model_copy(update={"n_train": 74, "n_validation": 5})
    monkeypatch.setattr(commands, "_open", lambda *_: few)
    for command in (["score", "in/pairs.csv"], ["refine", *pair_options(0), "-o", "one"]):
        assert cli.run(command) == 0
        assert "learned from 74 edits and was calibrated on 5: too few to trust" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/self").is_dir(), reason="root may write anywhere else")
def test_a_file_where_one_may_not_write_is_said_before_the_work(sheet, capsys):
    out = "/proc/best.png" if os.geteuid() == 0 else "/best.png"
    assert cli.run(["refine", *pair_options(0), "-o", out]) == 2
    assert "that you may write to" in capsys.readouterr().err


def test_score_prints_scores_and_writes_them(sheet, capsys):
    assert cli.run(["score", "in/pairs.csv", "-o", "scores.csv"]) == 0
    said = capsys.readouterr()
    assert "Next: editfhf refine --run run --batch in/pairs.csv" in said.out
    assert "simulated" in said.err
    with Path("scores.csv").open(encoding="utf-8", newline="") as file:
        assert [float(row["perceptual_quality"]) for row in csv.DictReader(file)] == [80, 100, 80]
    assert cli.run(["score", "in/pairs.csv", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [row["visual_consistency"] for row in shown["scores"]] == [80, 100, 80]


def test_an_instruction_that_is_not_english_is_noted_wherever_its_result_is_shown(sheet, capsys):
    note, german = "seems not to be English", "mach das Auto auf dem Bild rot"
    with sheet.open("a") as file:
        file.write(f"images/photo 0.png,images/edited 0.png,{german}\n")
    assert cli.run(["refine", *pair_options(0)[:-1], german, "-o", "one"]) == 0
    assert note in capsys.readouterr().err
    assert note in RefineTrace.load("one").note
    assert note in Path("one/trace.html").read_text()
    assert cli.run(["score", "in/pairs.csv", "-o", "scores.csv"]) == 0
    assert f"- images/edited 0.png: The instruction {note}" in capsys.readouterr().err
    assert cli.run(["refine", "--batch", "in", "-o", "out"]) == 0
    for table in ("scores.csv", "out/results.csv"):
        with Path(table).open(encoding="utf-8", newline="") as file:
            assert [note in row["note"] for row in csv.DictReader(file)] == [False] * 3 + [True]
    assert Path("out/index.html").read_text().count(note) == 1


def test_predict_fills_the_table_and_names_the_next_command(sheet, campaign, capsys):
    assert cli.run(["predict", "--run", "run", "-w", str(campaign.root)]) == 0
    assert f"Next: editfhf annotate push -w {campaign.root} --predictions" in capsys.readouterr().out
    assert campaign.has_table("predictions")
    assert cli.run(["predict", "--run", "run", "-w", str(campaign.root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "run@1234"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["refine"], "--source is missing"),
        (["refine", "--source", "a", "--edited", "b"], "--instruction is missing"),
        (["refine", "--batch", "in", "--source", "a"], "--batch brings its own pairs"),
        (["refine", "--batch", "none.csv"], "none.csv does not exist"),
        (["refine", "--batch", "in", "-o", "in"], "in is not empty"),
        (["refine", *pair_options(0), "-o", "in"], "something other than a trace"),
        (["refine", *pair_options(0), "-o", "best.jpg"], "Name it best.png"),
        (["refine", *pair_options(0), "-o", "none/best.png"], "none/best.png cannot be written"),
        (["refine", *pair_options(9)], "photo 9.png does not exist"),
        (["refine", *pair_options(0), "--max-iterations", "0"], "max-iterations"),
        (["refine", *pair_options(0)[:-1], " "], "instruction is empty"),
        (["score", "none.csv"], "none.csv cannot be read"),
        (["score", "in/images/photo 0.png"], "is an image, not a CSV file"),
        (["score"], "PAIRS.csv"),
        (["score", "in/pairs.csv", "-o", "none/scores.csv"], "cannot be written"),
        (["predict", "-w", "none"], "does not exist"),
    ],
)
def test_a_wrong_input_is_one_sentence_and_exit_code_2(sheet, capsys, arguments, message):
    assert cli.run(arguments) == 2
    said = capsys.readouterr().err
    assert re.search(re.escape(message), said)
    assert said.count("\n") == 1


@pytest.mark.parametrize("command", [["score", "in/pairs.csv"], ["refine", "--batch", "in"], ["predict", "-w", "ws"]])
def test_a_run_that_is_none_is_one_sentence(tmp_path, monkeypatch, capsys, command, campaign):
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "in", 1)
    (tmp_path / "ws").symlink_to(campaign.root)
    (tmp_path / "in/README.md").write_text("of a dataset")
    (tmp_path / "half/checkpoint").mkdir(parents=True)
    for run, message in (("none", "none does not exist"), ("half", "a run that was not finished"), ("in", "no run")):
        assert cli.run([*command, "--run", run]) == 2
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1


def test_an_unknown_editor_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Refiner, "from_run", lambda *_: small_refiner())
    write_pairs(tmp_path / "in", 1)
    assert cli.run(["refine", *pair_options(0), "--editor", "procedural/carefull"]) == 2
    assert "Did you mean 'procedural/careful'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["score", "refine", "predict"])
def test_help_has_an_example(capsys, command):
    assert cli.run([command, "--help"]) == 0
    assert f"editfhf {command} --run run" in capsys.readouterr().out


def test_a_run_that_really_learned_does_all_of_it(tmp_path, monkeypatch, run, dataset, campaign, capsys):
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "in", 2)
    assert cli.run(["score", "--run", str(run), "in/pairs.csv", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)["scores"]
    assert all(0 <= row["perceptual_quality"] <= 100 and row["perceptual_quality_std"] > 0 for row in scores)
    assert cli.run(["refine", "--run", str(run), "--batch", str(dataset), "--split", "test", "-o", "out"]) == 0
    assert len(list(Path("out").glob("*/trace.html"))) > 1
    assert cli.run(["refine", "--run", str(run), *pair_options(0), "--editor", "procedural/careful", "-o", "one"]) == 0
    RefineTrace.load("one")
    assert cli.run(["predict", "--run", str(run), "-w", str(campaign.root)]) == 0
    models = set(campaign.read_table("predictions")["model"].to_pylist())
    assert all(re.fullmatch(rf"{run.name}@[0-9a-f]{{12}}", model) for model in models)
