"""Simulated annotators: how each of them judges, draws and words what is wrong. Nothing here knows the truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from shapely import affinity
from shapely.geometry import Polygon as ShapelyPolygon
from shapely.geometry import box

from annotation.interface import SCALE
from annotation.manners import concrete_manner, traits_of
from editfhf.flaws import FLAWS, flaw_types_of
from editfhf.geometry import polygon_parts
from editfhf.schema import DIMENSIONS, stable_id

POINTED_AT = 0.5  # share of a person's way of seeing what is not there, that comes out where an outline asks for it
ALIKE = 0.2  # grades: two images are called alike below it
_WORDINGS = (
    "{text}", "{text}.", "There is something wrong here: {text}.", "I see: {text}", "{text}, clearly visible",
    "Looks wrong ({text})", "{type}: {text}", "{type} – {text}.", "Here {text}; this should not be so.",
)  # fmt: skip
_MISTAKEN = ("This looks off to me.", "Not sure, but something is odd here.", "{type}?", "I think {text} here.")
_WORTHLESS = ("bad", ".", "wrong", "...", "x", "ok", "-", "asdf", "see image", "not good", "no", "error")
# As language models word what they did not look at: a frame that fits any image.
_PASTED = (
    "The edited image exhibits a noticeable {type} in this region, where {text}, which detracts from the overall "
    "realism and visual coherence of the scene and may be perceived as unnatural by viewers.",
    "Upon closer inspection, this area displays signs of {type}, as {text}; this inconsistency disrupts the visual "
    "harmony of the composition and diminishes the perceived quality of the edit.",
)


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
        manner: one of `MANNERS`; all below is as in an honest person unless the manner says otherwise.
        attention: share of the answers that are given with a look at the image; the others are at random.
        favourite: the grade, as a share of the scale, that is given to a share `devotion` of everything.
        inverted: says the opposite of what it sees.
        upside_down: the dimension whose scale this person reads the wrong way round; "" for none.
        stamina: answers of one kind of screen after which half of the attention is gone; infinite: it stays.
        taste: share of an opinion that is this person's own and nobody else's.
        wording: of reasons: `own`, `none` (not worth reading) or `pasted` (from a language model).
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
    manner: str = "honest"
    attention: float = 1.0
    favourite: float | None = None
    devotion: float = 1.0
    inverted: bool = False
    upside_down: str = ""
    stamina: float = float("inf")
    taste: float = 0.0
    wording: str = "own"

    @classmethod
    def make(cls, number: int, seed: int, manner: str = "honest") -> "Person":
        """The person of this number; always the same for the same seed and manner.

        Args:
            manner: one of `MANNERS`, or of `GROUPS` (`careless`: one of its three sorts, by number).

        Raises:
            BadInput: there is no such manner.
        """
        manner = concrete_manner(manner, number)
        rng = rng_of("person", seed, number)
        common = rng.normal(0, 0.35)
        honest = cls(
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
        return replace(honest, manner=manner, **traits_of(manner, rng_of("manner", seed, number, manner)))

    def after(self, answers: int) -> "Person":
        """This person after so many answers on one kind of screen: the same, or more tired."""
        left = 0.5 ** (answers / self.stamina)
        if left == 1:
            return self
        return replace(self, attention=self.attention * left, miss_rate=1 - (1 - self.miss_rate) * left)

    def rate(self, dimension: str, quality: float, rng: np.random.Generator, scale: tuple[int, int] = SCALE) -> int:
        """A grade for a true quality of 0..100, on a scale from its lowest to its highest whole number."""
        low, high = scale
        if self.favourite is not None and rng.random() < self.devotion:
            return round(low + (high - low) * self.favourite)
        if self.attention < 1 and rng.random() >= self.attention:
            return int(rng.integers(low, high + 1))
        opinion = self._opinion(dimension, quality)
        grade = (high - low) / (SCALE[1] - SCALE[0])
        slip = self.bias[dimension] + rng.normal(0, self.inconsistency)
        latent = low + (high - low) * opinion / 100 + grade * slip
        return int(np.clip(round(latent), low, high))

    def _opinion(self, dimension: str, quality: float) -> float:
        """What this person thinks of a quality, 0..100."""
        if self.inverted or dimension == self.upside_down:
            return 100 - quality
        # Of noise nobody thinks well, and that nothing was touched anybody sees; between them taste decides, the same
        # whenever the same is seen.
        if self.taste and 0 < quality < 100:
            own = 100 * rng_of("taste", self.number, dimension, repr(float(quality))).random()
            return (1 - self.taste) * quality + self.taste * own
        return quality

    def notices(self, severity: float, rng: np.random.Generator) -> bool:
        """Whether a flaw of this severity (0..1) is seen: the worse the likelier."""
        return bool(rng.random() < (1 - self.miss_rate) * (1 - (1 - severity) ** 2))

    def name_flaw(self, flaw_type: str, rng: np.random.Generator) -> str:
        """The type that this person would choose."""
        if rng.random() >= self.confusion:
            return flaw_type
        return str(rng.choice([other for other in flaw_types_of(FLAWS[flaw_type].kind) if other != flaw_type]))

    def verify(self, flaw_type: str | None, severity: float, rng: np.random.Generator) -> str | None:
        """The flaw type that this person says is within an outline, None for no flaw.

        Args:
            flaw_type: of what is really there; None: nothing. severity: of it, 0..1.
        """
        guess = str(rng.choice(list(FLAWS)))
        if self.attention < 1 and rng.random() >= self.attention:
            return guess if rng.random() < 0.5 else None
        if self.favourite is not None and rng.random() < self.devotion:
            return guess
        if self.inverted:
            return None if flaw_type else guess
        # Whoever is pointed at a place sees what is there twice as surely, and now and then what is not.
        if flaw_type is None:
            sees = rng.random() < POINTED_AT * min(1.0, self.spurious_rate)
        else:
            sees = self.notices(severity, rng) or self.notices(severity, rng)
        return self.name_flaw(flaw_type or guess, rng) if sees else None

    def prefer(self, left: Mapping[str, float], right: Mapping[str, float], rng: np.random.Generator) -> str:
        """Which of two images this person prefers: `first` (the left one), `second`, or `tie`.

        Args:
            left, right: dimension → true quality, 0..100.
        """
        if self.attention < 1 and rng.random() >= self.attention:
            return str(rng.choice(["first", "second", "tie"]))
        if self.favourite is not None and rng.random() < self.devotion:
            return "first"
        ahead = float(
            np.mean([self._opinion(name, left[name]) - self._opinion(name, right[name]) for name in DIMENSIONS])
        )
        # In grades, as a rating is: what both images have in common (bias) cancels out.
        ahead = (SCALE[1] - SCALE[0]) * ahead / 100 + rng.normal(0, self.inconsistency)
        if abs(ahead) < ALIKE:
            return "tie"
        return "first" if ahead > 0 else "second"

    def read(self, right: str, answers: Sequence[str], rng: np.random.Generator) -> str:
        """What this person says that a plate shows; `right`: what it does, `answers`: that are offered.

        Everybody who looks sees well: the eyes of simulated people are nobody's subject.
        """
        if self.attention < 1 and rng.random() >= self.attention:
            return str(rng.choice(answers))
        if self.favourite is not None and rng.random() < self.devotion:
            return answers[0]
        return right

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

    def seconds(self, n_regions: int, rng: np.random.Generator, unhurried: float = 18.0) -> float:
        """Time taken for an answer with so many regions; `unhurried`: seconds without any."""
        return round(float(self.pace * rng.lognormal(np.log(unhurried + 14 * n_regions), 0.25)), 1)

    def word(self, description: str, flaw_type: str, rng: np.random.Generator, mistaken: bool = False) -> str:
        """The reason that this person writes for a flaw (`mistaken`: for one that is not there)."""
        if self.wording == "none" and rng.random() < 0.85:
            return str(rng.choice(_WORTHLESS))
        if self.wording == "pasted":
            text = description.strip().rstrip(".")
            frame = _PASTED[int(rng.integers(len(_PASTED)))]
            return frame.format(text=text[:1].lower() + text[1:], type=flaw_type.replace("_", " "))
        return word_reason(description, flaw_type, rng, mistaken)


def word_reason(description: str, flaw_type: str, rng: np.random.Generator, mistaken: bool = False) -> str:
    """A reason as one of several people might word it."""
    wording = str(rng.choice(_MISTAKEN if mistaken else _WORDINGS))
    description = description.strip().rstrip(".")
    text = wording.format(text=description[:1].lower() + description[1:], type=flaw_type.replace("_", " "))
    return text[:1].upper() + text[1:]


def rng_of(*parts: object) -> np.random.Generator:
    """Random numbers that depend on these parts alone."""
    return np.random.default_rng(int(stable_id(*map(str, parts)), 16))
