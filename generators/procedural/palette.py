"""What the words of the instructions mean: colours, patterns, materials."""

import cv2
import numpy as np

from generators.procedural.compositing import blur, to_lab

# sRGB of the colour words in tasks.yaml: clear, but of a paint that exists.
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (200, 32, 38),
    "orange": (236, 125, 28),
    "yellow": (240, 203, 38),
    "green": (46, 142, 62),
    "teal": (22, 134, 136),
    "blue": (38, 82, 190),
    "purple": (116, 56, 160),
    "pink": (236, 112, 164),
    "white": (240, 240, 236),
    "black": (28, 28, 30),
}
# How dark and bright shading may get around the mean lightness of a painted thing: white and black keep little of it.
SHADING_CONTRAST = {"white": 0.45, "black": 0.4}


def lab_of(colour: str) -> np.ndarray:
    """CIE L*a*b* of a colour word: float32, shape (3,)."""
    return to_lab(np.array([[COLOURS[colour]]], np.float32))[0, 0]


def colours_by_distance(colour: str) -> list[str]:
    """The other colour words, most similar first."""
    others = [name for name in COLOURS if name != colour]
    return sorted(others, key=lambda name: float(np.linalg.norm(lab_of(name) - lab_of(colour))))


def repaint(lab: np.ndarray, mask: np.ndarray, colour: str) -> np.ndarray:
    """A region painted in another colour, its shading and texture kept.

    Args:
        lab: CIE L*a*b*, float32, shape (height, width, 3).
        mask: bool; decides the mean lightness and colour that are replaced.
    """
    target = lab_of(colour)
    mean = lab[mask].mean(axis=0)
    painted = np.empty_like(lab)
    # Lightness goes most of the way: a thing in the shade stays in the shade.
    level = target[0] if colour in SHADING_CONTRAST else 0.55 * target[0] + 0.45 * mean[0]
    painted[..., 0] = np.clip(level + (lab[..., 0] - mean[0]) * SHADING_CONTRAST.get(colour, 0.9), 2, 98)
    # Paint is less saturated in deep shade and in highlights.
    lightness = painted[..., 0] / 100
    strength = np.clip(lightness / 0.35, 0.25, 1) * np.clip((1.04 - lightness) / 0.25, 0.1, 1)
    painted[..., 1:] = target[1:] * strength[..., None] + 0.15 * (lab[..., 1:] - mean[1:])
    return painted


def pattern_field(pattern: str, size: tuple[int, int], period: float) -> tuple[np.ndarray, np.ndarray]:
    """A flat pattern: (colour in CIE L*a*b*, shape (height, width, 3); weight 0..1, shape (height, width))."""
    height, width = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    u, v = (x + 0.25 * y) / period, (y - 0.25 * x) / period

    def band(t: np.ndarray, share: float) -> np.ndarray:
        edge = 1.2 / period
        return np.clip((share / 2 - np.abs(t - np.floor(t) - 0.5)) / edge + 0.5, 0, 1)

    if pattern == "tartan":
        field = np.broadcast_to(lab_of("red"), (height, width, 3)).copy()
        for name, share, shift, weight in (
            ("green", 0.42, 0.0, 0.6),
            ("black", 0.2, 0.5, 0.6),
            ("yellow", 0.05, 0.25, 0.8),
        ):
            for t in (u, v):
                alpha = (weight * band(t + shift, share))[..., None]
                field += (lab_of(name) - field) * alpha
        return field, np.ones(size, np.float32)
    if pattern == "striped":
        one, two, alpha = "white", "blue", band(u, 0.5)
    elif pattern == "dotted":
        du, dv = u - np.floor(u) - 0.5, v - np.floor(v) - 0.5
        alpha = np.clip((0.28 - np.hypot(du, dv)) * period / 1.2 + 0.5, 0, 1)
        one, two = "yellow", "purple"
    else:  # chequered
        even = (np.floor(u) + np.floor(v)) % 2
        one, two, alpha = "white", "black", blur(even.astype(np.float32), 0.7)
    field = lab_of(one) + (lab_of(two) - lab_of(one)) * alpha[..., None]
    return field.astype(np.float32), np.ones(size, np.float32)


def cloud_noise(size: tuple[int, int], rng: np.random.Generator, coarsest: float = 0.5, octaves: int = 6) -> np.ndarray:
    """Fractal value noise: float32, shape `size`, 0..1. `coarsest`: the largest blots, as a share of the width."""
    height, width = size
    total = np.zeros(size, np.float32)
    weight_sum = 0.0
    cells = max(2, round(1 / coarsest))
    for octave in range(octaves):
        across = cells * 2**octave
        if across > width:
            break
        down = max(2, round(across * height / width))
        grid = rng.random((down + 1, across + 1), np.float32)
        weight = 0.55**octave
        total += weight * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        weight_sum += weight
    total /= max(weight_sum, 1e-6)
    low, high = np.percentile(total, [1, 99])
    return np.clip((total - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)
