"""What the lite network is to say of each edit: people's maps, scores and regions as tensors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from editfhf.flaws import FLAW_TYPES
from editfhf.geometry import rasterise
from editfhf.schema import DIMENSIONS, REGION_KINDS
from refiner.data import Sample
from refiner.lite.network import Batch
from refiner.lite.planes import NAMES, PLANE_SIDE

CELL_SIDE = PLANE_SIDE // 2  # of `Output.cells`
FINER = 4  # times finer than cells are polygons drawn
PARTS = FINER**2  # of a cell: that many may be covered
UNMARKED = np.zeros((len(REGION_KINDS), PLANE_SIDE, PLANE_SIDE), np.uint8)
FOLLOWS = "instruction_following"
TYPE_NUMBER = {flaw.id: number for number, flaw in enumerate(FLAW_TYPES)}


@dataclass(frozen=True, slots=True)
class Targets:
    """What people said of some pairs, as tensors.

    Attributes:
        maps: (n, 2, PLANE_SIDE, PLANE_SIDE), 0..1. presence: (n, 2), 0 or 1. scores: (n, 3), 0..1.
        whole: (n, flaw types): share of people who said that such a flaw is everywhere or that something is missing.
        looked: (n,), whether people looked at it (an unedited photo is taught too, and nobody looked at that).
        known: (n, 3), which scores are known.
        groups: (n,), whole numbers: edits of one photo by one instruction share one.
        masks: (regions, CELL_SIDE, CELL_SIDE); owners, types, weights: (regions,).
    """

    maps: Tensor
    presence: Tensor
    scores: Tensor
    whole: Tensor
    looked: Tensor
    known: Tensor
    groups: Tensor
    masks: Tensor
    owners: Tensor
    types: Tensor
    weights: Tensor


@dataclass(frozen=True, slots=True)
class Target:
    """What people said of one edit, small enough to hold thousands.

    Attributes:
        marked: uint8, shape (2, PLANE_SIDE, PLANE_SIDE): the share of people who marked each cell, 255 is all.
        presence: float32, shape (2,), 0 or 1: whether people agree on a flaw of the kind.
        scores: float32, shape (3,), 0..1, in the order of DIMENSIONS; NaN where it is not known.
        whole: float32, shape (flaw types,): the share of people who said that such a flaw is everywhere, or missing.
        regions: of each (uint8, shape (CELL_SIDE, CELL_SIDE): how many of a cell's `PARTS` it covers; type; share).
        group: the same for edits of one photo by one instruction.
        agreed_share: of people, from which they agree on a flaw.
        looked: see `Targets`.
    """

    marked: np.ndarray
    presence: np.ndarray
    scores: np.ndarray
    whole: np.ndarray
    regions: list[tuple[np.ndarray, int, float]]
    group: str
    agreed_share: float
    looked: bool = True

    @property
    def maps(self) -> np.ndarray:
        """float32, shape (2, PLANE_SIDE, PLANE_SIDE), 0..1."""
        return self.marked.astype(np.float32) / 255

    @classmethod
    def following(cls, group: str, follows: float) -> "Target":
        """An image that nobody looked at, of which only is known how far it follows the instruction, 0..1."""
        scores = np.array([follows if name == FOLLOWS else np.nan for name in DIMENSIONS], np.float32)
        nothing = np.zeros(len(FLAW_TYPES), np.float32)
        return cls(UNMARKED, np.zeros(len(REGION_KINDS), np.float32), scores, nothing, [], group, 1.0, looked=False)

    @classmethod
    def of(cls, sample: Sample) -> "Target":
        """What people said of an edit; regions too small to cover any of a cell's parts are left out."""
        whole = np.zeros(len(FLAW_TYPES), np.float32)
        regions = []
        for region in sample.regions:
            number = TYPE_NUMBER[region["flaw_type"]]
            share = sample.share_of(region)
            if region["extent"] != "region":
                whole[number] = max(whole[number], share)
            elif (mask := soft_mask(region["polygon"])).any():
                regions.append(((mask * PARTS).astype(np.uint8), number, share))
        maps = np.stack([sample.map_of(kind, (PLANE_SIDE, PLANE_SIDE)) for kind in REGION_KINDS])
        return cls(
            np.rint(255 * maps).astype(np.uint8),
            np.array([sample.is_present(kind) for kind in REGION_KINDS], np.float32),
            np.array([sample.scores[name] for name in DIMENSIONS], np.float32) / 100,
            whole,
            regions,
            sample.group,
            sample.agreed_share,
        )


def soft_mask(polygon: list[list[list[float]]]) -> np.ndarray:
    """The share of each cell that a polygon covers: float32, shape (CELL_SIDE, CELL_SIDE), 0..1."""
    fine = rasterise(polygon, FINER * CELL_SIDE, FINER * CELL_SIDE)
    return fine.reshape(CELL_SIDE, FINER, CELL_SIDE, FINER).mean(axis=(1, 3)).astype(np.float32)


def collate(targets: Sequence[Target]) -> Targets:
    """The targets of a batch."""
    scores = np.stack([one.scores for one in targets])
    regions = [(place, *region) for place, one in enumerate(targets) for region in one.regions]
    masks = np.zeros((len(regions), CELL_SIDE, CELL_SIDE), np.float32)
    for number, (_, covered, _, _) in enumerate(regions):
        masks[number] = covered / PARTS
    return Targets(
        torch.from_numpy(np.stack([one.maps for one in targets])),
        torch.from_numpy(np.stack([one.presence for one in targets])),
        torch.from_numpy(np.nan_to_num(scores)),
        torch.from_numpy(np.stack([one.whole for one in targets])),
        torch.tensor([one.looked for one in targets]),
        torch.from_numpy(np.isfinite(scores)),
        torch.from_numpy(np.unique([one.group for one in targets], return_inverse=True)[1]),
        torch.from_numpy(masks),
        torch.tensor([place for place, *_ in regions], dtype=torch.long),
        torch.tensor([number for _, _, number, _ in regions], dtype=torch.long),
        torch.tensor([share for *_, share in regions], dtype=torch.float32),
    )


def flip(features: Batch, targets: Targets) -> tuple[Batch, Targets]:
    """Both mirrored left to right; for instructions that name no side."""
    planes = features.planes.flip(-1)
    planes[:, NAMES.index("x")] = features.planes[:, NAMES.index("x")]  # left is left in a mirrored image too
    return (
        Batch(
            {stride: values.flip(-1) for stride, values in features.source.items()},
            {stride: values.flip(-1) for stride, values in features.edited.items()},
            planes,
            features.statistics,
            features.text,
        ),
        Targets(
            targets.maps.flip(-1), targets.presence, targets.scores, targets.whole, targets.looked,
            targets.known, targets.groups,
            targets.masks.flip(-1), targets.owners, targets.types, targets.weights,
        ),
    )  # fmt: skip
