"""How many edits and how many raters a campaign needs: from a pilot's ratings to what a larger one could tell.

What varies, in points of 0..100: photos and tasks (all models alike), edits (one model's on one photo and task),
people's bias, people's taste for models, and what is left of each rating. Models are compared on the same photos and
tasks, so neither photos nor biases move a difference.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.stats import nct, norm
from scipy.stats import t as student_t

from analysis.leaderboard import OVERALL, RATING_COLUMNS
from analysis.opinions import Opinions
from editfhf.errors import BadInput
from editfhf.schema import DIMENSIONS
from editfhf.workspace import Workspace

ALPHA = 0.05  # two-sided
RATERS_EACH = (1, 2, 3, 4, 5, 8, 10, 15, 20)
MOST_EDITS = 1_000_000  # of each model; more are said to be out of reach
FAR = 10.0  # standard errors beyond the limit: certain, and noncentral t is no longer reckoned well
LEAST_PAIRS = 10  # of photo and task that all models answered: with fewer, the pilot says nothing of edits


@dataclass(frozen=True)
class Components:
    """Standard deviations, in points of 0..100.

    Attributes:
        photo: of (photo, task) pairs, which all models share. edit: of one model's edits beside that. bias: of people.
        taste: of people for single models. rating: what is left of each rating.
        n_pairs, n_models, n_people, n_ratings: that they were estimated from.
    """

    photo: float
    edit: float
    bias: float
    taste: float
    rating: float
    n_pairs: int = 0
    n_models: int = 0
    n_people: int = 0
    n_ratings: int = 0


def variance_components(ratings: pd.DataFrame, edits: pd.DataFrame, dimension: str = OVERALL) -> Components:
    """What a pilot says of how much things vary.

    Args:
        ratings: columns of the table `ratings`; checks, screened ones are left out, repeats averaged.
        edits: columns edit_id, source_id, task, model.
        dimension: one of `DIMENSIONS`, or `overall`: the mean of those that one person gave one edit.

    Raises:
        BadInput: a column is missing; fewer than 2 models, 2 people, 2 ratings for an edit, or 10 (photo, task) pairs
            that all models answered.

    Source:
        Method of moments: mean squares of people × edits within each model (least squares, so gaps bias nothing), of
        people × models, and of pairs × models (Searle, Casella, McCulloch, Variance Components, 1992). Negative
        estimates are 0.
    """
    opinions = _opinions(ratings, dimension)
    about = edits.drop_duplicates("edit_id").set_index("edit_id").reindex(opinions.stimuli)
    layouts = {
        model: _Layout.of(opinions, np.flatnonzero((about["model"] == model).to_numpy()))
        for model in sorted(about["model"].dropna().unique())
    }
    freedom = sum(one.freedom for one in layouts.values())
    if len(layouts) < 2 or freedom < 1:
        raise BadInput(
            "A pilot has two or more models and people, and two or more ratings for each edit.",
            mend="Bring more answers home: `editfhf annotate pull`.",
        )
    rating = _root(sum(one.left for one in layouts.values()) / freedom)
    bias, taste = _of_people(list(layouts.values()), rating)

    quality = np.full(len(about), np.nan)
    for one in layouts.values():
        quality[one.stimuli] = one.quality
    about = about.assign(quality=quality)
    wide = about.pivot_table(index=["source_id", "task"], columns="model", values="quality", aggfunc="mean").dropna()
    if len(wide) < LEAST_PAIRS:
        raise BadInput(
            f"Only {len(wide)} pairs of photo and task have ratings of all models.",
            mend=f"A pilot needs {LEAST_PAIRS} or more.",
        )
    values = wide.to_numpy()
    pairs, m = values.shape
    effect = values.mean(axis=1, keepdims=True)
    error = float(np.square(values - effect - values.mean(axis=0) + values.mean()).sum()) / ((pairs - 1) * (m - 1))
    between = m * float(np.square(effect - values.mean()).sum()) / (pairs - 1)
    noise = rating**2 * float(np.mean([one.noise for one in layouts.values()]))
    size = {"n_pairs": pairs, "n_models": m, "n_people": len(opinions.subjects), "n_ratings": len(opinions.scores)}
    return Components(_root((between - error) / m), _root(error - noise), bias, taste, rating, **size)


def power(components: Components, difference: float, edits: int, raters: int, people: int) -> float:
    """The chance that `leaderboard` tells two models apart which differ by `difference` points, at 5 %, for one pair.

    Args:
        edits: of each model, on the same (photo, task) pairs, each on a photo of its own.
        raters: of each edit. people: in all, so that each rates edits × raters ÷ people of each model.
    """
    error, freedom = _error(components, edits, raters, people)
    if error == 0:
        return 1.0
    beyond = float(student_t.ppf(1 - ALPHA / 2, freedom))
    shift = difference / error
    if shift > beyond + FAR:
        return 1.0
    # Of the wrong side nothing is left where the shift is large, and SciPy gives NaN for it.
    return float(nct.sf(beyond, freedom, shift) + np.nan_to_num(nct.cdf(-beyond, freedom, shift)))


def edits_needed(
    components: Components, difference: float, raters: int, people: int, wanted: float = 0.8
) -> int | None:
    """The fewest edits of each model with which the power is `wanted`; None where no number is enough: then people
    differ too much in their taste, and more of them are needed."""
    return _fewest(lambda edits: power(components, difference, edits, raters, people) >= wanted)


def edits_for_interval(components: Components, reach: float, raters: int, people: int) -> int | None:
    """The fewest edits of each model with which the 95 % interval of a difference of two is ± `reach` points."""

    def narrow(edits: int) -> bool:
        error, freedom = _error(components, edits, raters, people)
        return float(student_t.ppf(1 - ALPHA / 2, freedom)) * error <= reach

    return _fewest(narrow)


def raters_for_interval(components: Components, reach: float) -> int:
    """The fewest raters with whom the 95 % interval of one edit's score is ± `reach` points, biases taken out."""
    spread = float(np.hypot(components.rating, components.taste))
    return max(2, int(np.ceil((norm.ppf(1 - ALPHA / 2) * spread / reach) ** 2)))


def plan_rows(
    components: Components, difference: float, people: int, wanted: float = 0.8, reach: float | None = None
) -> list[dict[str, int | None]]:
    """For each number of raters an edit may have: how many edits of each model, and ratings of both, that takes.

    Returns:
        rows of raters, edits, ratings (to tell `difference` apart) and, with `reach`, edits_interval; None: out of
        reach with so many people.
    """
    rows = []
    for raters in RATERS_EACH:
        if raters > people:
            break
        edits = edits_needed(components, difference, raters, people, wanted)
        row = {"raters": raters, "edits": edits, "ratings": None if edits is None else 2 * raters * edits}
        if reach is not None:
            row["edits_interval"] = edits_for_interval(components, reach, raters, people)
        rows.append(row)
    return rows


def plan_campaign(
    workspace: Workspace, difference: float, people: int, dimension: str, chance: float, reach: float
) -> dict[str, Any]:
    """What `editfhf power` prints: components, rows of `plan_rows`, and notes; `people` 0: as many as in the pilot.

    Raises:
        BadInput: as `variance_components`; or a number that is out of its range.
    """
    if not (difference > 0 and reach > 0 and 0 < chance < 1 and people >= 0):
        raise BadInput(
            "The difference and the reach are above 0, the chance lies between 0 and 1, people are none or more.",
            mend="Look at `editfhf power --help`.",
        )
    ratings = workspace.read_table("ratings").to_pandas()
    made = [(edit.edit_id, edit.source_id, edit.task, edit.model) for edit in workspace.edits()]
    edits = pd.DataFrame(made, columns=["edit_id", "source_id", "task", "model"])
    components = variance_components(ratings, edits, dimension)
    people = people or components.n_people
    if people < 2:
        raise BadInput("One person says nothing of others.", mend="Plan with two or more people.")
    rows = plan_rows(components, difference, people, chance, reach)
    notes = [
        f"Edits and ratings: to tell {difference:g} points apart with a chance of {chance:.0%} by {people} people; "
        f"edits_interval: for an interval of the difference of ± {reach:g}. Each model edits the same photos.",
        f"An interval of one edit's score of ± {reach:g} takes {raters_for_interval(components, reach)} raters.",
    ]
    if any(row["edits"] is None or row["edits_interval"] is None for row in rows):
        notes.append("Where a number is missing no number of edits is enough: people differ too much; ask more people.")
    if (ratings["annotator_kind"] == "simulated").any():
        notes.append("These ratings are simulated: the numbers say nothing of people.")
    named = {name: round(value, 2) for name, value in asdict(components).items()}
    return {"components": named, "rows": rows, "notes": notes}


def _error(components: Components, edits: int, raters: int, people: int) -> tuple[float, float]:
    """Standard error of the difference of two models' means, and its degrees of freedom."""
    people = max(people, raters)
    of_edits = 2 * (components.edit**2 + components.rating**2 / raters) / edits
    # Nobody rates more of a model than there are edits of it; with few edits, not everybody comes to rate.
    busy = min(people, raters * edits)
    of_people = 2 * components.taste**2 / busy
    # The interval knows the people's part only with what single answers add to it.
    answers = of_people + 2 * components.rating**2 / (raters * edits)
    loose = of_edits**2 / max(edits - 1, 1) + answers**2 / max(busy - 1, 1)
    total = of_edits + of_people
    return float(np.sqrt(total)), float(max(total**2 / loose, 1)) if loose > 0 else np.inf


def _fewest(enough: Callable[[int], bool]) -> int | None:
    """The smallest number from 2 on for which it is true, if it stays so."""
    if not enough(MOST_EDITS):
        return None
    low, high = 1, MOST_EDITS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _opinions(ratings: pd.DataFrame, dimension: str) -> Opinions:
    needed = (*RATING_COLUMNS, "scale_min", "scale_max")
    if missing := [column for column in needed if column not in ratings]:
        raise BadInput(f"The ratings lack the column {', '.join(missing)}.")
    if dimension not in (OVERALL, *DIMENSIONS):
        raise BadInput(f"Unknown dimension {dimension!r}.", mend=f"There are: {', '.join((OVERALL, *DIMENSIONS))}.")
    counted = ratings
    for flag in ("check", "screened"):
        if flag in counted:
            counted = counted[~counted[flag].astype(bool)]
    if dimension != OVERALL:
        counted = counted[counted["dimension"] == dimension]
    score = 100 * (counted["score"] - counted["scale_min"]) / (counted["scale_max"] - counted["scale_min"])
    table = pd.DataFrame({"stimulus": counted["edit_id"], "subject": counted["annotator"], "score": score})
    if dimension == OVERALL:  # who left a dimension out has another mean of the rest
        table["dimension"] = counted["dimension"]
        once = table.groupby(["stimulus", "subject", "dimension"])["score"].mean().reset_index()
        complete = once.groupby(["stimulus", "subject"])["score"].agg(["mean", "size"])
        complete = complete[complete["size"] == len(DIMENSIONS)]
        table = complete["mean"].rename("score").reset_index()
    return Opinions.of(table)


@dataclass(frozen=True)
class _Layout:
    """One model's ratings as quality of the edit + own level of the person + rest, by least squares.

    Attributes:
        stimuli, quality: rows of its edits, and what they are worth, up to a constant.
        people, level, unsure: columns of its people; their levels, mean 0; the covariance of these, in rest variances.
        left, freedom: sum of the squares of the rest, and its degrees of freedom.
        noise: variance of a quality, mean over the edits, in rest variances.
    """

    stimuli: np.ndarray
    quality: np.ndarray
    people: np.ndarray
    level: np.ndarray
    unsure: np.ndarray
    left: float
    freedom: int
    noise: float

    @classmethod
    def of(cls, opinions: Opinions, stimuli: np.ndarray) -> "_Layout":
        scores = opinions.table[stimuli]
        seen = sparse.csr_array((np.ones(scores.nnz), scores.indices, scores.indptr), shape=scores.shape)
        # Where people are not joined by edits their levels cannot be compared: the largest group stands for all.
        _, part = sparse.csgraph.connected_components(seen.T @ seen, directed=False)
        people = np.flatnonzero(part == np.bincount(part, weights=seen.sum(axis=0)).argmax())
        scores, seen = scores[:, people], seen[:, people]
        inside = seen.sum(axis=1) > 0
        stimuli, scores, seen = stimuli[inside], scores[inside], seen[inside]
        n_each = seen.sum(axis=1)
        share = sparse.diags_array(1 / n_each) @ seen
        mean = share.multiply(scores).sum(axis=1)
        normal = np.diag(seen.sum(axis=0)) - (seen.T @ share).toarray()
        unsure = np.linalg.pinv(normal, rcond=1e-9, hermitian=True)
        level = unsure @ (scores.sum(axis=0) - seen.T @ mean)
        quality = mean - share @ level
        rows = np.repeat(np.arange(len(stimuli)), np.diff(scores.indptr))
        rest = scores.data - quality[rows] - level[scores.indices]
        noise = float((1 / n_each).mean() + ((share.T @ share).toarray() * unsure).sum() / len(stimuli))
        freedom = scores.nnz - len(stimuli) - len(people) + 1
        return cls(stimuli, quality, people, level, unsure, float(np.square(rest).sum()), freedom, noise)


def _of_people(layouts: list[_Layout], rating: float) -> tuple[float, float]:
    """Standard deviations of people's biases, and of their tastes for models: of those who rated all models."""
    common = layouts[0].people
    for one in layouts[1:]:
        common = np.intersect1d(common, one.people)
    n, m = len(common), len(layouts)
    if n < 2:
        return 0.0, 0.0
    levels, noise = np.zeros((n, m)), 0.0
    centre = np.eye(n) - 1 / n
    for column, one in enumerate(layouts):
        place = np.searchsorted(one.people, common)
        levels[:, column] = one.level[place]
        noise += float(np.trace(centre @ one.unsure[np.ix_(place, place)])) / (n - 1) / m
    levels -= levels.mean(axis=0)
    own = levels.mean(axis=1, keepdims=True)
    of_taste = float(np.square(levels - own).sum()) / ((n - 1) * (m - 1))
    of_bias = float(np.square(own).sum()) / (n - 1)
    return _root(of_bias - of_taste / m), _root(of_taste - rating**2 * noise)


def _root(variance: float) -> float:
    return float(np.sqrt(max(variance, 0.0)))
