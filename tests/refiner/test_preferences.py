"""Pairs that people choose from blindly: what is handed out, and what is made of what comes back."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from editfhf import cli
from editfhf.blind_pairs import COLUMNS
from editfhf.errors import BadInput, JobFailed
from refiner import commands, runs
from refiner.blind_pairs import write_pairs
from refiner.data import decode
from refiner.measures.loop import stratified
from refiner.preferences import read_preferences
from tests.refiner.small_refiner import small_refiner


def is_left_alone(image: np.ndarray) -> bool:
    return int(image.sum()) % 3 == 0


def negative(pair):
    return SimpleNamespace(best=pair.edited if is_left_alone(pair.edited) else 255 - pair.edited)


def write(dataset: Path, out: Path, refine=negative, **options):
    return write_pairs(str(dataset), refine, out, "run@1", "lite/simple", **options)


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "hand-out/pairs.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def image(out: Path, file: str) -> np.ndarray:
    return np.asarray(Image.open(out / "hand-out" / file))


def fill(out: Path, name: str, choices: list[str], delimiter: str = ",", encoding: str = "utf-8") -> None:
    """Somebody's copy of pairs.csv, in whatever way their spreadsheet writes it."""
    with (out / name).open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter=delimiter)
        writer.writeheader()
        writer.writerows(row | {"preferred": one} for row, one in zip(rows_of(out), choices, strict=True))


@pytest.fixture
def handed_out(dataset, tmp_path):
    write(dataset, tmp_path / "out")
    return tmp_path / "out"


def test_what_is_handed_out_shows_every_changed_edit_and_does_not_say_which_is_which(dataset, test_samples, handed_out):
    edited = {one.edit_id: decode(one.edited) for one in test_samples}
    key = json.loads((handed_out / "key.json").read_text())
    assert {one["edit_id"] for one in key["edits"]} == set(edited)
    asked = {one["pair"]: one for one in key["edits"] if one["pair"]}
    assert {one["edit_id"] for one in asked.values()} == {one for one in edited if not is_left_alone(edited[one])}
    assert 0 < len(asked) < len(edited)
    assert {one["after"] for one in asked.values()} == {"left", "right"}
    rows = rows_of(handed_out)
    assert [row["pair"] for row in rows] == list(asked)
    for row in rows:
        one = asked[row["pair"]]
        sample = next(sample for sample in test_samples if sample.edit_id == one["edit_id"])
        other = {"left": "right", "right": "left"}[one["after"]]
        assert (image(handed_out, row[one["after"]]) == 255 - edited[one["edit_id"]]).all()
        assert (image(handed_out, row[other]) == edited[one["edit_id"]]).all()
        assert (image(handed_out, row["source"]) == decode(sample.source)).all()
        assert (row["instruction"], row["preferred"]) == (sample.instruction, "")
    files = [path for path in (handed_out / "hand-out").rglob("*") if path.is_file()]
    assert len(files) == 1 + 3 * len(rows)
    text = (handed_out / "hand-out/pairs.csv").read_text() + " ".join(path.name for path in files)
    assert not any(word in text for word in (*edited, "after", "before", "refined"))


def test_the_same_seed_gives_the_same_bytes_and_another_one_other_sides(dataset, tmp_path, handed_out):
    write(dataset, tmp_path / "again")
    write(dataset, tmp_path / "other", seed=1)

    def everything(out):
        return {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}

    assert everything(handed_out) == everything(tmp_path / "again")
    sides = [[one["after"] for one in json.loads((tmp_path / name / "key.json").read_text())["edits"]]
             for name in ("again", "other")]  # fmt: skip
    assert sides[0] != sides[1]


def test_a_limit_takes_those_that_the_benchmark_takes(dataset, test_samples, tmp_path):
    counts = write(dataset, tmp_path / "out", lambda pair: SimpleNamespace(best=255 - pair.edited), limit=3, seed=5)
    key = json.loads((tmp_path / "out/key.json").read_text())
    assert [one["edit_id"] for one in key["edits"]] == [one.edit_id for one in stratified(test_samples, 3, 5)]
    assert (counts.edits, counts.pairs, counts.left_as_they_were) == (3, 3, 0)


def test_choices_come_back_as_the_mean_vote_of_those_who_chose(test_samples, handed_out):
    """Who looks at the images and knows the edits tells the sides apart without the key."""
    rows, edited = rows_of(handed_out), {one.edit_id: decode(one.edited) for one in test_samples}
    before = [
        "left" if any(np.array_equal(image(handed_out, row["left"]), one) for one in edited.values()) else "right"
        for row in rows
    ]
    after = [{"left": "right", "right": "left"}[side] for side in before]
    fill(handed_out, "ann.csv", after, ";", "utf-8-sig")
    fill(handed_out, "bob.csv", [f" {side.upper()} " for side in before[:1]] + after[1:], "\t", "utf-16")
    fill(handed_out, "cleo.csv", ["tie", *[""] * (len(rows) - 1)])
    fill(handed_out, "dan.csv", [""] * len(rows))
    told = read_preferences(handed_out, edited)
    first = next(one.edit_id for one in told.key.edits if one.pair == rows[0]["pair"])
    assert told.votes == {one.edit_id: 0.0 if one.edit_id == first else 1.0 for one in told.key.edits if one.pair}
    assert not any(is_left_alone(edited[one]) for one in told.votes)
    assert (told.n_people, told.n_edits) == (3, len(rows))
    image_before = edited[first]
    assert told.vote_on(first, image_before, 255 - image_before) == 0
    with pytest.raises(BadInput, match=r"about another run: people saw what run@1 made"):
        told.vote_on(first, image_before, image_before)
    assert told.vote_on("an edit of which nobody was asked", image_before, image_before) is None


def test_choices_of_simulated_people_are_counted_as_such(test_samples, handed_out):
    (handed_out / "campaign-1.csv").write_text("pair,preferred,annotator_kind\npair-001,left,simulated\n")
    (handed_out / "campaign-2.csv").write_text("pair,preferred,annotator_kind\npair-001,tie,human\n")
    told = read_preferences(handed_out, (one.edit_id for one in test_samples))
    assert (told.n_people, told.n_simulated, told.n_edits) == (2, 1, 1)


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        ("ann.csv", "pair,preferred\npair-001,later\n", "line 2: preferred is 'later'"),
        ("ann.csv", "pair,preferred\npair-999,left\n", "line 2: key.json knows no pair 'pair-999'"),
        ("ann.csv", "pair,preferred\npair-001,left\npair-001,tie\n", "line 3: the pair pair-001 stands there twice"),
        ("ann.csv", "pair,choice\npair-001,left\n", "no column preferred"),
        ("ann.csv", "pair,preferred\npair-001,\n", "holds nobody's preferences"),
        ("ann.csv", "", "ann.csv is empty"),
        ("ann.txt", "", "holds nobody's preferences"),
        ("key.json", "{", "key.json is damaged"),
        ("key.json", '{"format": 2}', "key.json is damaged: format"),
    ],
)
def test_what_is_not_understood_is_one_sentence(test_samples, handed_out, file, text, sentence):
    (handed_out / file).write_text(text)
    with pytest.raises(BadInput, match=sentence):
        read_preferences(handed_out, (one.edit_id for one in test_samples))


def test_preferences_on_another_dataset_or_without_a_key_are_refused(handed_out, tmp_path):
    fill(handed_out, "ann.csv", ["left"] * len(rows_of(handed_out)))
    with pytest.raises(BadInput, match=r"about the dataset dataset: there is no edit"):
        read_preferences(handed_out, ["another edit"])
    for folder in (handed_out / "hand-out", handed_out / "ann.csv", tmp_path / "none"):
        with pytest.raises(BadInput, match=r"key.json is not there\. Name the folder"):
            read_preferences(folder, [])


def test_nothing_is_overwritten_and_nothing_half_made_is_left(dataset, handed_out, tmp_path):
    with pytest.raises(BadInput, match="is there already"):
        write(dataset, handed_out)
    with pytest.raises(JobFailed, match="changed none of the"):
        write(dataset, tmp_path / "none", lambda pair: SimpleNamespace(best=pair.edited))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_command_says_whom_to_give_what(dataset, tmp_path, monkeypatch, capsys):
    refiner = small_refiner()
    monkeypatch.setattr(refiner, "refine_pair", negative)
    monkeypatch.setattr(commands, "_open", lambda _run, _editor=None: refiner)
    monkeypatch.setattr(runs, "version_of", lambda _run: "run@1234")
    monkeypatch.chdir(tmp_path)
    assert cli.run(["pairs", "--dataset", str(dataset), "-o", "asked"]) == 0
    said = capsys.readouterr()
    assert "give asked/hand-out to people" in said.out
    assert f"editfhf benchmark --dataset {dataset} --run run --preferences asked" in said.out
    assert "Trained on simulated people" in said.err
    assert json.loads(Path("asked/key.json").read_text())["run"] == "run@1234"
    assert cli.run(["pairs", "--dataset", str(dataset), "-o", "asked"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
