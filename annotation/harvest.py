"""The answers of one project, checked item by item, as records in Arrow tables."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from annotation.answers import About, ParsedAnnotation, Refusal, author_of, parse_annotation, unknown_screen
from annotation.checks import Check, passes
from annotation.handed_out import HandedOut, Marks
from annotation.interface import AGREES, CONSENT, CONSENT_TEXT, FIRST, FLAW, NO_FLAW, SECOND
from annotation.pairs import Pair, left_of
from annotation.plates import plates_of, right_of
from annotation.pseudonyms import Pseudonyms, annotator_kind
from annotation.refusals import ANOTHERS, in_general
from annotation.worklist import ADMISSION, KNOWN_ANSWER, QUALIFICATION, REPEAT
from editfhf.schema import (
    OWN_TABLES,
    Admission,
    Answer,
    Assignment,
    CheckAnswer,
    Preference,
    Verdict,
    canonical_json,
    to_table,
)

HARVESTED = (
    "ratings", "regions", "answers", "check_answers", "verdicts", "preferences", "admissions", "refused_answers",
)  # fmt: skip
BATCH = 1000  # records that are Python objects at one time


@dataclass(frozen=True, slots=True)
class Known:
    """What answers are checked against.

    Attributes:
        items: what each item is about, by its id; checks: by theirs.
        edits: ids of the edits of this workspace.
        emails: of the server's users, by their numbers.
        edit_of_region: of regions that were handed out; pairs: that were, by their ids.
        unreadable: why pairs of some folders are not among these, one sentence for each folder.
        renamed: flaw types of earlier screens → those of today.
    """

    items: HandedOut
    checks: Mapping[str, Check]
    edits: set[str]
    emails: Mapping[int, str]
    pseudonyms: Pseudonyms
    edit_of_region: Mapping[str, str] = field(default_factory=dict)
    pairs: Mapping[str, Pair] = field(default_factory=dict)
    unreadable: Sequence[str] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Harvest:
    """Reads the answers of one project; of each table a batch of records is in memory, then it is handed on.

    What is held of all of them: a bit for each item and person who answered.

    Attributes:
        project: its number on the server, or 0 for an export that came as a file.
        put: takes rows of one of `HARVESTED`.
        project_type: of its screen; empty: not known.
        version_at: which screen it had at a time.
        taken: how many answers were; refused: of those that were not at all, how many for each reason (in general
            terms).
    """

    project: int
    known: Known
    put: Callable[[str, pa.Table], None]
    project_type: str = ""
    version_at: Callable[[str], str] = unknown_screen
    taken: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    _pending: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    _answered: dict[str, Marks] = field(default_factory=dict)

    def add(self, task: dict[str, Any]) -> None:
        """Take the answers on one task, as the server exports it (decoded JSON of any shape)."""
        annotations = task.get("annotations")
        # Of several answers of one person the last that was not skipped counts.
        for annotation in sorted(annotations if isinstance(annotations, list) else [], key=_latest_first):
            self._add_annotation(task, annotation)

    def finish(self) -> None:
        """Hand on what is left."""
        for name in HARVESTED:
            self._flush(name)

    def _add_annotation(self, task: dict[str, Any], annotation: Any) -> None:
        item = _text_of(task, "item") or _text_of(task, "edit_id")
        row = self.known.items.get(item)
        author = author_of(annotation)
        email = self.known.emails.get(author, "") if author is not None else ""
        annotator = self.known.pseudonyms.of_email(email) if email else ""
        problem = self._problem(item, row, annotator)
        if row is None or problem:
            parsed = ParsedAnnotation(refusals=[Refusal("", problem)])
        else:
            about = About(
                row.project_type, self._edit_of(row), annotator, annotator_kind(email), row.role == REPEAT,
                self.version_at, self.known.renamed,
            )  # fmt: skip
            parsed = parse_annotation(annotation, about)
            left = self._left(row, task, parsed)
            if parsed.answer is not None:
                self._note_answered(item, annotator)
                if row.role == ADMISSION:
                    self._keep_admission(row, parsed, task)
                else:
                    self._keep(row, parsed, left)
        is_taken = parsed.answer is not None
        self.taken += is_taken
        if not is_taken and parsed.refusals:
            self.refused[in_general(parsed.refusals[0].reason)] += 1
        self._put("refused_answers", [
            {
                "project": self.project, "task": _number(task, "id"), "annotation": _number(annotation, "id"),
                "edit_id": self._edit_of(row) if row else item, "annotator": annotator,
                "part": refusal.part, "reason": refusal.reason, "raw": json.dumps(annotation),
                "project_type": row.project_type if row else self.project_type, "taken": is_taken,
            }
            for refusal in parsed.refusals
        ])  # fmt: skip

    def _problem(self, item: str, row: Assignment | None, annotator: str) -> str:
        if row is None:
            return f"this workspace has handed out no item {item[:80]!r}"
        if row.project_type == "verify" and row.edit_id not in self.known.edit_of_region:
            return f"this workspace knows no region {row.edit_id!r}"
        if row.project_type == "preference" and row.edit_id not in self.known.pairs:
            return " ".join([f"this workspace has no pair {row.edit_id!r}", *self.known.unreadable])
        if row.project_type in OWN_TABLES or row.role == ADMISSION:
            return self._problem_of_author(item, row, annotator)
        if row.role not in KNOWN_ANSWER and row.edit_id not in self.known.edits:
            return f"this workspace has no edit {row.edit_id!r}"
        if row.role in KNOWN_ANSWER and row.edit_id not in self.known.checks:
            return f"this workspace has no check {row.edit_id!r}"
        return self._problem_of_author(item, row, annotator)

    def _problem_of_author(self, item: str, row: Assignment, annotator: str) -> str:
        if not annotator:
            return "nobody on the server has given this answer"
        if row.annotator and row.annotator != annotator:
            return ANOTHERS
        if self._has_answered(item, annotator):
            return "this person answered twice; the other answer counts"
        return ""

    def _has_answered(self, item: str, annotator: str) -> bool:
        own, place = self._answered.get(annotator), self.known.items.place_of(item)
        return own is not None and place is not None and place in own

    def _note_answered(self, item: str, annotator: str) -> None:
        own, place = self._answered.setdefault(annotator, Marks(len(self.known.items))), self.known.items.place_of(item)
        assert place is not None
        own.add(place)

    def _edit_of(self, row: Assignment) -> str:
        """The edit that an item is about; of a pair the first."""
        if row.project_type == "verify":
            return self.known.edit_of_region.get(row.edit_id, row.edit_id)
        pair = self.known.pairs.get(row.edit_id) if row.project_type == "preference" else None
        return pair.edit_id if pair else row.edit_id

    def _left(self, row: Assignment, task: dict[str, Any], parsed: ParsedAnnotation) -> str:
        """Which image of a pair the task shows on the left; an answer to a task that shows others is refused."""
        if row.project_type != "preference" or parsed.answer is None:
            return ""
        data = task.get("data")
        pair, key = self.known.pairs[row.edit_id], self.known.pseudonyms.key
        left = left_of(pair, data, key) if isinstance(data, dict) else None
        if left is None:
            parsed.refusals.append(Refusal("", "the task does not show the images of its pair"))
            parsed.answer = None
        return left or ""

    def _keep(self, row: Assignment, parsed: ParsedAnnotation, left: str) -> None:
        answer = parsed.answer
        assert answer is not None
        if row.role in KNOWN_ANSWER:
            scores = {rating.dimension: rating.score for rating in parsed.ratings}
            passed = passes(self.known.checks[row.edit_id], scores, parsed.regions, answer.outcome)
            if passed is None and row.role == QUALIFICATION:  # else who skips all of them would wait for ever
                passed = False
            if passed is not None:
                said = canonical_json({"outcome": answer.outcome, "scores": scores, "regions": len(parsed.regions)})
                self._put("check_answers", [
                    CheckAnswer(
                        row.edit_id, answer.annotator, answer.annotator_kind, row.project_type, row.role, passed, said,
                        answer.lead_time_s, answer.submitted_at,
                    )
                ])  # fmt: skip
            return
        if row.project_type in OWN_TABLES:
            self._keep_comparing(row, parsed, answer, left)
            return
        self._put("ratings", parsed.ratings)
        if row.role == REPEAT:  # it says how steady the person is; the edit was looked at once
            return
        self._put("answers", [answer])
        self._put("regions", parsed.regions)

    def _keep_admission(self, row: Assignment, parsed: ParsedAnnotation, task: dict[str, Any]) -> None:
        """What counts of the plates is what the task showed; who skips it all has not agreed."""
        answer, data = parsed.answer, task.get("data")
        assert answer is not None
        shown = data if isinstance(data, dict) else {}
        skipped = answer.outcome != "answered"
        consented = not skipped and (CONSENT_TEXT not in shown or parsed.said.get(CONSENT) == AGREES)
        plates = [one for one in plates_of(self.known.pseudonyms.key, answer.annotator) if one.control in shown]
        if not consented:  # who has not agreed is not asked
            plates = []
        rings = sum(one.sort == "acuity" for one in plates)
        self._put("admissions", [
            Admission(
                row.edit_id, answer.annotator, answer.annotator_kind, consented,
                right_of(plates, "acuity", parsed.said), rings,
                right_of(plates, "colour", parsed.said), len(plates) - rings,
                answer.lead_time_s, answer.submitted_at,
            )
        ])  # fmt: skip

    def _keep_comparing(self, row: Assignment, parsed: ParsedAnnotation, answer: Answer, left: str) -> None:
        """A verdict or a preference; `answers` says who looked at an edit as a whole."""
        who = (answer.annotator, answer.annotator_kind)
        when: dict[str, Any] = {
            "lead_time_s": answer.lead_time_s, "submitted_at": answer.submitted_at, "screen": answer.screen
        }  # fmt: skip
        if row.project_type == "verify":
            said = parsed.verdict
            verdict = answer.outcome if said is None else FLAW if said.is_flaw else NO_FLAW
            flaw_type = said.flaw_type if said else ""
            self._put("verdicts", [Verdict(row.edit_id, answer.edit_id, *who, verdict, flaw_type, **when)])
        else:
            pair = self.known.pairs[row.edit_id]
            other = SECOND if left == FIRST else FIRST
            choice = {FIRST: left, SECOND: other, "": answer.outcome}.get(parsed.preferred, parsed.preferred)
            self._put("preferences", [
                Preference(
                    pair.pair_id, pair.edit_id, pair.other_edit_id, pair.first_sha256, pair.second_sha256, *who,
                    choice, left, **when,
                )
            ])  # fmt: skip

    def _put(self, name: str, records: list[Any]) -> None:
        self._pending[name] += records
        if len(self._pending[name]) >= BATCH:
            self._flush(name)

    def _flush(self, name: str) -> None:
        if self._pending[name]:
            self.put(name, to_table(name, self._pending[name]))
            self._pending[name] = []


def _text_of(task: dict[str, Any], key: str) -> str:
    data = task.get("data")
    text = str(data.get(key, "")) if isinstance(data, dict) else ""
    return text.encode(errors="replace").decode()  # JSON may hold half a surrogate pair


def _latest_first(annotation: Any) -> tuple[bool, int]:
    skipped = isinstance(annotation, dict) and annotation.get("was_cancelled") is True
    return skipped, -_number(annotation, "id")


def _number(record: Any, key: str) -> int:
    value = record.get(key) if isinstance(record, dict) else None
    return value if isinstance(value, int) and 0 <= value < 2**63 else 0
