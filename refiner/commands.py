"""`editfhf train`, `benchmark`, `pairs`, `score`, `refine` and `predict`."""

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from editfhf import console
from editfhf.console import JsonOption, WorkspaceOption
from editfhf.errors import BadInput

if TYPE_CHECKING:
    from pathlib import Path

    from generators.base import EditModel
    from refiner.refiner import Refiner

app = typer.Typer()
SHOWN_SENTENCES = 20
OWN_EDITOR = "lite/simple"  # what does again what was asked, where no other is named
ABLATIONS: dict[str, dict[str, object]] = {
    "no-instruction": {"use_instruction": False},
    "no-source": {"use_source": False},
    "random-backbone": {"backbone": "random"},
}

DatasetOption = Annotated[
    str,
    typer.Option("--dataset", metavar="DIR|REPO", help="A folder that `build` wrote, or a name on the Hub."),
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Take pairs whose edited image does not look like an edit of that photo too.")
]
RunOption = Annotated[
    str, typer.Option("--run", metavar="RUN|REPO", help="A folder that `train` wrote, or a name on the Hub.")
]


@app.command(epilog="Example: editfhf train --dataset dataset -o run")
def train(
    dataset: DatasetOption = "dataset",
    out: Annotated[str, typer.Option("-o", "--out", metavar="RUN", help="The run folder to write.")] = "run",
    backend: Annotated[str, typer.Option(metavar="lite", help="The backend; `lite` needs no GPU.")] = "lite",
    agent: Annotated[
        list[str],
        typer.Option(
            metavar="perception|reasoning|evaluation|all", help="Train only this one; may be given more than once."
        ),
    ] = ["all"],  # noqa: B006
    seed: Annotated[int, typer.Option(min=0, help="Of all that is drawn: the same seed, the same weights.")] = 0,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="At most; it stops when it gets no better. Default: the backend's."),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(min=1e-7, max=1.0, help="The highest one. Default: the backend's.")
    ] = None,
    ablation: Annotated[
        list[str], typer.Option(metavar="|".join(ABLATIONS), help="Train without it, to see what it is worth.")
    ] = [],  # noqa: B006
    as_json: JsonOption = False,
) -> None:
    """Train the refiner on a dataset; run it again to go on where it stopped."""
    from pathlib import Path

    from refiner.runs import AGENTS, TrainConfig
    from refiner.train import train as train_run

    if backend != "lite":
        raise BadInput(f"There is no backend {backend!r}.", mend="Use `lite`.")
    wanted = {name for one in agent for name in (AGENTS if one == "all" else (one,))}
    if unknown := sorted(wanted - set(AGENTS)):
        raise BadInput(f"There is no agent {unknown[0]!r} to train.", mend=f"There are: {', '.join(AGENTS)}, all.")
    values: dict[str, object] = {"seed": seed, "agents": tuple(name for name in AGENTS if name in wanted)}
    values |= {"epochs": epochs} if epochs else {}
    values |= {"learning_rate": learning_rate} if learning_rate else {}
    for name in ablation:
        if name not in ABLATIONS:
            raise BadInput(f"There is no ablation {name!r}.", mend=f"There are: {', '.join(ABLATIONS)}.")
        values |= ABLATIONS[name]
    with console.progress("Training") as bar:

        def report(what: str, done: int, total: int, told: Mapping[str, float]) -> None:
            bar(done, total)
            if what == "Epoch":
                loss = sum(value for name, value in told.items() if name.startswith("loss "))
                console.note(f"epoch {done} of {total}: loss {loss:.3f}, selection {told['selection']:.3f}")

        record = train_run(dataset, Path(out), TrainConfig.model_validate(values), report=report)
    rows: dict[str, object] = {
        "best_epoch": record.best_epoch + 1, "edits": record.n_train, "seconds": record.seconds, **record.metrics,
    }  # fmt: skip
    console.show(rows, as_json=as_json)
    if record.too_few:
        console.note(record.too_few)
    if not as_json:
        console.say(f"Next: editfhf benchmark --dataset {shlex.quote(dataset)} --run {shlex.quote(out)}")


@app.command(epilog="Example: editfhf benchmark --dataset dataset --run run")
def benchmark(
    dataset: DatasetOption = "dataset",
    run: RunOption = "run",
    oracle: Annotated[
        str | None,
        typer.Option(metavar="WS", help="The workspace of a rehearsal: what its editors broke judges the loop too."),
    ] = None,
    preferences: Annotated[
        str | None, typer.Option(metavar="DIR", help="What `pairs` wrote, with people's filled copies beside the key.")
    ] = None,
    editor: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="Of `editfhf models`: does again what was asked, in the loop and as a baseline."
        ),
    ] = None,
    judge_url: Annotated[
        str, typer.Option(metavar="URL", help="An OpenAI-compatible server whose model judges too.")
    ] = "",
    judge_model: Annotated[str, typer.Option(metavar="MODEL", help="The name of that model on the server.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Refine only so many edits, drawn evenly.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: JsonOption = False,
) -> None:
    """Measure a run on the split `test`, beside baselines; the loop is never judged by its own evaluator."""
    from pathlib import Path

    from editfhf.vlm import EndpointModel
    from refiner import benchmark as benchmarks
    from refiner.benchmark_page import write_benchmark
    from refiner.measures.entries import THE_RUN
    from refiner.measures.loop import RESTORED

    if bool(judge_url) != bool(judge_model):
        raise BadInput("A judge needs both a server and a model.", mend="Give --judge-url and --judge-model.")
    with console.progress("Measuring") as bar:
        result = benchmarks.benchmark(
            dataset,
            run,
            oracle=Path(oracle) if oracle else None,
            editor=_editor(editor),
            preferences=Path(preferences) if preferences else None,
            endpoint=EndpointModel(judge_model, judge_url) if judge_url else None,
            limit=limit,
            seed=seed,
            report=lambda _what, done, total: bar(done, total),
        )
    # A run on the Hub has no folder here to put its page into.
    folder = Path(run) if Path(run).is_dir() else Path(f"benchmark-{run.replace('/', '-')}")
    folder.mkdir(exist_ok=True)
    page = write_benchmark(folder, result)
    if as_json:
        console.show({"marks": result.marks, "judges": result.judges, "rows": result.rows()}, as_json=True)
        return
    # The page and --json have the baselines too.
    rows = [row for row in result.rows() if row["method"] in (THE_RUN, RESTORED)]
    console.show(rows, title=f"{result.counts['edits']:g} edits of {result.counts['photos']:g} photos")
    for note in (*result.marks, *result.notes):
        console.note(note)
    console.say(f"Next: open {page} in a browser")


@app.command(epilog="Example: editfhf pairs --dataset dataset --run run -o pairs")
def pairs(
    dataset: DatasetOption = "dataset",
    run: RunOption = "run",
    out: Annotated[str, typer.Option("-o", "--out", metavar="DIR", help="The folder to write.")] = "pairs",
    editor: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Of `editfhf models`: does again what was asked.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Refine only so many edits, drawn evenly.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: JsonOption = False,
) -> None:
    """Edits of the split `test` before and after refining, in pairs for people to choose from blindly."""
    from dataclasses import asdict
    from pathlib import Path

    from editfhf.blind_pairs import HAND_OUT, KEY_FILE, PAIRS_FILE
    from refiner.blind_pairs import require_free, write_pairs
    from refiner.runs import version_of

    require_free(Path(out))
    version = version_of(run)
    refiner = _open(run, editor)
    with console.progress("Refining") as bar:
        counts = write_pairs(
            dataset, refiner.refine_pair, Path(out), version, editor or OWN_EDITOR, limit, seed, on_progress=bar
        )
    console.show(asdict(counts), as_json=as_json)
    if as_json:
        return
    _say_note(refiner.note)
    console.say(f"Next: give {Path(out) / HAND_OUT} to people, who write left, right or tie into {PAIRS_FILE},")
    console.say(f"or ask them in Label Studio: editfhf annotate push --pairs {shlex.quote(str(out))}.")
    options = ["--dataset", dataset, "--run", run, "--preferences", out]
    for name, value in (("--editor", editor), ("--limit", limit), ("--seed", seed or None)):
        options += [name, str(value)] if value is not None else []
    console.say(
        f"Then put everyone's copy beside {Path(out) / KEY_FILE} under a name of its own: "
        f"editfhf benchmark {shlex.join(options)}"
    )


@app.command(epilog="Example: editfhf score --run run pairs.csv -o scores.csv")
def score(
    pairs: Annotated[
        str,
        typer.Argument(metavar="PAIRS.csv", help="Columns source, edited, instruction; paths relative to the file."),
    ],
    run: RunOption = "run",
    out: Annotated[
        str | None, typer.Option("-o", "--out", metavar="FILE.csv", help="Write the scores there, for a spreadsheet.")
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score edited images as people would, without repairing them: three scores, and how sure each is."""
    from pathlib import Path

    from refiner.pairs import read_pair_sheet
    from refiner.scoring import COLUMNS, common_errors, require_writable, score_pairs, write_rows

    # What is wrong with the files is said before the model is loaded and has worked for nothing.
    named = read_pair_sheet(Path(pairs))
    if out is not None:
        require_writable(Path(out), Path(pairs), named)
    refiner = _open(run)
    rows = score_pairs(refiner, pairs, force, track=lambda items: console.track(items, "Scoring"))
    if out is not None:
        write_rows(Path(out), rows, COLUMNS)
    if as_json:
        console.show({"note": refiner.note, "scores": rows}, as_json=True)
        _require_some(rows, [row["reason"] for row in rows if row["reason"]], pairs)
        return
    scored = [row for row in rows if not row["reason"]]
    errors = common_errors(scored)
    hidden = {"note", "reason", *(f"{name}_std" for name in errors)}
    shown = [{name: value for name, value in row.items() if name not in hidden} for row in scored]
    if shown:
        console.show(shown, title=f"Scores, 0 to 100{'' if errors else ', and the standard deviation of each'}")
    if errors:
        told = ", ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in errors.items())
        console.say(f"Standard deviation of the error of each score: {told}.")
    _say_note(refiner.note)
    _say_some([f"{row['edited']}: {row['note']}" for row in rows if row["note"]], "pairs have a note")
    _say_some([row["reason"] for row in rows if row["reason"]], "pairs were set aside")
    if out is not None:
        console.say(f"Scores: {out}")
    _require_some(rows, [row["reason"] for row in rows if row["reason"]], pairs)
    console.say(f"Next: editfhf refine --run {shlex.quote(run)} --batch {shlex.quote(pairs)} -o refined")


@app.command(
    epilog='Example: editfhf refine --run run --source a.jpg --edited b.png --instruction "make the car red" -o car; '
    "or editfhf refine --run run --batch pairs.csv -o refined"
)
def refine(
    run: RunOption = "run",
    source: Annotated[str | None, typer.Option("--source", metavar="FILE", help="The photo.")] = None,
    edited: Annotated[str | None, typer.Option("--edited", metavar="FILE", help="The edited image of it.")] = None,
    instruction: Annotated[str | None, typer.Option("--instruction", help="What was asked for, in English.")] = None,
    out: Annotated[
        str,
        typer.Option(
            "-o", "--out", metavar="OUT", help="A folder for best.png and a page on each step; or a .png file."
        ),
    ] = "refined",
    batch: Annotated[
        str | None,
        typer.Option(
            "--batch",
            metavar="FILE.csv|DATASET",
            help="Many pairs: a CSV file (source, edited, instruction), a folder with one, or a dataset.",
        ),
    ] = None,
    split: Annotated[
        str, typer.Option("--split", metavar="train|validation|test", help="With a dataset: which split; test if none.")
    ] = "",
    worst: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="With a dataset: only the N that people scored lowest.")
    ] = None,
    editor: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="Of `editfhf models`: does again what was asked. Default: a small one of our own."
        ),
    ] = None,
    force: ForceOption = False,
    max_iterations: Annotated[int, typer.Option(min=1, help="How many repairs are kept at most.")] = 4,
    as_json: JsonOption = False,
) -> None:
    """Repair an edited image, or many, as far as the evaluation is certain that it gets better."""
    from pathlib import Path

    if batch is not None:
        if source is not None or edited is not None or instruction is not None:
            raise BadInput("--batch brings its own pairs.", mend="Leave out --source, --edited and --instruction.")
        _refine_batch(run, batch, split, worst, Path(out), editor, force, max_iterations, as_json)
        return
    if split or worst is not None:
        raise BadInput("--split and --worst need a dataset.", mend="One pair is refined without them.")
    given = {"--source": source, "--edited": edited, "--instruction": instruction}
    if missing := [name for name, value in given.items() if value is None]:
        raise BadInput(f"{missing[0]} is missing.", mend="One pair needs all three; many pairs come by --batch.")
    assert source is not None
    assert edited is not None
    assert instruction is not None
    from refiner.inputs import read_pair
    from refiner.one_pair import refine_into, require_writable

    require_writable(Path(out), (Path(source), Path(edited)))
    pair = read_pair(source, edited, instruction, force)
    refiner = _open(run, editor)
    with console.progress("Refining") as bar:
        row = refine_into(refiner, pair, Path(out), max_iterations, on_progress=bar)
    if as_json:
        console.show(row, as_json=True)
        return
    console.show({name: value for name, value in row.items() if name not in ("note", "page")})
    _say_note(row["note"])
    if row["page"]:
        console.say(f"Next: open {row['page']} in a browser")


@app.command(epilog="Example: editfhf predict --run run -w campaign")
def predict(run: RunOption = "run", workspace: WorkspaceOption = ".", as_json: JsonOption = False) -> None:
    """Find flaws on every edit of a workspace, for people to correct; never on edits of the split `test`."""
    from editfhf.workspace import Workspace
    from refiner.prediction import predict_regions
    from refiner.runs import version_of

    opened = Workspace.open(workspace)
    model = version_of(run)
    refiner = _open(run)
    with console.progress("Predicting") as bar:
        counts = predict_regions(refiner, opened, model, on_progress=bar)
    if as_json:
        console.show({**counts.as_row(), "reasons": counts.reasons, "note": refiner.note}, as_json=True)
        return
    console.show(counts.as_row())
    _say_note(refiner.note)
    _say_some(counts.reasons, "edits were set aside")
    console.say(f"Next: editfhf annotate push -w {shlex.quote(workspace)} --predictions")


def _refine_batch(
    run: str,
    batch: str,
    split: str,
    worst: int | None,
    out: "Path",
    editor: str | None,
    force: bool,
    max_iterations: int,
    as_json: bool,
) -> None:
    from refiner.batch import INDEX_FILE, refine_batch, require_folder
    from refiner.pairs import find_pairs
    from refiner.runs import version_of

    require_folder(out)
    pairs = find_pairs(batch, split, force, worst)
    settings = {"run": version_of(run), "editor": editor or OWN_EDITOR}
    refiner = _open(run, editor)
    with console.progress("Refining") as bar:
        counts = refine_batch(refiner, pairs, out, bar, max_iterations, settings)
    if as_json:
        console.show({**counts.as_row(), "reasons": counts.reasons, "note": refiner.note}, as_json=True)
        _require_some(pairs, counts.reasons, batch)
        return
    console.show(counts.as_row())
    _say_note(refiner.note)
    _say_some(counts.reasons, "pairs were set aside")
    _require_some(pairs, counts.reasons, batch)
    console.say(f"Next: open {out / INDEX_FILE} in a browser")


def _open(run: str, editor: str | None = None) -> "Refiner":
    from refiner.refiner import Refiner

    return Refiner.from_run(run, _editor(editor))


def _editor(editor: str | None) -> "EditModel | None":
    from generators.registry import load_model

    return load_model(editor) if editor else None


def _say_note(note: str) -> None:
    if note:
        console.note(note)


def _require_some(pairs: Sequence[object], reasons: Sequence[str], named: str) -> None:
    """A command that could take none of what it was given has failed."""
    if pairs and len(reasons) >= len(pairs):
        raise BadInput(f"{named}: none of {len(pairs)} pairs could be taken.", mend=f"The first: {reasons[0]}")


def _say_some(sentences: Sequence[str], what: str) -> None:
    """How many there are, what of, and the first of them."""
    if sentences:
        console.note(f"{len(sentences)} {what}:")
    for sentence in sentences[:SHOWN_SENTENCES]:
        console.note(f"- {sentence}")
    if len(sentences) > SHOWN_SENTENCES:
        console.note(f"- and {len(sentences) - SHOWN_SENTENCES} more")
