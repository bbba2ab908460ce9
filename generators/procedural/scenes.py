"""Editors of the scene: background, weather, season, time of day, light, sky, reflection."""

import cv2
import numpy as np

from generators.procedural.compositing import (
    add_grain,
    as_float,
    blur,
    bounding_box,
    cast_shadow,
    cut_out,
    dilate,
    erode,
    from_lab,
    grain_level,
    light_comes_from_left,
    luminance,
    mix,
    put,
    to_lab,
)
from generators.procedural.context import CannotEditError, EditContext, EditDraft, Editor
from generators.procedural.palette import cloud_noise

SMALLEST_REFLECTION = 0.1  # of the height: room below the subject that a reflection needs


def replace_background(context: EditContext) -> EditDraft:
    """The subject in front of a painted backdrop, its light tuned a little to the new place."""
    mask = context.subject()
    backdrop = draw_backdrop(context.slots["backdrop"], context.size, context.rng("backdrop"))
    backdrop = add_grain(backdrop, grain_level(context.pixels), context.rng("grain"))
    backdrop = cast_shadow(backdrop, mask, light_comes_from_left(context.pixels), 0.4)
    piece = cut_out(context.pixels, mask)
    image = put(backdrop, piece)
    return EditDraft(image, ~erode(mask, 4), ~mask, context.pixels, keep=erode(mask, 4))


def change_weather(context: EditContext) -> EditDraft:
    """Snow, rain or fog over the whole scene."""
    weather = context.slots["weather"]
    rng = context.rng(f"weather {weather}")
    lab = to_lab(context.pixels)
    distance = _depth(context)
    if weather == "foggy":
        image = _muted(lab, chroma=0.5, contrast=0.85, lift=4)
        fog = np.clip(0.35 + 0.5 * distance, 0, 0.85) * (0.85 + 0.15 * cloud_noise(context.size, rng, 0.6))
        image = mix(image, np.full_like(image, 214.0) + np.array([-2, 0, 4], np.float32), fog)
    elif weather == "rain":
        image = _muted(lab, chroma=0.6, contrast=0.85, lift=-8) * np.array([0.94, 0.98, 1.06], np.float32)
        image = mix(image, np.full_like(image, 150.0), 0.22 * distance)
        image = image + 88 * _streaks(context.size, rng, density=0.0018, length=0.035, slant=0.16)[..., None]
    else:
        image = _muted(lab, chroma=0.6, contrast=0.85, lift=6) * np.array([0.98, 1.0, 1.05], np.float32)
        # Snow lies on what faces up: where it gets brighter from below to above, and on flat ground.
        top_faces = np.clip(cv2.Sobel(blur(lab[..., 0], 1.5), cv2.CV_32F, 0, 1, ksize=3) / -34 - 0.1, 0, 1)
        lying = np.clip(blur(top_faces, 1.2) * 1.3, 0, 0.7)
        rows = np.linspace(0, 1, context.size[0], dtype=np.float32)[:, None]
        cover = 0.5 * np.clip((rows - 0.6) / 0.4, 0, 1) * (cloud_noise(context.size, rng, 0.12) > 0.45)
        image = mix(image, np.full_like(image, 240.0), np.clip(lying + blur(cover, 2), 0, 0.85))
        image = mix(image, np.full_like(image, 205.0), 0.25 * distance)
        image = mix(image, np.full_like(image, 250.0), _flakes(context.size, rng))
    return _everything(context, np.clip(image, 0, 255))


def change_season(context: EditContext) -> EditDraft:
    """The greens of the scene turned to autumn, winter or spring, and the light with them."""
    season = context.slots["season"]
    hsv = cv2.cvtColor(as_float(context.pixels) / 255, cv2.COLOR_RGB2HSV)
    hue, saturation = hsv[..., 0], hsv[..., 1]
    green = np.clip(1 - np.abs(hue - 95) / 65, 0, 1) * np.clip(saturation / 0.18, 0, 1)
    green = blur(np.clip(green * 1.6, 0, 1).astype(np.float32), 1.5)
    image = as_float(context.pixels)
    noise = cloud_noise(context.size, context.rng("season"), 0.15)
    if season == "autumn":
        target = 18 + 30 * noise
        leaves = _from_hsv(target, np.clip(saturation * 1.35 + 0.08, 0, 1), hsv[..., 2] * 1.06)
        image = mix(image, leaves, green) * np.array([1.08, 1.0, 0.86], np.float32)
    elif season == "winter":
        bare = _muted(to_lab(context.pixels), 0.25, 0.95, 10)
        image = mix(_muted(to_lab(context.pixels), 0.65, 0.95, 5), mix(bare, np.full_like(image, 236.0), 0.42), green)
        lab = to_lab(image)
        top_faces = np.clip(cv2.Sobel(blur(lab[..., 0], 1.5), cv2.CV_32F, 0, 1, ksize=3) / -34 - 0.1, 0, 1)
        image = mix(image, np.full_like(image, 242.0), np.clip(blur(top_faces, 1.0) * 1.2, 0, 0.6))
        image = image * np.array([0.95, 1.0, 1.08], np.float32)
    else:
        fresh = _from_hsv(82 + 16 * noise, np.clip(saturation * 1.2 + 0.06, 0, 1), hsv[..., 2] * 1.12 + 0.03)
        image = mix(image, fresh, green)
        blossom = blur((noise > 0.8).astype(np.float32) * green, 1.0)
        image = mix(image, np.full_like(image, 232.0) * np.array([1.0, 0.82, 0.9], np.float32), 0.75 * blossom)
        image = np.clip(image * np.array([1.04, 1.07, 1.0], np.float32) + 5, 0, 255)
    return _everything(context, np.clip(image, 0, 255))


def change_time(context: EditContext) -> EditDraft:
    """The scene at night, at sunset or in the early morning."""
    time = context.slots["time"]
    lab = to_lab(context.pixels)
    sky = context.photo.content.sky
    rows = np.linspace(0, 1, context.size[0], dtype=np.float32)[:, None]
    if time == "night":
        image = _muted(lab, 0.5, 0.42, -26) * np.array([0.62, 0.8, 1.25], np.float32)
        lights = blur(np.clip((lab[..., 0] - 86) / 10, 0, 1) * (0 if sky is None else ~sky), 2)
        image = image + lights[..., None] * np.array([90, 70, 30], np.float32)
        if sky is not None:
            stars = draw_sky("a starry night sky", context.size, context.rng("night"))
            image = mix(image, stars, sky_alpha(context.pixels, sky) * 0.9)
    elif time == "sunset":
        image = _muted(lab, 1.05, 1.0, -8) * np.array([1.22, 0.9, 0.62], np.float32)
        glow = np.exp(-(((rows - 0.45) / 0.35) ** 2)) * np.ones(context.size, np.float32)
        image = image + glow[..., None] * np.array([42, 14, -6], np.float32)
        if sky is not None:
            alpha = sky_alpha(context.pixels, sky)
            image = mix(image, draw_sky("a dramatic sunset", context.size, context.rng("sunset")), alpha * 0.8)
    else:
        image = _muted(lab, 0.75, 0.82, 5) * np.array([0.98, 0.99, 1.08], np.float32)
        haze = 0.42 * _depth(context)
        image = mix(image, np.full_like(image, 220.0) + np.array([18, 2, 4], np.float32), haze)
        image = image + (1 - rows[..., None]) * np.array([16, 5, 4], np.float32)
    return _everything(context, np.clip(image, 0, 255))


def relight(context: EditContext) -> EditDraft:
    """A warm or cold lamp from one side; what is turned away from it darkens."""
    height, width = context.size
    columns = np.linspace(0, 1, width, dtype=np.float32)[None, :] * np.ones((height, 1), np.float32)
    near = 1 - columns if context.slots["direction"] == "left" else columns
    lamp = np.array([1.16, 1.0, 0.72] if context.slots["light"] == "warmly" else [0.80, 0.98, 1.24], np.float32)
    falloff = 0.42 + 1.05 * near**1.3
    grey = blur(luminance(context.pixels), 0.012 * width)
    slope = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=5) / 255
    sign = -1.0 if context.slots["direction"] == "left" else 1.0
    facing = np.clip(1 + 0.10 * sign * -slope, 0.75, 1.25)
    weight = np.clip(falloff * facing, 0.25, 1.6)[..., None]
    linear = (as_float(context.pixels) / 255) ** 2.2
    lit = linear * weight * (1 + (lamp - 1) * np.clip(0.35 + near, 0, 1)[..., None])
    # A shoulder instead of clipping: highlights roll off.
    lit = np.where(lit > 0.7, 0.7 + 0.3 * np.tanh((lit - 0.7) / 0.3), lit)
    return _everything(context, 255 * np.clip(lit, 0, 1) ** (1 / 2.2))


def replace_sky(context: EditContext) -> EditDraft:
    """Another sky above the same scene; the light of the scene follows it a little near the horizon."""
    sky = context.photo.content.sky
    if sky is None or sky.mean() < 0.02:
        raise CannotEditError("No sky could be found in this photo.")
    horizon = bounding_box(sky)[3] / context.size[0]
    painted = draw_sky(context.slots["sky"], context.size, context.rng("sky"), horizon)
    painted = add_grain(painted, grain_level(context.pixels), context.rng("grain"))
    alpha = sky_alpha(context.pixels, sky)
    image = mix(as_float(context.pixels), painted, alpha)
    return EditDraft(image, dilate(alpha > 0.02, 2), sky, context.pixels)


def add_reflection(context: EditContext) -> EditDraft:
    """The subject mirrored below itself, as on a polished floor, fading downward."""
    mask = context.subject()
    _, top, _, bottom = bounding_box(mask)
    height, _ = context.size
    if height - bottom < SMALLEST_REFLECTION * height:
        raise CannotEditError("There is no room below it for a reflection.")
    piece = cut_out(context.pixels, mask)
    matrix = np.array([[1, 0, 0], [0, -1, 2 * bottom - 2]], np.float32)
    mirrored = piece.warped(matrix)
    rows = np.arange(height, dtype=np.float32)[:, None]
    room = min(bottom - top, height - bottom)
    fade = np.clip(1 - (rows - bottom) / (0.95 * room), 0, 1) * (rows >= bottom - 2) * 0.62
    soft = blur(mirrored.colour, 1.0 + 0.002 * height)
    alpha = blur(mirrored.alpha, 1.0) * fade * ~erode(mask, 1)
    alpha *= 1 - piece.alpha
    image = mix(as_float(context.pixels), soft * 0.9, alpha)
    place = alpha > 0.08
    return EditDraft(image, dilate(alpha > 0.02, 3), place, context.pixels)


def sky_alpha(pixels: np.ndarray, sky: np.ndarray) -> np.ndarray:
    """How much of each pixel is sky, fine twigs and eaves against it too: float32, shape (height, width), 0..1.

    Near the border of the mask a pixel lies somewhere on the line between the sky's colour and that of what stands
    before it, both taken from close by.
    """
    reach = max(4, round(0.014 * max(sky.shape)))
    surely, never = erode(sky, 2), ~dilate(sky, reach)
    image = as_float(pixels)

    def colour_near(mask: np.ndarray) -> np.ndarray:
        weight = mask.astype(np.float32)[..., None]
        total, count = blur(image * weight, 2 * reach), blur(weight[..., 0], 2 * reach)[..., None]
        return total / np.maximum(count, 1e-4)

    of_sky, of_rest = colour_near(surely), colour_near(never)
    line = of_sky - of_rest
    share = ((image - of_rest) * line).sum(axis=2) / np.maximum((line**2).sum(axis=2), 400.0)
    alpha = np.clip((share - 0.15) / 0.6, 0, 1)
    alpha[surely], alpha[never] = 1, 0
    # Where both colours are alike only the mask can tell.
    unsure = (line**2).sum(axis=2) < 900
    alpha[unsure] = sky[unsure]
    return blur(alpha.astype(np.float32), 0.8)


def draw_sky(kind: str, size: tuple[int, int], rng: np.random.Generator, horizon: float = 0.6) -> np.ndarray:
    """A sky of `size`, its horizon at that share of the height: float32, RGB, 0..255."""
    height, width = size
    rows = np.clip(np.linspace(0, 1, height, dtype=np.float32) / max(horizon, 0.15), 0, 1)
    clouds = cloud_noise((height, width), rng, 0.45)
    # Clouds look flatter toward the horizon.
    clouds = cv2.resize(clouds[: max(8, height // 2)], (width, height), interpolation=cv2.INTER_LINEAR)
    if kind == "a dramatic sunset":
        image = _gradient(rows, width, [(52, 44, 96), (132, 66, 108), (232, 112, 70), (255, 196, 96)])
        under = np.clip((clouds - 0.45) / 0.35, 0, 1)[..., None]
        lit = _gradient(rows, width, [(120, 62, 96), (224, 96, 84), (255, 150, 84), (255, 208, 120)])
        dark = image * 0.62
        return mix(image, mix(lit, dark, np.clip((clouds - 0.65) / 0.3, 0, 1)), 0.85 * under)
    if kind == "a starry night sky":
        image = _gradient(rows, width, [(5, 8, 24), (10, 16, 42), (22, 30, 62), (40, 46, 78)])
        band = np.clip((clouds - 0.5) / 0.5, 0, 1)[..., None] * np.array([18, 20, 32], np.float32)
        stars = np.zeros(size, np.float32)
        count = int(0.0012 * height * width)
        ys, xs = rng.integers(0, height, count), rng.integers(0, width, count)
        stars[ys, xs] = 60 + 900 * rng.random(count) ** 5
        return np.clip(image + band + blur(stars, 0.75)[..., None] * 1.6, 0, 255)
    if kind == "heavy grey clouds":
        image = _gradient(rows, width, [(88, 94, 104), (122, 128, 136), (158, 163, 168), (188, 190, 192)])
        return np.clip(image + 78 * (clouds[..., None] - 0.55), 0, 255)
    image = _gradient(rows, width, [(38, 98, 190), (74, 138, 216), (128, 180, 234), (190, 218, 242)])
    wisps = np.clip((clouds - 0.72) / 0.28, 0, 1) ** 1.5
    return mix(image, np.full_like(image, 248.0), 0.55 * wisps)


def draw_backdrop(kind: str, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A scene to stand in front of: float32, RGB, 0..255."""
    height, width = size
    rows = np.linspace(0, 1, height, dtype=np.float32)
    if kind == "a studio wall":
        columns = np.linspace(-1, 1, width, dtype=np.float32)
        spot = np.exp(-(columns[None, :] ** 2) * 0.7 - ((rows[:, None] - 0.4) ** 2) * 1.6)
        wall = 96 + 110 * spot + 6 * (cloud_noise(size, rng, 0.4) - 0.5)
        return np.stack([wall * 0.98, wall * 0.98, wall], axis=-1).astype(np.float32)
    if kind == "a night sky":
        return draw_sky("a starry night sky", size, rng, horizon=1.0)
    horizon = 0.46
    sky = draw_sky("a clear blue sky", size, rng, horizon)
    depth = np.clip((rows - horizon) / (1 - horizon), 0, 1)
    fine, coarse = cloud_noise(size, rng, 0.02, 3), cloud_noise(size, rng, 0.3)
    if kind == "a sandy beach":
        ground = _gradient(depth, width, [(206, 186, 148), (218, 196, 156), (226, 204, 164)])
        ground += (10 * (fine - 0.5) + 20 * (coarse - 0.5))[..., None]
        sea = _gradient(depth / 0.3, width, [(40, 104, 150), (58, 138, 168), (140, 190, 194)])
        waves = cv2.resize(cloud_noise((height, max(8, width // 8)), rng, 0.3), (width, height))
        sea += 26 * (waves[..., None] - 0.5)
        # The waterline winds a little.
        line = 0.26 + 0.05 * (cv2.resize(cloud_noise((8, width), rng, 0.3), (width, height)) - 0.5)
        ground = mix(ground, sea, np.clip((line - depth[:, None]) * 60, 0, 1))
    else:  # a green meadow
        ground = _gradient(depth, width, [(128, 158, 92), (96, 146, 60), (66, 118, 40)])
        blades = cv2.resize(cloud_noise((max(8, height // 5), width), rng, 0.015, 3), (width, height))
        ground += (44 * (blades - 0.5) * (0.3 + depth[:, None]) + 24 * (coarse - 0.5))[..., None]
    ground_alpha = np.clip((rows - horizon) * height / 3 + 0.5, 0, 1)[:, None] * np.ones((1, width), np.float32)
    # A backdrop is out of focus, as behind any subject that stands near.
    return np.clip(blur(mix(sky, ground, ground_alpha), 1.2), 0, 255)


def _everything(context: EditContext, image: np.ndarray) -> EditDraft:
    """A change of the whole picture: nothing had to stay."""
    everywhere = np.ones(context.size, bool)
    return EditDraft(image.astype(np.float32), everywhere, everywhere, context.pixels, keep=~everywhere)


def _depth(context: EditContext) -> np.ndarray:
    """How far away a place probably is, 0 (near) to 1: the sky is, the bottom is not, the subject stands in front."""
    rows = np.linspace(1, 0, context.size[0], dtype=np.float32)[:, None] * np.ones((1, context.size[1]), np.float32)
    depth = 0.2 + 0.6 * rows
    content = context.photo.content
    if content.sky is not None:
        depth = np.maximum(depth, blur(content.sky.astype(np.float32), 0.015 * max(context.size)))
    if content.subject is not None:
        depth = depth * (1 - 0.45 * blur(content.subject.astype(np.float32), 3))
    return depth


def _muted(lab: np.ndarray, chroma: float, contrast: float, lift: float) -> np.ndarray:
    """Colour strength, contrast around the middle and lightness changed: RGB."""
    changed = lab.copy()
    changed[..., 0] = np.clip(50 + (lab[..., 0] - 50) * contrast + lift, 0, 100)
    changed[..., 1:] *= chroma
    return from_lab(changed)


def _from_hsv(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    shifted = np.stack([hue, saturation, np.clip(value, 0, 1)], axis=-1).astype(np.float32)
    return cv2.cvtColor(shifted, cv2.COLOR_HSV2RGB) * 255


def _gradient(rows: np.ndarray, width: int, stops: list[tuple[int, int, int]]) -> np.ndarray:
    at = np.linspace(0, 1, len(stops))
    channels = [np.interp(rows, at, [stop[channel] for stop in stops]) for channel in range(3)]
    return np.repeat(np.stack(channels, axis=-1)[:, None], width, axis=1).astype(np.float32)


def _streaks(
    size: tuple[int, int], rng: np.random.Generator, density: float, length: float, slant: float
) -> np.ndarray:
    """Falling rain: float32, 0..1."""
    height, width = size
    canvas = np.zeros(size, np.uint8)
    for _ in range(int(density * height * width)):
        x, y = rng.integers(-width // 5, width), rng.integers(-height // 10, height)
        drop = length * height * rng.uniform(0.5, 1.4)
        end = (int(x + slant * drop), int(y + drop))
        cv2.line(canvas, (int(x), int(y)), end, int(rng.integers(70, 200)), 1, cv2.LINE_AA)
    return blur(canvas.astype(np.float32) / 255, 0.5)


def _flakes(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Falling snow in three distances: float32, 0..1."""
    height, width = size
    total = np.zeros(size, np.float32)
    for density, radius, softness in ((0.004, 0, 0.7), (0.0012, 1, 0.9), (0.00018, 3, 2.0)):
        canvas = np.zeros(size, np.uint8)
        for _ in range(int(density * height * width)):
            centre = (int(rng.integers(0, width)), int(rng.integers(0, height)))
            cv2.circle(canvas, centre, radius, int(rng.integers(150, 256)), -1)
        total = np.maximum(total, blur(canvas.astype(np.float32) / 255, softness))
    return np.clip(total, 0, 0.95)


EDITORS = {
    "background_replace": Editor(replace_background, "whole", attribute="backdrop"),
    "weather_change": Editor(change_weather, "whole", attribute="weather"),
    "season_change": Editor(change_season, "whole", attribute="season"),
    "time_of_day": Editor(change_time, "whole", attribute="time"),
    "lighting_change": Editor(relight, "whole", attribute="light", position="direction"),
    "sky_replace": Editor(replace_sky, "look", attribute="sky"),
    "reflection_shadow": Editor(add_reflection, "insert"),
}
