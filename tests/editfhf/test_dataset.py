"""`editfhf.load`: what it gives, and what it says when there is nothing to give."""

import shutil

import datasets
import pytest

import editfhf
from editfhf.dataset_schema import features_of
from editfhf.errors import BadInput
from editfhf.export import build_dataset
from editfhf.validate import CHECKS, validate_dataset
from tests.editfhf.answered import make_answered


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("built")
    build_dataset(make_answered(root / "campaign", n_sources=3), root / "dataset")
    return root / "dataset"


def test_every_config_is_loaded_with_its_three_splits(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    for config in ("default", "ratings", "regions", "answers"):
        loaded = editfhf.load("dataset", config)
        assert isinstance(loaded, datasets.DatasetDict)
        assert list(loaded) == ["train", "validation", "test"]


def test_a_config_without_rows_is_empty_and_has_its_columns(tmp_path):
    workspace = make_answered(tmp_path / "campaign", n_sources=3)
    for name in ("regions", "consensus"):
        workspace.write_table(name, [])
    build_dataset(workspace, tmp_path / "dataset")
    loaded = editfhf.load(str(tmp_path / "dataset"), "regions")
    assert loaded.num_rows == {"train": 0, "validation": 0, "test": 0}
    assert loaded["train"].features == features_of("regions")
    assert all(result.passed for result in validate_dataset(tmp_path / "dataset")[: len(CHECKS)])
    assert editfhf.load(str(tmp_path / "dataset"))["test"][0]["regions"] == []


@pytest.mark.parametrize("name", ["no/such/folder/here", "nothing", ".", "nobody/nothing"])
def test_what_is_no_dataset_is_said_in_a_sentence(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=r"neither a folder|not a dataset|Hub does not give it"):
        editfhf.load(name)
    with pytest.raises(BadInput, match="There are default, ratings"):
        editfhf.load(name, "opinions")


@pytest.mark.parametrize("name", ["with a space", "schön", "照片", "v1.0 (final)", "100%"])
def test_a_folder_may_have_any_name(folder, tmp_path, name):
    shutil.copytree(folder, tmp_path / name)
    assert sum(editfhf.load(str(tmp_path / name), "answers").num_rows.values()) > 0


def test_a_folder_whose_name_is_a_pattern_is_said_in_a_sentence(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "data [v1]")
    with pytest.raises(BadInput, match="Rename the folder"):
        editfhf.load(str(tmp_path / "data [v1]"))


def test_a_damaged_dataset_points_to_validate(folder, tmp_path):
    damaged = shutil.copytree(folder, tmp_path / "damaged")
    path = next((damaged / "data" / "ratings").glob("train-*"))
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(BadInput, match=r"config ratings cannot be read: .* `editfhf validate"):
        editfhf.load(str(damaged), "ratings")
