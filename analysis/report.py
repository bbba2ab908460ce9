"""The report: one HTML file that says what was collected and what came of it, and needs nothing else."""

import base64
import io
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup
from PIL import Image

from analysis import figures
from analysis.clusters import SAME_REGION
from analysis.maps import SMOOTHING_SHARE
from analysis.study import Study, board_records
from editfhf.errors import BadInput, first_line
from editfhf.files import whole_file
from editfhf.schema import DIMENSIONS, Edit, Polygon
from editfhf.workspace import Workspace

GALLERY_SIDE = 480  # pixels of the longer side: the page stays a few megabytes at any campaign size
GALLERY_EACH = 8  # edits in each of worst, best, most disputed
REASONS_SHOWN = 8
# What the page says about how the numbers were made: the very constants that made them.
METHOD = {"similarity": SAME_REGION, "smoothing": 100 * SMOOTHING_SHARE}
PLOTS = ("leaderboard", "heat_map", "distributions", "flaw_types")


def write_report(workspace: Workspace, study: Study) -> Path:
    """Write `WS/analysis/report.html`; returns its path.

    Other packages add to it: an entry point of `editfhf.report_sections` is a function that takes the workspace and
    returns an HTML element with headings from h2 on and a style of its own (`Markup`), or None for nothing to show.
    """
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["words"] = figures.words
    template = files("analysis").joinpath("templates/report.html.j2").read_text(encoding="utf-8")
    page = environment.from_string(template).render(
        title=workspace.config.annotation.title,
        dimensions=DIMENSIONS,
        marks=_marks(workspace),
        collected=_collected(workspace),
        reasons=_reasons(workspace),
        method=METHOD,
        board=board_records(study.board),
        plots=_plots(workspace, study),
        galleries=_galleries(workspace, study),
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
    answers = workspace.read_table("answers").select(["annotator", "annotator_kind"]).to_pylist()
    people = {(row["annotator"], row["annotator_kind"]) for row in answers}
    return {
        "simulated": sum(kind == "simulated" for _, kind in people),
        "human": sum(kind == "human" for _, kind in people),
        "procedural": sorted({edit.model for edit in workspace.edits() if edit.model.startswith("procedural/")}),
    }


def _collected(workspace: Workspace) -> list[tuple[str, int]]:
    edits = workspace.edits()
    statuses = Counter(workspace.ledger.statuses().values())
    answers = workspace.read_table("answers").to_pylist()
    sources = workspace.sources()
    return [
        ("photos", sum(not source.derived_from for source in sources)),
        ("photos made worse on purpose", sum(bool(source.derived_from) for source in sources)),
        ("files set aside", workspace.read_table("sources_set_aside").num_rows),
        ("tasks", len({edit.task for edit in edits})),
        ("models", len({edit.model for edit in edits})),
        ("edited images", len(edits)),
        ("edits refused by the model", statuses["refused"]),
        ("edits failed", statuses["failed"]),
        ("people", len({row["annotator"] for row in answers})),
        ("answers", len(answers)),
        ("ratings", workspace.read_table("ratings").num_rows),
        ("regions drawn", workspace.read_table("regions").num_rows),
        ("answers refused in part or whole", workspace.read_table("refused_answers").num_rows),
    ]


def _reasons(workspace: Workspace) -> list[tuple[str, str, int]]:
    """(what, why, how often): why edits were refused or failed, and why answers were; the most frequent of each."""
    statuses = workspace.ledger.statuses()
    edits = Counter((f"edit {statuses[one]}", reason) for one, reason in workspace.ledger.reasons().items())
    refused = workspace.read_table("refused_answers")["reason"].to_pylist()
    answers = Counter(("answer refused", reason) for reason in refused)
    shown = [*edits.most_common(REASONS_SHOWN), *answers.most_common(REASONS_SHOWN)]
    return [(what, reason, count) for (what, reason), count in shown]


def _plots(workspace: Workspace, study: Study) -> dict[str, Markup]:
    plots: dict[str, str] = dict.fromkeys(PLOTS, "")
    if len(study.board):
        plots["leaderboard"] = figures.plot_leaderboard(study.board)
    if len(study.scores):
        plots["heat_map"] = figures.plot_heat_map(study.scores)
        plots["distributions"] = figures.plot_distributions(study.scores)
    if study.consensus:
        model_of = {edit.edit_id: edit.model for edit in workspace.edits()}
        pairs = [(row["flaw_type"], model_of[row["edit_id"]]) for row in study.consensus]
        table = pd.DataFrame(pairs, columns=["flaw_type", "model"])
        counts = pd.crosstab(table["flaw_type"], table["model"])
        plots["flaw_types"] = figures.plot_flaw_types(counts.loc[counts.sum(axis=1).sort_values(ascending=False).index])
    return {name: Markup(svg) for name, svg in plots.items()}


def _galleries(workspace: Workspace, study: Study) -> list[tuple[str, list[dict[str, Any]]]]:
    edits = {edit.edit_id: edit for edit in workspace.edits()}
    sources = {source.source_id: source for source in workspace.sources()}
    regions: dict[str, list[dict[str, Any]]] = {}
    for row in study.consensus:
        regions.setdefault(row["edit_id"], []).append(row)
    if study.scores.empty:  # people marked regions and rated nothing
        return []
    table = study.scores.pivot_table(index="edit_id", columns="dimension", values="mos")
    spread = study.scores.groupby("edit_id")["std"].mean().reindex(table.index)
    overall = table.mean(axis=1)

    def cards(ids: Iterable[Any]) -> list[dict[str, Any]]:
        return [
            _card(workspace, edits[one], sources[edits[one].source_id].file, table.loc[one], regions.get(one, []))
            for one in ids
        ]

    shown: set[str] = set()
    galleries = []
    for name, order in (
        ("Worst", overall.sort_values(kind="stable")),
        ("Most disputed", spread.dropna().sort_values(ascending=False, kind="stable")),
        ("Best", overall.sort_values(ascending=False, kind="stable")),
    ):
        ids = [one for one in order.index if one not in shown][:GALLERY_EACH]
        shown.update(ids)
        galleries.append((name, cards(ids)))
    return galleries


def _card(
    workspace: Workspace, edit: Edit, source_file: str, scores: pd.Series, regions: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "edit": edit,
        "source_uri": _data_uri(_read_image(workspace, source_file, edit)),
        "edited_uri": _data_uri(_read_image(workspace, edit.image, edit)),
        "scores": {name: float(scores[name]) for name in DIMENSIONS if name in scores and np.isfinite(scores[name])},
        "regions": [
            {**row, "number": number, "path": _path(row["polygon"], edit), "label": _label(row["polygon"], edit)}
            for number, row in enumerate(regions, start=1)
        ],
    }


def _read_image(workspace: Workspace, file: str, edit: Edit) -> np.ndarray:
    try:
        return workspace.read_image(file)
    except OSError as error:
        raise BadInput(
            f"{workspace.root / file}, of edit {edit.edit_id}, cannot be read.",
            mend=f"`editfhf generate -w {workspace.root}` makes edits again whose image is gone.",
        ) from error


def _data_uri(pixels: np.ndarray) -> str:
    image = Image.fromarray(pixels)
    image.thumbnail((GALLERY_SIDE, GALLERY_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "jpeg", quality=82)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _path(polygon: Polygon, edit: Edit) -> str:
    """The rings as an SVG path in pixels of the edited image."""
    return " ".join(
        "M" + " L".join(f"{x * edit.width:.1f} {y * edit.height:.1f}" for x, y in ring) + " Z" for ring in polygon
    )


def _label(polygon: Polygon, edit: Edit) -> tuple[float, float]:
    """Where the number of a region stands: at its highest point, inside the frame."""
    if not polygon:
        return 0.0, 0.0
    x, y = min(polygon[0], key=lambda point: point[1])
    return float(np.clip(x, 0.03, 0.97)) * edit.width, float(np.clip(y, 0.06, 0.97)) * edit.height
