"""The losses of the lite network, by agent."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from editfhf.flaws import FLAW_TYPES
from editfhf.schema import REGION_KINDS
from refiner import losses
from refiner.lite.network import LiteNetwork, Output
from refiner.lite.targets import Targets

KIND_OF_TYPE = torch.tensor([REGION_KINDS.index(flaw.kind) for flaw in FLAW_TYPES])

# agent → its losses, each with its weight
WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "perception": {"map_bce": 1.0, "map_kl": 0.2, "map_cc": 0.5, "map_l1": 0.5, "presence": 0.3},
    "reasoning": {"flaw_type": 0.5, "whole": 1.0},
    "evaluation": {"huber": 4.0, "paired": 6.0, "rank": 1.0, "plcc": 0.5},
}
HUBER_DELTA = 0.1  # of 0..1: beyond ten points an error counts linearly
RANK_MARGIN = 0.02


def terms(network: LiteNetwork, output: Output, targets: Targets) -> dict[str, Tensor]:
    """Every loss of a batch, by name, not weighted."""
    seen = targets.looked
    logits, maps = output.maps[seen].flatten(0, 1), targets.maps[seen].flatten(0, 1)
    found: dict[str, Tensor] = {}
    if seen.any():
        found |= {
            "map_bce": losses.bce_map(logits, maps).mean(),
            "map_kl": losses.kl_map(logits, maps).mean(),
            "map_cc": losses.cc_map(logits, maps).mean(),
            "map_l1": losses.l1_map(logits, maps).mean(),
            "presence": functional.binary_cross_entropy_with_logits(output.presence[seen], targets.presence[seen]),
            "whole": functional.binary_cross_entropy_with_logits(output.whole[seen], targets.whole[seen]),
            "rank": losses.pairwise_rank(output.scores[seen], targets.scores[seen], RANK_MARGIN),
            "plcc": losses.plcc(output.scores[seen], targets.scores[seen]),
        }
    found |= {
        "huber": losses.huber(output.scores[targets.known], targets.scores[targets.known], HUBER_DELTA),
        "paired": _paired(output.scores, targets),
    }
    if len(targets.owners):
        named = within_kind(network.name_regions(output, targets.masks, targets.owners), KIND_OF_TYPE[targets.types])
        wrong = functional.cross_entropy(named, targets.types, reduction="none")
        found["flaw_type"] = (wrong * targets.weights).sum() / targets.weights.sum().clamp_min(1e-6)
    return found


def _paired(scores: Tensor, targets: Targets) -> Tensor:
    """Huber loss on the differences between edits of one photo by one instruction: what a repair is judged by."""
    same = targets.groups[:, None] == targets.groups[None, :]
    left, right = torch.nonzero(same.triu(diagonal=1), as_tuple=True)
    if not len(left):
        return scores.sum() * 0
    known = targets.known[left] & targets.known[right]
    predicted, told = scores[left] - scores[right], targets.scores[left] - targets.scores[right]
    return losses.huber(predicted[known], told[known], HUBER_DELTA)


def within_kind(logits: Tensor, kinds: Tensor) -> Tensor:
    """Logits of flaw types, those of the other kind ruled out: (regions, flaw types); `kinds`: (regions,)."""
    return logits.masked_fill(kinds[:, None] != KIND_OF_TYPE[None, :], -1e4)
