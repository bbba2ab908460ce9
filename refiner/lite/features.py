"""Features of pairs, worked out once and kept under the hash of what they were worked out from."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import platformdirs
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from editfhf.files import whole_file
from refiner.agents import Pair
from refiner.lite.backbone import SIDE, Weights, image_backbone, image_features
from refiner.lite.expectation import Expectation, expectations
from refiner.lite.kernel import summarise
from refiner.lite.planes import compare, statistics
from refiner.threads import fixed_threads

VERSION = f"lite0-{SIDE}-4"  # raise the last number when what is kept here changes
HELD_BYTES = 4 * 2**30  # of features that one cache holds in memory; what is beyond is read from its files each time
Kept = dict[str, np.ndarray]
Pixels = Callable[[], np.ndarray]  # uint8, shape (height, width, 3), RGB


@dataclass(frozen=True, slots=True)
class PairFeatures:
    """All that the network sees of a pair.

    Attributes:
        source, edited: stride → float16, shape (channels, side, side), see `backbone.image_features`.
        planes: float16, see `planes.compare`; statistics: of them.
        expectation: of the instruction.
    """

    source: dict[int, np.ndarray]
    edited: dict[int, np.ndarray]
    planes: np.ndarray
    statistics: np.ndarray
    expectation: Expectation

    def summary(self) -> np.ndarray:
        """See `kernel.summarise`."""
        return summarise(self.source, self.edited, self.planes)


@dataclass(frozen=True, slots=True)
class Picture:
    """An image whose features are kept under `name`; its pixels are made only when those are missing."""

    name: str
    pixels: Pixels


@dataclass(frozen=True, slots=True)
class Look:
    """A pair to be looked at, whose features need not be in memory."""

    source: Picture
    edited: Picture
    expectation: Expectation

    @property
    def planes_name(self) -> str:
        """Changes with all that the planes are made of: both images, and the colour and the place that are named."""
        colour = None if self.expectation.colour is None else self.expectation.colour.tolist()
        return hash_of("planes", self.source.name, self.edited.name, colour, self.expectation.place)


class FeatureCache:
    """Keeps features on disk: a file for each image (150 kB) and each pair's planes (280 kB), whole or not there.

    Args:
        folder: default: the user's cache folder.
        weights: of the backbone.
    """

    def __init__(self, folder: Path | None = None, weights: Weights = "pretrained") -> None:
        root = folder or Path(platformdirs.user_cache_dir("editfhf")) / "features"
        self.folder = root / f"{VERSION}-{weights}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.weights: Weights = weights
        self._held: dict[str, Kept] = {}
        self._free = HELD_BYTES
        image_backbone(weights)  # now, lest two threads load it at once

    def prepare(self, look: Look) -> None:
        """Work out what has no file yet; several threads may do so."""
        source, edited = cache(look.source.pixels), cache(look.edited.pixels)  # decoded once
        for picture, pixels in ((look.source, source), (look.edited, edited)):
            if not self._path(picture.name).is_file():
                self.kept(picture.name, partial(self._seen, pixels))
        if not self._path(look.planes_name).is_file():
            self.kept(look.planes_name, partial(_planes, source, edited, look.expectation))

    def features(self, look: Look) -> PairFeatures:
        """The features of a pair, from memory while they fit there; a file that is gone or damaged is made again."""
        images = []
        for picture in (look.source, look.edited):
            kept = self._hold(picture.name, partial(self._seen, picture.pixels))
            images.append({int(stride): values for stride, values in kept.items()})
        make = partial(_planes, look.source.pixels, look.edited.pixels, look.expectation)
        planes = self._hold(look.planes_name, make)
        return PairFeatures(images[0], images[1], planes["planes"], planes["statistics"], look.expectation)

    def kept(self, name: str, make: Callable[[], Kept]) -> Kept:
        """What lies under a name; where nothing does, it is made and written."""
        try:
            return load_file(self._path(name))
        except (OSError, ValueError, KeyError, SafetensorError):  # not there or damaged
            with fixed_threads(1):
                made = make()
        with whole_file(self._path(name)) as temporary:
            save_file({key: np.ascontiguousarray(values) for key, values in made.items()}, temporary)
        return made

    def _hold(self, name: str, make: Callable[[], Kept]) -> Kept:
        if name in self._held:
            return self._held[name]
        kept = self.kept(name, make)
        size = sum(values.nbytes for values in kept.values())
        if size <= self._free:
            self._held[name] = kept
            self._free -= size
        return kept

    def _seen(self, pixels: Pixels) -> Kept:
        # One at a time: in a batch the last bits would depend on what else was missing.
        (features,) = image_features([pixels()], self.weights)
        return {str(stride): values for stride, values in features.items()}

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"


def hash_of(*parts: object) -> str:
    """A sha-256 in hex that changes with any part's representation."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def features_of_pair(
    pair: Pair, weights: Weights = "pretrained", source: dict[int, np.ndarray] | None = None
) -> PairFeatures:
    """The features of one pair; `source` are those of the photo, where they are known."""
    (expectation,) = expectations([pair.instruction])
    if source is None:
        source, edited = image_features([pair.source, pair.edited], weights)
    else:
        (edited,) = image_features([pair.edited], weights)
    planes = _planes(lambda: pair.source, lambda: pair.edited, expectation)
    return PairFeatures(source, edited, planes["planes"], planes["statistics"], expectation)


def _planes(source: Pixels, edited: Pixels, expectation: Expectation) -> Kept:
    """`planes` as float16 (they are of unit scale: what is lost is a thousandth), and their `statistics`."""
    planes = compare(source(), edited(), expectation).astype(np.float16)
    return {"planes": planes, "statistics": statistics(planes.astype(np.float32))}
