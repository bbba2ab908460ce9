"""Checks of the files of a dataset: hashes, counts, card, and what manifest and card declare."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from editfhf.card import BANNER, card_configs, card_features
from editfhf.checks.rows import read_rows, shards
from editfhf.dataset_schema import FOLDERS, RAW_CONFIGS
from editfhf.export import sha256_of
from editfhf.manifest import MANIFEST_NAME, Manifest
from editfhf.schema import SPLITS

# What git and the Hub's client put beside the files of a dataset.
NOT_OURS = (".git", ".cache", ".gitattributes")


def check_hashes(folder: Path) -> Iterator[str]:
    """The files are those of the manifest, byte for byte."""
    listed = Manifest.read(folder).files
    present = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] not in NOT_OURS
    } - {MANIFEST_NAME}
    for name in sorted(set(listed) - present):
        yield f"{name}: the manifest lists it, but it is missing"
    for name in sorted(present - set(listed)):
        yield f"{name}: the manifest does not list it"
    for name in sorted(present & set(listed)):
        size = (folder / name).stat().st_size
        if size != listed[name].bytes:
            yield f"{name}: it has {size} bytes, the manifest says {listed[name].bytes}"
        elif sha256_of(folder / name) != listed[name].sha256:
            yield f"{name}: its sha-256 is not that of the manifest"


def check_counts(folder: Path) -> Iterator[str]:
    """Rows, models, tasks and photos are as many as the manifest says."""
    manifest = Manifest.read(folder)
    for config in FOLDERS:
        counted = dict.fromkeys(SPLITS, 0)
        for split, path in shards(folder, config):
            counted[split] += pq.read_metadata(path).num_rows
        for split in SPLITS:
            says = manifest.rows[config][split]
            if counted[split] != says:
                yield f"config {config}, split {split}: {counted[split]} rows, the manifest says {says}"
    models: Counter[str] = Counter()
    tasks: Counter[str] = Counter()
    photos: dict[str, str] = {}
    for split, _, row in read_rows(folder, "default", ["source_id", "task", "model"]):
        models[row["model"]] += 1
        tasks[row["task"]] += 1
        photos[manifest.derived_sources.get(row["source_id"], row["source_id"])] = split
    for name, found, says_all in (
        ("models", models, manifest.models),
        ("tasks", tasks, manifest.tasks),
        ("photos", Counter(photos.values()), manifest.photos),
    ):
        for key in sorted(set(found) | set(says_all)):
            if found[key] != says_all.get(key, 0):
                yield f"manifest.json: {name}: {key} occurs {found[key]} times, it says {says_all.get(key, 0)}"
    if sum(manifest.source_licences.values()) != len(photos) or not all(manifest.source_licences):
        yield f"manifest.json: source_licences: not every one of the {len(photos)} photos has a licence"


def check_card(folder: Path) -> Iterator[str]:
    """README.md has the configs and features that the Hub reads; croissant.json names every Parquet file."""
    manifest = Manifest.read(folder)
    card = folder / "README.md"
    if not card.is_file():
        yield "README.md: missing"
        return
    front = _front_matter(card.read_text(encoding="utf-8"))
    if front is None:
        yield "README.md: no front matter that can be read"
        return
    if front.get("configs") != card_configs(manifest):
        yield f"README.md: configs does not name the files of {', '.join(manifest.filled_configs)} as they are"
    infos = front.get("dataset_info")
    infos = {one.get("config_name"): one for one in infos if isinstance(one, dict)} if isinstance(infos, list) else {}
    for config in manifest.filled_configs:
        info = infos.get(config, {})
        if info.get("features") != card_features(config):
            yield f"README.md: dataset_info of {config}: features differ from those of the files"
        splits = info.get("splits") if isinstance(info.get("splits"), list) else []
        counts = [(one.get("name"), one.get("num_examples")) for one in splits if isinstance(one, dict)]
        if counts != [(split, manifest.rows[config][split]) for split in manifest.filled_splits(config)]:
            yield f"README.md: dataset_info of {config}: splits differ from the row counts of the manifest"
    if not front.get("license"):
        yield "README.md: no licence"
    croissant = folder / "croissant.json"
    if not croissant.is_file():
        yield "croissant.json: missing"
        return
    text = croissant.read_text(encoding="utf-8")
    for name, file in manifest.files.items():
        if name.endswith(".parquet") and file.sha256 not in text:
            yield f"croissant.json: {name} is not described with its sha-256"


def _front_matter(card: str) -> dict[str, Any] | None:
    parts = card.split("---\n", 2)
    try:
        front = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0] else None
    except yaml.YAMLError:
        return None
    return front if isinstance(front, dict) else None


def check_declarations(folder: Path) -> Iterator[str]:
    """What a program made or answered is declared: in the manifest and in a banner of the card."""
    manifest = Manifest.read(folder)
    card = (folder / "README.md").read_text(encoding="utf-8") if (folder / "README.md").is_file() else ""
    people = {
        (row["annotator"], row["annotator_kind"])
        for config in RAW_CONFIGS
        for _, _, row in read_rows(folder, config, ["annotator", "annotator_kind"])
    }
    kinds = Counter(kind for _, kind in people)
    procedural = {
        row["model"] for _, _, row in read_rows(folder, "default", ["model"]) if row["model"].startswith("procedural/")
    }
    for kind in sorted(set(kinds) | set(manifest.annotators)):
        declared = manifest.annotators.get(kind, 0)
        if kinds[kind] != declared:
            yield f"manifest.json: annotators: {kinds[kind]} are {kind}, it declares {declared}"
    for annotator in sorted({name for name, _ in people if sum((name, kind) in people for kind in kinds) > 1}):
        yield f"annotator {annotator} is said to be human in one row and simulated in another"
    if procedural != set(manifest.procedural_models):
        yield "manifest.json: procedural_models does not name the procedural models of the edits"
    if (kinds["simulated"] or procedural) and BANNER not in card:
        yield "README.md: no banner says that this is not human feedback"
