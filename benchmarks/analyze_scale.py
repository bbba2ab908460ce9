"""`editfhf analyze` on a campaign of any size, end to end: seconds of one processor core, peak of memory.

    python benchmarks/analyze_scale.py [--edits 15000] [--raters 15] [--drawers 3] [--flaws 11.6] [--side 512]

With the defaults 675,000 ratings and about 420,000 raw regions; `--flaws 55` gives about 2,000,000. The people are
simulated, and all images are one: analysis does not read them, but for the few that the report shows. The peer is
what no analysis could do without: reading the same tables with pandas.
"""

import argparse
import io
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import shapely
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))

from analysis.report import write_report
from analysis.study import analyze_workspace
from benchmarks.peak import peak_mb
from benchmarks.simulated_drawings import Campaign, make_campaign
from editfhf import console
from editfhf.config import TEMPLATE
from editfhf.flaws import FLAW_TYPES
from editfhf.ledger import Finished
from editfhf.schema import DIMENSIONS, REGION_KINDS, TABLES, Edit, Source, stable_id
from editfhf.tasks import TASKS
from editfhf.workspace import Workspace

MODELS = 12
BATCH = 500  # edits drawn at a time; the same drawings serve again for others
MANNERS = ["careful"] * 20 + ["coarse"] * 5 + ["haloing"] * 5
WHEN = "2026-01-01T00:00:00+00:00"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edits", type=int, default=15_000)
    parser.add_argument("--raters", type=int, default=15)
    parser.add_argument("--drawers", type=int, default=3)
    parser.add_argument("--flaws", type=float, default=11.6, help="of an edit, true ones, on average")
    parser.add_argument("--side", type=int, default=512, help="of the edited images, pixels")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = make_workspace(Path(folder) / "campaign", options.edits, options.side)
        edits = [edit.edit_id for edit in workspace.edits()]
        workspace.write_table("ratings", ratings_of(edits, options.raters))
        campaign = make_campaign(0, min(BATCH, len(edits)), options.drawers, MANNERS, flaws=options.flaws)
        regions, answers = drawings_of(campaign, edits)
        workspace.write_table("regions", regions)
        workspace.write_table("answers", answers)
        sizes = {"edits": len(edits), "ratings": options.raters * len(edits) * 3, "regions": regions.num_rows}
        del regions, answers, campaign
        before, start = peak_mb(), time.process_time()
        for name in ("ratings", "regions", "answers"):
            pd.read_parquet(workspace.table_path(name))
        reading_s = time.process_time() - start
        start = time.process_time()
        study = analyze_workspace(workspace)
        analysis_s = time.process_time() - start
        report = write_report(workspace, study)
        report_s = time.process_time() - start - analysis_s
        console.show(
            [
                sizes
                | {
                    "read by pandas, s": round(reading_s, 1), "analyze, s": round(analysis_s, 1),
                    "report, s": round(report_s, 1), "peak, MB": round(peak_mb()), "before, MB": round(before),
                    "consensus regions": len(study.consensus), "report, MB": round(report.stat().st_size / 1e6, 1),
                }
            ],
            title="A whole analysis",
        )  # fmt: skip


def make_workspace(root: Path, n_edits: int, side: int) -> Workspace:
    """A workspace whose ledger says that so many edits were made."""
    root.mkdir(parents=True)
    (root / "editfhf.yaml").write_text(TEMPLATE.format(licence="CC0-1.0", title="scale", name="scale"))
    workspace = Workspace.open(root)
    tasks = list(TASKS)
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)).save(buffer, "png")
    image = workspace.store_image(buffer.getvalue())  # of all: the report shows a few
    sources, edits = [], []
    for number in range(-(-n_edits // MODELS)):
        source_id = stable_id("scale", str(number))
        sources.append(Source(source_id, image, side, side, "CC0-1.0", f"photo {number}"))
        task = tasks[number % len(tasks)]
        edits += [
            Edit.plan(source_id, task, f"do {task}", f"procedural/model-{model:02}", "1", {}, 0)
            for model in range(MODELS)
        ]
    edits = edits[:n_edits]
    workspace.write_table("sources", sources)
    workspace.ledger.plan(edits)
    workspace.ledger.record([Finished(edit.edit_id, "done", image, side, side, seconds=0.1) for edit in edits])
    return workspace


def ratings_of(edits: list[str], raters: int, n_people: int = 100) -> pa.Table:
    """Grades 1..5 in each dimension, of `raters` different people for each edit."""
    rng = np.random.default_rng(0)
    n = len(edits) * raters
    edit = np.repeat(np.arange(len(edits)), raters)
    step = n_people // raters  # different people without a matrix of all: places on a circle, each a little moved
    places = np.arange(raters) * step + rng.integers(0, step, (len(edits), raters))
    people = ((rng.integers(0, n_people, (len(edits), 1)) + places) % n_people).ravel()
    bias, inconsistency = rng.normal(0, 0.4, n_people), np.exp(rng.normal(-0.4, 0.4, n_people))
    tables = []
    for dimension in DIMENSIONS:
        quality = rng.normal(3, 1, len(edits))
        noise = rng.normal(size=n) * inconsistency[people]
        columns = {
            "edit_id": np.array(edits, object)[edit], "annotator": np.array([f"p{i:03}" for i in people], object),
            "annotator_kind": "simulated", "dimension": dimension,
            "score": np.clip(np.round(quality[edit] + bias[people] + noise), 1, 5), "scale_min": 1.0, "scale_max": 5.0,
            "session": "1", "position": 1, "lead_time_s": 10.0, "submitted_at": WHEN,
            "repeat": False, "check": False, "screened": False,
        }  # fmt: skip
        frame = pd.DataFrame(columns).assign(**dict.fromkeys(set(TABLES["ratings"].names) - set(columns), ""))
        tables.append(pa.Table.from_pandas(frame[TABLES["ratings"].names], TABLES["ratings"], preserve_index=False))
    return pa.concat_tables(tables)


def drawings_of(campaign: Campaign, edits: list[str]) -> tuple[pa.Table, pa.Table]:
    """What was drawn on some hundred edits, again and again for all of them, and that it was looked for."""
    outlines = [[shapely.get_coordinates(shape.exterior)[:-1].tolist()] for shape in campaign.shapes]
    regions, answers = [], []
    for first in range(0, len(edits), campaign.n_edits):
        own = edits[first : first + campaign.n_edits]
        rows = [
            {
                "edit_id": own[edit], "annotator": f"p{person:03}", "annotator_kind": "simulated",
                "region_id": stable_id(str(first), str(number)), "kind": REGION_KINDS[kind],
                "flaw_type": FLAW_TYPES[flaw_type].id, "extent": "region", "polygon": outline, "source_polygon": [],
                "description": "something is wrong here", "assisted": False, "lead_time_s": 30.0, "submitted_at": WHEN,
                "screen": "",
            }
            for number, (edit, person, kind, flaw_type, outline) in enumerate(
                zip(campaign.edit, campaign.person, campaign.kind, campaign.flaw_type, outlines, strict=True)
            )
            if edit < len(own)
        ]  # fmt: skip
        regions.append(pa.Table.from_pylist(rows, TABLES["regions"]))
        looked = [
            {
                "edit_id": own[edit], "annotator": f"p{person:03}", "annotator_kind": "simulated",
                "project_type": "regions", "outcome": "answered", "reason": "", "lead_time_s": 60.0,
                "submitted_at": WHEN, "screened": False, "screen": "",
            }
            for edit, person in zip(*campaign.inspected, strict=True)
            if edit < len(own)
        ]  # fmt: skip
        answers.append(pa.Table.from_pylist(looked, TABLES["answers"]))
    return pa.concat_tables(regions), pa.concat_tables(answers)


if __name__ == "__main__":
    main()
