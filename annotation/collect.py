"""Brings the answers home: the server's export, checked item by item, as the tables of the workspace."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from annotation.answers import ParsedAnnotation, Refusal, author_of, parse_annotation
from annotation.campaign import heal, project_of
from annotation.client import Client
from annotation.pseudonyms import Pseudonyms, annotator_kind
from editfhf.errors import JobFailed
from editfhf.files import remove_leftovers, whole_file
from editfhf.schema import TABLES, to_table
from editfhf.workspace import Workspace

PULLED_TABLES = ("ratings", "regions", "answers", "refused_answers")
BLOCK = 1 << 20  # characters of the export read at a time
BATCH = 5000  # records that are Python objects at one time


@dataclass(frozen=True, slots=True)
class PullCounts:
    """Rows of each table after this pull."""

    ratings: int
    regions: int
    answers: int
    refused: int
    projects: list[int]

    def as_row(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("ratings", "regions", "answers", "refused", "projects")}


def pull(workspace: Workspace, client: Client) -> PullCounts:
    """Replace the answers in the workspace by those on the server; what was changed or deleted there follows.

    The export is kept as it came, in `annotation/raw/`. What cannot be taken goes to the table `refused_answers`.

    Raises:
        BadInput: the campaign has no project on the server.
        JobFailed: the export is cut short or is none.
    """
    with workspace.lock("annotate"):
        project = project_of(workspace, client)
        heal(client, project)
        raw = fetch_export(workspace, client, project)
        emails = client.users()
        harvest = _Harvest(workspace, project, emails)
        for task in read_export(raw):
            harvest.add(task)
        tables = harvest.tables()
        for name, table in tables.items():
            workspace.write_table(name, table)
    counts = {name: table.num_rows for name, table in tables.items()}
    return PullCounts(counts["ratings"], counts["regions"], counts["answers"], counts["refused_answers"], [project])


def fetch_export(workspace: Workspace, client: Client, project: int) -> Path:
    """Bring the server's export of a project to `annotation/raw/`, in the place of the last one. Holding the lock."""
    path = workspace.annotation_dir / "raw" / f"project-{project}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)
    with whole_file(path, mode=0o600) as temporary:
        client.export(project, temporary)
    return path


def read_export(path: Path) -> Iterator[dict[str, Any]]:
    """The tasks of a JSON export, one after the other: a list of gigabytes is never held whole.

    Raises:
        JobFailed: it is cut short or is not a list of objects.
    """
    decoder = json.JSONDecoder()
    with path.open(encoding="utf-8") as file:
        text, position = file.read(BLOCK).lstrip(), 1
        if not text.startswith("["):
            raise _not_an_export(path)
        while True:
            while position < len(text) and text[position] in ", \t\r\n":
                position += 1
            if text[position : position + 1] == "]":
                return
            try:
                task, position = decoder.raw_decode(text, position)
            except ValueError:
                more = file.read(BLOCK)
                if not more:
                    raise _not_an_export(path) from None
                text, position = text[position:] + more, 0
                continue
            if not isinstance(task, dict):
                raise _not_an_export(path)
            yield task


@dataclass(slots=True)
class _Harvest:
    """Records of all answers; batches of them become Arrow tables at once, which take a tenth of the memory."""

    workspace: Workspace
    project: int
    emails: dict[int, str]
    _pending: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    _done: dict[str, list[pa.Table]] = field(default_factory=lambda: defaultdict(list))
    _order: list[tuple[str, str, str, int, str]] = field(default_factory=list)
    _answered: set[tuple[str, str]] = field(default_factory=set)
    _known: set[str] = field(init=False)
    _pseudonyms: Pseudonyms = field(init=False)

    def __post_init__(self) -> None:
        self._known = set(self.workspace.ledger.statuses())
        self._pseudonyms = Pseudonyms.of(self.workspace)

    def add(self, task: dict[str, Any]) -> None:
        data = task.get("data")
        edit_id = str(data.get("edit_id", "")) if isinstance(data, dict) else ""
        edit_id = edit_id.encode(errors="replace").decode()  # JSON may hold half a surrogate pair
        annotations = task.get("annotations")
        # Of several answers of one person the last that was not skipped counts.
        for annotation in sorted(annotations if isinstance(annotations, list) else [], key=_latest_first):
            self._add_annotation(task, edit_id, annotation)

    def tables(self) -> dict[str, pa.Table]:
        for name in PULLED_TABLES:
            self._flush(name)
        tables = {
            name: pa.concat_tables([TABLES[name].empty_table(), *self._done[name]]).combine_chunks()
            for name in PULLED_TABLES
        }
        tables["ratings"] = _with_positions(tables["ratings"], self._order)
        return tables

    def _add_annotation(self, task: dict[str, Any], edit_id: str, annotation: Any) -> None:
        author = author_of(annotation)
        email = self.emails.get(author, "") if author is not None else ""
        annotator = self._pseudonyms.of_email(email) if email else ""
        if edit_id not in self._known:
            parsed = ParsedAnnotation(refusals=[Refusal("", f"this workspace has no edit {edit_id[:80]!r}")])
        elif not email:
            parsed = ParsedAnnotation(refusals=[Refusal("", "nobody on the server has given this answer")])
        elif (edit_id, annotator) in self._answered:
            parsed = ParsedAnnotation(refusals=[Refusal("", "this person answered twice; the other answer counts")])
        else:
            parsed = parse_annotation(annotation, edit_id, annotator, annotator_kind(email))
        if parsed.answer is not None:
            self._answered.add((edit_id, annotator))
            self._put("answers", [parsed.answer])
        if parsed.ratings:
            rating = parsed.ratings[0]
            self._order.append((annotator, rating.session, rating.submitted_at, _number(annotation, "id"), edit_id))
        self._put("ratings", parsed.ratings)
        self._put("regions", parsed.regions)
        self._put("refused_answers", [
            {
                "project": self.project, "task": _number(task, "id"), "annotation": _number(annotation, "id"),
                "edit_id": edit_id, "annotator": annotator, "part": refusal.part, "reason": refusal.reason,
                "raw": json.dumps(annotation),
            }
            for refusal in parsed.refusals
        ])  # fmt: skip

    def _put(self, name: str, records: list[Any]) -> None:
        self._pending[name] += records
        if len(self._pending[name]) >= BATCH:
            self._flush(name)

    def _flush(self, name: str) -> None:
        self._done[name].append(to_table(name, self._pending[name]))
        self._pending[name] = []


def _with_positions(ratings: pa.Table, order: list[tuple[str, str, str, int, str]]) -> pa.Table:
    """`position`: the how-manieth answer of this annotator on this day, from 1."""
    positions: dict[tuple[str, str], int] = {}
    reached: defaultdict[tuple[str, str], int] = defaultdict(int)
    for annotator, session, _, _, edit_id in sorted(order):
        reached[annotator, session] += 1
        positions[edit_id, annotator] = reached[annotator, session]
    keys = zip(ratings["edit_id"].to_pylist(), ratings["annotator"].to_pylist(), strict=True)
    column = pa.array([positions[key] for key in keys], pa.int32())
    return ratings.set_column(ratings.schema.get_field_index("position"), ratings.schema.field("position"), column)


def _latest_first(annotation: Any) -> tuple[bool, int]:
    skipped = isinstance(annotation, dict) and annotation.get("was_cancelled") is True
    return skipped, -_number(annotation, "id")


def _number(record: Any, key: str) -> int:
    value = record.get(key) if isinstance(record, dict) else None
    return value if isinstance(value, int) and 0 <= value < 2**63 else 0


def _not_an_export(path: Path) -> JobFailed:
    return JobFailed(
        f"{path} is not a whole export of Label Studio: the connection broke or the server failed.",
        mend="Pull again: `editfhf annotate pull`.",
    )
