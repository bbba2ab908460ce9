"""`editfhf refine --batch`: many pairs, each into a folder of its own; run it again to go on where it stopped."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import filelock
import jinja2
import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from editfhf.errors import BadInput, first_line
from editfhf.files import remove_leftovers, whole_file
from editfhf.schema import DIMENSIONS
from refiner.inputs import language_note
from refiner.pairs import IMAGE_SUFFIXES, NamedPair
from refiner.refiner import Refiner
from refiner.scoring import DECIMALS, write_rows
from refiner.trace import BEST_FILE, PAGE_FILE, SOURCE_FILE, TRACE_FILE, image_file, map_file

BATCH_FILE, RESULTS_FILE, INDEX_FILE, LOCK_FILE = "batch.json", "results.csv", "index.html", ".lock"
COLUMNS = (
    "id", "where", "instruction", "before", "after", *(f"before_{name}" for name in DIMENSIONS),
    *(f"after_{name}" for name in DIMENSIONS), "accepted_steps", "stopped", "seconds", "best_image", "note", "reason",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """What became of a batch.

    Attributes:
        refined: in this run; done_before: in earlier ones.
        improved: pairs, of this and earlier runs, whose image was replaced by a better one, as the evaluator judges;
            left_as_they_were: the others.
        set_aside: pairs that could not be read; `reasons` says why, in the order of the pairs.
        mean_gain: of the mean score, over all pairs that were refined; None for none.
    """

    pairs: int
    refined: int
    done_before: int
    improved: int
    left_as_they_were: int
    set_aside: int
    mean_gain: float | None
    reasons: tuple[str, ...] = ()

    def as_row(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "reasons"}


def require_folder(out: Path) -> None:
    """Whether `out` can be the folder of a batch: asked before a model is loaded.

    Raises:
        BadInput: it is a file, or named as an image is.
    """
    if out.suffix.casefold() in IMAGE_SUFFIXES or out.is_file():
        raise BadInput(f"{out} is no folder, and a batch fills one.", mend="Name a folder with -o.")


def refine_batch(
    refiner: Refiner,
    pairs: Sequence[NamedPair],
    out: Path | str,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    max_iterations: int = 4,
    settings: Mapping[str, Any] | None = None,
) -> BatchCounts:
    """Refine every pair into `out/ID/` (a trace, see `RefineTrace.save`); then write `results.csv` and `index.html`.

    May be killed at any moment and run again: a pair whose folder is there is done. Folders are whole or not there.
    A pair that cannot be read is a row with its reason.

    Args:
        on_progress: is told (pairs done, pairs in all).
        settings: what the results depend on besides the pairs, such as the run's version. `out` keeps them.

    Raises:
        BadInput: `out` holds something else, was begun with other settings, or is worked on by another process.
        JobFailed, BadInput: of the editor, where no further edit can succeed.
    """
    out = Path(out).expanduser().resolve()
    wanted = {"max_iterations": max_iterations, **(settings or {})}
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(out / LOCK_FILE)
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise BadInput(f"{out} is being written by another process.", mend="Wait for it to end.") from error
    except OSError as error:
        raise BadInput(f"{out} cannot be written ({error.strerror}).", mend="Choose another folder.") from error
    try:
        _require_same(out, wanted)
        remove_leftovers(out)
        rows, refined = _refine_all(refiner, pairs, out, on_progress, max_iterations)
        write_rows(out / RESULTS_FILE, rows, COLUMNS)
        _write_index(out, rows, refiner.note)
    finally:
        lock.release()
    done = [row for row in rows if not row["reason"]]
    gains = [row["after"] - row["before"] for row in done]
    improved = sum(map(_is_improved, done))
    return BatchCounts(
        pairs=len(rows),
        refined=refined,
        done_before=len(done) - refined,
        improved=improved,
        left_as_they_were=len(done) - improved,
        set_aside=len(rows) - len(done),
        mean_gain=round(float(np.mean(gains)), DECIMALS) if gains else None,
        reasons=tuple(row["reason"] for row in rows if row["reason"]),
    )


def _refine_all(
    refiner: Refiner,
    pairs: Sequence[NamedPair],
    out: Path,
    on_progress: Callable[[int, int], None],
    max_iterations: int,
) -> tuple[list[dict[str, Any]], int]:
    """A row for each pair, and how many were refined now."""
    rows: list[dict[str, Any]] = []
    first: dict[str, str] = {}
    refined = 0
    on_progress(0, len(pairs))
    for done, named in enumerate(pairs, start=1):
        if named.id in first:
            rows.append(_row(named, f"{named.where}: the same pair as {first[named.id]}."))
        else:
            first[named.id] = named.where
            told = _told(out / named.id)
            if told is None:
                try:
                    pair = named.read()
                except BadInput as error:
                    rows.append(_row(named, f"{named.where}: {error}"))
                    on_progress(done, len(pairs))
                    continue
                refiner.refine_pair(pair, max_iterations).save(out / named.id)
                refined += 1
                told = _told(out / named.id)
                assert told is not None
            rows.append(_row(named, "", told))
        on_progress(done, len(pairs))
    return rows, refined


class _Told(BaseModel):
    """What a results table needs of `trace.json`; the images and maps are not read for it."""

    model_config = ConfigDict(extra="ignore")

    class _Scores(BaseModel):
        values: dict[str, float]

        @property
        def mean(self) -> float:
            return float(np.mean([self.values[name] for name in DIMENSIONS]))

    class _Step(BaseModel):
        iteration: int
        kinds: list[str]
        accepted: bool
        seconds: dict[str, float]

    best_index: int
    stopped: str
    scores: list[_Scores]
    steps: list[_Step]

    def files(self) -> set[str]:
        """What else is in the folder, by name."""
        maps = {map_file(step.iteration, kind) for step in self.steps for kind in step.kinds}
        return {SOURCE_FILE, BEST_FILE, PAGE_FILE, *map(image_file, range(len(self.scores))), *maps}


def _told(folder: Path) -> _Told | None:
    """What came of a pair that is done; None for one that is not, or whose trace is damaged or lacks a file."""
    try:
        told = _Told.model_validate_json((folder / TRACE_FILE).read_bytes())
        there = {path.name for path in folder.iterdir()}
    except (OSError, ValidationError):
        return None
    return told if 0 <= told.best_index < len(told.scores) and told.files() <= there else None


def _row(named: NamedPair, reason: str, told: _Told | None = None) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {"id": named.id, "where": named.where, "instruction": named.instruction, "reason": reason}
    if told is not None:
        for name, scores in (("before", told.scores[0]), ("after", told.scores[told.best_index])):
            row[name] = round(scores.mean, DECIMALS)
            row |= {f"{name}_{one}": round(scores.values[one], DECIMALS) for one in DIMENSIONS}
        row["accepted_steps"] = sum(step.accepted for step in told.steps)
        row["stopped"] = told.stopped
        row["seconds"] = round(sum(sum(step.seconds.values()) for step in told.steps), 3)
        row["best_image"] = _best_image(named.id, told.best_index)
        row["note"] = language_note(named.instruction)
    return row


def _best_image(name: str, number: int) -> str:
    return f"{name}/{image_file(number)}"


def _is_improved(row: Mapping[str, Any]) -> bool:
    return bool(row["best_image"] != _best_image(row["id"], 0))


def _require_same(out: Path, wanted: Mapping[str, Any]) -> None:
    """A folder holds what one run made with one configuration: a table of both would compare nothing."""
    path = out / BATCH_FILE
    if path.is_file():
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BadInput(f"{path} cannot be read ({first_line(error)}).", mend="Choose another folder.") from error
        if known != dict(wanted):
            names = sorted({*known, *wanted}) if isinstance(known, dict) else []
            other = next((name for name in names if known.get(name) != wanted.get(name)), "settings")
            was = known.get(other) if isinstance(known, dict) else known
            raise BadInput(
                f"{out} was begun with another {other.replace('_', ' ')} ({was!r}, now {wanted.get(other)!r}).",
                mend="Choose another folder, or run it as before.",
            )
        return
    strange = sorted(one.name for one in out.iterdir() if one.name != LOCK_FILE)
    if strange:
        raise BadInput(f"{out} is not empty (it holds {strange[0]}) and is no batch.", mend="Choose another folder.")
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(dict(wanted), indent=1, ensure_ascii=False), encoding="utf-8")


def _write_index(out: Path, rows: Sequence[Mapping[str, Any]], note: str) -> None:
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["words"] = lambda name: name.replace("_", " ")
    template = files("refiner").joinpath("templates/batch.html.j2").read_text(encoding="utf-8")
    done = [row for row in rows if not row["reason"]]
    page = environment.from_string(template).render(
        note=note,
        done=sorted(done, key=lambda row: row["before"] - row["after"]),
        improved=sum(map(_is_improved, done)),
        is_improved=_is_improved,
        set_aside=[row for row in rows if row["reason"]],
        dimensions=DIMENSIONS,
        page_file=PAGE_FILE,
        results_file=RESULTS_FILE,
        first_image=lambda row: _best_image(row["id"], 0),
    )
    with whole_file(out / INDEX_FILE) as temporary:
        temporary.write_text(page, encoding="utf-8")
