"""How plan, status and resume take a whole campaign: `python benchmarks/ledger_scale.py [small|hard]`.

15,000 edits are the paper's 1,250 pairs by twelve models; 150,000 are ten times that. They are planned from four
instructions for each of as many photos as pairs and, harder, from 25 for each of 3,000 photos, with a fiftieth of the
edits made again. The peer of each is what no ledger could do without: writing the same rows as lines of JSON, and
reading them back. A plan holds the reading of photos and instructions, told beside it.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from editfhf import console
from editfhf.instructions import read_instructions
from editfhf.ledger import Finished
from editfhf.schema import Source, stable_id
from editfhf.tasks import TASKS
from editfhf.workspace import Workspace
from generators import registry
from generators.base import Licence, ModelEntry
from generators.estimate import estimate_plan
from generators.plan import Plan, plan_campaign
from generators.runner import generate

MODELS = 12


@dataclass(frozen=True, slots=True)
class Size:
    """Of a campaign: `each` instructions for every photo, of which `pairs` are planned."""

    pairs: int
    photos: int
    each: int
    repeats: float


EASY = [Size(pairs, pairs, each=4, repeats=0.0) for pairs in (1_250, 12_500)]
HARD = [Size(pairs, photos=3_000, each=25, repeats=0.02) for pairs in (1_250, 12_500)]
SIZES = {"": [*EASY, *HARD], "small": EASY[:1], "hard": HARD[:1]}


def main(which: str = "") -> None:
    rows = []
    for size in SIZES[which]:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(Path(folder), size))
    console.show(rows, title="Seconds (in brackets: times the peer)")


def measure(folder: Path, size: Size) -> dict[str, str]:
    workspace = make_workspace(folder / "campaign", size)
    sheet_s = timed(lambda: (workspace.sources(), read_instructions(workspace)))[1]
    plan, plan_s = timed(lambda: planned(workspace))
    file = folder / "peer.jsonl"
    write_s = timed(lambda: file.write_text("".join(json.dumps(asdict(edit)) + "\n" for edit in plan.edits)))[1]
    read_s = timed(lambda: [json.loads(line) for line in file.read_text().splitlines()])[1]
    finish(workspace, plan)
    again_s = timed(lambda: planned(Workspace.open(workspace.root)))[1]
    reopened = Workspace.open(workspace.root)
    status_s = timed(lambda: estimate_plan(reopened, plan))[1]
    counts, resume_s = timed(lambda: generate(Workspace.open(workspace.root)))
    if counts.already_made != len(plan.edits):
        raise SystemExit(f"{counts.already_made} of {len(plan.edits)} edits were taken as made.")
    if len(plan.edits) != round(MODELS * size.pairs * (1 + size.repeats)):
        raise SystemExit(f"{len(plan.edits)} edits were planned.")
    row = {
        "photos": f"{size.photos:,}",
        "instructions": f"{size.photos * size.each:,}",
        "edits": f"{len(plan.edits):,}",
        "to read them": f"{sheet_s:.2f}",
    }
    for name, seconds, peer in (
        ("first plan", plan_s, write_s),
        ("plan again", again_s, write_s),
        ("status", status_s, read_s),
        ("resume, all made", resume_s, read_s),
    ):
        row[name] = f"{seconds:.2f} ({seconds / peer:.0f})"
    return row


def planned(workspace: Workspace) -> Plan:
    """Plan, and note it as `generate` does."""
    plan = plan_campaign(workspace)
    workspace.ledger.replan(plan.edits)
    return plan


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def make_workspace(root: Path, size: Size) -> Workspace:
    """Photos and instructions that exist as rows only: none is opened while a plan is made."""
    root.mkdir(parents=True)
    names = [f"bench/{number}" for number in range(MODELS)]
    (root / "editfhf.yaml").write_text(
        f"generate:\n  models: [{', '.join(names)}]\n  pairs: {size.pairs}\n  repeats: {size.repeats}\n",
        encoding="utf-8",
    )
    entries = [ModelEntry(name, "1", "none", load=_never_loaded, licence=Licence("none")) for name in names]
    known = registry.registered_models()
    known.update({entry.id: entry for entry in entries})
    workspace = Workspace.open(root)
    sources = [photo(number) for number in range(size.photos)]
    workspace.write_table("sources", sources)
    tasks = [task for task in TASKS if not TASKS[task].derived]
    lines = [
        f"{source.source_id},{tasks[(number * 7 + step) % len(tasks)]},do it"
        for number, source in enumerate(sources)
        for step in range(size.each)
    ]
    workspace.instructions_path.write_text("\n".join(["source_id,task,instruction", *lines, ""]), encoding="utf-8")
    return workspace


def photo(number: int) -> Source:
    source_id = stable_id("bench", str(number))
    return Source(source_id, f"sources/{source_id}.png", 1024, 768, "CC0-1.0", f"{number}.png")


def finish(workspace: Workspace, plan: Plan) -> None:
    """Every edit has an image: a small file of its own, written without the store's care for what is whole."""
    done = []
    for edit in plan.edits:
        name = f"{edit.edit_id[:2]}/{edit.edit_id}.png"
        (workspace.images_dir / name[:2]).mkdir(parents=True, exist_ok=True)
        (workspace.images_dir / name).write_bytes(b"an image")
        done.append(Finished(edit.edit_id, "done", f"images/{name}", 1024, 768, 8, seconds=1.0))
    workspace.ledger.record(done)


def _never_loaded(*_: object, **__: object) -> Any:
    raise NotImplementedError


if __name__ == "__main__":
    main(*sys.argv[1:])
