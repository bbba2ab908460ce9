"""The dataset card: README.md with the front matter that the Hub and `datasets` read, and the text that people read."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import yaml

from editfhf.dataset_schema import RAW_CONFIGS, features_of, shard_pattern
from editfhf.manifest import Manifest
from editfhf.schema import DIMENSIONS, SPLITS

SIZE_CATEGORIES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
# What the card says wherever a program answered or edited; `editfhf validate` looks for it.
BANNER = "A rehearsal, not human feedback."
# The licences that the Hub knows by name and that data are given under: huggingface.co/docs/hub/repositories-licenses.
# It refuses a card with any other, unless it says `other` and names it.
_CREATIVE_COMMONS = (
    "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0",
    "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0",
    "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0",
)  # fmt: skip
_OTHER_LICENCES = (
    "apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "c-uda", "cdla-sharing-1.0", "cdla-permissive-1.0",
    "cdla-permissive-2.0", "etalab-2.0", "gfdl", "odc-by", "odbl", "pddl", "openrail", "unlicense", "unknown", "other",
)  # fmt: skip
HUB_LICENCES = frozenset((*_CREATIVE_COMMONS, *_OTHER_LICENCES))
_SCORE = {
    "": "mean opinion score, 0 to 100; null where nobody rated",
    "_std": "standard deviation of the ratings, on the same scale",
    "_ci95": "half the width of the 95 % interval of the mean",
    "_n": "ratings that count, after screening",
}
MEANINGS = {
    "edit_id": "hash of all that decides the pixels: photo, task, instruction, model, revision, params, seed",
    "parent_edit_id": "the edit that this one refines; empty for a first edit",
    "source_id": "the photo",
    "source_image": "the photo as it was imported",
    "edited_image": "what the model made of it",
    "instruction": "what the model was asked to do",
    "task": "one of the 43 editing tasks",
    "task_group": "the group that the task belongs to",
    "model": "the editing model; `procedural/…` is none, but a program for rehearsals",
    "model_revision": "the version of its weights or code",
    "params": "its parameters, as JSON with sorted keys",
    "seed": "its random seed",
    "width": "of the edited image, in pixels",
    "height": "of the edited image, in pixels",
    "regions": "consensus regions: kind, flaw_type, extent, polygon, source_polygon, description, support, probability",
    "artifact_map": "8-bit grey, size of the edited image: share (0 to 255) of people who marked an artifact there",
    "failure_map": "the same for editing failures",
    **{f"{dimension}{suffix}": text for dimension in DIMENSIONS for suffix, text in _SCORE.items()},
}


def write_card(folder: Path, manifest: Manifest) -> None:
    """Write `README.md` into a dataset folder whose Parquet files are there."""
    front_matter = yaml.safe_dump(_front_matter(folder, manifest), sort_keys=False, allow_unicode=True, width=120)
    template = files("editfhf").joinpath("templates/card.md.j2").read_text(encoding="utf-8")
    # Markdown, not HTML: what users wrote (the name, licences) goes in through `plain`, which takes its special signs.
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters["plain"] = _plain
    text = environment.from_string(template).render(
        front_matter=front_matter,
        banner=BANNER if manifest.simulated_annotators or manifest.procedural_models else "",
        simulated=manifest.simulated_annotators,
        splits=SPLITS,
        columns=[(name, _type_name(feature), MEANINGS[name]) for name, feature in features_of("default").items()],
        raw_columns={config: list(features_of(config)) for config in RAW_CONFIGS},
        n_edits=manifest.n_edits,
        **manifest.model_dump(),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def card_configs(manifest: Manifest) -> list[dict[str, Any]]:
    """The part of the front matter that tells `datasets` where the files of each config and split are.

    A config or split without rows is left out, since it has no file.
    """
    return [
        {
            "config_name": config,
            **({"default": True} if config == "default" else {}),
            "data_files": [
                {"split": split, "path": shard_pattern(config, split)} for split in manifest.filled_splits(config)
            ],
        }
        for config in manifest.filled_configs
    ]


def card_features(config: str) -> list[dict[str, Any]]:
    """The features of a config as the front matter writes them."""
    return features_of(config)._to_yaml_list()


def _front_matter(folder: Path, manifest: Manifest) -> dict[str, Any]:
    size = next((name for limit, name in SIZE_CATEGORIES if manifest.n_edits < limit), "n>1M")
    tags = ["image-editing", "mean-opinion-score", "editfhf"]
    if manifest.annotators.get("human"):
        tags.append("human-feedback")
    if manifest.simulated_annotators:
        tags.append("simulated-annotators")
    if manifest.procedural_models:
        tags.append("procedural-editors")
    return {
        "pretty_name": manifest.name,
        **_licence(manifest.licence),
        "task_categories": ["image-to-image"],
        "size_categories": [size],
        "tags": tags,
        "configs": card_configs(manifest),
        "dataset_info": [_info(folder, config, manifest) for config in manifest.filled_configs],
    }


def _licence(licence: str) -> dict[str, str]:
    known = licence.strip().lower()
    if known in HUB_LICENCES:
        return {"license": known}
    return {"license": "other", "license_name": re.sub(r"[^a-z0-9.]+", "-", known).strip("-") or "see-card"}


def _info(folder: Path, config: str, manifest: Manifest) -> dict[str, Any]:
    splits = manifest.filled_splits(config)
    sizes = {split: sum(path.stat().st_size for path in folder.glob(shard_pattern(config, split))) for split in splits}
    return {
        "config_name": config,
        "features": card_features(config),
        "splits": [
            {"name": split, "num_bytes": sizes[split], "num_examples": manifest.rows[config][split]} for split in splits
        ],
        "download_size": sum(sizes.values()),
        "dataset_size": sum(sizes.values()),
    }


def _type_name(feature: Any) -> str:
    name = type(feature).__name__
    return feature.dtype if name == "Value" else "image" if name == "Image" else "list"


def _plain(text: str) -> str:
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]<>#|!" else sign for sign in " ".join(str(text).split()))
