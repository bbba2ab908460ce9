"""`editfhf analyze` and `editfhf power`."""

import shlex
from typing import Annotated

import typer

from editfhf import console
from editfhf.console import JsonOption, WorkspaceOption

app = typer.Typer()
SHOWN_IDS = 5


@app.command(epilog="Example: editfhf analyze -w campaign")
def analyze(workspace: WorkspaceOption = ".", as_json: JsonOption = False) -> None:
    """Opinion scores, consensus regions, leaderboard and the HTML report, from the answers that were pulled."""
    from analysis.report import write_report
    from analysis.study import analyze_workspace, board_records, model_rows
    from editfhf.workspace import Workspace

    opened = Workspace.open(workspace)
    study = analyze_workspace(opened, track=lambda edits: console.track(edits, "Finding consensus"))
    report = write_report(opened, study)
    rows = board_records(study.board) if as_json else list(model_rows(study.board))
    console.show(rows, as_json=as_json, title="Opinion scores, 0 to 100 (95 % interval over photos and people)")
    if study.unknown_edits:
        named = ", ".join(study.unknown_ids[:SHOWN_IDS]) + (" …" if len(study.unknown_ids) > SHOWN_IDS else "")
        console.note(f"{study.unknown_edits} answers are about edits that this workspace has no image of: {named}.")
    if not as_json:
        console.say(f"Report: {report}, its tables: {report.parent / 'tables'}")
        console.say(f"Next: editfhf build -w {shlex.quote(workspace)} -o dataset")


@app.command(epilog="Example: editfhf power -w pilot --difference 5 --people 20")
def power(
    workspace: WorkspaceOption = ".",
    difference: Annotated[float, typer.Option(help="Of two models' mean scores, in points of 0..100.")] = 5.0,
    people: Annotated[int, typer.Option(help="Who will rate; 0: as many as in the pilot.")] = 0,
    dimension: Annotated[str, typer.Option(help="One of the dimensions, or overall.")] = "overall",
    chance: Annotated[float, typer.Option(help="Of telling the models apart.")] = 0.8,
    reach: Annotated[float, typer.Option(help="Wanted half width of the interval of a difference, in points.")] = 3.0,
    as_json: JsonOption = False,
) -> None:
    """How many edits and raters it takes to tell two models apart, from the ratings of a pilot."""
    from analysis.power import plan_campaign
    from editfhf.workspace import Workspace

    plan = plan_campaign(Workspace.open(workspace), difference, people, dimension, chance, reach)
    if as_json:
        console.show(plan, as_json=True)
        return
    console.show([plan["components"]], title=f"What varies ({dimension}), standard deviations in points of 0..100")
    console.show(plan["rows"], title=f"Edits of each model to tell {difference:g} points apart with {chance:.0%}")
    for note in plan["notes"]:
        console.note(note)
