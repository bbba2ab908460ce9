"""What the report shows of a campaign: progress, people, agreement and quality; an entry point of
`editfhf.report_sections`. Of people it knows pseudonyms alone."""

from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from annotation.all_answers import all_answers
from annotation.quality import TABLES_READ, assess_workspace
from annotation.status import agreement_in, progress_in_tables, pulled_at
from annotation.status_page import interval, left_in_words, minute
from editfhf.workspace import Workspace

PEOPLE_SHOWN = 100  # in one table: the page stays small with a crowd


def campaign_section(workspace: Workspace) -> Markup | None:
    """The campaign as of the last pull; None where nothing was handed out and nothing answered.

    The server is not asked: whoever analyses may have none.
    """
    progress = progress_in_tables(workspace)
    if not progress.screens and all_answers(workspace, with_checks=True).empty:
        return None
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"minute": minute, "interval": interval, "words": lambda name: name.replace("_", " ")}
    quality = _quality(workspace)
    template = files("annotation").joinpath("templates/campaign.html.j2").read_text(encoding="utf-8")
    page = environment.from_string(template).render(
        pulled_at=at.strftime("%Y-%m-%d %H:%M") if (at := pulled_at(workspace)) else "",
        screens=progress.screens,
        left=left_in_words(progress.hours_left, progress.days_left, progress.no_days),
        people=progress.people[:PEOPLE_SHOWN],
        more_people=max(len(progress.people) - PEOPLE_SHOWN, 0),
        everybody_simulated=all(one.kind == "simulated" for one in progress.people),
        agreement=agreement_in(workspace),
        quality=quality[:PEOPLE_SHOWN],
        more_quality=max(len(quality) - PEOPLE_SHOWN, 0),
    )
    return Markup(page)


def _quality(workspace: Workspace) -> list[dict[str, Any]]:
    if not any(workspace.read_table(name).num_rows for name in TABLES_READ):
        return []
    return [row | {"reasons": row["reasons"].split("; ")} for row in assess_workspace(workspace)]
