"""The edits that the report shows: the worst, the most disputed, the best, with their regions and reasons."""

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import shapely
from PIL import Image

from analysis.study import Study
from editfhf.errors import BadInput
from editfhf.geometry import from_shape, to_shape
from editfhf.schema import DIMENSIONS, Edit, Polygon
from editfhf.workspace import Workspace

SIDE = 480  # pixels of the longer side
MOST_BYTES = 60_000  # of one image: 48 of them are 4 MB of page at most, at any size of a campaign
QUALITIES = (82, 65, 45, 25)  # of JPEG: the first that is small enough
EACH = 8  # edits in each of worst, best, most disputed
REGIONS_SHOWN = 12  # of one edit, the most probable
LETTERS_SHOWN = 300  # of an instruction or a reason
SIMPLIFIED = 0.003  # of the image: what an outline may leave its lines by, a pixel and a half of `SIDE`


def galleries(workspace: Workspace, study: Study) -> list[tuple[str, list[dict[str, Any]]]]:
    """(name, cards) of the worst, the most disputed (the largest mean deviation between people) and the best edits.

    Raises:
        BadInput: an image cannot be read.
    """
    if study.scores.empty:  # people marked regions and rated nothing
        return []
    scores = study.scores.set_index(["edit_id", "dimension"])
    by_edit = study.scores.groupby("edit_id")
    overall, spread = by_edit["mos"].mean(), by_edit["std"].mean()
    chosen: list[tuple[str, list[Any]]] = []
    shown: set[Any] = set()
    for name, order in (
        ("Worst", overall.sort_values(kind="stable")),
        ("Most disputed", spread.dropna().sort_values(ascending=False, kind="stable")),
        ("Best", overall.sort_values(ascending=False, kind="stable")),
    ):
        ids = [one for one in order.index[: 3 * EACH] if one not in shown][:EACH]
        shown.update(ids)
        chosen.append((name, ids))
    edits = {edit.edit_id: edit for edit in workspace.edits() if edit.edit_id in shown}
    files = {source.source_id: source.file for source in workspace.sources()}
    regions: dict[str, list[Mapping[str, Any]]] = {one: [] for one in shown}
    for row in study.consensus:
        if row["edit_id"] in shown:
            regions[row["edit_id"]].append(row)
    return [
        (
            name,
            [_card(workspace, edits[one], files[edits[one].source_id], scores.loc[one], regions[one]) for one in ids],
        )
        for name, ids in chosen
    ]


def data_uri(pixels: np.ndarray) -> str:
    """A JPEG of at most `SIDE` pixels and about `MOST_BYTES` bytes, as an address."""
    image = Image.fromarray(pixels)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    data = b""
    for quality in QUALITIES:
        buffer = io.BytesIO()
        image.save(buffer, "jpeg", quality=quality, optimize=True)
        data = buffer.getvalue()
        if len(data) <= MOST_BYTES:
            break
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def _card(
    workspace: Workspace, edit: Edit, source_file: str, scores: pd.DataFrame, regions: list[Mapping[str, Any]]
) -> dict[str, Any]:
    likely = sorted(regions, key=lambda row: -row["probability"])
    told = scores.reindex(DIMENSIONS).dropna(subset=["mos"]).rename_axis("dimension")
    return {
        "edit": edit,
        "instruction": shortened(edit.instruction),
        "source_uri": data_uri(_read_image(workspace, source_file, edit)),
        "edited_uri": data_uri(_read_image(workspace, edit.image, edit)),
        "scores": told[["mos", "ci95"]].reset_index().to_dict("records"),
        "n": int(scores["n"].max()),
        "regions": [
            {
                **row, "description": shortened(row["description"]), "number": number,
                "path": _path(row["polygon"], edit), "label": _label(row["polygon"], edit),
            }
            for number, row in enumerate(likely[:REGIONS_SHOWN], start=1)
        ],
        "left_out": max(len(likely) - REGIONS_SHOWN, 0),
    }  # fmt: skip


def shortened(text: str) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= LETTERS_SHOWN else text[:LETTERS_SHOWN].rstrip() + " …"


def _read_image(workspace: Workspace, file: str, edit: Edit) -> np.ndarray:
    try:
        return workspace.read_image(file)
    except OSError as error:
        raise BadInput(
            f"{workspace.root / file}, of edit {edit.edit_id}, cannot be read.",
            mend=f"`editfhf generate -w {workspace.root}` makes edits again whose image is gone.",
        ) from error


def _path(polygon: Polygon, edit: Edit) -> str:
    """The rings as an SVG path in pixels of the edited image, without what is too fine to be seen."""
    if not polygon:
        return ""
    coarse = shapely.simplify(to_shape(polygon), SIMPLIFIED, preserve_topology=True)
    return " ".join(
        "M" + " L".join(f"{x * edit.width:.1f} {y * edit.height:.1f}" for x, y in ring) + " Z"
        for ring in from_shape(coarse)
    )


def _label(polygon: Polygon, edit: Edit) -> tuple[float, float]:
    """Where the number of a region stands: at its highest point, inside the frame."""
    if not polygon:
        return 0.0, 0.0
    x, y = min(polygon[0], key=lambda point: point[1])
    return float(np.clip(x, 0.03, 0.97)) * edit.width, float(np.clip(y, 0.06, 0.97)) * edit.height
