"""How good the network is on some edits, by the metrics of `analysis/`."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from analysis.correlation import correlation_report
from analysis.saliency import cc, image_auroc
from editfhf.schema import DIMENSIONS, REGION_KINDS
from refiner.lite.features import PairFeatures
from refiner.lite.network import Batch, LiteNetwork, Output
from refiner.lite.targets import Target, collate
from refiner.lite.terms import KIND_OF_TYPE, within_kind

MARKED = 0.25  # share of people: a map whose highest value is below it shows no flaw that people agree on
FLAT = 0.01  # standard deviation: a map of a flaw that is everywhere has no place to be found


def predict(
    network: LiteNetwork, features: Sequence[PairFeatures], batch_size: int = 32
) -> Iterator[tuple[slice, Output]]:
    """The network's outputs batch by batch, in evaluation mode."""
    network.eval()
    with torch.inference_mode():
        for start in range(0, len(features), batch_size):
            place = slice(start, min(start + batch_size, len(features)))
            yield place, network(Batch.of(features[place], with_summaries=network.kernel is not None))


def measure(network: LiteNetwork, targets: Sequence[Target], features: Sequence[PairFeatures]) -> dict[str, float]:
    """`cc KIND` over the maps that show a place, `auroc KIND` of presence, `flaw type accuracy` on people's regions,
    `srcc DIMENSION`; 0 (0.5 for auroc) where nothing can be measured."""
    found: dict[str, list[float]] = {kind: [] for kind in REGION_KINDS}
    scores, presence, right = [], [], []
    for place, output in predict(network, features):
        some = targets[place]
        maps = torch.sigmoid(output.maps).numpy()
        for number, target in enumerate(some):
            for channel, kind in enumerate(REGION_KINDS):
                if shows_a_place(target.maps[channel]):
                    found[kind].append(cc(maps[number, channel], target.maps[channel]))
        scores.append(output.scores.numpy())
        presence.append(torch.sigmoid(output.presence).numpy())
        together = collate(some)
        agreed = together.weights >= torch.tensor([some[place].agreed_share for place in together.owners.tolist()])
        if agreed.any():
            logits = network.name_regions(output, together.masks[agreed], together.owners[agreed])
            named = within_kind(logits, KIND_OF_TYPE[together.types[agreed]]).argmax(1)
            right += (named == together.types[agreed]).tolist()
    predicted, told = np.concatenate(scores), np.stack([one.scores for one in targets])
    seen, there = np.concatenate(presence), np.stack([one.presence for one in targets])
    measured = {f"cc {kind}": float(np.mean(values)) if values else 0.0 for kind, values in found.items()}
    for channel, kind in enumerate(REGION_KINDS):
        both = 0 < there[:, channel].sum() < len(there)
        measured[f"auroc {kind}"] = image_auroc(seen[:, channel], there[:, channel] > 0.5) if both else 0.5
    measured["flaw type accuracy"] = float(np.mean(right)) if right else 0.0
    for channel, name in enumerate(DIMENSIONS):
        value = correlation_report(predicted[:, channel], told[:, channel])["srcc"]
        measured[f"srcc {name}"] = 0.0 if np.isnan(value) else value
    return measured


def shows_a_place(people: np.ndarray) -> bool:
    """Whether a map (0..1) shows a flaw that people agree on and that has a place."""
    return bool(people.max() > MARKED and people.std() > FLAT)
