"""The true quality of any image of a procedural edit, from pixels alone: what MOS and refiners are measured against.

Formulas (all per pixel of the truth's frame, then pooled; the constants below say why they are what they are):

    c(x, y) = 1 − exp(−max(0, ΔE(x, y) − JUST_NOTICEABLE) / COLOUR_SCALE)         how different two colours look
    s(x, y) = max(0, 1 − cs(x, y) − STRUCTURE_TOLERANCE) / (1 − STRUCTURE_TOLERANCE)    how different two textures are
    d(x, y) = 1 − (1 − c) (1 − s)                                                 how different two places look, 0..1

ΔE is CIE76 in L*a*b* of both images slightly blurred; cs is the contrast–structure term of SSIM (Wang et al., 2004).

- perceptual quality: 100 (1 − pool(min(d*(image, flawless), d*(image, before)))): a place that looks like the flawless
  edit, or like the untouched photo, is perceptually fine. In d* structure is compared at two sizes, and a plain shift
  of tone, however large, costs TONE_SHARE at most (d* = 1 − (1 − TONE_SHARE c) (1 − s)):
  a clean red instead of a clean blue is wrong, but not ugly; a false shadow shows by its edges.
- instruction following: 100 (1 − Σ min(d(image, flawless), d(before, flawless)) / Σ d(before, flawless)): 100 is the
  flawless edit, 0 not edited, or something else altogether.
- visual consistency: 100 (1 − pool(min(d(image, flawless), d(image, before)))) over the region that had to stay. Where
  nothing had to (a new style, night), the structure must: s alone, on lightness at half the size, over everything.

pool(m) = (mean m)^POOLING.
"""

import cv2
import numpy as np

from editfhf.oracle import Truth
from editfhf.schema import DIMENSIONS

JUST_NOTICEABLE = 2.3  # ΔE; Mahy, Van Eycken, Oosterlinck (1994)
COLOUR_SCALE = 14.0  # ΔE: two colours this far beyond noticeable look different by 1 − 1/e
TONE_SHARE = 0.35  # what another colour or lightness costs at most in perceptual quality
COARSE = 0.25  # the second size at which structure is compared: soft shadows and blotches have their edges there
VIEWING_BLUR = 0.0013  # of the longer side (1 px of 768): finer detail than that is grain
WINDOW = 0.0026  # of the longer side (2 px of 768), sigma: SSIM's 1.5 px at the size of its test images
STRUCTURE_FLOOR = (0.03 * 255) ** 2  # C2 of SSIM
STRUCTURE_TOLERANCE = 0.08  # 1 − cs that grain and resampling alone bring about
# Small flaws weigh more than their area: one on 1 % of the picture costs 10 points, on 10 % about 30. Observers judge
# by the worst they have seen; a mean would call a picture with a melted face nearly perfect.
POOLING = 0.5
SMALLEST_KEEP = 0.02  # of the picture: a smaller region to keep says nothing about the picture


def true_quality(image: np.ndarray, truth: Truth) -> dict[str, float]:
    """The three qualities of an image of the edit that `truth` is about.

    Args:
        image: uint8, shape (height, width, 3), RGB; resized to the truth's frame when it has another size.
        truth: the flawless version of the edit, the source, and what had to stay. Its list of flaws is not used.

    Returns:
        dimension → 0..100. The flawless edit has 100 in each; the untouched photo 100, 0 and 100.

    Raises:
        ValueError: the image is not uint8 of three channels.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image must be uint8 of shape (height, width, 3), not {image.dtype} {image.shape}")
    height, width = truth.flawless.shape[:2]
    if image.shape[:2] != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    seen, flawless, before = (_Look(one) for one in (image, truth.flawless, truth.before))
    to_flawless, to_before = _structure(seen, flawless), _structure(seen, before)
    tone_flawless, tone_before = _colour(seen, flawless), _colour(seen, before)
    from_flawless, from_before = _joined(tone_flawless, to_flawless), _joined(tone_before, to_before)
    coarse_flawless, coarse_before = _coarse_structures(image, truth)
    ugly = np.minimum(
        _joined(TONE_SHARE * tone_flawless, np.maximum(to_flawless, coarse_flawless)),
        _joined(TONE_SHARE * tone_before, np.maximum(to_before, coarse_before)),
    )
    to_do = _joined(_colour(before, flawless), _structure(before, flawless))
    left_to_do = float(np.minimum(from_flawless, to_do).sum() / max(float(to_do.sum()), 1e-6))
    if truth.keep.mean() >= SMALLEST_KEEP:
        strayed = _pooled(np.minimum(from_flawless, from_before)[truth.keep])
    else:
        strayed = _pooled(_lost_structure(image, truth))
    scores = (1 - _pooled(ugly), 1 - left_to_do, 1 - strayed)
    return {name: 100 * float(np.clip(score, 0, 1)) for name, score in zip(DIMENSIONS, scores, strict=True)}


class _Look:
    """An image as it is looked at: L*a*b*, slightly blurred, and the local statistics of its lightness."""

    def __init__(self, image: np.ndarray, scale: float = 1.0) -> None:
        if scale != 1.0:
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        side = max(image.shape[:2])
        self.window = max(1.0, WINDOW * side)
        lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        self.lab = cv2.GaussianBlur(lab, (0, 0), max(0.6, VIEWING_BLUR * side))
        # Lightness on 0..255, for which SSIM's constants are meant.
        self.light = lab[..., 0] * 2.55
        self.mean = self._local(self.light)
        self.variance = np.maximum(self._local(self.light**2) - self.mean**2, 0)

    def _local(self, values: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(values, (0, 0), self.window)

    def covariance(self, other: "_Look") -> np.ndarray:
        return self._local(self.light * other.light) - self.mean * other.mean


def _colour(left: _Look, right: _Look) -> np.ndarray:
    delta = np.sqrt(((left.lab - right.lab) ** 2).sum(axis=2))
    return 1 - np.exp(-np.maximum(delta - JUST_NOTICEABLE, 0) / COLOUR_SCALE)


def _structure(left: _Look, right: _Look) -> np.ndarray:
    similarity = (2 * left.covariance(right) + STRUCTURE_FLOOR) / (left.variance + right.variance + STRUCTURE_FLOOR)
    return np.clip(1 - similarity - STRUCTURE_TOLERANCE, 0, 1 - STRUCTURE_TOLERANCE) / (1 - STRUCTURE_TOLERANCE)


def _joined(colour: np.ndarray, structure: np.ndarray) -> np.ndarray:
    return 1 - (1 - colour) * (1 - structure)


def _coarse_structures(image: np.ndarray, truth: Truth) -> list[np.ndarray]:
    """Structure lost against the flawless edit and against the source, compared at a smaller size."""
    height, width = image.shape[:2]
    seen, *references = (_Look(one, COARSE) for one in (image, truth.flawless, truth.before))
    return [cv2.resize(_structure(seen, one), (width, height), interpolation=cv2.INTER_LINEAR) for one in references]


def _lost_structure(image: np.ndarray, truth: Truth) -> np.ndarray:
    seen, flawless, before = (_Look(one, 0.5) for one in (image, truth.flawless, truth.before))
    return np.minimum(_structure(seen, flawless), _structure(seen, before))


def _pooled(differences: np.ndarray) -> float:
    return float(differences.mean() ** POOLING)
