"""The figures of the lite refiner: `python benchmarks/refiner_figures.py OUT [--seeds 3] [--only ROW]...`.

On the corpus of `refiner_corpus.py`, two processor cores. Each row is trained anew for each seed and measured by
`editfhf benchmark` on edits that it did not see; mean and range over seeds. Peers are in the same table, from the same
run: the centre prior and the difference map, PSNR and SSIM, the majority class, and the loop beside bringing the whole
photo back.

The loop repairs with the workspace's best editor, `procedural/careful`, edits that the others made. It shares their
operations and makes few flaws: a far better editor than any refiner will have. The row `no-editor` is the loop with
nothing but the photo and the small editor of its own.

Rows: `photos` (held-out photos of scenes that were seen), `scenes` (scenes never seen), and on the photos' split
`editor`, `operator`, `group` (all edits of one editor, of three flaw operators, of one group of tasks kept from
training, and only those measured), `no-editor` (the run of `photos`), and the ablations `no-instruction`, `no-source`,
`random-backbone`.
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.refiner_corpus import build_photo_split, build_scene_split, make_corpus, scenes_of
from editfhf import console, oracle
from editfhf.files import whole_file
from editfhf.schema import DIMENSIONS, REGION_KINDS
from editfhf.workspace import Workspace
from generators.base import EditModel
from generators.registry import load_model
from refiner.benchmark import benchmark
from refiner.benchmark_page import write_benchmark
from refiner.commands import ABLATIONS
from refiner.measures.entries import CLEAN, FLAWED, KEPT, ORACLE, PEOPLE, THE_RUN, TRIED
from refiner.measures.loop import AGAIN, BEST_OF_N, GATED, RESTORED
from refiner.measures.perception import BASELINES, CEILING, UNDECIDED
from refiner.measures.reasoning import BOTH, MAJORITY_CLASS
from refiner.measures.result import BenchmarkResult
from refiner.refiner import Refiner
from refiner.runs import TrainConfig
from refiner.train import train

REPAIRING_EDITOR = "procedural/careful"
HELD_OUT_EDITOR = "procedural/careless"
HELD_OUT_OPERATORS = 3
HELD_OUT_GROUP = "attribute"
REFINED = 120  # edits of a row that the loop repairs, drawn evenly
NO_EDITOR = "no-editor"
ROWS = ("photos", "scenes", "editor", "operator", "group", NO_EDITOR, *ABLATIONS)
MOST_TIMED = 20  # edits that are tried
LARGE = 1024  # pixels of the pair whose refinement is timed


def main(out: Path, seeds: int, only: list[str]) -> None:
    workspace = make_corpus(out)
    figures = out / "figures" / version()
    figures.mkdir(parents=True, exist_ok=True)
    for row in only or ROWS:
        for seed in range(seeds):
            file = figures / f"{row}-{seed}.json"
            if not file.is_file():
                found = measure(workspace, out, row, seed)
                with whole_file(file) as temporary:
                    temporary.write_text(json.dumps(found, indent=1), encoding="utf-8")
    console.show(table(figures, only or ROWS), title="Mean over seeds (lowest to highest)")


def measure(workspace: Workspace, out: Path, row: str, seed: int) -> dict[str, float | None]:
    """Train and measure one row with one seed."""
    scenes = row == "scenes"
    dataset = out / f"{'scenes' if scenes else 'photos'}-{seed}"
    if not (dataset / "manifest.json").is_file():
        (build_scene_split if scenes else build_photo_split)(workspace, dataset, seed)
    held_out = held_out_edits(workspace, row)
    every = {edit.edit_id for edit in workspace.edits()}
    config = TrainConfig.model_validate({"seed": seed, **ABLATIONS.get(row, {})})
    run = out / "runs" / version() / f"{'photos' if row == NO_EDITOR else row}-{seed}"
    # What `photos` takes is timed with nothing in the cache; the other rows share one.
    cache = out / "cache" / (run.name if row == "photos" else "shared")
    record = train(str(dataset), run, config, only=every - held_out if held_out else None, cache=cache)
    editor = None if row == NO_EDITOR else load_model(REPAIRING_EDITOR)
    subject = Refiner.from_run(run, editor)
    # Ablations are about seeing and judging: the loop is the same.
    limit = 1 if row in ABLATIONS else REFINED  # at least one is refined; its figures are left out below
    result = benchmark(
        str(dataset),
        subject,
        oracle=workspace.root,
        editor=editor,
        limit=limit,
        seed=seed,
        only=held_out or None,
        cluster=scenes_of(workspace),
        apart_from=[REPAIRING_EDITOR],
    )
    # Every number with its interval and how many it is of.
    pages = out / "figures" / version() / f"{row}-{seed}"
    pages.mkdir(exist_ok=True)
    write_benchmark(pages, result)
    found = {"training seconds": record.seconds, "training edits": float(record.n_train), **headline(result)}
    if row != "photos":
        del found["training seconds"]
    found["edits measured on"] = result.counts["edits"]
    if row in ABLATIONS:
        found = {name: value for name, value in found.items() if not of_loop(name)}
    if row == NO_EDITOR:
        found = {name: value for name, value in found.items() if of_loop(name)}
    if row == "photos":
        found["seconds to refine 1024 px"] = time_refinement(run, workspace, editor)
    return found


def version() -> str:
    """8 hex digits that change with the code of the refiner: what other code printed or trained is not taken over."""
    digest = hashlib.sha256()
    for path in sorted((Path(__file__).parent.parent / "refiner").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def held_out_edits(workspace: Workspace, row: str) -> set[str]:
    """What a row keeps from training and is measured on; empty: the test split as it is."""
    from editfhf.tasks import TASKS

    edits = workspace.edits()
    if row == "editor":
        return {edit.edit_id for edit in edits if edit.model == HELD_OUT_EDITOR}
    if row == "group":
        return {edit.edit_id for edit in edits if TASKS[edit.task].group == HELD_OUT_GROUP}
    if row == "operator":
        used = {edit.edit_id: {flaw.operator for flaw in _flaws(workspace, edit.edit_id)} for edit in edits}
        counts: dict[str, int] = {}
        for names in used.values():
            for name in names:
                counts[name] = counts.get(name, 0) + 1
        # Every third of the ten most frequent: neither the commonest alone nor rare ones.
        chosen = sorted(counts, key=lambda name: -counts[name])[1 : 3 * HELD_OUT_OPERATORS : 3]
        return {edit_id for edit_id, names in used.items() if names & set(chosen)}
    return set()


def headline(result: BenchmarkResult) -> dict[str, float | None]:
    """The figures that the goals are about, and their peers."""
    found: dict[str, float | None] = {}

    def take(name: str, *key: str, judged_by: str | None = None) -> None:
        try:
            found[name] = result.figure(*key, judged_by=judged_by).value
        except KeyError:
            found[name] = None

    for kind in REGION_KINDS:
        for method in (THE_RUN, UNDECIDED, *BASELINES):
            take(f"CC {kind}: {method}", "perception", kind, method, "cc", judged_by=PEOPLE)
        for method in (THE_RUN, CEILING):
            take(f"CC {kind}, true masks: {method}", "perception", kind, method, "cc", judged_by=ORACLE)
    for name in DIMENSIONS:
        for method in (THE_RUN, "SSIM", "PSNR"):
            take(f"SRCC {name}: {method}", "evaluation", name, method, "srcc")
    for method in (THE_RUN, MAJORITY_CLASS):
        take(f"flaw type accuracy: {method}", "reasoning", "types of people's regions", method, "accuracy")
    take("region F1 at IoU 0.5", "reasoning", BOTH, THE_RUN, "region_f1")
    for method in (THE_RUN, RESTORED, AGAIN, GATED, BEST_OF_N):
        for verdict in ("improved", "harmed"):
            take(f"loop, flawed edits {verdict}: {method}", "loop", FLAWED, method, verdict, judged_by=ORACLE)
        take(f"loop, clean edits untouched: {method}", "loop", CLEAN, method, "untouched")
    for what in (TRIED, KEPT):
        take(f"loop, {what}: predicted minus true gain", "loop", what, THE_RUN, "bias")
        take(f"loop, {what}: true gain above the lower limit", "loop", what, THE_RUN, "covered")
        take(f"loop, {what}: truly worse", "loop", what, THE_RUN, "truly_worse")
    return found


def of_loop(name: str) -> bool:
    """Whether a figure is about refining."""
    return name.startswith("loop")


def _flaws(workspace: Workspace, edit_id: str) -> Iterable[oracle.TrueFlaw]:
    return oracle.read(workspace.oracle_dir / edit_id).flaws


def time_refinement(run: Path, workspace: Workspace, editor: EditModel | None) -> float | None:
    """Seconds for a pair of 1024 pixels that was never seen and is repaired: the median of those among `MOST_TIMED`.

    The model is loaded and warm; features of the images and the editor's answer are made anew. None where nothing is
    repaired.
    """
    sources = {one.source_id: one for one in workspace.sources()}
    broken = (edit for edit in workspace.edits() if edit.model == "procedural/broken")
    seconds = []
    subject = Refiner.from_run(run, editor)
    for number, edit in enumerate(islice(broken, MOST_TIMED + 1)):
        source, edited = workspace.read_image(sources[edit.source_id].file), workspace.read_image(edit.image)
        images = [Image.fromarray(one).resize((LARGE, LARGE), Image.Resampling.LANCZOS) for one in (source, edited)]
        start = time.perf_counter()
        trace = subject.refine(images[0], images[1], edit.instruction, force=True)
        if number and trace.best_index:  # the first warms up
            seconds.append(time.perf_counter() - start)
    return float(np.median(seconds)) if seconds else None


def table(figures: Path, rows: Iterable[str]) -> list[dict[str, object]]:
    """A row for each figure, a column for each row of the benchmark."""
    values: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        for file in sorted(figures.glob(f"{row}-[0-9]*.json")):
            for name, value in json.loads(file.read_text(encoding="utf-8")).items():
                if value is not None:
                    values.setdefault(name, {}).setdefault(row, []).append(value)
    return [{"figure": name, **{row: _spread(known.get(row, [])) for row in rows}} for name, known in values.items()]


def _spread(values: list[float]) -> str:
    if not values:
        return ""
    if len(values) == 1:
        return f"{values[0]:.2f} (one seed)"
    return f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f}, {len(values)} seeds)"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", action="append", default=[], choices=ROWS)
    chosen = parser.parse_args()
    main(chosen.out.expanduser().resolve(), chosen.seeds, chosen.only)
