"""`editfhf build`: the tables and images of a workspace become a dataset folder, whole or not at all."""

import glob
import hashlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from editfhf import __version__
from editfhf.card import write_card
from editfhf.croissant import write_croissant
from editfhf.dataset_schema import FOLDERS, RAW_CONFIGS, shard_name
from editfhf.errors import BadInput
from editfhf.manifest import MANIFEST_NAME, FileEntry, Manifest, Statistics, files_of_any_version
from editfhf.schema import DIMENSIONS, REGION_KINDS, SPLITS, Edit
from editfhf.shards import Opinions, plan_shards, write_edits, write_raw
from editfhf.splits import shares_of, split_workspace
from editfhf.tasks import TASKS
from editfhf.workspace import Workspace

Track = Callable[[Sequence[Edit]], Iterable[Edit]]


def build_dataset(workspace: Workspace, out: Path, track: Track = iter) -> dict[str, int]:
    """Write the dataset of a workspace (DESIGN §3): Parquet in four configs, card, Croissant, manifest.

    Every edit that has an image becomes a row; where nobody has given an opinion, scores and maps are null. Memory does
    not grow with the number of images; their bytes are those on disk. The same workspace gives the same bytes. A
    dataset that is at `out` already is replaced once the new one is whole.

    Args:
        track: wraps the edits, to show progress.

    Returns:
        Counts: edits, of them without_opinion, ratings, regions, answers, files, bytes.

    Raises:
        BadInput: no edits or no analysis yet; `out` holds something that a build did not write; an image is missing.
    """
    out = out.expanduser().resolve()
    if workspace.root.is_relative_to(out):
        raise BadInput(f"{out} holds the workspace itself.", mend="Name another folder.")
    with workspace.lock("build"):
        _clear_leftovers(out)
        _check_replaceable(out)
        edits = _edits_to_build(workspace)
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent))
        try:
            counts = _write(workspace, edits, temporary, track)
            temporary.chmod(0o755)
            _replace(temporary, out)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return counts


def _edits_to_build(workspace: Workspace) -> list[Edit]:
    edits = sorted(workspace.edits(), key=lambda edit: edit.edit_id)
    if not edits:
        raise BadInput(f"{workspace.root} has no edits yet.", mend=f"Run `editfhf generate -w {workspace.root}` first.")
    if not workspace.has_table("mos"):
        raise BadInput(
            f"{workspace.root} has no opinion scores yet.", mend=f"Run `editfhf analyze -w {workspace.root}` first."
        )
    for edit in edits:
        if edit.task not in TASKS:
            raise BadInput(
                f"{workspace.root}: edit {edit.edit_id} is of task {edit.task!r}, which this toolkit does not know.",
                mend="Build with the version that made it.",
            )
    return edits


def _check_replaceable(out: Path) -> None:
    """What a build would remove has to be what a build wrote.

    Raises:
        BadInput: it is not, or something was put beside it.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    listed = files_of_any_version(out)
    if listed is None:
        raise BadInput(f"{out} is there already and is not a dataset.", mend="Name a new folder.")
    present = {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir()}
    strange = sorted(present - listed - {MANIFEST_NAME})
    if strange:
        raise BadInput(
            f"{out} holds {strange[0]}, which is not of the dataset and would be lost.",
            mend="Move it away, or name a new folder.",
        )


def _write(workspace: Workspace, edits: list[Edit], folder: Path, track: Track) -> dict[str, int]:
    split_of_source = split_workspace(workspace)
    split_of = {edit.edit_id: split_of_source[edit.source_id] for edit in edits}
    sources = {source.source_id: source for source in workspace.sources() if source.source_id in split_of_source}
    opinions = Opinions(workspace)
    rows = {config: dict.fromkeys(SPLITS, 0) for config in FOLDERS}
    shards = {}
    for split in SPLITS:
        of_split = [edit for edit in edits if split_of[edit.edit_id] == split]
        rows["default"][split] = len(of_split)
        planned = plan_shards(workspace, of_split, sources)
        for index, shard in enumerate(planned):
            shards[folder / shard_name("default", split, index, len(planned))] = shard

    entries = {}
    # A shard is hashed while the next one is written.
    with ThreadPoolExecutor(max_workers=1) as hashing:
        progress = iter(track(edits))  # advanced by one for every row, whatever its edit
        for path, shard in shards.items():
            for _ in write_edits(path, shard, opinions):
                next(progress, None)
            entries[path] = hashing.submit(_entry_of, path)
        for _ in progress:
            pass
        annotators: set[tuple[str, str]] = set()
        for config in RAW_CONFIGS:
            table = workspace.read_table(config)
            rows[config] = write_raw(table, config, split_of, folder)
            annotators |= _annotators(table, split_of)
            for split in (split for split in SPLITS if rows[config][split]):
                path = folder / shard_name(config, split, 0, 1)
                entries[path] = hashing.submit(_entry_of, path)

    build = workspace.config.build
    used = set(split_of_source)
    roots = {source.root_id: source for source in sources.values()}
    manifest = Manifest(
        toolkit=f"editfhf {__version__}",
        command="editfhf build",
        name=build.name,
        licence=build.licence,
        seed=workspace.config.generate.seed,
        split_shares=shares_of(build.splits),
        rows=rows,
        photos=_counts(split_of_source[source.source_id] for source in roots.values()),
        annotators=_counts(kind for _, kind in annotators),
        models=_counts(edit.model for edit in edits),
        procedural_models=sorted({edit.model for edit in edits if edit.model.startswith("procedural/")}),
        tasks=_counts(edit.task for edit in edits),
        source_licences=_counts(source.licence for source in roots.values()),
        derived_sources={one: sources[one].derived_from for one in sorted(used) if sources[one].derived_from},
        statistics=_statistics(opinions, split_of),
        files={path.relative_to(folder).as_posix(): entry.result() for path, entry in sorted(entries.items())},
    )
    write_card(folder, manifest)
    write_croissant(folder, manifest)
    for name in ("README.md", "croissant.json"):
        manifest.files[name] = _entry_of(folder / name)
    manifest.write(folder)
    return {
        "edits": len(edits),
        "without_opinion": sum(edit.edit_id not in opinions.scores for edit in edits),
        **{config: sum(rows[config].values()) for config in RAW_CONFIGS},
        "files": len(manifest.files) + 1,
        "bytes": sum(entry.bytes for entry in manifest.files.values()),
    }


def _annotators(table: pa.Table, split_of: dict[str, str]) -> set[tuple[str, str]]:
    columns = [table[name].to_pylist() for name in ("edit_id", "annotator", "annotator_kind")]
    return {(name, kind) for edit_id, name, kind in zip(*columns, strict=True) if edit_id in split_of}


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _statistics(opinions: Opinions, split_of: dict[str, str]) -> Statistics:
    rated = [scores for edit_id, scores in opinions.scores.items() if edit_id in split_of]
    built = pc.is_in(opinions.consensus["edit_id"], pa.array(sorted(split_of), pa.string()))
    kinds = Counter(opinions.consensus["kind"].filter(built).to_pylist())
    means: dict[str, float | None] = {}
    for name in DIMENSIONS:
        scores = sorted(one[name] for one in rated if one.get(name) is not None)  # a sum must not depend on the order
        means[name] = round(sum(scores) / len(scores), 2) if scores else None
    return Statistics(
        rated_edits=len(rated), consensus_regions={kind: kinds[kind] for kind in REGION_KINDS}, mean_scores=means
    )


def _entry_of(path: Path) -> FileEntry:
    return FileEntry(sha256=sha256_of(path), bytes=path.stat().st_size)


def sha256_of(path: Path) -> str:
    """The sha-256 of a file, as hex; read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _old_name(out: Path) -> Path:
    return out.with_name(f".{out.name}.old.tmp")


def _replace(temporary: Path, out: Path) -> None:
    """Put the new folder in the place of the old one; the old one goes only when the new one is there."""
    old = _old_name(out)
    if out.exists():
        out.rename(old)
    temporary.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _clear_leftovers(out: Path) -> None:
    """Remove what a build that was killed left behind; a dataset that it had put aside comes back."""
    if not out.exists() and _old_name(out).is_dir():
        _old_name(out).rename(out)
    for leftover in out.parent.glob(f".{glob.escape(out.name)}.*.tmp"):
        if leftover.is_dir():
            shutil.rmtree(leftover)
