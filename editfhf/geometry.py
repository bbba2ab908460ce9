"""Polygons in 0..1 of an image, and the pixel masks that they stand for."""

import cv2
import numpy as np
from shapely import make_valid, union_all
from shapely.geometry import GeometryCollection, MultiPolygon
from shapely.geometry import Polygon as ShapelyPolygon

from editfhf.errors import BadInput
from editfhf.schema import Polygon

# Points may lie this far outside the image before they count as nonsense rather than as a hand that slipped.
OUTSIDE_TOLERANCE = 0.02


def mend_polygon(polygon: Polygon) -> tuple[list[Polygon], str]:
    """Valid polygons that cover what was drawn, and a note of what had to be mended ("" when nothing).

    Points slightly outside the image are moved to its edge; a ring that crosses itself is split where it does.

    Args:
        polygon: one outer ring, then holes; points in 0..1.

    Returns:
        One polygon for each separate part, largest first.

    Raises:
        BadInput: fewer than three different points, a number that is not finite, a point far outside, no area.
    """
    for ring in polygon:
        if len({tuple(point) for point in ring}) < 3:
            raise BadInput(f"a polygon of {len(ring)} points has no area")
    points = np.array([point for ring in polygon for point in ring], dtype=float)
    if points.size == 0:
        raise BadInput("the polygon has no points")
    if not np.isfinite(points).all():
        raise BadInput("a point of the polygon is not a finite number")
    if points.min() < -OUTSIDE_TOLERANCE or points.max() > 1 + OUTSIDE_TOLERANCE:
        raise BadInput(f"a point of the polygon lies outside the image ({points.min():.2f} to {points.max():.2f})")
    notes = []
    if points.min() < 0 or points.max() > 1:
        notes.append("points outside the image moved to its edge")
    rings = [np.clip(np.array(ring, dtype=float), 0, 1) for ring in polygon]
    shape = ShapelyPolygon(rings[0], rings[1:])
    if not shape.is_valid:
        notes.append("a ring that crossed itself was split")
        shape = make_valid(shape)
    parts = sorted(polygon_parts(shape), key=lambda part: -part.area)
    if not parts:
        raise BadInput("the polygon has no area")
    return [from_shape(part) for part in parts], "; ".join(notes)


def to_shape(polygon: Polygon) -> ShapelyPolygon:
    """A shapely polygon in the same coordinates (0..1). Anisotropic: multiply x by width / height for true areas."""
    return ShapelyPolygon(polygon[0], polygon[1:])


def from_shape(shape: ShapelyPolygon) -> Polygon:
    """The rings of a shapely polygon, not closed."""
    return [[[float(x), float(y)] for x, y in ring.coords[:-1]] for ring in (shape.exterior, *shape.interiors)]


def polygon_parts(shape: object) -> list[ShapelyPolygon]:
    """The polygons of positive area inside any shapely geometry."""
    if isinstance(shape, ShapelyPolygon):
        return [shape] if shape.area > 0 else []
    if isinstance(shape, (MultiPolygon, GeometryCollection)):
        return [part for member in shape.geoms for part in polygon_parts(member)]
    return []


def rasterise(polygon: Polygon, width: int, height: int) -> np.ndarray:
    """The pixels whose centres a polygon covers: bool, shape (height, width). An empty polygon covers none."""
    # OpenCV fills every pixel that an outline touches; on a grid three times as fine, of which the centres are taken,
    # that is less than half a pixel.
    fine = np.zeros((3 * height, 3 * width), np.uint8)
    if polygon:
        rings = [
            np.round((np.array(ring, float) * [3 * width, 3 * height] - 0.5) * 16).astype(np.int32) for ring in polygon
        ]
        cv2.fillPoly(fine, rings, 1, lineType=cv2.LINE_8, shift=4)  # 4 fractional bits
    return fine[1::3, 1::3].astype(bool)


def trace(mask: np.ndarray, tolerance: float = 0.002, min_area: float = 0.0) -> list[Polygon]:
    """The outlines of a pixel mask, one polygon with its holes for each connected part, largest first.

    Args:
        mask: bool, shape (height, width).
        tolerance: how far the outline may be simplified, as a share of the image's diagonal (Douglas–Peucker).
        min_area: parts smaller than this share of the image are left out.
    """
    height, width = mask.shape
    # At double size, each pixel is a 2 × 2 block: the contour then runs along pixel borders within a quarter pixel.
    doubled = mask.astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    # Part by part, joined by edges only: outlines that touch at a corner would cross each other.
    n_labels, labels, stats, _ = cv2.connectedComponentsWithStats(doubled, connectivity=4)
    parts = []
    for label in range(1, n_labels):
        left, top, w, h = stats[label, :4]
        part = np.pad(labels[top : top + h, left : left + w] == label, 1).astype(np.uint8)
        contours, hierarchy = cv2.findContours(part, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        rings = [(contour[:, 0, :] + (left - 0.5, top - 0.5)) / (2 * width, 2 * height) for contour in contours]
        outer = [ring for ring, place in zip(rings, hierarchy[0], strict=True) if place[3] == -1]
        holes = [ring for ring, place in zip(rings, hierarchy[0], strict=True) if place[3] != -1 and len(ring) >= 3]
        # Subtracted, not given as inner rings: holes that touch at a corner overlap there.
        shape = make_valid(ShapelyPolygon(outer[0]))
        shape = shape.difference(union_all([make_valid(ShapelyPolygon(hole)) for hole in holes]))
        shape = shape.simplify(tolerance * 2**0.5, preserve_topology=True)
        parts += [one for one in polygon_parts(shape) if one.area > min_area]
    return [from_shape(part) for part in sorted(parts, key=lambda part: -part.area)]
