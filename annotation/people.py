"""Simulated annotators: how each of them judges, draws and words what is wrong. Nothing here knows the truth."""

from dataclasses import dataclass

import numpy as np
from shapely import affinity
from shapely.geometry import Polygon as ShapelyPolygon
from shapely.geometry import box

from annotation.interface import SCALE
from editfhf.flaws import FLAWS, flaw_types_of
from editfhf.geometry import polygon_parts
from editfhf.schema import DIMENSIONS, stable_id

_WORDINGS = (
    "{text}", "{text}.", "There is something wrong here: {text}.", "I see: {text}", "{text}, clearly visible",
    "Looks wrong ({text})", "{type}: {text}", "{type} – {text}.", "Here {text}; this should not be so.",
)  # fmt: skip
_MISTAKEN = ("This looks off to me.", "Not sure, but something is odd here.", "{type}?", "I think {text} here.")


@dataclass(frozen=True, slots=True)
class Person:
    """One simulated annotator.

    Attributes:
        number: from 1.
        bias: dimension → grades above or below what others give (the bias of ITU-T P.910, a share of it common to all).
        inconsistency: standard deviation of the grade, in grades.
        miss_rate: share of well visible flaws overlooked all the same.
        spurious_rate: how many regions are drawn, per image, where nothing is wrong.
        confusion: share of flaws that are given a wrong type of the right kind.
        coarseness: how far an outline is simplified, as a share of the image.
        generosity: how far outside of the flaw the line is drawn (below 0: inside), as a share of the image.
        shift: (x, y) by which everything is drawn off its place, as a share of the image.
        pace: factor on the time taken.
    """

    number: int
    bias: dict[str, float]
    inconsistency: float
    miss_rate: float
    spurious_rate: float
    confusion: float
    coarseness: float
    generosity: float
    shift: tuple[float, float]
    pace: float

    @classmethod
    def make(cls, number: int, seed: int) -> "Person":
        """The person of this number; always the same for the same seed."""
        rng = rng_of("person", seed, number)
        common = rng.normal(0, 0.35)
        return cls(
            number=number,
            bias={dimension: float(common + rng.normal(0, 0.2)) for dimension in DIMENSIONS},
            inconsistency=float(rng.uniform(0.25, 0.8)),
            miss_rate=float(rng.beta(2, 10)),
            spurious_rate=float(rng.beta(2, 12)),
            confusion=float(rng.uniform(0.02, 0.2)),
            coarseness=float(rng.uniform(0.004, 0.03)),
            generosity=float(rng.normal(0.008, 0.008)),
            shift=(float(rng.normal(0, 0.006)), float(rng.normal(0, 0.006))),
            pace=float(rng.lognormal(0, 0.3)),
        )

    def rate(self, dimension: str, quality: float, rng: np.random.Generator) -> int:
        """A grade for a true quality of 0..100."""
        low, high = SCALE
        latent = low + (high - low) * quality / 100 + self.bias[dimension] + rng.normal(0, self.inconsistency)
        return int(np.clip(round(latent), low, high))

    def notices(self, severity: float, rng: np.random.Generator) -> bool:
        """Whether a flaw of this severity (0..1) is seen: the worse the likelier."""
        return bool(rng.random() < (1 - self.miss_rate) * (1 - (1 - severity) ** 2))

    def name_flaw(self, flaw_type: str, rng: np.random.Generator) -> str:
        """The type that this person would choose."""
        if rng.random() >= self.confusion:
            return flaw_type
        return str(rng.choice([other for other in flaw_types_of(FLAWS[flaw_type].kind) if other != flaw_type]))

    def draw(self, outline: list[list[float]], rng: np.random.Generator) -> list[list[float]]:
        """The outline (points in 0..1) as this person would draw it, within the image; at least a triangle."""
        shape = ShapelyPolygon(outline).buffer(0)
        drawn = shape.buffer(self.generosity + rng.normal(0, 0.003), join_style="mitre", mitre_limit=2)
        drawn = drawn.simplify(self.coarseness)
        dx, dy = np.array(self.shift) + rng.normal(0, 0.003, 2)
        drawn = affinity.translate(drawn, dx, dy).intersection(box(0, 0, 1, 1))
        parts = sorted(polygon_parts(drawn), key=lambda part: -part.area)
        if not parts or parts[0].area < 1e-5:  # too small a thing for this hand: a box around it
            left, top, right, bottom = shape.bounds
            parts = [box(left - 0.005, top - 0.005, right + 0.005, bottom + 0.005).intersection(box(0, 0, 1, 1))]
        return [[float(x), float(y)] for x, y in parts[0].exterior.coords[:-1]]

    def imagine(self, rng: np.random.Generator) -> list[list[list[float]]]:
        """Outlines of regions where nothing is wrong."""
        outlines = []
        for _ in range(int(rng.poisson(self.spurious_rate))):
            x, y = rng.uniform(0.15, 0.85, 2)
            width, height = rng.uniform(0.03, 0.12, 2)
            angles = np.sort(rng.uniform(0, 2 * np.pi, 3)) if rng.random() < 0.2 else np.linspace(0, 2 * np.pi, 9)[:-1]
            points = np.clip(np.stack([x + width * np.cos(angles), y + height * np.sin(angles)], axis=1), 0, 1)
            outlines.append(points.tolist())
        return outlines

    def seconds(self, n_regions: int, rng: np.random.Generator) -> float:
        """Time taken for an answer with so many regions."""
        return round(float(self.pace * rng.lognormal(np.log(18 + 14 * n_regions), 0.25)), 1)


def word_reason(description: str, flaw_type: str, rng: np.random.Generator, mistaken: bool = False) -> str:
    """A reason as one of several people might word it."""
    wording = str(rng.choice(_MISTAKEN if mistaken else _WORDINGS))
    description = description.strip().rstrip(".")
    text = wording.format(text=description[:1].lower() + description[1:], type=flaw_type.replace("_", " "))
    return text[:1].upper() + text[1:]


def rng_of(*parts: object) -> np.random.Generator:
    """Random numbers that depend on these parts alone."""
    return np.random.default_rng(int(stable_id(*map(str, parts)), 16))
