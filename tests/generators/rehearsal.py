"""All 43 tasks by all twelve models, without a GPU or a key: `python -m tests.generators.rehearsal OUT`.

The ten local models are the real pipeline classes on tiny random weights, the two APIs are a server on this machine
that the real clients talk to. The photos are the samples, the answers are made up and marked as simulated: what is
rehearsed is the way from the plan to the dataset, not the edits.
"""

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

import yaml

from editfhf.cli import run
from editfhf.tasks import TASKS
from editfhf.workspace import Workspace
from generators.registry import registered_models
from tests.editfhf.answered import answer
from tests.generators.api.servers import EditingServers
from tests.generators.tiny_pipelines import BUILDERS, TINY_PARAMS, build

KEY = "sk-a-key-that-only-the-local-server-knows"


def rehearse(out: Path, tasks: int = len(TASKS), engine: str = "local") -> Workspace:
    """One pair of photo and task for each of the first so many tasks, by every model that is not procedural.

    Raises:
        SystemExit: a command failed; it has said why.
    """
    weights = {model: _tiny_weights(model, out / "weights") for model in BUILDERS}
    with EditingServers(key=KEY) as servers:
        os.environ |= {"OPENAI_API_KEY": KEY, "GEMINI_API_KEY": KEY}
        workspace = _prepare(out / "campaign", weights, servers, list(TASKS)[:tasks])
        for command in (["plan"], ["generate", "--engine", engine], ["generate", "--engine", engine]):
            _run([*command, "-w", str(workspace.root)])
        made = workspace.ledger.statuses()
        wanted = tasks * (len(BUILDERS) + len(servers_of(servers)))
        if Counter(made.values()) != {"done": wanted}:
            raise SystemExit(f"{Counter(made.values())} instead of {wanted} images.")
        requests = sum(Counter(one.api for one in servers.received).values())
        if requests != tasks * len(servers_of(servers)):
            raise SystemExit(f"{requests} paid requests instead of one for each edit.")
    answer(workspace, workspace.edits())
    dataset = str(out / "dataset")
    _run(["analyze", "-w", str(workspace.root)])
    _run(["build", "-w", str(workspace.root), "-o", dataset])
    _run(["validate", dataset])
    print(f"{len(made)} edits by {len(registered_entries())} models, built and validated: {dataset}")
    return workspace


def registered_entries() -> list[str]:
    """The ids of the models that are no procedural editors."""
    return [entry.id for entry in registered_models().values() if not entry.procedural]


def servers_of(servers: EditingServers) -> dict[str, str]:
    """Model behind an API → where the local server speaks its protocol."""
    return {"gpt-image": servers.openai_url, "gemini-image": servers.gemini_url}


def _tiny_weights(model: str, folder: Path) -> Path:
    target = folder / model
    return target if (target / "model_index.json").is_file() else build(model, target)


def _prepare(root: Path, weights: dict[str, Path], servers: EditingServers, tasks: list[str]) -> Workspace:
    if not (root / "editfhf.yaml").is_file():
        _run(["init", str(root)])
    settings = yaml.safe_load((root / "editfhf.yaml").read_text(encoding="utf-8"))
    local: dict[str, dict[str, object]] = {
        model: {"weights": str(folder), "device": "cpu"} for model, folder in weights.items()
    }
    remote: dict[str, dict[str, object]] = {model: {"base_url": url} for model, url in servers_of(servers).items()}
    settings["generate"] |= {
        "models": registered_entries(),
        "tasks": tasks,
        "pairs": len(tasks),
        "repeats": 0.0,
        "params": {model: dict(TINY_PARAMS) for model in weights},
        "options": local | remote,
        "budget_usd": 100.0,
    }
    (root / "editfhf.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    _run(["instruct", "-w", str(root)])
    return Workspace.open(root)


def _run(command: list[str]) -> None:
    print("$ editfhf", *command, flush=True)
    if run(command) != 0:
        raise SystemExit(f"`editfhf {' '.join(command)}` failed.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="a folder; going on where an earlier rehearsal in it stopped")
    parser.add_argument("--tasks", type=int, default=len(TASKS), help="only the first so many (default: all 43)")
    parser.add_argument("--engine", choices=("local", "ray"), default="local")
    chosen = parser.parse_args()
    rehearse(chosen.out.expanduser().resolve(), chosen.tasks, chosen.engine)
    sys.exit(0)
