"""Which way from people's drawings to consensus regions finds the true flaws, on simulated people with known truth.

    python benchmarks/consensus_study.py [--edits N] [--seeds N] [--only methods|parameters|types|maps|calibration]

Peers: the union of everything, crowd-kit's majority of pixels, RASA and EM (all on pixels of a raster, each connected
part a region), and a plain average linkage of outlines. `crowd-kit` comes with the extra `test`.
"""

import argparse
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import shapely
from crowdkit.aggregation import DawidSkene, SegmentationEM, SegmentationMajorityVote, SegmentationRASA
from scipy.optimize import linear_sum_assignment

import analysis.agreed
import analysis.clusters
import analysis.merging
import analysis.people_rates
from analysis.marks import Marks
from analysis.regions import Agreement, agree
from benchmarks import plain_consensus
from benchmarks.simulated_drawings import Campaign, make_campaign
from editfhf import console
from editfhf.flaws import FLAW_TYPES
from editfhf.geometry import from_shape, rasterise, to_shape, trace
from editfhf.schema import REGION_KINDS

RASTER = 128  # pixels of a side for what votes on pixels, and for the IoU of maps
CONDITIONS = {
    "careful": ["careful"] * 20,
    "mixed": ["careful"] * 8 + ["coarse"] * 3 + ["over-enclosing"] * 2 + ["haloing"] * 3
    + ["tiring"] * 3 + ["alarmed"] * 2 + ["blind"] * 2 + ["confused"] * 1,
    "coarse": ["careful"] * 8 + ["coarse"] * 12,
    "over-enclosing": ["careful"] * 8 + ["over-enclosing"] * 12,
    "haloing": ["careful"] * 4 + ["haloing"] * 16,
    "tiring": ["careful"] * 4 + ["tiring"] * 16,
    "alarmed": ["careful"] * 12 + ["alarmed"] * 8,
    "blind": ["careful"] * 8 + ["blind"] * 12,
    "confused": ["careful"] * 10 + ["confused"] * 10,
    "jointly missing": ["careful"] * 20,
}  # fmt: skip
SUBTLE = {"jointly missing": 0.7}


@dataclass(frozen=True)
class Regions:
    """What a method says: edit, kind and shape of each region."""

    edit: np.ndarray
    kind: np.ndarray
    shapes: np.ndarray


def campaign_of(condition: str, seed: int, n_edits: int, each: int) -> Campaign:
    return make_campaign(seed, n_edits, each, CONDITIONS[condition], SUBTLE.get(condition, 0.25))


def ours(campaign: Campaign) -> Agreement:
    n = len(campaign.edit)
    names = np.array([f"{row:07d}" for row in range(n)], object)
    types = np.array([flaw.id for flaw in FLAW_TYPES], object)[campaign.flaw_type]
    columns = {
        "kind": np.array(REGION_KINDS, object)[campaign.kind], "flaw_type": types, "extent": ["region"] * n,
        "description": ["a reason of several words"] * n, "region_id": names,
    }  # fmt: skip
    marks = Marks.of(campaign.edit, campaign.person, columns, campaign.shapes)
    return agree(
        marks, campaign.inspected, campaign.n_people, campaign.n_edits, columns["description"], np.zeros(n, bool)
    )


def chosen(found: Agreement, least: float = 0.5) -> Regions:
    keep = found.probability >= least
    return Regions(found.places.edit[keep], found.kind[keep], found.places.shapes[keep])


def plain(campaign: Campaign) -> Regions:
    """A plain average linkage; a region needs half of those who looked."""
    rows = []
    looked = np.bincount(campaign.inspected[0], minlength=campaign.n_edits)
    for edit in range(campaign.n_edits):
        of = np.flatnonzero(campaign.edit == edit)
        shapes = list(campaign.shapes[of])
        regions = plain_consensus.consensus(
            shapes, campaign.person[of].tolist(), campaign.kind[of].tolist(), plain_consensus.pairwise(shapes)
        )
        rows += [(edit, kind, shape) for kind, shape, support in regions if 2 * support >= looked[edit]]
    return _regions(rows)


def by_pixels(campaign: Campaign) -> dict[str, Regions]:
    """Union, and crowd-kit's aggregations of the masks that people drew of each kind."""
    tasks = []
    of_edit = [np.flatnonzero(campaign.edit == edit) for edit in range(campaign.n_edits)]
    for edit, person in zip(*campaign.inspected, strict=True):
        for kind in (0, 1):
            mask = np.zeros((RASTER, RASTER), bool)
            for row in of_edit[edit]:
                if campaign.person[row] == person and campaign.kind[row] == kind:
                    mask |= rasterise(from_shape(campaign.shapes[row]), RASTER, RASTER)
            tasks.append(((edit, kind), person, mask))
    table = pd.DataFrame(tasks, columns=["task", "worker", "segmentation"])
    table["task"] = [f"{edit:06d}/{kind}" for edit, kind in table["task"]]
    union = table.groupby("task")["segmentation"].apply(lambda masks: np.logical_or.reduce(list(masks)))
    results = {"union": union}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for name, method in (
            ("pixel majority", SegmentationMajorityVote()), ("RASA", SegmentationRASA()), ("EM", SegmentationEM()),
        ):  # fmt: skip
            results[name] = method.fit_predict(table.copy())
    found = {}
    for name, masks in results.items():
        rows = []
        for task, mask in masks.items():
            edit, kind = task.split("/")
            parts = trace(np.asarray(mask, bool), tolerance=0.3 / RASTER, min_area=4 / RASTER**2)
            rows += [(int(edit), int(kind), to_shape(part)) for part in parts]
        found[name] = _regions(rows)
    return found


def measure(campaign: Campaign, regions: Regions) -> dict[str, float]:
    """F1 at an IoU of 0.5 and 0.3 (of one kind, each flaw once), mean IoU of the matched, IoU of all pixels."""
    truth = campaign.truth
    ious, matched = {0.5: 0, 0.3: 0}, []
    shared_pixels = all_pixels = 0
    for edit in range(campaign.n_edits):
        for kind in (0, 1):
            real = np.flatnonzero((truth.edit == edit) & (truth.kind == kind))
            said = np.flatnonzero((regions.edit == edit) & (regions.kind == kind))
            one, other = truth.shapes[real], regions.shapes[said]
            shared = shapely.area(shapely.intersection(one[:, None], other[None, :]))
            iou = shared / (shapely.area(one)[:, None] + shapely.area(other)[None, :] - shared)
            for least in ious:
                i, j = linear_sum_assignment(-np.where(iou >= least, iou, 0))
                hits = iou[i, j][iou[i, j] >= least]
                ious[least] += len(hits)
                matched += hits.tolist() if least == 0.3 else []
            there, claimed = shapely.union_all(one), shapely.union_all(other)
            common = there.intersection(claimed).area
            shared_pixels += common
            all_pixels += there.area + claimed.area - common
    total = len(truth.edit) + len(regions.edit)
    return {
        "F1 at 0.5": 2 * ious[0.5] / total, "F1 at 0.3": 2 * ious[0.3] / total,
        "IoU of matched": float(np.mean(matched)), "IoU of pixels": shared_pixels / all_pixels,
        "regions per flaw": len(regions.edit) / len(truth.edit),
    }  # fmt: skip


def is_flaw(campaign: Campaign, found: Agreement) -> np.ndarray:
    """Of each place whether most of the drawings behind it were meant for something that is there."""
    rows = found.mark_rows
    real = np.bincount(found.places.place, campaign.flaw[rows] >= 0, len(found.kind))
    return real * 2 > np.bincount(found.places.place, minlength=len(found.kind))


def brier(campaign: Campaign, found: Agreement) -> float:
    return float(np.mean((found.probability - is_flaw(campaign, found)) ** 2))


def methods_table(conditions: list[str], n_edits: int, seeds: int, each: int) -> Iterator[dict[str, Any]]:
    for condition in conditions:
        rows: dict[str, list[dict[str, float]]] = {}
        for seed in range(seeds):
            campaign = campaign_of(condition, seed, n_edits, each)
            found = ours(campaign)
            results = {**by_pixels(campaign), "plain linkage": plain(campaign), "ours": chosen(found)}
            for name, regions in results.items():
                rows.setdefault(name, []).append(measure(campaign, regions))
        for name, values in rows.items():
            mean = pd.DataFrame(values).mean()
            yield {"people": condition, "each": each, "method": name} | {key: f"{mean[key]:.3f}" for key in mean.index}


@contextmanager
def setting(module: ModuleType, **values: Any) -> Iterator[None]:
    before = {name: getattr(module, name) for name in values}
    try:
        for name, value in values.items():
            setattr(module, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)


def half(n_people: np.ndarray, _in_pieces: np.ndarray) -> np.ndarray:
    """Half of the people are enough: of two, either."""
    return (n_people + 1) // 2


def more_than_half(n_people: np.ndarray, _in_pieces: np.ndarray) -> np.ndarray:
    """Also where somebody drew several pieces."""
    return n_people // 2 + 1


SETTINGS: list[tuple[str, list[tuple[ModuleType, str, Any]]]] = [
    ("as chosen", []),
    *((f"SAME_REGION {v}", [(analysis.clusters, "SAME_REGION", v)]) for v in (0.2, 0.4, 0.5)),
    *((f"CONTAINMENT_WEIGHT {v}", [(analysis.clusters, "CONTAINMENT_WEIGHT", v)]) for v in (0.0, 0.15, 0.5, 0.7)),
    ("no pieces", [(analysis.clusters, "CONTAINED", 2.0)]),
    ("kinds never joined", [(analysis.clusters, "SAME_PLACE", 2.0)]),
    ("half of the votes", [(analysis.agreed, "votes_needed", half)]),
    ("more than half of the votes", [(analysis.agreed, "votes_needed", more_than_half)]),
    *((f"HARD_TO_SEE {v}", [(analysis.people_rates, "HARD_TO_SEE", v)]) for v in (0.2, 0.4, 0.999)),
    *((f"COINCIDENCE {v}", [(analysis.people_rates, "COINCIDENCE", v)]) for v in (0.003, 0.03, 0.1)),
    *((f"PRIOR_FALSE {v}", [(analysis.people_rates, "PRIOR_FALSE", v)]) for v in (0.3, 1.2)),
    *((f"PRIOR_HARD {v}", [(analysis.people_rates, "PRIOR_HARD", v)]) for v in (15.0, 60.0)),
]  # fmt: skip


def parameters_table(conditions: list[str], n_edits: int, seeds: int, each: list[int]) -> Iterator[dict[str, Any]]:
    campaigns = [
        campaign_of(condition, 100 + seed, n_edits, k)
        for condition in conditions
        for seed in range(seeds)
        for k in each
    ]
    for name, changes in SETTINGS:
        values = []
        for campaign in campaigns:
            with setting_all(changes):
                found = ours(campaign)
            values.append(measure(campaign, chosen(found)) | {"Brier": brier(campaign, found)})
        mean = pd.DataFrame(values).mean()
        yield {"setting": name} | {key: f"{mean[key]:.4f}" for key in mean.index}


@contextmanager
def setting_all(changes: list[tuple[ModuleType, str, Any]]) -> Iterator[None]:
    if not changes:
        yield
        return
    (module, name, value), *rest = changes
    with setting(module, **{name: value}), setting_all(rest):
        yield


def calibration_table(condition: str, n_edits: int, seeds: int, each: int) -> Iterator[dict[str, Any]]:
    stated, true, support = [], [], []
    for seed in range(seeds):
        campaign = campaign_of(condition, 200 + seed, n_edits, each)
        found = ours(campaign)
        stated.append(found.probability)
        true.append(is_flaw(campaign, found))
        support.append((found.support + 1) / (each + 3))
    p, y, by_support = np.concatenate(stated), np.concatenate(true), np.concatenate(support)
    edges = [0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99, 1.0001]
    for low, high in pairwise(edges):
        inside = (p >= low) & (p < high)
        if inside.any():
            yield {
                "people": condition, "each": each, "stated": f"{low:g} to {min(high, 1):g}",
                "places": int(inside.sum()), "mean stated": f"{p[inside].mean():.3f}",
                "truly flaws": f"{y[inside].mean():.3f}",
            }  # fmt: skip
    yield {
        "people": condition, "each": each, "stated": "Brier: ours / by support alone", "places": len(p),
        "mean stated": f"{np.mean((p - y) ** 2):.4f}", "truly flaws": f"{np.mean((by_support - y) ** 2):.4f}",
    }  # fmt: skip


def types_table(conditions: list[str], n_edits: int, seeds: int, each: int) -> Iterator[dict[str, Any]]:
    """Share of the true places whose kind and flaw type are right: weighted votes, plain votes, Dawid–Skene."""
    for condition in conditions:
        right: dict[str, list[float]] = {"weighted vote": [], "plain vote": [], "Dawid–Skene": []}
        for seed in range(seeds):
            campaign = campaign_of(condition, 300 + seed, n_edits, each)
            found = ours(campaign)
            place, rows = found.places.place, found.mark_rows
            meant = pd.DataFrame({"place": place, "flaw": campaign.flaw[rows]})
            meant = meant[meant["flaw"] >= 0].groupby("place")["flaw"].agg(lambda flaws: flaws.mode().iloc[0])
            real = np.flatnonzero(is_flaw(campaign, found) & (found.support > 1))
            truth = campaign.truth.flaw_type[meant.loc[real].to_numpy()]
            votes = pd.DataFrame(
                {"task": place, "worker": campaign.person[rows], "label": campaign.flaw_type[rows]}
            ).drop_duplicates()
            counts = votes.groupby(["task", "label"], as_index=False)["worker"].count()
            counts = counts.sort_values(["task", "worker", "label"], ascending=[True, False, True])
            most = counts.drop_duplicates("task")
            skene = DawidSkene(n_iter=50).fit_predict(votes)
            right["weighted vote"].append(float(np.mean(found.flaw_type[real] == truth)))
            right["plain vote"].append(float(np.mean(most.set_index("task")["label"].loc[real].to_numpy() == truth)))
            right["Dawid–Skene"].append(float(np.mean(skene.loc[real].to_numpy() == truth)))
        yield {"people": condition, "each": each} | {name: f"{np.mean(values):.3f}" for name, values in right.items()}


def maps_table(conditions: list[str], n_edits: int, seeds: int, each: int) -> Iterator[dict[str, Any]]:
    """The share of people who marked a pixel against the truth, everybody alike and weighted by reliability.

    CC: correlation over all pixels; IoU of the pixels above a share, the best of nine shares.
    """
    for condition in conditions:
        rows: dict[str, list[tuple[float, float]]] = {"alike": [], "weighted": []}
        for seed in range(seeds):
            campaign = campaign_of(condition, 400 + seed, n_edits, each)
            weights = ours(campaign).rates.weight
            for name, weight in (("alike", np.ones_like(weights)), ("weighted", weights)):
                shares, truths = zip(*_shares(campaign, weight), strict=True)
                share, truth = np.array(shares).ravel(), np.array(truths).ravel()
                ious = [
                    (truth & (share >= least)).sum() / (truth | (share >= least)).sum()
                    for least in np.arange(0.1, 1, 0.1)
                ]
                rows[name].append((float(np.corrcoef(share, truth)[0, 1]), float(max(ious))))
        row: dict[str, Any] = {"people": condition, "each": each}
        for name, values in rows.items():
            cc, iou = np.mean(values, axis=0)
            row |= {f"CC {name}": f"{cc:.3f}", f"IoU {name}": f"{iou:.3f}"}
        yield row


def _shares(campaign: Campaign, weight: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each edit and kind the weighted share of its people who marked each pixel, and the true pixels."""
    inspectors = pd.Series(campaign.inspected[1]).groupby(campaign.inspected[0]).agg(list)
    side = RASTER // 2
    for edit in range(campaign.n_edits):
        for kind in (0, 1):
            share = np.zeros((side, side))
            for person in inspectors[edit]:
                own = (campaign.edit == edit) & (campaign.kind == kind) & (campaign.person == person)
                share += weight[person] * _mask(campaign.shapes[own], side)
            real = (campaign.truth.edit == edit) & (campaign.truth.kind == kind)
            yield share / weight[inspectors[edit]].sum(), _mask(campaign.truth.shapes[real], side)


def _mask(shapes: np.ndarray, side: int) -> np.ndarray:
    mask = np.zeros((side, side), bool)
    for shape in shapes:
        mask |= rasterise(from_shape(shape), side, side)
    return mask


def _regions(rows: list[tuple[int, int, shapely.Geometry]]) -> Regions:
    shapes = np.array([shape for *_, shape in rows] or [], object)
    return Regions(np.array([row[0] for row in rows]), np.array([row[1] for row in rows]), shapes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edits", type=int, default=120)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--each", type=int, nargs="+", default=[3, 5])
    parser.add_argument("--people", nargs="+", default=list(CONDITIONS), help="which mixes of people")
    parser.add_argument("--only", choices=["methods", "parameters", "types", "calibration", "maps"])
    options = parser.parse_args()
    common = options.people, options.edits, options.seeds
    if options.only in (None, "methods"):
        console.show([row for k in options.each for row in methods_table(*common, k)])
    if options.only in (None, "parameters"):
        console.show(list(parameters_table(*common, options.each)))
    if options.only in (None, "types"):
        console.show([row for k in options.each for row in types_table(*common, k)])
    if options.only in (None, "maps"):
        console.show([row for k in options.each for row in maps_table(*common, k)])
    if options.only in (None, "calibration"):
        for k in options.each:
            for condition in options.people:
                console.show(list(calibration_table(condition, options.edits, options.seeds, k)))


if __name__ == "__main__":
    main()
