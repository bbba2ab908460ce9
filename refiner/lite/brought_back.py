"""Images that a repair may lead to: the photo itself as the edit, and edits of which a part is the photo again.

They are rare among those that models make; without them the evaluation takes a photo without a flaw for a good edit.
Only their instruction following is taught: a photo cannot have followed, and an edit of which a part was brought back
has lost so much of it as of its change lies in that part.
"""

import cv2
import numpy as np

from refiner.inputs import same_frame
from refiner.lite.features import FeatureCache, Look, Picture, hash_of
from refiner.lite.parts import random_box, share_in, with_soft_rim
from refiner.lite.repair import composite

BOX = (0.2, 0.8)  # of each side
SOFT = 0.01  # of the diagonal: σ of the box's rim


def whole(look: Look, cache: FeatureCache) -> Look:
    """The photo as the edit."""
    photo = Look(look.source, look.source, look.expectation)
    cache.prepare(photo)
    return photo


def partly(look: Look, cache: FeatureCache, seed: int) -> tuple[Look, float] | None:
    """The edit with the photo in a random box, and the share of its change that this takes away, 0..1.

    The box is the same for the same images and seed. None where the photo cannot lie over the edit.
    """
    name = hash_of("partly brought back", BOX, SOFT, look.source.name, look.edited.name, seed)

    def mix() -> tuple[np.ndarray, float]:
        return _mixed(look.source.pixels(), look.edited.pixels(), np.random.default_rng(int(name, 16)))

    lost = float(cache.kept(f"{name}-lost", lambda: {"lost": np.array([mix()[1]])})["lost"][0])
    if np.isnan(lost):
        return None
    mixed = Look(look.source, Picture(name, lambda: mix()[0]), look.expectation)
    cache.prepare(mixed)
    return mixed, lost


def _mixed(source: np.ndarray, edited: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, float]:
    """The mixed image and what is lost; the edit and NaN where the two have other aspects."""
    if not same_frame(source, edited):
        return edited, float("nan")
    height, width = edited.shape[:2]
    part = with_soft_rim(random_box(height, width, BOX, random), SOFT)
    photo = cv2.resize(source, (width, height), interpolation=cv2.INTER_AREA)
    return composite(edited, photo, part), share_in(part, edited, photo)
