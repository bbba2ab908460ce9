"""How far a campaign is, reckoned from who was to look at what and what was answered: by screen, person and hours."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from annotation.cost import ASSUMED_S, mean_seconds, measured_seconds
from annotation.worklist import EDIT
from editfhf.schema import Assignment

FEWEST_FOR_PACE = 20  # answers of one person in these days: a quarter of an hour of ratings; fewer say nothing of days
PACE_DAYS = 7  # the present pace is that of the last week: it has every day of the week, and forgets the start
NOBODY = "everybody"  # whose tasks are those of whoever comes


@dataclass(frozen=True, slots=True)
class Person:
    """One who takes part. state: see `annotation.roster.Member`; kind: human or simulated."""

    state: str
    kind: str


@dataclass(frozen=True, slots=True)
class ScreenProgress:
    """One kind of screen; answers that were set aside do not count.

    Attributes:
        done: of what was asked; checks and repeats are among both. share: done of asked, 0..1.
        complete: edits (on `verify` regions, on `preference` pairs) that `people_each` people have answered.
        seconds: for one answer; measured: whether from this campaign, or assumed.
    """

    screen: str
    done: int
    asked: int
    share: float
    complete: int
    edits: int
    people_each: int
    seconds: float
    measured: bool
    hours_left: float


@dataclass(frozen=True, slots=True)
class PersonProgress:
    """One person on one kind of screen.

    Attributes:
        asked: None where nobody in particular was asked.
        median_s: of this person's answers as last pulled, seconds; None where there are none.
        last_seen: when the last answer that was pulled was given, ISO 8601 in UTC; "" for none.
        hours_left: at the mean of these (see `annotation.cost.mean_seconds`); at that of the others where this person's
            is not known.
        drafts: tasks that were begun and not submitted; None where the server was not asked.
        refused: answers of which nothing could be taken; they are not done.
    """

    screen: str
    annotator: str
    kind: str
    state: str
    done: int
    asked: int | None
    median_s: float | None
    last_seen: str
    hours_left: float
    drafts: int | None = None
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """The campaign. hours_left: of all people together; days_left: until the last is done, at the own pace of
    the last week; None where that is not known, and `no_days` says what is missing."""

    screens: list[ScreenProgress]
    people: list[PersonProgress]
    hours_left: float
    days_left: float | None
    no_days: str = ""


def reckon(
    rows: Sequence[Assignment],
    given: Mapping[str, int],
    people: Mapping[str, Person],
    answers: pd.DataFrame,
    people_each: Mapping[str, int],
    now: datetime,
    drafts: Mapping[tuple[str, str], int] | None = None,
    refused: Mapping[tuple[str, str], int] | None = None,
) -> Progress:
    """How far a campaign is.

    Args:
        rows: who was to look at what.
        given: item id → how many answered it; what was refused is no answer.
        people: those who are named, by pseudonym; without any, everybody answers everything.
        answers: that were pulled, checks among them: columns project_type, annotator, annotator_kind, lead_time_s
            (0: not known), submitted_at (ISO 8601 in UTC), screened.
        people_each: how many look at each edit, by kind of screen, in the order of the campaign.
        now: when the answers were pulled.
        drafts, refused: (kind of screen, person) → how many of each, see `PersonProgress`.
    """
    counted = [row for row in rows if not _is_aside(row, people)]
    pace = _Pace(answers)
    screens = list(dict.fromkeys([*people_each, *(row.project_type for row in rows)]))
    by_person = _people(rows, given, people, answers, pace, drafts, refused or {})
    result = []
    for screen in screens:
        own = [row for row in counted if row.project_type == screen]
        if not own:
            continue
        each = people_each.get(screen, 1)
        asked = sum(_asked(row, given, people, each) for row in own)
        done = sum(min(given.get(row.item_id, 0), _asked(row, given, people, each)) for row in own)
        on: Counter[str] = Counter()
        for row in own:
            if row.role == EDIT:
                on[row.edit_id] += given.get(row.item_id, 0)
        seconds, measured = pace.of_screen(screen)
        named = [one.hours_left for one in by_person if one.screen == screen]
        left = sum(named) if people else (asked - done) * seconds / 3600
        complete = sum(count >= each for count in on.values())
        share = done / asked if asked else 1.0
        result.append(
            ScreenProgress(screen, done, asked, share, complete, len(on), each, round(seconds, 1), measured, left)
        )
    hours = sum(one.hours_left for one in result)
    lacking = _lacks_of_pace(answers, now) if hours > 0 else ""
    days = None if lacking else _days(hours, by_person, answers, pace, now)
    return Progress(result, by_person, hours, days, lacking)


class _Pace:
    """Seconds for one answer: of a person, or of those on a screen."""

    def __init__(self, answers: pd.DataFrame) -> None:
        known = answers[answers["lead_time_s"] > 0]
        medians = known.groupby(["project_type", "annotator"])["lead_time_s"].median()
        self._medians: dict[Any, float] = {key: float(value) for key, value in medians.items()}
        self._own: dict[Any, float] = {key: float(value) for key, value in mean_seconds(known).items()}
        self._measured = measured_seconds(answers[~answers["screened"].astype(bool)])

    def median(self, screen: str, person: str) -> float | None:
        """What is usual of a person."""
        return self._medians.get((screen, person))

    def own(self, screen: str, person: str) -> float | None:
        """By which a person's time adds up: the mean."""
        return self._own.get((screen, person))

    def of_screen(self, screen: str) -> tuple[float, bool]:
        """Seconds, and whether they were measured."""
        found = self._measured.get(screen)
        return (found, True) if found is not None else (ASSUMED_S.get(screen, max(ASSUMED_S.values())), False)


def _is_aside(row: Assignment, people: Mapping[str, Person]) -> bool:
    person = people.get(row.annotator)
    return person is not None and person.state == "suspended"


def _asked(row: Assignment, given: Mapping[str, int], people: Mapping[str, Person], each: int) -> int:
    """How many answers an item wants. What whoever came answered before anybody was named wants no more."""
    if row.annotator:
        return 1
    return given.get(row.item_id, 0) if people else each


def _people(
    rows: Sequence[Assignment],
    given: Mapping[str, int],
    people: Mapping[str, Person],
    answers: pd.DataFrame,
    pace: _Pace,
    drafts: Mapping[tuple[str, str], int] | None,
    refused: Mapping[tuple[str, str], int],
) -> list[PersonProgress]:
    asked: Counter[tuple[str, str]] = Counter()
    done: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row.annotator:
            asked[row.project_type, row.annotator] += 1
            done[row.project_type, row.annotator] += min(1, given.get(row.item_id, 0))
    kinds = dict(zip(answers["annotator"], answers["annotator_kind"], strict=True))
    seen = answers.groupby(["project_type", "annotator"])["submitted_at"].agg(["max", "size"])
    found = {key: (str(last), int(n)) for key, last, n in zip(seen.index, seen["max"], seen["size"], strict=True)}
    result = []
    for screen, name in sorted({*asked, *found, *(drafts or ()), *refused}):
        person = people.get(name) or Person("not named", kinds.get(name, "human"))
        last, pulled = found.get((screen, name), ("", 0))
        wanted = asked[screen, name] or None
        n = done[screen, name] if wanted else pulled
        own = pace.own(screen, name)
        open_items = wanted - n if wanted and person.state in ("active", "paused") else 0
        left = open_items * (own if own is not None else pace.of_screen(screen)[0]) / 3600
        usual = pace.median(screen, name)
        begun = None if drafts is None else drafts.get((screen, name), 0)
        lost = refused.get((screen, name), 0)
        result.append(
            PersonProgress(screen, name, person.kind, person.state, n, wanted, usual, last, left, begun, lost)
        )
    return result


def _lacks_of_pace(answers: pd.DataFrame, now: datetime) -> str:
    """Why nobody can say in how many days the rest is done; "" where that can be said."""
    answers = answers[~answers["screened"].astype(bool)]
    when = _moments(answers)
    by_person = answers.loc[(when > now - timedelta(days=PACE_DAYS)) & (when <= now), "annotator"].value_counts()
    if by_person.empty:
        return "nobody answered in the last week"
    if by_person.max() < FEWEST_FOR_PACE:
        return f"too early for days: nobody has given {FEWEST_FOR_PACE} answers in the last week"
    return ""


def _moments(answers: pd.DataFrame) -> pd.Series:
    return pd.to_datetime(answers["submitted_at"], utc=True, errors="coerce", format="ISO8601")


def _days(hours: float, people: Sequence[PersonProgress], answers: pd.DataFrame, pace: _Pace, now: datetime) -> float:
    """Days until the last is done, if each works on as in the last week: nobody can take over another's project.

    Somebody has worked in it (`_lacks_of_pace`). Who has not begun is taken for as fast as the mean of the others. The
    first day of a campaign counts as a whole.
    """
    if hours <= 0:
        return 0.0
    answers = answers[~answers["screened"].astype(bool)]
    when = _moments(answers)
    recent = (when > now - timedelta(days=PACE_DAYS)) & (when <= now)
    began = when[recent].min().to_pydatetime()
    # A whole week where there was work before it: days without any are part of the pace.
    is_older = bool((when <= now - timedelta(days=PACE_DAYS)).any())
    days = float(PACE_DAYS) if is_older else max(1.0, (now - began) / timedelta(days=1))
    worked: defaultdict[str, float] = defaultdict(float)
    for person, screen in zip(answers.loc[recent, "annotator"], answers.loc[recent, "project_type"], strict=True):
        worked[person] += (pace.own(screen, person) or pace.of_screen(screen)[0]) / 3600
    left: defaultdict[str, float] = defaultdict(float)
    for one in people:
        if one.asked is not None and one.state == "active":
            left[one.annotator] += one.hours_left
    if not any(left.values()):  # whoever comes shares the work
        return hours / (sum(worked.values()) / days)
    usual = sum(worked.values()) / len(worked)
    return max(own / (worked.get(person, usual) / days) for person, own in left.items() if own)
