"""Pairwise IoU and consensus of a campaign's polygons, beside a plain loop over edits and pairs with shapely.

    python benchmarks/consensus_speed.py [--edits 15000] [--loop-edits 1500]

With --edits 15000 there are about 420,000 polygons, as in DESIGN §7. The loop does the first --loop-edits of the same
edits (0: all of them), and its time is reckoned up to all. Seconds of the processor, of one core: other work on the
machine does not count. The loop as it is mostly written asks shapely for the intersection and the union of every pair;
one that takes the union from the areas is faster. Ours is set beside both.
"""

import argparse
import resource
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from analysis.agreed import CHUNK_EDITS
from analysis.clusters import Overlaps
from analysis.marks import Marks
from analysis.regions import agree
from benchmarks import plain_consensus
from benchmarks.simulated_drawings import Campaign, make_campaign
from editfhf import console
from editfhf.flaws import FLAW_TYPES
from editfhf.schema import REGION_KINDS

MANNERS = ["careful"] * 20 + ["coarse"] * 5 + ["haloing"] * 5
FLAWS = 11.6  # of an edit: three people then draw about 28 polygons on it
BATCH = 500  # edits drawn at a time, so that they come soon
MIB = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edits", type=int, default=2000)
    parser.add_argument("--loop-edits", type=int, default=500)
    options = parser.parse_args()
    campaign = make_campaign(0, min(options.edits, BATCH), 3, MANNERS, flaws=FLAWS)
    repeats = -(-options.edits // BATCH)
    marks, inspected, texts = marks_of(campaign, repeats)
    n_edits = campaign.n_edits * repeats
    before = peak()
    begin = time.process_time()
    # In chunks, as consensus does it.
    bounds = np.searchsorted(marks.edit, [*range(0, n_edits, CHUNK_EDITS), n_edits])
    touching = sum(len(Overlaps.of(marks.take(slice(*ends))).left) for ends in pairwise(bounds))
    pairs_s = time.process_time() - begin
    begin = time.process_time()
    found = agree(marks, inspected, campaign.n_people, n_edits, texts, np.zeros(len(marks), bool))
    ours_s = time.process_time() - begin
    ours_mib = peak() - before
    n_loop = min(options.loop_edits or n_edits, n_edits)
    factor = n_edits / n_loop
    rows: list[dict[str, Any]] = []
    for name, of_pairs in (("intersection and union", plain_consensus.pairwise_by_union),
                           ("intersection alone", plain_consensus.pairwise)):  # fmt: skip
        loop_pairs_s, loop_rest_s, n_drawn, n_regions = loop(marks, n_loop, of_pairs)
        for what, ours, peer in (
            ("pairwise IoU", pairs_s, loop_pairs_s * factor),
            ("pairwise IoU and consensus", ours_s, (loop_pairs_s + loop_rest_s) * factor),
        ):
            rows.append(
                {"loop with": name, "what": what, "ours s": f"{ours:.1f}", "loop s": f"{peer:.1f}",
                 "ratio": f"{peer / ours:.1f}"}
            )  # fmt: skip
    console.say(
        f"{n_edits} edits, {len(marks)} polygons, {touching} pairs that touch, {len(found.kind)} regions; "
        f"peak memory + {ours_mib:.0f} MiB; the loop did {n_loop} edits, {n_drawn} polygons, {n_regions} regions"
    )
    console.show(rows)


def marks_of(campaign: Campaign, repeats: int) -> tuple[Marks, tuple[np.ndarray, np.ndarray], list[str]]:
    """The drawings of a campaign again and again, as further edits: each is computed anew all the same."""
    n = len(campaign.edit) * repeats
    shift = np.repeat(np.arange(repeats), len(campaign.edit)) * campaign.n_edits
    columns = {
        "kind": np.tile(np.array(REGION_KINDS, object)[campaign.kind], repeats),
        "flaw_type": np.tile(np.array([flaw.id for flaw in FLAW_TYPES], object)[campaign.flaw_type], repeats),
        "extent": ["region"] * n,
        "description": ["a reason of several words"] * n,
        "region_id": [f"{row:07d}" for row in range(n)],
    }
    edit, person = np.tile(campaign.edit, repeats) + shift, np.tile(campaign.person, repeats)
    marks = Marks.of(edit, person, columns, np.tile(campaign.shapes, repeats))
    looked = np.repeat(np.arange(repeats), len(campaign.inspected[0])) * campaign.n_edits
    inspected = np.tile(campaign.inspected[0], repeats) + looked, np.tile(campaign.inspected[1], repeats)
    return marks, inspected, columns["description"]


def loop(marks: Marks, n_edits: int, of_pairs: Callable[[list[Any]], np.ndarray]) -> tuple[float, float, int, int]:
    """Seconds for the pairs, seconds for the rest, polygons, regions."""
    pairs_s = rest_s = 0.0
    n_drawn = n_regions = 0
    starts = np.searchsorted(marks.edit, np.arange(n_edits + 1))
    for edit in range(n_edits):
        rows = slice(starts[edit], starts[edit + 1])
        shapes, people, kinds = list(marks.shapes[rows]), marks.person[rows].tolist(), marks.kind[rows].tolist()
        begin = time.process_time()
        iou = of_pairs(shapes)
        middle = time.process_time()
        n_regions += len(plain_consensus.consensus(shapes, people, kinds, iou)) if shapes else 0
        pairs_s, rest_s = pairs_s + middle - begin, rest_s + time.process_time() - middle
        n_drawn += len(shapes)
    return pairs_s, rest_s, n_drawn, n_regions


def peak() -> float:
    """MiB, of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB


if __name__ == "__main__":
    main()
