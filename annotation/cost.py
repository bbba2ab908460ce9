"""What a campaign takes: answers, hours, sessions, people and money."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from editfhf.config import AnnotationConfig
from editfhf.errors import BadInput
from editfhf.schema import RATING_TYPES
from editfhf.workspace import Workspace

# Seconds for one answer where nothing was measured. Assumed, not measured: three ratings at about the ten seconds a
# vote of ITU-R BT.500 takes; some four regions of an edit, each with an outline, a type and a sentence.
ASSUMED_S: Mapping[str, float] = {"ratings": 30.0, "regions": 120.0, "together": 150.0}
FEWEST_MEASURED = 20  # answers, below which the assumption stands


@dataclass(frozen=True, slots=True)
class ScreenPlan:
    """One kind of screen.

    Attributes:
        answers: to be given, checks and repeats among them; of_edits: without these.
        seconds: for one answer; measured: whether from answers of this campaign.
        people: the fewest that can do it: as many as look at one edit.
        sessions: of at most `session_minutes`.
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

    def as_row(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def plan_campaign(n_edits: int, settings: AnnotationConfig, measured: Mapping[str, float] = {}) -> list[ScreenPlan]:
    """The plan of each screen of the settings.

    Args:
        measured: project type → seconds for one answer, see `measured_seconds`.

    Raises:
        BadInput: no edits.
    """
    if n_edits < 1:
        raise BadInput("There are no edits to plan for.", mend="Generate some, or say how many with --edits.")
    plans = []
    for screen in settings.screens:
        raters = settings.raters_per_edit if screen == "ratings" else settings.drawers_per_edit
        repeats = settings.repeats if screen in RATING_TYPES else 0.0
        of_edits = n_edits * raters
        answers = round(of_edits / (1 - settings.checks - repeats)) + settings.qualification * raters
        seconds = measured.get(screen, ASSUMED_S[screen])
        hours = answers * seconds / 3600
        plans.append(
            ScreenPlan(
                screen, of_edits, answers, round(seconds, 1), screen in measured, round(hours, 1),
                int(np.ceil(hours * 60 / settings.session_minutes)), raters, round(hours * settings.wage_per_hour, 2),
            )
        )  # fmt: skip
    return plans


def measured_seconds(answers: pd.DataFrame) -> dict[str, float]:
    """Project type → seconds for one answer: the median over people of each person's median.

    The median forgives the tab that stayed open over lunch; a person is one voice, however much of the work is theirs.

    Args:
        answers: columns project_type, annotator, lead_time_s (0: not known).
    """
    known = answers[answers["lead_time_s"] > 0]
    enough = known.groupby("project_type").filter(lambda rows: len(rows) >= FEWEST_MEASURED)
    if enough.empty:
        return {}
    own = enough.groupby(["project_type", "annotator"])["lead_time_s"].median()
    return {str(screen): float(value) for screen, value in own.groupby("project_type").median().items()}


def plan_workspace(workspace: Workspace, n_edits: int | None = None) -> list[ScreenPlan]:
    """The plan for a workspace: of its made edits where no number is given, at the pace of its people."""
    answers = workspace.read_table("answers").select(["project_type", "annotator", "lead_time_s"]).to_pandas()
    n = n_edits if n_edits is not None else len(workspace.edits())
    return plan_campaign(n, workspace.config.annotation, measured_seconds(answers))
