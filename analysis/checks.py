"""What `editfhf validate` has analysis recompute: opinion scores, consensus regions and maps, from the raw configs."""

import io
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from shapely.errors import ShapelyError

from analysis.drawings import ANSWER_COLUMNS, REGION_COLUMNS, Drawings
from analysis.mos import mos_by_dimension
from analysis.study import MAP_NAMES
from editfhf.checks.rows import read_rows, shards
from editfhf.geometry import to_shape
from editfhf.schema import DIMENSIONS, TABLES, Polygon

TOLERANCE = 1e-6
RATING_COLUMNS = ["edit_id", "annotator", "dimension", "score", "scale_min", "scale_max", "check", "screened"]


def checks() -> list[tuple[str, Callable[[Path], Iterator[str]]]]:
    """The checks for the entry point group `editfhf.checks`."""
    return [
        ("opinion scores follow from the ratings", check_scores),
        ("consensus and maps follow from the regions", check_consensus),
    ]


def check_scores(folder: Path) -> Iterator[str]:
    """D, D_std, D_ci95 and D_n of every edit are what the config `ratings` gives."""
    ratings = _read_table(folder, "ratings", RATING_COLUMNS).to_pandas()
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
    drawings = Drawings(_read_table(folder, "answers", ANSWER_COLUMNS), _read_table(folder, "regions", REGION_COLUMNS))
    columns = ["edit_id", "width", "height", "regions", "artifact_map", "failure_map"]
    for _, file, row in read_rows(folder, "default", columns):
        where = f"{file}: {row['edit_id']}"
        stored_maps = {kind: row[f"{name}_map"] for kind, name in MAP_NAMES.items()}
        consensus = drawings.consensus(row["edit_id"], row["width"], row["height"])
        if consensus is None:
            if row["regions"] or any(stored_maps.values()):
                yield f"{where}: nobody inspected it, but it has regions or maps"
            continue
        if not _same_regions(row["regions"], consensus.regions):
            yield f"{where}: regions are not the consensus of the raw regions"
        for kind, pixels in consensus.maps.items():
            stored = stored_maps[kind]
            if stored is None or not _same_map(_decode(stored["bytes"]), pixels):
                yield f"{where}: {MAP_NAMES[kind]}_map is not what the raw regions give"


def _read_table(folder: Path, config: str, columns: list[str]) -> pa.Table:
    """Some columns of a raw config, all splits: numbers and polygons, no images."""
    schema = pa.schema([TABLES[config].field(name) for name in columns])
    tables = [pq.read_table(path, columns=columns).cast(schema) for _, path in shards(folder, config)]
    return pa.concat_tables(tables) if tables else schema.empty_table()


def _same_regions(stored: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> bool:
    if len(stored) != len(wanted):
        return False
    # In any order: equal probabilities may be sorted by a coordinate that differs in its last digit.
    return all(any(_same_region(one, other) for other in stored) for one in wanted)


def _same_region(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return (
        all(stored[name] == wanted[name] for name in ("kind", "flaw_type", "extent", "description", "support"))
        and _equal(stored["probability"], wanted["probability"])
        and all(_same_place(stored[name], wanted[name]) for name in ("polygon", "source_polygon"))
    )


def _same_place(stored: Polygon, wanted: Polygon) -> bool:
    # Another version of GEOS may begin a ring at another point, or differ in the last digit.
    if stored == wanted or not (stored and wanted):
        return stored == wanted
    try:
        return bool(to_shape(stored).symmetric_difference(to_shape(wanted)).area <= TOLERANCE)
    except ShapelyError:  # a ring that crosses itself: the check of polygons says so
        return False


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
