"""Makes the edits that are planned and missing: one ledger, one writer, nothing lost or doubled however it ends."""

import errno
import logging
import platform
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from typing import Any

from editfhf import oracle
from editfhf.errors import BadInput, EditFHFError, JobFailed
from editfhf.files import remove_leftovers
from editfhf.ledger import Finished, Progress
from editfhf.schema import Edit, Source, canonical_json
from editfhf.tasks import require_task
from editfhf.workspace import Workspace
from generators.base import ModelEntry
from generators.dispatch import MOST_KILLS, Dispatch, ModelEnded
from generators.engine import Engine, StartEngine, engine_of
from generators.plan import plan_campaign
from generators.preflight import find_problems, require_none, require_settings
from generators.shards import Shard, budget_beside_parts, grant_share, only_read, refuse_beside_run
from generators.worker import Job, Made, ModelLoad

log = logging.getLogger(__name__)
ROUNDING_USD = 1e-6
MOST_ATTEMPTS = 3  # at a failure that another try may mend


@dataclass
class RunCounts:
    """What a run did: edits `made` now, `already_made` before, `refused` and `failed` now, `set_aside` by earlier runs.

    `unchanged` of those made are the source photo, pixel by pixel. `beyond_limit` counts planned edits that the limit
    leaves for later, `beyond_budget` those that could have exceeded the budget. `cost_usd` is what this run spent;
    `reasons` has the most common ones of what failed, with their number.
    """

    made: int = 0
    already_made: int = 0
    refused: int = 0
    failed: int = 0
    set_aside: int = 0
    unchanged: int = 0
    beyond_limit: int = 0
    beyond_budget: int = 0
    cost_usd: float = 0.0
    reasons: list[str] = field(default_factory=list)

    def as_row(self) -> dict[str, int | float]:
        row = asdict(self)
        del row["reasons"]
        return row


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of the planned edits a run is about.

    Attributes:
        models, tasks: only these; default: those of the configuration, as far as tasks have instructions.
        limit: only the first so many of the plan, a subset balanced over models, tasks and photos. The same limit again
            is the same subset.
        retry: `failed` or `refused`: try those again that ended so. Failures that another try may mend are tried again
            without it, three times at most.
        shard: only this share of the edits, into a part of its own.
    """

    models: Sequence[str] = ()
    tasks: Sequence[str] = ()
    limit: int | None = None
    retry: str | None = None
    shard: Shard | None = None

    def __post_init__(self) -> None:
        if self.retry not in (None, "failed", "refused"):
            raise BadInput(f"--retry {self.retry}: only `failed` or `refused` can be tried again.")
        for task in self.tasks:
            require_task(task)


def generate(
    workspace: Workspace,
    selection: Selection = Selection(),
    start_engine: StartEngine | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> RunCounts:
    """Plan all edits of a workspace and make those that are selected and missing.

    Args:
        start_engine: starts what runs the workers; default: processes of this machine. Models behind an API always run
            in those: they need no GPU, and their keys stay here.
        on_progress: told how many of how many edits have ended.

    Raises:
        BadInput: unknown model or task, no instructions yet, another run is going on, something is missing that the
            run needs (a token, a GPU, a key, disk space).
        JobFailed: the disk is full, or the store of images cannot be reached; what was made is kept.
        BadInput, JobFailed: after all others were made: models that could not go on (weights that do not load, a wrong
            key, workers that die), each with its reason.
    """
    with _locked(workspace, selection) as target, _full_disk_told(target), ExitStack() as started:
        run = _Run(workspace, target, selection)
        engines = _start_engines(target, start_engine, started)
        require_none(list(find_problems(workspace, run.missing_by_entry(), engines.elsewhere)))
        require_none(list(run.find_lack_of_room(engines)))
        try:
            return run.make(engines, on_progress)
        finally:
            run.end()


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a run would make.

    Attributes:
        would_make: by model: `edits`, and `usd_at_most`.
        problems: what is known to be missing for it.
        not_made: every selected edit that was refused or failed so far, with its `reason` (the model's words), and
            whether this run would try it again.
    """

    would_make: list[dict[str, Any]]
    problems: list[BadInput]
    not_made: list[dict[str, Any]]

    def as_row(self) -> dict[str, Any]:
        """All of it, for JSON: `problems` as sentences."""
        return {
            "would_make": self.would_make,
            "problems": [str(problem) for problem in self.problems],
            "not_made": self.not_made,
        }

    def reasons(self) -> list[dict[str, Any]]:
        """How many edits of each model were refused or failed for each reason, the most common first."""
        counts = Counter((one["model"], one["status"], one["reason"]) for one in self.not_made)
        return [
            {"model": model, "status": status, "edits": count, "reason": reason}
            for (model, status, reason), count in counts.most_common()
        ]


def dry_run(
    workspace: Workspace, selection: Selection = Selection(), start_engine: StartEngine | None = None
) -> DryRun:
    """What `generate` would do: nothing is made or noted in the ledger. The engine is started, to know what it has room
    for.

    Raises:
        BadInput: as `generate`, for what has to be mended before anything can be said.
    """
    target = selection.shard.part(workspace) if selection.shard else workspace
    with ExitStack() as started:
        run = _Run(workspace, target, selection)
        missing = run.missing_by_entry()
        engines = _start_engines(target, start_engine, started)
        would_make: list[dict[str, Any]] = [
            {
                "model": entry.id,
                "edits": len(edits),
                "usd_at_most": sum(entry.highest_price(one.params) for one in edits),
            }
            for entry, edits in missing.values()
        ]
        problems = [*find_problems(workspace, missing, engines.elsewhere), *run.find_lack_of_room(engines)]
        return DryRun(would_make, problems, run.not_made())


@dataclass(frozen=True, slots=True)
class _Engines:
    """The engine that was asked for, and the processes of this machine for models behind an API."""

    chosen: Engine
    here: Engine

    @property
    def elsewhere(self) -> bool:
        return self.chosen is not self.here

    def of(self, entry: ModelEntry) -> Engine:
        return self.here if entry.key_variable else self.chosen


def _start_engines(target: Workspace, start: StartEngine | None, started: ExitStack) -> _Engines:
    chosen = started.enter_context(closing((start or engine_of("local"))(target)))
    if chosen.name == "local":
        return _Engines(chosen, chosen)
    return _Engines(chosen, started.enter_context(closing(engine_of("local")(target))))


@contextmanager
def _locked(workspace: Workspace, selection: Selection) -> Iterator[Workspace]:
    """Where the selected edits go, locked for this run: the workspace, or the part of a share."""
    if selection.shard:
        refuse_beside_run(workspace)
    target = selection.shard.make_part(workspace) if selection.shard else workspace
    with target.lock("generate"):
        yield target


class _Run:
    """One call of `generate`: what is to be made, and the one place that writes what was."""

    def __init__(self, workspace: Workspace, target: Workspace, selection: Selection) -> None:
        # The shares of a run plan at the same time: what they share is only read.
        self.workspace = only_read(workspace) if selection.shard else workspace
        self.target, self.selection = target, selection
        self.config = workspace.config.generate
        self.counts = RunCounts()
        self.failures: Counter[str] = Counter()
        self.ended: dict[str, EditFHFError] = {}  # models that could not go on
        self.sources: dict[str, Source] = {source.source_id: source for source in workspace.sources()}
        require_settings(self.config)
        plan = plan_campaign(self.workspace, selection.models, selection.tasks, shared=selection.shard is not None)
        self.entries = {entry.id: entry for entry in plan.entries}
        self.selected = plan.edits if selection.limit is None else plan.edits[: selection.limit]
        self.counts.beyond_limit = len(plan.edits) - len(self.selected)
        self.planned = plan.edits
        if selection.shard:
            self.planned = self.selected = selection.shard.select(self.selected)
        self.budget = 0.0  # known once the run begins: what parts spend has to be noted first
        self.missing = list(self._missing(self.selected, selection.retry))
        self.number = 0

    def missing_by_entry(self) -> dict[str, tuple[ModelEntry, list[Edit]]]:
        """Entry and missing edits of each model, in the order in which they are made."""
        found: dict[str, tuple[ModelEntry, list[Edit]]] = {}
        for edit in self.missing:
            found.setdefault(edit.model, (self.entries[edit.model], []))[1].append(edit)
        return found

    def find_lack_of_room(self, engines: _Engines) -> Iterator[BadInput]:
        """Models that the engine has no room for."""
        for load, _ in self._loads():
            engine = engines.of(self.entries[load.model_id])
            if engine is not engines.here:
                try:
                    engine.n_workers(load)
                except BadInput as problem:
                    yield problem

    def not_made(self) -> list[dict[str, Any]]:
        """The selected edits that were refused or failed, with their reasons."""
        again = {edit.edit_id for edit in self.missing}
        ended = {one.edit_id: one for one in self.target.ledger.finished() if one.status in ("refused", "failed")}
        return [
            {
                "edit_id": edit.edit_id,
                "model": edit.model,
                "task": edit.task,
                "source_id": edit.source_id,
                "instruction": edit.instruction,
                "status": ended[edit.edit_id].status,
                "reason": ended[edit.edit_id].reason,
                "tried_again": edit.edit_id in again,
            }
            for edit in self.selected
            if edit.edit_id in ended
        ]

    def begin(self) -> None:
        """Note what is planned, and how much it may cost."""
        remove_leftovers(self.target.images_dir)
        remove_leftovers(self.target.oracle_dir)
        self.target.ledger.replan(self.planned, self.selection.models, self.selection.tasks)
        self.target.ledger.settle()
        if self.config.budget_usd is not None:
            if self.selection.shard:
                self.budget = grant_share(self.workspace, self.selection.shard, self.config.budget_usd)
            else:
                self.budget = budget_beside_parts(self.workspace, self.config.budget_usd)

    def end(self) -> None:
        """Give back what a share was granted and did not spend."""
        if self.selection.shard and self.budget:
            self.target.ledger.grant(0)

    def make(self, engines: _Engines, on_progress: Callable[[int, int], None]) -> RunCounts:
        self.begin()
        on_progress(0, len(self.missing))
        if not self.missing:
            return self.counts
        self.number = self.target.ledger.start_run({**_about_here(), **engines.chosen.about()})
        ended = 0
        for made in self._made(engines):
            self._store(made)
            ended += len(made)
            on_progress(ended, len(self.missing))
        self.counts.reasons = [f"{count} × {reason}" for reason, count in self.failures.most_common(3) if count]
        if self.ended:
            raise self._told()
        return self.counts

    def _told(self) -> EditFHFError:
        """The models that could not go on, in one error."""
        kind = BadInput if all(isinstance(error, BadInput) for error in self.ended.values()) else JobFailed
        errors = {
            model: error if model in error.what else type(error)(f"{model}: {error.what}", error.mend)
            for model, error in self.ended.items()
        }
        if len(errors) == 1:
            (error,) = errors.values()
            what, mend = error.what, error.mend
        else:
            what = f"{len(errors)} models could not go on. {' '.join(map(str, errors.values()))}"
            mend = ""
        others = len({edit.model for edit in self.missing}) - len(errors)
        if others:
            counts = self.counts
            mend += (
                f" The run went on: {counts.made} edits were made, {counts.refused} refused, {counts.failed} failed."
            )
        return kind(what, mend.strip())

    def _missing(self, selected: list[Edit], retry: str | None) -> Iterator[Edit]:
        """The selected edits that have no image, model by model (a model is loaded once), else in the plan's order."""
        progress = self.target.ledger.progress()
        made_before = self.workspace.ledger.statuses() if self.target is not self.workspace else {}
        there = self.target.images.names() if progress else set()
        order = {model: position for position, model in enumerate(dict.fromkeys(edit.model for edit in selected))}
        for edit in sorted(selected, key=lambda edit: order[edit.model]):
            known = progress.get(edit.edit_id, _NOT_TRIED)
            if made_before.get(edit.edit_id) == "done" or (
                known.status == "done" and known.image.removeprefix("images/") in there
            ):
                self.counts.already_made += 1
            elif known.status in ("failed", "refused") and known.status != retry and not _worth_a_try(known):
                self.counts.set_aside += 1
            else:
                yield edit

    def _made(self, engines: _Engines) -> Iterator[list[Made]]:
        for load, edits in self._loads():
            if load.model_id in self.ended:
                continue
            try:
                yield from self._made_by(engines.of(self.entries[load.model_id]), load, edits)
            except ModelEnded as end:
                log.error("%s ended early: %s", load.model_id, end)
                self.ended[load.model_id] = end.error

    def _made_by(self, engine: Engine, load: ModelLoad, edits: list[Edit]) -> Iterator[list[Made]]:
        entry = self.entries[load.model_id]
        n_workers = 1 if entry.key_variable else engine.n_workers(load)
        left, too_dear = edits, list[Edit]()
        while left:
            too_dear = []
            batches = self._batches(entry, left, too_dear)
            count_kill = self._count_kill
            yield from Dispatch(engine, load, batches, count_kill, n_workers, depth=entry.concurrency + 2).run()
            # Those under way may have cost less than was set aside for them: then there is room for more.
            left = too_dear if too_dear and self._affordable(entry, too_dear[:1]) else []
        self.counts.beyond_budget += len(too_dear)

    def _count_kill(self, edit_ids: Sequence[str]) -> int:
        """A worker died while it worked on these; how often one that was alone has done so.

        Raises:
            ModelEnded: they may have been billed, and the budget does not allow to ask for them again.
        """
        ledger = self.target.ledger
        reserved_before = ledger.spent_usd()
        kills = ledger.count_kill(edit_ids)
        spent = ledger.spent_usd()
        if kills < MOST_KILLS and spent > reserved_before and spent > self.budget + ROUNDING_USD:
            ledger.release(edit_ids)
            raise ModelEnded(
                JobFailed(
                    "A worker died, and asking again for what it worked on could exceed the budget.",
                    mend="Raise generate.budget_usd in editfhf.yaml and run it again.",
                )
            )
        return kills

    def _loads(self) -> Iterator[tuple[ModelLoad, list[Edit]]]:
        """The missing edits by what is loaded for them: a model with its revision and the parameters of loading."""

        def load_of(edit: Edit) -> tuple[str, str, str]:
            chosen = {name: edit.params[name] for name in self.entries[edit.model].load_params}
            return edit.model, edit.model_revision, canonical_json(chosen)

        # Stable, so that edits stay in the order of the plan.
        groups: dict[tuple[str, str, str], list[Edit]] = {}
        for edit in self.missing:
            groups.setdefault(load_of(edit), []).append(edit)
        for (model, revision, _), edits in groups.items():
            entry = self.entries[model]
            options = {**self.config.options.get(model, {})}
            options |= {name: edits[0].params[name] for name in entry.load_params}
            gpus = options.pop("gpus", 1 if entry.needs_gpu else 0)
            if entry.takes_revision:
                options["revision"] = revision
            yield ModelLoad(model, options, gpus), edits

    def _batches(self, entry: ModelEntry, edits: list[Edit], too_dear: list[Edit]) -> Iterator[list[Job]]:
        """Batches of one size and the same parameters; `too_dear` gets what the budget does not allow."""
        size = min(self.config.batch_size, entry.max_batch)

        def same(edit: Edit) -> tuple[str, tuple[int, int]]:
            source = self.sources[edit.source_id]
            params = {name: value for name, value in edit.params.items() if name not in entry.source_params}
            return canonical_json(params), entry.size.fit(source.width, source.height, edit.params.get("max_pixels"))

        ordered = sorted(edits, key=same) if size > 1 else edits
        for _, group in groupby(ordered, key=same):
            some = list(group)
            for start in range(0, len(some), size):
                batch = some[start : start + size]
                if not self._affordable(entry, batch):
                    too_dear += batch
                    continue
                if price := entry.highest_price(batch[0].params):
                    # Before they are asked for, or a run that is killed would not know what it may have spent.
                    self.target.ledger.reserve([edit.edit_id for edit in batch], price)
                yield [self._job(edit) for edit in batch]

    def _affordable(self, entry: ModelEntry, edits: list[Edit]) -> bool:
        price = entry.highest_price(edits[0].params) * len(edits)
        return not price or self.target.ledger.spent_usd() + price <= self.budget + ROUNDING_USD

    def _job(self, edit: Edit) -> Job:
        photo = self.workspace.path_of(self.sources[edit.source_id].file).read_bytes()
        return Job(edit.edit_id, photo, edit.instruction, edit.task, edit.seed, edit.params)

    def _store(self, made: list[Made]) -> None:
        """Image and truth first, the ledger's word last: what the ledger calls done is whole in the store."""
        finished = []
        for one in made:
            file = ""
            status = "refused" if one.status == "refused" else "failed"
            if one.png:
                status = "done"
                file = self.target.store_image(one.png)
                if one.truth is not None:
                    oracle.write(self.target.oracle_dir / one.edit_id, one.truth)
            finished.append(
                Finished(
                    one.edit_id, status, file, one.width, one.height, len(one.png), one.reason, one.retryable,
                    one.unchanged, one.seconds, one.device, one.served_by, one.cost_usd,
                )
            )  # fmt: skip
            name = "made" if status == "done" else status
            setattr(self.counts, name, getattr(self.counts, name) + 1)
            self.failures[one.reason] += status == "failed"
            self.counts.unchanged += one.unchanged
            self.counts.cost_usd += one.cost_usd
        self.target.ledger.record(finished, self.number)


_NOT_TRIED = Progress("planned", "", retryable=False, attempts=0)


def _worth_a_try(known: Progress) -> bool:
    return known.status == "failed" and known.retryable and known.attempts < MOST_ATTEMPTS


@contextmanager
def _full_disk_told(workspace: Workspace) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise JobFailed(
            f"The disk of {workspace.root} is full.",
            mend="Nothing that was made is lost: make room, then run the same command again.",
        ) from error


def _about_here() -> dict[str, Any]:
    """What an image may owe to where it was made."""
    packages = {}
    for name in ("editfhf", "torch", "diffusers", "transformers", "openai", "google-genai", "pillow", "numpy"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {"host": socket.gethostname(), "python": platform.python_version(), "packages": packages}
