"""Editors about letters: write, replace, remove, recolour; and the edit that does two things at once."""

from functools import lru_cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from generators.procedural.attributes import change_colour
from generators.procedural.compositing import (
    add_grain,
    as_float,
    blur,
    dilate,
    from_lab,
    grain_level,
    luminance,
    mix,
    soften,
    to_lab,
)
from generators.procedural.context import CannotEditError, EditContext, EditDraft, Editor
from generators.procedural.palette import lab_of

# DejaVu Sans Bold comes with matplotlib, so letters look the same on every machine.
FONT = "fonts/ttf/DejaVuSans-Bold.ttf"
LETTER_HEIGHT = 0.11  # of the shorter side of the photo


def write_word(context: EditContext) -> EditDraft:
    """A word in one corner, light on a dark ground and dark on a light one, as if painted there."""
    return _write_on(context, as_float(context.pixels))


def replace_lettering(context: EditContext) -> EditDraft:
    """The old letters are gone; the new word stands in their place, in their colour."""
    boxes, letters = _lettering(context)
    clean = as_float(_without_letters(context, letters))
    left, top, right, bottom = max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))
    box_letters = np.zeros(context.size, bool)
    box_letters[top:bottom, left:right] = letters[top:bottom, left:right]
    ground = np.median(clean[top:bottom, left:right].reshape(-1, 3), axis=0)
    ink_colour = _ink_of(context.pixels[box_letters].astype(np.float32), ground)
    # Where old ink and its ground hardly differ, take the readable extreme.
    if np.abs(ink_colour - ground).mean() < 40:
        ink_colour = np.full(3, 24.0 if ground.mean() > 128 else 240.0)
    ink = render_word(context.slots["word"], float(bottom - top), float(right - left))
    alpha = np.zeros(context.size, np.float32)
    y = int(np.clip((top + bottom - ink.shape[0]) / 2, 0, context.size[0] - ink.shape[0]))
    x = int(np.clip((left + right - ink.shape[1]) / 2, 0, context.size[1] - ink.shape[1]))
    alpha[y : y + ink.shape[0], x : x + ink.shape[1]] = ink
    image = _painted(context, clean, alpha, ink_colour.astype(np.float32))
    return EditDraft(image, dilate(letters | (alpha > 0.1), 3), alpha > 0.5, context.pixels)


def remove_lettering(context: EditContext) -> EditDraft:
    """Letters are gone, their ground is carried on."""
    _, letters = _lettering(context)
    image = as_float(_without_letters(context, letters))
    return EditDraft(image, dilate(letters, 3), letters, context.pixels)


def recolour_lettering(context: EditContext) -> EditDraft:
    """Letters in another colour."""
    boxes, letters = _lettering(context)
    target = lab_of(context.slots["colour"])
    lab = to_lab(context.pixels)
    # How much ink there is in each pixel: 0 on the ground, 1 inside a stroke.
    clean = to_lab(_without_letters(context, letters))
    distance = np.linalg.norm(lab - clean, axis=2)
    inside = letters & (distance > 4)
    if not inside.any():
        raise CannotEditError("The letters do not stand out enough to be recoloured.")
    coverage = np.clip(distance / max(np.percentile(distance[inside], 75), 1), 0, 1) * soften(letters, 0.8)[..., 0]
    ground = np.concatenate([clean[top:bottom, left:right].reshape(-1, 3) for left, top, right, bottom in boxes])
    # A colour as light as the ground would hide the letters: move its lightness away.
    if np.linalg.norm(target - np.median(ground, axis=0)) < 25:
        target = target + np.array([-30.0 if np.median(ground[:, 0]) > 50 else 30.0, 0, 0], np.float32)
    ink = from_lab(np.broadcast_to(target, lab.shape))
    image = mix(from_lab(clean), ink, coverage)
    alpha = soften(dilate(letters, 2), 1.0)
    return EditDraft(mix(as_float(context.pixels), image, alpha), dilate(letters, 3), letters, context.pixels)


def recolour_and_write(context: EditContext) -> EditDraft:
    """The subject in another colour, and a word in one corner."""
    coloured = change_colour(context)
    written = _write_on(context, coloured.image)
    return EditDraft(written.image, coloured.changed | written.changed, coloured.place | written.place, context.pixels)


def render_word(word: str, height: float, width: float) -> np.ndarray:
    """Letters as coverage: float32, shape about (height, ≤ width), 0..1; smaller where the width would not do."""
    for size in range(max(8, round(height * 1.25)), 7, -1):
        font = _font(size)
        left, top, right, bottom = font.getbbox(word)
        if right - left <= width and bottom - top <= height:
            break
    canvas = Image.new("L", (int(right - left) + 2, int(bottom - top) + 2), 0)
    ImageDraw.Draw(canvas).text((1 - left, 1 - top), word, fill=255, font=font)
    return np.asarray(canvas, np.float32) / 255


def _write_on(context: EditContext, surface: np.ndarray) -> EditDraft:
    height, width = context.size
    down = LETTER_HEIGHT * min(height, width) * context.tweaks.get("scale", 1.0)
    vertical, horizontal = context.slots["corner"].split()
    margin = 0.05 * min(height, width)
    ink = render_word(context.slots["word"], down, 0.45 * width)
    top = round(margin if vertical == "upper" else height - margin - ink.shape[0])
    left = round(margin if horizontal == "left" else width - margin - ink.shape[1])
    top = int(np.clip(top, 0, height - ink.shape[0]))
    left = int(np.clip(left, 0, width - ink.shape[1]))
    alpha = np.zeros(context.size, np.float32)
    alpha[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    ground = luminance(surface)[top : top + ink.shape[0], left : left + ink.shape[1]].mean()
    colour = (247, 244, 235) if ground < 140 else (32, 32, 38)
    image = _painted(context, surface, alpha, np.array(colour, np.float32))
    return EditDraft(image, dilate(alpha > 0.1, 4), alpha > 0.5, context.pixels)


def _ink_of(pixels: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """The colour of the letters: the median of the half of their pixels that is least like the ground (RGB)."""
    if len(pixels) == 0:
        return ground
    distance = np.abs(pixels - ground).mean(axis=1)
    return np.median(pixels[distance >= np.median(distance)], axis=0)


@lru_cache(maxsize=64)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / FONT), size)


def _painted(context: EditContext, image: np.ndarray, alpha: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Ink over a surface whose light and shade still show through."""
    shade = luminance(image)
    relief = np.clip(blur(shade, 1.0) / np.maximum(blur(shade, 12), 8), 0.8, 1.2)[..., None]
    ink = add_grain(np.clip(colour * relief, 0, 255), grain_level(context.pixels), context.rng("ink"))
    return mix(image, ink, blur(alpha, 0.6) * 0.96)


def _lettering(context: EditContext) -> tuple[list[tuple[int, int, int, int]], np.ndarray]:
    """Boxes of lettering in pixels, and the mask of the letters themselves."""
    height, width = context.size
    boxes = []
    letters = np.zeros(context.size, bool)
    grey = luminance(context.pixels).astype(np.uint8)
    for left, top, right, bottom in context.photo.content.lettering:
        pad = max(2, round(0.12 * (bottom - top) * height))
        x0, y0 = max(0, int(left * width) - pad), max(0, int(top * height) - pad)
        x1, y1 = min(width, int(np.ceil(right * width)) + pad), min(height, int(np.ceil(bottom * height)) + pad)
        if x1 - x0 < 6 or y1 - y0 < 6:
            continue
        boxes.append((x0, y0, x1, y1))
        piece = grey[y0:y1, x0:x1]
        threshold, _ = cv2.threshold(piece, 0, 255, cv2.THRESH_OTSU)
        dark = piece <= threshold
        # Letters cover less than their ground, and the frame of the box is ground.
        frame = np.concatenate([dark[0], dark[-1], dark[:, 0], dark[:, -1]])
        letters[y0:y1, x0:x1] |= ~dark if frame.mean() > 0.5 else dark
    if not boxes or not letters.any():
        raise CannotEditError("No lettering could be found in this photo.")
    return boxes, dilate(letters, 1)


def _without_letters(context: EditContext, letters: np.ndarray) -> np.ndarray:
    """Thin strokes: the ground is interpolated over them, with the photo's own grain (uint8)."""
    hole = dilate(letters, 2)
    smooth = cv2.inpaint(context.pixels, hole.astype(np.uint8), 4, cv2.INPAINT_TELEA)
    grainy = add_grain(as_float(smooth), grain_level(context.pixels), context.rng("ground"))
    mixed = mix(as_float(context.pixels), grainy, soften(hole, 0.7))
    return np.clip(np.round(mixed), 0, 255).astype(np.uint8)


EDITORS = {
    "text_add": Editor(write_word, "write", attribute="word", position="corner"),
    "text_replace": Editor(replace_lettering, "write", attribute="word"),
    "text_remove": Editor(remove_lettering, "remove"),
    "text_style": Editor(recolour_lettering, "look", attribute="colour"),
    "multi_edit": Editor(recolour_and_write, "look", attribute="colour", position="corner"),
}
