"""A trace as one self-contained HTML page: before and after, what was seen, what was tried, and why it ended."""

import base64
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from editfhf.schema import DIMENSIONS, Polygon
from refiner.agents import FoundRegion, RepairStep
from refiner.trace import AGENTS, RefineTrace, TraceStep

SIDE = 720  # pixels of the longer side of the large pictures: sharp on a laptop, a page of about a megabyte
SMALL_SIDE = 480  # of those of each iteration
# As in the report: artifacts red, editing failures blue.
MAP_COLOURS = {"artifact": (209, 68, 47), "editing_failure": (42, 111, 219)}
OTHER_COLOUR = (120, 120, 120)
MAP_OPACITY = 0.6  # of a pixel that everybody would mark: what lies below can still be seen


def page_of(trace: RefineTrace) -> str:
    """The page, with every picture inside it."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["words"] = lambda name: name.replace("_", " ")
    template = files("refiner").joinpath("templates/trace.html.j2").read_text(encoding="utf-8")
    height, width = trace.images[0].shape[:2]
    return environment.from_string(template).render(
        trace=trace,
        dimensions=DIMENSIONS,
        agents=AGENTS,
        numbers_of=_numbers_of,
        width=width,
        height=height,
        source_uri=_photo_uri(trace.source, SIDE),
        before_uri=_photo_uri(trace.images[0], SIDE),
        best_uri=_photo_uri(trace.best, SIDE),
        iterations=[_iteration(trace, step) for step in trace.steps],
    )


def _iteration(trace: RefineTrace, step: TraceStep) -> dict[str, Any]:
    image = trace.image_of(step)
    height, width = image.shape[:2]
    return {
        "step": step,
        "image_uri": _photo_uri(image, SMALL_SIDE),
        "map_uri": _map_uri(step.maps, SMALL_SIDE),
        "after_uri": _photo_uri(trace.images[step.iteration], SMALL_SIDE) if step.accepted else "",
        "regions": [
            {
                "region": region,
                "number": number,
                "path": _path(region.polygon, width, height),
                "label": _label(region.polygon, width, height),
            }
            for number, region in enumerate(step.regions, start=1)
        ],
        "untried": Counter(one.operation for one in step.plan[len(step.attempts) :]),
    }


def _numbers_of(step: RepairStep, regions: Sequence[FoundRegion]) -> list[int]:
    """Of the regions that a step repairs, as the list of what was found counts them: from 1."""
    return [number for number, region in enumerate(regions, start=1) if region.polygon in step.polygons]


def _photo_uri(pixels: np.ndarray, side: int) -> str:
    image = Image.fromarray(pixels)
    image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "jpeg", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _map_uri(maps: Mapping[str, np.ndarray], side: int) -> str:
    """All maps over one another in their colours, transparent where nothing was seen; "" where nothing was at all."""
    if not any(values.any() for values in maps.values()):
        return ""
    seen = np.stack(list(maps.values())).astype(np.float32)
    colours = np.array([MAP_COLOURS.get(kind, OTHER_COLOUR) for kind in maps], np.float32)
    mixed = np.einsum("khw,kc->hwc", seen, colours) / np.maximum(seen.sum(axis=0), 1e-6)[..., None]
    alpha = seen.max(axis=0) * 255 * MAP_OPACITY
    image = Image.fromarray(np.rint(np.dstack([mixed, alpha])).clip(0, 255).astype(np.uint8))
    image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _path(polygon: Polygon, width: int, height: int) -> str:
    """The rings as an SVG path in pixels of the image."""
    return " ".join("M" + " L".join(f"{x * width:.1f} {y * height:.1f}" for x, y in ring) + " Z" for ring in polygon)


def _label(polygon: Polygon, width: int, height: int) -> tuple[float, float]:
    """Where the number of a region stands: at its highest point, inside the frame."""
    if not polygon:
        return 0.0, 0.0
    x, y = min(polygon[0], key=lambda point: point[1])
    return float(np.clip(x, 0.04, 0.96)) * width, float(np.clip(y, 0.07, 0.97)) * height
