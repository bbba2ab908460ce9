"""Which edits are to be made: the chosen (photo, task) pairs by every model that can do them, some of them again."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from editfhf import console
from editfhf.errors import BadInput
from editfhf.instructions import configured_tasks, read_instructions
from editfhf.schema import Edit, Instruction, Source, stable_id
from editfhf.workspace import Workspace
from generators.base import ModelEntry
from generators.design import Pair, choose_again, choose_pairs
from generators.registry import model_entry
from generators.revisions import planned_revisions
from generators.shards import open_parts

THOUSAND_PHOTOS = 1000  # photos that a campaign should have where there are so many (EditFHF-15K has 1,250 pairs)


@dataclass
class Plan:
    """The edits of a campaign, in an order of which every beginning is balanced, those made again among them.

    Attributes:
        left_out: by model, how many pairs it cannot do: another task, or a photo whose aspect it cannot keep.
        notes: sentences on what makes the design less than it could be.
        derived: ids of the sources that were made worse on purpose.
        unresolved: by model why the Hub names no revision of it; its edits are planned with `UNKNOWN`, and no run may
            make them.
    """

    edits: list[Edit]
    entries: list[ModelEntry]
    left_out: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    derived: set[str] = field(default_factory=set)
    unresolved: dict[str, BadInput] = field(default_factory=dict)

    def summary(self) -> str:
        """The design in a line: how many edits, models, pairs, photos and tasks, and how even; then a line a note."""
        pairs = {(edit.source_id, edit.task) for edit in self.edits}
        photos = Counter(source_id for source_id, _ in pairs)
        tasks = Counter(task for _, task in pairs)
        made = Counter((edit.source_id, edit.task, edit.model) for edit in self.edits)
        again = [task for (_, task, _), count in made.items() if count > 1]
        derived = len(photos.keys() & self.derived)
        whose = f"{len(photos) - derived} yours, {derived} derived; " if derived else ""
        line = (
            f"{len(self.edits)} edits: {len(pairs)} pairs of {len(photos)} photos ({whose}{min(photos.values())}–"
            f"{max(photos.values())} each) and {len(tasks)} tasks ({min(tasks.values())}–{max(tasks.values())} each) "
            f"by {len(self.entries)} models; {len(again)} edits again with another seed, of {len(set(again))} tasks."
        )
        return "\n".join([line, *self.notes])


def plan_campaign(
    workspace: Workspace,
    models: Sequence[str] = (),
    tasks: Sequence[str] = (),
    shared: bool = False,
    keep_unresolved: bool = False,
) -> Plan:
    """Plan the edits that the settings ask for. Nothing is written but the revisions of models (`models.json`).

    Pairs that were edited already, here or in a part, stay: photos and models that come later only add.

    Args:
        models, tasks: only these; default: those of the settings.
        shared: other machines plan at the same time: nothing is written at all.
        keep_unresolved: plan also the edits of models whose revision the Hub does not name, to look at, not to make.

    Raises:
        BadInput: unknown model, no instructions, none that a model can do, a revision that cannot be resolved.
    """
    config = workspace.config.generate
    entries = [model_entry(name) for name in dict.fromkeys(models or config.models)]
    instructions = read_instructions(workspace)
    configured = configured_tasks(workspace)
    wanted = [one for one in instructions if one.task in (tasks or configured)]
    if not wanted:
        what = f"for {', '.join(tasks or configured)} " if instructions else ""
        raise BadInput(
            f"{workspace.root} has no instructions {what}yet.",
            mend=f"Run `editfhf instruct -w {workspace.root}` first.",
        )
    sources = {source.source_id: source for source in workspace.sources()}
    photo_of = {source.source_id: source.root_id for source in sources.values()}
    # All models and tasks of the settings share the pairs, whichever this call is about: `--task` and `--model` may not
    # change the plan.
    eligible = [one for one in instructions if one.task in {*configured, *tasks} and one.source_id in sources]
    everyone = [model_entry(name) for name in config.models]
    common, notes = _common(eligible, everyone, sources) if config.common_pairs else (eligible, [])
    kept, kept_again = _attempted(workspace, config.seed, eligible)
    pairs = choose_pairs(common, config.pairs, config.seed, photo_of, kept)
    everyone += [entry for entry in entries if entry.id not in config.models]
    can_do = {entry.id: [one for one in pairs if _takes(entry, one, sources)] for entry in everyone}
    again = choose_again(can_do, config.repeats, config.seed, kept_again)
    unresolved: dict[str, BadInput] = {}
    plan = plan_edits(
        list(sources.values()),
        [one for one in pairs if not tasks or one.task in tasks],
        entries,
        config.seed,
        config.params,
        planned_revisions(workspace, entries, not shared, unresolved if keep_unresolved else None),
        again,
    )
    if not plan.edits:
        raise BadInput(
            f"None of the models ({', '.join(entry.id for entry in entries)}) can do any of the tasks.",
            mend="`editfhf models` says what each can do.",
        )
    plan.unresolved = unresolved
    plan.notes = notes + _few_photos(pairs, common, config.pairs, config.seed, photo_of)
    return plan


def plan_edits(
    sources: Sequence[Source],
    pairs: Sequence[Instruction],
    models: Sequence[ModelEntry],
    seed: int,
    params: Mapping[str, Mapping[str, Any]] | None = None,
    revisions: Mapping[str, str] | None = None,
    again: Mapping[str, Sequence[Instruction]] | None = None,
) -> Plan:
    """Every pair by every model that can do it, in the order of the pairs.

    Each pair is followed by the same pair for every other model, so that models are compared on the same photos and, as
    far as a seed means anything to them, with the same noise; then come those of them that are made again.

    Args:
        params: model id → parameters that replace the registered defaults.
        revisions: model id → revision; default: the registered one.
        again: model id → those of the pairs that it makes a second time, with another seed.
    """
    by_id = {source.source_id: source for source in sources}
    repeated = {(model, one.source_id, one.task) for model, some in (again or {}).items() for one in some}
    plan = Plan([], list(models), derived={source.source_id for source in sources if source.derived_from})

    def add(model: ModelEntry, source: Source, instruction: Instruction, repeat: int) -> None:
        plan.edits.append(
            Edit.plan(
                source.source_id,
                instruction.task,
                instruction.text,
                model.id,
                (revisions or {}).get(model.id, model.revision),
                _params_of(model, source, (params or {}).get(model.id, {})),
                seed_of(seed, source.source_id, instruction.task, repeat),
            )
        )

    for one in pairs:
        if one.source_id not in by_id:
            continue
        able = [model for model in models if _takes(model, one, by_id)]
        for model in models:
            plan.left_out[model.id] = plan.left_out.get(model.id, 0) + (model not in able)
        for model in able:
            add(model, by_id[one.source_id], one, repeat=0)
        for model in able:
            if (model.id, one.source_id, one.task) in repeated:
                add(model, by_id[one.source_id], one, repeat=1)
    return plan


def _takes(model: ModelEntry, one: Instruction, sources: Mapping[str, Source]) -> bool:
    source = sources[one.source_id]
    return (not model.tasks or one.task in model.tasks) and model.size.takes(source.width, source.height)


def _common(
    instructions: Sequence[Instruction], models: Sequence[ModelEntry], sources: Mapping[str, Source]
) -> tuple[list[Instruction], list[str]]:
    """The pairs that every model can do, or all where there are none; and what there is to say about it."""
    common = [one for one in instructions if all(_takes(model, one, sources) for model in models)]
    if len(common) == len(instructions):
        return common, []
    if not common:
        return list(instructions), ["No pair can be done by every model: each does those it can, on different photos."]
    return common, [
        f"{len(instructions) - len(common)} pairs are left out, since not every model can do them "
        f"(generate.common_pairs): {'; '.join(_limits(instructions, models, sources))}."
    ]


def _limits(
    instructions: Sequence[Instruction], models: Sequence[ModelEntry], sources: Mapping[str, Source]
) -> list[str]:
    """Which photos and tasks are beyond which models, and why; models with the same limits together."""
    photos = {one.source_id: sources[one.source_id] for one in instructions}
    tasks = dict.fromkeys(one.task for one in instructions)
    beyond: dict[str, list[str]] = {}
    for model in models:
        wide = [one for one in photos.values() if not model.size.takes(one.width, one.height)]
        if wide:
            aspect = max(max(one.width, one.height) / min(one.width, one.height) for one in wide)
            most = f"at most {model.size.max_aspect:g} : 1"
            up_to = "up to " if len(wide) > 1 else ""
            own = list(dict.fromkeys(sources[one.root_id].origin for one in wide if one.root_id in sources))
            what = f"{console.some_of(own)} (aspect {up_to}{aspect:.3g} : 1; {most})"
            beyond.setdefault(what, []).append(model.id)
        if unable := [task for task in tasks if model.tasks and task not in model.tasks]:
            what = f"the task{'s' * (len(unable) > 1)} {console.some_of(unable)}"
            beyond.setdefault(what, []).append(model.id)
    return [f"{', '.join(some)} cannot do {what}" for what, some in beyond.items()]


def _attempted(
    workspace: Workspace, seed: int, instructions: Sequence[Instruction]
) -> tuple[list[Instruction], dict[str, list[Instruction]]]:
    """The pairs that were edited already, and by model those that were edited again, here or in parts."""
    by_pair = {(one.source_id, one.task): one for one in instructions}
    seeds: dict[Pair, tuple[int, int]] = {}
    kept: dict[Pair, Instruction] = {}
    again: dict[str, list[Instruction]] = {}
    for ledger in (workspace.ledger, *(part.ledger for part in open_parts(workspace))):
        for source_id, task, used, model in ledger.attempted():
            pair = source_id, task
            if pair not in by_pair:
                continue
            if pair not in seeds:
                seeds[pair] = seed_of(seed, *pair), seed_of(seed, *pair, repeat=1)
            if used in seeds[pair]:
                kept[pair] = by_pair[pair]
            if used == seeds[pair][1]:
                again.setdefault(model, []).append(by_pair[pair])
    return list(kept.values()), again


def _few_photos(
    pairs: Sequence[Instruction],
    common: Sequence[Instruction],
    n_pairs: int,
    seed: int,
    photo_of: Mapping[str, str],
) -> list[str]:
    """A warning where a plan from nothing would have used more photos."""
    used = len({photo_of[one.source_id] for one in pairs})
    if used >= min(THOUSAND_PHOTOS, len({photo_of[one.source_id] for one in common})):
        return []
    possible = len({photo_of[one.source_id] for one in choose_pairs(common, n_pairs, seed, photo_of)})
    if used >= min(THOUSAND_PHOTOS, possible):
        return []
    return [
        f"Only {used} photos, where {possible} could be used: pairs that were edited before those photos came stay. "
        "Another generate.seed, or a new workspace, plans anew."
    ]


def seed_of(campaign_seed: int, source_id: str, task: str, repeat: int = 0) -> int:
    """The seed of a pair's edits, 0 to 2³¹ − 1: its own, so that no two photos share their noise."""
    return int(stable_id(str(campaign_seed), source_id, task, str(repeat)), 16) % 2**31


def _params_of(model: ModelEntry, source: Source, chosen: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(chosen) - set(model.default_params))
    if unknown:
        raise BadInput(
            f"generate.params: {model.id} has no parameter {unknown[0]!r}.",
            mend=f"It has: {', '.join(sorted(model.default_params))}.",
        )
    params = {**model.default_params, **chosen}
    for name in model.source_params:
        value = getattr(source, name)
        params[name] = list(value) if isinstance(value, tuple) else value
    return params
