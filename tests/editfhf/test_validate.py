"""A benchmark of faults: each way to spoil a dataset is caught by the check that is there for it, and named."""

import io
import json
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from editfhf import validate
from editfhf.dataset_schema import arrow_schema_of
from editfhf.errors import BadInput
from editfhf.export import build_dataset, sha256_of
from editfhf.manifest import FileEntry, Manifest
from tests.editfhf.answered import make_answered

OWN_CHECKS = [name for name, _ in validate.CHECKS]


@pytest.fixture(autouse=True)
def _only_the_checks_of_the_ground(monkeypatch):
    # What the wings recompute is tested with them; the opinions of this workspace were written by hand.
    monkeypatch.setattr(validate, "_registered_checks", list)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("pristine")
    build_dataset(make_answered(root / "campaign"), root / "dataset")
    return root / "dataset"


@pytest.fixture
def dataset(pristine, tmp_path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "dataset"))


def failures(dataset: Path) -> dict[str, list[str]]:
    return {result.name: result.failures for result in validate.validate_dataset(dataset) if not result.passed}


def sign(dataset: Path) -> None:
    """Bring the manifest's hashes up to date, so that the fault has to be found by its own check."""
    manifest = Manifest.read(dataset)
    croissant = (dataset / "croissant.json").read_text(encoding="utf-8")
    for name in list(manifest.files):
        if not (dataset / name).is_file():
            del manifest.files[name]
            continue
        new = FileEntry(sha256=sha256_of(dataset / name), bytes=(dataset / name).stat().st_size)
        croissant = croissant.replace(manifest.files[name].sha256, new.sha256)
        manifest.files[name] = new
    path = dataset / "croissant.json"
    path.write_text(croissant, encoding="utf-8")
    manifest.files[path.name] = FileEntry(sha256=sha256_of(path), bytes=path.stat().st_size)
    manifest.write(dataset)


def change(dataset: Path, config: str, mend: Callable[[list[dict[str, Any]]], None], split: str = "train") -> None:
    folder = {"default": "edits"}.get(config, config)
    path = next((dataset / "data" / folder).glob(f"{split}-*.parquet"))
    rows = pq.read_table(path).to_pylist()
    mend(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=arrow_schema_of(config)), path)
    sign(dataset)


def set_field(**fields: Any) -> Callable[[list[dict[str, Any]]], None]:
    return lambda rows: rows[0].update(fields)


def picture(size: tuple[int, int], mode: str = "RGB", **options: Any) -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, "png", **options)
    return {"bytes": buffer.getvalue(), "path": "x.png"}


def with_author() -> dict[str, Any]:
    exif = Image.Exif()
    exif[0x013B] = "Erika Mustermann"
    return picture((64, 64), exif=exif)


def with_text() -> dict[str, Any]:
    text = PngInfo()
    text.add_text("Author", "Erika Mustermann")
    return picture((64, 64), pnginfo=text)


def with_notes() -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "jpeg")
    notes = b"Photoshop 3.0\0" + b"Erika Mustermann"
    plain = buffer.getvalue()
    return {"bytes": plain[:2] + struct.pack(">BBH", 0xFF, 0xED, len(notes) + 2) + notes + plain[2:], "path": "x.jpg"}


def bomb() -> dict[str, Any]:
    """A PNG of 60,000 × 60,000 pixels in a hundred bytes."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return {"bytes": b"\x89PNG\r\n\x1a\n" + chunk, "path": "x.png"}


def in_region(**fields: Any) -> Callable[[list[dict[str, Any]]], None]:
    def mend(rows: list[dict[str, Any]]) -> None:
        next(row for row in rows if row["regions"])["regions"][0].update(fields)

    return mend


BOWTIE = [[[0.1, 0.1], [0.9, 0.9], [0.9, 0.1], [0.1, 0.9]]]
FAULTS = {
    "a repeated edit": ("default", lambda rows: rows.__setitem__(1, rows[0]), "edit ids", "edit_id occurs twice"),
    "another instruction": ("default", set_field(instruction="other"), "edit ids", "not the hash of its inputs"),
    "params not JSON": ("default", set_field(params="{"), "edit ids", "params is not JSON"),
    "an image of another size": ("default", set_field(edited_image=picture((32, 64))), "images", "is 32 × 64"),
    "an image that does not decode": (
        "default", set_field(source_image={"bytes": b"\x89PNG", "path": "x"}), "images", "source_image does not decode",
    ),
    "no image": ("default", set_field(edited_image=None), "images", "edited_image is missing"),
    "a photo with its owner": ("default", set_field(source_image=with_author()), "images", "carries metadata"),
    "a map in colour": ("default", set_field(artifact_map=picture((64, 64))), "images", "has mode RGB"),
    "a picture with words in it": ("default", set_field(edited_image=with_text()), "images", "text 'Author'"),
    "a JPEG with a camera's notes": ("default", set_field(source_image=with_notes()), "images", "metadata (APP13)"),
    "an image without bytes": (
        "default", set_field(source_image={"bytes": None, "path": "/home/erika/x.png"}), "images", "has no bytes",
    ),
    "a bomb": ("default", set_field(source_image=bomb()), "images", "source_image does not decode"),
    "a map of another size": ("default", set_field(artifact_map=picture((8, 8), "L")), "images", "is 8 × 8, not 64"),
    "params in another order": (
        "default", set_field(params='{"max_side": 1024 }'), "edit ids", "params is not canonical JSON",
    ),
    "params that are no number": ("default", set_field(params='{"x":NaN}'), "edit ids", "params is not JSON"),
    "an unknown parent": ("default", set_field(parent_edit_id="0" * 16), "edit ids", "is not in the dataset"),
    "a score that is not there": ("ratings", set_field(score=None), "no value is missing", "score of row 0"),
    "a point that is not there": (
        "default", in_region(polygon=[[[0.1, 0.1], [0.2, 0.1], [0.2, None]]]), "no value is missing", "polygon",
    ),
    "another model": ("default", set_field(model="other/model"), "row counts", "models: other/model occurs 1 times"),
    "a human among programs": (
        "ratings", set_field(annotator_kind="human"), "simulated and procedural content is declared", "1 are human",
    ),
    "an owner in a file name": (
        "default", lambda rows: rows[0]["source_image"].update(path="erika@example.org.png"), "no personal data",
        "source_image holds an e-mail",
    ),
    "an extent of no schema": (
        "regions", set_field(extent="half"), "tasks, flaw types and polygons", "extent 'half' is not one of",
    ),
    "a region of nothing": (
        "regions", set_field(polygon=[]), "tasks, flaw types and polygons", "polygon is empty, but extent is region",
    ),
    "a probability of 2": ("default", in_region(probability=2.0), "tasks, flaw types and polygons", "outside 0..1"),
    "a score that is no number": ("ratings", set_field(score=float("nan")), "scores", "score nan is not on its scale"),
    "an unknown dimension": ("ratings", set_field(dimension="beauty"), "scores", "'beauty'"),
    "a task of no taxonomy": ("default", set_field(task="dream"), "tasks, flaw types and polygons", "'dream'"),
    "a polygon that crosses itself": ("default", in_region(polygon=BOWTIE), "tasks, flaw types and polygons", "cross"),
    "a flaw type of the other kind": (
        "default", in_region(flaw_type="not_edited"), "tasks, flaw types and polygons", "not of artifact",
    ),
    "a point outside": (
        "regions", set_field(polygon=[[[0, 0], [1.5, 0], [1, 1]]]), "tasks, flaw types and polygons", "leaves 0..1",
    ),
    "no reason": ("regions", set_field(description=" "), "tasks, flaw types and polygons", "description is empty"),
    "a score of 9 on five grades": ("ratings", set_field(score=9.0), "scores", "score 9.0 is not on its scale"),
    "an opinion score of 130": ("default", set_field(visual_consistency=130.0), "scores", "outside 0..100"),
    "a score without ratings": ("default", set_field(visual_consistency_n=0), "scores", "with 0 ratings"),
    "a rating of an edit that is not there": (
        "ratings", set_field(edit_id="0" * 16), "raw tables refer to edits", "not in the dataset",
    ),
    "an unknown outcome": ("answers", set_field(outcome="bored"), "raw tables refer to edits", "'bored'"),
    "an e-mail address": (
        "regions", set_field(description="ask ann.b@example.org"), "no personal data", "description holds an e-mail",
    ),
    "a token": ("answers", set_field(reason="hf_" + "a" * 30), "no personal data", "access token"),
    "another annotator simulated": (
        "answers", set_field(annotator="eve"), "simulated and procedural content is declared", "3 are simulated",
    ),
    "a missing row": ("answers", lambda rows: rows.pop(), "row counts", "the manifest says"),
}  # fmt: skip


def test_an_untouched_dataset_passes_every_check(dataset):
    results = validate.validate_dataset(dataset)
    assert [result.name for result in results] == OWN_CHECKS
    assert failures(dataset) == {}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_caught_by_its_own_check(dataset, fault):
    config, mend, check, sentence = FAULTS[fault]
    change(dataset, config, mend)
    found = failures(dataset)
    assert check in found
    assert any(sentence in failure for failure in found[check])


def test_a_flipped_byte_is_caught(dataset):
    path = next((dataset / "data" / "edits").glob("test-*"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "sha-256" in failures(dataset)["every file is as the manifest says"][0]


def test_a_photo_in_two_splits_is_caught(dataset):
    moved: list[str] = []
    change(dataset, "default", lambda rows: moved.append(rows[0]["source_id"]))
    change(dataset, "default", set_field(source_id=moved[0]), split="test")
    assert any(moved[0] in failure for failure in failures(dataset)["no photo in two splits"])


def test_a_derived_photo_in_another_split_than_its_clean_one_is_caught(dataset):
    manifest = json.loads((dataset / "manifest.json").read_text(encoding="utf-8"))
    sources = [
        pq.read_table(next((dataset / "data/edits").glob(f"{split}-*")))["source_id"][0].as_py()
        for split in ("train", "test")
    ]
    manifest["derived_sources"] = {sources[0]: sources[1]}
    (dataset / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert "no photo in two splits" in failures(dataset)


def test_missing_and_stray_files_are_caught(dataset):
    next((dataset / "data" / "answers").glob("test-*")).unlink()
    (dataset / "notes.txt").write_text("call Bob")
    found = failures(dataset)
    assert len(found["every file is as the manifest says"]) == 2
    assert "no file for split test" in found["columns and types"][0]
    sign(dataset)
    assert "no file for split test" in failures(dataset)["columns and types"][0]


def test_a_shard_that_is_missing_among_others_is_caught(dataset):
    path = next((dataset / "data" / "edits").glob("train-*"))
    path.rename(path.with_name("train-00000-of-00002.parquet"))
    assert "not one of the 1 files of split train" in failures(dataset)["columns and types"][0]


def test_a_rating_in_another_split_than_its_edit_is_caught(dataset):
    taken: list[dict[str, Any]] = []
    change(dataset, "ratings", lambda rows: taken.append(rows.pop()))
    change(dataset, "ratings", lambda rows: rows.append(taken[0]), split="test")
    assert "the edit is in split train" in failures(dataset)["raw tables refer to edits"][0]


def test_what_git_and_the_hub_put_beside_a_dataset_is_no_fault(dataset):
    (dataset / ".cache" / "huggingface").mkdir(parents=True)
    (dataset / ".cache" / "huggingface" / "x.metadata").write_text("etag")
    (dataset / ".gitattributes").write_text("*.parquet filter=lfs")
    assert failures(dataset) == {}


def test_whatever_byte_is_flipped_there_is_a_sentence_and_no_traceback(dataset):
    path = next((dataset / "data" / "regions").glob("train-*"))
    whole = path.read_bytes()
    for place in np.random.default_rng(7).integers(0, len(whole), 40):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        assert "every file is as the manifest says" in failures(dataset)


def test_swapped_columns_are_caught(dataset):
    path = next((dataset / "data" / "ratings").glob("train-*"))
    table = pq.read_table(path)
    pq.write_table(table.select([*table.column_names[::-1]]), path)
    sign(dataset)
    assert "columns differ" in failures(dataset)["columns and types"][0]


def test_a_truncated_file_is_one_sentence(dataset):
    path = next((dataset / "data" / "edits").glob("train-*"))
    path.write_bytes(path.read_bytes()[:-100])
    assert "not a whole Parquet file" in failures(dataset)["columns and types"][0]


@pytest.mark.parametrize("name", ["README.md", "croissant.json"])
def test_a_card_without_its_front_matter_is_caught(dataset, name):
    (dataset / name).write_text("hello", encoding="utf-8")
    sign(dataset)
    assert "card and Croissant" in failures(dataset)


@pytest.mark.parametrize("front", ["configs: nothing", "- a", "dataset_info: [1, 2]", "configs: {a: [}"])
def test_a_front_matter_of_another_form_is_caught(dataset, front):
    (dataset / "README.md").write_text(f"---\n{front}\n---\n# Hello\n", encoding="utf-8")
    sign(dataset)
    assert "card and Croissant" in failures(dataset)


def test_a_card_that_hides_the_simulation_is_caught(dataset):
    card = dataset / "README.md"
    card.write_text(card.read_text(encoding="utf-8").replace("not human feedback", "human feedback"), encoding="utf-8")
    sign(dataset)
    assert "no banner" in failures(dataset)["simulated and procedural content is declared"][0]


@pytest.mark.parametrize("content", [None, "{", "[]", "null", "[" * 100_000, '{"files": {}}', '{"format": 99}'])
def test_a_folder_that_is_no_dataset_is_one_sentence(tmp_path, content):
    if content is not None:
        (tmp_path / "manifest.json").write_text(content, encoding="utf-8")
    with pytest.raises(BadInput, match=r"manifest\.json"):
        validate.validate_dataset(tmp_path)
