"""`editfhf annotate …`: the campaign in Label Studio."""

from typing import Annotated

import typer

from editfhf import console
from editfhf.console import JsonOption, WorkspaceOption

app = typer.Typer()
annotate = typer.Typer(help="Run the annotation campaign in Label Studio.", no_args_is_help=True)
app.add_typer(annotate, name="annotate")


@annotate.command(epilog="Example: editfhf annotate serve -w campaign")
def serve(
    workspace: WorkspaceOption = ".",
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port on 127.0.0.1 (else a free one).")] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the server of this workspace.")] = False,
    install_only: Annotated[bool, typer.Option("--install-only", help="Only install Label Studio.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Start Label Studio in the background on this machine (installing it where it is missing), or stop it."""
    from annotation import installation, server

    if install_only:
        installation.install(console.note)
        console.say(f"Label Studio {installation.VERSION} is installed in {installation.home()}")
        return
    from editfhf.workspace import Workspace

    opened = Workspace.open(workspace)
    if stop:
        was_running = server.stop(opened)
        if as_json:
            console.show({"stopped": was_running}, as_json=True)
        else:
            console.say("Label Studio is stopped." if was_running else "Label Studio was not running.")
        return
    running = server.serve(opened, console.note, port)
    if as_json:
        shown = {"url": running.url, "token_file": str(server.token_path(opened)), "pid": running.pid}
        console.show(shown, as_json=True)
        return
    console.say(f"Label Studio runs at {running.url} (process {running.pid})")
    console.say(f"Sign in with the name and password in {server.credentials_path(opened)}")
    console.say(f"Next: editfhf annotate push -w {workspace}")


@annotate.command(
    epilog="Example: editfhf annotate push -w campaign; or editfhf annotate push -w campaign --predictions"
)
def push(
    workspace: WorkspaceOption = ".",
    predictions: Annotated[
        bool, typer.Option("--predictions", help="Draw what `editfhf predict` found beforehand, for people to correct.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make the project on the server, and a task for every edited image that has none."""
    from annotation import campaign
    from annotation.client import connect
    from annotation.predictions import push_predictions
    from editfhf.workspace import Workspace

    opened = Workspace.open(workspace)
    client = connect(opened)
    row = campaign.push(opened, client).as_row()
    if predictions:
        row["predictions"] = push_predictions(opened, client).as_row()
    if as_json or not predictions:
        console.show(row, as_json=as_json)
        return
    console.show({name: value for name, value in row.items() if name != "predictions"})
    console.show(row["predictions"], title="Predictions")


@annotate.command(epilog="Example: editfhf annotate simulate -w campaign --annotators 8 --seed 1")
def simulate(
    workspace: WorkspaceOption = ".",
    annotators: Annotated[
        int | None, typer.Option(min=1, max=1000, help="How many people (else as configured).")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same people and answers.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Answer every task as simulated annotators (a rehearsal; every table says that they are simulated)."""
    from annotation import simulate as simulation
    from annotation.client import connect
    from editfhf.workspace import Workspace

    opened = Workspace.open(workspace)
    counts = simulation.simulate(
        opened, connect(opened), annotators, seed, track=lambda chunks: console.track(chunks, "Answering")
    )
    console.show(counts.as_row(), as_json=as_json)
    if counts.left_out:
        console.note(f"{counts.left_out} edits were left out: nobody knows what is wrong with them (not procedural).")


@annotate.command(epilog="Example: editfhf annotate pull -w campaign")
def pull(workspace: WorkspaceOption = ".", as_json: JsonOption = False) -> None:
    """Bring new and changed answers home from Label Studio; what cannot be taken goes to a table with the reason."""
    from annotation import collect
    from annotation.client import connect
    from editfhf.workspace import Workspace

    opened = Workspace.open(workspace)
    counts = collect.pull(opened, connect(opened))
    console.show(counts.as_row(), as_json=as_json)
    if counts.refused:
        console.note(f"{counts.refused} answers or parts of them were refused: {opened.table_path('refused_answers')}")


@annotate.command(epilog="Example: editfhf annotate status -w campaign")
def status(workspace: WorkspaceOption = ".", as_json: JsonOption = False) -> None:
    """Whether the server runs, and how far the campaign is."""
    from annotation import status as progress
    from editfhf.workspace import Workspace

    console.show(progress.status(Workspace.open(workspace)), as_json=as_json)
