"""Pictures to try the eyes on: rings with a gap (acuity), and dots that spell a figure in hue alone (colour).

ITU-T P.910 and ITU-R BT.500 have observers screened on a Snellen or Landolt chart and on Ishihara's plates before they
judge pictures. These are in their manner, made by us and drawn from a seed: at home nobody holds the distance or the
colours of the screen, so they find who should not rate as things are, and are no medical test.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from annotation.interface import ACUITY_CONTROLS, FIGURES, PLATE_CONTROLS, SIDES

Sort = Literal["acuity", "colour"]
# A Landolt ring (ISO 8596): as wide as five gaps, its line as thick as one.
GAP_CSS_PX = 2  # a CSS pixel is 1.28 minutes of arc at the distance that CSS assumes: 2.6, the line 20/50 of a chart
RING_CSS_PX = 5 * GAP_CSS_PX
FIELD_CSS_PX = 120  # white around the ring
COLOUR_CSS_PX = 200
DOT_CSS_PX = 2  # radius
DENSITY = 2  # pixels of a picture for one of CSS: as fine as most screens are
ANGLES = {"right": 0, "down": 90, "left": 180, "up": 270}  # degrees, clockwise from three o'clock
# P.910: no error on the line 20/30, two of twelve plates at most. A slip of the hand is allowed for, too: who guesses
# gets three of four rings with a chance of 5 %, five of six figures with one of 0.07 %.
ACUITY_NEEDED, COLOUR_NEEDED = 3, 5
# Linear sRGB to the cones L, M and S (Viénot, Brettel & Mollon, Color Res. Appl. 1999).
TO_CONES = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
# By what the cones see that some people lack (L or M) and by nothing else, figure and ground differ: (cone, colour
# between both in linear sRGB, half of the difference in that cone).
CONFUSED: tuple[tuple[int, tuple[float, float, float], float], ...] = (
    (1, (0.33, 0.24, 0.07), 1.75),
    (0, (0.30, 0.24, 0.07), 3.0),
    (1, (0.27, 0.22, 0.20), 1.6),
)
SHADES = (0.65, 1.25)  # factors on the light of a dot: no figure shows by its lightness


@dataclass(frozen=True, slots=True)
class Plate:
    """One picture whose answer is known.

    Attributes:
        control: what it is called on the screen, one of `interface.PLATE_CONTROLS`; number: among them.
        answer: one of `interface.SIDES` or `FIGURES`.
        file: its name, which tells nothing without the key.
    """

    control: str
    sort: Sort
    number: int
    answer: str
    file: str
    seed: int

    def picture(self) -> Image.Image:
        """The same for the same plate; see `css_size` for how large it is to be shown."""
        if self.sort == "acuity":
            return ring(self.answer)
        return dots(self.answer, *CONFUSED[self.number % len(CONFUSED)], np.random.default_rng(self.seed))

    @property
    def css_size(self) -> int:
        """Width and height at which it is shown, in pixels of CSS."""
        return FIELD_CSS_PX if self.sort == "acuity" else COLOUR_CSS_PX


def plates_of(key: str, annotator: str) -> list[Plate]:
    """The plates of one person, each with an answer drawn for that person alone; the same for the same arguments.

    Args:
        key: secret, of the workspace.
    """
    plates = []
    for number, control in enumerate(PLATE_CONTROLS):
        sort: Sort = "acuity" if control in ACUITY_CONTROLS else "colour"
        digest = hmac.new(key.encode(), f"plate\x1f{annotator}\x1f{control}".encode(), sha256).hexdigest()
        answers = tuple(SIDES) if sort == "acuity" else FIGURES
        answer = answers[int(digest[:16], 16) % len(answers)]
        plates.append(Plate(control, sort, number, answer, f"{digest[16:48]}.png", int(digest[48:], 16)))
    return plates


def right_of(plates: list[Plate], sort: Sort, said: Mapping[str, str]) -> int:
    """How many plates of a sort were read right; `said`: control → answer."""
    return sum(said.get(plate.control) == plate.answer for plate in plates if plate.sort == sort)


def ring(gap: str) -> Image.Image:
    """A black Landolt ring on white, open towards `gap`."""
    fine = 16  # drawn so much larger, then made smaller: PIL's lines have hard edges
    unit = GAP_CSS_PX * DENSITY * fine
    small = (RING_CSS_PX + 2) * DENSITY
    side = small * fine
    image = Image.new("L", (side, side), 255)
    draw = ImageDraw.Draw(image)
    centre = side / 2
    for radius, shade in ((2.5 * unit, 0), (1.5 * unit, 255)):
        draw.ellipse((centre - radius, centre - radius, centre + radius, centre + radius), fill=shade)
    opening = Image.new("L", (side, side), 0)
    ImageDraw.Draw(opening).rectangle((centre, centre - unit / 2, centre + 3 * unit, centre + unit / 2), fill=255)
    image.paste(255, mask=opening.rotate(-ANGLES[gap]))
    field = Image.new("L", (FIELD_CSS_PX * DENSITY,) * 2, 255)
    field.paste(image.resize((small, small), Image.Resampling.BOX), ((field.width - small) // 2,) * 2)
    return field


def dots(
    figure: str, cone: int, between: tuple[float, float, float], half: float, random: np.random.Generator
) -> Image.Image:
    """Dots of random lightness that spell a figure: it differs from its ground by what one sort of cones sees.

    Args:
        cone: 0 for L, 1 for M. between, half: see `CONFUSED`.
    """
    side = COLOUR_CSS_PX * DENSITY
    drawn = Image.new("L", (side, side))
    font = ImageFont.load_default(0.9 * side)
    ImageDraw.Draw(drawn).text((side / 2, side / 2), figure, 255, font, anchor="mm", stroke_width=side // 40)
    inside = np.asarray(drawn) > 127
    away = np.linalg.inv(TO_CONES)[:, cone] * half
    sign = random.choice([-1, 1])  # now the figure is the redder, now its ground
    radius = DOT_CSS_PX * DENSITY
    plate = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(plate)
    for top in range(radius, side - radius, 2 * radius + 1):
        for left in range(radius, side - radius, 2 * radius + 1):
            x, y = np.array((left, top)) + random.integers(-1, 2, 2)
            if np.hypot(x - side / 2, y - side / 2) > side / 2 - radius:
                continue
            linear = np.array(between) + (sign if inside[y, x] else -sign) * away
            colour = _encoded(linear * random.uniform(*SHADES))
            size = random.uniform(0.75, 1) * radius
            draw.ellipse((x - size, y - size, x + size, y + size), colour)
    return plate


def _encoded(linear: np.ndarray) -> tuple[int, int, int]:
    """Linear light in 0..1 as sRGB of 8 bits (IEC 61966-2-1)."""
    light = linear.clip(0, 1)
    srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    red, green, blue = (round(255 * value) for value in srgb)
    return red, green, blue
