"""Requests to the procedural editors on the sample photos, and degraded sources for the tasks that need them."""

import csv
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

import editfhf
from editfhf.tasks import SLOTS, TASKS, slots_of
from generators.base import EditRequest
from generators.procedural.context import EditContext, Photo
from generators.procedural.model import reduced

SAMPLES = Path(editfhf.__file__).parent / "samples"
SIDE = 320
# A photo on which each task makes sense.
PHOTO_OF = {
    "accessory_change": "astronaut", "makeup_retouch": "astronaut", "reflection_shadow": "dahlia",
    "sky_replace": "temple", "weather_change": "temple", "season_change": "temple", "time_of_day": "rocket",
    "text_replace": "page",
    "text_remove": "page", "text_style": "page", "object_remove": "rocket", "object_move": "dahlia",
    "object_resize": "coffee",
}  # fmt: skip


@lru_cache(maxsize=16)
def photo(name: str) -> Image.Image:
    return Image.open(SAMPLES / f"{name}.jpg").convert("RGB")


@lru_cache(maxsize=1)
def rows() -> dict[str, dict[str, str]]:
    with (SAMPLES / "photos.csv").open(encoding="utf-8", newline="") as file:
        return {Path(row["file"]).stem: row for row in csv.DictReader(file)}


def box_of(name: str) -> list[float] | None:
    text = rows()[name]["subject_box"]
    return [float(side) for side in text.split()] if text else None


def instruction(task: str, subject: str = "thing", choice: int = 0) -> str:
    """The task's first template, its slots filled with the `choice`-th word of each."""
    template = TASKS[task].templates[0]
    words = {slot: SLOTS[slot][choice % len(SLOTS[slot])] for slot in slots_of(template) if slot != "subject"}
    return template.format(subject=subject, **words)


def request(
    task: str, name: str = "", choice: int = 0, seed: int = 3, source: Image.Image | None = None, side: int = SIDE
) -> EditRequest:
    name = name or PHOTO_OF.get(task, "coffee")
    image = source or degraded(photo(name), task)
    subject = rows()[name]["subject"] or "subject"
    return EditRequest(
        "0" * 16, image, instruction(task, subject, choice), task, seed, {"max_side": side, "subject_box": box_of(name)}
    )


def context(task: str, name: str = "", choice: int = 0, side: int = SIDE) -> EditContext:
    from editfhf.tasks import parse_slots

    asked = request(task, name, choice)
    box = asked.params["subject_box"]
    slots = parse_slots(task, asked.instruction)
    assert slots is not None
    return EditContext(task, slots, Photo(reduced(asked.source, side), tuple(box) if box else None), asked.seed)


def degraded(image: Image.Image, task: str) -> Image.Image:
    """What a derived task needs: grey, noisy and scratched, or blurred."""
    kind = TASKS[task].derived
    pixels = np.asarray(image)
    if kind == "greyscale":
        return image.convert("L").convert("RGB")
    if kind == "blurred":
        return Image.fromarray(cv2.GaussianBlur(pixels, (0, 0), 3.0))
    if kind == "damaged":
        rng = np.random.default_rng(0)
        noisy = np.clip(pixels + rng.normal(0, 24, pixels.shape), 0, 255).astype(np.uint8)
        height, width = noisy.shape[:2]
        for _ in range(6):
            x = int(rng.integers(width))
            cv2.line(noisy, (x, 0), (x + 20, height), (240, 240, 240), 2)
        return Image.fromarray(noisy)
    return image
