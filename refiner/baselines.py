"""What the refiner has to beat: maps, scores, flaw types and repairs that need no training, or next to none.

LPIPS is not among them: its weights come only with packages that import torchvision, which this project does not
install. `feature_distance` stands in for it and is not it: EfficientNet-lite0 instead of AlexNet, and no weights that
were learned from people's judgements.
"""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from skimage.metrics import structural_similarity

from analysis.maps import SMOOTHING_SHARE
from editfhf.flaws import flaw_types_of
from editfhf.schema import REGION_KINDS
from generators.base import EditModel
from refiner.agents import Evaluation, Pair
from refiner.data import Sample
from refiner.editing import edited_again, resized

CENTRE_SIGMA = 0.3  # of width and of height; of 0.15 to 0.4 the best on a rehearsal's maps
IDENTICAL = 60.0  # dB: what PSNR says of equal images (as for a mean squared error of 0.065 grey levels²)
SSIM_SIGMA = 1.5  # pixels; Wang et al., 2004
FEWEST_PIXELS = 11  # of a side for SSIM's window at that sigma


# Perception: maps of the edited image's size


def centre_prior(pair: Pair) -> np.ndarray:
    """A Gaussian in the middle of the edited image, stretched to its aspect: float32, shape (height, width), 0..1.

    Source:
        The centre baseline of the MIT saliency benchmark (Bylinskii et al., IEEE TPAMI 41(3), 2019).
    """
    height, width = pair.edited.shape[:2]
    return _gaussian(height, width)


def difference_map(pair: Pair) -> np.ndarray:
    """How far each pixel's colour moved: ΔE (CIE76), smoothed as people's maps are: float32, (height, width), ≥ 0.

    Without the smoothing it agrees less with people (CC 0.32 instead of 0.38 on a rehearsal's artifacts).
    """
    before, after = (_lab(image) for image in _aligned(pair))
    return _smoothed(np.sqrt(((after - before) ** 2).sum(axis=2)))


def dissimilarity_map(pair: Pair) -> np.ndarray:
    """1 − SSIM of lightness at each pixel, smoothed as people's maps are: float32, shape (height, width), 0..2."""
    return _smoothed(np.clip(1 - _ssim_map(pair), 0, 2).astype(np.float32))


# Evaluation: one number for an edit, higher is better, used for all three dimensions


def psnr(pair: Pair) -> float:
    """Peak signal-to-noise ratio of edited image and source, in dB, `IDENTICAL` at most."""
    before, after = _aligned(pair)
    error = float(np.mean((before.astype(np.float64) - after) ** 2))
    return IDENTICAL if error == 0 else min(IDENTICAL, float(10 * np.log10(255**2 / error)))


def ssim(pair: Pair) -> float:
    """Mean structural similarity of the two images' lightness, −1..1 (Wang et al., IEEE TIP 13(4), 2004)."""
    return float(_ssim_map(pair).mean())


def feature_distance(pair: Pair) -> float:
    """How far the two images lie apart in EfficientNet-lite0, negated: 0 (the same) down to −2. Not LPIPS.

    At each place of each of four stages the features are brought to unit length; the squared distances are averaged
    over places, then over stages (LPIPS without its learned weights: Zhang et al., CVPR 2018, equation 1).
    """
    from refiner.lite.backbone import image_features

    before, after = image_features(_aligned(pair))
    return -float(np.mean([_unit_distance(before[stride], after[stride]) for stride in before]))


# Reasoning


def majority_types(samples: Sequence[Sample]) -> dict[str, str]:
    """Kind → the flaw type that people agree on most often; without any, the taxonomy's first."""
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in REGION_KINDS}
    for sample in samples:
        for kind in REGION_KINDS:
            counts[kind].update(region["flaw_type"] for region in sample.agreed_regions(kind))
    return {
        kind: min(found, key=lambda name: (-found[name], name)) if found else flaw_types_of(kind)[0]
        for kind, found in counts.items()
    }


# Action


def restore_source(pair: Pair) -> np.ndarray:
    """The photo itself in the frame of the edited image: uint8, shape of `pair.edited`. It undoes flaws and edit."""
    return _aligned(pair)[0]


def edit_again(pair: Pair, editor: EditModel, seeds: Sequence[int]) -> list[np.ndarray]:
    """The photo edited anew from the words alone, once with each seed.

    Returns:
        uint8, shape of `pair.edited`; an edit that the model refused or failed is left out.
    """
    height, width = pair.edited.shape[:2]
    again = [edited_again(pair, editor, seed) for seed in seeds]
    return [resized(image, width, height) for image in again if image is not None]


def best_of(pair: Pair, candidates: Sequence[np.ndarray], evaluation: Evaluation) -> np.ndarray:
    """Of the edited image and the candidates the one whose mean score is highest; of equals the first."""
    images = [pair.edited, *candidates]
    scores = [evaluation.evaluate(Pair(pair.source, image, pair.instruction)).mean for image in images]
    return images[int(np.argmax(scores))]


@lru_cache(maxsize=8)
def _gaussian(height: int, width: int) -> np.ndarray:
    rows, columns = (np.arange(height) + 0.5) / height - 0.5, (np.arange(width) + 0.5) / width - 0.5
    distance = (rows[:, None] ** 2 + columns[None, :] ** 2) / CENTRE_SIGMA**2
    return np.exp(-0.5 * distance).astype(np.float32)


def _aligned(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Source and edited image, both in the size of the edited one."""
    height, width = pair.edited.shape[:2]
    return resized(pair.source, width, height), pair.edited


def _lab(image: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))


def _smoothed(values: np.ndarray) -> np.ndarray:
    sigma = SMOOTHING_SHARE * float(np.hypot(*values.shape))
    return np.asarray(cv2.GaussianBlur(values.astype(np.float32), (0, 0), sigma))


def _ssim_map(pair: Pair) -> np.ndarray:
    before, after = (_lab(image)[..., 0] for image in _aligned(pair))
    if min(before.shape) < FEWEST_PIXELS:
        larger = (max(FEWEST_PIXELS, before.shape[1]), max(FEWEST_PIXELS, before.shape[0]))
        before, after = (cv2.resize(one, larger, interpolation=cv2.INTER_NEAREST) for one in (before, after))
    _, local = structural_similarity(
        before, after, data_range=100.0, gaussian_weights=True, sigma=SSIM_SIGMA, use_sample_covariance=False, full=True
    )
    height, width = pair.edited.shape[:2]
    return cv2.resize(local.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)


def _unit_distance(before: np.ndarray, after: np.ndarray) -> float:
    first, second = (one.astype(np.float32) for one in (before, after))
    first, second = (one / (np.linalg.norm(one, axis=0) + 1e-6) for one in (first, second))
    return float(((first - second) ** 2).sum(axis=0).mean())
