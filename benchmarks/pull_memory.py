"""The memory of reading Label Studio's exports into tables, beside `json.load` of the same files.

`python benchmarks/pull_memory.py OUT [--answers 2000 10000 50000 200000]`

No server: the exports are made up, as the server writes them, of edits that ten people answered each on the screen
with ratings and regions; all answers lie in one project (nobody is named), or in ten, one of each person. Printed is
the peak resident memory of a process of its own that reads them as `annotate pull` does (what is known, the tables of
each project, those of the workspace), and of a bare Python that loads the largest of the files by `json.load`.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from annotation import collect
from annotation.interface import GRADES
from annotation.pseudonyms import Pseudonyms
from benchmarks.peak import peak_mb
from editfhf import console
from editfhf.config import TEMPLATE
from editfhf.ledger import Finished
from editfhf.schema import Assignment, Edit, Source, stable_id
from editfhf.workspace import Workspace

PEOPLE = 10
EMAILS = {number: f"person-{number}@example.org" for number in range(1, PEOPLE + 1)}
PARTS = 500  # that one campaign's time is cut in
JSON_LOAD = """
import json, sys, time
start = time.perf_counter()
with open(sys.argv[1], encoding="utf-8") as file:
    json.load(file)
seconds = time.perf_counter() - start
lines = open("/proc/self/status").read().splitlines()
print(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) // 1024, round(seconds, 1))
"""
REASON = "the wall behind the person has turned into a smear of grey, with a seam"


def main(out: Path, numbers: list[int]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    idle = _peak_of("idle", out)[0]
    rows = []
    for n_answers in numbers:
        for n_projects in (1, PEOPLE):
            root = out / f"{n_answers}-in-{n_projects}"
            shutil.rmtree(root, ignore_errors=True)
            exports = _make(root, n_answers, n_projects)
            largest = max(exports, key=lambda path: path.stat().st_size)
            peak, seconds = _peak_of("read", root)
            loaded, _ = _peak_of("load", largest)
            rows.append({
                "answers": n_answers, "projects": n_projects, "exports_mb": _mb(exports), "read_s": seconds,
                "read_peak_mb": peak, "above_idle_mb": peak - idle, "json_load_peak_mb": loaded,
                "read/json_load": round(peak / loaded, 2),
            })  # fmt: skip
            shutil.rmtree(root)
    console.show(rows)
    console.note(f"A process that has imported it and reads nothing: {idle} MB.")


def _make(root: Path, n_answers: int, n_projects: int) -> list[Path]:
    """A campaign without images: photos, edits, who has what, and the exports; returns these."""
    root.mkdir(parents=True)
    (root / "editfhf.yaml").write_text(TEMPLATE.format(licence="CC0-1.0", title="test", name="test"))
    workspace = Workspace.open(root)
    sources, edits = [], []
    for number in range(n_answers // PEOPLE):
        source = stable_id("photo", str(number // 4))
        edits.append(Edit.plan(source, "object_remove", "remove it", f"model-{number % 4}", "1", {}, number))
        if number % 4 == 0:
            sources.append(Source(source, f"sources/{source}.png", 96, 96, "CC0-1.0", "made up"))
    workspace.write_table("sources", sources)
    workspace.ledger.plan(edits)
    workspace.ledger.record([Finished(edit.edit_id, "done", f"images/{edit.edit_id}.png", 96, 96) for edit in edits])
    key = Pseudonyms.of(workspace)
    people = [(0, "")] if n_projects == 1 else [(number, key.of_email(email)) for number, email in EMAILS.items()]
    rows = [
        Assignment(stable_id(name, edit.edit_id), name, "together", edit.edit_id, "edit", place)
        for _, name in people
        for place, edit in enumerate(edits, start=1)
    ]
    workspace.write_table("assignments", rows)
    exports = []
    for project, (number, name) in enumerate(people, start=1):
        authors = [number] if number else list(EMAILS)
        items = [stable_id(name, edit.edit_id) for edit in edits]
        exports.append(collect.raw_folder(workspace) / f"project-{project}.json")
        with exports[-1].open("w", encoding="utf-8") as file:
            for place, task in enumerate(_tasks(items, authors, project)):
                file.write(("," if place else "[") + json.dumps(task))
            file.write("]")
    return exports


def _tasks(items: list[str], authors: list[int], project: int) -> Iterator[dict[str, Any]]:
    random = np.random.default_rng(project)
    for number, item in enumerate(items, start=1):
        annotations = [_annotation(number * PEOPLE + author, author, number, random) for author in authors]
        data = {"item": item, "instruction": "remove it"}
        data |= dict.fromkeys(("source_image", "edited_image"), f"/data/local-files/?d=images/{item}.png")
        yield {
            "id": number, "annotations": annotations, "file_upload": None, "drafts": [], "predictions": [],
            "data": data, "meta": {}, "created_at": "2026-11-02T08:00:00.000000Z", "project": project,
            "total_annotations": len(annotations), "comment_authors": [],
        }  # fmt: skip


def _annotation(identity: int, author: int, number: int, random: np.random.Generator) -> dict[str, Any]:
    """Three grades and one region, as the screen sends them."""
    result: list[dict[str, Any]] = [
        {
            "id": dimension, "from_name": dimension, "to_name": "edited", "type": "choices", "origin": "manual",
            "value": {"choices": [grades[int(random.integers(len(grades)))]]},
        }
        for dimension, grades in GRADES.items()
    ]  # fmt: skip
    angles = np.sort(random.uniform(0, 2 * np.pi, 20))
    points = np.round(50 + 30 * np.stack([np.cos(angles), np.sin(angles)], axis=1), 4).tolist()
    frame = {"original_width": 96, "original_height": 96, "image_rotation": 0, "id": f"r{identity}", "origin": "manual"}
    drawn = {"points": points, "closed": True}
    for control, kind, said in (
        ("flaw", "polygonlabels", {"polygonlabels": ["Artifact"]}),
        ("artifact_type", "choices", {"choices": ["texture_noise"]}),
        ("reason", "textarea", {"text": [f"{REASON} {identity}"]}),
    ):
        result.append(frame | {"from_name": control, "to_name": "edited", "type": kind, "value": drawn | said})
    day, second = divmod(number, PARTS)
    at = f"2026-{1 + day // 28 % 12:02}-{1 + day % 28:02}T{second // 60:02}:{second % 60:02}:{author:02}.617207Z"
    return {
        "id": identity, "completed_by": author, "result": result, "was_cancelled": False, "ground_truth": False,
        "created_at": at, "updated_at": at, "draft_created_at": None, "lead_time": 13.036, "prediction": {},
        "result_count": 4, "unique_id": stable_id(str(identity)), "task": number, "project": 1, "updated_by": author,
    }  # fmt: skip


def _peak_of(stage: str, path: Path) -> tuple[int, float]:
    """The peak memory in MB of a process that does this alone, and the seconds of the work."""
    command = [sys.executable, __file__, "--stage", stage, str(path)]
    if stage == "load":
        command = [sys.executable, "-c", JSON_LOAD, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    peak, seconds = done.stdout.split()
    return int(peak), float(seconds)


def _stage(stage: str, path: Path) -> None:
    start = time.perf_counter()
    if stage == "read":
        _read(Workspace.open(path))
    seconds = time.perf_counter() - start
    print(peak_mb(), round(seconds, 1))


def _read(workspace: Workspace) -> None:
    """What `annotate pull` does once the exports are here."""
    known = collect.known_of(workspace, EMAILS)
    folders = []
    for export in sorted(collect.raw_folder(workspace).glob("project-*.json")):
        folders.append(export.with_suffix(""))
        collect.harvest(int(export.stem.removeprefix("project-")), known, export, folders[-1])
    counts = collect.merge(workspace, folders)
    if counts["refused_answers"] or counts["answers"] != counts["regions"]:
        raise SystemExit(f"the made-up exports are not read as they should be: {counts}")


def _mb(paths: list[Path]) -> int:
    return sum(path.stat().st_size for path in paths) // 2**20


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--answers", type=int, nargs="+", default=[2000, 10_000, 50_000, 200_000])
    parser.add_argument("--stage", choices=["idle", "read"], help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.stage:
        _stage(chosen.stage, chosen.out)
    else:
        main(chosen.out.expanduser().resolve(), chosen.answers)
