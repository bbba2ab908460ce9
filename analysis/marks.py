"""What people drew, as arrays over all edits at once: who, where, which kind, and the outlines as shapely polygons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from editfhf.flaws import FLAW_TYPES
from editfhf.schema import EXTENTS, REGION_KINDS, Polygon

KIND_CODE = {kind: code for code, kind in enumerate(REGION_KINDS)}
EXTENT_CODE = {extent: code for code, extent in enumerate(EXTENTS)}
TYPE_CODE = {flaw.id: code for code, flaw in enumerate(FLAW_TYPES)}
REGION = EXTENT_CODE["region"]
_POLYGON, _MULTIPOLYGON, _COLLECTION = 3, 6, 7  # shapely's type ids


@dataclass(frozen=True)
class Marks:
    """One row for each drawing, sorted by edit, within it by what was drawn and last by who drew it.

    Attributes:
        edit, person: int codes; kind, flaw_type, extent: codes of `KIND_CODE`, `TYPE_CODE`, `EXTENT_CODE`.
        shapes: valid shapely polygons or multipolygons in 0..1 of the edited image; None where nothing was outlined.
        row: which row of the input this is.
    """

    edit: np.ndarray
    person: np.ndarray
    kind: np.ndarray
    flaw_type: np.ndarray
    extent: np.ndarray
    shapes: np.ndarray
    row: np.ndarray

    @classmethod
    def of(
        cls, edit: np.ndarray, person: np.ndarray, columns: Mapping[str, Sequence[Any]], shapes: np.ndarray
    ) -> "Marks":
        """From columns in any order.

        Args:
            edit, person: int codes; columns: kind, flaw_type, extent, description, region_id.
            shapes: as `outlines` gives them.
        """
        codes = {
            "kind": np.array([KIND_CODE[kind] for kind in columns["kind"]], int),
            "flaw_type": np.array([TYPE_CODE[name] for name in columns["flaw_type"]], int),
            "extent": np.array([EXTENT_CODE[extent] for extent in columns["extent"]], int),
        }
        # By content, and by names only between equals: what people are called must not decide ties.
        empty = shapely.is_missing(shapes)
        bounds = np.where(empty[:, None], 0.0, shapely.bounds(shapes)) if len(shapes) else np.empty((0, 4))
        area = np.where(empty, 0.0, shapely.area(shapes))
        text, name = (_ranks(columns[column]) for column in ("description", "region_id"))
        order = np.lexsort((name, person, text, codes["flaw_type"], area, *bounds.T[::-1], codes["kind"], edit))
        arrays = (edit, person, codes["kind"], codes["flaw_type"], codes["extent"], shapes, np.arange(len(edit)))
        return cls(*(array[order] for array in arrays))

    def take(self, rows: Any) -> "Marks":
        """Some rows, in their order."""
        names = ("edit", "person", "kind", "flaw_type", "extent", "shapes", "row")
        return Marks(*(getattr(self, name)[rows] for name in names))

    def __len__(self) -> int:
        return len(self.edit)


def outlines(polygons: pa.Array) -> np.ndarray:
    """The polygons of an Arrow column (list of rings of points) as valid shapely shapes; None for an empty one.

    No Python object for a point: 420,000 outlines take seconds.
    """
    polygons = polygons.combine_chunks() if isinstance(polygons, pa.ChunkedArray) else polygons
    shapes = np.full(len(polygons), None, object)
    ring_lists = polygons.flatten()
    n_rings = pc.list_value_length(polygons).fill_null(0).to_numpy(zero_copy_only=False).astype(int)
    n_points = pc.list_value_length(ring_lists).to_numpy(zero_copy_only=False).astype(int)
    if not len(n_points):
        return shapes
    points = ring_lists.flatten().flatten().to_numpy(zero_copy_only=False).astype(float).reshape(-1, 2)
    rings = shapely.linearrings(points, indices=np.repeat(np.arange(len(n_points)), n_points))
    owner = np.repeat(np.arange(len(polygons)), n_rings)
    first = np.r_[True, owner[1:] != owner[:-1]]
    holes = rings[~first]
    shapes[owner[first]] = shapely.polygons(rings[first])
    for one in np.unique(owner[~first]):  # few people draw a hole
        inner = holes[owner[~first] == one]
        shapes[one] = shapely.polygons(rings[first][np.flatnonzero(owner[first] == one)[0]], holes=inner)
    invalid = ~shapely.is_valid(shapes) & ~shapely.is_missing(shapes)
    shapes[invalid] = areal(shapely.make_valid(shapes[invalid]))
    return shapes


def outlines_of(polygons: Sequence[Polygon]) -> np.ndarray:
    """The same of Python lists."""
    return outlines(pa.array([list(one) for one in polygons], pa.list_(pa.list_(pa.list_(pa.float64())))))


def areal(shapes: np.ndarray) -> np.ndarray:
    """The polygons within geometries of any sort: lines and points, where outlines only touch, are no place.

    Returns:
        polygons and multipolygons, of the shape given; an empty polygon where there is no area.
    """
    shapes = np.array(shapes, dtype=object, copy=True)
    kind = shapely.get_type_id(shapes)
    shapes[(kind >= 0) & ~np.isin(kind, (_POLYGON, _MULTIPOLYGON, _COLLECTION))] = shapely.Polygon()
    for place in np.flatnonzero(kind == _COLLECTION):
        parts = shapely.get_parts(shapely.get_parts(shapes[place]))
        shapes[place] = shapely.union_all(parts[np.isin(shapely.get_type_id(parts), (_POLYGON, _MULTIPOLYGON))])
    return shapes


def _ranks(texts: Sequence[str]) -> np.ndarray:
    return np.asarray(pd.factorize(np.asarray(texts, object), sort=True)[0], int)
