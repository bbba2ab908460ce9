"""Operators whose flaw is wrong given what was asked: not done, done in part, to the wrong thing, or too much."""

import string
from dataclasses import replace

import cv2
import numpy as np

from editfhf.tasks import SLOTS
from generators.procedural.compositing import as_float, blur, bounding_box, dilate, erode, from_lab, mix, to_lab
from generators.procedural.flaw_operators.scene import (
    Flawed,
    FlawOperator,
    FlawScene,
    between,
    blob,
    displaced,
    spot,
    where,
)
from generators.procedural.palette import cloud_noise, colours_by_distance

# What these put in is missing when nothing was done; elsewhere the old thing still stands.
ADDING_TASKS = ("object_add", "object_duplicate", "accessory_change", "reflection_shadow", "text_add")
# An effect of these can be driven further along the way from the source to the edit.
GRADUAL_TASKS = (
    "color_change", "makeup_retouch", "weather_change", "season_change", "time_of_day", "lighting_change",
    "colorize", "tone_grading", "deblur_enhance", "depth_of_field", "restoration",
)  # fmt: skip
TARGETED_TASKS = ("color_change", "material_change", "texture_pattern", "object_remove")
# The subject must be recognised again after these.
PRESERVING_TASKS = (
    "object_move",
    "object_resize",
    "object_duplicate",
    "background_replace",
    "object_extract",
    "shape_change",
)
STYLE_TASKS = ("style_transfer", "tone_grading")
# An operator that leaves an edit out altogether cannot do so mildly.
PLAIN_FAILURE = 0.85


def do_nothing(scene: FlawScene, _: np.ndarray, __: np.random.Generator, severity: float) -> Flawed | None:
    before = as_float(scene.draft.before)
    what = _instruction_words(scene)
    if scene.task in ADDING_TASKS:
        return Flawed(before, f"Nothing was added: {what}.", "missing", None, max(severity, PLAIN_FAILURE))
    if scene.editor.effect == "whole":
        return Flawed(before, f"The picture is as it was: {what}.", "whole", None, max(severity, PLAIN_FAILURE))
    return Flawed(before, f"It is as it was: {what}.", "region", scene.edited, max(severity, PLAIN_FAILURE))


def do_half(scene: FlawScene, image: np.ndarray, rng: np.random.Generator, severity: float) -> Flawed | None:
    left, top, right, bottom = bounding_box(scene.edited)
    rows, columns = np.mgrid[0 : scene.size[0], 0 : scene.size[1]].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    u = (columns - left) / max(right - left, 1) - 0.5
    v = (rows - top) / max(bottom - top, 1) - 0.5
    position = u * np.cos(angle) + v * np.sin(angle) + 0.12 * (cloud_noise(scene.size, rng, 0.3, 3) - 0.5)
    # The share of the edited pixels that goes back to what it was.
    border = np.quantile(position[scene.edited], 1 - between(0.22, 0.8, severity))
    softness = 0.006 * max(scene.size) / max(right - left, bottom - top, 1)
    alpha = np.clip((position - border) / max(softness, 1e-3) + 0.5, 0, 1)
    undone = scene.edited & (alpha > 0.5)
    description = f"Only part of it was done; {where(undone)} it is as it was."
    return Flawed(mix(image, as_float(scene.draft.before), alpha), description, source_mask=undone)


def edit_other_thing(scene: FlawScene, _: np.ndarray, rng: np.random.Generator, severity: float) -> Flawed | None:
    subject = scene.context.subject()
    other = _other_target(subject, rng, between(0.45, 1.0, severity))
    if other is None:
        return None
    wrong = scene.redraw(replace(scene.context, subject_mask=other))
    if wrong is None:
        return None
    description = f"Not the {scene.subject_name} was edited but something else, {where(other)}."
    return Flawed(wrong.image, description, source_mask=subject, severity=max(severity, 0.6))


def use_other_value(scene: FlawScene, _: np.ndarray, rng: np.random.Generator, severity: float) -> Flawed | None:
    slot = scene.editor.attribute
    asked = scene.context.slots[slot]
    if slot == "colour":
        others = colours_by_distance(asked)
        # The more severe, the less like the colour that was asked for.
        value = others[min(len(others) - 1, int(between(1, len(others), severity) * rng.uniform(0.8, 1.0)))]
    else:
        others = [value for value in SLOTS[slot] if value != asked]
        value = others[int(rng.integers(len(others)))]
    draft = scene.redraw(scene.context.with_slots(**{slot: value}))
    if draft is None or draft.image.shape != scene.draft.image.shape:
        return None
    extent = (
        "whole"
        if scene.editor.effect == "whole" and scene.draft.keep is not None and not scene.draft.keep.any()
        else "region"
    )
    return Flawed(draft.image, f"It became {value} instead of {asked}.", extent, redrawn=draft)


def use_other_style(scene: FlawScene, image: np.ndarray, rng: np.random.Generator, severity: float) -> Flawed | None:
    slot = scene.editor.attribute
    asked = scene.context.slots[slot]
    others = [value for value in SLOTS[slot] if value != asked]
    draft = scene.redraw(scene.context.with_slots(**{slot: others[int(rng.integers(len(others)))]}))
    if draft is None:
        return None
    other = mix(image, draft.image, between(0.35, 1.0, severity))
    return Flawed(other, f"This is not the style that was asked for, {asked}.", "whole")


def misplace(scene: FlawScene, _: np.ndarray, rng: np.random.Generator, severity: float) -> Flawed | None:
    context = scene.context
    if scene.task in ("object_add", "object_duplicate") and rng.random() < 0.4:
        draft = scene.redraw(context.with_tweaks(copies=2))
        return (
            None if draft is None else Flawed(draft.image, "There is one more of it than was asked for.", redrawn=draft)
        )
    slot = scene.editor.position
    others = [value for value in SLOTS[slot] if value != context.slots[slot]]
    value = others[int(rng.integers(len(others)))]
    draft = scene.redraw(context.with_slots(**{slot: value}))
    if draft is None:
        return None
    description = f"It is {value} instead of {context.slots[slot]}."
    return Flawed(draft.image, description, severity=max(severity, 0.5), redrawn=draft)


def overdo(scene: FlawScene, _: np.ndarray, __: np.random.Generator, severity: float) -> Flawed | None:
    before, after = to_lab(scene.draft.before), to_lab(scene.draft.image)
    driven = after + (after - before) * between(0.4, 1.8, severity)
    driven[..., 0] = np.clip(driven[..., 0], 0, 100)
    # Colour that faded goes on to grey, not through it to the opposite hue; none is stronger than paint can be.
    turned = (driven[..., 1:] * after[..., 1:]).sum(axis=2) < 0
    driven[turned, 1:] = 0
    driven[..., 1:] = np.clip(driven[..., 1:], -90, 90)
    extent = "whole" if scene.edited.mean() > 0.6 else "region"
    return Flawed(from_lab(driven), "The effect is far stronger than was asked for.", extent)


def change_elsewhere(scene: FlawScene, image: np.ndarray, rng: np.random.Generator, severity: float) -> Flawed | None:
    kept = _kept(scene)
    centre = spot(erode(kept, 6), rng, image) or spot(kept, rng)
    if centre is None:
        return None
    radius = between(0.09, 0.26, severity) * min(scene.size)
    alpha = blob(scene.size, centre, radius, rng, softness=0.15) * blur(erode(kept, 2).astype(np.float32), 1.5)
    inside = alpha > 0.5
    if not inside.any():
        return None
    ways = ("repainted", "darkened or lightened", "redrawn")
    way = ways[int(rng.integers(len(ways)))]
    if way == "repainted":
        lab = to_lab(image)
        angle = rng.uniform(0, 2 * np.pi)
        lab[..., 1:] += np.array([np.cos(angle), np.sin(angle)], np.float32) * between(16, 62, severity)
        changed = from_lab(lab)
    elif way == "redrawn":
        # Another piece of the photo is drawn there.
        step = 0.22 * min(scene.size) * np.array([rng.choice([-1, 1]), rng.choice([-1, 1])])
        shift_x, shift_y = (np.full(scene.size, one, np.float32) for one in step)
        changed = mix(image, displaced(image, shift_x, shift_y), between(0.6, 1.0, severity))
    else:
        factor = 1 - between(0.25, 0.62, severity) if rng.random() < 0.5 else 1 + between(0.3, 0.9, severity)
        changed = np.clip(image * factor, 0, 255)
    description = f"A part that should have stayed as it was is {way}, {where(inside)}."
    return Flawed(mix(image, changed, alpha), description, source_mask=inside)


def shift_everything(scene: FlawScene, image: np.ndarray, rng: np.random.Generator, severity: float) -> Flawed | None:
    """The whole rest of the picture takes on another tone, as models do that pass everything through their decoder."""
    alpha = blur(erode(_kept(scene), 1).astype(np.float32), 2.0)
    lab = to_lab(image)
    angle = rng.uniform(0, 2 * np.pi)
    lab[..., 1:] += np.array([np.cos(angle), np.sin(angle)], np.float32) * between(3, 24, severity)
    lab[..., 0] = np.clip(lab[..., 0] + rng.choice([-1.0, 1.0]) * between(1.5, 13, severity), 0, 100)
    return Flawed(
        mix(image, from_lab(lab), alpha), "Colour and brightness of the rest changed too, which was not asked for."
    )


def lose_identity(scene: FlawScene, image: np.ndarray, rng: np.random.Generator, severity: float) -> Flawed | None:
    # In a new scene it is the subject that must be the same; elsewhere what was moved.
    subject = scene.context.subject() if scene.editor.effect == "whole" else scene.draft.place
    left, top, right, bottom = bounding_box(subject)
    if min(right - left, bottom - top) < 12:
        return None
    inner = erode(subject, 2)
    depth = cv2.distanceTransform(inner.astype(np.uint8), cv2.DIST_L2, 5)
    alpha = np.clip(depth / (0.08 * min(right - left, bottom - top)), 0, 1)
    cell = 0.35 * min(right - left, bottom - top) / scene.size[1]
    amplitude = between(0.10, 0.36, severity) * min(right - left, bottom - top)
    shift_x, shift_y = (amplitude * 2 * (cloud_noise(scene.size, rng, cell, 2) - 0.5) * alpha for _ in range(2))
    other = displaced(image, shift_x, shift_y)
    simplified = cv2.bilateralFilter(np.clip(other, 0, 255).astype(np.uint8), 0, 40, between(1.5, 4, severity)).astype(
        np.float32
    )
    return Flawed(mix(other, simplified, alpha), f"The {scene.subject_name} is no longer recognisably the same.")


def misspell(scene: FlawScene, _: np.ndarray, rng: np.random.Generator, severity: float) -> Flawed | None:
    word = scene.context.slots["word"]
    if severity > 0.66:
        others = [one for one in SLOTS["word"] if one != word]
        wrong = others[int(rng.integers(len(others)))]
    else:
        letters = list(word)
        for position in rng.permutation(len(letters))[: 1 if severity < 0.33 else 2]:
            letters[position] = rng.choice([one for one in string.ascii_uppercase if one != letters[position]])
        wrong = "".join(letters)
    draft = scene.redraw(scene.context.with_slots(word=wrong))
    return None if draft is None else Flawed(draft.image, f"It says {wrong} instead of {word}.", redrawn=draft)


def _kept(scene: FlawScene) -> np.ndarray:
    if scene.draft.keep is not None:
        return scene.draft.keep
    return ~dilate(scene.draft.changed | scene.edited, 4)


def _other_target(subject: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray | None:
    """A round thing beside the subject, of a share of its size."""
    height, width = subject.shape
    free = ~dilate(subject, 6)
    distance = cv2.distanceTransform(np.pad(free, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    radius = min(np.sqrt(share * subject.sum() / np.pi), float(distance.max()))
    if radius < 0.04 * min(height, width):
        return None
    centre = spot(distance >= 0.9 * radius, rng)
    if centre is None:
        return None
    return (blob((height, width), centre, radius, rng) > 0.5) & free


def _instruction_words(scene: FlawScene) -> str:
    asked = [value for slot, value in scene.context.slots.items() if slot != "subject"]
    return f"no sign of {' / '.join(asked)}" if asked else "the instruction was not followed"


def _fixed_frame(scene: FlawScene) -> bool:
    return scene.task != "outpaint_zoom"


def _is_targeted(scene: FlawScene) -> bool:
    return scene.task in TARGETED_TASKS


def _has_values(scene: FlawScene) -> bool:
    slot = scene.editor.attribute
    return slot not in ("", "word", "margin") and slot in scene.context.slots and scene.task not in STYLE_TASKS


def _has_position(scene: FlawScene) -> bool:
    return scene.editor.position in scene.context.slots


def _is_gradual(scene: FlawScene) -> bool:
    return scene.task in GRADUAL_TASKS


def _has_rest(scene: FlawScene) -> bool:
    return bool(_kept(scene).mean() > 0.08)


def _preserves(scene: FlawScene) -> bool:
    return scene.task in PRESERVING_TASKS and not scene.unedited


def _says_word(scene: FlawScene) -> bool:
    return "word" in scene.context.slots


def _is_style(scene: FlawScene) -> bool:
    return scene.task in STYLE_TASKS


FAILURES = (
    FlawOperator("do_nothing", "not_edited", _fixed_frame, do_nothing, replaces_edit=True),
    FlawOperator("do_half", "partly_edited", _fixed_frame, do_half, replaces_edit=True, weight=1.5),
    FlawOperator("edit_other_thing", "wrong_target", _is_targeted, edit_other_thing, replaces_edit=True, weight=1.5),
    FlawOperator("use_other_value", "wrong_attribute", _has_values, use_other_value, replaces_edit=True, weight=1.5),
    FlawOperator("misplace", "wrong_count_or_place", _has_position, misplace, replaces_edit=True, weight=1.5),
    FlawOperator("overdo", "over_edited", _is_gradual, overdo, replaces_edit=True, weight=1.5),
    FlawOperator("change_elsewhere", "unintended_change", _has_rest, change_elsewhere, weight=1.6),
    FlawOperator("shift_everything", "unintended_change", _has_rest, shift_everything, weight=1.0),
    FlawOperator("lose_identity", "identity_lost", _preserves, lose_identity, weight=1.5),
    FlawOperator("misspell", "wrong_text", _says_word, misspell, replaces_edit=True, weight=2.5),
    FlawOperator("use_other_style", "wrong_style", _is_style, use_other_style, replaces_edit=True, weight=2.5),
)
