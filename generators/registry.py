"""The models that can be asked for by name: ours and, through the entry-point group `editfhf.models`, anyone's."""

import difflib
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from editfhf.errors import BadInput
from generators.base import EditModel, ModelEntry


@cache
def registered_models() -> dict[str, ModelEntry]:
    """id → entry. An entry point of `editfhf.models` is a function that returns the entries of one family."""
    entries = [entry for point in entry_points(group="editfhf.models") for entry in point.load()()]
    return {entry.id: entry for entry in sorted(entries, key=lambda entry: entry.id)}


def model_entry(model_id: str) -> ModelEntry:
    """What the registry knows about a model.

    Raises:
        BadInput: no model has this id; the message names the closest.
    """
    models = registered_models()
    if model_id not in models:
        close = difflib.get_close_matches(model_id, models, 1)
        hint = f"Did you mean {close[0]!r}? " if close else ""
        raise BadInput(f"Unknown model {model_id!r}.", mend=f"{hint}`editfhf models` lists them.")
    return models[model_id]


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
