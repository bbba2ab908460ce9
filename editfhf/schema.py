"""The records that the wings exchange, and the tables that hold them.

Frozen dataclasses inside the process, Arrow tables (`TABLES`) on disk. A table of the workspace has the columns of the
dataset config of the same name, so that building the dataset selects rows and never translates them.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pyarrow as pa

DIMENSIONS = ("perceptual_quality", "instruction_following", "visual_consistency")
REGION_KINDS = ("artifact", "editing_failure")
EXTENTS = ("region", "whole", "missing")
OUTCOMES = ("answered", "no_flaw", "cannot_judge", "skipped")
ANNOTATOR_KINDS = ("human", "simulated")
SPLITS = ("train", "validation", "test")

RegionKind = Literal["artifact", "editing_failure"]
Extent = Literal["region", "whole", "missing"]
# One outer ring, then holes; a ring is a list of [x, y] in 0..1 of the image's width and height, not closed.
Polygon = list[list[list[float]]]

ID_LENGTH = 16  # hex digits; 64 bits: a collision among 10^6 edits has a chance of 3e-8


@dataclass(frozen=True, slots=True)
class Source:
    """A photo as it was imported: its bytes never change again.

    `file` is relative to the workspace. `subject` names what the photo is of ("" when unknown) and `subject_box` bounds
    it (left, top, right, bottom in 0..1). A photo made worse on purpose (for colorize, restoration, deblur) names the
    clean one in `derived_from` and says in `degradation`, as JSON, what was done to it.
    """

    source_id: str
    file: str
    width: int
    height: int
    licence: str
    origin: str
    subject: str = ""
    subject_box: tuple[float, float, float, float] | None = None
    derived_from: str = ""
    degradation: str = ""

    @property
    def root_id(self) -> str:
        """The photo that decides the split: a derived source goes where its clean photo goes."""
        return self.derived_from or self.source_id


@dataclass(frozen=True, slots=True)
class Instruction:
    """What to do to one photo for one task. `author` is `template`, `file` or `vlm:MODEL`."""

    instruction_id: str
    source_id: str
    task: str
    text: str
    target: str = ""
    author: str = "template"
    reviewed: bool = False


@dataclass(frozen=True, slots=True)
class Edit:
    """An edited image that is planned (`image` is "") or made. `image` is relative to the workspace."""

    edit_id: str
    source_id: str
    task: str
    instruction: str
    model: str
    model_revision: str
    params: dict[str, Any]
    seed: int
    parent_edit_id: str = ""
    image: str = ""
    width: int = 0
    height: int = 0

    @classmethod
    def plan(
        cls,
        source_id: str,
        task: str,
        instruction: str,
        model: str,
        model_revision: str,
        params: dict[str, Any],
        seed: int,
        parent_edit_id: str = "",
    ) -> "Edit":
        """An edit that is yet to be made, with the id that these inputs always give."""
        edit_id = edit_id_of(source_id, task, instruction, model, model_revision, params, seed)
        return cls(edit_id, source_id, task, instruction, model, model_revision, params, seed, parent_edit_id)


@dataclass(frozen=True, slots=True)
class Region:
    """One flaw that one annotator marked on one edited image.

    `polygon` lies on the edited image, `source_polygon` on the source photo (what vanished or was not edited); both are
    empty lists where nothing was drawn, which only `extent` `whole` and `missing` allow for `polygon`.
    """

    region_id: str
    edit_id: str
    annotator: str
    annotator_kind: str
    kind: str
    flaw_type: str
    extent: str
    polygon: Polygon
    source_polygon: Polygon
    description: str
    assisted: bool
    lead_time_s: float
    submitted_at: str


@dataclass(frozen=True, slots=True)
class Rating:
    """One raw score by one annotator, on the scale as shown."""

    edit_id: str
    annotator: str
    annotator_kind: str
    dimension: str
    score: float
    scale_min: float
    scale_max: float
    session: str
    position: int
    lead_time_s: float
    submitted_at: str
    repeat: bool = False
    check: bool = False
    screened: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """That somebody looked at an edit: the denominator of every share. `reason` is given with `cannot_judge`."""

    edit_id: str
    annotator: str
    annotator_kind: str
    project_type: str
    outcome: str
    reason: str
    lead_time_s: float
    submitted_at: str


def edit_id_of(
    source_id: str, task: str, instruction: str, model: str, model_revision: str, params: dict[str, Any], seed: int
) -> str:
    """16 hex digits of a sha-256 over all that decides the pixels of an edit. Same inputs, same id, on any machine."""
    return stable_id(source_id, task, instruction, model, model_revision, canonical_json(params), str(seed))


def stable_id(*parts: str) -> str:
    """16 hex digits of the sha-256 of the parts. Lengths are hashed too, so that ("ab", "c") is not ("a", "bc")."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()[:ID_LENGTH]


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text. NaN is refused (ValueError)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


_POLYGON = pa.list_(pa.list_(pa.list_(pa.float64())))

TABLES: dict[str, pa.Schema] = {
    "sources": pa.schema(
        [
            ("source_id", pa.string()),
            ("file", pa.string()),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("licence", pa.string()),
            ("origin", pa.string()),
            ("subject", pa.string()),
            ("subject_box", pa.list_(pa.float64())),
            ("derived_from", pa.string()),
            ("degradation", pa.string()),
        ]
    ),
    "sources_set_aside": pa.schema([("file", pa.string()), ("reason", pa.string())]),
    "splits": pa.schema([("source_id", pa.string()), ("split", pa.string())]),
    "ratings": pa.schema(
        [
            ("edit_id", pa.string()),
            ("annotator", pa.string()),
            ("annotator_kind", pa.string()),
            ("dimension", pa.string()),
            ("score", pa.float64()),
            ("scale_min", pa.float64()),
            ("scale_max", pa.float64()),
            ("session", pa.string()),
            ("position", pa.int32()),
            ("lead_time_s", pa.float64()),
            ("submitted_at", pa.string()),
            ("repeat", pa.bool_()),
            ("check", pa.bool_()),
            ("screened", pa.bool_()),
        ]
    ),
    "regions": pa.schema(
        [
            ("edit_id", pa.string()),
            ("annotator", pa.string()),
            ("annotator_kind", pa.string()),
            ("region_id", pa.string()),
            ("kind", pa.string()),
            ("flaw_type", pa.string()),
            ("extent", pa.string()),
            ("polygon", _POLYGON),
            ("source_polygon", _POLYGON),
            ("description", pa.string()),
            ("assisted", pa.bool_()),
            ("lead_time_s", pa.float64()),
            ("submitted_at", pa.string()),
        ]
    ),
    "answers": pa.schema(
        [
            ("edit_id", pa.string()),
            ("annotator", pa.string()),
            ("annotator_kind", pa.string()),
            ("project_type", pa.string()),
            ("outcome", pa.string()),
            ("reason", pa.string()),
            ("lead_time_s", pa.float64()),
            ("submitted_at", pa.string()),
        ]
    ),
    # What `annotate pull` could not take, with the reason; the raw JSON is kept so that nothing is lost.
    "refused_answers": pa.schema(
        [
            ("project", pa.int64()),
            ("task", pa.int64()),
            ("annotation", pa.int64()),
            ("edit_id", pa.string()),
            ("annotator", pa.string()),
            ("part", pa.string()),
            ("reason", pa.string()),
            ("raw", pa.string()),
        ]
    ),
    # analysis → build: opinion scores on 0..100, a row per edit and dimension
    "mos": pa.schema(
        [
            ("edit_id", pa.string()),
            ("dimension", pa.string()),
            ("mos", pa.float64()),
            ("std", pa.float64()),
            ("ci95", pa.float64()),
            ("n", pa.int32()),
        ]
    ),
    # analysis → build: consensus regions; `support` people marked it, `probability` that it is a flaw
    "consensus": pa.schema(
        [
            ("edit_id", pa.string()),
            ("kind", pa.string()),
            ("flaw_type", pa.string()),
            ("extent", pa.string()),
            ("polygon", _POLYGON),
            ("source_polygon", _POLYGON),
            ("description", pa.string()),
            ("support", pa.int32()),
            ("probability", pa.float64()),
        ]
    ),
}


def to_table(name: str, records: list[Any]) -> pa.Table:
    """Records (dataclasses or dicts) as the Arrow table `name` of `TABLES`; fields that it lacks are left out."""
    schema = TABLES[name]
    rows = [record if isinstance(record, dict) else asdict(record) for record in records]
    return pa.Table.from_pylist([{field: row[field] for field in schema.names} for row in rows], schema=schema)
