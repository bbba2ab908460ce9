"""From Label Studio's annotations, which may hold anything, to records; what cannot be taken is refused, with why."""

import math
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictStr, ValidationError

from annotation import interface
from editfhf.errors import BadInput
from editfhf.flaws import FLAWS
from editfhf.geometry import mend_polygon
from editfhf.schema import RATING_TYPES, REGION_TYPES, Answer, Polygon, Rating, Region, stable_id

MAX_REASON_LENGTH = 2000

_LABELS = {label: kind for kind, label in interface.KIND_LABELS.items()}
_SCORES = {
    dimension: {grade: float(score) for score, grade in enumerate(grades, start=interface.SCALE[0])}
    for dimension, grades in interface.GRADES.items()
}
_PLACELESS_REASONS = {interface.reason_of(control): control for control in interface.PLACELESS}
_PER_REGION = {interface.REASON, *interface.TYPE_CONTROLS.values()}
_PER_SOURCE_REGION = {interface.SOURCE_TYPE, interface.SOURCE_REASON}
_KNOWN = {
    interface.POLYGONS, *_PER_REGION, interface.SOURCE_POLYGONS, *_PER_SOURCE_REGION, *interface.QUESTIONS,
    *interface.PLACELESS, *_PLACELESS_REASONS, interface.OUTCOME, interface.OUTCOME_REASON,
    interface.VERDICT, interface.VERDICT_TYPE, interface.PREFERENCE, interface.CONSENT, *interface.PLATE_CONTROLS,
}  # fmt: skip
UNKNOWN_TYPE = "is no flaw type"  # in the reason of whatever is refused for it, after the type in quotes


def _encodable(text: str) -> str:
    text.encode()  # JSON may hold half a surrogate pair, which no file can; its UnicodeError is a ValueError
    return text


_String = Annotated[StrictStr, AfterValidator(_encodable)]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A part of an annotation (`""`: all of it) that cannot be taken, and why."""

    part: str
    reason: str


def unknown_screen(_submitted_at: str) -> str:
    """Of an answer that came from elsewhere."""
    return ""


@dataclass(frozen=True, slots=True)
class About:
    """What an annotation is about.

    Attributes:
        project_type: of the screen; annotator: a pseudonym; annotator_kind: human or simulated.
        repeat: the person rates this edit for the second time.
        version_at: which screen its project had at a time (ISO 8601 in UTC).
        renamed: flaw types that were called otherwise on an earlier screen: the old id → that of today.
    """

    project_type: str
    edit_id: str
    annotator: str
    annotator_kind: str
    repeat: bool = False
    version_at: Callable[[str], str] = unknown_screen
    renamed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a second person says of one region: whether it is a flaw, and then of which type ("" otherwise)."""

    is_flaw: bool
    flaw_type: str


@dataclass(slots=True)
class ParsedAnnotation:
    """What an annotation says. `answer` is None when nothing of it could be taken.

    Attributes:
        verdict: of the screen `verify`; preferred: of the screen `preference`: `first` (left), `second`, `tie`.
        said: of the screen `admission`: control → what was chosen.
    """

    answer: Answer | None = None
    ratings: list[Rating] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    verdict: Verdict | None = None
    preferred: str = ""
    said: dict[str, str] = field(default_factory=dict)


class _Outer(BaseModel):
    model_config = ConfigDict(extra="ignore")

    result: list[Any]
    was_cancelled: bool = False
    # 0 where the server does not know (it does not for what came through its API).
    lead_time: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    created_at: datetime


class _Item(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: Annotated[_String, Field(min_length=1)]
    from_name: _String
    value: dict[str, Any]
    origin: Any = None


class _Polygon(BaseModel):
    points: list[tuple[Annotated[float, Field(strict=True)], Annotated[float, Field(strict=True)]]]
    polygonlabels: Annotated[list[_String], Field(min_length=1, max_length=1)]


class _Choice(BaseModel):
    choices: Annotated[list[_String], Field(min_length=1)]


class _Text(BaseModel):
    text: list[_String] | _String


def author_of(annotation: Any) -> int | None:
    """The user whose answer it is, or None where the server does not say."""
    author = annotation.get("completed_by") if isinstance(annotation, dict) else None
    return author if isinstance(author, int) and not isinstance(author, bool) else None


def parse_annotation(annotation: Any, about: About) -> ParsedAnnotation:
    """Read one annotation. It never raises: whatever is wrong becomes a refusal, and the rest is taken.

    Args:
        annotation: as Label Studio exports it (decoded JSON, of any shape).

    Returns:
        Polygons are in 0..1 and valid; `session` is the day (UTC) and `position` 0, to be set by who knows the others.
    """
    try:
        outer = _Outer.model_validate(annotation)
        submitted = outer.created_at.astimezone(UTC)
    except ValidationError as error:
        return ParsedAnnotation(refusals=[Refusal("", _problem(error))])
    except (OverflowError, ValueError):
        return ParsedAnnotation(refusals=[Refusal("", "created_at is no time")])
    reader = _Reader(about, outer.lead_time or 0.0, submitted)
    if outer.was_cancelled:
        reader.parsed.answer = reader.answer("skipped")
        return reader.parsed
    if not outer.result:
        return ParsedAnnotation(refusals=[Refusal("", "the answer is empty")])
    return reader.read(outer.result)


class _Reader:
    """Reads the items of one annotation."""

    def __init__(self, about: About, lead_time_s: float, submitted: datetime) -> None:
        self._about = about
        self._who: dict[str, Any] = {
            "edit_id": about.edit_id, "annotator": about.annotator, "annotator_kind": about.annotator_kind
        }  # fmt: skip
        when = submitted.isoformat()
        self._when: dict[str, Any] = {
            "lead_time_s": lead_time_s, "submitted_at": when, "screen": about.version_at(when)
        }  # fmt: skip
        self._session = submitted.date().isoformat()
        self.parsed = ParsedAnnotation()

    def read(self, result: list[Any]) -> ParsedAnnotation:
        items = self._known_items(result)
        if self._about.project_type == "admission":
            return self._read_admission(items)
        outcome = self._try("outcome", self._read_outcome, items)
        if outcome in (interface.CANNOT_JUDGE, interface.DISTRESSING):
            # Who cannot judge has judged nothing, whatever was chosen before.
            skipped = outcome == interface.DISTRESSING
            reason = outcome if skipped else self._try("outcome", _reason, _named(items, interface.OUTCOME_REASON))
            if reason:
                self.parsed.answer = self.answer("skipped" if skipped else "cannot_judge", reason)
            return self.parsed
        if self._about.project_type == "verify":
            self.parsed.verdict = self._try("verdict", self._read_verdict, items)
        if self._about.project_type == "preference":
            self.parsed.preferred = self._try("preference", self._read_preference, items) or ""
        if self._about.project_type in RATING_TYPES:
            for dimension in interface.QUESTIONS:
                self._try(f"rating {dimension}", self._read_rating, dimension, items)
        marked = self._read_regions(items) if self._about.project_type in REGION_TYPES else False
        says_none = self._about.project_type == "regions" and outcome == interface.NO_FLAW
        if self._about.project_type == "regions" and not marked and not says_none:
            self._refuse("", "neither a flaw nor that there is none")
        elif self.parsed.verdict or self.parsed.preferred:
            self.parsed.answer = self.answer("answered")
        elif self.parsed.ratings or self.parsed.regions or says_none:
            # Who drew something that could not be read has still said that there is a flaw.
            looked = self._about.project_type not in REGION_TYPES
            self.parsed.answer = self.answer("answered" if marked or looked else "no_flaw")
        return self.parsed

    def _read_admission(self, items: list[_Item]) -> ParsedAnnotation:
        answers = {interface.CONSENT: interface.CONSENTS, **interface.PLATE_ANSWERS}
        for control, known in answers.items():
            chosen = self._try(control, _one_of, _named(items, control), known, "answer to it")
            if chosen:
                self.parsed.said[control] = chosen
        if self.parsed.said:
            self.parsed.answer = self.answer("answered")
        elif not self.parsed.refusals:
            self._refuse("", "it answers none of the questions")
        return self.parsed

    def answer(self, outcome: str, reason: str = "") -> Answer:
        return Answer(**self._who, project_type=self._about.project_type, outcome=outcome, reason=reason, **self._when)

    def _read_regions(self, items: list[_Item]) -> bool:
        """Read all flaws; whether there were any, readable or not."""
        polygons = _named(items, interface.POLYGONS)
        in_photo = _named(items, interface.SOURCE_POLYGONS)
        seen: set[str] = set()
        for polygon in (*polygons, *in_photo):
            if polygon.id in seen:
                self._refuse(f"region {polygon.id}", "two regions share this id")
            elif polygon.from_name == interface.POLYGONS:
                self._try(f"region {polygon.id}", self._read_region, polygon, items)
            else:
                self._try(f"region {polygon.id}", self._read_source_region, polygon, items)
            seen.add(polygon.id)
        for item in items:
            if item.from_name in _PER_REGION | _PER_SOURCE_REGION and item.id not in seen:
                self._refuse(f"{item.from_name} {item.id}", "it belongs to no region")
        for control in interface.PLACELESS:
            self._try(control, self._read_placeless, control, items)
        return bool(polygons or in_photo or any(item.from_name in interface.PLACELESS for item in items))

    def _read_outcome(self, items: list[_Item]) -> str:
        return _one_of(_named(items, interface.OUTCOME), interface.OUTCOMES, "outcome")

    def _read_verdict(self, items: list[_Item]) -> Verdict:
        said = _one_of(_named(items, interface.VERDICT), interface.VERDICTS, "verdict")
        if not said:
            raise BadInput("the verdict is missing")
        if said == interface.NO_FLAW:  # a type that was chosen before is no longer on the screen
            return Verdict(False, "")
        chosen = self._chosen(_named(items, interface.VERDICT_TYPE))
        if len(chosen) != 1:
            raise BadInput("the flaw type is missing" if not chosen else "it has more than one flaw type")
        if chosen[0] not in FLAWS:
            raise BadInput(f"{chosen[0][:80]!r} {UNKNOWN_TYPE}")
        return Verdict(True, chosen[0])

    def _read_preference(self, items: list[_Item]) -> str:
        said = _one_of(_named(items, interface.PREFERENCE), interface.PREFERENCES, "preference")
        if not said:
            raise BadInput("the preference is missing")
        return said

    def _known_items(self, result: list[Any]) -> list[_Item]:
        items = []
        for index, raw in enumerate(result):
            try:
                item = _Item.model_validate(raw)
            except ValidationError as error:
                self._refuse(f"item {index}", _problem(error))
                continue
            if item.from_name in _KNOWN:
                items.append(item)
            else:
                self._refuse(f"item {index}", f"nothing on the labelling screen is called {item.from_name[:80]!r}")
        return items

    def _read_rating(self, dimension: str, items: list[_Item]) -> None:
        given = {tuple(_Choice.model_validate(item.value).choices) for item in items if item.from_name == dimension}
        if not given:
            raise BadInput("the rating is missing")
        if len(given) > 1:
            raise BadInput("it was rated twice, differently")
        choices = given.pop()
        scores = _SCORES[dimension]
        if len(choices) != 1 or choices[0] not in scores:
            raise BadInput(f"{', '.join(choices)[:80]!r} is not one of {', '.join(scores)}")
        low, high = map(float, interface.SCALE)
        self.parsed.ratings.append(
            Rating(
                **self._who, dimension=dimension, score=scores[choices[0]], scale_min=low, scale_max=high,
                session=self._session, position=0, **self._when, repeat=self._about.repeat,
            )
        )  # fmt: skip

    def _read_region(self, item: _Item, items: list[_Item]) -> None:
        drawn = _Polygon.model_validate(item.value)
        kind = _LABELS.get(drawn.polygonlabels[0])
        if kind is None:
            raise BadInput(f"there is no label {drawn.polygonlabels[0][:80]!r}")
        # A result of one region is three items that share one id.
        of_region = [other for other in items if other.id == item.id and other.from_name in _PER_REGION]
        flaw_type = self._one_flaw_type(_named(of_region, interface.TYPE_CONTROLS[kind]), kind)
        reason = _reason(_named(of_region, interface.REASON))
        for part, polygon in enumerate(_parts(drawn)):
            self._add_region(kind, flaw_type, "region", polygon, reason, f"{item.id}/{part}", _is_assisted(item))

    def _read_source_region(self, item: _Item, items: list[_Item]) -> None:
        """Drawn on the photo: something that is missing in the edited image, or was not edited there."""
        of_region = [other for other in items if other.id == item.id and other.from_name in _PER_SOURCE_REGION]
        kind = interface.SOURCE_KIND
        flaw_type = self._one_flaw_type(_named(of_region, interface.SOURCE_TYPE), kind)
        reason = _reason(_named(of_region, interface.SOURCE_REASON))
        for part, polygon in enumerate(_parts(_Polygon.model_validate(item.value))):
            name = f"{item.id}/{part}"
            self._add_region(kind, flaw_type, "missing", [], reason, name, _is_assisted(item), polygon)

    def _read_placeless(self, control: str, items: list[_Item]) -> None:
        kind, extent, _ = interface.PLACELESS[control]
        chosen = [item for item in items if item.from_name == control]
        reasons = [item for item in items if item.from_name == interface.reason_of(control)]
        if not chosen and not reasons:
            return
        flaw_types = self._flaw_types(chosen, kind)
        if not flaw_types:
            raise BadInput("the flaw type is missing")
        reason = _reason(reasons)
        for flaw_type in flaw_types:
            self._add_region(kind, flaw_type, extent, [], reason, f"{control}/{flaw_type}", _is_assisted(chosen[0]))

    def _add_region(
        self,
        kind: str,
        flaw_type: str,
        extent: str,
        polygon: Polygon,
        reason: str,
        name: str,
        assisted: bool,
        source_polygon: Polygon | None = None,
    ) -> None:
        outline = repr((polygon, source_polygon))
        region_id = stable_id(self._who["edit_id"], self._who["annotator"], name, outline)
        self.parsed.regions.append(
            Region(
                region_id=region_id, **self._who, kind=kind, flaw_type=flaw_type, extent=extent, polygon=polygon,
                source_polygon=source_polygon or [], description=reason, assisted=assisted, **self._when,
            )
        )  # fmt: skip

    def _chosen(self, items: list[_Item]) -> list[str]:
        """The flaw types chosen, by their names of today, each once."""
        names = [name for item in items for name in _Choice.model_validate(item.value).choices]
        return list(dict.fromkeys(self._about.renamed.get(name, name) for name in names))

    def _flaw_types(self, items: list[_Item], kind: str) -> list[str]:
        """The flaw types chosen, each once. Raises BadInput for one that this kind of region does not have."""
        chosen = self._chosen(items)
        for name in chosen:
            if name not in FLAWS or FLAWS[name].kind != kind:
                raise BadInput(f"{name[:80]!r} {UNKNOWN_TYPE} of kind {interface.KIND_LABELS[kind]!r}")
        return chosen

    def _one_flaw_type(self, items: list[_Item], kind: str) -> str:
        chosen = self._flaw_types(items, kind)
        if len(chosen) != 1:
            raise BadInput("the flaw type is missing" if not chosen else "it has more than one flaw type")
        return chosen[0]

    def _try(self, part: str, read: Any, *arguments: Any) -> Any:
        try:
            return read(*arguments)
        except ValidationError as error:
            self._refuse(part, _problem(error))
        except BadInput as error:
            self._refuse(part, str(error))
        return None

    def _refuse(self, part: str, reason: str) -> None:
        self.parsed.refusals.append(Refusal(part, reason))


def _one_of(items: list[_Item], known: Container[str], what: str) -> str:
    """The one thing chosen, "" for nothing. Raises BadInput for several that differ, and for what is not known."""
    chosen = [name for item in items for name in _Choice.model_validate(item.value).choices]
    if len(set(chosen)) > 1 or any(name not in known for name in chosen):
        raise BadInput(f"{', '.join(chosen)[:80]!r} is no {what}")
    return chosen[0] if chosen else ""


def _parts(drawn: _Polygon) -> list[Polygon]:
    """The polygon in 0..1, mended; one that crosses itself may be several."""
    if not all(math.isfinite(number) for point in drawn.points for number in point):
        raise BadInput("a point of the polygon is not a finite number")
    parts, _ = mend_polygon([[[x / 100, y / 100] for x, y in drawn.points]])
    return parts


def _named(items: list[_Item], control: str) -> list[_Item]:
    return [item for item in items if item.from_name == control]


def _reason(items: list[_Item]) -> str:
    texts = []
    for item in items:
        text = _Text.model_validate(item.value).text
        texts += [text] if isinstance(text, str) else text
    reason = " ".join(" ".join(texts).split())
    if not reason:
        raise BadInput("the written reason is missing")
    if len(reason) > MAX_REASON_LENGTH:
        raise BadInput(f"the written reason is longer than {MAX_REASON_LENGTH} characters")
    return reason


def _is_assisted(item: _Item) -> bool:
    """Whether it was made from a model's suggestion, changed or not."""
    return isinstance(item.origin, str) and item.origin.startswith("prediction")


def _problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = ".".join(map(str, problem["loc"])) or "the answer"
    return f"{where}: {problem['msg'][0].lower()}{problem['msg'][1:]}"
