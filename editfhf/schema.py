"""The records that the wings exchange, and the tables that hold them.

Frozen dataclasses inside the process, Arrow tables (`TABLES`) on disk. A table of the workspace has the columns of the
dataset config of the same name, so that building the dataset selects rows and never translates them.
"""

import hashlib
import json
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal

import pyarrow as pa

DIMENSIONS = ("perceptual_quality", "instruction_following", "visual_consistency")
REGION_KINDS = ("artifact", "editing_failure")
EXTENTS = ("region", "whole", "missing")
OUTCOMES = ("answered", "no_flaw", "cannot_judge", "skipped")
ANNOTATOR_KINDS = ("human", "simulated")
# `together`: both first on one screen; `admission`: before the first session
PROJECT_TYPES = ("ratings", "regions", "together", "verify", "preference", "admission")
# Screens whose things are no edits: their answers have a table of their own, with these columns for the thing and for
# what was said of it.
OWN_TABLES: dict[str, tuple[str, str, str]] = {
    "verify": ("verdicts", "region_id", "verdict"),
    "preference": ("preferences", "pair_id", "choice"),
}
RATING_TYPES = ("ratings", "together")
REGION_TYPES = ("regions", "together")
SPLITS = ("train", "validation", "test")
WORKSPACE_COLUMNS = ("screen",)  # of tables of a workspace, not of the dataset that is built of them

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
class VlmAnswer:
    """What a vision-language model answered about one photo, word for word, when it was asked about these `tasks`.

    `refusal` says why it would not answer ("" when it did).
    """

    source_id: str
    model: str
    tasks: list[str]
    answer: str
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class SetAsideInstruction:
    """What a model wrote about a photo and could not be taken: why, and its words ("" when it gave none)."""

    source_id: str
    model: str
    reason: str
    answer: str


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

    `region_id` is of its outline, too: drawn anew, it is another region, and no verdict on the old one is on it.
    `polygon` lies on the edited image, `source_polygon` on the source photo (what vanished or was not edited); both are
    empty lists where nothing was drawn, which only `extent` `whole` and `missing` allow for `polygon`. `screen`: see
    `Answer`.
    """

    edit_id: str
    annotator: str
    annotator_kind: str
    region_id: str
    kind: str
    flaw_type: str
    extent: str
    polygon: Polygon
    source_polygon: Polygon
    description: str
    assisted: bool
    lead_time_s: float
    submitted_at: str
    screen: str = ""


@dataclass(frozen=True, slots=True)
class Rating:
    """One raw score by one annotator, on the scale as shown. `screen`: see `Answer`."""

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
    screen: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """That somebody looked at an edit: the denominator of every share. `reason` is given with `cannot_judge`.

    `screened`: the person's answers were set aside; in `regions` too none of theirs counts then.
    `screen`: the version (8 hex digits) of the labelling screen that the project had when the answer was given; ""
    where that is not known.
    """

    edit_id: str
    annotator: str
    annotator_kind: str
    project_type: str
    outcome: str
    reason: str
    lead_time_s: float
    submitted_at: str
    screened: bool = False
    screen: str = ""


@dataclass(frozen=True, slots=True)
class Assignment:
    """That one person is to look at one thing on one kind of screen.

    Attributes:
        item_id: all that the task on the server says of it: a keyed hash, which tells neither edit nor role.
        edit_id: of the edit, or of the check; on the screen `verify` of the region, on `preference` of the pair.
            On `admission` of the text that is agreed to.
        role: `edit`, `repeat` (of one that the same person rated before), `check`, `qualification`, or `admission`.
        position: the how-manieth of this person on this kind of screen, from 1.
    """

    item_id: str
    annotator: str
    project_type: str
    edit_id: str
    role: str
    position: int


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """How somebody answered an item whose answer is known; `passed`: an honest person could have answered so.

    What was skipped is there only of the qualification, where it is not passed.
    """

    check_id: str
    annotator: str
    annotator_kind: str
    project_type: str
    role: str
    passed: bool
    answer: str
    lead_time_s: float
    submitted_at: str


@dataclass(frozen=True, slots=True)
class Admission:
    """What somebody answered before the first session; it stays in the workspace, and is in no dataset.

    Attributes:
        consent_text: which text was shown: `annotation/consent/ID.txt`. consented: where it was asked; else True.
        acuity_right, acuity_of: rings whose gap was seen, of those shown (0: none were). colour_right, colour_of: the
            same of figures in dots. Not medical findings: nobody held the distance or the screen's colours.
    """

    consent_text: str
    annotator: str
    annotator_kind: str
    consented: bool
    acuity_right: int
    acuity_of: int
    colour_right: int
    colour_of: int
    lead_time_s: float
    submitted_at: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a second person says of a region that a single person drew.

    `verdict`: `flaw` (with its type), `no_flaw`, `cannot_judge` or `skipped`. `screen`: see `Answer`.
    """

    region_id: str
    edit_id: str
    annotator: str
    annotator_kind: str
    verdict: str
    flaw_type: str
    lead_time_s: float
    submitted_at: str
    screened: bool = False
    screen: str = ""


@dataclass(frozen=True, slots=True)
class Preference:
    """Which of two images of one photo and instruction somebody prefers, not knowing which is which.

    Attributes:
        edit_id, other_edit_id: of the first and the second; of an image after refining, which is no edit, "".
        first_sha256, second_sha256: of the pixels of both images where the second is no edit; "" for edits.
        choice: `first`, `second`, `tie`, `cannot_judge` or `skipped`, whatever side they were shown on.
        left: which was shown on the left, `first` or `second`.
        screen: see `Answer`.
    """

    pair_id: str
    edit_id: str
    other_edit_id: str
    first_sha256: str
    second_sha256: str
    annotator: str
    annotator_kind: str
    choice: str
    left: str
    lead_time_s: float
    submitted_at: str
    screened: bool = False
    screen: str = ""


@dataclass(frozen=True, slots=True)
class RefusedAnswer:
    """What `annotate pull` could not take: which `part` of an annotation, why, and the raw JSON: nothing is lost.

    `taken`: the rest of the annotation was; where it is False, nobody's opinion came of it.
    """

    project: int
    task: int
    annotation: int
    edit_id: str
    annotator: str
    part: str
    reason: str
    raw: str
    project_type: str = ""
    taken: bool = False


@dataclass(frozen=True, slots=True)
class OpinionScore:
    """Analysis → build: the mean opinion score of an edit in one dimension, on 0..100; `n` people."""

    edit_id: str
    dimension: str
    mos: float
    std: float
    ci95: float
    n: int


@dataclass(frozen=True, slots=True)
class ConsensusRegion:
    """Analysis → build: what `support` people together marked, and the `probability` that it is a flaw."""

    edit_id: str
    kind: str
    flaw_type: str
    extent: str
    polygon: Polygon
    source_polygon: Polygon
    description: str
    support: int
    probability: float


@dataclass(frozen=True, slots=True)
class PredictedRegion:
    """Refiner → annotation: a flaw that a trained model found. `confidence` in 0..1: that people would mark it.

    `model` names the run and what was in it (`refiner.runs.version_of`), so that a later look knows whose regions these
    are. No edit of a photo in the split `test` has one.
    """

    edit_id: str
    model: str
    kind: str
    flaw_type: str
    extent: str
    polygon: Polygon
    description: str
    confidence: float


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
_BOX = pa.list_(pa.float64())
_ARROW_TYPES: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int32(),
    float: pa.float64(),
    bool: pa.bool_(),
    list[str]: pa.list_(pa.string()),
    Polygon: _POLYGON,
    tuple[float, float, float, float] | None: _BOX,
}


def _columns_of(record: type) -> pa.Schema:
    """A column for each field of a record, in their order."""
    return pa.schema([(field.name, _ARROW_TYPES[field.type]) for field in fields(record)])


_RECORDS: dict[str, type] = {
    "sources": Source,
    "vlm_answers": VlmAnswer,
    "instructions_set_aside": SetAsideInstruction,
    "ratings": Rating,
    "regions": Region,
    "answers": Answer,
    "assignments": Assignment,
    "check_answers": CheckAnswer,
    "admissions": Admission,
    "verdicts": Verdict,
    "preferences": Preference,
    "refused_answers": RefusedAnswer,
    "mos": OpinionScore,
    "consensus": ConsensusRegion,
    "predictions": PredictedRegion,
}
TABLES: dict[str, pa.Schema] = {
    **{name: _columns_of(record) for name, record in _RECORDS.items()},
    "sources_set_aside": pa.schema([("file", pa.string()), ("reason", pa.string())]),
    "splits": pa.schema([("source_id", pa.string()), ("split", pa.string())]),
}


def as_of_today(name: str, table: pa.Table) -> pa.Table:
    """A stored table with the columns of `TABLES[name]`. Those that an earlier version did not know hold the default of
    their record.

    Raises:
        KeyError, pa.ArrowException: a column that has none is missing, or is of another type.
    """
    schema = TABLES[name]
    defaults = {field.name: field.default for field in fields(_RECORDS[name])} if name in _RECORDS else {}
    for column in schema.names:
        default = defaults.get(column, MISSING)
        if column not in table.column_names and default is not MISSING:
            table = table.append_column(column, pa.repeat(pa.scalar(default, schema.field(column).type), len(table)))
    return table.select(schema.names).cast(schema)


def to_table(name: str, records: list[Any]) -> pa.Table:
    """Records (dataclasses or dicts) as the Arrow table `name` of `TABLES`; fields that it lacks are left out."""
    schema = TABLES[name]

    def column(name: str) -> list[Any]:
        return [record[name] if isinstance(record, dict) else getattr(record, name) for record in records]

    return pa.Table.from_arrays([pa.array(column(field.name), field.type) for field in schema], schema=schema)
