"""The dataset card: README.md with the front matter that the Hub and `datasets` read, and the text that people read."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import yaml

from editfhf.dataset_schema import FOLDERS, features_of, shard_pattern
from editfhf.schema import SPLITS

SIZE_CATEGORIES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def write_card(folder: Path, manifest: dict[str, Any]) -> None:
    """Write `README.md` into a dataset folder whose Parquet files are there."""
    front_matter = yaml.safe_dump(_front_matter(folder, manifest), sort_keys=False, allow_unicode=True, width=120)
    template = files("editfhf").joinpath("templates/card.md.j2").read_text(encoding="utf-8")
    # Markdown, not HTML: what users wrote (the name, licences) goes in through `plain`, which takes its special signs.
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters["plain"] = _plain
    text = environment.from_string(template).render(
        front_matter=front_matter,
        splits=SPLITS,
        columns=[(name, _type_name(feature)) for name, feature in features_of("default").items()],
        n_edits=sum(manifest["rows"]["default"].values()),
        **manifest,
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _front_matter(folder: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    n_edits = sum(manifest["rows"]["default"].values())
    size = next((name for limit, name in SIZE_CATEGORIES if n_edits < limit), "n>1M")
    tags = ["image-editing", "human-feedback", "mean-opinion-score", "editfhf"]
    if manifest["annotators"].get("simulated"):
        tags.append("simulated-annotators")
    if manifest["procedural_models"]:
        tags.append("procedural-editors")
    return {
        "pretty_name": manifest["name"],
        "license": manifest["licence"],
        "task_categories": ["image-to-image"],
        "size_categories": [size],
        "tags": tags,
        "configs": [
            {
                "config_name": config,
                **({"default": True} if config == "default" else {}),
                "data_files": [{"split": split, "path": shard_pattern(config, split)} for split in SPLITS],
            }
            for config in FOLDERS
        ],
        "dataset_info": [_info(folder, config, manifest["rows"][config]) for config in FOLDERS],
    }


def _info(folder: Path, config: str, rows: dict[str, int]) -> dict[str, Any]:
    sizes = {split: sum(path.stat().st_size for path in folder.glob(shard_pattern(config, split))) for split in SPLITS}
    return {
        "config_name": config,
        "features": features_of(config)._to_yaml_list(),
        "splits": [{"name": split, "num_bytes": sizes[split], "num_examples": rows[split]} for split in SPLITS],
        "download_size": sum(sizes.values()),
        "dataset_size": sum(sizes.values()),
    }


def _type_name(feature: Any) -> str:
    name = type(feature).__name__
    return feature.dtype if name == "Value" else "image" if name == "Image" else "list"


def _plain(text: str) -> str:
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]<>#|!" else sign for sign in " ".join(str(text).split()))
