"""What simulated people see of edits, checks, regions and pairs: all that they can know of the truth."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from annotation.campaign import checks_of, read_assignments
from annotation.checks import BLOCK, Check
from annotation.interface import CONSENT_TEXT, SCALE
from annotation.offers import Offers
from annotation.pairs import Pair, left_of
from annotation.plates import plates_of
from annotation.pseudonyms import Pseudonyms
from annotation.worklist import ADMISSION, KNOWN_ANSWER
from editfhf import oracle
from editfhf.flaws import FLAWS
from editfhf.geometry import rasterise, trace
from editfhf.oracle import TrueFlaw, Truth
from editfhf.schema import DIMENSIONS, Assignment, Edit, Polygon
from editfhf.true_quality import true_quality
from editfhf.workspace import Workspace

# Of one flaw in many pieces a person outlines the largest.
MAX_PARTS = 3
MIN_PART = 0.0002  # share of the image
SHARED = 0.25  # of the smaller of both, from which on a flaw is what is within an outline: outlines are drawn wide

Outlined = tuple[TrueFlaw, list[list[list[float]]]]


@dataclass(frozen=True, slots=True)
class Seen:
    """All that the simulated people can know of one edit.

    Attributes:
        size: (width, height) in pixels.
        quality: dimension → true quality, 0..100.
        flaws: (the flaw, the outlines of its parts in 0..1; none where it has no place).
    """

    edit_id: str
    size: tuple[int, int]
    quality: dict[str, float]
    flaws: list[Outlined]


@dataclass(frozen=True, slots=True)
class SeenRegion:
    """What is within the outline of a region that somebody drew: the flaw, or None: nothing is wrong there."""

    region_id: str
    flaw: TrueFlaw | None


@dataclass(frozen=True, slots=True)
class SeenPair:
    """Two images beside each other: dimension → true quality, 0..100, of each."""

    pair_id: str
    left: Mapping[str, float]
    right: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SeenEntrance:
    """What is asked before the first session: of each plate that is shown what is on it, by its control."""

    asks_consent: bool
    plates: Mapping[str, str]


Look = Seen | SeenRegion | SeenPair | SeenEntrance


class Sight:
    """What there is to see of items; each thing is looked up in the oracle once."""

    def __init__(self, workspace: Workspace, edits: Iterable[Edit]) -> None:
        self._workspace = workspace
        self._edits = {edit.edit_id: edit for edit in edits}
        self._checks = checks_of(workspace)
        self._key = Pseudonyms.of(workspace).key
        self._seen: dict[str, Seen | SeenRegion] = {}
        self._quality: dict[str, tuple[dict[str, float], dict[str, float]]] = {}
        self.items = {row.item_id: row for row in read_assignments(workspace)}

    @cached_property
    def _offers(self) -> Offers:
        return Offers(self._workspace, list(self._edits.values()))

    def can_judge(self, row: Assignment | None) -> bool:
        """Whether somebody knows what is wrong with what an item shows."""
        if row is None:
            return False
        if row.project_type == "verify":
            region = self._offers.lone_regions.get(row.edit_id)
            return region is not None and has_truth(self._workspace, region["edit_id"])
        if row.project_type == "preference":
            pair = self._offers.all_pairs.get(row.edit_id)
            known = [one for one in (pair.edit_id, pair.other_edit_id) if one] if pair else [""]
            return all(has_truth(self._workspace, one) for one in known)
        return row.role in (*KNOWN_ANSWER, ADMISSION) or has_truth(self._workspace, row.edit_id)

    def of(self, row: Assignment, data: Mapping[str, Any]) -> Look:
        """What an item shows; `data`: of its task, which says what of a pair is on the left."""
        if row.role == ADMISSION:
            plates = {one.control: one.answer for one in plates_of(self._key, row.annotator) if one.control in data}
            return SeenEntrance(CONSENT_TEXT in data, plates)
        if row.project_type == "preference":
            return self._pair(self._offers.all_pairs[row.edit_id], data)
        if row.edit_id not in self._seen:
            if row.project_type == "verify":
                region = self._offers.lone_regions[row.edit_id]
                seen: Seen | SeenRegion = see_region(self._workspace, row.edit_id, region["edit_id"], region["polygon"])
            elif row.role in KNOWN_ANSWER:
                seen = see_check(self._checks[row.edit_id])
            else:
                seen = see(self._workspace, self._edits[row.edit_id])
            self._seen[row.edit_id] = seen
        return self._seen[row.edit_id]

    def _pair(self, pair: Pair, data: Mapping[str, Any]) -> SeenPair:
        if pair.pair_id not in self._quality:
            both = ((pair.first_file, pair.edit_id), (pair.second_file, pair.other_edit_id or pair.edit_id))
            # An image after refining is judged by the truth about the edit that it was before.
            first, second = (
                true_quality(self._workspace.read_image(file), oracle.read(self._workspace.oracle_dir / edit_id))
                for file, edit_id in both
            )
            self._quality[pair.pair_id] = (first, second)
        first, second = self._quality[pair.pair_id]
        if left_of(pair, data, self._key) == "second":
            first, second = second, first
        return SeenPair(pair.pair_id, first, second)


def see(workspace: Workspace, edit: Edit) -> Seen:
    """Look an edit up in the oracle."""
    truth = oracle.read(workspace.oracle_dir / edit.edit_id)
    quality = true_quality(workspace.read_image(edit.image), truth)
    return Seen(edit.edit_id, (edit.width, edit.height), quality, _outlined(truth))


def see_region(workspace: Workspace, region_id: str, edit_id: str, polygon: Polygon) -> SeenRegion:
    """Look up in the oracle what is within an outline: of several flaws that of which most is there."""
    best, most = None, 0.0
    for flaw in oracle.read(workspace.oracle_dir / edit_id).flaws:
        height, width = flaw.mask.shape
        within = rasterise(polygon, width, height)
        # A flaw without a place is wherever one looks.
        shared = (within & flaw.mask).sum() / max(1, min(within.sum(), flaw.mask.sum()))
        if flaw.extent == "whole":
            shared = max(shared, SHARED)
        if shared >= SHARED and shared > most:
            best, most = replace(flaw, mask=np.zeros((0, 0), bool)), float(shared)
    return SeenRegion(region_id, best)


def see_check(check: Check) -> Seen:
    """What anybody sees of a check: what is plainly bad or right about it, and where it is broken."""
    quality = dict.fromkeys(DIMENSIONS, 50.0)
    for name, (low, high) in check.honest.items():
        quality[name] = 100.0 if high == SCALE[1] else 0.0 if low == SCALE[0] else 50.0
    flaws: list[Outlined] = []
    if check.sort in ("noise", "block"):
        left, top, right, bottom = BLOCK
        outline = [[left, top], [right, top], [right, bottom], [left, bottom]]
        noise, extent = FLAWS["texture_noise"], "whole" if check.sort == "noise" else "region"
        flaw = TrueFlaw(noise.kind, noise.id, extent, 1.0, np.zeros((0, 0), bool), "check", noise.description)
        flaws.append((flaw, [outline] if extent == "region" else []))
    return Seen(check.check_id, check.size, quality, flaws)


def has_truth(workspace: Workspace, edit_id: str) -> bool:
    return bool(edit_id) and (workspace.oracle_dir / edit_id / "flaws.json").is_file()


def _outlined(truth: Truth) -> list[Outlined]:
    flaws: list[Outlined] = []
    for flaw in truth.flaws:
        # People draw no holes: the outer ring is all that the labelling screen takes.
        outlines = [polygon[0] for polygon in trace(flaw.mask, min_area=MIN_PART)[:MAX_PARTS]]
        if outlines or flaw.extent != "region":
            without_mask = replace(flaw, mask=np.zeros((0, 0), bool))  # thousands are held
            flaws.append((without_mask, outlines if flaw.extent == "region" else []))
    return flaws
