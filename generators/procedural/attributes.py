"""Editors that change how a thing or a person looks: colour, material, pattern, shape, glasses, skin."""

import cv2
import numpy as np

from generators.procedural.compositing import (
    CutOut,
    add_grain,
    as_float,
    blur,
    bounding_box,
    cut_out,
    dilate,
    erode,
    from_lab,
    grain_level,
    luminance,
    mix,
    put,
    sample,
    soften,
    to_lab,
)
from generators.procedural.context import LARGEST_SUBJECT, CannotEditError, EditContext, EditDraft, Editor
from generators.procedural.objects import hole_of
from generators.procedural.palette import COLOURS, cloud_noise, pattern_field, repaint

SMALLEST_FACE = 36  # pixels, width: glasses or skin on a smaller face cannot be judged


def change_colour(context: EditContext) -> EditDraft:
    """The subject in another colour, its shading kept."""
    mask = context.subject()
    painted = from_lab(repaint(to_lab(context.pixels), mask, context.slots["colour"]))
    return _inside(context, mask, painted)


def change_material(context: EditContext) -> EditDraft:
    """The subject as if made of gold, chrome, marble or glass: its shading drives the new surface."""
    mask = context.subject()
    grey = luminance(context.pixels)
    smooth = cv2.bilateralFilter(grey, 7, 30, 5)
    low, high = np.percentile(smooth[mask], [2, 98])
    shade = np.clip((smooth - low) / max(high - low, 1), 0, 1).astype(np.float32)
    material = context.slots["material"]
    if material == "gold":
        surface = _ramp(_polished(shade, 1.5), [(38, 22, 6), (132, 88, 20), (214, 168, 58), (255, 240, 170)])
    elif material == "chrome":
        surface = _ramp(_polished(shade, 2.5), [(18, 20, 24), (104, 110, 118), (190, 196, 202), (252, 253, 255)])
    elif material == "marble":
        veins = np.abs(cloud_noise(context.size, context.rng("marble"), 0.3) - 0.5) * 2
        vein = np.exp(-((veins / 0.10) ** 2)) * 0.5
        surface = _ramp(0.35 + 0.6 * shade, [(96, 94, 96), (170, 168, 168), (226, 224, 220), (250, 250, 248)])
        surface = surface * (1 - vein[..., None] * np.array([0.42, 0.40, 0.36], np.float32))
    else:
        surface = _glass(context, mask, shade)
    return _inside(context, mask, surface)


def give_pattern(context: EditContext) -> EditDraft:
    """A flat pattern on the subject, under its own light and shade."""
    mask = context.subject()
    left, top, right, bottom = bounding_box(mask)
    period = max(9.0, 0.16 * min(right - left, bottom - top))
    lab = to_lab(context.pixels)
    # Folds bend a pattern a little: shift it along with the blurred lightness.
    field, _ = pattern_field(context.slots["pattern"], context.size, period)
    form = blur(lab[..., 0], 0.5 * period) * 0.25
    rows, columns = np.mgrid[0 : context.size[0], 0 : context.size[1]].astype(np.float32)
    field = sample(field, columns + form, rows + form)
    shading = (lab[..., 0] - lab[..., 0][mask].mean()) * 0.75
    patterned = field.copy()
    patterned[..., 0] = np.clip(field[..., 0] * 0.85 + shading, 2, 98)
    return _inside(context, mask, from_lab(patterned))


def change_shape(context: EditContext) -> EditDraft:
    """The subject pulled into a round or a square outline of about its own area."""
    mask = context.subject(LARGEST_SUBJECT)
    left, top, right, bottom = bounding_box(mask)
    rows, columns = np.mgrid[0 : context.size[0], 0 : context.size[1]].astype(np.float32)
    centre_x, centre_y = (left + right) / 2, (top + bottom) / 2
    across, down = columns - centre_x, rows - centre_y
    angle, distance = np.arctan2(down, across), np.hypot(across, down)
    # The same proportions as its box, but less so: a square of a long thing is still square.
    if context.slots["shape"] == "round":
        reach = np.full_like(distance, np.sqrt(mask.sum() / np.pi))
    else:
        side = np.sqrt(mask.sum())
        reach = side / 2 / np.maximum(np.abs(np.cos(angle)), np.abs(np.sin(angle)))
    outline = _outline_radius(mask, centre_x, centre_y)
    bins = np.clip(((angle + np.pi) / (2 * np.pi) * len(outline)).astype(int), 0, len(outline) - 1)
    stretch = outline[bins] / reach
    # A shape that would leave the frame moves back into it.
    half = float(np.sqrt(mask.sum()) / 2) * 1.15
    shift_x = max(0.0, half - centre_x) - max(0.0, centre_x + half - context.size[1])
    shift_y = max(0.0, half - centre_y) - max(0.0, centre_y + half - context.size[0])
    map_x, map_y = centre_x + across * stretch, centre_y + down * stretch
    colour = sample(cut_out(context.pixels, mask).colour, map_x, map_y)
    alpha = np.clip((reach - distance) / 1.5 + 0.5, 0, 1)
    piece = CutOut(colour, blur(alpha, 0.8)).moved(shift_x, shift_y)
    hole = hole_of(mask)
    image = put(as_float(context.photo.filled(hole)), piece)
    return EditDraft(image, hole | dilate(piece.mask, 3), piece.mask, context.pixels)


def put_on_glasses(context: EditContext) -> EditDraft:
    """Round glasses on the largest face."""
    left, top, right, bottom = _face(context)
    height, width = context.size
    face_width, face_height = right - left, bottom - top
    lens = 0.165 * face_width * context.tweaks.get("scale", 1.0)
    eye_y = top + 0.41 * face_height - context.tweaks.get("lift", 0.0) * 0.16 * face_height
    centres = [(left + 0.30 * face_width, eye_y), (left + 0.70 * face_width, eye_y)]
    thick = max(1.5, 0.026 * face_width)
    grow = 4  # drawn larger and reduced, for smooth edges

    def at(x: float, y: float) -> tuple[int, int]:
        return round(x * grow), round(y * grow)

    frame = np.zeros((height * grow, width * grow), np.uint8)
    glass = np.zeros_like(frame)
    pen = max(1, round(thick * grow))
    for x, y in centres:
        cv2.circle(frame, at(x, y), round(lens * grow), 255, pen)
        cv2.circle(glass, at(x, y), round(lens * grow), 255, -1)
    cv2.line(
        frame, at(centres[0][0] + lens, eye_y - 0.2 * lens), at(centres[1][0] - lens, eye_y - 0.2 * lens), 255, pen
    )
    for (x, y), edge, sign in zip(centres, (left + 0.03 * face_width, right - 0.03 * face_width), (-1, 1), strict=True):
        cv2.line(frame, at(x + sign * lens, y - 0.15 * lens), at(edge, y - 0.35 * lens), 255, pen)
    frame_alpha = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    glass_alpha = cv2.resize(glass, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    image = as_float(context.pixels)
    shadow = blur(np.roll(frame_alpha, round(2 * thick), axis=0), thick) * 0.35
    image = image * (1 - shadow[..., None])
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    sheen = np.exp(-((((columns - left) + (rows - top)) / face_width % 0.4 - 0.2) ** 2) / 0.002) * 26
    image = image + (glass_alpha * (6 + sheen))[..., None]
    edge_light = np.clip(0.8 + 0.35 * (eye_y - rows) / lens, 0.6, 1.2)[..., None]
    colour = np.array(COLOURS[context.slots["colour"]], np.float32) * edge_light
    image = mix(image, colour, blur(frame_alpha, 0.6))
    place = (frame_alpha > 0.3) | (glass_alpha > 0.5)
    return EditDraft(np.clip(image, 0, 255), dilate(place, round(3 * thick)), place, context.pixels)


def smooth_skin(context: EditContext) -> EditDraft:
    """Skin of the face without blemishes; eyes, mouth and hair keep their sharpness."""
    left, top, right, bottom = _face(context)
    rows, columns = np.mgrid[0 : context.size[0], 0 : context.size[1]].astype(np.float32)
    across, down = (right - left) / 2, (bottom - top) / 2
    oval = np.hypot((columns - left - across) / (0.95 * across), (rows - top - down) / (1.15 * down)) <= 1
    lab = to_lab(context.pixels)
    middle = oval & (np.hypot((columns - left - across) / (0.5 * across), (rows - top - down) / (0.5 * down)) <= 1)
    skin_tone = np.median(lab[middle], axis=0)
    spread = np.array([30.0, 14.0, 16.0], np.float32)
    skin = oval & (np.abs(lab - skin_tone) < spread).all(axis=2)
    detail = blur(np.abs(lab[..., 0] - blur(lab[..., 0], 3)), 3)
    skin = erode(skin & (detail < np.percentile(detail[oval], 85)), 1)
    if skin.sum() < 0.1 * oval.sum():
        raise CannotEditError("No skin could be told from the rest of the face.")
    size = max(5, round(0.09 * (right - left)))
    smooth = context.pixels
    for _ in range(2):
        smooth = cv2.bilateralFilter(smooth, 0, 38, size / 2)
    # Even out the tone, and lift it slightly, as a retoucher would.
    toned = to_lab(smooth)
    toned[..., 1:] = 0.6 * toned[..., 1:] + 0.4 * blur(toned[..., 1:], size)
    toned[..., 0] = np.clip(toned[..., 0] * 0.97 + 4.5, 0, 98)
    alpha = blur(skin.astype(np.float32), 2.5)
    image = mix(
        as_float(context.pixels),
        add_grain(from_lab(toned), 0.5 * grain_level(context.pixels), context.rng("skin")),
        alpha,
    )
    return EditDraft(image, dilate(skin, 6), skin, context.pixels)


def _inside(context: EditContext, mask: np.ndarray, surface: np.ndarray) -> EditDraft:
    """A new surface inside the mask, with a soft edge."""
    alpha = soften(mask)
    return EditDraft(mix(as_float(context.pixels), surface, alpha), dilate(mask, 3), mask, context.pixels)


def _face(context: EditContext) -> tuple[float, float, float, float]:
    """The largest face in pixels: left, top, right, bottom."""
    faces = context.photo.content.faces
    height, width = context.size
    if not faces or (faces[0][2] - faces[0][0]) * width < SMALLEST_FACE:
        raise CannotEditError("No face large enough to edit could be found in this photo.")
    left, top, right, bottom = faces[0]
    return left * width, top * height, right * width, bottom * height


def _polished(shade: np.ndarray, folds: float) -> np.ndarray:
    """Shading as a polished surface has it: the surroundings are mirrored several times over."""
    return np.clip(0.55 * shade + 0.45 * (0.5 - 0.5 * np.cos(folds * 2 * np.pi * blur(shade, 1.5))), 0, 1)


def _ramp(value: np.ndarray, stops: list[tuple[int, int, int]]) -> np.ndarray:
    """Colours along a ramp of evenly spaced stops: float32, shape (height, width, 3)."""
    at = np.linspace(0, 1, len(stops))
    channels = [np.interp(value, at, [stop[channel] for stop in stops]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def _glass(context: EditContext, mask: np.ndarray, shade: np.ndarray) -> np.ndarray:
    """What lies behind, bent by the form in front, with bright edges."""
    behind = (
        as_float(context.photo.filled(hole_of(mask))) if mask.mean() < LARGEST_SUBJECT else as_float(context.pixels)
    )
    form = blur(shade, 3)
    bend = 0.06 * max(context.size)
    slope_x, slope_y = (cv2.Sobel(form, cv2.CV_32F, *order, ksize=5, scale=1 / 20) for order in ((1, 0), (0, 1)))
    rows, columns = np.mgrid[0 : context.size[0], 0 : context.size[1]].astype(np.float32)
    refracted = sample(behind, columns + bend * slope_x, rows + bend * slope_y)
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    rim = np.exp(-depth / (0.02 * max(context.size)))
    highlight = np.clip((shade - 0.8) / 0.2, 0, 1) ** 2
    tinted = refracted * np.array([0.86, 0.94, 0.95], np.float32) * (0.75 + 0.35 * shade[..., None])
    return np.clip(tinted + (70 * rim + 90 * highlight)[..., None], 0, 255)


def _outline_radius(mask: np.ndarray, centre_x: float, centre_y: float, bins: int = 360) -> np.ndarray:
    """How far the mask reaches from a centre in each direction, smoothed: float32, shape (bins,), from −π."""
    ys, xs = np.nonzero(mask)
    angle, distance = np.arctan2(ys - centre_y, xs - centre_x), np.hypot(xs - centre_x, ys - centre_y)
    index = np.clip(((angle + np.pi) / (2 * np.pi) * bins).astype(int), 0, bins - 1)
    reach = np.zeros(bins)
    np.maximum.at(reach, index, distance)
    known = np.flatnonzero(reach > 0)
    reach = np.interp(np.arange(bins), known, reach[known], period=bins)
    padded = np.concatenate([reach[-8:], reach, reach[:8]])
    return np.convolve(padded, np.ones(17) / 17, "valid").astype(np.float32)


EDITORS = {
    "color_change": Editor(change_colour, "look", attribute="colour"),
    "material_change": Editor(change_material, "look", attribute="material"),
    "texture_pattern": Editor(give_pattern, "look", attribute="pattern"),
    "shape_change": Editor(change_shape, "place", attribute="shape"),
    "accessory_change": Editor(put_on_glasses, "insert", attribute="colour"),
    "makeup_retouch": Editor(smooth_skin, "look"),
}
