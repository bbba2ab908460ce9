import csv
import re
from pathlib import Path

import pytest

from editfhf import cli
from editfhf.errors import BadInput
from editfhf.schema import DIMENSIONS
from refiner import commands
from refiner.scoring import COLUMNS, common_errors, score_pairs, write_rows
from tests.refiner.small_refiner import small_refiner, write_pairs

SAMPLES = Path(__file__).parents[2] / "editfhf/samples"


def test_every_pair_has_three_scores_each_with_its_error_in_the_order_of_the_file(tmp_path):
    sheet = write_pairs(tmp_path / "in", 3, clean=(1,))
    rows = score_pairs(small_refiner(), sheet)
    assert [row["edited"] for row in rows] == [f"images/edited {number}.png" for number in range(3)]
    for row, score in zip(rows, (80.0, 100.0, 80.0), strict=True):
        assert [row[name] for name in DIMENSIONS] == [score] * 3
        assert [row[f"{name}_std"] for name in DIMENSIONS] == [6.5] * 3
        assert row["reason"] == ""


def test_a_bad_row_is_set_aside_with_its_line_and_reason_and_the_others_are_scored(tmp_path):
    rows = (
        "images/photo 0.png,images/none.png,make it red",
        "images/photo 0.png,images/edited 1.png,делай красным",
    )
    found = score_pairs(small_refiner(), write_pairs(tmp_path / "in", 2, rows=rows))
    good, bad = [row for row in found if not row["reason"]], [row for row in found if row["reason"]]
    assert len(good) == 2
    assert [row["perceptual_quality"] for row in bad] == [None] * 2
    for row, words in zip(bad, ("line 4: .*none.png does not exist", "line 5: .*English"), strict=True):
        assert re.search(words, row["reason"])


def test_errors_that_are_the_same_for_all_pairs_are_told_once(tmp_path, capsys, monkeypatch):
    sheet = write_pairs(tmp_path / "in", 2)
    monkeypatch.setattr(commands, "_open", lambda _run: small_refiner())
    assert cli.run(["score", str(sheet), "-o", str(tmp_path / "scores.csv")]) == 0
    shown = capsys.readouterr().out
    errors = ", ".join(f"{name.replace('_', ' ')} 6.50" for name in DIMENSIONS)
    assert f"Standard deviation of the error of each score: {errors}." in shown
    assert "std" not in shown
    assert (tmp_path / "scores.csv").read_text().count(",6.5,") == 2 * len(DIMENSIONS)
    one, other = ({f"{name}_std": value for name in DIMENSIONS} for value in (6.5, 7.0))
    assert common_errors([one, one]) == dict.fromkeys(DIMENSIONS, 6.5)
    assert common_errors([one, other]) == common_errors([]) == {}


def test_force_takes_an_edited_image_of_another_photo(tmp_path):
    for name in ("astronaut.jpg", "brick_wall.jpg"):
        (tmp_path / name).write_bytes((SAMPLES / name).read_bytes())
    sheet = tmp_path / "pairs.csv"
    sheet.write_text("source,edited,instruction\nastronaut.jpg,brick_wall.jpg,make it red\n")
    assert "--force" in score_pairs(small_refiner(), sheet)[0]["reason"]
    assert score_pairs(small_refiner(), sheet, force=True)[0]["reason"] == ""


def test_columns_may_stand_in_any_order_beside_others_and_paths_may_be_absolute(tmp_path):
    folder = write_pairs(tmp_path / "in", 1).parent
    other = tmp_path / "other.csv"
    other.write_text(
        f'Instruction;model;EDITED;source\n"red; very red";m;{folder}/images/edited 0.png;{folder}/images/photo 0.png\n'
    )
    (row,) = score_pairs(small_refiner(), other)
    assert (row["instruction"], row["reason"]) == ("red; very red", "")


def test_the_table_can_be_read_back_by_a_spreadsheet(tmp_path):
    rows = score_pairs(small_refiner(), write_pairs(tmp_path / "in", 1, rows=("a.png,b.png,red",)))
    write_rows(tmp_path / "scores.csv", rows, COLUMNS)
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        good, bad = csv.DictReader(file)
    assert float(good["visual_consistency"]) == 80
    assert bad["visual_consistency"] == ""
    assert "a.png does not exist" in bad["reason"]
    with pytest.raises(BadInput, match="cannot be written"):
        write_rows(tmp_path / "none/scores.csv", rows, COLUMNS)
