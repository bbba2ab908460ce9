"""Attention checks: images on which no honest person can answer otherwise. Opinions have no known answer; noise has.

Each sort has rules that hold whatever the photo, the instruction and the taste of who looks:

- *noise*: the edited image is coloured noise and nothing else. Its quality is not good, and nothing was kept.
- *other*: the edited image is another photo altogether. Nothing was kept; its quality is a matter of opinion.
- *untouched*: the edited image is the photo itself. All was kept, so whoever calls that little did not look. Where the
  photo has colour, the instruction asks for none: it was not followed.
- *block*: a large square of noise lies in the middle of the photo. Whoever sees no flaw, or outlines no part of it,
  or most of the image with it, did not look; what it does to the quality of the whole is a matter of opinion.

Whether the instruction was followed is asked of *untouched* alone: "remove the cup" is followed by noise and by any
photo without a cup. Answers must be low on some and high on others, so that no single grade but the middle one passes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import Image
from shapely import make_valid, union_all
from shapely.geometry import box as square

from editfhf.errors import BadInput
from editfhf.files import whole_file
from editfhf.geometry import to_shape
from editfhf.schema import Region, Source, stable_id
from editfhf.workspace import Workspace

MOST_CHECKS = 40  # made for one kind of screen: each takes the disk of two photos
FILE = "checks.json"  # mode 0600: who knows it passes every check
GRAIN = 8  # pixels: noise that survives the scaling of a screen, and packs into a small file
BLOCK = (0.3, 0.3, 0.7, 0.7)  # left, top, right, bottom, of the image
LEAST_COVERED = 0.25  # share of the block that is outlined by whoever saw it, all outlines together
MOST_OUTLINED = 0.5  # share of the image, above which an outline points at nothing; the block is 0.16 of it
Sort = Literal["noise", "block", "other", "untouched"]
# Which tell something on which screen: on that for regions what was kept is not asked, on that for ratings nothing is
# marked.
SORTS_OF: Mapping[str, tuple[Sort, ...]] = {
    "ratings": ("noise", "untouched", "other"),
    "regions": ("block",),
    "together": ("noise", "block", "untouched", "other"),
}
# Sort → dimension → the lowest and the highest grade of 1..5 that an honest person may give. Of what is plainly bad
# anybody may think fair, but nobody good; of what is plainly right anybody may think fair, but nobody poor.
HONEST: Mapping[Sort, Mapping[str, tuple[int, int]]] = {
    "noise": {"perceptual_quality": (1, 3), "visual_consistency": (1, 3)},
    "other": {"visual_consistency": (1, 3)},
    "untouched": {"visual_consistency": (3, 5)},
    "block": {},
}
# What a photo in colour that nobody touched does not follow; worded as people and templates word the task.
COLOURLESS = ("turn the photo into a black-and-white pencil drawing", "make the whole photo black and white")
NOT_FOLLOWED = (1, 3)  # grades
COLOURFUL = 0.1  # of 0..1: mean distance between the channels of a photo whose colour nobody overlooks
UNLIKE = 0.1  # of 0..1: mean distance, 8 × 8, of two photos that nobody takes for two takes of one scene
TRIED = 12  # photos, of which the least alike is taken


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

    @property
    def honest(self) -> dict[str, tuple[int, int]]:
        """Dimension → the lowest and the highest grade that an honest person may give; not of what is an opinion."""
        rules = dict(HONEST[self.sort])
        if self.sort == "untouched" and self.instruction in COLOURLESS:
            rules["instruction_following"] = NOT_FOLLOWED
        return rules


def make_checks(
    workspace: Workspace,
    folder: Path,
    photos: Sequence[tuple[Source, str]],
    n: int,
    seed: int,
    sorts: Sequence[Sort] = ("noise", "block"),
) -> list[Check]:
    """Make `n` checks, the sorts in turn, where they are not there yet; the same for the same photos and seed.

    Where no photo is unlike enough for *other*, noise takes its place.

    Args:
        folder: where they are kept, below the workspace.
        photos: with an instruction for each.
        sorts: see `SORTS_OF`.
    """
    known = {check.check_id: check for check in read_checks(folder)}
    made: dict[str, Check] = {}
    for number in range(n if photos else 0):
        source, instruction = photos[number % len(photos)]
        sort = sorts[number % len(sorts)]
        check_id = stable_id("check", str(seed), str(number), source.source_id, sort)
        check = known.get(check_id)
        if check is None or not workspace.path_of(check.edited_file).is_file():
            check = _make(workspace, folder, check_id, sort, source, instruction, photos)
        made[check_id] = check
    both = {**known, **made}
    if both != known:
        write_checks(folder, list(both.values()))
    return list(made.values())


def write_checks(folder: Path, checks: Sequence[Check]) -> None:
    """Keep what is known of all checks, for nobody but who runs the campaign."""
    with whole_file(folder / FILE, mode=0o600) as temporary:
        temporary.write_text(json.dumps([asdict(one) for one in checks], indent=1), encoding="utf-8")


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
        checks = [Check(**{**row, "size": tuple(row["size"])}) for row in rows]
        if any(check.sort not in get_args(Sort) for check in checks):
            raise ValueError("unknown sort")
    except (ValueError, TypeError, KeyError) as error:
        raise BadInput(f"{path} is damaged.", mend="Restore it, or answers to checks cannot be read.") from error
    return checks


def passes(check: Check, ratings: Mapping[str, float], regions: Sequence[Region], outcome: str) -> bool | None:
    """Whether an answer could be an honest person's; None where it says nothing (cannot judge, skipped).

    Args:
        ratings: dimension → score of 1..5; empty on a screen without.
        regions: what was marked; empty on a screen without.
        outcome: `no_flaw` on a screen for regions where nothing was marked, else `answered`.
    """
    if outcome not in ("answered", "no_flaw"):
        return None
    verdicts = [low <= ratings[name] <= high for name, (low, high) in check.honest.items() if name in ratings]
    if check.sort == "block" or (check.sort != "untouched" and not ratings):
        # Nobody has to outline what fills the image, but on a screen that asks for nothing else, to say that it is bad.
        if outcome == "no_flaw":
            verdicts.append(False)
        elif regions:
            verdicts.append(check.sort != "block" or _outlines_the_block(regions))
    return all(verdicts) if verdicts else None


def _outlines_the_block(regions: Sequence[Region]) -> bool:
    """Whether what was outlined, on either image, points at the block: "everywhere" and "missing" point nowhere."""
    outlines = [outline for region in regions for outline in (region.polygon, region.source_polygon) if outline]
    shapes = [make_valid(to_shape(outline)) for outline in outlines]
    pointed = union_all([shape for shape in shapes if shape.area <= MOST_OUTLINED])
    block = square(*BLOCK)
    return bool(pointed.intersection(block).area >= LEAST_COVERED * block.area)


def _make(
    workspace: Workspace,
    folder: Path,
    check_id: str,
    sort: Sort,
    source: Source,
    instruction: str,
    photos: Sequence[tuple[Source, str]],
) -> Check:
    pixels = workspace.read_image(source.file).copy()
    random = np.random.default_rng(int(check_id, 16))
    if sort == "other":
        other = _another(workspace, source, pixels, [one for one, _ in photos], random)
        if other is None:
            sort = "noise"
        else:
            pixels = other
    if sort == "untouched" and np.ptp(pixels / 255, axis=2).mean() > COLOURFUL:
        instruction = COLOURLESS[int(random.integers(len(COLOURLESS)))]
    if sort in ("noise", "block"):
        _cover(pixels, (0.0, 0.0, 1.0, 1.0) if sort == "noise" else BLOCK, random)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{check_id}.png"
    with whole_file(path) as temporary:
        Image.fromarray(pixels).save(temporary, "png")
    relative = path.relative_to(workspace.root).as_posix()
    return Check(check_id, sort, source.file, relative, instruction, (pixels.shape[1], pixels.shape[0]))


def _cover(pixels: np.ndarray, box: tuple[float, float, float, float], random: np.random.Generator) -> None:
    """Lay noise over a part of an image."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = box
    part = pixels[int(top * height) : int(bottom * height), int(left * width) : int(right * width)]
    cells = random.integers(0, 256, (-(-part.shape[0] // GRAIN), -(-part.shape[1] // GRAIN), 3), dtype=np.uint8)
    part[:] = cells.repeat(GRAIN, axis=0).repeat(GRAIN, axis=1)[: part.shape[0], : part.shape[1]]


def _another(
    workspace: Workspace, source: Source, pixels: np.ndarray, sources: Sequence[Source], random: np.random.Generator
) -> np.ndarray | None:
    """The least alike of a few other photos; None where all look alike."""
    others = [one for one in sources if one.root_id != source.root_id]
    best, farthest = None, UNLIKE
    for place in random.permutation(len(others))[:TRIED]:
        candidate = workspace.read_image(others[place].file)
        distance = float(np.abs(_thumbnail(candidate) - _thumbnail(pixels)).mean())
        if distance > farthest:
            best, farthest = candidate.copy(), distance
    return best


def _thumbnail(pixels: np.ndarray) -> np.ndarray:
    """Float, shape (8, 8, 3), in 0..1."""
    return np.asarray(Image.fromarray(pixels).resize((8, 8), Image.Resampling.BOX)) / 255
