"""The models that can be asked for by name: ours and, through the entry-point group `editfhf.models`, anyone's."""

import inspect
import multiprocessing
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from editfhf import console
from editfhf.errors import BadInput, first_line
from editfhf.tasks import did_you_mean
from generators.base import EditModel, ModelEntry

API_OPTIONS = ("base_url", "timeout_s", "attempts", "max_wait_s")  # of `generators.api.connection.Options`


@cache
def registered_models() -> dict[str, ModelEntry]:
    """id → entry. An entry point of `editfhf.models` is a function that returns the entries of one family.

    One that is faulty is left out, with a sentence on standard error: the models of others stay.
    """
    entries: list[ModelEntry] = []
    for point in entry_points(group="editfhf.models"):
        try:
            entries += _entries_of(point)
        except Exception as error:  # somebody's plugin: whatever is wrong with it, it must not take the others with it
            if multiprocessing.parent_process() is None:  # the workers of a run would only repeat it
                console.note(f"editfhf: {_faulty(point, error)}")
    return {entry.id: entry for entry in sorted(entries, key=lambda entry: entry.id)}


def _entries_of(point: EntryPoint) -> list[ModelEntry]:
    entries = list(point.load()())
    for entry in entries:
        if not isinstance(entry, ModelEntry):
            raise TypeError(f"it returns {entry!r}, which is no ModelEntry")
    return entries


def _faulty(point: EntryPoint, error: Exception) -> str:
    package = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"
    return (
        f"the models of the entry point {point.name} = {point.value} ({package}) are left out: "
        f"{type(error).__name__}: {first_line(error).rstrip('.')}. Mend or uninstall that package."
    )


def model_entry(model_id: str) -> ModelEntry:
    """What the registry knows about a model.

    Raises:
        BadInput: no model has this id; the message names the closest.
    """
    models = registered_models()
    if model_id not in models:
        hint = did_you_mean(model_id, models)
        raise BadInput(f"Unknown model {model_id!r}.", mend=f"{hint}`editfhf models` lists them.")
    return models[model_id]


def known_options(entry: ModelEntry) -> list[str] | None:
    """The names that the settings may give under `generate.options` for a model; None where only its `load` knows.

    What changes pixels (`load_params`) and the revision are not among them: they have places of their own.
    """
    given = list(inspect.signature(entry.load).parameters.values())[1:]
    if any(one.kind is one.VAR_KEYWORD for one in given):
        return [*API_OPTIONS] if entry.key_variable and entry.load.__module__ == "generators.api" else None
    names = [one.name for one in given if one.name not in (*entry.load_params, "revision")]
    return names if entry.procedural else [*names, "gpus"]


def load_model(model_id: str, **options: Any) -> EditModel:
    """Load an editing model by its registered id.

    Args:
        options: for models made of weights (`generators/models/`):
            revision: commit of the repository; default: the one of the registry entry.
            weights: a folder that holds the pipeline, instead of the repository.
            dtype: `bfloat16`, `float16` or `float32`.
            device: `auto` (a GPU where there is one), `cuda`, `cuda:1`, `cpu`.
            offload: `none`, `model` (parts wait in main memory: less GPU memory, slower), `sequential` (least memory,
                slowest).
            quantization: `none`, `8bit` or `4bit` weights of the denoiser (diffusers, with torchao and bitsandbytes).
            compile: compile the denoiser with torch (faster after a slow first image).
        For APIs (`generators/api/`): base_url, timeout_s.

    Raises:
        BadInput: no model has this id, an option is unknown, weights cannot be had, a key is missing.
    """
    entry = model_entry(model_id)
    return entry.load(entry, **options)
