"""From several people's polygons to consensus regions with a probability, and to the maps of where people saw flaws.

Drawings are clustered (`analysis.clusters`), merged (`analysis.merging`, `analysis.agreed`), and judged by how reliable
the people behind them are (`analysis.people_rates`); the maps come from the same drawings and the same people.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from shapely import STRtree, area

from analysis.agreed import Places
from analysis.maps import mark_map
from analysis.marks import Marks, outlines_of
from analysis.people_rates import Looks, Rates, estimate_rates, probability_of
from analysis.shared_area import shared_area
from editfhf.flaws import FLAW_TYPES
from editfhf.geometry import from_shape
from editfhf.schema import EXTENTS, REGION_KINDS, Polygon

LEAST_LETTERS = 8  # a shorter reason says less than the flaw type that was chosen
MOST_LOOKED_AT = 40  # characters of it: more decide nothing
_LETTER = re.compile(r"[^\W\d_]")
_IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")  # says about as much as three letters


@dataclass(frozen=True)
class Consensus:
    """What people together said about one edit.

    Attributes:
        regions: rows of the table `consensus`, without edit_id.
        maps: kind → uint8, shape (height, width): the share (0..255) of inspecting people who marked the pixel,
            smoothed, never normalised.
    """

    regions: list[dict[str, Any]]
    maps: dict[str, np.ndarray]


@dataclass(frozen=True)
class Agreement:
    """The consensus of all edits of a campaign, as arrays: a row for each region, ascending by edit.

    Attributes:
        places: where, and the drawings behind each.
        kind, flaw_type: int codes; support: int; probability: 0..1.
        reason, source: the row of the input that gives the description, and the outline on the photo (-1: none).
        mark_rows: of each drawing behind a place (`places.mark`) its row of the input.
        rates: of the people.
        looks: who looked at which region.
    """

    places: Places
    kind: np.ndarray
    flaw_type: np.ndarray
    support: np.ndarray
    probability: np.ndarray
    reason: np.ndarray
    source: np.ndarray
    mark_rows: np.ndarray
    rates: Rates
    looks: Looks


def agree(
    marks: Marks,
    inspected: tuple[np.ndarray, np.ndarray],
    n_people: int,
    n_edits: int,
    texts: Sequence[str],
    has_source: Sequence[bool],
) -> Agreement:
    """The consensus of a campaign.

    Args:
        marks: of those who inspected the edits.
        inspected: (edit, person) codes, each pair once: who looked, also where nothing was marked.
        texts, has_source: of each row of the input (`Marks.row`): the reason, and whether it outlines the photo, too.
    """
    places = Places.of(marks)
    looks = _looks(places, *inspected, n_edits)
    n_places = len(places.edit)
    rates = estimate_rates(looks, n_people, n_places, n_edits)
    kind = _vote(places.place, marks.person[places.mark], marks.kind[places.mark], rates.weight, n_places)
    of_kind = marks.kind[places.mark] == kind[places.place]
    place, mark = places.place[of_kind], places.mark[of_kind]
    flaw_type = _vote(place, marks.person[mark], marks.flaw_type[mark], rates.weight, n_places)
    fits = of_kind & (marks.flaw_type[places.mark] == flaw_type[places.place])
    row = marks.row[places.mark]
    worth = np.array([is_worth_reading(texts[one]) for one in row], bool)
    return Agreement(
        places,
        kind,
        flaw_type,
        np.bincount(places.seen_place, minlength=n_places),
        probability_of(looks, rates, n_places),
        _best(places, row, fits, worth, n_places),
        _best(places, row, np.array([has_source[one] for one in row], bool), worth, n_places),
        row,
        rates,
        looks,
    )


def find_consensus(regions: Sequence[Mapping[str, Any]], n_inspected: int, width: int, height: int) -> Consensus:
    """Consensus regions and maps of one edit alone: of the people nothing is known, and all count alike.

    Args:
        regions: rows of the table `regions` about this edit, in any order.
        n_inspected: people who looked for flaws (outcome answered or no_flaw); at least 1.
        width, height: of the edited image, in pixels.
    """
    person, names = pd.factorize(np.array([row["annotator"] for row in regions], object), sort=True)
    n_people = max(n_inspected, len(names))
    columns = {
        name: [row[name] for row in regions] for name in ("kind", "flaw_type", "extent", "description", "region_id")
    }
    shapes = outlines_of([row["polygon"] for row in regions])
    marks = Marks.of(np.zeros(len(regions), int), np.asarray(person, int), columns, shapes)
    inspected = np.zeros(n_people, int), np.arange(n_people)
    has_source = [bool(row["source_polygon"]) for row in regions]
    found = agree(marks, inspected, n_people, 1, columns["description"], has_source)
    rows = region_rows(found, range(len(found.kind)), lambda index: regions[index])
    maps = {
        kind: mark_map([row for row in regions if row["kind"] == kind], n_people, width, height)
        for kind in REGION_KINDS
    }
    return Consensus(rows, maps)


def region_rows(
    found: Agreement, chosen: Sequence[int], row_of: Callable[[int], Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Rows of the table `consensus`, without edit_id, the most probable first.

    Args:
        chosen: regions of one edit; row_of: from a row number of the input to the row.
    """
    rows = []
    for index in chosen:
        shape = found.places.shapes[index]
        reason = row_of(int(found.reason[index]))
        source = int(found.source[index])
        if shape is not None:
            polygon: Polygon = from_shape(shape)
        else:  # a missing thing may have been pointed at all the same
            polygon = reason["polygon"]
        rows.append(
            {
                "kind": REGION_KINDS[found.kind[index]],
                "flaw_type": FLAW_TYPES[found.flaw_type[index]].id,
                "extent": EXTENTS[found.places.extent[index]],
                "polygon": polygon,
                "source_polygon": row_of(source)["source_polygon"] if source >= 0 else [],
                "description": reason["description"],
                "support": int(found.support[index]),
                "probability": float(found.probability[index]),
            }
        )
    order = {flaw.id: number for number, flaw in enumerate(FLAW_TYPES)}
    # Equal to the ninth digit is equal: sums over a campaign round otherwise on another machine.
    rows.sort(
        key=lambda row: (-round(row["probability"], 9), row["kind"], order[row["flaw_type"]], str(row["polygon"]))
    )
    return rows


def is_worth_reading(text: str) -> bool:
    """Whether a reason says more than the flaw type that was chosen: it has eight letters."""
    start = text[:MOST_LOOKED_AT]
    if len(bare := start.replace(" ", "")) >= LEAST_LETTERS and bare.isascii() and bare.isalpha():
        return True  # nearly all of them, without a search
    return len(_LETTER.findall(start)) + 2 * len(_IDEOGRAPH.findall(start)) >= LEAST_LETTERS


def pairwise_iou(polygons: Sequence[Polygon]) -> np.ndarray:
    """Intersection over union of every polygon with every other: float64, shape (n, n), in 0..1.

    The image's aspect plays no part: stretching changes no ratio of areas.

    Source:
        Jaccard index; the area of overlap of the PASCAL VOC detection task (Everingham et al., IJCV 2010).
    """
    shapes = outlines_of(polygons)
    iou = np.eye(len(shapes))
    # Most pairs do not touch: ask the index which may, and compute only those.
    i, j = STRtree(shapes).query(shapes)
    shared = shared_area(shapes, i, j)
    iou[i, j] = shared / (area(shapes[i]) + area(shapes[j]) - shared)
    return iou


def _looks(places: Places, inspected_edit: np.ndarray, inspected_person: np.ndarray, n_edits: int) -> Looks:
    order = np.lexsort((inspected_person, inspected_edit))
    edit, person = inspected_edit[order], inspected_person[order]
    count = np.bincount(edit, minlength=n_edits)
    start = np.cumsum(count) - count
    looks = count[places.edit]
    place = np.repeat(np.arange(len(places.edit)), looks)
    within = np.arange(len(place)) - np.repeat(np.cumsum(looks) - looks, looks)
    looker = person[start[places.edit[place]] + within]
    n_people = int(max(person.max(initial=-1), places.seen_person.max(initial=-1))) + 1
    seen = np.isin(place * n_people + looker, places.seen_place * n_people + places.seen_person)
    return Looks(place, looker, seen, edit, person)


def _vote(place: np.ndarray, person: np.ndarray, choice: np.ndarray, weight: np.ndarray, n_places: int) -> np.ndarray:
    """The choice of most in each place. A person has one vote for each choice made, however many drawings say so."""
    votes = pd.DataFrame({"place": place, "person": person, "choice": choice}).drop_duplicates()
    votes["weight"] = weight[votes["person"]]
    totals = votes.groupby(["place", "choice"])["weight"].sum().reset_index()
    totals["weight"] = totals["weight"].round(9)
    best = totals.sort_values(["place", "weight", "choice"], ascending=[True, False, True]).drop_duplicates("place")
    result = np.zeros(n_places, int)
    result[best["place"].to_numpy(int)] = best["choice"].to_numpy(int)
    return result


def _best(places: Places, row: np.ndarray, fits: np.ndarray, worth: np.ndarray, n_places: int) -> np.ndarray:
    """Of each place the row of the drawing nearest to it that fits, a text worth reading before any other; -1: none."""
    order = np.lexsort((places.mark, -places.nearness.round(9), ~worth, places.place))
    order = order[fits[order]]
    filled, first = np.unique(places.place[order], return_index=True)
    result = np.full(n_places, -1)
    result[filled] = row[order[first]]
    return result
