"""The edited image with one region outlined in it: what the screen `verify` shows."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from editfhf.files import whole_file
from editfhf.schema import Polygon
from editfhf.workspace import Workspace

FOLDER = "marks"
WIDTH = 1 / 250  # of the longer side: 4 px at 1024, to be seen where the image fills half of a screen
LIGHT, DARK = (255, 255, 255), (0, 0, 0)  # one upon the other: seen on whatever lies below
_BITS = 4  # fractional, of OpenCV's points


def outlined(image: np.ndarray, polygon: Polygon) -> np.ndarray:
    """A copy with the rings of the polygon drawn in white within black; what is farther from them stays as it is.

    Args:
        image: uint8, shape (height, width, 3).
        polygon: rings in 0..1.
    """
    height, width = image.shape[:2]
    marked = np.ascontiguousarray(image).copy()
    rings = [
        np.round((np.array(ring, float) * [width, height] - 0.5) * 2**_BITS).astype(np.int32).reshape(-1, 1, 2)
        for ring in polygon
    ]
    line = max(1, round(WIDTH * max(height, width) / 2))
    for colour, thickness in ((DARK, 3 * line), (LIGHT, line)):
        cv2.polylines(marked, rings, True, colour, thickness, cv2.LINE_AA, _BITS)
    return marked


def mark_file(workspace: Workspace, region_id: str) -> str:
    """Where the image of a region lies, within the workspace; a region's outline never changes."""
    return (workspace.annotation_dir / FOLDER / f"{region_id}.png").relative_to(workspace.root).as_posix()


def ensure_mark(workspace: Workspace, region_id: str, image: str, polygon: Polygon) -> str:
    """Make the image of a region where it is missing; returns its file.

    Args:
        image: file of the edited image, relative to the workspace. Nothing is lost in the copy (PNG): compression must
            not look like a flaw.
    """
    file = mark_file(workspace, region_id)
    path = workspace.root / file
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            Image.fromarray(outlined(workspace.read_image(image), polygon)).save(temporary, "png")
    return file


def marks_there(workspace: Workspace) -> list[Path]:
    """Every image of a region that was made; the stem of its name is the region's id."""
    return sorted((workspace.annotation_dir / FOLDER).glob("[!.]*.png"))
