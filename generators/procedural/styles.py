"""Editors of the whole picture: style, colour, tone, focus, restoration, and a larger frame."""

import cv2
import numpy as np

from generators.procedural.compositing import (
    add_grain,
    as_float,
    blur,
    dilate,
    erode,
    from_lab,
    grain_level,
    luminance,
    mix,
    to_lab,
)
from generators.procedural.context import EditContext, EditDraft, Editor
from generators.procedural.filling import fill_region
from generators.procedural.palette import cloud_noise


def transfer_style(context: EditContext) -> EditDraft:
    """A watercolour, a pencil sketch, a posterised print or an oil painting of the photo."""
    style = context.slots["style"]
    if style == "a pencil sketch":
        image = _sketch(context)
    elif style == "a posterised print":
        smooth = to_lab(cv2.bilateralFilter(context.pixels, 0, 40, 4))
        steps = np.array([20.0, 18.0, 18.0], np.float32)
        stronger = np.array([1, 1.25, 1.25], np.float32)
        levels: np.ndarray = np.round(smooth / steps) * steps * stronger
        image = blur(from_lab(levels), 0.6)
    elif style == "an oil painting":
        image = _oil(context)
    else:
        image = _watercolour(context)
    return _everything(context, image)


def colourise(context: EditContext) -> EditDraft:
    """Colours for a black-and-white photo, guessed from lightness and place: sky, skin, foliage, ground."""
    height, width = context.size
    lightness = to_lab(context.pixels)[..., 0]
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None] * np.ones((1, width), np.float32)
    # Toned as early colour photographs were: cool shadows, warm middle tones, cream highlights.
    t = lightness / 100
    a: np.ndarray = np.interp(t, [0, 0.25, 0.6, 0.9, 1], [1, 5, 9, 3, 0]).astype(np.float32)
    b: np.ndarray = np.interp(t, [0, 0.25, 0.6, 0.9, 1], [-5, 4, 17, 9, 3]).astype(np.float32)
    activity = blur(np.abs(lightness - blur(lightness, 2)), 6)
    foliage = np.clip((activity - 3.0) / 4, 0, 1) * np.clip((0.6 - np.abs(t - 0.35)) / 0.4, 0, 1)
    a, b = a + (-15 - a) * 0.75 * foliage, b + (20 - b) * 0.75 * foliage
    content = context.photo.content
    sky = blur(content.sky.astype(np.float32), 3) if content.sky is not None else np.zeros_like(a)
    a, b = a + (-3 - a) * sky, b + (-24 - b) * sky
    for left, top, right, bottom in content.faces:
        columns = np.linspace(0, 1, width, dtype=np.float32)[None, :]
        across, down = (right - left) / 2, (bottom - top) / 2
        oval = np.hypot((columns - left - across) / across, (rows - top - down) / (1.2 * down))
        face = blur(np.clip(1.6 - oval, 0, 1) * np.clip((t - 0.25) / 0.15, 0, 1), 3)
        a, b = a + (15 - a) * face, b + (19 - b) * face
    if content.subject is not None and not content.faces:
        subject = blur(content.subject.astype(np.float32), 2)
        a, b = a + (20 - a) * 0.55 * subject, b + (16 - b) * 0.55 * subject
    return _everything(context, from_lab(np.stack([lightness, a, b], axis=-1)))


def grade_tone(context: EditContext) -> EditDraft:
    """A colour grade: cool cinematic, warm vintage, or high-contrast black and white."""
    grade = context.slots["grade"]
    lab = to_lab(context.pixels)
    curve = 50 + 50 * np.tanh((lab[..., 0] - 50) / 38) / np.tanh(50 / 38)
    if grade == "a high-contrast black-and-white look":
        strong = 50 + 50 * np.tanh((lab[..., 0] - 50) / 26) / np.tanh(50 / 26)
        image = from_lab(np.stack([strong, np.zeros_like(curve), np.zeros_like(curve)], axis=-1))
    elif grade == "a warm vintage grade":
        faded = np.stack([12 + 0.8 * curve, 0.7 * lab[..., 1] + 5, 0.65 * lab[..., 2] + 17], axis=-1)
        image = from_lab(faded)
    else:
        # Teal in the shadows, orange in the highlights.
        t = (lab[..., 0] / 100)[..., None]
        toned = np.concatenate([curve[..., None] * 0.93, lab[..., 1:] * 0.82], axis=-1)
        toned[..., 1:] += (1 - t) * np.array([-11, -15], np.float32) + t * np.array([1, 2], np.float32)
        image = from_lab(toned)
    return _everything(context, image)


def blur_background(context: EditContext) -> EditDraft:
    """Everything behind the subject out of focus, as through a wide aperture."""
    mask = context.subject()
    sharp = as_float(context.pixels)
    # The subject's colours must not bleed into the blur: blur the background with the subject's weight at zero.
    weight = (~dilate(mask, 2)).astype(np.float32)
    radius = max(3, round(0.016 * max(context.size)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)).astype(np.float32)
    disc /= disc.sum()
    linear = (sharp / 255) ** 2.2  # light adds up before the gamma: bright spots become discs
    top = cv2.filter2D(linear * weight[..., None], -1, disc, borderType=cv2.BORDER_REFLECT)
    bottom = cv2.filter2D(weight, -1, disc, borderType=cv2.BORDER_REFLECT)[..., None]
    wide_top, wide_bottom = blur(linear * weight[..., None], 4 * radius), blur(weight, 4 * radius)[..., None]
    soft = np.where(bottom > 0.02, top / np.maximum(bottom, 0.02), wide_top / np.maximum(wide_bottom, 1e-3))
    soft = 255 * np.clip(soft, 0, 1) ** (1 / 2.2)
    soft = add_grain(soft, grain_level(context.pixels), context.rng("grain"))
    alpha = 1 - blur(dilate(mask, 1).astype(np.float32), 1.5)
    return EditDraft(mix(sharp, soft, alpha), ~mask, ~mask, context.pixels, keep=erode(mask, 3))


def restore(context: EditContext) -> EditDraft:
    """Noise and thin scratches taken out."""
    scratches = find_scratches(context.pixels)
    repaired = cv2.inpaint(context.pixels, scratches.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    noise = grain_level(repaired)
    strength = float(np.clip(1.15 * noise, 2.0, 16.0))
    bgr = repaired[..., ::-1]
    clean = cv2.fastNlMeansDenoisingColored(bgr, None, strength, 1.3 * strength, 5, 11)[..., ::-1]
    return _everything(context, as_float(np.ascontiguousarray(clean)))


def sharpen(context: EditContext) -> EditDraft:
    """A blurred photo made sharp: Richardson–Lucy on the lightness, with a Gaussian of the blur's own width."""
    lab = to_lab(context.pixels)
    observed = np.clip(lab[..., 0] / 100, 1e-3, 1)
    sigma = blur_width(context.pixels)
    estimate = observed.copy()
    for _ in range(14):
        ratio = observed / np.maximum(blur(estimate, sigma), 1e-3)
        estimate = np.clip(estimate * blur(ratio, sigma), 1e-3, 1.05)
    # Flat areas hold only noise: leave them, and keep ringing within what is near by.
    low, high = (cv2.morphologyEx(observed, op, np.ones((5, 5))) for op in (cv2.MORPH_ERODE, cv2.MORPH_DILATE))
    estimate = np.clip(estimate, low - 0.06, high + 0.06)
    lab[..., 0] = np.clip(estimate, 0, 1) * 100
    return _everything(context, from_lab(lab))


def zoom_out(context: EditContext) -> EditDraft:
    """A larger frame: the photo in the middle, what lies around it made up from the photo's own patches."""
    height, width = context.size
    share = float(context.slots["margin"]) / 100
    margin_y, margin_x = round(share * height / 2), round(share * width / 2)
    framed = cv2.copyMakeBorder(context.pixels, margin_y, margin_y, margin_x, margin_x, cv2.BORDER_REFLECT_101)
    hole = np.ones(framed.shape[:2], bool)
    hole[margin_y : margin_y + height, margin_x : margin_x + width] = False
    filled = as_float(fill_region(framed, hole))
    # Right at the border the mirrored picture continues it best; further out its repetition would show.
    outside = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5)
    near = np.clip(1 - outside / (0.25 * max(margin_x, margin_y)), 0, 1)
    image = mix(filled, as_float(framed), near)
    before = cv2.copyMakeBorder(context.pixels, margin_y, margin_y, margin_x, margin_x, cv2.BORDER_REPLICATE)
    return EditDraft(image, hole, hole, before, keep=~hole)


def find_scratches(image: np.ndarray) -> np.ndarray:
    """Thin lines much brighter or darker than what lies on both sides: bool, shape (height, width)."""
    grey = luminance(image)
    smooth = cv2.medianBlur(grey.astype(np.uint8), 7).astype(np.float32)
    strength = np.abs(grey - smooth)
    threshold = max(28.0, 4 * grain_level(image))
    candidates = (strength > threshold).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(candidates, connectivity=8)
    across, down, area = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT], stats[:, cv2.CC_STAT_AREA]
    extent = np.maximum(across, down)
    long_and_thin = (extent > 0.06 * max(grey.shape)) & (area < 5 * extent)
    chosen = [label for label in range(1, count) if long_and_thin[label]]
    return dilate(np.isin(labels, chosen), 1)


def blur_width(image: np.ndarray) -> float:
    """Standard deviation in pixels of the Gaussian that the photo seems to be blurred with, 0.7 to 3.

    Blurring it once more by 1 px changes a sharp photo much and a blurred one little: for an edge of width s the
    steepest slope falls by s / √(s² + 1).
    """
    grey = luminance(image)

    def steepest(picture: np.ndarray) -> float:
        slope = np.hypot(cv2.Sobel(picture, cv2.CV_32F, 1, 0, ksize=3), cv2.Sobel(picture, cv2.CV_32F, 0, 1, ksize=3))
        return float(np.percentile(slope, 98))

    ratio = float(np.clip(steepest(blur(grey, 1.0)) / max(steepest(grey), 1e-3), 0.3, 0.97))
    return float(np.clip(ratio / np.sqrt(1 - ratio**2), 0.7, 3.0))


def _sketch(context: EditContext) -> np.ndarray:
    grey = blur(luminance(context.pixels), 0.7)
    inverted = 255 - grey
    dodge = np.clip(grey * 255 / np.maximum(255 - blur(inverted, 9), 1), 0, 255)
    hatch = cloud_noise(context.size, context.rng("hatch"), 0.01, 3)
    hatch = cv2.filter2D(hatch, -1, np.eye(9, dtype=np.float32) / 9)
    shade = np.clip(1 - grey / 150, 0, 1) * (hatch - 0.15) * 110
    paper = 246 - 8 * cloud_noise(context.size, context.rng("paper"), 0.02, 3)
    pencil = np.clip(dodge / 255, 0, 1) ** 2.2 * paper - np.clip(shade, 0, None)
    return np.repeat(np.clip(pencil, 20, 250)[..., None], 3, axis=2)


def _watercolour(context: EditContext) -> np.ndarray:
    smooth = context.pixels
    for _ in range(3):
        smooth = cv2.bilateralFilter(smooth, 0, 45, 5)
    smooth = cv2.medianBlur(smooth, 7)
    lab = to_lab(smooth)
    lab[..., 0] = 24 + 0.76 * lab[..., 0]
    lab[..., 1:] *= 1.2
    # Pigment gathers at the rims of the washes, and settles in the grain of the paper.
    rim = np.hypot(cv2.Sobel(lab[..., 0], cv2.CV_32F, 1, 0), cv2.Sobel(lab[..., 0], cv2.CV_32F, 0, 1))
    wash = cloud_noise(context.size, context.rng("wash"), 0.2) - 0.5
    paper = cloud_noise(context.size, context.rng("paper"), 0.012, 3) - 0.5
    lab[..., 0] += 9 * wash + 5 * paper - np.clip(rim * 0.35, 0, 16)
    return from_lab(lab)


def _oil(context: EditContext) -> np.ndarray:
    """Each place takes the mean colour of the most frequent lightness around it, then relief (Holzmann's filter)."""
    radius = max(3, round(0.006 * max(context.size)))
    window = (2 * radius + 1, 2 * radius + 1)
    image = as_float(context.pixels)
    level = (luminance(image) / 256 * 9).astype(int)
    best_count = np.zeros(context.size, np.float32)
    best = image.copy()
    for value in range(9):
        here = (level == value).astype(np.float32)
        count = cv2.boxFilter(here, -1, window, normalize=False)
        colour = cv2.boxFilter(image * here[..., None], -1, window, normalize=False)
        take = count > best_count
        best[take] = (colour / np.maximum(count, 1)[..., None])[take]
        best_count = np.maximum(best_count, count)
    grey = blur(luminance(best), 0.8)
    stroke = cv2.filter2D(
        cloud_noise(context.size, context.rng("brush"), 0.02, 3), -1, np.eye(11, dtype=np.float32) / 11
    )
    relief = cv2.Sobel(grey + 26 * stroke, cv2.CV_32F, 1, 1, ksize=3)
    lab = to_lab(best)
    lab[..., 1:] *= 1.25
    return np.clip(from_lab(lab) + np.clip(relief * 1.2, -28, 28)[..., None], 0, 255)


def _everything(context: EditContext, image: np.ndarray) -> EditDraft:
    """A change of the whole picture: nothing had to stay."""
    everywhere = np.ones(context.size, bool)
    return EditDraft(
        np.clip(image, 0, 255).astype(np.float32), everywhere, everywhere, context.pixels, keep=~everywhere
    )


EDITORS = {
    "style_transfer": Editor(transfer_style, "whole", attribute="style"),
    "colorize": Editor(colourise, "whole"),
    "tone_grading": Editor(grade_tone, "whole", attribute="grade"),
    "depth_of_field": Editor(blur_background, "whole"),
    "restoration": Editor(restore, "whole"),
    "deblur_enhance": Editor(sharpen, "whole"),
    "outpaint_zoom": Editor(zoom_out, "whole", attribute="margin"),
}
