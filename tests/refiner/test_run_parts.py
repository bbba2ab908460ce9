"""A run folder whose parts are not those that were trained together is refused, and never scores anything."""

import shutil

import pytest

from editfhf import cli
from editfhf.errors import BadInput
from refiner.refiner import Refiner
from refiner.runs import read_run, version_of
from refiner.train import train
from tests.refiner.conftest import QUICK
from tests.refiner.small_refiner import write_pairs


@pytest.fixture
def copy(run, tmp_path):
    shutil.copytree(run, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture(scope="module")
def other(dataset, feature_cache, tmp_path_factory):
    """A run of the same shape with other weights."""
    out = tmp_path_factory.mktemp("other") / "run"
    train(str(dataset), out, QUICK.model_copy(update={"epochs": 1, "seed": 1}), cache=feature_cache)
    return out


def require_refusal(folder, name):
    for opened in (Refiner.from_run, lambda path: version_of(str(path))):
        with pytest.raises(BadInput, match=rf"{name} does not belong to this run\.json\. Copy the whole run again"):
            opened(folder)


def test_a_whole_copy_is_the_run_itself(run, copy):
    assert version_of(str(copy)).split("@")[1] == version_of(str(run)).split("@")[1]
    assert Refiner.from_run(copy).record == read_run(run)


def test_weights_with_some_bytes_lost_in_the_middle_are_refused(copy, tmp_path, monkeypatch, capsys):
    weights = bytearray((copy / "weights.safetensors").read_bytes())
    weights[-4096:-2048] = bytes(2048)
    (copy / "weights.safetensors").write_bytes(weights)
    require_refusal(copy, r"weights\.safetensors")
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "in", 1)
    assert cli.run(["score", "--run", "copy", "in/pairs.csv", "-o", "scores.csv"]) == 2
    assert "copy/weights.safetensors does not belong to this run.json" in capsys.readouterr().err
    assert not (tmp_path / "scores.csv").exists()


@pytest.mark.parametrize("name", ["weights.safetensors", "calibration.json"])
def test_a_part_of_another_run_is_refused(copy, other, name):
    shutil.copy(other / name, copy / name)
    require_refusal(copy, name.replace(".", r"\."))


def test_a_run_of_an_earlier_version_which_did_not_note_its_parts_is_read(copy):
    record = read_run(copy)
    (copy / "run.json").write_text(record.model_dump_json(exclude={"sha256"}))
    assert Refiner.from_run(copy).record == record.model_copy(update={"sha256": {}})
