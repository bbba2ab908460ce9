"""What is trained: one decoder over the frozen features with two maps, and heads for scores and flaw types."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from editfhf.flaws import FLAW_TYPES
from editfhf.schema import DIMENSIONS, REGION_KINDS
from refiner.lite.backbone import STAGES, TEXT_WIDTH
from refiner.lite.features import PairFeatures
from refiner.lite.kernel import KernelScores
from refiner.lite.planes import NAMES, PLANE_SIDE, STATISTICS
from refiner.runs import TrainConfig

TEXT_CHANNELS = 64
NARROW = 8  # channels of the last layers, at the maps' own resolution
RARE = -3.0  # logit that the maps start from: most pixels are marked by nobody
N_STATISTICS = len(NAMES) * len(STATISTICS)
MAP_STATISTICS = 4  # of each predicted map: mean, deviation, 99 % quantile, highest


@dataclass(frozen=True, slots=True)
class NetworkSize:
    """Widths of the network.

    Attributes:
        channels: of the decoder.
        text: length of `Expectation.vector`.
        use_instruction, use_source: False in ablations: the text, or everything of the photo, is zeroed.
    """

    channels: int
    text: int
    use_instruction: bool = True
    use_source: bool = True


def size_of(config: TrainConfig, text: int) -> NetworkSize:
    """The size of the network that a configuration asks for."""
    return NetworkSize(config.channels, text, config.use_instruction, config.use_source)


@dataclass(frozen=True, slots=True)
class Batch:
    """Features of some pairs as tensors: `source`, `edited`: stride → (n, channels, side, side), and the rest alike.

    `summaries`: (n, N_SUMMARY), or None while the network learns, which does without.
    """

    source: dict[int, Tensor]
    edited: dict[int, Tensor]
    planes: Tensor
    statistics: Tensor
    text: Tensor
    summaries: Tensor | None = None

    @classmethod
    def of(cls, features: Sequence[PairFeatures], with_summaries: bool = False) -> "Batch":
        return cls(
            {stride: _stacked([one.source[stride] for one in features]) for stride in STAGES},
            {stride: _stacked([one.edited[stride] for one in features]) for stride in STAGES},
            _stacked([one.planes for one in features]),
            _stacked([one.statistics for one in features]),
            _stacked([one.expectation.vector for one in features]),
            _stacked([one.summary() for one in features]) if with_summaries else None,
        )


@dataclass(frozen=True, slots=True)
class Output:
    """What the network says of a batch of n pairs.

    Attributes:
        maps: logits, (n, 2, PLANE_SIDE, PLANE_SIDE), in the order of REGION_KINDS.
        presence: logits, (n, 2). scores: (n, 3), of 0..1, in the order of DIMENSIONS.
        whole: logits, (n, flaw types): that a flaw of this type without a place is there.
        cells: (n, channels, side, side): what flaw types of regions are read from. context: (n, width): likewise.
    """

    maps: Tensor
    presence: Tensor
    scores: Tensor
    whole: Tensor
    cells: Tensor
    context: Tensor


class LiteNetwork(nn.Module):
    """Two maps, presence, three scores and flaw types of a pair, from frozen features.

    Attributes:
        kernel: gives scores too, where it is there and a batch has summaries: then the scores are the mean of both.
    """

    def __init__(self, size: NetworkSize, kernel: KernelScores | None = None) -> None:
        super().__init__()
        self.size = size
        self.kernel = kernel
        width = size.channels
        self.read_text = nn.Sequential(
            nn.Linear(size.text, 2 * TEXT_CHANNELS),
            nn.GELU(),
            nn.Dropout(0.2),
            nn.Linear(2 * TEXT_CHANNELS, TEXT_CHANNELS),
        )
        # Planes reach the decoder as their mean and their highest value in each cell: small flaws must not drown.
        self.fuse = nn.ModuleDict(
            {str(stride): _Fuse(3 * channels + 2 * len(NAMES), width) for stride, (_, channels) in STAGES.items()}
        )
        self.decode = nn.ModuleDict({str(stride): _conv(2 * width, width) for stride in (16, 8, 4)})
        self.narrow = nn.Conv2d(width, NARROW, 1)
        self.refine = _conv(NARROW + len(NAMES), NARROW)
        self.to_maps = nn.Conv2d(NARROW, len(REGION_KINDS), 1)
        assert self.to_maps.bias is not None
        nn.init.constant_(self.to_maps.bias, RARE)
        self.context_width = 4 * width + TEXT_CHANNELS
        # A flaw of the whole image marks every pixel of its map.
        self.everywhere = _mlp(self.context_width + N_STATISTICS, 48, len(REGION_KINDS))
        judged = self.context_width + N_STATISTICS + MAP_STATISTICS * len(REGION_KINDS)
        self.normalise = nn.LayerNorm(judged)
        self.judge = _mlp(judged, 96, len(DIMENSIONS))
        self.find = _mlp(judged, 48, len(REGION_KINDS))
        self.name_whole = _mlp(judged, 64, len(FLAW_TYPES))
        self.name = _mlp(3 * width + self.context_width, 96, len(FLAW_TYPES))

    def forward(self, batch: Batch) -> Output:
        source, planes = batch.source, batch.planes
        if not self.size.use_source:
            source = {stride: torch.zeros_like(values) for stride, values in source.items()}
            planes = planes * _plane_mask(
                ("edited L", "edited a", "edited b", "edited detail", "edited has the colour", "place", "x", "y")
            )
        planes = planes.float()
        text = batch.text if self.size.use_instruction else torch.zeros_like(batch.text)
        if not self.size.use_instruction:
            planes = planes * (1 - _plane_mask(("edited has the colour", "source has the colour", "place")))
        told = self.read_text(text)
        fused = {}
        mean = highest = planes
        for stride in STAGES:  # from fine to coarse: each pools what the one before pooled
            left, right = source[stride].float(), batch.edited[stride].float()
            cell = mean.shape[-1] // left.shape[-1]
            mean, highest = functional.avg_pool2d(mean, cell), functional.max_pool2d(highest, cell)
            seen = torch.cat([left, right, (left - right).abs(), mean, highest], 1)
            fused[stride] = self.fuse[str(stride)](seen, told)
        x = fused[32]
        for stride in (16, 8, 4):
            x = functional.interpolate(x, size=fused[stride].shape[-2:], mode="bilinear", align_corners=False)
            x = self.decode[str(stride)](torch.cat([x, fused[stride]], 1))
        cells = x
        x = functional.interpolate(self.narrow(x), size=(PLANE_SIDE, PLANE_SIDE), mode="bilinear", align_corners=False)
        local = self.to_maps(self.refine(torch.cat([x, planes], 1)))
        context = torch.cat(
            [cells.mean((2, 3)), cells.amax((2, 3)), fused[16].mean((2, 3)), fused[32].mean((2, 3)), told], 1
        )
        statistics = batch.statistics
        if not (self.size.use_source and self.size.use_instruction):
            statistics = _statistics(planes)
        maps = local + self.everywhere(torch.cat([context, statistics], 1))[..., None, None]
        # The maps tell the heads where something is, but the heads may not bend the maps to their purpose.
        judged = self.normalise(torch.cat([context, statistics, map_statistics(maps.detach())], 1))
        scores = torch.sigmoid(self.judge(judged))
        if self.kernel is not None and batch.summaries is not None:
            scores = (scores + self.kernel(batch.summaries, batch.text[:, :TEXT_WIDTH])) / 2
        return Output(maps, self.find(judged), scores, self.name_whole(judged), cells, context)

    def name_regions(self, output: Output, masks: Tensor, owners: Tensor) -> Tensor:
        """Logits of the flaw types of some regions: (regions, flaw types).

        Args:
            masks: (regions, side, side) of `output.cells`, 0..1; owners: (regions,), the pair that each lies on.
        """
        around = functional.max_pool2d(masks[:, None], 7, stride=1, padding=3)[:, 0] - masks
        order = torch.argsort(owners, stable=True)
        rows = []
        # Pair by pair: a copy of a pair's cells for each of its regions would be most of what a step costs.
        for number, own in enumerate(order.split(torch.bincount(owners, minlength=len(output.cells)).tolist())):
            if len(own):
                cells, inside, beside = output.cells[number].flatten(1), masks[own].flatten(1), around[own].flatten(1)
                highest = (cells * inside[:, None]).amax(2)
                context = output.context[number].expand(len(own), -1)
                rows.append(torch.cat([_mean_in(inside, cells), _mean_in(beside, cells), highest, context], 1))
        named = self.name(torch.cat(rows))
        return torch.as_tensor(named[torch.argsort(order)])


class _Fuse(nn.Module):
    """Features of both images at one scale, seen in the light of the text (FiLM; Perez et al., AAAI 2018)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(channels, width, 1)
        self.norm = nn.BatchNorm2d(width)
        self.film = nn.Linear(TEXT_CHANNELS, 2 * width)
        self.drop = nn.Dropout2d(0.1)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        scale, shift = self.film(told)[..., None, None].chunk(2, dim=1)
        return torch.as_tensor(self.drop(functional.gelu(self.norm(self.mix(x)) * (1 + scale) + shift)))


def map_statistics(maps: Tensor) -> Tensor:
    """Mean, deviation, 99 % quantile and highest of each map of 0..1: (n, kinds × MAP_STATISTICS)."""
    flat = torch.sigmoid(maps).flatten(2)
    high = flat.topk(max(1, flat.shape[-1] // 100), dim=-1).values
    return torch.cat([flat.mean(-1), flat.std(-1), high[..., -1], high[..., 0]], 1)


def _mean_in(parts: Tensor, cells: Tensor) -> Tensor:
    """The mean of the cells, (channels, n), in each part, (parts, n), of weights 0..1: (parts, channels)."""
    return parts @ cells.T / parts.sum(1, keepdim=True).clamp_min(1e-3)


def _statistics(planes: Tensor) -> Tensor:
    flat = planes.flatten(2)
    tails = torch.quantile(flat, torch.tensor([0.9, 0.99]), dim=2)
    return torch.cat([flat.mean(2), flat.std(2, unbiased=False), tails[0], tails[1]], 1)


def _plane_mask(kept: Sequence[str]) -> Tensor:
    return torch.tensor([float(name in kept) for name in NAMES])[None, :, None, None]


def _conv(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.GELU())


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Dropout(0.3), nn.Linear(hidden, outputs))


def _stacked(arrays: Sequence[np.ndarray]) -> Tensor:
    # Into torch's own memory: where NumPy's lies changes the last bits of a matrix product.
    return torch.from_numpy(np.stack(arrays)).clone()
