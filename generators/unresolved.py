"""Runs while the Hub does not name the revision of some models: these wait, the others are made.

The revision is part of every edit's id, so the edits of a model whose revision is unknown can be counted, not made.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from editfhf.errors import BadInput
from editfhf.workspace import Workspace
from generators import runner
from generators.engine import StartEngine
from generators.plan import plan_campaign
from generators.preflight import find_problems, require_settings
from generators.registry import model_entry
from generators.revisions import planned_revisions, why_unknown


def known_models(workspace: Workspace, models: Sequence[str] = ()) -> tuple[list[str], dict[str, BadInput]]:
    """The models of a run whose revision is known (and from now on kept), and why that of the others is not.

    Args:
        models: only these; default: those of the settings.

    Raises:
        BadInput: an unknown model or wrong settings; no model at all has a revision.
    """
    config = workspace.config.generate
    require_settings(config)
    entries = [model_entry(name) for name in dict.fromkeys(models or config.models)]
    unresolved: dict[str, BadInput] = {}
    planned_revisions(workspace, entries, unresolved=unresolved)
    known = [entry.id for entry in entries if entry.id not in unresolved]
    if not known:
        raise next(iter(unresolved.values()))
    return known, unresolved


def dry_run(
    workspace: Workspace, selection: runner.Selection, start_engine: StartEngine | None = None, elsewhere: bool = False
) -> runner.DryRun:
    """`runner.dry_run`, with the models whose revision is unknown: how many edits wait, and what else they lack.

    Each row of `would_make` has a `note`, "" for a model that can be made now.

    Args:
        elsewhere: the engine's workers run on other machines.
    """
    if selection.shard:  # shares may not each ask the Hub
        return runner.dry_run(workspace, selection, start_engine)
    require_settings(workspace.config.generate)
    plan = plan_campaign(workspace, selection.models, selection.tasks, keep_unresolved=True)
    if not plan.unresolved:
        return runner.dry_run(workspace, selection, start_engine)
    waiting = {
        entry.id: (entry, [edit for edit in plan.edits if edit.model == entry.id])
        for entry in plan.entries
        if entry.id in plan.unresolved
    }
    known = [entry.id for entry in plan.entries if entry.id not in waiting]
    rows: list[dict[str, Any]] = []
    problems: list[BadInput] = []
    not_made: list[dict[str, Any]] = []
    if any(edit.model in known for edit in plan.edits):
        found = runner.dry_run(workspace, replace(selection, models=known), start_engine)
        rows, problems, not_made = [{**row, "note": ""} for row in found.would_make], found.problems, found.not_made
    for model, (entry, edits) in waiting.items():
        usd = sum(entry.highest_price(edit.params) for edit in edits)
        note = why_unknown(plan.unresolved[model])
        rows.append({"model": model, "edits": len(edits), "usd_at_most": usd, "note": note})
    said = {str(problem): problem for problem in [*plan.unresolved.values(), *problems]}
    said |= {str(problem): problem for problem in find_problems(workspace, waiting, elsewhere)}
    return runner.DryRun(rows, list(said.values()), not_made)
