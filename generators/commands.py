"""`editfhf models` and `editfhf generate`."""

from typing import Annotated

import typer

from editfhf import console
from editfhf.console import JsonOption, WorkspaceOption
from editfhf.errors import JobFailed

app = typer.Typer()


@app.command(epilog="Example: editfhf models")
def models(as_json: JsonOption = False) -> None:
    """The editing models that can be run here, and what each can do."""
    from generators.runner import model_rows

    console.show(model_rows(), as_json=as_json, title="Editing models")


@app.command(epilog="Example: editfhf generate -w campaign --limit 100")
def generate(
    workspace: WorkspaceOption = ".",
    model: Annotated[list[str], typer.Option("--model", help="Only this model (may be given more than once).")] = [],  # noqa: B006
    task: Annotated[list[str], typer.Option("--task", help="Only this task (may be given more than once).")] = [],  # noqa: B006
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only so many, balanced over models, tasks and photos.")
    ] = None,
    retry: Annotated[str | None, typer.Option(help="Try again what ended as `failed` or `refused`.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make the edited images that are planned and missing; run it again to go on where it stopped."""
    from editfhf.workspace import Workspace
    from generators import runner

    opened = Workspace.open(workspace)
    counts = runner.generate(opened, model, task, limit, retry, track=lambda edits: console.track(edits, "Generating"))
    console.show(counts.as_row(), as_json=as_json)
    if counts.failed:
        raise JobFailed(
            f"{counts.failed} edits failed; the ledger has the reasons.",
            mend=f"Try them again with `editfhf generate -w {workspace} --retry failed`.",
        )
    if not as_json:
        console.say(f"Next: editfhf annotate serve -w {workspace}")
