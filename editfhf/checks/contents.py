"""Checks of what stands in the rows of a dataset: ids, regions, scores, splits, references, privacy."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shapely.geometry import Polygon as ShapelyPolygon

from editfhf.checks.images import IMAGES
from editfhf.checks.rows import read_rows
from editfhf.dataset_schema import FOLDERS, RAW_CONFIGS, features_of
from editfhf.flaws import FLAWS
from editfhf.manifest import MANIFEST_NAME, Manifest
from editfhf.schema import ANNOTATOR_KINDS, DIMENSIONS, EXTENTS, OUTCOMES, REGION_KINDS, canonical_json, edit_id_of
from editfhf.tasks import TASKS

EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]*[A-Za-z]")
# Access tokens of the Hub, of OpenAI, GitHub, AWS and Google, and JSON web tokens
TOKEN = re.compile(
    r"\b(hf_[A-Za-z0-9]{20,}|sk-[\w-]{20,}|gh[pousr]_\w{20,}|AKIA[0-9A-Z]{16}|AIza[\w-]{30,}|eyJ[\w-]{10,}\.[\w-]{10,}\.)"
)


def check_edit_ids(folder: Path) -> Iterator[str]:
    """An edit_id is the hash of its inputs, occurs once, and a parent is an edit too."""
    columns = [
        "edit_id", "parent_edit_id", "source_id", "task", "instruction", "model", "model_revision", "params", "seed",
    ]  # fmt: skip
    seen: set[str] = set()
    parents: dict[str, str] = {}
    for _, file, row in read_rows(folder, "default", columns):
        edit_id = row["edit_id"]
        if edit_id in seen:
            yield f"{file}: {edit_id}: edit_id occurs twice"
        seen.add(edit_id)
        if row["parent_edit_id"]:
            parents[edit_id] = row["parent_edit_id"]
        try:
            params = json.loads(row["params"])
            canonical = canonical_json(params)
        except (ValueError, RecursionError):  # NaN, which Python reads, is not JSON either
            yield f"{file}: {edit_id}: params is not JSON"
            continue
        if row["params"] != canonical:
            yield f"{file}: {edit_id}: params is not canonical JSON (sorted keys, no spaces)"
        keys = (row["source_id"], row["task"], row["instruction"], row["model"], row["model_revision"])
        if edit_id_of(*keys, params, row["seed"]) != edit_id:
            yield f"{file}: {edit_id}: edit_id is not the hash of its inputs"
    for edit_id, parent in parents.items():
        if parent not in seen:
            yield f"{edit_id}: parent_edit_id {parent} is not in the dataset"


def check_regions(folder: Path) -> Iterator[str]:
    """Tasks, kinds and flaw types are of the taxonomy; polygons are valid and lie in 0..1."""
    for _, file, row in read_rows(folder, "default", ["edit_id", "task", "task_group", "regions"]):
        where = f"{file}: {row['edit_id']}"
        if row["task"] not in TASKS:
            yield f"{where}: task {row['task']!r} is not one of the {len(TASKS)}"
        elif row["task_group"] != TASKS[row["task"]].group:
            yield f"{where}: task_group {row['task_group']!r} is not that of {row['task']}"
        for region in row["regions"]:
            yield from _check_region(where, region)
            if region["support"] < 1:
                yield f"{where}: regions.support {region['support']} is below 1"
            if not 0 <= region["probability"] <= 1:
                yield f"{where}: regions.probability {region['probability']} is outside 0..1"
    seen: set[str] = set()
    for _, file, row in read_rows(folder, "regions"):
        yield from _check_region(f"{file}: {row['edit_id']}: region {row['region_id']}", row)
        if row["region_id"] in seen:
            yield f"{file}: {row['edit_id']}: region_id {row['region_id']} occurs twice"
        seen.add(row["region_id"])


def _check_region(where: str, region: dict[str, Any]) -> Iterator[str]:
    kind, flaw = region["kind"], FLAWS.get(region["flaw_type"])
    if kind not in REGION_KINDS:
        yield f"{where}: kind {kind!r} is not one of {', '.join(REGION_KINDS)}"
    if flaw is None:
        yield f"{where}: flaw_type {region['flaw_type']!r} is not of the taxonomy"
    elif flaw.kind != kind:
        yield f"{where}: flaw_type {flaw.id} is a kind of {flaw.kind}, not of {kind}"
    if region["extent"] not in EXTENTS:
        yield f"{where}: extent {region['extent']!r} is not one of {', '.join(EXTENTS)}"
    if not (region["description"] or "").strip():
        yield f"{where}: description is empty"
    if region["extent"] == "region" and not region["polygon"]:
        yield f"{where}: polygon is empty, but extent is region"
    for column in ("polygon", "source_polygon"):
        if problem := _polygon_problem(region[column]):
            yield f"{where}: {column} {problem}"


def _polygon_problem(rings: list[list[list[float]]]) -> str:
    if not rings:
        return ""
    for ring in rings:
        if len(ring) < 3 or any(len(point) != 2 for point in ring):
            return "has a ring of fewer than three points"
        if any(not 0 <= value <= 1 for point in ring for value in point):  # NaN fails too
            return "leaves 0..1"
    shape = ShapelyPolygon(rings[0], rings[1:])
    return "" if shape.is_valid and shape.area > 0 else "crosses itself or has no area"


def check_scores(folder: Path) -> Iterator[str]:
    """Ratings lie on their scale, opinion scores in 0..100 with as many ratings as they claim."""
    scores = [f"{name}{suffix}" for name in DIMENSIONS for suffix in ("", "_std", "_ci95", "_n")]
    for _, file, row in read_rows(folder, "default", ["edit_id", *scores]):
        for name in DIMENSIONS:
            score, n = row[name], row[f"{name}_n"]
            where = f"{file}: {row['edit_id']}: {name}"
            if (score is None) != (n == 0):
                yield f"{where} is {score} with {n} ratings"
            elif score is not None and not 0 <= score <= 100:
                yield f"{where} {score} is outside 0..100"
            for suffix in ("_std", "_ci95"):
                spread = row[f"{name}{suffix}"]
                if spread is not None and not math.isnan(spread) and spread < 0:
                    yield f"{where}{suffix} {spread} is negative"
    for _, file, row in read_rows(folder, "ratings"):
        where = f"{file}: {row['edit_id']}: annotator {row['annotator']}"
        if row["dimension"] not in DIMENSIONS:
            yield f"{where}: dimension {row['dimension']!r} is not one of {', '.join(DIMENSIONS)}"
        if not row["scale_min"] < row["scale_max"] or not row["scale_min"] <= row["score"] <= row["scale_max"]:
            yield f"{where}: score {row['score']} is not on its scale {row['scale_min']}..{row['scale_max']}"


def check_splits(folder: Path) -> Iterator[str]:
    """No photo is in two splits, nor a derived source in another split than its clean photo."""
    root_of = Manifest.read(folder).derived_sources
    home: dict[str, str] = {}
    leaked = set()
    for split, file, row in read_rows(folder, "default", ["source_id"]):
        photo = root_of.get(row["source_id"], row["source_id"])
        if home.setdefault(photo, split) != split and photo not in leaked:
            leaked.add(photo)
            yield f"{file}: photo {photo} is in {home[photo]} and in {split}"


def check_references(folder: Path) -> Iterator[str]:
    """Rows of the raw configs are about edits of the same split; every name in them is one of the schema."""
    split_of = {row["edit_id"]: split for split, _, row in read_rows(folder, "default", ["edit_id"])}
    for config in RAW_CONFIGS:
        for split, file, row in read_rows(folder, config):
            where = f"{file} in data/{FOLDERS[config]}: {row['edit_id']}"
            if row["edit_id"] not in split_of:
                yield f"{where}: edit_id is not in the dataset"
            elif split_of[row["edit_id"]] != split:
                yield f"{where}: the edit is in split {split_of[row['edit_id']]}"
            if row["annotator_kind"] not in ANNOTATOR_KINDS:
                yield f"{where}: annotator_kind {row['annotator_kind']!r} is not one of {', '.join(ANNOTATOR_KINDS)}"
            if config == "answers" and row["outcome"] not in OUTCOMES:
                yield f"{where}: outcome {row['outcome']!r} is not one of {', '.join(OUTCOMES)}"


def check_privacy(folder: Path) -> Iterator[str]:
    """No e-mail address and no access token in any text: tables, card, manifest."""
    for config in FOLDERS:
        # Of an image, the name of its file; what it carries inside is looked at by the check of images.
        columns = [f"{name}.path" if name in IMAGES else name for name in features_of(config)]
        for _, file, row in read_rows(folder, config, columns):
            for column, value in row.items():
                for text in _texts(value):
                    if problem := _private(text):
                        yield f"{file} in data/{FOLDERS[config]}: {row['edit_id']}: {column} holds {problem}"
    for name in ("README.md", "croissant.json", MANIFEST_NAME):
        path = folder / name
        if path.is_file() and (problem := _private(path.read_text(encoding="utf-8"))):
            yield f"{name} holds {problem}"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from _texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member)


def _private(text: str) -> str:
    if EMAIL.search(text):
        return "an e-mail address"
    return "what looks like an access token" if TOKEN.search(text) else ""
