"""Pictures for the guidelines, made from the sample photos: of every flaw type, and one to try colour vision on.

Left the photo, right what a poor edit made of it, with the flaw outlined where it has a place.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from editfhf.files import whole_file
from editfhf.sources import SAMPLES

Box = tuple[float, float, float, float]  # left, top, right, bottom in 0..1 of the image
HEIGHT = 150  # pixels, of each of the two pictures
GAP = 6
OUTLINE = (255, 0, 255)  # in no photo
PLATE = "colours"
PLATE_NUMBER = "6"  # what is to be read on the plate


@dataclass(frozen=True, slots=True)
class Example:
    """One flaw: what was asked of which photo, what was made of it, and where it went wrong (None: everywhere)."""

    photo: str
    asked: str
    edit: Callable[[Image.Image], Image.Image]
    where: Box | None

    def picture(self) -> Image.Image:
        """Photo and edit beside each other."""
        photo = Image.open(SAMPLES / f"{self.photo}.jpg").convert("RGB")
        edited = self.edit(photo)
        if self.where:
            width = max(2, photo.height // 75)
            ImageDraw.Draw(edited).rectangle(_pixels(edited, self.where), outline=OUTLINE, width=width)
        small = [one.resize((round(one.width * HEIGHT / one.height), HEIGHT)) for one in (photo, edited)]
        both = Image.new("RGB", (small[0].width + GAP + small[1].width, HEIGHT), "white")
        both.paste(small[0], (0, 0))
        both.paste(small[1], (small[0].width + GAP, 0))
        return both


def write_examples(folder: Path) -> None:
    """Write `ID.png` for every flaw type of the taxonomy that has an example, and the plate; the same bytes each time.

    Files that are there already stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {name: example.picture for name, example in EXAMPLES.items()} | {PLATE: colour_plate}
    for name, picture in pictures.items():
        path = folder / file_of(name)
        if not path.is_file():
            with whole_file(path) as temporary:
                picture().save(temporary, "png")


def file_of(name: str) -> str:
    """The file of a flaw type's picture, or of `PLATE`."""
    return f"{name}.png"


def colour_plate(seed: int = 0) -> Image.Image:
    """Dots of random lightness that spell `PLATE_NUMBER` in hue alone: green among orange.

    In the manner of Ishihara's plates (1917), made by us: it finds who should say so, and is no medical test.
    """
    side, radius = 280, 4
    digit = Image.new("L", (side, side))
    font = ImageFont.load_default(250)
    ImageDraw.Draw(digit).text((side / 2, side / 2), PLATE_NUMBER, 255, font, anchor="mm", stroke_width=2)
    inside = np.asarray(digit) > 127
    rng = np.random.default_rng(seed)
    plate = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(plate)
    for top in range(radius, side - radius, 2 * radius + 1):
        for left in range(radius, side - radius, 2 * radius + 1):
            x, y = np.array((left, top)) + rng.integers(-1, 2, 2)
            if np.hypot(x - side / 2, y - side / 2) > side / 2 - radius:
                continue
            colour = np.array((120, 150, 60) if inside[y, x] else (205, 115, 60)) * rng.uniform(0.75, 1.15)
            size = rng.uniform(0.75, 1) * radius
            draw.ellipse((x - size, y - size, x + size, y + size), tuple(int(v) for v in colour.clip(0, 255)))
    return plate


def _bent(image: Image.Image, box: Box) -> Image.Image:
    pixels = np.asarray(image).copy()
    left, top, right, bottom = _pixels(image, box)
    for row in range(top, bottom):
        shift = round(0.09 * image.width * np.sin(np.pi * (row - top) / (bottom - top)))
        pixels[row, left:right] = np.roll(pixels[row, left:right], shift, axis=0)
    return Image.fromarray(pixels)


def _copied(image: Image.Image, source: Box, corner: tuple[float, float]) -> Image.Image:
    return _put(image, image.crop(_pixels(image, source)), corner)


def _put(image: Image.Image, piece: Image.Image, corner: tuple[float, float]) -> Image.Image:
    """The ellipse within `piece`, laid over the image."""
    mask = Image.new("L", piece.size)
    ImageDraw.Draw(mask).ellipse((0, 0, piece.width - 1, piece.height - 1), 255)
    laid = image.copy()
    laid.paste(piece, (round(corner[0] * image.width), round(corner[1] * image.height)), mask)
    return laid


def _cup(height: float, image: Image.Image) -> Image.Image:
    """The cup of another photo, so high as this share of the image."""
    coffee = Image.open(SAMPLES / "coffee.jpg").convert("RGB")
    cup = coffee.crop(_pixels(coffee, (0.11, 0.02, 0.82, 0.99)))
    return cup.resize((round(height * image.height * cup.width / cup.height), round(height * image.height)))


def _with_cup(image: Image.Image, corner: tuple[float, float], height: float) -> Image.Image:
    return _put(image, _cup(height, image), corner)


def _garbled(image: Image.Image, box: Box) -> Image.Image:
    """Every second slice of the writing stands on its head."""
    garbled = image.copy()
    left, top, right, bottom = _pixels(image, box)
    for start in range(left, right - 6, 12):
        slice_box = (start, top, start + 6, bottom)
        garbled.paste(image.crop(slice_box).transpose(Image.Transpose.FLIP_TOP_BOTTOM), slice_box)
    return garbled


def _noisy(image: Image.Image, box: Box) -> Image.Image:
    pixels = np.asarray(image).astype(float)
    left, top, right, bottom = _pixels(image, box)
    part = pixels[top:bottom, left:right]
    part += np.random.default_rng(0).normal(0, 80, part.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _doubled(image: Image.Image, box: Box) -> Image.Image:
    area = _pixels(image, box)
    part = image.crop(area).filter(ImageFilter.GaussianBlur(image.height / 150))
    shifted = Image.fromarray(np.roll(np.asarray(part), round(0.05 * image.width), axis=1))
    doubled = image.copy()
    doubled.paste(Image.blend(part, shifted, 0.5), area)
    return doubled


def _ringed(image: Image.Image, box: Box) -> Image.Image:
    ringed = image.copy()
    ImageDraw.Draw(ringed).ellipse(_pixels(image, box), outline=(235, 245, 240), width=round(0.015 * image.width))
    return ringed


def _tinted(image: Image.Image, colour: tuple[int, int, int], *boxes: Box, strength: float = 0.6) -> Image.Image:
    """Ellipses in the hue of `colour`, their light and dark kept."""
    grey = np.asarray(image.convert("L"), float)[..., None] / 255
    hued = Image.fromarray((grey * np.array(colour) * 1.3).clip(0, 255).astype(np.uint8))
    mask = Image.new("L", image.size)
    for box in boxes:
        ImageDraw.Draw(mask).ellipse(_pixels(image, box), round(255 * strength))
    return Image.composite(hued, image, mask.filter(ImageFilter.GaussianBlur(2)))


def _bled(image: Image.Image, colour: tuple[int, int, int], box: Box) -> Image.Image:
    mask = Image.new("L", image.size)
    ImageDraw.Draw(mask).ellipse(_pixels(image, box), 150)
    return Image.composite(Image.new("RGB", image.size, colour), image, mask.filter(ImageFilter.GaussianBlur(12)))


def _dark(image: Image.Image) -> Image.Image:
    return image.point(lambda value: value // 2)


def _lit(image: Image.Image, box: Box) -> Image.Image:
    mask = Image.new("L", image.size)
    ImageDraw.Draw(mask).ellipse(_pixels(image, box), 255)
    return Image.composite(image.point(lambda value: min(255, value * 2 + 40)), image, mask)


def _emptied(image: Image.Image, *boxes: Box) -> Image.Image:
    """What lies in the boxes is gone: the row above each goes on through it."""
    pixels = np.asarray(image).copy()
    for box in boxes:
        left, top, right, bottom = _pixels(image, box)
        pixels[top:bottom, left:right] = pixels[top - 1, left:right]
    return Image.fromarray(pixels)


def _headed(image: Image.Image, text: str, box: Box) -> Image.Image:
    headed = image.copy()
    left, top, right, bottom = _pixels(image, box)
    draw = ImageDraw.Draw(headed)
    paper = np.median(np.asarray(image)[top:bottom, left:right], axis=(0, 1)).astype(int)
    draw.rectangle((left, top, right, bottom), tuple(paper.tolist()))
    draw.text((left + 4, (top + bottom) / 2), text, (60, 60, 60), ImageFont.load_default(0.8 * (bottom - top)), "lm")
    return headed


def _other(name: str) -> Image.Image:
    return Image.open(SAMPLES / f"{name}.jpg").convert("RGB")


def _pixels(image: Image.Image, box: Box) -> tuple[int, int, int, int]:
    left, top, right, bottom = box
    return (
        round(left * image.width), round(top * image.height), round(right * image.width), round(bottom * image.height)
    )  # fmt: skip


_EYES: tuple[Box, Box] = ((0.31, 0.25, 0.46, 0.51), (0.66, 0.34, 0.77, 0.6))
_BEHIND: Box = (0.78, -0.2, 1.2, 1.2)
_NOSE: Box = (0.51, 0.72, 0.64, 0.92)
_BLUE, _RED, _GREEN = (60, 130, 255), (255, 60, 50), (90, 220, 90)
_BLUE_EYES = "Make the cat's eyes blue"
_FLOWER: Box = (0.25, 0.18, 0.69, 0.84)

EXAMPLES = {
    "distorted_object": Example(
        "temple", "Make the trees darker", lambda one: _bent(one, (0.05, 0.3, 0.65, 0.8)), (0.05, 0.3, 0.65, 0.8)
    ),
    "malformed_anatomy": Example(
        "cat", "Make the fur lighter", lambda one: _copied(one, _EYES[0], (0.48, 0.05)), (0.46, 0.03, 0.66, 0.36)
    ),
    "garbled_text": Example(
        "page", "Make the paper whiter", lambda one: _garbled(one, (0, 0.26, 1, 0.7)), (0.0, 0.24, 0.99, 0.72)
    ),
    "texture_noise": Example(
        "coffee", "Remove the spoon", lambda one: _noisy(one, (0.45, 0.45, 0.8, 0.95)), (0.45, 0.45, 0.8, 0.95)
    ),
    "blur_or_ghosting": Example(
        "temple", "Make the sky cloudy", lambda one: _doubled(one, (0.1, 0.2, 0.6, 0.55)), (0.1, 0.2, 0.6, 0.55)
    ),
    "seam_or_boundary": Example("dahlia", "Blur the background", lambda one: _ringed(one, _FLOWER), _FLOWER),
    "lighting_shadow_mismatch": Example(
        "coffee", "Make it evening", lambda one: _lit(_dark(one), (0.28, 0.04, 0.71, 0.72)), (0.28, 0.04, 0.71, 0.72)
    ),
    "perspective_scale": Example(
        "temple", "Put a cup among the trees", lambda one: _with_cup(one, (0.5, 0.35), 0.6), (0.49, 0.33, 0.99, 0.97)
    ),
    "color_bleed": Example(
        "dahlia", "Make the flower red", lambda one: _bled(one, _RED, (0.25, 0.15, 0.97, 0.9)), (0.68, 0.15, 0.97, 0.9)
    ),
    "implausible_physics": Example(
        "temple", "Put a cup on the ground", lambda one: _with_cup(one, (0.62, 0.05), 0.3), (0.61, 0.03, 0.87, 0.38)
    ),
    "not_edited": Example("cat", _BLUE_EYES, lambda one: one.copy(), (0.28, 0.26, 0.79, 0.66)),
    "partly_edited": Example("cat", _BLUE_EYES, lambda one: _tinted(one, _BLUE, _EYES[0]), (0.62, 0.35, 0.8, 0.67)),
    "wrong_target": Example("cat", _BLUE_EYES, lambda one: _tinted(one, _BLUE, _NOSE), (0.48, 0.68, 0.67, 0.95)),
    "wrong_attribute": Example("cat", _BLUE_EYES, lambda one: _tinted(one, _RED, *_EYES), (0.28, 0.26, 0.79, 0.66)),
    "wrong_count_or_place": Example(
        "coins", "Remove one coin of the top row", lambda one: _emptied(one, (0.03, 0.08, 0.51, 0.26)),
        (0.03, 0.08, 0.51, 0.26),
    ),
    "over_edited": Example(
        "raccoon", "Make it a little brighter", lambda one: one.point(lambda value: min(255, value * 3)), None
    ),
    "unintended_change": Example(
        "cat", _BLUE_EYES, lambda one: _tinted(_tinted(one, _BLUE, *_EYES), _GREEN, _BEHIND), (0.78, 0.02, 0.99, 0.98)
    ),
    "identity_lost": Example("cat", "Put the cat among leaves", lambda _: _other("raccoon"), (0.33, 0.02, 0.98, 0.68)),
    "wrong_text": Example(
        "page", "Let the heading say “Edges”", lambda one: _headed(one, "Egdse", (0.0, 0.0, 0.8, 0.2)),
        (0.0, 0.0, 0.81, 0.21),
    ),
    "wrong_style": Example(
        "dahlia", "Draw it with a pencil", lambda one: one.quantize(6).convert("RGB"), None
    ),
}  # fmt: skip
