"""The four agents as protocols, and the data that passes between them. Backends (`lite`, `qwen`) implement these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from editfhf.schema import DIMENSIONS, Polygon

Operation = Literal["restore_source", "inpaint", "reapply"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A source photo, an edited image of it and what was asked. `refiner.inputs.make_pair` checks and makes one.

    Attributes:
        source, edited: uint8, shape (height, width, 3), RGB; the two may differ in size.
        instruction: one line, not empty.
    """

    source: np.ndarray
    edited: np.ndarray
    instruction: str


@dataclass(frozen=True, slots=True)
class Perceived:
    """What perception sees on the edited image.

    Attributes:
        maps: region kind → float32, shape (height, width) of the edited image, 0..1: the share of people who would mark
            the pixel. All zeros where the presence says that nothing is there: never normalised per image.
        presence: region kind → the probability, 0..1, that people mark anything of this kind.
        undecided: the maps as they were before the presence had its say; only for measuring, None where not known.
    """

    maps: Mapping[str, np.ndarray]
    presence: Mapping[str, float]
    undecided: Mapping[str, np.ndarray] | None = None


@dataclass(frozen=True, slots=True)
class FoundRegion:
    """A flaw that reasoning found; the fields of a consensus region, without people.

    Attributes:
        kind, flaw_type, extent, polygon: as in `editfhf.schema.Region`.
        description: a reason in words.
        confidence: 0..1, that people would mark it.
    """

    kind: str
    flaw_type: str
    extent: str
    polygon: Polygon
    description: str
    confidence: float


@dataclass(frozen=True, slots=True)
class RepairStep:
    """One typed step of a repair plan.

    Attributes:
        operation: `restore_source` brings the photo's pixels back, `inpaint` fills from what surrounds the region,
            `reapply` does what was asked again, there.
        polygons: where, in 0..1 of the edited image; several are repaired together. Empty: everywhere.
        reason: why, in words.
    """

    operation: Operation
    polygons: tuple[Polygon, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Scores:
    """Opinion scores as people would give them.

    Attributes:
        values: dimension → 0..100.
        std: dimension → standard deviation of the error of that score, calibrated on the validation split.
    """

    values: Mapping[str, float]
    std: Mapping[str, float]

    @property
    def mean(self) -> float:
        """Of the three scores, 0..100."""
        return float(np.mean([self.values[name] for name in DIMENSIONS]))


@dataclass(frozen=True, slots=True)
class Difference:
    """How a changed image compares with the one before, both edits of one photo by one instruction.

    Attributes:
        mean: of the three scores, after minus before.
        half_width: of its calibrated interval: the mean lies above zero for certain enough when mean > half_width.
        dimensions: dimension → after minus before.
        noise: dimension → the loss of it that is still taken for noise.
    """

    mean: float
    half_width: float
    dimensions: Mapping[str, float]
    noise: Mapping[str, float]

    @property
    def improves(self) -> bool:
        """Better beyond its error enough, and no dimension worse beyond its noise."""
        return self.mean > self.half_width and all(self.dimensions[name] >= -self.noise[name] for name in DIMENSIONS)


class Perception(Protocol):
    """Sees where an edited image is flawed."""

    def perceive(self, pair: Pair) -> Perceived:
        """Both maps from one forward pass."""
        ...


class Reasoning(Protocol):
    """Says what the flaws are and what to do about them."""

    def find_regions(self, pair: Pair, perceived: Perceived) -> list[FoundRegion]:
        """The flaws that the maps show, the most certain first."""
        ...

    def plan(self, pair: Pair, regions: Sequence[FoundRegion]) -> list[RepairStep]:
        """What to do about them, in the order in which it is tried. Empty where nothing can be done."""
        ...


class Action(Protocol):
    """Does one step of a plan."""

    def act(self, pair: Pair, step: RepairStep) -> np.ndarray | None:
        """The edited image with one step done: uint8, shape of `pair.edited`, changed only in the feathered region.

        None where the step cannot be done on this image (an instruction that no editor understands).
        """
        ...


class Evaluation(Protocol):
    """Scores edited images, and says which of two is better."""

    def evaluate(self, pair: Pair) -> Scores:
        """The three scores of the edited image, with their errors."""
        ...

    def compare(self, before: Pair, after: Pair) -> Difference:
        """The paired difference of two edited images of one photo and instruction, with a calibrated interval."""
        ...
