"""The built dataset: what it promises, as the tools of the field read it."""

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import datasets
import mlcroissant
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard

import editfhf
from editfhf.errors import BadInput
from editfhf.export import build_dataset
from editfhf.manifest import Manifest
from editfhf.schema import Answer
from editfhf.splits import split_workspace
from editfhf.validate import _registered_checks, validate_dataset
from editfhf.workspace import Workspace
from tests.editfhf.answered import make_answered

# DESIGN §3, written out once more: the contract with those who read the dataset
COLUMNS = {
    "default": "edit_id parent_edit_id source_id source_image edited_image instruction task task_group model "
    "model_revision params seed width height regions artifact_map failure_map "
    + " ".join(
        f"{one} {one}_std {one}_ci95 {one}_n"
        for one in ("perceptual_quality", "instruction_following", "visual_consistency")
    ),
    "ratings": "edit_id annotator annotator_kind dimension score scale_min scale_max session position lead_time_s "
    "submitted_at repeat check screened",
    "regions": "edit_id annotator annotator_kind region_id kind flaw_type extent polygon source_polygon description "
    "assisted lead_time_s submitted_at",
    "answers": "edit_id annotator annotator_kind project_type outcome reason lead_time_s submitted_at screened",
}
# What analysis recomputes in `validate`: the opinions of these workspaces were written by hand.
RECOMPUTED = {name for name, _ in _registered_checks()}
REGION_FIELDS = "kind flaw_type extent polygon source_polygon description support probability"


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


@pytest.mark.parametrize("config", COLUMNS)
def test_datasets_reads_every_config_with_the_columns_of_the_contract(built, config):
    workspace, folder = built
    loaded = datasets.load_dataset(str(folder), config)
    assert list(loaded) == ["train", "validation", "test"]
    assert all(len(split) > 0 for split in loaded.values())
    assert loaded["train"].column_names == COLUMNS[config].split()
    if config == "default":
        assert list(loaded["train"].features["regions"].feature) == REGION_FIELDS.split()
        assert loaded["test"][0]["edited_image"].size == (64, 64)
    else:
        assert sum(len(split) for split in loaded.values()) == workspace.read_table(config).num_rows
    for split in loaded:
        streamed = datasets.load_dataset(str(folder), config, split=split, streaming=True)
        assert streamed.features == loaded[split].features
        assert [row["edit_id"] for row in streamed] == loaded[split]["edit_id"][:]


@pytest.mark.parametrize("config", COLUMNS)
def test_the_card_alone_tells_datasets_the_features(built, tmp_path, config):
    _, folder = built
    (tmp_path / "README.md").write_text((folder / "README.md").read_text(encoding="utf-8"), encoding="utf-8")
    info = datasets.info.DatasetInfosDict.from_directory(tmp_path)[config]
    loaded = datasets.load_dataset(str(folder), config)
    assert info.features == loaded["train"].features
    assert {name: split.num_examples for name, split in info.splits.items()} == loaded.num_rows


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
    assert "human-feedback" not in card.data.tags


def test_croissant_is_valid_and_its_records_can_be_read(built):
    workspace, folder = built
    croissant = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    names = [one.uuid for one in croissant.metadata.record_sets if one.uuid.startswith("ratings/")]
    rows = [row for name in names for row in croissant.records(name)]
    assert len(rows) == workspace.read_table("ratings").num_rows
    first = next(iter(croissant.records("default/test-00000-of-00001")))
    assert first["default/test-00000-of-00001/edited_image"].size == (64, 64)


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


def test_a_web_page_with_a_manifest_of_its_own_is_not_overwritten(built, tmp_path):
    workspace, _ = built
    (tmp_path / "manifest.json").write_text('{"name": "my web app", "files": {}}')
    with pytest.raises(BadInput, match="is not a dataset"):
        build_dataset(workspace, tmp_path)
    assert "web app" in (tmp_path / "manifest.json").read_text()


@pytest.mark.parametrize("beside", ["notes.txt", ".git/HEAD"])
def test_what_a_user_put_into_the_dataset_is_not_lost(built, tmp_path, beside):
    workspace, folder = built
    out = Path(shutil.copytree(folder, tmp_path / "dataset"))
    (out / beside).parent.mkdir(exist_ok=True)
    (out / beside).write_text("mine")
    with pytest.raises(BadInput, match=f"{beside}, which is not of the dataset"):
        build_dataset(workspace, out)
    assert (out / beside).read_text() == "mine"


def test_a_dataset_of_an_older_toolkit_is_replaced(built, tmp_path):
    workspace, folder = built
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "manifest.json").write_text('{"toolkit": "editfhf 0.0.1", "files": {"data.bin": {}}}')
    (tmp_path / "old" / "data.bin").write_text("old")
    build_dataset(workspace, tmp_path / "old")
    assert files(tmp_path / "old") == files(folder)


def test_a_build_killed_while_it_exchanged_the_folders_loses_no_dataset(built, tmp_path):
    workspace, folder = built
    shutil.copytree(folder, tmp_path / ".dataset.old.tmp")
    (tmp_path / ".dataset.abc.tmp").mkdir()
    empty = Workspace.open(shutil.copytree(workspace.root, tmp_path / "campaign"))
    empty.table_path("mos").unlink()
    with pytest.raises(BadInput, match="editfhf analyze"):
        build_dataset(empty, tmp_path / "dataset")
    assert files(tmp_path / "dataset") == files(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["campaign", "dataset"]


@pytest.mark.parametrize("n_photos", [1, 2])
def test_with_fewer_photos_than_splits_every_config_still_loads(tmp_path, n_photos):
    workspace = make_answered(tmp_path / "campaign", n_sources=n_photos)
    build_dataset(workspace, tmp_path / "dataset")
    for config in COLUMNS:
        assert len(datasets.load_dataset(str(tmp_path / "dataset"), config)) == n_photos
        loaded = editfhf.load(str(tmp_path / "dataset"), config)
        assert list(loaded) == ["train", "validation", "test"]
        assert loaded["validation"].column_names == COLUMNS[config].split()
    failed = [result.name for result in validate_dataset(tmp_path / "dataset") if not result.passed]
    assert set(failed) <= RECOMPUTED


def test_a_split_in_which_nobody_drew_anything_keeps_the_others_readable(tmp_path):
    workspace = make_answered(tmp_path / "campaign", n_sources=6)
    split_of = split_workspace(workspace)
    validation = {edit.edit_id for edit in workspace.edits() if split_of[edit.source_id] == "validation"}
    regions = workspace.read_table("regions").to_pylist()
    workspace.write_table("regions", [row for row in regions if row["edit_id"] not in validation])
    build_dataset(workspace, tmp_path / "dataset")
    assert list(datasets.load_dataset(str(tmp_path / "dataset"), "regions")) == ["train", "test"]
    assert len(datasets.load_dataset(str(tmp_path / "dataset"), "answers")["validation"]) > 0


def test_answers_about_edits_that_are_not_in_the_dataset_are_left_out_and_their_authors_not_counted(tmp_path):
    workspace = make_answered(tmp_path / "campaign", n_sources=3)
    answers = workspace.read_table("answers")
    stranger = Answer("f" * 16, "carla", "human", "together", "no_flaw", "", 1.0, "2026-01-02T03:04:05+00:00")
    extra = pa.Table.from_pylist([asdict(stranger)], schema=answers.schema)
    workspace.write_table("answers", pa.concat_tables([answers, extra]))
    counts = build_dataset(workspace, tmp_path / "dataset")
    assert counts["answers"] == answers.num_rows
    assert Manifest.read(tmp_path / "dataset").annotators == {"simulated": 2}


def test_every_edit_gets_its_own_regions_whatever_their_order_in_the_table(tmp_path):
    workspace = make_answered(tmp_path / "campaign", n_sources=3)
    rows = workspace.read_table("consensus").to_pylist()
    several = [row | {"description": f"{row['edit_id']}: {number}"} for number in (0, 1, 2) for row in rows[::-1]]
    workspace.write_table("consensus", several)
    build_dataset(workspace, tmp_path / "dataset")
    seen = 0
    for split in editfhf.load(str(tmp_path / "dataset")).values():
        for row in split.select_columns(["edit_id", "regions"]):
            expected = [one["description"] for one in several if one["edit_id"] == row["edit_id"]]
            assert [region["description"] for region in row["regions"]] == expected
            seen += len(expected)
    assert seen == len(several)


@pytest.mark.parametrize(
    ("licence", "on_the_hub"),
    [
        ("CC-BY-4.0", {"license": "cc-by-4.0"}),
        ("Our Own, 2026", {"license": "other", "license_name": "our-own-2026"}),
        ("other", {"license": "other"}),
    ],
)
def test_the_licence_of_the_card_is_one_that_the_hub_accepts(tmp_path, licence, on_the_hub):
    workspace = make_answered(tmp_path / "campaign", n_sources=3)
    settings = workspace.root / "editfhf.yaml"
    lines = settings.read_text().splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("  licence: other"))
    lines[place] = f'  licence: "{licence}"'
    settings.write_text("\n".join(lines))
    build_dataset(Workspace.open(workspace.root), tmp_path / "dataset")
    card = DatasetCard.load(tmp_path / "dataset" / "README.md").data.to_dict()
    assert {key: card[key] for key in card if key.startswith("license")} == on_the_hub
