"""What the second evaluator sees of an edit: numbers of its own, which no network of a refiner is given.

Photo and edit are compared as squares in CIE L*a*b*: of which size detail came and went, what became of the places that
changed, and whether that is what the text names.
"""

import cv2
import numpy as np

from refiner.agents import Pair
from refiner.lite.backbone import square
from refiner.lite.expectation import named_colour, named_place

SIDE, FINE_SIDE = 256, 512  # pixels of the squares: for places and colours, for detail
LEVELS = 6  # of the wavelet transform: detail of 2 to 64 pixels
TILES = 8  # by as many: a small flaw shows in the extreme tiles, not in a mean over the image
EXTREMES = (0, 2, 8, -9, -3, -1)  # of the tiles in order
SMOOTHEST = 0.05  # lightness²: less energy of detail than that cannot be seen
CHANGED = (5.0, 15.0)  # ΔE (CIE76) from which a place counts as changed: by a little, clearly
RIM = np.ones((5, 5), np.uint8)
COLOUR_REACH = 25.0  # ΔE: a colour this far from the one that is named still looks like it, a little


def statistics_of(pair: Pair) -> np.ndarray:
    """float32, shape (n,), n the same for all; of about unit scale."""
    before, after = (_lab(image, SIDE) for image in (pair.source, pair.edited))
    fine_before, fine_after = (_lab(image, FINE_SIDE)[..., 0] for image in (pair.source, pair.edited))
    change = np.sqrt(((after - before) ** 2).sum(axis=2))
    parts = [
        _detail(fine_before, fine_after),
        _of_colour(before, after, change, named_colour(pair.instruction)),
        _of_place(change, named_place(pair.instruction)),
        *(_of_changed(before, after, change, least) for least in CHANGED),
    ]
    return np.concatenate(parts).astype(np.float32)


def haar(values: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """One level of the Haar wavelet transform: the image at half the size, and the detail that goes lost thereby.

    Scaled so that mean squares add up: that of the image is that of the four together.
    """
    a, b, c, d = values[::2, ::2], values[::2, 1::2], values[1::2, ::2], values[1::2, 1::2]
    return (a + b + c + d) / 4, [(a - b + c - d) / 4, (a + b - c - d) / 4, (a - b - c + d) / 4]


def _detail(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Logarithms of the energy of each wavelet band: of the edit, its change, and that of the difference; by tile."""
    parts: list[float] = []
    for _ in range(LEVELS):
        before, bands_before = haar(before)
        after, bands_after = haar(after)
        for x, y in zip(bands_before, bands_after, strict=True):
            had, has, differs = (np.log10((band**2).mean() + SMOOTHEST) for band in (x, y, y - x))
            parts += [has, has - had, differs]
        had, has = (_by_tile(bands) for bands in (bands_before, bands_after))
        change = np.sort(has - had)
        parts += [*change[list(EXTREMES)], change.std(), has.min(), has.max(), has.mean(), has.std()]
    return np.array(parts)


def _by_tile(bands: list[np.ndarray]) -> np.ndarray:
    """The logarithm of the bands' energy in each tile."""
    size = len(bands[0]) // TILES
    energy = sum((band**2).reshape(TILES, size, TILES, size).mean(axis=(1, 3)) for band in bands)
    return np.log10(energy + SMOOTHEST).ravel()


def _of_colour(before: np.ndarray, after: np.ndarray, change: np.ndarray, colour: np.ndarray | None) -> np.ndarray:
    """How near the named colour the image is and was, everywhere and where it changed; zeros where none is named."""
    if colour is None:
        return np.zeros(9)
    # Lightness counts half: a dark red is red.
    far_before, far_after = (np.sqrt((((image - colour) * [0.5, 1, 1]) ** 2).sum(axis=2)) for image in (before, after))
    near_before, near_after = (np.exp(-((far / COLOUR_REACH) ** 2)) for far in (far_before, far_after))
    nearer, weight = near_after - near_before, _weight(change)
    return np.array(
        [
            near_before.mean(),
            near_after.mean(),
            nearer.mean(),
            (weight * near_after).sum(),
            (weight * nearer).sum(),
            (weight * (far_after - far_before)).sum() / (2 * COLOUR_REACH),
            *np.quantile(nearer, (0.8, 0.95, 0.99)),
        ]
    )


def _of_place(change: np.ndarray, place: tuple[float, float, float, float] | None) -> np.ndarray:
    """Where the change is, how far it spreads, and how much of it is in the named place."""
    weight, n = _weight(change), len(change)
    rows, columns = np.mgrid[0:n, 0:n] / n
    x, y = (weight * columns).sum(), (weight * rows).sum()
    spread = np.sqrt((weight * ((columns - x) ** 2 + (rows - y) ** 2)).sum())
    if place is None:
        return np.array([x, y, spread, 0, 0])
    left, top, right, bottom = (round(side * n) for side in place)
    return np.array([x, y, spread, 1, weight[top:bottom, left:right].sum()])


def _weight(change: np.ndarray) -> np.ndarray:
    """The share of each pixel in the change; next to nothing where nothing changed anywhere."""
    return change / (change.sum() + 1e-3 * change.size)


def _of_changed(before: np.ndarray, after: np.ndarray, change: np.ndarray, least: float) -> np.ndarray:
    """The places that changed: how large, how many, how sharp in them and along their rim, and of which colours.

    Where nothing changed, sharpness and colours are of the whole image: an edit that is the photo again is not far from
    one that nearly is.
    """
    mask = (cv2.GaussianBlur(change, (0, 0), 1.5) > least).astype(np.uint8)
    rim = (cv2.dilate(mask, RIM) - cv2.erode(mask, RIM)).astype(bool)
    n_places, _, places, _ = cv2.connectedComponentsWithStats(mask)
    area = float(mask.mean())
    largest = places[1:, cv2.CC_STAT_AREA].max() / mask.size if n_places > 1 else 0.0
    shape = [area, np.log10(area + 1e-3), np.log(n_places), largest, rim.mean(), rim.mean() / (area**0.5 + 1e-2)]
    changed, rim = (where if where.any() else np.ones_like(where) for where in (mask.astype(bool), rim))
    edges_before, edges_after = (_edges(image[..., 0]) for image in (before, after))
    return np.concatenate(
        [
            shape,
            *(_sharpness(edges_before[where], edges_after[where]) for where in (changed, rim)),
            _colours(before[changed], after[changed]),
        ]
    )


def _sharpness(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return np.array([after.mean(), after.mean() - before.mean(), np.quantile(after - before, 0.9)]) / 20


def _colours(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Mean and spread of the colours (shape (n, 3)), how they changed, and how alike the lightness still is."""
    mean, spread = after.mean(axis=0), after.std(axis=0)
    x, y = before[:, 0] - before[:, 0].mean(), after[:, 0] - after[:, 0].mean()
    alike = float(x @ y + 1e-3 * len(x)) / float(np.sqrt((x @ x) * (y @ y)) + 1e-3 * len(x))
    moved, spread_out = mean - before.mean(axis=0), spread - before.std(axis=0)
    return np.concatenate([moved / 25, mean / 50, spread_out / 10, spread / 10, [alike]])


def _edges(lightness: np.ndarray) -> np.ndarray:
    return np.hypot(cv2.Sobel(lightness, cv2.CV_32F, 1, 0), cv2.Sobel(lightness, cv2.CV_32F, 0, 1))


def _lab(image: np.ndarray, side: int) -> np.ndarray:
    """CIE L*a*b*: float32, shape (side, side, 3), L 0..100."""
    return np.asarray(cv2.cvtColor(square(image, side).astype(np.float32) / 255, cv2.COLOR_RGB2LAB))
