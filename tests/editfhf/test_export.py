"""The built dataset: what it promises, as the tools of the field read it."""

import hashlib
import json
from pathlib import Path

import datasets
import mlcroissant
import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard

import editfhf
from editfhf.errors import BadInput
from editfhf.export import build_dataset
from editfhf.schema import TABLES
from tests.editfhf.answered import make_answered

# DESIGN §3, written out once more: the contract with those who read the dataset
DEFAULT_COLUMNS = [
    "edit_id",
    "parent_edit_id",
    "source_id",
    "source_image",
    "edited_image",
    "instruction",
    "task",
    "task_group",
    "model",
    "model_revision",
    "params",
    "seed",
    "width",
    "height",
    "regions",
    "artifact_map",
    "failure_map",
]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    root = tmp_path_factory.mktemp("built")
    workspace = make_answered(root / "campaign")
    build_dataset(workspace, root / "dataset")
    return workspace, root / "dataset"


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_datasets_reads_every_config_with_its_columns(built):
    workspace, folder = built
    edits = datasets.load_dataset(str(folder))
    assert list(edits) == ["train", "validation", "test"]
    assert edits["train"].column_names[: len(DEFAULT_COLUMNS)] == DEFAULT_COLUMNS
    assert isinstance(edits["train"].features["edited_image"], datasets.Image)
    for config in ("ratings", "regions", "answers"):
        loaded = datasets.load_dataset(str(folder), config)
        assert loaded["train"].column_names == TABLES[config].names
        assert sum(len(split) for split in loaded.values()) == workspace.read_table(config).num_rows
    streamed = datasets.load_dataset(str(folder), split="test", streaming=True)
    assert [row["edit_id"] for row in streamed] == edits["test"]["edit_id"][:]


def test_images_are_the_bytes_on_disk(built):
    workspace, folder = built
    by_id = {edit.edit_id: edit for edit in workspace.edits()}
    sources = {source.source_id: source for source in workspace.sources()}
    raw = editfhf.load(str(folder)).cast_column("edited_image", datasets.Image(decode=False))
    raw = raw.cast_column("source_image", datasets.Image(decode=False))
    rows = [row for split in raw.values() for row in split]
    assert {row["edit_id"] for row in rows} == set(by_id)
    for row in rows:
        assert row["edited_image"]["bytes"] == workspace.path_of(by_id[row["edit_id"]].image).read_bytes()
        assert row["source_image"]["bytes"] == workspace.path_of(sources[row["source_id"]].file).read_bytes()


def test_an_edit_that_nobody_inspected_has_nulls_and_not_zeros(built):
    workspace, folder = built
    last = workspace.edits()[-1].edit_id
    row = next(row for split in editfhf.load(str(folder)).values() for row in split if row["edit_id"] == last)
    assert row["perceptual_quality"] is None
    assert row["perceptual_quality_n"] == 0
    assert row["artifact_map"] is None


def test_scores_and_regions_are_those_of_the_analysis(built):
    workspace, folder = built
    mos = {(row["edit_id"], row["dimension"]): row for row in workspace.read_table("mos").to_pylist()}
    for split in editfhf.load(str(folder)).values():
        for row in split.remove_columns(["source_image", "edited_image"]):
            for dimension in ("perceptual_quality", "visual_consistency"):
                if row[f"{dimension}_n"]:
                    assert row[dimension] == mos[row["edit_id"], dimension]["mos"]
                    assert row["regions"][0]["support"] == 2


def test_the_same_workspace_gives_the_same_bytes(built, tmp_path):
    workspace, folder = built
    build_dataset(workspace, tmp_path / "again")
    assert files(tmp_path / "again") == files(folder)


def test_the_order_of_the_raw_tables_does_not_matter(built, tmp_path):
    workspace, folder = built
    table = workspace.read_table("ratings")
    workspace.write_table("ratings", table.take(list(range(table.num_rows))[::-1]))
    build_dataset(workspace, tmp_path / "again")
    assert files(tmp_path / "again") == files(folder)


def test_the_manifest_knows_every_file(built):
    _, folder = built
    listed = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]
    present = files(folder)
    del present["manifest.json"]
    assert {name: file["sha256"] for name, file in listed.items()} == present


def test_the_card_is_one_that_the_hub_reads_and_says_it_is_a_rehearsal(built):
    _, folder = built
    card = DatasetCard.load(folder / "README.md")
    assert [config["config_name"] for config in card.data.configs] == ["default", "ratings", "regions", "answers"]
    assert "not human feedback" in card.text
    assert "simulated-annotators" in card.data.tags


def test_croissant_is_valid_and_its_records_can_be_read(built):
    workspace, folder = built
    croissant = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    names = [one.uuid for one in croissant.metadata.record_sets if one.uuid.startswith("ratings/")]
    rows = [row for name in names for row in croissant.records(name)]
    assert len(rows) == workspace.read_table("ratings").num_rows


def test_images_of_one_split_are_not_held_in_memory_at_once(built, tmp_path, monkeypatch):
    """Row groups are bounded by bytes: with a bound of one image, each row is a group of its own."""
    workspace, _ = built
    monkeypatch.setattr("editfhf.shards.ROW_GROUP_BYTES", 1)
    monkeypatch.setattr("editfhf.shards.SHARD_BYTES", 30_000)
    build_dataset(workspace, tmp_path / "small")
    shards = sorted((tmp_path / "small" / "data" / "edits").glob("train-*"))
    assert len(shards) > 1
    assert shards[0].name == f"train-00000-of-{len(shards):05d}.parquet"
    for shard in shards:
        metadata = pq.read_metadata(shard)
        assert metadata.num_row_groups == metadata.num_rows
    assert sum(len(split) for split in editfhf.load(str(tmp_path / "small")).values()) == len(workspace.edits())


def test_what_would_overwrite_something_else_is_refused(built, tmp_path):
    workspace, _ = built
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(BadInput, match="is not a dataset"):
        build_dataset(workspace, tmp_path)
    with pytest.raises(BadInput, match=r"not a dataset|holds the workspace"):
        build_dataset(workspace, workspace.root)
    assert (tmp_path / "thesis.txt").is_file()


def test_a_build_that_fails_leaves_the_old_dataset_whole(built, tmp_path):
    workspace, _ = built
    build_dataset(workspace, tmp_path / "dataset")
    before = files(tmp_path / "dataset")
    victim = workspace.path_of(workspace.edits()[0].image)
    content = victim.read_bytes()
    victim.unlink()
    try:
        with pytest.raises(BadInput, match="missing"):
            build_dataset(workspace, tmp_path / "dataset")
    finally:
        victim.write_bytes(content)
    assert files(tmp_path / "dataset") == before
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_without_scores_the_next_command_is_named(campaign, tmp_path):
    with pytest.raises(BadInput, match="editfhf analyze"):
        build_dataset(campaign, tmp_path / "dataset")


@pytest.mark.parametrize("name", ["no/such/folder/here", "nothing", "."])
def test_what_is_no_dataset_is_said_in_a_sentence(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput):
        editfhf.load(name)
    with pytest.raises(BadInput, match="There are default, ratings"):
        editfhf.load(name, "opinions")
