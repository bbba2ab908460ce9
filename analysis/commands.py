"""`editfhf analyze`."""

import shlex

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
    console.show(rows, as_json=as_json, title="Opinion scores, 0 to 100 (95 % interval over photos)")
    if study.unknown_edits:
        named = ", ".join(study.unknown_ids[:SHOWN_IDS]) + (" …" if len(study.unknown_ids) > SHOWN_IDS else "")
        console.note(f"{study.unknown_edits} answers are about edits that this workspace has no image of: {named}.")
    if not as_json:
        console.say(f"Report: {report}")
        console.say(f"Next: editfhf build -w {shlex.quote(workspace)} -o dataset")
