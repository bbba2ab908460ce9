"""Rows of a built dataset as samples to train and to be measured on: what people said, and nothing that they did not.

Only the pair, the instruction and the people's answers are read. The task and the model of an edit are kept for
grouping results; no agent sees them.
"""

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar, overload

import cv2
import numpy as np
from datasets import Image as ImageFeature
from PIL import Image

import editfhf
from editfhf.errors import BadInput, first_line
from editfhf.photo_file import DECODE_ERRORS
from editfhf.schema import DIMENSIONS, REGION_KINDS, REGION_TYPES
from refiner.agents import Pair

MAP_COLUMNS = {"artifact": "artifact_map", "editing_failure": "failure_map"}
COLUMNS = (
    "edit_id", "source_id", "source_image", "edited_image", "instruction", "task", "task_group", "model", "regions",
    "artifact_map", "failure_map", *DIMENSIONS, *(f"{name}_std" for name in DIMENSIONS),
    *(f"{name}_n" for name in DIMENSIONS),
)  # fmt: skip
SMALLEST_TRAIN = 24  # edits: below that there is nothing to learn from, and nothing to say so by
SMALLEST_VALIDATION = 4
MAJORITY = 0.5  # of the people who looked for flaws: then a region counts as agreed on
MORE_THAN_A_SLIP = 2  # people: what one alone marked is as often a slip
Item = TypeVar("Item")


class Lazy(Sequence[Item]):
    """`length` items that are made whenever they are asked for, by `make(number)`, and not held; a slice is a list."""

    def __init__(self, length: int, make: Callable[[int], Item]) -> None:
        self._numbers, self._make = range(length), make

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> Item: ...

    @overload
    def __getitem__(self, place: slice) -> list[Item]: ...

    def __getitem__(self, place: int | slice) -> Item | list[Item]:
        numbers = self._numbers[place]
        return self._make(numbers) if isinstance(numbers, int) else [self._make(number) for number in numbers]


@dataclass(frozen=True, slots=True)
class Sample:
    """One edit and what people said of it.

    Attributes:
        source, edited: encoded images, as they lie in the dataset.
        scores: dimension → MOS, 0..100 (None where nobody rated); deviations: of people's ratings around it.
        regions: consensus regions, as in the dataset; maps: kind → encoded 8-bit grey image, or None.
        n_raters: dimension → how many ratings its score is of.
        n_inspected: who looked for flaws, the denominator of every share.
        group: edits of one photo by one instruction share it.
    """

    edit_id: str
    source_id: str
    source: bytes
    edited: bytes
    instruction: str
    task: str
    task_group: str
    model: str
    scores: Mapping[str, float | None]
    deviations: Mapping[str, float | None]
    regions: list[dict[str, Any]]
    maps: Mapping[str, bytes | None]
    n_raters: Mapping[str, int]
    n_inspected: int

    @property
    def group(self) -> str:
        return f"{self.source_id}/{self.instruction}"

    @property
    def is_judged(self) -> bool:
        """Whether people both rated it and looked for flaws."""
        return all(self.scores[name] is not None for name in DIMENSIONS) and all(self.maps.values())

    def pair(self) -> Pair:
        return Pair(decode(self.source), decode(self.edited), self.instruction)

    def map_of(self, kind: str, size: tuple[int, int] | None = None) -> np.ndarray:
        """The share of people who marked each pixel: float32, shape (height, width), 0..1; `size`: (width, height)."""
        data = self.maps[kind]
        if data is None:
            raise BadInput(f"Edit {self.edit_id} has no {kind} map: nobody looked for flaws on it.")
        with Image.open(io.BytesIO(data)) as image:
            grey = np.asarray(image, np.float32) / 255
        return grey if size is None else cv2.resize(grey, size, interpolation=cv2.INTER_AREA)

    def share_of(self, region: Mapping[str, Any]) -> float:
        """The share of those who looked for flaws that stands behind a region, 0..1."""
        return min(1.0, region["support"] / max(1, self.n_inspected))

    @property
    def fewest(self) -> int:
        """People from whom a mark is more than a slip: two, or the one who looked."""
        return min(MORE_THAN_A_SLIP, max(1, self.n_inspected))

    @property
    def agreed_share(self) -> float:
        """The share of those who looked from which a region is agreed on: at least half, and `fewest`."""
        return max(MAJORITY, self.fewest / max(1, self.n_inspected))

    def agreed_regions(self, kind: str) -> list[dict[str, Any]]:
        """The regions of a kind that people agree on, see `agreed_share`."""
        return [
            region for region in self.regions if region["kind"] == kind and self.share_of(region) >= self.agreed_share
        ]

    def is_present(self, kind: str) -> bool:
        """Whether people agree on a flaw of this kind."""
        return bool(self.agreed_regions(kind))

    def is_marked(self, kind: str) -> bool:
        """Whether `fewest` people marked the same flaw of this kind."""
        return any(region["kind"] == kind and region["support"] >= self.fewest for region in self.regions)

    def variance_of_mean(self, dimension: str) -> float:
        """The variance of the opinion score itself, that comes of few people having rated; 0 where one did."""
        deviation = self.deviations[dimension]
        return deviation**2 / self.n_raters[dimension] if deviation is not None and np.isfinite(deviation) else 0.0

    def is_clean(self) -> bool:
        """Whether no flaw of any kind was marked by `fewest` people."""
        return not any(self.is_marked(kind) for kind in REGION_KINDS)


def read_samples(dataset: str, split: str, only: Collection[str] | None = None) -> list[Sample]:
    """The judged edits of one split, in the order of their ids, held in memory. `open_samples` holds none."""
    return list(open_samples(dataset, split, only))


def open_samples(
    dataset: str, split: str, only: Collection[str] | None = None, but: Collection[str] = ()
) -> Lazy[Sample]:
    """The judged edits of one split, in the order of their ids; each is read from the disk when it is asked for.

    Args:
        dataset: a folder that `editfhf build` wrote, or a name on the Hub.
        only: edit ids; default: all. but: edit ids that are left out.

    Raises:
        BadInput: no such dataset, or it lacks a column.
    """
    table = editfhf.load(dataset)[split]
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise BadInput(f"{dataset} has no column {missing[0]!r}.", mend="Build it with this version: `editfhf build`.")
    table = table.select_columns(list(COLUMNS))
    for name in ("source_image", "edited_image", *MAP_COLUMNS.values()):
        table = table.cast_column(name, ImageFeature(decode=False))
    inspected = _inspected(dataset, split)
    samples: Lazy[Sample] = Lazy(len(table), lambda row: _sample(table[row], inspected))
    known = sorted(
        (one.edit_id, row)
        for row, one in enumerate(samples)
        if one.is_judged and one.edit_id not in but and (only is None or one.edit_id in only)
    )
    return Lazy(len(known), lambda number: samples[known[number][1]])


def require_trainable(dataset: str, train: Collection[Sample], validation: Collection[Sample]) -> None:
    """Whether there is enough to learn from.

    Raises:
        BadInput: too few judged edits, one of the two kinds is missing, or a score is not a number.
    """
    if len(train) < SMALLEST_TRAIN or len(validation) < SMALLEST_VALIDATION:
        raise BadInput(
            f"{dataset} has {len(train)} judged edits to train on and {len(validation)} to validate on; "
            f"{SMALLEST_TRAIN} and {SMALLEST_VALIDATION} are the least.",
            mend="Make and annotate more edits, of more photos, and build it again.",
        )
    kinds = Counter(kind for one in train for kind in REGION_KINDS if one.is_present(kind))
    for kind in REGION_KINDS:
        if not kinds[kind]:
            raise BadInput(
                f"{dataset}: people agree on no region of kind {kind} in the split `train`.",
                mend="Both kinds are needed to learn from; annotate more edits and build it again.",
            )
    for one in chain(train, validation):
        for name, score in one.scores.items():
            if score is None or not np.isfinite(score):
                raise BadInput(
                    f"{dataset}: edit {one.edit_id}: {name} is {score}.",
                    mend=f"`editfhf validate {dataset}` says what else is wrong; build it again.",
                )


def people_of(dataset: str) -> set[str]:
    """The kinds of people who answered: human, simulated."""
    answers = editfhf.load(dataset, "answers")
    return {kind for table in answers.values() for kind in table.unique("annotator_kind")}


def decode(data: bytes) -> np.ndarray:
    """An encoded image as uint8, shape (height, width, 3), RGB.

    Raises:
        BadInput: it cannot be decoded.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"))
    except DECODE_ERRORS as error:
        raise BadInput(
            f"An image of the dataset cannot be read: {first_line(error)}.",
            mend="`editfhf validate DIR` names it; build the dataset again.",
        ) from error


def content_hash(data: bytes) -> str:
    """The sha-256 of encoded bytes, in hex: under it features are kept."""
    return hashlib.sha256(data).hexdigest()


def fingerprint(samples: Iterable[Sample]) -> str:
    """16 hex digits that change when the samples do: their ids, scores, maps and images."""
    digest = hashlib.sha256()
    for one in samples:
        said = (
            sorted(one.scores.items()),
            sorted(one.deviations.items()),
            sorted(one.n_raters.items()),
            one.n_inspected,
            one.regions,
        )
        for part in (one.edit_id, one.instruction, repr(said)):
            digest.update(part.encode())
        for data in (one.source, one.edited, *(data or b"" for data in one.maps.values())):
            digest.update(hashlib.sha256(data).digest())
    return digest.hexdigest()[:16]


def _inspected(dataset: str, split: str) -> Counter[str]:
    """Edit → how many people looked for flaws on it."""
    columns = ["edit_id", "annotator", "project_type", "outcome", "screened"]
    answers = editfhf.load(dataset, "answers")[split].select_columns(columns)
    # Who only rated has not looked for flaws.
    people = {
        (row["edit_id"], row["annotator"])
        for row in answers
        if row["project_type"] in REGION_TYPES and row["outcome"] in ("answered", "no_flaw") and not row["screened"]
    }
    return Counter(edit_id for edit_id, _ in people)


def _sample(row: Mapping[str, Any], inspected: Mapping[str, int]) -> Sample:
    return Sample(
        edit_id=row["edit_id"],
        source_id=row["source_id"],
        source=row["source_image"]["bytes"],
        edited=row["edited_image"]["bytes"],
        instruction=row["instruction"],
        task=row["task"],
        task_group=row["task_group"],
        model=row["model"],
        scores={name: row[name] for name in DIMENSIONS},
        deviations={name: row[f"{name}_std"] for name in DIMENSIONS},
        regions=row["regions"],
        maps={kind: (row[column] or {}).get("bytes") for kind, column in MAP_COLUMNS.items()},
        n_raters={name: row[f"{name}_n"] for name in DIMENSIONS},
        n_inspected=inspected.get(row["edit_id"], 0),
    )
