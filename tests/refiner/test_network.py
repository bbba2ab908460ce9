"""The network's own arithmetic, beside a plain definition of it."""

import torch
from torch.nn import functional

from refiner.lite.network import LiteNetwork, NetworkSize, Output
from refiner.lite.targets import CELL_SIDE, PLANE_SIDE, Target, collate
from refiner.lite.terms import terms

CHANNELS = 8


def output_of(n: int, network: LiteNetwork) -> Output:
    nothing = torch.zeros(n, 1)
    cells = torch.randn(n, CHANNELS, CELL_SIDE, CELL_SIDE)
    return Output(nothing, nothing, nothing, nothing, cells, torch.randn(n, network.context_width))


def test_regions_of_many_pairs_in_any_order_are_read_from_the_cells_of_their_own_pair():
    torch.manual_seed(0)
    network = LiteNetwork(NetworkSize(CHANNELS, 16)).eval()
    output = output_of(4, network)
    owners = torch.tensor([2, 0, 2, 3, 0, 2])  # pair 1 has none
    masks = (torch.rand(len(owners), CELL_SIDE, CELL_SIDE) > 0.7).float() * torch.rand(len(owners), 1, 1)
    named = network.name_regions(output, masks, owners)
    for number, owner in enumerate(owners.tolist()):
        cells, mask = output.cells[owner], masks[number]
        around = functional.max_pool2d(mask[None, None], 7, stride=1, padding=3)[0, 0] - mask
        read = [
            (cells * mask).sum((1, 2)) / mask.sum(),
            (cells * around).sum((1, 2)) / around.sum(),
            (cells * mask).amax((1, 2)),
            output.context[owner],
        ]
        torch.testing.assert_close(named[number], network.name(torch.cat(read)), rtol=1e-4, atol=1e-5)


def test_a_batch_in_which_nobody_looked_for_flaws_teaches_scores_alone_and_no_loss_is_nan():
    torch.manual_seed(0)
    network = LiteNetwork(NetworkSize(CHANNELS, 16))
    output = Output(
        torch.randn(2, 2, PLANE_SIDE, PLANE_SIDE), torch.randn(2, 2), torch.rand(2, 3), torch.randn(2, 20),
        torch.randn(2, CHANNELS, CELL_SIDE, CELL_SIDE), torch.randn(2, network.context_width),
    )  # fmt: skip
    unseen = [Target.following(group, 0.5) for group in ("a", "a")]
    losses = terms(network, output, collate(unseen))
    assert {"huber", "paired"} == set(losses)
    assert all(torch.isfinite(value) for value in losses.values())
