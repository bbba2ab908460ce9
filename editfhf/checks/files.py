"""Checks of the files of a dataset as such: hashes, schemas, counts, card."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from editfhf.checks.rows import manifest_of, read_rows, shards
from editfhf.dataset_schema import FOLDERS, arrow_schema_of
from editfhf.export import sha256_of
from editfhf.schema import SPLITS


def check_hashes(folder: Path) -> Iterator[str]:
    """The files are those of the manifest, byte for byte."""
    listed = manifest_of(folder)["files"]
    present = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] not in (".git", ".cache")
    } - {"manifest.json", ".gitattributes"}
    for name in sorted(set(listed) - present):
        yield f"{name}: the manifest lists it, but it is missing"
    for name in sorted(present - set(listed)):
        yield f"{name}: the manifest does not list it"
    for name in sorted(present & set(listed)):
        if sha256_of(folder / name) != listed[name]["sha256"]:
            yield f"{name}: its sha-256 is not that of the manifest"


def check_schemas(folder: Path) -> Iterator[str]:
    """Every config has files for every split, with exactly the columns and types of the schema, in their order."""
    for config in FOLDERS:
        expected = arrow_schema_of(config)
        found = list(shards(folder, config))
        for split in SPLITS:
            if split not in {name for name, _ in found}:
                yield f"data/{FOLDERS[config]}: no file for split {split}"
        for _, path in found:
            try:
                schema = pq.read_schema(path)
            except (pa.ArrowException, OSError) as error:
                yield f"{path.name} in data/{FOLDERS[config]}: not a whole Parquet file: {str(error).splitlines()[0]}"
                continue
            if schema.names != expected.names:
                wrong = [name for name in schema.names if name not in expected.names] or schema.names
                yield f"{path.name} in data/{FOLDERS[config]}: columns differ from the schema ({', '.join(wrong)})"
                continue
            for field, wanted in zip(schema, expected, strict=True):
                if field.type != wanted.type:
                    yield f"{path.name} in data/{FOLDERS[config]}: {field.name} is {field.type}, not {wanted.type}"
            if (schema.metadata or {}).get(b"huggingface") != expected.metadata[b"huggingface"]:
                yield f"{path.name} in data/{FOLDERS[config]}: the features for `datasets` are missing or differ"


def check_counts(folder: Path) -> Iterator[str]:
    """Rows are as many as the manifest says."""
    rows = manifest_of(folder)["rows"]
    for config in FOLDERS:
        counted = dict.fromkeys(SPLITS, 0)
        for split, path in shards(folder, config):
            counted[split] += pq.read_metadata(path).num_rows
        for split in SPLITS:
            if counted[split] != rows[config][split]:
                yield f"config {config}, split {split}: {counted[split]} rows, the manifest says {rows[config][split]}"


def check_card(folder: Path) -> Iterator[str]:
    """README.md has the configs and features that the Hub reads; croissant.json names every Parquet file."""
    card = folder / "README.md"
    if not card.is_file():
        yield "README.md: missing"
        return
    parts = card.read_text(encoding="utf-8").split("---\n", 2)
    try:
        front = yaml.safe_load(parts[1])
    except (yaml.YAMLError, IndexError):
        yield "README.md: no front matter that can be read"
        return
    if not isinstance(front, dict):
        yield "README.md: no front matter that can be read"
        return
    for key in ("configs", "dataset_info"):
        names = [one.get("config_name") for one in front.get(key) or []]
        if names != list(FOLDERS):
            yield f"README.md: {key} lists {', '.join(map(str, names)) or 'nothing'}, not {', '.join(FOLDERS)}"
    if not front.get("license"):
        yield "README.md: no licence"
    croissant = folder / "croissant.json"
    if not croissant.is_file():
        yield "croissant.json: missing"
        return
    text = croissant.read_text(encoding="utf-8")
    for name, file in manifest_of(folder)["files"].items():
        if name.endswith(".parquet") and file["sha256"] not in text:
            yield f"croissant.json: {name} is not described with its sha-256"


def check_declarations(folder: Path) -> Iterator[str]:
    """What a program made or answered is declared: in the manifest and in a banner of the card."""
    manifest = manifest_of(folder)
    card = (folder / "README.md").read_text(encoding="utf-8") if (folder / "README.md").is_file() else ""
    answers = read_rows(folder, "answers", ["annotator", "annotator_kind"])
    simulated = {row["annotator"] for _, _, row in answers if row["annotator_kind"] == "simulated"}
    for config in ("ratings", "regions"):
        rows = read_rows(folder, config, ["annotator", "annotator_kind"])
        simulated |= {row["annotator"] for _, _, row in rows if row["annotator_kind"] == "simulated"}
    procedural = {
        row["model"] for _, _, row in read_rows(folder, "default", ["model"]) if row["model"].startswith("procedural/")
    }
    if simulated and manifest["annotators"].get("simulated", 0) != len(simulated):
        declared = manifest["annotators"].get("simulated", 0)
        yield f"manifest.json: annotators: {len(simulated)} are simulated, it declares {declared}"
    if procedural != set(manifest["procedural_models"]):
        yield "manifest.json: procedural_models does not name the procedural models of the edits"
    if (simulated or procedural) and "not human feedback" not in card:
        yield "README.md: no banner says that this is not human feedback"
    if not manifest["source_licences"] or "" in manifest["source_licences"]:
        yield "manifest.json: source_licences: a photo has no licence"
