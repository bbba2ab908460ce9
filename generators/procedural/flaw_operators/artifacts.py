"""Operators whose flaw is wrong whatever was asked: things bent, noisy, blurred, badly cut out or badly lit."""

import cv2
import numpy as np

from generators.procedural.compositing import blur, bounding_box, dilate, erode, from_lab, mix, to_lab
from generators.procedural.flaw_operators.scene import (
    Flawed,
    FlawOperator,
    FlawScene,
    between,
    blob,
    displaced,
    reach,
    spot,
    where,
)
from generators.procedural.palette import cloud_noise

# Editors that take the tweaks `lift` and `scale`.
PLACING_TASKS = ("object_add", "object_replace", "object_move", "object_resize", "object_duplicate", "accessory_change")

LINE_OF_TEXT = 0.08  # height of a line of letters at most, of the shorter side of the picture


def melt(scene: FlawScene, image: np.ndarray, rng: np.random.Generator, severity: float) -> Flawed | None:
    centre = spot(_thing(scene), rng, image)
    if centre is None:
        return None
    radius = 1.15 * reach(scene, severity)
    alpha = blob(scene.size, centre, radius, rng, softness=0.5)
    amplitude = between(0.08, 0.34, severity) * radius
    shift_x, shift_y = (amplitude * 2 * (cloud_noise(scene.size, rng, 0.12, 3) - 0.5) * alpha for _ in range(2))
    return Flawed(displaced(image, shift_x, shift_y), f"The shape is bent and melted {where(alpha > 0.5)}.")


def malform_face(scene: FlawScene, image: np.ndarray, rng: np.random.Generator, severity: float) -> Flawed | None:
    height, width = scene.size
    left, top, right, bottom = scene.context.photo.content.faces[0]
    left, top, right, bottom = left * width, top * height, right * width, bottom * height
    across = right - left
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    shift_x, shift_y = np.zeros(scene.size, np.float32), np.zeros(scene.size, np.float32)
    # Eyes and mouth slide and swell each on its own.
    for x, y, size in ((0.31, 0.40, 0.2), (0.69, 0.40, 0.2), (0.5, 0.78, 0.24)):
        centre_x, centre_y = left + x * across, top + y * (bottom - top)
        bump = np.exp(-(((columns - centre_x) ** 2 + (rows - centre_y) ** 2) / (size * across) ** 2))
        amplitude = between(0.05, 0.15, severity) * across
        direction = rng.uniform(0, 2 * np.pi)
        swell = between(0.12, 0.5, severity) * rng.choice([-1.0, 1.0])
        shift_x += bump * (amplitude * np.cos(direction) + swell * (columns - centre_x))
        shift_y += bump * (amplitude * np.sin(direction) + swell * (rows - centre_y))
    return Flawed(displaced(image, shift_x, shift_y), "The face is malformed: eyes and mouth do not fit each other.")


def garble_letters(scene: FlawScene, image: np.ndarray, rng: np.random.Generator, severity: float) -> Flawed | None:
    left, top, right, bottom = bounding_box(scene.draft.place)
    across, down = right - left, bottom - top
    if across < 12 or down < 6:
        return None
    alpha = np.zeros(scene.size, np.float32)
    alpha[max(0, top - 2) : bottom + 2, max(0, left - 2) : right + 2] = 1
    share = between(0.35, 1.0, severity)
    start = left + rng.uniform(0, 1 - share) * across
    columns = np.arange(scene.size[1], dtype=np.float32)[None, :]
    alpha = blur(alpha * ((columns >= start) & (columns <= start + share * across)), 1.5)
    line = min(down, LINE_OF_TEXT * min(scene.size))  # a page has many lines, and each is garbled by itself
    cell = max(3.0, 0.45 * line) / scene.size[1]
    amplitude = between(0.22, 0.6, severity) * line
    shift_x, shift_y = (amplitude * 2 * (cloud_noise(scene.size, rng, cell, 2) - 0.5) * alpha for _ in range(2))
    return Flawed(displaced(image, shift_x, shift_y), "The letters are garbled and cannot be read.")


def add_blotches(scene: FlawScene, image: np.ndarray, rng: np.random.Generator, severity: float) -> Flawed | None:
    centre = spot(_thing(scene), rng)
    if centre is None:
        return None
    alpha = blob(scene.size, centre, reach(scene, severity), rng)
    fine = cv2.GaussianBlur(rng.standard_normal((*scene.size, 3), np.float32), (0, 0), rng.uniform(0.7, 1.8))
    fine /= fine.std()
    grey = fine.mean(axis=2, keepdims=True)
    noise = (0.6 * grey + 0.4 * fine) * between(10, 46, severity)
    return Flawed(
        image + noise * alpha[..., None], f"Grain and blotches that do not belong there, {where(alpha > 0.5)}."
    )


def smear(scene: FlawScene, image: np.ndarray, rng: np.random.Generator, severity: float) -> Flawed | None:
    centre = spot(_thing(scene), rng, image)
    if centre is None:
        return None
    alpha = blob(scene.size, centre, 1.1 * reach(scene, severity), rng)
    soft = blur(image, between(0.0022, 0.013, severity) * max(scene.size))
    return Flawed(mix(image, soft, alpha), f"Smeared and out of focus {where(alpha > 0.5)}.")


def ghost(scene: FlawScene, image: np.ndarray, rng: np.random.Generator, severity: float) -> Flawed | None:
    centre = spot(_thing(scene), rng, image)
    if centre is None:
        return None
    alpha = blob(scene.size, centre, 1.3 * reach(scene, severity), rng, softness=0.5)
    step = between(0.008, 0.03, severity) * max(scene.size)
    angle = rng.uniform(0, 2 * np.pi)
    shift = np.full(scene.size, step, np.float32)
    double = displaced(image, shift * np.float32(np.cos(angle)), shift * np.float32(np.sin(angle)))
    return Flawed(
        mix(image, double, alpha * between(0.3, 0.55, severity)), f"Doubled, like a ghost, {where(alpha > 0.5)}."
    )


def leave_halo(scene: FlawScene, image: np.ndarray, rng: np.random.Generator, severity: float) -> Flawed | None:
    width = max(1, round(between(1.0, 0.008 * max(scene.size), severity)))
    place = scene.draft.place
    band = dilate(place, width) & ~erode(place, width)
    # Not the border of the picture itself.
    band[:2] = band[-2:] = False
    band[:, :2] = band[:, -2:] = False
    # Mild ones run along a part of the outline only.
    part = cloud_noise(scene.size, rng, 0.35, 2) > between(0.5, 0.1, severity)
    alpha = blur((band & part).astype(np.float32), 0.8) * between(0.3, 0.85, severity)
    light = rng.random() < 0.5
    edge = np.full_like(image, 235.0 if light else 18.0)
    return Flawed(mix(image, edge, alpha), f"A {'bright' if light else 'dark'} cut-out edge is visible around it.")


def misplace_light(scene: FlawScene, image: np.ndarray, rng: np.random.Generator, severity: float) -> Flawed | None:
    left, top, right, bottom = bounding_box(_thing(scene))
    if right - left < 8 or bottom - top < 8:
        return None
    rows, columns = np.mgrid[0 : scene.size[0], 0 : scene.size[1]].astype(np.float32)
    u, v = (columns - left) / (right - left) - 0.5, (rows - top) / (bottom - top) - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.clip((u * np.cos(angle) + v * np.sin(angle)) * 2, -1, 1)
    gain = 1 + between(0.22, 0.75, severity) * ramp * (1 if rng.random() < 0.5 else -1)
    alpha = blur(_thing(scene).astype(np.float32), 2.0)[..., None]
    lit = np.clip(image * gain[..., None] + 24 * severity * np.clip(gain - 1, 0, 1)[..., None], 0, 255)
    return Flawed(mix(image, lit, alpha), "Light and shade on it disagree with the rest of the scene.")


def drop_false_shadow(scene: FlawScene, image: np.ndarray, rng: np.random.Generator, severity: float) -> Flawed | None:
    centre = spot(dilate(_thing(scene), 8), rng)
    if centre is None:
        return None
    alpha = blob(scene.size, centre, 1.2 * reach(scene, severity), rng, softness=0.35)
    darkness = between(0.3, 0.72, severity)
    return Flawed(
        image * (1 - darkness * alpha[..., None]), f"A shadow {where(alpha > 0.5)} that nothing there could cast."
    )


def missize(scene: FlawScene, _: np.ndarray, rng: np.random.Generator, severity: float) -> Flawed | None:
    factor = between(1.25, 1.9, severity) if rng.random() < 0.5 else between(0.8, 0.4, severity)
    draft = scene.redraw(scene.context.with_tweaks(scale=factor))
    if draft is None:
        return None
    return Flawed(
        draft.image, f"It is far too {'large' if factor > 1 else 'small'} for its place in the scene.", redrawn=draft
    )


def let_float(scene: FlawScene, _: np.ndarray, rng: np.random.Generator, severity: float) -> Flawed | None:
    draft = scene.redraw(scene.context.with_tweaks(lift=between(0.3, 1.5, severity) * rng.uniform(0.9, 1.1)))
    return (
        None if draft is None else Flawed(draft.image, "It floats above the place where it should rest.", redrawn=draft)
    )


def bleed(scene: FlawScene, image: np.ndarray, rng: np.random.Generator, severity: float) -> Flawed | None:
    place = scene.draft.place
    lab = to_lab(image)
    if not place.any():
        return None
    spread = max(3, round(between(0.012, 0.06, severity) * max(scene.size)))
    weight = blur(place.astype(np.float32), spread / 2)
    carried = blur(lab[..., 1:] * place[..., None], spread / 2) / np.maximum(weight[..., None], 1e-3)
    outside = np.clip(weight * 2.6, 0, 1) * ~place
    part = np.clip((cloud_noise(scene.size, rng, 0.25, 3) - between(0.55, 0.2, severity)) * 6, 0, 1)
    alpha = blur(outside * part, 1.0) * between(0.5, 1.0, severity)
    spilled = lab.copy()
    spilled[..., 1:] = carried * between(0.8, 1.15, severity)
    return Flawed(mix(image, from_lab(spilled), alpha), "Its colour runs over into what lies beside it.")


def _thing(scene: FlawScene) -> np.ndarray:
    """Where eyes rest: what the edit is about; in an edit of everything, the subject, or else the middle."""
    if scene.is_local and not scene.unedited:
        place = scene.draft.place
        # Of a background or a sky, somewhere; of a small thing, it and its nearest surroundings.
        return place if place.mean() > 0.2 else dilate(place, 4)
    subject = scene.context.photo.content.subject
    if subject is not None and subject.shape == scene.size and 0.01 < subject.mean() < 0.7:
        return subject
    middle = np.zeros(scene.size, bool)
    height, width = scene.size
    middle[height // 6 : -height // 6, width // 6 : -width // 6] = True
    return middle


def _always(_: FlawScene) -> bool:
    return True


def _has_edge(scene: FlawScene) -> bool:
    return (
        scene.is_local and not scene.unedited and not scene.task.startswith("text_") and scene.editor.effect != "remove"
    )


def _shows_face(scene: FlawScene) -> bool:
    content = scene.context.photo.content
    if not content.faces or scene.draft.image.shape != scene.context.pixels.shape:
        return False
    left, _, right, _ = content.faces[0]
    # The face must still be where it was.
    stays = scene.editor.effect in ("look", "whole", "write") or scene.task in ("accessory_change", "object_add")
    return (right - left) * scene.size[1] > 32 and stays


def _has_letters(scene: FlawScene) -> bool:
    return scene.task in ("text_add", "text_replace", "text_style") and not scene.unedited


def _puts_down(scene: FlawScene) -> bool:
    return scene.task in PLACING_TASKS


def _casts(scene: FlawScene) -> bool:
    return scene.editor.effect != "write" and not scene.unedited


ARTIFACTS = (
    FlawOperator("melt", "distorted_object", _always, melt),
    FlawOperator("malform_face", "malformed_anatomy", _shows_face, malform_face, weight=2.0),
    FlawOperator("garble_letters", "garbled_text", _has_letters, garble_letters, weight=3.0),
    FlawOperator("add_blotches", "texture_noise", _always, add_blotches),
    FlawOperator("smear", "blur_or_ghosting", _always, smear, weight=0.7),
    FlawOperator("ghost", "blur_or_ghosting", _always, ghost, weight=0.6),
    FlawOperator("leave_halo", "seam_or_boundary", _has_edge, leave_halo, weight=1.2),
    FlawOperator("misplace_light", "lighting_shadow_mismatch", _casts, misplace_light, weight=0.7),
    FlawOperator("drop_false_shadow", "lighting_shadow_mismatch", _casts, drop_false_shadow, weight=0.5),
    FlawOperator("missize", "perspective_scale", _puts_down, missize, replaces_edit=True, weight=1.5),
    FlawOperator("bleed", "color_bleed", _has_edge, bleed),
    FlawOperator("let_float", "implausible_physics", _puts_down, let_float, replaces_edit=True, weight=1.5),
)
