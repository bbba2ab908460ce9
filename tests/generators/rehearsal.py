"""All 43 tasks by all twelve models, without a GPU or a key: `python -m tests.generators.rehearsal OUT`.

The ten local models are the real pipeline classes on tiny random weights; the two APIs, and the vision-language model
that writes the instructions, are servers on this machine that the real clients talk to. The photos are the samples, the
answers are made up and marked as simulated: what is rehearsed is the way from the photo to the dataset, not the edits.
"""

import argparse
import csv
import os
import shutil
import sys
from collections import Counter
from importlib.resources import files
from pathlib import Path

import yaml

from editfhf.cli import run
from editfhf.tasks import TASKS
from editfhf.workspace import Workspace
from generators.registry import registered_models
from tests.editfhf.answered import answer
from tests.editfhf.vlm_server import VlmServer, lists
from tests.generators.api.servers import EditingServers
from tests.generators.tiny_pipelines import BUILDERS, TINY_PARAMS, build

TOO_WIDE = "page.jpg"
KEY = "sk-a-key-that-only-the-local-server-knows"


def rehearse(out: Path, tasks: int = len(TASKS), engine: str = "local") -> Workspace:
    """One pair of photo and task for each of the first so many tasks, by every model that is not procedural.

    Raises:
        SystemExit: a command failed; it has said why.
    """
    weights = {model: _tiny_weights(model, out / "weights") for model in BUILDERS}
    os.environ |= {"OPENAI_API_KEY": KEY, "GEMINI_API_KEY": KEY}
    with EditingServers(key=KEY) as servers:
        workspace = _prepare(out, weights, servers, list(TASKS)[:tasks])
        for command in (["plan"], ["generate", "--engine", engine], ["generate", "--engine", engine]):
            _run([*command, "-w", str(workspace.root)])
        made = workspace.ledger.statuses()
        wanted = tasks * (len(BUILDERS) + len(servers_of(servers)))
        if Counter(made.values()) != {"done": wanted}:
            raise SystemExit(f"{Counter(made.values())} instead of {wanted} images.")
        if len(servers.received) > tasks * len(servers_of(servers)):
            raise SystemExit(f"{len(servers.received)} paid requests, more than one for each edit.")
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


def _prepare(out: Path, weights: dict[str, Path], servers: EditingServers, tasks: list[str]) -> Workspace:
    root = out / "campaign"
    if not (root / "editfhf.yaml").is_file():
        _run(["init", str(root), "--sources", str(_photos(out / "photos"))])
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
    looked_at = [(task, TASKS[task].example, "whole image") for task in tasks if not TASKS[task].derived]
    with VlmServer([lists(*looked_at)] * len(list((out / "photos").iterdir()))) as vlm:
        settings["instruct"] = {"vlm_model": "rehearsal", "vlm_base_url": vlm.url}
        (root / "editfhf.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        _run(["instruct", "-w", str(root), "--with", "vlm"])
    return Workspace.open(root)


def _photos(folder: Path) -> Path:
    """The samples but the one that is too wide for some of the models: every pair has an edit by each."""
    folder.mkdir(parents=True, exist_ok=True)
    samples = Path(str(files("editfhf") / "samples"))
    with (samples / "photos.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["file"] != TOO_WIDE]
    for row in rows:
        shutil.copyfile(samples / row["file"], folder / row["file"])
    with (folder / "photos.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder


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
