"""The report: one HTML file that says what was collected and what came of it, and needs nothing else."""

from collections.abc import Mapping
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from analysis import figures, shown
from analysis.clusters import SAME_REGION
from analysis.flaw_shares import LIKELY
from analysis.gallery import galleries
from analysis.leaderboard import N_BOOTSTRAP
from analysis.maps import SMOOTHING_SHARE
from analysis.mos import DEFAULT
from analysis.preferences import PRIOR_CHOICES
from analysis.projection import PRIOR_RATINGS
from analysis.study import Study
from analysis.tables import report_tables, write_tables
from editfhf.errors import first_line
from editfhf.files import whole_file
from editfhf.schema import DIMENSIONS
from editfhf.workspace import Workspace

# What the page says about how the numbers were made: the very constants that made them.
METHOD = {
    "scores": DEFAULT, "similarity": SAME_REGION, "smoothing": 100 * SMOOTHING_SHARE, "likely": LIKELY,
    "draws": N_BOOTSTRAP, "significant": 100 * shown.SIGNIFICANT, "prior_ratings": PRIOR_RATINGS,
    "prior_choices": PRIOR_CHOICES,
}  # fmt: skip
TASKS_PLOTTED = 60
PLOTS = ("leaderboard", "heat_map", "distributions", "flaw_types")


def write_report(workspace: Workspace, study: Study) -> Path:
    """Write `WS/analysis/report.html`, and its tables whole to `WS/analysis/tables/`; returns the page's path.

    Other packages add to it: an entry point of `editfhf.report_sections` is a function that takes the workspace and
    returns an HTML element with headings from h2 on and a style of its own (`Markup`), or None for nothing to show.

    Raises:
        BadInput: an image that it shows cannot be read.
    """
    tables = report_tables(workspace, study)
    write_tables(workspace, tables)
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["words"] = figures.words
    template = files("analysis").joinpath("templates/report.html.j2").read_text(encoding="utf-8")
    page = environment.from_string(template).render(
        title=workspace.config.annotation.title,
        dimensions=DIMENSIONS,
        marks=_marks(workspace),
        collected=tables["collected"].to_dict("records"),
        method=METHOD,
        n_compared=int(tables["leaderboard"]["n_edits"].iloc[0]) if len(tables["leaderboard"]) else 0,
        tables=shown.shown_tables(tables),
        plots=_plots(tables),
        galleries=galleries(workspace, study),
        sections=_sections(workspace),
    )
    path = workspace.analysis_dir / "report.html"
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _sections(workspace: Workspace) -> list[Markup]:
    sections = []
    for point in sorted(entry_points(group="editfhf.report_sections"), key=lambda point: point.name):
        try:
            section = point.load()(workspace)
            if not isinstance(section, Markup | None):
                raise TypeError(f"it returns {section!r}, which is no Markup")
        except Exception as error:  # somebody's plugin: whatever is wrong with it, the rest of the page stays
            told = f"{type(error).__name__}: {first_line(error).rstrip('.')}"
            section = Markup("<p>The section {} = {} is left out: {}.</p>").format(point.name, point.value, told)
        if section is not None:
            sections.append(section)
    return sections


def _marks(workspace: Workspace) -> dict[str, Any]:
    """What has to be declared: simulated people, procedural models."""
    answers = workspace.read_table("answers").select(["annotator", "annotator_kind"])
    people = set(answers.group_by(["annotator", "annotator_kind"]).aggregate([]).to_pandas().itertuples(index=False))
    models = sorted({edit.model for edit in workspace.edits()})
    procedural = [model for model in models if model.startswith("procedural/")]
    return {
        "simulated": sum(kind == "simulated" for _, kind in people),
        "human": sum(kind == "human" for _, kind in people),
        "procedural": procedural[: shown.MODELS],
        "more_procedural": max(len(procedural) - shown.MODELS, 0),
    }


def _plots(tables: Mapping[str, pd.DataFrame]) -> dict[str, Markup]:
    plots: dict[str, str] = dict.fromkeys(PLOTS, "")
    if len(board := tables["leaderboard"]):
        plots["leaderboard"] = figures.plot_leaderboard(board.head(shown.MODELS).set_index("model"))
    if len(by_task := tables["model_by_task"]):
        plots["heat_map"] = figures.plot_heat_map(_most(_most(by_task, "model", shown.MODELS), "task", TASKS_PLOTTED))
        plots["distributions"] = figures.plot_distributions(tables["distributions"])
    types = tables["flaw_types"]
    if len(types) and types["edits_with"].any():
        types = types[(types["model"] != "") & types.groupby("flaw_type")["edits_with"].transform("max").gt(0)]
        plots["flaw_types"] = figures.plot_flaw_types(_most(types, "model", shown.MODELS, "edits"))
    return {name: Markup(svg) for name, svg in plots.items()}


def _most(table: pd.DataFrame, column: str, most: int, weight: str = "n_edits") -> pd.DataFrame:
    """The rows of the `most` values of a column that have the most edits."""
    largest = table.groupby(column)[weight].sum().sort_values(ascending=False, kind="stable").index[:most]
    return table[table[column].isin(largest)]
