"""Editors that put things in, take them out, or move them."""

import numpy as np

from generators.procedural.compositing import (
    CutOut,
    add_grain,
    as_float,
    blur,
    bounding_box,
    cast_shadow,
    cut_out,
    dilate,
    erode,
    grain_level,
    light_comes_from_left,
    put,
)
from generators.procedural.context import LARGEST_SUBJECT, CannotEditError, EditContext, EditDraft, Editor
from generators.procedural.palette import COLOURS

HOLE_MARGIN = 5  # pixels around a subject that go with it: its soft edge, its reflection on what it stands on
SMALLEST_BALL = 10  # pixels, radius
LARGEST_BALL = 0.3  # radius, of the shorter side of the photo


def add_object(context: EditContext) -> EditDraft:
    """A shaded ball with a shadow under it, in the named corner."""
    height, width = context.size
    radius = max(SMALLEST_BALL, 0.11 * min(height, width)) * context.tweaks.get("scale", 1.0)
    vertical, horizontal = context.slots["corner"].split()
    centre_x = 0.16 * width if horizontal == "left" else 0.84 * width
    centre_y = 0.18 * height if vertical == "upper" else height - 0.06 * height - radius
    image = as_float(context.pixels)
    changed, place = np.zeros(context.size, bool), np.zeros(context.size, bool)
    for copy in range(int(context.tweaks.get("copies", 1))):
        x = centre_x + (1 if horizontal == "left" else -1) * 2.2 * copy * radius
        image, mask = draw_ball(context, image, x, centre_y, radius)
        place |= mask
    changed |= _around(place, int(radius * 0.6))
    return EditDraft(image, changed | _touched(image, context.pixels), place, context.pixels)


def remove_object(context: EditContext) -> EditDraft:
    """The subject is gone; what lies around it is carried on."""
    mask = context.subject(LARGEST_SUBJECT)
    hole = hole_of(mask)
    return EditDraft(as_float(context.photo.filled(hole)), hole, hole, context.pixels)


def replace_object(context: EditContext) -> EditDraft:
    """A ball stands where the subject was."""
    mask = context.subject(LARGEST_SUBJECT)
    hole = hole_of(mask)
    left, top, right, bottom = bounding_box(mask)
    radius = min(0.5 * min(right - left, bottom - top), LARGEST_BALL * min(context.size))
    radius = max(SMALLEST_BALL, radius) * context.tweaks.get("scale", 1.0)
    bottom = min(bottom, context.size[0] - 3)
    image = as_float(context.photo.filled(hole))
    image, ball = draw_ball(context, image, (left + right) / 2, bottom - radius, radius)
    changed = hole | _around(ball, 2) | _touched(image, context.pixels)
    return EditDraft(image, changed, ball, context.pixels)


def move_object(context: EditContext) -> EditDraft:
    """The subject, cut out and put down further to one side; its old place is filled."""
    mask = context.subject(LARGEST_SUBJECT)
    left, _, right, _ = bounding_box(mask)
    width = context.size[1]
    step = max(0.7 * (right - left), 0.15 * width)
    # Up to a quarter of it may leave the frame; where not even that leaves a visible step, there is no room.
    spare = 0.25 * (right - left)
    room = left + spare if context.slots["direction"] == "left" else width - right + spare
    step = min(step, room)
    if step < 0.05 * width:
        raise CannotEditError(f"There is no room to the {context.slots['direction']} to move it to.")
    dx = -step if context.slots["direction"] == "left" else step
    hole = hole_of(mask)
    return _put_down(context, as_float(context.photo.filled(hole)), mask, hole, dx, 1.0)


def resize_object(context: EditContext) -> EditDraft:
    """The subject, scaled about its foot."""
    mask = context.subject(LARGEST_SUBJECT)
    hole = hole_of(mask)
    factor = float(context.slots["factor"]) / 100
    return _put_down(context, as_float(context.photo.filled(hole)), mask, hole, 0.0, factor)


def duplicate_object(context: EditContext) -> EditDraft:
    """A second, identical subject beside the first; where both overlap the first stands in front."""
    mask = context.subject(LARGEST_SUBJECT)
    left, _, right, _ = bounding_box(mask)
    width = context.size[1]
    sign = -1 if context.slots["direction"] == "left" else 1
    room = left if sign < 0 else width - right
    step = min(1.08 * (right - left), room + 0.35 * (right - left))
    if step < 0.3 * (right - left):
        raise CannotEditError(f"There is no room on the {context.slots['direction']} for a second one.")
    image = as_float(context.pixels)
    place, changed = np.zeros_like(mask), np.zeros_like(mask)
    for copy in range(int(context.tweaks.get("copies", 1))):
        draft = _put_down(context, image, mask, place, sign * step * (1 + copy), 1.0)
        image, place, changed = draft.image, place | draft.place, changed | draft.changed
    # The first stays to the bit but where the copy touches its edge.
    in_front = put(image, cut_out(context.pixels, mask))
    image = np.where(changed[..., None], in_front, as_float(context.pixels))
    return EditDraft(image, changed & ~erode(mask, 4), place & ~mask, context.pixels)


def extract_object(context: EditContext) -> EditDraft:
    """The subject alone on a plain background."""
    mask = context.subject()
    plain = np.broadcast_to(np.array(COLOURS[context.slots["colour"]], np.float32), context.pixels.shape).copy()
    image = put(plain, cut_out(context.pixels, mask))
    return EditDraft(image, ~erode(mask, 4), ~mask, context.pixels, keep=erode(mask, 4))


def draw_ball(
    context: EditContext, image: np.ndarray, x: float, y: float, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """A glossy ball lit as the photo is, with its shadow. The tweak `lift` raises it above its shadow (in radii)."""
    height, width = context.size
    from_left = light_comes_from_left(context.pixels)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    on_ground = np.hypot(columns - x, rows - y) <= radius
    image = cast_shadow(image, on_ground, from_left, 0.5)
    y -= context.tweaks.get("lift", 0.0) * radius
    u, v = (columns - x) / radius, (rows - y) / radius
    distance = np.hypot(u, v)
    depth = np.sqrt(np.clip(1 - distance**2, 0, 1))
    light = np.array([-0.55 if from_left else 0.55, -0.6, 0.58], np.float32)
    diffuse = np.clip(u * light[0] + v * light[1] + depth * light[2], 0, 1)
    # Blinn–Phong; the viewer looks along z.
    half = light + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)
    specular = np.clip(u * half[0] + v * half[1] + depth * half[2], 0, 1) ** 40
    colour = np.array(COLOURS[context.slots["colour"]], np.float32)
    scene = float(np.clip(context.pixels.mean() / 118, 0.55, 1.15))  # a dark photo has a dark ball
    tint = blur(as_float(context.pixels), 0.1 * width)[min(int(max(y, 0)), height - 1), min(int(max(x, 0)), width - 1)]
    surface = colour * (0.30 + 0.85 * diffuse[..., None]) * scene + 0.06 * tint + 130 * specular[..., None] * scene
    bounce = 0.10 * tint * np.clip(v, 0, 1)[..., None]
    alpha = np.clip((1 - distance) * radius + 0.5, 0, 1)
    grainy = add_grain(np.clip(surface + bounce, 0, 255), grain_level(context.pixels), context.rng("ball"))
    return put(image, CutOut(grainy, blur(alpha, 0.8))), distance <= 1


def hole_of(mask: np.ndarray) -> np.ndarray:
    """The subject with its soft edge."""
    return dilate(mask, HOLE_MARGIN)


def _put_down(
    context: EditContext, ground: np.ndarray, mask: np.ndarray, hole: np.ndarray, dx: float, scale: float
) -> EditDraft:
    """The cut-out of `mask` on `ground`, moved and scaled about its foot, with a shadow. `hole`: changed besides."""
    left, _, right, bottom = bounding_box(mask)
    scale *= context.tweaks.get("scale", 1.0)
    lift = context.tweaks.get("lift", 0.0) * 0.25 * (bottom - bounding_box(mask)[1])
    anchor = ((left + right) / 2, float(bottom))
    piece = cut_out(context.pixels, mask)
    on_ground = piece.moved(dx, 0, scale, anchor)
    if on_ground.mask.mean() < 0.3 * mask.mean() * min(scale, 1) ** 2:
        raise CannotEditError("There is no room in the photo to put it there.")
    image = cast_shadow(ground, on_ground.mask, light_comes_from_left(context.pixels), 0.3)
    piece = piece.moved(dx, -lift, scale, anchor) if lift else on_ground
    image = put(image, piece)
    changed = hole | dilate(piece.mask, 3) | _touched(image, ground)
    return EditDraft(image, changed, piece.mask, context.pixels)


def _touched(image: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """Where something was drawn, its faint shadow too."""
    return np.abs(image - ground).max(axis=2) > 2


def _around(mask: np.ndarray, margin: int) -> np.ndarray:
    """Room for the shadow around what was put in."""
    return dilate(mask, max(2, margin))


EDITORS = {
    "object_add": Editor(add_object, "insert", attribute="colour", position="corner"),
    "object_remove": Editor(remove_object, "remove"),
    "object_replace": Editor(replace_object, "insert", attribute="colour"),
    "object_move": Editor(move_object, "place", position="direction"),
    "object_resize": Editor(resize_object, "place", attribute="factor"),
    "object_duplicate": Editor(duplicate_object, "insert", position="direction"),
    "object_extract": Editor(extract_object, "whole", attribute="colour"),
}
