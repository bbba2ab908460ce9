"""The corpus of the refiner's benchmarks: `python benchmarks/refiner_corpus.py OUT [EDITS]`, 1,500 by default.

Photos are crops of the samples, and of six more pictures that scikit-image brings along; each crop is a photo of its
own in the workspace. `build_scene_split` keeps all crops of one picture in the same split: what is held out is a
scene that was never seen. `build_photo_split` does not: a held-out photo is another crop of a scene that was seen.
There are twenty scenes, which is few: between folds the figures differ by more than between seeds. Simulated
annotators answer as in `annotate simulate`, through the same parser, but without a server between. The oracle stays
in the workspace. The script may be killed and run again.
"""

import csv
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))

from analysis.study import analyze_workspace
from annotation.answers import About, parse_annotation
from annotation.assignment import assign
from annotation.people import Person
from annotation.sight import see
from annotation.simulate import annotation_of
from annotation.worklist import things_of
from editfhf import console
from editfhf.config import TEMPLATE
from editfhf.export import build_dataset
from editfhf.instructions import write_instructions
from editfhf.schema import Answer, Rating, Region, stable_id
from editfhf.sources import import_sources
from editfhf.workspace import Workspace
from generators.engine import engine_of
from generators.runner import generate

EDITORS = 4
CROPS_PER_SAMPLE = 14
CROP_SHARE = (0.4, 0.9)  # of each side
SMALLEST_SIDE = 160  # pixels of a crop
LARGEST_SIDE = 640  # pixels; larger crops are reduced
RATERS = 8  # for each edit: between the 3–5 who draw regions and the 15 who rate in a real campaign
PEOPLE = 24
# Of scikit-image (their licences are in its data/README): scenes beside the samples.
MORE_SCENES = {
    "motorcycle_left.png": "motorcycle", "moon.png": "", "grass.png": "", "gravel.png": "", "ihc.png": "",
    "clock_motion.png": "",
}  # fmt: skip
WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def make_corpus(folder: Path, n_edits: int = 1500, seed: int = 0, workers: int = 2) -> Workspace:
    """A workspace of so many edits with answers and analysis; what is there already is not made again."""
    root = folder / "campaign"
    if not (root / "editfhf.yaml").is_file():
        _write_crops(folder / "photos", seed)
        root.mkdir(parents=True, exist_ok=True)
        settings = TEMPLATE.format(licence="unknown", title="benchmark", name="benchmark")
        settings = settings.replace("pairs: 1250", f"pairs: {n_edits // EDITORS}").replace(
            "repeats: 0.02", "repeats: 0"
        )
        (root / "editfhf.yaml").write_text(settings, encoding="utf-8")
    workspace = Workspace.open(root)
    if not workspace.instructions_path.is_file():
        import_sources(workspace, folder / "photos", track=lambda photos: console.track(photos, "Importing"))
        write_instructions(workspace, track=lambda photos: console.track(photos, "Looking at photos"))
    if not workspace.has_table("mos"):
        with console.progress("Generating") as report:
            generate(workspace, start_engine=engine_of("local", workers), on_progress=report)
        answer(workspace, seed)
        analyze_workspace(workspace, track=lambda edits: console.track(edits, "Finding consensus"))
    return workspace


def answer(workspace: Workspace, seed: int) -> None:
    """What the simulated people say of every edit, as tables."""
    edits = workspace.edits()
    people = {number: Person.make(number, seed) for number in range(1, PEOPLE + 1)}
    name_of = {number: f"simulated-{number:02d}" for number in people}
    roots = {source.source_id: source.root_id for source in workspace.sources()}
    assigned = assign(things_of(edits, roots), list(name_of.values()), RATERS, seed)
    asked = {name: set(ids) for name, ids in assigned.items()}
    answers: list[Answer] = []
    ratings: list[Rating] = []
    regions: list[Region] = []
    for position, edit in enumerate(console.track(edits, "Answering")):
        seen = see(workspace, edit)
        for number in (one for one in people if edit.edit_id in asked[name_of[one]]):
            annotation = annotation_of(people[number], seen, "together", seed)
            annotation["created_at"] = (WHEN + timedelta(minutes=position)).isoformat()
            parsed = parse_annotation(annotation, About("together", edit.edit_id, name_of[number], "simulated"))
            answers += [parsed.answer] if parsed.answer else []
            ratings += parsed.ratings
            regions += parsed.regions
    for name, rows in (("answers", answers), ("ratings", ratings), ("regions", regions)):
        workspace.write_table(name, rows)


def scenes_of(workspace: Workspace) -> dict[str, str]:
    """source_id → the picture that it is a crop of (photos made worse for a task belong to their clean one's)."""
    origins = {source.source_id: source.origin for source in workspace.sources()}
    return {
        source.source_id: origins.get(source.root_id, source.origin).split("#")[0] for source in workspace.sources()
    }


def build_photo_split(workspace: Workspace, out: Path, seed: int) -> Path:
    """The dataset with a tenth of the photos in the validation split and a fifth in the test split, drawn by photo.

    Crops of one scene are in all three: what is held out is a photo, as in any campaign, but of a scene that was seen.
    """
    photos = sorted({source.root_id for source in workspace.sources()})
    drawn = np.random.default_rng(seed).permutation(len(photos)) / len(photos)
    split = {
        photo: "test" if place < 0.2 else "validation" if place < 0.3 else "train"
        for photo, place in zip(photos, drawn, strict=True)
    }
    return _build(workspace, out, {source.source_id: split[source.root_id] for source in workspace.sources()})


def build_scene_split(workspace: Workspace, out: Path, seed: int) -> Path:
    """The dataset with all photos of the scenes of `folds(seed)` in the test and the validation split."""
    held_out, validation = folds(seed)
    split = {
        source_id: "test" if scene in held_out else "validation" if scene in validation else "train"
        for source_id, scene in scenes_of(workspace).items()
    }
    return _build(workspace, out, split)


def _build(workspace: Workspace, out: Path, split: Mapping[str, str]) -> Path:
    rows = [{"source_id": source_id, "split": name} for source_id, name in sorted(split.items())]
    workspace.write_table("splits", rows)
    build_dataset(workspace, out, track=lambda edits: console.track(edits, "Building"))
    return out


def folds(seed: int) -> tuple[list[str], list[str]]:
    """Five scenes to hold out and three to validate on; scenes with a subject and without are in each."""
    rows = _scenes()
    random = np.random.default_rng(seed)
    with_subject = [str(one) for one in random.permutation([row["file"] for row in rows if row["subject"]])]
    without = [str(one) for one in random.permutation([row["file"] for row in rows if not row["subject"]])]
    return [*with_subject[:3], *without[:2]], [with_subject[3], *without[2:4]]


def _write_crops(folder: Path, seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for sample in _scenes():
        with Image.open(sample["path"]) as image:
            photo = image.convert("RGB")
        random = np.random.default_rng(int(stable_id(str(seed), sample["file"]), 16))
        for number in range(CROPS_PER_SAMPLE):
            name = f"{Path(sample['file']).stem}-{number:02d}.png"
            row = _crop(photo, sample, random)
            row.pop("image").save(folder / name)  # type: ignore[attr-defined]
            rows.append({"file": name, "licence": sample["licence"], "origin": f"{sample['file']}#{number}", **row})
    with (folder / "photos.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def _crop(photo: Image.Image, sample: Mapping[str, str], random: np.random.Generator) -> dict[str, object]:
    """A random crop, mirrored half of the time; the subject's box goes along as far as it is inside."""
    shares = np.clip(random.uniform(*CROP_SHARE, 2), SMALLEST_SIDE / np.array(photo.size), 1)
    left, top = (random.uniform(0, 1 - share) for share in shares)
    right, bottom = left + shares[0], top + shares[1]
    mirrored = bool(random.random() < 0.5)
    width, height = photo.size
    image = photo.crop((round(left * width), round(top * height), round(right * width), round(bottom * height)))
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
    subject, box = sample["subject"], ""
    if subject and sample["subject_box"]:
        corners = np.array([float(side) for side in sample["subject_box"].split()])
        inside = np.clip((corners - [left, top, left, top]) / [*shares, *shares], 0, 1)
        kept = np.prod((inside[2:] - inside[:2]) * shares) / np.prod(corners[2:] - corners[:2])
        if kept < 0.5:
            subject = ""
        else:
            if mirrored:
                inside[[0, 2]] = 1 - inside[[2, 0]]
            box = " ".join(f"{side:.4f}" for side in inside)
    if mirrored:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return {"image": image, "subject": subject, "subject_box": box}


def _scenes() -> list[dict[str, str]]:
    samples = Path(str(files("editfhf") / "samples"))
    with (samples / "photos.csv").open(encoding="utf-8", newline="") as file:
        rows = [{**row, "path": str(samples / row["file"])} for row in csv.DictReader(file)]
    pictures = Path(str(files("skimage") / "data"))
    more = [
        {
            "file": name,
            "licence": "see scikit-image",
            "subject": subject,
            "subject_box": "",
            "path": str(pictures / name),
        }
        for name, subject in MORE_SCENES.items()
    ]
    return rows + more


def main(out: Path, n_edits: int) -> None:
    workspace = make_corpus(out, n_edits)
    build_photo_split(workspace, out / "photos-0", seed=0)
    build_scene_split(workspace, out / "scenes-0", seed=0)
    console.say(f"{len(workspace.edits())} edits of {len(workspace.sources())} photos in {out}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]).expanduser().resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 1500)
