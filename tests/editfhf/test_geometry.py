"""Polygons and pixels: there and back, and what cannot be a polygon."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import Point

from editfhf.errors import BadInput
from editfhf.geometry import mend_polygon, rasterise, to_shape, trace

points = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=8, unique=True)


@given(points=points)
def test_a_raster_holds_the_pixels_whose_centres_lie_inside(points):
    try:
        polygons, _ = mend_polygon([[list(point) for point in points]])
    except BadInput:
        return
    for polygon in polygons:
        mask = rasterise(polygon, 24, 16)
        shape = to_shape(polygon)
        for row, column in np.ndindex(mask.shape):
            centre = Point((column + 0.5) / 24, (row + 0.5) / 16)
            # On the outline itself either answer is right: within half a pixel nothing is asked.
            if shape.boundary.distance(centre) > 0.5 / 16:
                assert mask[row, column] == shape.contains(centre)


@given(seed=st.integers(0, 200))
def test_tracing_a_mask_and_filling_it_again_gives_the_mask(seed):
    rng = np.random.default_rng(seed)
    mask = np.kron(rng.random((4, 5)) < 0.5, np.ones((9, 8))).astype(bool)
    back = np.zeros_like(mask)
    for polygon in trace(mask, tolerance=0):
        back |= rasterise(polygon, mask.shape[1], mask.shape[0])
    assert (back != mask).mean() < 0.02


def test_a_hole_stays_a_hole():
    mask = np.ones((30, 40), bool)
    mask[10:20, 10:30] = False
    (polygon,) = trace(mask)
    assert len(polygon) == 2
    assert np.array_equal(rasterise(polygon, 40, 30), mask)


def test_a_ring_that_crosses_itself_is_split_and_said_so():
    parts, note = mend_polygon([[[0.1, 0.1], [0.9, 0.9], [0.9, 0.1], [0.1, 0.9]]])
    assert len(parts) == 2
    assert "crossed itself" in note


def test_a_hand_that_slipped_over_the_edge_is_brought_back():
    (part,), note = mend_polygon([[[-0.01, 0.1], [0.5, 0.1], [0.5, 1.01]]])
    assert to_shape(part).bounds == (0, 0.1, 0.5, 1)
    assert "edge" in note


@pytest.mark.parametrize(
    ("ring", "message"),
    [
        ([], "no area|no points"),
        ([[0.1, 0.1], [0.2, 0.2]], "2 points"),
        ([[0.1, 0.1], [0.2, 0.2], [0.1, 0.1]], "3 points"),
        ([[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]], "no area"),
        ([[0, 0], [2, 0], [2, 2]], "outside"),
        ([[0, 0], [float("nan"), 0], [1, 1]], "finite"),
    ],
)
def test_what_cannot_be_a_polygon_is_refused_with_the_reason(ring, message):
    with pytest.raises(BadInput, match=message):
        mend_polygon([ring])
