"""The commands of the ground floor: photos and instructions in, dataset out, and the demo of it all."""

import shlex
from dataclasses import asdict
from typing import Annotated

import typer

from editfhf import console
from editfhf.console import JsonOption, WorkspaceOption
from editfhf.errors import BadInput, JobFailed

app = typer.Typer()
SHOWN_CHANGES = 30


@app.command(epilog="Example: editfhf init campaign --sources my-photos")
def init(
    workspace: Annotated[str, typer.Argument(metavar="WS", help="The workspace folder to make, or to add photos to.")],
    sources: Annotated[
        str | None, typer.Option(metavar="DIR", help="A folder of photos; without it, sample photos are taken.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a workspace and import photos: upright, sRGB, without GPS and other metadata."""
    from editfhf.sources import init_workspace, set_aside_rows

    opened, counts = init_workspace(workspace, sources, track=lambda files: console.track(files, "Importing"))
    set_aside = set_aside_rows(opened)
    if as_json:
        console.show({**counts.as_row(), "files_set_aside": set_aside}, as_json=True)
        return
    console.show(counts.as_row())
    if set_aside:
        console.show(set_aside, title="Set aside")
    console.say(f"Next: editfhf instruct -w {shlex.quote(workspace)}")


@app.command(epilog="Example: editfhf tasks --json")
def tasks(as_json: JsonOption = False) -> None:
    """The 43 editing tasks: what each needs in a photo, and an example."""
    from editfhf.tasks import TASKS

    rows = [
        {
            "task": task.id,
            "group": task.group,
            "scope": task.scope,
            "needs": task.derived or task.needs,
            "templates": len(task.templates),
            "example": task.example,
        }
        for task in TASKS.values()
    ]
    console.show(rows, as_json=as_json, title="Editing tasks")


@app.command(epilog="Example: editfhf flaws")
def flaws(as_json: JsonOption = False) -> None:
    """The flaw types that annotators choose from."""
    from editfhf.flaws import FLAW_TYPES

    rows = [{"flaw_type": flaw.id, "kind": flaw.kind, "description": flaw.description} for flaw in FLAW_TYPES]
    console.show(rows, as_json=as_json, title="Flaw types")


@app.command(epilog="Example: editfhf instruct -w campaign --with edited.csv")
def instruct(
    workspace: WorkspaceOption = ".",
    with_: Annotated[
        str,
        typer.Option(
            "--with",
            metavar="template|vlm|FILE.csv",
            help="Templates, a vision-language model that looks at each photo, or a file that somebody edited.",
        ),
    ] = "template",
    drop_missing: Annotated[
        bool, typer.Option("--drop-missing", help="Remove the instructions that the file does not have.")
    ] = False,
    vlm_model: Annotated[
        str, typer.Option(metavar="MODEL", help="With `vlm`: a repository of the Hub, a folder, or the server's name.")
    ] = "",
    vlm_url: Annotated[
        str, typer.Option(metavar="URL", help="With `vlm`: an OpenAI-compatible server; its key is in OPENAI_API_KEY.")
    ] = "",
    again: Annotated[
        bool, typer.Option("--again", help="With `vlm`: ask also about photos that this model was asked about.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write what to do to which photo, as a CSV file that you may edit and give back."""
    from editfhf.config import CONFIG_NAME
    from editfhf.instructions import write_instructions
    from editfhf.vlm import open_vlm
    from editfhf.vlm_instructions import set_aside_rows
    from editfhf.workspace import Workspace

    if with_ != "vlm" and (vlm_model or vlm_url or again):
        raise BadInput("--vlm-model, --vlm-url and --again are about a model.", mend="Add `--with vlm`.")
    opened = Workspace.open(workspace)
    counts = write_instructions(
        opened,
        with_,
        drop_missing,
        track=lambda photos: console.track(photos, "Looking at photos"),
        vlm=open_vlm(opened.config.instruct, vlm_model, vlm_url, opened.root / CONFIG_NAME) if with_ == "vlm" else None,
        again=again,
    )
    more: dict[str, list[dict[str, str]]] = {}
    if with_ == "vlm":
        more["set_aside"] = set_aside_rows(opened)
    elif with_ != "template":  # what a person changed can be read through; what templates write is the whole CSV file
        more["changes"] = [asdict(one) for one in counts.changes]
    if as_json:
        console.show({**counts.as_row(), "notes": counts.notes, **more}, as_json=True)
        return
    console.show(counts.as_row())
    for note in counts.notes:
        console.say(note)
    for name, rows in more.items():
        if rows:
            console.show(rows, title={"set_aside": "Set aside", "changes": "What the file changed"}[name])
    if more.get("set_aside"):
        console.say(f"What the model said there: {opened.table_path('instructions_set_aside')}")
    quoted = shlex.quote(workspace)
    console.say(f"To change them: edit a copy of {opened.instructions_path}, then")
    console.say(f"                editfhf instruct -w {quoted} --with COPY.csv")
    console.say(f"Next: editfhf generate -w {quoted}")


@app.command(epilog="Example: editfhf build -w campaign -o dataset")
def build(
    workspace: WorkspaceOption = ".",
    out: Annotated[str, typer.Option("-o", "--out", metavar="DIR", help="The folder to write.")] = "dataset",
    as_json: JsonOption = False,
) -> None:
    """Write the dataset: Parquet in four configs, card, Croissant, manifest."""
    from pathlib import Path

    from editfhf.export import build_dataset
    from editfhf.workspace import Workspace

    opened = Workspace.open(workspace)
    counts = build_dataset(opened, Path(out), track=lambda edits: console.track(edits, "Building"))
    console.show(counts, as_json=as_json)
    if not as_json:
        console.say(f"Next: editfhf validate {shlex.quote(out)}")


@app.command(epilog="Example: editfhf validate dataset")
def validate(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="A folder that `editfhf build` wrote.")],
    as_json: JsonOption = False,
) -> None:
    """Check everything that a dataset promises, on the files themselves."""
    from pathlib import Path

    from editfhf.validate import validate_dataset

    results = validate_dataset(Path(folder))
    if as_json:
        rows = [{"check": one.name, "passed": one.passed, "failures": one.failures} for one in results]
        console.show(rows, as_json=True)
    else:
        rows = [{"check": one.name, "": "passed" if one.passed else f"{one.n_failures} failures"} for one in results]
        console.show(rows, title=folder)
        for failure in (failure for one in results for failure in one.failures):
            console.say(f"- {failure}")
    failed = [one.name for one in results if not one.passed]
    if failed:
        raise JobFailed(f"{folder}: {len(failed)} checks failed ({', '.join(failed)}).", mend="Build it again.")


@app.command(epilog="Example: editfhf publish dataset --repo me/holiday-edits --dry-run")
def publish(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="A dataset that `build` wrote, or a run of `train`.")],
    repo: Annotated[
        str, typer.Option("--repo", metavar="USER/NAME", help="The repository on the Hub; made if missing.")
    ],
    public: Annotated[bool, typer.Option("--public", help="Everybody may read it; else only you.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be uploaded; upload nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Publish a dataset or a trained run on the Hugging Face Hub: private, and only the files that belong to it."""
    from pathlib import Path

    from editfhf import hub

    publication = hub.read_publication(Path(folder))
    hub.require_repository(repo)
    files = [{"file": name, "bytes": size} for name, size in publication.files.items()]
    row = {
        "repo": repo, "kind": publication.kind, "visibility": "public" if public else "private",
        "files": len(files), "bytes": publication.n_bytes,
    }  # fmt: skip
    if not dry_run:
        row["url"] = hub.publish(publication, repo, public)
    if as_json:
        console.show(row | {"files": files}, as_json=True)
        return
    if dry_run:
        console.show(files, title="Would be uploaded")
    console.show(row)
    quoted = shlex.quote(folder)
    if dry_run:
        console.say(f"Next: editfhf publish {quoted} --repo {repo}{' --public' if public else ''}")
    elif publication.kind == "model":
        console.say(f"Next: editfhf score --run {repo} PAIRS.csv")
    else:
        console.say(f"Next, in Python: editfhf.load({repo!r})")


@app.command(epilog="Example: editfhf demo my-demo")
def demo(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Where to put it; may be continued.")] = "demo",
    edits: Annotated[
        int, typer.Option(min=48, help="How many edited images; the refiner needs some to learn from.")
    ] = 96,
) -> None:
    """All of it, small and offline: types the public commands and shows each."""
    from pathlib import Path

    from editfhf import cli
    from editfhf.demo import run_demo

    run_demo(Path(folder), edits, run=cli.run, say=console.say)
