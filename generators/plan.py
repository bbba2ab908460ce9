"""Which edits are to be made: the chosen (photo, task) pairs by every model that can do them, some of them again."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from editfhf.errors import BadInput
from editfhf.instructions import configured_tasks, read_instructions
from editfhf.schema import Edit, Instruction, Source, stable_id
from editfhf.workspace import Workspace
from generators.base import ModelEntry
from generators.design import Pair, choose_pairs
from generators.registry import model_entry
from generators.revisions import planned_revisions


@dataclass
class Plan:
    """The edits of a campaign, in an order of which every beginning is balanced; those made again come last.

    `left_out` counts, by model, pairs that it cannot do: another task, or a photo whose aspect it cannot keep.
    """

    edits: list[Edit]
    entries: list[ModelEntry]
    left_out: dict[str, int] = field(default_factory=dict)

    def summary(self) -> str:
        """One line on the design: how many edits, models, pairs, photos and tasks, and how even."""
        pairs = {(edit.source_id, edit.task) for edit in self.edits}
        photos = Counter(source_id for source_id, _ in pairs)
        tasks = Counter(task for _, task in pairs)
        again = len({(edit.source_id, edit.task, edit.seed) for edit in self.edits}) - len(pairs)
        return (
            f"{len(self.edits)} edits: {len(pairs)} pairs of {len(photos)} photos ({min(photos.values())}–"
            f"{max(photos.values())} each) and {len(tasks)} tasks ({min(tasks.values())}–{max(tasks.values())} each) "
            f"by {len(self.entries)} models; {again} pairs again with another seed."
        )


def plan_campaign(workspace: Workspace, models: Sequence[str] = (), tasks: Sequence[str] = ()) -> Plan:
    """Plan the edits that the settings ask for, and note them in the ledger.

    What was planned earlier with the same seed stays planned: photos and models that come later only add.

    Args:
        models, tasks: only these; default: those of the settings.

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
    sources = workspace.sources()
    known = workspace.ledger.pairs()
    # All tasks of the settings share the pairs, whichever of them this call is about: `--task` may not change the plan.
    eligible = [one for one in instructions if one.task in {*configured, *tasks}]
    pairs = choose_pairs(
        eligible, config.pairs, config.seed, _photos(sources), kept=_kept(known, config.seed, repeat=0)
    )
    again = choose_pairs(
        pairs,
        round(config.repeats * len(pairs)),
        config.seed,
        _photos(sources),
        kept=_kept(known, config.seed, repeat=1),
    )
    plan = plan_edits(
        sources,
        [one for one in pairs if not tasks or one.task in tasks],
        entries,
        config.seed,
        config.params,
        planned_revisions(workspace, entries),
        [one for one in again if not tasks or one.task in tasks],
    )
    if not plan.edits:
        raise BadInput(
            f"None of the models ({', '.join(entry.id for entry in entries)}) can do any of the tasks.",
            mend="`editfhf models` says what each can do.",
        )
    workspace.ledger.plan(plan.edits)
    return plan


def plan_edits(
    sources: Sequence[Source],
    pairs: Sequence[Instruction],
    models: Sequence[ModelEntry],
    seed: int,
    params: Mapping[str, Mapping[str, Any]] | None = None,
    revisions: Mapping[str, str] | None = None,
    again: Sequence[Instruction] = (),
) -> Plan:
    """Every pair by every model that can do it, in the order of the pairs; then those to be made `again`.

    Each pair is followed by the same pair for every other model, so that models are compared on the same photos and, as
    far as a seed means anything to them, with the same noise.

    Args:
        params: model id → parameters that replace the registered defaults.
        revisions: model id → revision; default: the registered one.
    """
    by_id = {source.source_id: source for source in sources}
    plan = Plan([], list(models))
    for repeat, instructions in enumerate((pairs, again)):
        for instruction in instructions:
            if instruction.source_id not in by_id:
                continue
            source = by_id[instruction.source_id]
            edit_seed = seed_of(seed, source.source_id, instruction.task, repeat)
            for model in models:
                suits = not model.tasks or instruction.task in model.tasks
                if not suits or not model.size.takes(source.width, source.height):
                    plan.left_out[model.id] = plan.left_out.get(model.id, 0) + 1
                    continue
                plan.edits.append(
                    Edit.plan(
                        source.source_id,
                        instruction.task,
                        instruction.text,
                        model.id,
                        (revisions or {}).get(model.id, model.revision),
                        _params_of(model, source, (params or {}).get(model.id, {})),
                        edit_seed,
                    )
                )
    return plan


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


def _photos(sources: Sequence[Source]) -> dict[str, str]:
    return {source.source_id: source.root_id for source in sources}


def _kept(known: Sequence[tuple[str, str, int]], seed: int, repeat: int) -> list[Pair]:
    return [(source_id, task) for source_id, task, used in known if used == seed_of(seed, source_id, task, repeat)]
