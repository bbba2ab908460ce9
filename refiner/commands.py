"""`editfhf train`, `benchmark`, `score`, `refine` and `predict`."""

import shlex
from collections.abc import Mapping
from typing import Annotated

import typer

from editfhf import console
from editfhf.console import JsonOption
from editfhf.errors import BadInput

app = typer.Typer()
ABLATIONS = {
    "no-instruction": {"use_instruction": False},
    "no-source": {"use_source": False},
    "random-backbone": {"backbone": "random"},
}

DatasetOption = Annotated[
    str,
    typer.Option("--dataset", metavar="DIR|REPO", help="A folder that `build` wrote, or a name on the Hub."),
]
RunOption = Annotated[
    str, typer.Option("--run", metavar="RUN|REPO", help="A folder that `train` wrote, or a name there.")
]


@app.command(epilog="Example: editfhf train --dataset dataset -o run")
def train(
    dataset: DatasetOption = "dataset",
    out: Annotated[str, typer.Option("-o", "--out", metavar="RUN", help="The run folder to write.")] = "run",
    backend: Annotated[str, typer.Option(metavar="lite", help="The backend; `lite` needs no GPU.")] = "lite",
    agent: Annotated[
        list[str], typer.Option(metavar="perception|reasoning|evaluation|all", help="Train only this agent.")
    ] = ["all"],  # noqa: B006
    seed: Annotated[int, typer.Option(min=0)] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="At most; it stops when it gets no better.")] = None,
    learning_rate: Annotated[float | None, typer.Option(min=1e-7, max=1.0)] = None,
    ablation: Annotated[
        list[str], typer.Option(metavar="|".join(ABLATIONS), help="Leave something out, to see what it is worth.")
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
    if not as_json:
        console.say(f"Next: editfhf benchmark --dataset {shlex.quote(dataset)} --run {shlex.quote(out)}")
