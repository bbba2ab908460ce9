"""Attention checks: pictures on which no honest person can answer otherwise. Opinions have no known answer; noise has.

Two sorts. *Noise*: the edited image is coloured noise and nothing else; who finds its quality good, or that all that
should have stayed has stayed, did not look. *Block*: a large square of noise lies in the middle of the photo; who says
that there is no flaw, or marks only what does not touch it, did not look.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from shapely.geometry import box as square

from editfhf.errors import BadInput
from editfhf.files import whole_file
from editfhf.geometry import to_shape
from editfhf.schema import Region, Source, stable_id
from editfhf.workspace import Workspace

FILE = "checks.json"  # mode 0600: who knows it passes every check
GRAIN = 8  # pixels: noise that survives the scaling of a screen, and packs into a small file
BLOCK = (0.3, 0.3, 0.7, 0.7)  # left, top, right, bottom, of the image
TOO_GOOD = 4  # of 1..5: an honest person may think fair of anything, but good of noise nobody
TELLING = ("perceptual_quality", "visual_consistency")  # an instruction may be such that noise follows it
Sort = Literal["noise", "block"]


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look at whose answer is known.

    Attributes:
        check_id: looks like an edit's id.
        source_file, edited_file: relative to the workspace.
        size: (width, height) of the edited image in pixels.
    """

    check_id: str
    sort: Sort
    source_file: str
    edited_file: str
    instruction: str
    size: tuple[int, int]


def make_checks(
    workspace: Workspace, folder: Path, photos: Sequence[tuple[Source, str]], n: int, seed: int
) -> list[Check]:
    """Make `n` checks, the two sorts in turn, where they are not there yet; the same for the same photos and seed.

    Args:
        folder: where they are kept, below the workspace; photos: with an instruction for each.
    """
    known = {check.check_id: check for check in read_checks(folder)}
    made: dict[str, Check] = {}
    number = 0
    while len(made) < n and photos:
        source, instruction = photos[number % len(photos)]
        sort: Sort = "noise" if number % 2 == 0 else "block"
        check_id = stable_id("check", str(seed), str(number), source.source_id, sort)
        check = known.get(check_id)
        if check is None or not workspace.path_of(check.edited_file).is_file():
            check = _make(workspace, folder, check_id, sort, source, instruction)
        made[check_id] = check
        number += 1
    both = {**known, **made}
    if both.keys() != known.keys():
        with whole_file(folder / FILE, mode=0o600) as temporary:
            temporary.write_text(json.dumps([asdict(one) for one in both.values()], indent=1), encoding="utf-8")
    return list(made.values())


def read_checks(folder: Path) -> list[Check]:
    """Every check that was made.

    Raises:
        BadInput: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return []
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [Check(**{**row, "size": tuple(row["size"])}) for row in rows]
    except (ValueError, TypeError, KeyError) as error:
        raise BadInput(f"{path} is damaged.", mend="Restore it, or answers to checks cannot be read.") from error


def passes(check: Check, ratings: Mapping[str, float], regions: Sequence[Region], outcome: str) -> bool | None:
    """Whether an answer could be an honest person's; None where it says nothing (cannot judge, skipped).

    Args:
        ratings: dimension → score of 1..5; empty on a screen without. regions: what was marked.
    """
    if outcome not in ("answered", "no_flaw"):
        return None
    if check.sort == "noise" and ratings:
        return all(ratings[name] < TOO_GOOD for name in TELLING if name in ratings)
    if ratings and not regions and outcome != "no_flaw":
        return None  # of a block people may think what they like, as long as they see it
    if outcome == "no_flaw":
        return None if ratings else False
    return any(_touches(region, check.sort) for region in regions)


def _touches(region: Region, sort: Sort) -> bool:
    if sort == "noise" or region.extent != "region":
        return True
    return bool(to_shape(region.polygon).intersects(square(*BLOCK)))


def _make(workspace: Workspace, folder: Path, check_id: str, sort: Sort, source: Source, instruction: str) -> Check:
    pixels = workspace.read_image(source.file).copy()
    height, width = pixels.shape[:2]
    random = np.random.default_rng(int(check_id, 16))
    left, top, right, bottom = (0.0, 0.0, 1.0, 1.0) if sort == "noise" else BLOCK
    rows, columns = slice(int(top * height), int(bottom * height)), slice(int(left * width), int(right * width))
    part = pixels[rows, columns]
    cells = random.integers(0, 256, (-(-part.shape[0] // GRAIN), -(-part.shape[1] // GRAIN), 3), dtype=np.uint8)
    noise = cells.repeat(GRAIN, axis=0).repeat(GRAIN, axis=1)[: part.shape[0], : part.shape[1]]
    pixels[rows, columns] = noise
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{check_id}.png"
    with whole_file(path) as temporary:
        Image.fromarray(pixels).save(temporary, "png")
    relative = path.relative_to(workspace.root).as_posix()
    return Check(check_id, sort, source.file, relative, instruction, (width, height))
