"""What `editfhf validate` has analysis recompute: opinion scores, consensus regions and maps, from the raw configs."""

import io
import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from analysis.mos import mos_by_dimension
from analysis.regions import find_consensus
from analysis.study import MAP_NAMES, inspections
from editfhf.checks.rows import read_rows
from editfhf.schema import DIMENSIONS

TOLERANCE = 1e-6


def checks() -> list[tuple[str, Callable[[Path], Iterator[str]]]]:
    """The checks for the entry point group `editfhf.checks`."""
    return [
        ("opinion scores follow from the ratings", check_scores),
        ("consensus and maps follow from the regions", check_consensus),
    ]


def check_scores(folder: Path) -> Iterator[str]:
    """D, D_std, D_ci95 and D_n of every edit are what the config `ratings` gives."""
    ratings = pd.DataFrame([row for _, _, row in read_rows(folder, "ratings")])
    table = mos_by_dimension(ratings) if len(ratings) else pd.DataFrame(columns=["edit_id", "dimension"])
    expected = {(row["edit_id"], row["dimension"]): row for row in table.to_dict("records")}
    columns = ["edit_id", *(f"{name}{suffix}" for name in DIMENSIONS for suffix in ("", "_std", "_ci95", "_n"))]
    nothing = {"mos": None, "std": None, "ci95": None, "n": 0}
    for _, file, row in read_rows(folder, "default", columns):
        for name in DIMENSIONS:
            wanted = expected.get((row["edit_id"], name), nothing)
            for suffix, key in (("", "mos"), ("_std", "std"), ("_ci95", "ci95"), ("_n", "n")):
                stored = row[f"{name}{suffix}"]
                if not _equal(stored, wanted[key]):
                    yield f"{file}: {row['edit_id']}: {name}{suffix} is {stored}, the ratings give {wanted[key]}"


def check_consensus(folder: Path) -> Iterator[str]:
    """The regions and both maps of every edit are what the configs `regions` and `answers` give."""
    inspected = inspections(row for _, _, row in read_rows(folder, "answers"))
    regions: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for _, _, row in read_rows(folder, "regions"):
        regions[row["edit_id"]].append(row)
    columns = ["edit_id", "width", "height", "regions", "artifact_map", "failure_map"]
    for _, file, row in read_rows(folder, "default", columns):
        edit_id, where = row["edit_id"], f"{file}: {row['edit_id']}"
        stored_maps = {kind: row[f"{name}_map"] for kind, name in MAP_NAMES.items()}
        if not inspected[edit_id]:
            if row["regions"] or any(stored_maps.values()):
                yield f"{where}: nobody inspected it, but it has regions or maps"
            continue
        consensus = find_consensus(regions[edit_id], inspected[edit_id], row["width"], row["height"])
        if consensus.regions != row["regions"]:
            yield f"{where}: regions are not the consensus of the raw regions"
        for kind, pixels in consensus.maps.items():
            stored = stored_maps[kind]
            if stored is None or not _same_map(_decode(stored["bytes"]), pixels):
                yield f"{where}: {MAP_NAMES[kind]}_map is not what the raw regions give"


def _equal(stored: float | None, wanted: float | None) -> bool:
    if stored is None or wanted is None:
        return _missing(stored) and _missing(wanted)
    return (_missing(stored) and _missing(wanted)) or abs(stored - wanted) <= TOLERANCE


def _missing(value: float | None) -> bool:
    return value is None or math.isnan(value)


def _same_map(stored: np.ndarray, wanted: np.ndarray) -> bool:
    # Another processor may round the smoothing the other way: one step of 255.
    return stored.shape == wanted.shape and bool((np.abs(stored.astype(int) - wanted.astype(int)) <= 1).all())


def _decode(data: bytes) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image)
    except OSError:
        return np.empty(0)
