"""Features of pairs, worked out once and kept under the hash of the image's bytes."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from editfhf.files import whole_file
from refiner.agents import Pair
from refiner.data import Sample, content_hash, decode
from refiner.lite.backbone import SIDE, Weights, image_features
from refiner.lite.expectation import Expectation, expectations
from refiner.lite.planes import compare, statistics

VERSION = f"lite0-{SIDE}-2"  # raise the last number when what is kept here changes
Track = Callable[[Sequence[Sample]], Iterable[Sample]]


@dataclass(frozen=True, slots=True)
class PairFeatures:
    """All that the network sees of a pair.

    Attributes:
        source, edited: stride → float16, shape (channels, side, side), see `backbone.image_features`.
        planes: float32, see `planes.compare`; statistics: of them.
        expectation: of the instruction.
    """

    source: dict[int, np.ndarray]
    edited: dict[int, np.ndarray]
    planes: np.ndarray
    statistics: np.ndarray
    expectation: Expectation


class FeatureCache:
    """Keeps the backbone's features of images on disk; a file for each image, written whole or not at all.

    Args:
        folder: default: the user's cache folder.
        weights: of the backbone.
    """

    def __init__(self, folder: Path | None = None, weights: Weights = "pretrained") -> None:
        root = folder or Path(platformdirs.user_cache_dir("editfhf")) / "features"
        self.folder = root / f"{VERSION}-{weights}"
        self.weights: Weights = weights

    def of_images(self, images: Sequence[tuple[str, bytes]]) -> dict[str, dict[int, np.ndarray]]:
        """Content hash → features, for (hash, encoded image); those that are missing are worked out and kept."""
        self.folder.mkdir(parents=True, exist_ok=True)
        found = {name: self._read(name) for name, _ in images}
        for name, data in images:
            if found[name] is None:
                # One at a time: in a batch the last bits would depend on what else was missing.
                (one,) = image_features([decode(data)], self.weights)
                self._write(name, one)
                found[name] = one
        return {name: one for name, one in found.items() if one is not None}

    def of_pixels(self, image: np.ndarray) -> dict[int, np.ndarray]:
        """The features of an image that has no file: uint8, shape (height, width, 3)."""
        name = hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).hexdigest()
        self.folder.mkdir(parents=True, exist_ok=True)
        found = self._read(name)
        if found is None:
            (found,) = image_features([image], self.weights)
            self._write(name, found)
        return found

    def _read(self, name: str) -> dict[int, np.ndarray] | None:
        path = self.folder / f"{name}.safetensors"
        if not path.is_file():
            return None
        try:
            return {int(stride): values for stride, values in load_file(path).items()}
        except (OSError, ValueError, KeyError, SafetensorError):  # damaged: worked out again
            return None

    def _write(self, name: str, features: dict[int, np.ndarray]) -> None:
        with whole_file(self.folder / f"{name}.safetensors") as temporary:
            save_file({str(stride): np.ascontiguousarray(values) for stride, values in features.items()}, temporary)


def features_of_samples(
    samples: Sequence[Sample], cache: FeatureCache, track: Track = lambda samples: samples
) -> list[PairFeatures]:
    """The features of each sample, in order; the backbone's come from the cache where it has them."""
    told = dict(zip(texts := sorted({one.instruction for one in samples}), expectations(texts), strict=True))
    seen: dict[str, dict[int, np.ndarray]] = {}
    done = []
    for sample in track(samples):
        names = [content_hash(data) for data in (sample.source, sample.edited)]
        missing = [
            (name, data) for name, data in zip(names, (sample.source, sample.edited), strict=True) if name not in seen
        ]
        if missing:
            seen |= cache.of_images(missing)
        planes = compare(decode(sample.source), decode(sample.edited), told[sample.instruction])
        done.append(PairFeatures(seen[names[0]], seen[names[1]], planes, statistics(planes), told[sample.instruction]))
    return done


def features_of_pair(
    pair: Pair, weights: Weights = "pretrained", source: dict[int, np.ndarray] | None = None
) -> PairFeatures:
    """The features of one pair; `source` are those of the photo, where they are known."""
    (expectation,) = expectations([pair.instruction])
    if source is None:
        source, edited = image_features([pair.source, pair.edited], weights)
    else:
        (edited,) = image_features([pair.edited], weights)
    planes = compare(pair.source, pair.edited, expectation)
    return PairFeatures(source, edited, planes, statistics(planes), expectation)
