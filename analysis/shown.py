"""The tables of the page: what a reader needs of each whole table, as text, and a word of what was left out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.figures import words
from editfhf.schema import DIMENSIONS

MODELS = 24  # in one table or plot
COLUMNS = 12  # of models or groups side by side
ROWS = 40
PEOPLE = 60
REASONS = 8  # of each sort
NAME_LETTERS = 12  # of a pseudonym: enough to find it in the file
LETTERS = 200  # of a reason
SIGNIFICANT = 0.05
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """A text, what stands small beside it (such as an interval), and a mark (such as SIMULATED)."""

    text: str
    small: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Shown:
    """A table of the page.

    Attributes:
        file: the whole table in `WS/analysis/tables/`.
        n_words: so many columns from the left are words, the others numbers.
        left_out: what of the whole table is not on the page, in words; "" for nothing.
    """

    file: str
    caption: str
    head: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    n_words: int = 1
    left_out: str = ""


def shown_tables(tables: Mapping[str, pd.DataFrame]) -> dict[str, Shown]:
    """Of those that say something, by name; `agreement_parts` beside the names of `report_tables`."""
    views = {
        "reasons": _reasons, "leaderboard": _leaderboard, "comparisons": _comparisons, "task_groups": _task_groups,
        "refusals": _refusals, "preferences": _preferences, "flaw_types": _flaw_types, "agreement": _agreement,
        "agreement_parts": _agreement_parts, "raters": _raters,
    }  # fmt: skip
    found = {}
    for name, view in views.items():
        table = tables[name.removesuffix("_parts")]
        if len(table) and (shown := view(table)).rows:
            found[name] = shown
    return found


def _capped(shown: Shown, most: int, what: str) -> Shown:
    if len(shown.rows) <= most:
        return shown
    return replace(shown, rows=shown.rows[:most], left_out=f"{most:,} of {len(shown.rows):,} {what} are shown")


def _figure(
    value: float, low: float = np.nan, high: float = np.nan, digits: int = 1, percent: bool = False, sign: bool = False
) -> Cell:
    """A number with its interval, where there is one."""
    if pd.isna(value):
        return Cell("–")
    scale, unit = (100, " %") if percent else (1, "")
    interval = "" if pd.isna(low) else f"{scale * low:.{digits}f} to {scale * high:.{digits}f}"
    text = f"{scale * value:{'+' if sign else ''}.{digits}f}{unit}"
    return Cell(text.replace("-", "−"), interval.replace("-", "−"))


def _count(value: float) -> Cell:
    return Cell("–" if pd.isna(value) else f"{int(value):,}")


def _of(row: Row, name: str) -> Cell:
    return _figure(row[name], row[f"{name}_low"], row[f"{name}_high"])


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _ranks(row: Row) -> Cell:
    best, worst = int(row["best_rank"]), int(row["worst_rank"])
    return Cell(str(best) if best == worst else f"{best} to {worst}")


def _reasons(table: pd.DataFrame) -> Shown:
    rows = [
        (Cell(row["what"]), Cell(_short(row["reason"])), _count(row["count"]))
        for sort, some in table.groupby(table["what"].eq("answer refused"), sort=True)
        for row in some.head(REASONS).to_dict("records")
    ]
    left = "" if len(rows) == len(table) else f"{len(rows)} of {len(table):,} reasons are shown, the most frequent"
    head = ("what", "reason", "how often")
    return Shown("reasons", "Why edits or answers were refused", head, rows, 2, left)


def _short(text: str) -> str:
    return text if len(text) <= LETTERS else text[:LETTERS].rstrip() + " …"


def _leaderboard(board: pd.DataFrame) -> Shown:
    names = ["overall", *DIMENSIONS]
    rows = [
        (
            Cell(str(row["model"])),
            _count(row["rank"]),
            _ranks(row),
            Cell(str(row["group"])),
            *(_of(row, n) for n in names),
        )
        for row in _records(board)
    ]
    head = ("model", "rank", "rank interval", "group", *(words(name) for name in names))
    return _capped(Shown("leaderboard", "Models, best first", head, rows), MODELS, "models")


def _comparisons(table: pd.DataFrame) -> Shown:
    """Overall alone; the others are in the file."""
    own = table[table["dimension"] == "overall"].sort_values("p_adjusted", kind="stable")
    rows = [
        (
            Cell(str(row["better"])), Cell(str(row["worse"])), _figure(row["difference"], row["low"], row["high"]),
            _probability(row["p"]), _probability(row["p_adjusted"]),
        )
        for row in _records(own)
    ]  # fmt: skip
    head = ("better", "worse", "difference", "p", "p of all pairs")
    apart = int((own["p_adjusted"] < SIGNIFICANT).sum())
    caption = f"Every two models, overall: {apart} of {len(own)} pairs differ significantly"
    return _capped(Shown("comparisons", caption, head, rows, 2), ROWS, "pairs")


def _probability(p: float) -> Cell:
    return Cell("–" if pd.isna(p) else "< 0.001" if p < 0.001 else f"{p:.3f}")


def _task_groups(table: pd.DataFrame) -> Shown:
    groups = sorted(table["task_group"].unique())
    by = {(row["task_group"], row["model"]): row for row in _records(table)}
    models = list(dict.fromkeys(table.sort_values("overall", ascending=False, kind="stable")["model"]))
    rows = []
    for model in models:
        cells = [by.get((group, model)) for group in groups[:COLUMNS]]
        rows.append((Cell(str(model)), *(_with_rank(row) if row else Cell("–") for row in cells)))
    head = ("model", *(words(str(group)) for group in groups[:COLUMNS]))
    shown = _capped(Shown("task_groups", "Rank and mean score by group of tasks", head, rows), MODELS, "models")
    return _columns_left_out(shown, len(groups), "groups")


def _with_rank(row: Row) -> Cell:
    score = _of(row, "overall")
    ranks = _ranks(row).text
    return Cell(f"{int(row['rank'])}. {score.text}", f"{score.small or 'no interval'}; ranks {ranks}")


def _columns_left_out(shown: Shown, n: int, what: str) -> Shown:
    if n <= COLUMNS:
        return shown
    left = f"{COLUMNS} of {n:,} {what} are shown"
    return replace(shown, left_out=f"{shown.left_out}; {left}" if shown.left_out else left)


def _refusals(table: pd.DataFrame) -> Shown:
    rows = [
        (
            Cell(str(row["model"])), _count(row["made"]), _count(row["refused"]), _count(row["failed"]),
            _figure(row["refusal_rate"], percent=True), _count(row["rank"]), _of(row, "overall"),
        )
        for row in _records(table)
    ]  # fmt: skip
    head = ("model", "made", "refused", "failed", "refusal rate", "rank with refusals as worst", "overall then")
    return _capped(Shown("refusals", "Refusals, and the ranks if they counted", head, rows), MODELS, "models")


def _preferences(table: pd.DataFrame) -> Shown:
    rows = [
        (
            Cell(str(row["model"]), mark="" if row["connected"] else "NOT COMPARED WITH THE OTHERS"),
            _count(row["rank"]),
            _figure(row["strength"], row["strength_low"], row["strength_high"], digits=2),
            _figure(row["wins"], row["wins_low"], row["wins_high"], digits=0, percent=True),
            _count(row["n_choices"]),
        )
        for row in _records(table)
    ]
    head = ("model", "rank", "strength (logits)", "would win", "choices")
    return _capped(Shown("preferences", "Strengths by choices between two edits", head, rows), MODELS, "models")


def _flaw_types(table: pd.DataFrame) -> Shown:
    table = table[table.groupby("flaw_type")["edits_with"].transform("max") > 0]
    models = [name for name in sorted(table["model"].unique()) if name]
    by = {(row["flaw_type"], row["model"]): row for row in _records(table)}
    kinds = dict(zip(table["flaw_type"], table["kind"], strict=True))
    rows = [
        (
            Cell(words(flaw)), Cell(words(kind)), _count(by[flaw, ""]["regions"]),
            *(_share(by[flaw, model]) for model in ["", *models[:COLUMNS]]),
        )
        for flaw, kind in kinds.items()
    ]  # fmt: skip
    head = ("flaw type", "kind", "regions", "all models", *models[:COLUMNS])
    return _columns_left_out(
        Shown("flaw_types", "Share of edits with a flaw of each type", head, rows, 2), len(models), "models"
    )


def _share(row: Row) -> Cell:
    return _figure(row["share"], row["low"], row["high"], digits=0, percent=True)


def _agreement(table: pd.DataFrame) -> Shown:
    own = table[table["of"] == "all"]
    tested = bool(own["p"].notna().any())
    rows = [
        (
            Cell(words(str(row["about"]))), Cell(str(row["measure"])),
            _figure(row["value"], row["low"], row["high"], digits=2), *([_probability(row["p"])] if tested else []),
            _count(row["edits"]), _count(row["people"]),
        )
        for row in _records(own)
    ]  # fmt: skip
    head = ("about", "measure", "value", *(["p"] if tested else []), "edits", "people")
    return Shown("agreement", "Of all edits", head, rows, 2)


def _agreement_parts(table: pd.DataFrame) -> Shown:
    """Alpha, and F1 of regions, of each model and group of tasks."""
    of = "Krippendorff's alpha (interval)", "F1 of two people (IoU 0.5)"
    own = table[(table["of"] != "all") & table["measure"].isin(of)]
    abouts = [*DIMENSIONS, "regions"]
    rows = []
    for (part, name), some in own.groupby(["of", "name"], sort=True):
        by = {row["about"]: row for row in _records(some)}
        cells = (
            _figure(row["value"], row["low"], row["high"], digits=2) if (row := by.get(a)) else Cell("–")
            for a in abouts
        )
        rows.append((Cell(str(part)), Cell(words(str(name))), *cells))
    head = ("of", "name", *(f"alpha, {words(name)}" for name in DIMENSIONS), "F1 of regions")
    shown = Shown("agreement", "By model and group of tasks", head, rows, 2)
    return _capped(shown, ROWS, "models and groups")


def _raters(table: pd.DataFrame) -> Shown:
    """A row for each person: who was rejected and who is least consistent stand on top."""
    table = table.assign(square=table["inconsistency"] ** 2)
    people = table.groupby("annotator").agg(rejected=("rejected", "sum"), square=("square", "mean"))
    order = people.sort_values(["rejected", "square"], ascending=False, kind="stable").index
    names = [name for name in DIMENSIONS if name in set(table["dimension"])]
    some = table[table["annotator"].isin(set(order[:PEOPLE]))]
    by = {(row["annotator"], row["dimension"]): row for row in _records(some)}
    rows = [_rater(str(person), [by.get((person, name)) for name in names]) for person in order[:PEOPLE]]
    head = ("person", "ratings", *(f"{words(name)}: bias, inconsistency" for name in names))
    left = "" if len(order) <= PEOPLE else f"{PEOPLE} of {len(order):,} people are shown, the least consistent"
    return Shown("raters", "Who rated, the least consistent first", head, rows, left_out=left)


def _rater(person: str, rows: Sequence[Row | None]) -> tuple[Cell, ...]:
    kind = next(str(row["annotator_kind"]) for row in rows if row)
    cells: Iterable[Cell] = (
        Cell(
            f"{_figure(row['bias'], sign=True).text}, {_figure(row['inconsistency']).text}",
            mark="REJECTED" if row["rejected"] else "",
        )
        if row
        else Cell("–")
        for row in rows
    )
    mark = "SIMULATED" if kind == "simulated" else ""
    return Cell(person[:NAME_LETTERS], mark=mark), _count(sum(row["n"] for row in rows if row)), *cells
