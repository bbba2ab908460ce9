"""What a campaign takes: answers, hours, sessions, people and money."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import pandas as pd

from annotation.all_answers import all_answers
from annotation.checks import MOST_CHECKS
from annotation.offers import Offers
from annotation.roster import Roster
from annotation.worklist import SETTING_OF, Design
from editfhf.config import AnnotationConfig
from editfhf.errors import BadInput
from editfhf.schema import REGION_TYPES, Edit
from editfhf.workspace import Workspace

# Seconds for one answer where nothing was measured. Assumed, not measured: three ratings at ten seconds each, the most
# that a vote of ITU-T P.910 takes; some four regions of an edit, each with an outline in a few clicks, a type and a
# sentence; a text to agree to and ten plates. Close outlines would take 80 s each (COCO's, as Papadopoulos et al., ICCV
# 2021, report): do a pilot first.
ASSUMED_S: Mapping[str, float] = {
    "ratings": 30.0, "regions": 120.0, "together": 150.0, "verify": 10.0, "preference": 15.0, "admission": 120.0,
}  # fmt: skip
# Regions of an edit that one of its people alone draws, where none were drawn yet: assumed, too.
ASSUMED_LONE_REGIONS = 2.0
PACE_COLUMNS = ["project_type", "annotator", "annotator_kind", "lead_time_s", "screened"]
FEWEST_MEASURED = 20  # answers, below which the assumption stands
LONGEST = 5.0  # medians of a person's own, that an answer counts as at most: beyond, the tab stayed open over lunch
WORKING_DAYS = 5  # in a week
MOST_HOURS = 100.0  # a week of a person: more is a slip of the keyboard
HOURS_A_WEEK = 10.0  # of each person, where nothing is said: two hours a day


@dataclass(frozen=True, slots=True)
class ScreenPlan:
    """One kind of screen.

    Attributes:
        answers: to be given, checks and repeats among them; of_edits: without these (on `verify` of regions, on
            `preference` of pairs).
        seconds: for one answer; measured: whether from answers of this campaign.
        people: the fewest that can do it: as many as look at one edit; of `verify` also who drew the region. Of
            `admission`, of no edits and once for each person, so many as are planned for.
        sessions: of at most `session_minutes`.
        assumes: what of this was not measured; "" where all was.
    """

    screen: str
    of_edits: int
    answers: int
    seconds: float
    measured: bool
    hours: float
    sessions: int
    people: int
    cost: float
    assumes: str = ""

    @property
    def overhead(self) -> float:
        """Share of the answers that goes to checks, repeats and the qualification, 0..1."""
        return 1 - self.of_edits / self.answers if self.answers else 0.0

    def people_for(self, weeks: float, hours_a_week: float) -> int:
        """How many people it takes to be done in time; never fewer than look at one edit.

        Args:
            weeks: until it has to be done; hours_a_week: of each person, on this screen.

        Raises:
            BadInput: no time.
        """
        _require_time(weeks, hours_a_week)
        # A quotient that is whole but for its last bit is whole.
        return max(self.people, ceil(self.hours / (weeks * hours_a_week) - 1e-9))

    def weeks_of(self, people: int, hours_a_week: float) -> float:
        """How long so many people take who do nothing else.

        Raises:
            BadInput: no time.
        """
        _require_time(1, hours_a_week)
        return self.hours / (people * hours_a_week)

    def as_row(
        self, weeks: float | None = None, hours_a_week: float = HOURS_A_WEEK, people: int | None = None
    ) -> dict[str, Any]:
        """With `overhead`; where there are so many weeks, the people that it takes to be done in them
        (`people_in_time`); where there are so many people, the weeks that they take for this screen (`weeks`), and how
        many people it lacks (`people_lacking`)."""
        row = {name: getattr(self, name) for name in self.__slots__} | {"overhead": round(self.overhead, 3)}
        row["assumes"] = row.pop("assumes")  # words last
        if weeks is not None:
            row["people_in_time"] = self.people_for(weeks, hours_a_week)
        if people is not None:
            row["weeks"] = round(self.weeks_of(people, hours_a_week), 2)
            row["people_lacking"] = max(0, self.people - people)
        return row


def plan_campaign(
    n_edits: int,
    settings: AnnotationConfig,
    measured: Mapping[str, float] = {},
    n_things: Mapping[str, int] = {},
    n_people: int | None = None,
) -> list[ScreenPlan]:
    """The plan of each screen of the settings, and last that of the admission, where people are asked for it.

    Args:
        measured: project type → seconds for one answer, see `measured_seconds`.
        n_things: of `verify` the regions, of `preference` the pairs, where they are known.
        n_people: who work. Nobody gets a check twice, and so many are made (`MOST_CHECKS`): few people with much to do
            get fewer than their share. None: not known; then the share is planned, which is the most.

    Raises:
        BadInput: no edits, or checks and repeats leave no room for them.
    """
    if n_edits < 1:
        raise BadInput("There are no edits to plan for.", mend="Generate some, or say how many with --edits.")
    if settings.checks + settings.repeats >= 1:
        raise BadInput(
            f"annotation.checks {settings.checks:g} and repeats {settings.repeats:g} leave no room for edits.",
            mend="Lower them in editfhf.yaml; 0.05 each is usual.",
        )
    assumed = {"verify": ceil(n_edits * ASSUMED_LONE_REGIONS), "preference": settings.preference_pairs}
    plans = []
    for screen in settings.screens:
        design = Design.of(settings, screen, "")
        raters = design.raters
        of_edits = {**assumed, **n_things}.get(screen, n_edits) * raters
        edits_share = 1 - design.checks - design.repeats
        workers = max(n_people or raters, raters)
        checks = of_edits * design.checks / edits_share
        first = design.qualification
        if n_people is not None:
            first = min(first, MOST_CHECKS)
            checks = min(checks, workers * (MOST_CHECKS - first))
        answers = round(of_edits * (1 + design.repeats / edits_share) + checks) + first * workers
        people = fewest_people(settings, screen)
        seconds = measured.get(screen, ASSUMED_S[screen])
        hours = answers * seconds / 3600
        plans.append(
            ScreenPlan(
                screen, of_edits, answers, round(seconds, 1), screen in measured, round(hours, 1),
                ceil(hours * 60 / settings.session_minutes), people, round(hours * settings.wage_per_hour, 2),
                _assumed(screen, screen in measured, screen in n_things),
            )
        )  # fmt: skip
    if settings.consent or settings.vision_check:
        workers = n_people or max(plan.people for plan in plans)
        seconds = measured.get("admission", ASSUMED_S["admission"])
        hours = workers * seconds / 3600
        plans.append(
            ScreenPlan(
                "admission", 0, workers, round(seconds, 1), "admission" in measured, round(hours, 1), workers, workers,
                round(hours * settings.wage_per_hour, 2),
            )
        )  # fmt: skip
    return plans


def _assumed(screen: str, is_measured: bool, is_counted: bool) -> str:
    seconds = [] if is_measured else [f"{ASSUMED_S[screen]:g} s an answer"]
    lone = [f"{ASSUMED_LONE_REGIONS:g} regions of an edit that one person alone draws"]
    return ", ".join([*(lone if screen == "verify" and not is_counted else []), *seconds])


def lacking(plans: Sequence[ScreenPlan], people: int) -> list[str]:
    """What so many people (0: not known) cannot do: a sentence for each screen that needs more different ones."""
    return [_lacks(one.screen, one.people, people) for one in plans if one.people > people > 0]


def lacking_now(settings: AnnotationConfig, people: int) -> list[str]:
    """The same of a campaign before anything is planned."""
    needed = {screen: fewest_people(settings, screen) for screen in settings.screens}
    return [_lacks(screen, n, people) for screen, n in needed.items() if n > people > 0]


def fewest_people(settings: AnnotationConfig, screen: str) -> int:
    """How many people it takes at least: as many as look at one edit; on `verify` also who drew the region."""
    return settings.people_per_edit(screen) + (screen == "verify")


def require_hours(hours_a_week: float) -> None:
    """
    Raises:
        BadInput: nobody works so long.
    """
    if not 0 < hours_a_week <= MOST_HOURS:
        raise BadInput(
            f"Nobody works {hours_a_week:g} hours a week.", mend=f"Give more than 0 and at most {MOST_HOURS:g}."
        )


def _lacks(screen: str, needed: int, people: int) -> str:
    are = "is" if people == 1 else "are"
    return (
        f"The screen {screen} needs {needed} different people, and {people} {are} too few: let {needed - people} more "
        f"join, or lower {SETTING_OF[screen][1]} in editfhf.yaml."
    )


def in_words(plans: Sequence[ScreenPlan], people: int, hours_a_week: float) -> str:
    """How long so many people take for all screens, one after the other."""
    weeks = sum(one.weeks_of(people, hours_a_week) for one in plans)
    days = ceil(weeks * WORKING_DAYS - 1e-9)
    long = f"{weeks:,.1f} weeks" if weeks >= 1 else f"{days} working day{'' if days == 1 else 's'}"
    return f"{people} people at {hours_a_week:g} hours a week each: {long} for all screens together."


def _require_time(weeks: float, hours_a_week: float) -> None:
    require_hours(hours_a_week)
    if not weeks > 0:
        raise BadInput(
            f"{weeks:g} weeks of {hours_a_week:g} hours leave no time to work.", mend="Give more than 0 weeks."
        )


def measured_seconds(answers: pd.DataFrame) -> dict[str, float]:
    """Project type → seconds for one answer: the mean over people of each person's mean (`mean_seconds`).

    A person is one voice, however much of the work is theirs.

    Args:
        answers: columns project_type, annotator, lead_time_s (0: not known).
    """
    known = answers[answers["lead_time_s"] > 0]
    enough = known.groupby("project_type").filter(lambda rows: len(rows) >= FEWEST_MEASURED)
    if enough.empty:
        return {}
    own = mean_seconds(enough)
    return {str(screen): float(value) for screen, value in own.groupby("project_type").mean().items()}


def mean_seconds(answers: pd.DataFrame) -> pd.Series:
    """(project type, person) → seconds for one answer: the mean, since time adds up by it; an answer counts as
    `LONGEST` of the person's own medians at most.

    Args:
        answers: as in `measured_seconds`.
    """
    known = answers[answers["lead_time_s"] > 0]
    key = [known["project_type"], known["annotator"]]
    seconds = known["lead_time_s"].astype(float)
    return seconds.clip(upper=LONGEST * seconds.groupby(key).transform("median")).groupby(key).mean()


def plan_workspace(workspace: Workspace, n_edits: int | None = None, n_people: int | None = None) -> list[ScreenPlan]:
    """The plan for a workspace: of its made edits and for its people where no numbers are given, at their pace.

    Not that of simulated ones, whose pace is made up, nor of those whose answers were set aside: haste is one reason.
    """
    entered = workspace.read_table("admissions").to_pandas().assign(project_type="admission", screened=False)
    both = [table[PACE_COLUMNS] for table in (all_answers(workspace), entered)]
    answers = pd.concat([table for table in both if len(table)] or both[:1], ignore_index=True)
    of_people = answers[(answers["annotator_kind"] == "human") & ~answers["screened"].astype(bool)]
    photos = {source.source_id for source in workspace.sources()}
    edits = [edit for edit in workspace.edits() if edit.source_id in photos]
    n = n_edits if n_edits is not None else len(edits)
    return plan_campaign(
        n, workspace.config.annotation, measured_seconds(of_people), _things_of(workspace, edits, n),
        n_people or len(Roster(workspace).active) or None,
    )  # fmt: skip


def _things_of(workspace: Workspace, edits: Sequence[Edit], n: int) -> dict[str, int]:
    """Regions to verify, as many of an edit as of those that people inspected; pairs to compare, of all edits."""
    settings = workspace.config.annotation
    offers = Offers(workspace, edits)
    found: dict[str, int] = {}
    answers = workspace.read_table("answers").to_pandas()
    inspected = answers[answers["project_type"].isin(REGION_TYPES)]["edit_id"].nunique()
    if "verify" in settings.screens and inspected:
        found["verify"] = ceil(n * len(offers.lone_regions) / inspected)
    if "preference" in settings.screens and edits and n == len(edits):
        found["preference"] = len(offers.of("preference", (), people_are_named=True).things)
    return found
