"""`editfhf models`, `plan`, `generate` and `merge`."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated

import typer

from editfhf import console
from editfhf.console import JsonOption, WorkspaceOption
from editfhf.errors import BadInput, JobFailed

app = typer.Typer()

ModelOption = Annotated[list[str], typer.Option("--model", help="Only this model (may be given more than once).")]
TaskOption = Annotated[list[str], typer.Option("--task", help="Only this task (may be given more than once).")]
LimitOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Only the first N of the plan, those already made included; balanced over models, tasks and photos.",
        metavar="N",
    ),
]


@app.command(epilog="Example: editfhf models")
def models(
    page: Annotated[bool, typer.Option("--page", help="All that is known of them, as a Markdown page.")] = False,
    as_json: JsonOption = False,
) -> None:
    """The editing models that can be run, and what each needs, costs and allows."""
    from generators import catalogue

    if page:
        typer.echo(catalogue.models_page(), nl=False)
        return
    rows = catalogue.model_rows()
    if not as_json:
        # The table has to fit a terminal; --json and --page have everything.
        wanted = ("model", "tasks", "licence", "outputs_redistributable", "gpu_memory_gb", "usd_per_edit", "needs")
        rows = [{name: row[name] for name in wanted} for row in rows]
    console.show(rows, as_json=as_json, title="Editing models")


@app.command(epilog="Example: editfhf plan -w campaign")
def plan(
    workspace: WorkspaceOption = ".",
    model: ModelOption = [],  # noqa: B006
    task: TaskOption = [],  # noqa: B006
    as_json: JsonOption = False,
) -> None:
    """The edits to make, with GPU hours, dollars and disk by model, and what the estimates rest on."""
    from editfhf.workspace import Workspace
    from generators.estimate import estimate_plan
    from generators.plan import plan_campaign
    from generators.preflight import require_settings
    from generators.revisions import why_unknown

    opened = Workspace.open(workspace)
    require_settings(opened.config.generate)
    planned = plan_campaign(opened, model, task, keep_unresolved=True)
    notes = {name: why_unknown(fault) for name, fault in planned.unresolved.items()}
    rows = [{**one.as_row(), "note": notes.get(one.model, "")} for one in estimate_plan(opened, planned)]
    if as_json:
        console.show(rows, as_json=True)
    else:
        hidden = {"basis"} if notes else {"basis", "note"}
        console.show([{k: v for k, v in row.items() if k not in hidden} for row in rows], title="Planned edits")
        for basis, models in _by_basis(rows).items():
            console.say(f"- {', '.join(models)}: {basis}")
        console.say(planned.summary())
    if planned.unresolved:
        for fault in planned.unresolved.values():
            console.note(f"- {fault}")
        raise JobFailed(
            f"No edit by {', '.join(notes)} can be made yet: the revision is unknown.",
            mend="What else is missing: `editfhf generate --dry-run`.",
        )
    if not as_json:
        console.say(f"Next: editfhf generate -w {shlex.quote(workspace)}")


def _by_basis(rows: Sequence[Mapping[str, object]]) -> dict[str, list[str]]:
    """What estimates rest on, each said once, and the models of which it holds."""
    models: dict[str, list[str]] = {}
    for row in rows:
        models.setdefault(str(row["basis"]), []).append(str(row["model"]))
    return models


@app.command(epilog="Example: editfhf generate -w campaign --limit 100")
def generate(
    workspace: WorkspaceOption = ".",
    model: ModelOption = [],  # noqa: B006
    task: TaskOption = [],  # noqa: B006
    limit: LimitOption = None,
    retry: Annotated[str | None, typer.Option(help="Try again what ended as `failed` or `refused`.")] = None,
    engine: Annotated[str, typer.Option(metavar="local|ray", help="Processes of this machine, or a Ray cluster.")] = (
        "local"
    ),
    workers: Annotated[
        int | None, typer.Option(min=1, help="How many at the same time; default: one for each GPU.")
    ] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only share I of N, into a part: `editfhf merge` joins them.")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Say what would be made, what is missing for it, and why edits failed or were refused; make nothing.",
        ),
    ] = False,
    budget: Annotated[str | None, typer.Option("--budget", "--budget-usd", hidden=True)] = None,
    as_json: JsonOption = False,
) -> None:
    """Make the edited images that are planned and missing; run it again to go on where it stopped."""
    from editfhf.workspace import Workspace
    from generators import runner, unresolved
    from generators.engine import engine_of
    from generators.shards import Shard

    opened = Workspace.open(workspace)
    if budget is not None:
        raise BadInput(
            "The budget is no option: it holds for all runs on a workspace together.",
            mend=f"Set generate.budget_usd in {opened.root / 'editfhf.yaml'}.",
        )
    options = runner.Selection(model, task, limit, retry, Shard.parse(shard) if shard else None)
    start = engine_of(engine, workers)
    if dry_run:
        found = unresolved.dry_run(opened, options, start, elsewhere=engine != "local")
        if as_json:
            console.show(found.as_row(), as_json=True)
        else:
            console.show(found.would_make, title="Would be made")
            if found.not_made:
                console.show(found.reasons(), title="Failed or refused so far")
        if len(found.problems) == 1:
            raise found.problems[0]
        if found.problems:
            for problem in found.problems:
                console.note(f"- {problem}")
            raise BadInput(
                f"{len(found.problems)} things are missing for this run.", mend="Mend what the lines above say."
            )
        return
    left_out: dict[str, BadInput] = {}
    if not options.shard:  # shares may not each ask the Hub: an earlier plan has to have done it
        known, left_out = unresolved.known_models(opened, model)
        if left_out:
            options = replace(options, models=known)
            console.note(f"Left out of this run, as their revision is unknown: {', '.join(left_out)}.")
    with console.progress("Generating") as report:
        counts = runner.generate(opened, options, start, on_progress=report)
    console.show(counts.as_row(), as_json=as_json)
    quoted = shlex.quote(workspace)
    if counts.failed:
        raise JobFailed(
            f"{counts.failed} edits failed; `editfhf generate --retry failed -w {quoted}` tries them again, and "
            "`--dry-run` lists all reasons:",
            mend="; ".join(counts.reasons),
        )
    if counts.beyond_budget:
        raise JobFailed(
            f"{counts.beyond_budget} edits were not asked for: they could have exceeded the budget.",
            mend="Raise generate.budget_usd in editfhf.yaml and run it again.",
        )
    if not as_json and counts.beyond_limit:
        more = f", or --limit {2 * limit}" if limit and counts.beyond_limit > limit else ""
        console.say(f"{counts.beyond_limit} more are planned: editfhf generate -w {quoted}{more}")
    if left_out:
        raise JobFailed(
            f"No edits by {', '.join(left_out)} could be planned; those of the others are made. "
            f"{' '.join(fault.what for fault in left_out.values())}",
            mend=next(iter(left_out.values())).mend,
        )
    if not as_json:
        if shard:
            console.say(f"Next, when all shares are made: editfhf merge -w {quoted}")
        else:
            console.say(f"Next: editfhf annotate serve -w {quoted}")


@app.command(epilog="Example: editfhf merge -w campaign machine-1/parts/1-of-2 machine-2/parts/2-of-2")
def merge(
    parts: Annotated[
        list[str] | None, typer.Argument(metavar="PART...", help="Folders that `generate --shard` wrote.")
    ] = None,
    workspace: WorkspaceOption = ".",
    as_json: JsonOption = False,
) -> None:
    """Join the parts that other machines or array jobs made; default: all in the workspace's folder parts/."""
    from pathlib import Path

    from editfhf.workspace import Workspace
    from generators.shards import merge_parts

    folders = [Path(part).expanduser() for part in parts or ()]
    counts = merge_parts(Workspace.open(workspace), folders, track=lambda edits: console.track(edits, "Merging"))
    console.show(counts.as_row(), as_json=as_json)
    for problem in counts.problems:
        console.note(f"- {problem}")
    if counts.damaged:
        raise JobFailed(
            f"{counts.damaged} edits of the parts are damaged and were left out.",
            mend="Make them again: run `editfhf generate` on the workspace.",
        )
