"""What a run will need, looked at before it begins: packages, keys, a budget, a GPU, weights, disk."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec

from editfhf.config import GenerateConfig
from editfhf.errors import BadInput
from editfhf.schema import Edit
from editfhf.tasks import did_you_mean
from editfhf.workspace import Workspace
from generators.base import ModelEntry
from generators.estimate import PNG_BYTES_PER_PIXEL
from generators.registry import known_options, model_entry
from generators.revisions import UNKNOWN, hub_access

EditsByModel = Mapping[str, tuple[ModelEntry, Sequence[Edit]]]
# What has to be importable for each extra of this package.
MODULES = {"generate": ("torch", "diffusers", "transformers", "accelerate"), "api": ("openai", "google.genai")}


def require_settings(config: GenerateConfig) -> None:
    """Refuse settings that would ask a model for another revision than its edits are planned with, or name no model.

    Raises:
        BadInput: of the first that is wrong.
    """
    for name in (*config.params, *config.options, *config.revisions):
        model_entry(name)
    for name, options in config.options.items():
        if "revision" in options:
            raise BadInput(
                f"generate.options: `revision` of {name} is no option: it is part of every edit's id.",
                mend=f"Write generate.revisions: {{{name}: {options['revision']}}}.",
            )
        for option, value in options.items():
            _require_option(model_entry(name), option, value)
    for name in config.revisions:
        if not model_entry(name).takes_revision:
            raise BadInput(
                f"generate.revisions: {name} has one revision only, that of its code.",
                mend="Remove it there.",
            )


def _require_option(entry: ModelEntry, option: str, value: object) -> None:
    if option in entry.load_params:
        raise BadInput(
            f"generate.options: {option!r} of {entry.id} is no option: it changes pixels, so it is a parameter.",
            mend=f"Write generate.params: {{{entry.id}: {{{option}: {value}}}}}.",
        )
    known = known_options(entry)
    if known is not None and option not in known:
        has = f"It has: {', '.join(known)}." if known else "It has none."
        raise BadInput(
            f"generate.options: {entry.id} has no option {option!r}.", mend=f"{did_you_mean(option, known)}{has}"
        )


def require_none(problems: Sequence[BadInput]) -> None:
    """Refuse a run that cannot end well.

    Raises:
        BadInput: the first problem; how many more there are.
    """
    if problems:
        more = f" ({len(problems) - 1} more: `editfhf generate --dry-run` lists them.)" if len(problems) > 1 else ""
        raise BadInput(problems[0].what, mend=problems[0].mend + more)


def find_problems(workspace: Workspace, edits: EditsByModel, elsewhere: bool = False) -> Iterator[BadInput]:
    """Everything that is known to be missing for these edits.

    Args:
        elsewhere: the workers run on other machines: their GPUs and packages are not looked at. Those of models behind
            an API run here all the same.
    """
    config = workspace.config.generate
    paid = 0.0
    for entry, some in edits.values():
        if not some:
            continue
        options = config.options.get(entry.id, {})
        missing = [module for module in MODULES.get(entry.extra, ()) if not _importable(module)]
        if missing and (not elsewhere or entry.key_variable):
            yield BadInput(
                f"{entry.id} needs {' and '.join(missing)}, which are not installed.",
                mend=f"Run `pip install 'editfhf[{entry.extra}]'`.",
            )
        if entry.key_variable and not os.environ.get(entry.key_variable):
            yield BadInput(f"{entry.id} needs an API key.", mend=f"Set {entry.key_variable} in the environment.")
        prices = [entry.highest_price(edit.params) for edit in some]
        paid += sum(prices)
        if any(prices) and config.budget_usd is None:
            yield BadInput(
                f"{entry.id} costs money: up to {sum(prices):.2f} $ for {len(some)} edits.",
                mend=f"Say under generate.budget_usd in {workspace.root / 'editfhf.yaml'} how much it may cost in all.",
            )
        if entry.needs_gpu and not elsewhere:
            yield from _gpu_problems(entry, options, some[0])
        if entry.repository and "weights" not in options and some[0].model_revision != UNKNOWN:
            problem = hub_access(entry, some[0].model_revision)
            if problem is not None:
                yield problem
    yield from _disk_problems(workspace, edits)


def _importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package that it lies in
        return False


def _has_gpu() -> bool:
    if not _importable("torch"):
        return shutil.which("nvidia-smi") is not None
    import torch

    return torch.cuda.is_available()


def _gpu_problems(entry: ModelEntry, options: Mapping[str, object], edit: Edit) -> Iterator[BadInput]:
    device = str(options.get("device", "auto"))
    if device == "cpu" or entry.memory_gb is None:
        return
    if not _has_gpu():
        yield BadInput(
            f"{entry.id} needs a GPU with about {entry.memory_gb.value:g} GB, and this machine has none.",
            mend=f"Run it where there is one (`--engine ray`, `--shard`), or, slowly, with generate.options: "
            f"{{{entry.id}: {{device: cpu}}}}.",
        )
        return
    if not _importable("torch"):
        return
    import torch

    total = torch.cuda.get_device_properties(0 if device == "auto" else device).total_memory / 1e9
    spared = options.get("offload", "none") != "none" or edit.params.get("quantization", "none") != "none"
    if total < entry.memory_gb.value and not spared:
        yield BadInput(
            f"{entry.id} needs a GPU with about {entry.memory_gb.value:g} GB, this one has {total:.0f} GB.",
            mend=f"Set generate.options: {{{entry.id}: {{offload: model}}}}, or quantization under generate.params.",
        )


def _disk_problems(workspace: Workspace, edits: EditsByModel) -> Iterator[BadInput]:
    if workspace.images.url:
        return
    sources = {source.source_id: source for source in workspace.sources()}
    needed = 0.0
    for entry, some in edits.values():
        for edit in some:
            source = sources[edit.source_id]
            width, height = entry.size.fit(source.width, source.height, edit.params.get("max_pixels"))
            needed += width * height * PNG_BYTES_PER_PIXEL
    free = shutil.disk_usage(workspace.root).free
    if needed > free:
        yield BadInput(
            f"The images will take about {_amount(needed)}, and the disk of {workspace.root} has {_amount(free)} left.",
            mend="Make room, take `--limit`, or set storage.images to a store elsewhere.",
        )


def _amount(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:,.2f} MB"
