"""`editfhf build`: the tables and images of a workspace become a dataset folder, whole or not at all."""

import hashlib
import json
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from editfhf import __version__
from editfhf.card import write_card
from editfhf.croissant import write_croissant
from editfhf.dataset_schema import FOLDERS, RAW_CONFIGS, arrow_schema_of, shard_name
from editfhf.errors import BadInput
from editfhf.schema import DIMENSIONS, SPLITS, Edit, Source, canonical_json
from editfhf.splits import shares_of, split_workspace
from editfhf.tasks import TASKS
from editfhf.workspace import Workspace

FORMAT_VERSION = 1
SHARD_BYTES = 500 * 2**20  # the Hub's advice for Parquet shards
ROW_GROUP_BYTES = 48 * 2**20  # the Hub's viewer reads a whole row group to show a page of rows
ROW_GROUP_ROWS = 100
RAW_ROWS = 100_000  # rows of the raw tables in a row group
Track = Callable[[Sequence[Edit]], Iterable[Edit]]


@dataclass(frozen=True)
class _Opinions:
    """What analysis says, by edit."""

    scores: dict[str, dict[str, Any]]
    regions: dict[str, list[dict[str, Any]]]


def build_dataset(workspace: Workspace, out: Path, track: Track = iter) -> dict[str, int]:
    """Write the dataset of a workspace (DESIGN §3): Parquet in four configs, card, Croissant, manifest.

    Memory does not grow with the number of images; their bytes are those on disk. The same workspace gives the same
    bytes. An existing dataset at `out` is replaced once the new one is whole.

    Args:
        track: wraps the edits, to show progress.

    Returns:
        Counts: edits, of them without_opinion, ratings, regions, answers, files, bytes.

    Raises:
        BadInput: no edits or no analysis yet; `out` is a folder of something else; an image is missing.
    """
    out = out.expanduser().resolve()
    if out.exists() and not (out / "manifest.json").is_file() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(f"{out} is there already and is not a dataset.", mend="Name a new folder.")
    if out == workspace.root or workspace.root.is_relative_to(out):
        raise BadInput(f"{out} holds the workspace itself.", mend="Name another folder.")
    edits = sorted(workspace.edits(), key=lambda edit: edit.edit_id)
    if not edits:
        raise BadInput(f"{workspace.root} has no edits yet.", mend=f"Run `editfhf generate -w {workspace.root}` first.")
    if not workspace.has_table("mos"):
        raise BadInput(
            f"{workspace.root} has no opinion scores yet.", mend=f"Run `editfhf analyze -w {workspace.root}` first."
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with workspace.lock("build"):
        for leftover in out.parent.glob(f".{out.name}.*.tmp"):  # of a build that was killed
            shutil.rmtree(leftover)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent))
        try:
            counts = _write(workspace, edits, temporary, track)
            temporary.chmod(0o755)
            _replace(temporary, out)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return counts


def _write(workspace: Workspace, edits: list[Edit], folder: Path, track: Track) -> dict[str, int]:
    split_of_source = split_workspace(workspace)
    split_of = {edit.edit_id: split_of_source[edit.source_id] for edit in edits}
    sources = {source.source_id: source for source in workspace.sources()}
    opinions = _read_opinions(workspace)
    rows = {config: dict.fromkeys(SPLITS, 0) for config in FOLDERS}

    waiting = {split: [edit for edit in edits if split_of[edit.edit_id] == split] for split in SPLITS}
    done = iter(track(edits))  # advanced by one for every row, whatever its split
    for split in SPLITS:
        shards = _plan_shards(workspace, waiting[split], sources)
        rows["default"][split] = len(waiting[split])
        for index, shard in enumerate(shards):
            path = folder / shard_name("default", split, index, len(shards))
            _write_edits(workspace, shard, sources, opinions, path, done)
    for _ in done:
        pass
    for config in RAW_CONFIGS:
        rows[config] = _write_raw(workspace, config, split_of, folder)

    manifest = _manifest(workspace, edits, split_of_source, rows)
    write_card(folder, manifest)
    manifest["files"] = _hashes(folder)
    write_croissant(folder, manifest)
    manifest["files"] = _hashes(folder)
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return {
        "edits": len(edits),
        "without_opinion": sum(edit.edit_id not in opinions.scores for edit in edits),
        **{config: sum(rows[config].values()) for config in RAW_CONFIGS},
        "files": len(manifest["files"]) + 1,
        "bytes": sum(file["bytes"] for file in manifest["files"].values()),
    }


def _read_opinions(workspace: Workspace) -> _Opinions:
    scores: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in workspace.read_table("mos").to_pylist():
        name = row["dimension"]
        scores[row["edit_id"]] |= {
            name: row["mos"], f"{name}_std": row["std"], f"{name}_ci95": row["ci95"], f"{name}_n": row["n"],
        }  # fmt: skip
    regions: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in workspace.read_table("consensus").to_pylist():
        regions[row.pop("edit_id")].append(row)
    return _Opinions(dict(scores), dict(regions))


def _image_files(workspace: Workspace, edit: Edit, sources: dict[str, Source]) -> dict[str, Path | None]:
    maps = workspace.analysis_dir / "maps"
    files: dict[str, Path | None] = {
        "source_image": workspace.path_of(sources[edit.source_id].file),
        "edited_image": workspace.path_of(edit.image),
    }
    for column, kind in (("artifact_map", "artifact"), ("failure_map", "failure")):
        path = maps / f"{edit.edit_id}_{kind}.png"
        files[column] = path if path.is_file() else None
    return files


def _plan_shards(workspace: Workspace, edits: list[Edit], sources: dict[str, Source]) -> list[list[Edit]]:
    """The edits of a split in shards of about `SHARD_BYTES`; an empty split is one empty shard."""
    shards: list[list[Edit]] = [[]]
    size = 0
    for edit in edits:
        try:
            row_size = sum(file.stat().st_size for file in _image_files(workspace, edit, sources).values() if file)
        except FileNotFoundError as error:
            raise BadInput(
                f"{error.filename}: the image of edit {edit.edit_id} is missing.",
                mend=f"`editfhf generate -w {workspace.root}` makes it again.",
            ) from error
        if shards[-1] and size + row_size > SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append(edit)
        size += row_size
    return shards


def _write_edits(
    workspace: Workspace,
    edits: list[Edit],
    sources: dict[str, Source],
    opinions: _Opinions,
    path: Path,
    done: Iterator[Edit],
) -> None:
    schema = arrow_schema_of("default")
    with _writer(path, schema) as writer:
        group: list[dict[str, Any]] = []
        size = 0
        for edit in edits:
            row = _row(workspace, edit, sources, opinions)
            group.append(row)
            size += sum(len(value["bytes"]) for value in row.values() if isinstance(value, dict))
            if size >= ROW_GROUP_BYTES or len(group) >= ROW_GROUP_ROWS:
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
                group, size = [], 0
            next(done, None)
        if group:
            writer.write_table(pa.Table.from_pylist(group, schema=schema))


def _row(workspace: Workspace, edit: Edit, sources: dict[str, Source], opinions: _Opinions) -> dict[str, Any]:
    images = {
        column: {"bytes": file.read_bytes(), "path": file.name} if file else None
        for column, file in _image_files(workspace, edit, sources).items()
    }
    no_score: dict[str, Any] = {f"{name}_n": 0 for name in DIMENSIONS}
    return {
        "edit_id": edit.edit_id,
        "parent_edit_id": edit.parent_edit_id,
        "source_id": edit.source_id,
        "instruction": edit.instruction,
        "task": edit.task,
        "task_group": TASKS[edit.task].group,
        "model": edit.model,
        "model_revision": edit.model_revision,
        "params": canonical_json(edit.params),
        "seed": edit.seed,
        "width": edit.width,
        "height": edit.height,
        "regions": opinions.regions.get(edit.edit_id, []),
        **images,
        **no_score,
        **opinions.scores.get(edit.edit_id, {}),
    }


def _write_raw(workspace: Workspace, config: str, split_of: dict[str, str], folder: Path) -> dict[str, int]:
    """One shard for each split; rows in an order of their own content, so that the same answers give the same bytes."""
    table = workspace.read_table(config)
    order = [(name, "ascending") for name in ("edit_id", "annotator", "dimension", "region_id", "submitted_at")]
    table = table.sort_by([key for key in order if key[0] in table.column_names])
    splits = pa.array([split_of.get(edit_id, "") for edit_id in table["edit_id"].to_pylist()], pa.string())
    schema = arrow_schema_of(config)
    counts = {}
    for split in SPLITS:
        chosen = table.filter(pa.compute.equal(splits, split)).cast(schema)
        with _writer(folder / shard_name(config, split, 0, 1), schema) as writer:
            writer.write_table(chosen, row_group_size=RAW_ROWS)
        counts[split] = chosen.num_rows
    return counts


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Content-defined chunks: a later version of the dataset shares the bytes of what did not change.
    return pq.ParquetWriter(path, schema, write_page_index=True, use_content_defined_chunking=True)


def _manifest(
    workspace: Workspace, edits: list[Edit], split_of_source: dict[str, str], rows: dict[str, dict[str, int]]
) -> dict[str, Any]:
    build = workspace.config.build
    used = {edit.source_id for edit in edits}
    sources = [source for source in workspace.sources() if source.source_id in used]
    answers = workspace.read_table("answers").select(["annotator", "annotator_kind"]).to_pylist()
    people = {(row["annotator"], row["annotator_kind"]) for row in answers}
    return {
        "format": FORMAT_VERSION,
        "toolkit": f"editfhf {__version__}",
        "command": "editfhf build",
        "name": build.name,
        "licence": build.licence,
        "seed": workspace.config.generate.seed,
        "split_shares": shares_of(build.splits),
        "rows": rows,
        "photos": dict(Counter(split_of_source[root] for root in sorted({one.root_id for one in sources}))),
        "annotators": dict(sorted(Counter(kind for _, kind in people).items())),
        "models": dict(sorted(Counter(edit.model for edit in edits).items())),
        "procedural_models": sorted({edit.model for edit in edits if edit.model.startswith("procedural/")}),
        "tasks": dict(sorted(Counter(edit.task for edit in edits).items())),
        "source_licences": dict(sorted(Counter(source.licence for source in sources).items())),
        # A derived source (such as a greyscale copy) and its clean photo are in one split.
        "derived_sources": {one.source_id: one.derived_from for one in sources if one.derived_from},
        "files": {},
    }


def _hashes(folder: Path) -> dict[str, dict[str, Any]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): {"sha256": sha256_of(path), "bytes": path.stat().st_size} for path in files
    }


def sha256_of(path: Path) -> str:
    """The sha-256 of a file, as hex; read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _replace(temporary: Path, out: Path) -> None:
    """Put the new folder in the place of the old one; the old one goes only when the new one is there."""
    if not out.exists():
        temporary.rename(out)
        return
    old = out.with_name(f".{out.name}.old.tmp")
    shutil.rmtree(old, ignore_errors=True)
    out.rename(old)
    temporary.rename(out)
    shutil.rmtree(old)
