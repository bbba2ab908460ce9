"""The action agent of a laptop: one step of a repair plan, done inside a feathered region and nowhere else."""

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

from editfhf.geometry import rasterise
from editfhf.photo_file import source_id_of
from editfhf.schema import Polygon
from generators.base import EditModel
from refiner.agents import Pair, RepairStep
from refiner.editing import edited_again, resized
from refiner.inputs import same_frame
from refiner.lite.filling import fill, spread
from refiner.lite.simple_editor import SimpleEditor

# Shares of the image's diagonal.
DILATION = 0.008  # people and maps cut a flaw's rim off: 11 pixels of a 1024-px square
FEATHER = 0.010  # over so much the repair fades into what surrounds it: 14 pixels there
RING = 0.030  # so far around a region the tone is compared
FITS = 16.0  # grey levels: the photo goes on where a region ends when most of the ring around differs by no more
FITTING = 0.5  # share of the ring that has to
UNCHANGED = 6.0  # grey levels: an editor that changed a pixel by less than about this left it as it was
ENOUGH_RING = 0.15  # share of the ring that must be left unchanged to tell the editor's tone from what was asked


class LiteAction:
    """Brings source pixels back, fills from the surroundings, or does what was asked again: on two processor cores.

    Args:
        editor: re-applies the instruction; any model of `generators/`. Default: `SimpleEditor`, which understands few
            instructions. It should be another than the one that made the edit.
        seed: of the editor. The same pair, step and seed give the same pixels.
    """

    def __init__(self, editor: EditModel | None = None, seed: int = 0) -> None:
        self.editor: EditModel = editor or SimpleEditor()
        self.seed = seed
        self._reapplied: tuple[tuple[str, str], np.ndarray | None] = (("", ""), None)  # of the photo edited last

    def act(self, pair: Pair, step: RepairStep) -> np.ndarray | None:
        """The edited image with one step done: uint8, shape of `pair.edited`.

        Every pixel further than the dilation and the feather from the step's polygons is the same, bit for bit.
        None where it cannot be done: the photo's frame is not the edited image's or it does not fit around the region
        (another scale, style or light), the polygons cover no pixel, there is nothing around the region to fill it
        from, or the editor did not understand.
        """
        height, width = pair.edited.shape[:2]
        region, alpha = feathered_mask(step.polygons, width, height)
        if not region.any():
            return None
        if step.operation == "restore_source":
            above = _photo_there(pair, alpha) if same_frame(pair.source, pair.edited) else None
        elif step.operation == "inpaint":
            # The feather is filled too: a flaw's halo shall not shine through.
            above = fill(pair.edited, alpha > 0)
        else:
            above = self._reapply(pair, region, alpha)
        return None if above is None else composite(pair.edited, above, alpha)

    def _reapply(self, pair: Pair, region: np.ndarray, alpha: np.ndarray) -> np.ndarray | None:
        if region.all() and isinstance(self.editor, SimpleEditor):
            return None  # it knows nothing of things: what it does counts inside a region, nowhere else
        again = self._edit_again(pair)
        if again is None or not same_frame(again, pair.edited):
            return None
        height, width = pair.edited.shape[:2]
        again = resized(again, width, height)
        if region.all() or not same_frame(pair.source, pair.edited):
            return again
        source = resized(pair.source, width, height)
        return _toned(again, source, pair.edited, region, alpha)

    def _edit_again(self, pair: Pair) -> np.ndarray | None:
        """The whole source photo edited anew; remembered, since a plan may ask for it region by region."""
        key = pair.instruction, source_id_of(Image.fromarray(pair.source))
        if self._reapplied[0] != key:
            self._reapplied = (key, edited_again(pair, self.editor, self.seed))
        return self._reapplied[1]


def feathered_mask(polygons: Sequence[Polygon], width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels are repaired, and how much of the repair each pixel gets.

    Args:
        polygons: in 0..1 of the image; none: everywhere.

    Returns:
        The dilated region, bool, and the feathered one, float32, 0..1, 1 inside the first; shape (height, width).
    """
    if not polygons:
        return np.ones((height, width), bool), np.ones((height, width), np.float32)
    drawn = np.zeros((height, width), bool)
    for polygon in polygons:
        drawn |= rasterise(polygon, width, height)
    if not drawn.any():
        return drawn, drawn.astype(np.float32)
    diagonal = float(np.hypot(width, height))
    away = cv2.distanceTransform((~drawn).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    share = np.clip((away - DILATION * diagonal) / (FEATHER * diagonal), 0, 1)
    alpha = (1 - share * share * (3 - 2 * share)).astype(np.float32)
    return away <= DILATION * diagonal, alpha


def composite(below: np.ndarray, above: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """`above` over `below`, both uint8, shape (height, width, 3); where alpha is 0, `below` bit for bit."""
    result = below.copy()
    inside = alpha > 0
    share = alpha[inside][:, None]
    mixed = below[inside] * (1 - share) + above[inside] * share
    result[inside] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return result


def _photo_there(pair: Pair, alpha: np.ndarray) -> np.ndarray | None:
    """The photo in the edited image's size, if it goes on where the region ends; None where it does not."""
    height, width = alpha.shape
    photo = resized(pair.source, width, height)
    away = cv2.distanceTransform((alpha == 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    ring = (alpha == 0) & (away <= RING * float(np.hypot(width, height)))
    if not ring.any():  # the region is everything: there is nothing to fit to
        return photo
    apart = np.abs(pair.edited[ring].astype(np.float32) - photo[ring]).mean(axis=1)
    return photo if np.quantile(apart, FITTING) <= FITS else None


def _toned(
    again: np.ndarray, source: np.ndarray, edited: np.ndarray, region: np.ndarray, alpha: np.ndarray
) -> np.ndarray:
    """The new edit with the tone of the edited image at the region's border, without a seam.

    A ring pixel tells tone unless the new edit changed it from the photo where the edited image did not: a recolouring
    that runs over the border is what was asked, and no difference of tone. Where few are left, nothing is changed.
    """
    diagonal = float(np.hypot(*region.shape))
    away = cv2.distanceTransform((~region).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    ring = (alpha == 0) & (away <= (FEATHER + RING) * diagonal)
    weight = np.where(ring, 1 - _changed(again, source) * (1 - _changed(edited, source)), 0).astype(np.float32)
    if weight.sum() < ENOUGH_RING * max(int(ring.sum()), 1):
        return again
    offset = spread(edited.astype(np.float32) - again, weight)
    return np.clip(np.rint(again + offset), 0, 255).astype(np.uint8)


def _changed(image: np.ndarray, source: np.ndarray) -> np.ndarray:
    """0 where a pixel is as in the source, towards 1 where it is another."""
    difference = np.abs(image.astype(np.float32) - source).mean(axis=2)
    return 1 - np.exp(-((difference / UNCHANGED) ** 2))
