"""The columns of a built dataset, config by config, as `datasets` features and as Arrow schemas that carry them."""

from functools import cache

import pyarrow as pa
from datasets import Features, Image, List, Value

from editfhf.schema import DIMENSIONS, TABLES, WORKSPACE_COLUMNS

FOLDERS = {"default": "edits", "ratings": "ratings", "regions": "regions", "answers": "answers"}
RAW_CONFIGS = ("ratings", "regions", "answers")

_POLYGON = List(List(List(Value("float64"))))
_TEXT = Value("string")


@cache
def features_of(config: str) -> Features:
    """The features of a config, in the order of its columns."""
    if config != "default":
        return Features.from_arrow_schema(
            pa.schema([field for field in TABLES[config] if field.name not in WORKSPACE_COLUMNS])
        )
    scores = {
        f"{dimension}{suffix}": Value("int32" if suffix == "_n" else "float64")
        for dimension in DIMENSIONS
        for suffix in ("", "_std", "_ci95", "_n")
    }
    return Features(
        {
            "edit_id": _TEXT,
            "parent_edit_id": _TEXT,
            "source_id": _TEXT,
            "source_image": Image(),
            "edited_image": Image(),
            "instruction": _TEXT,
            "task": _TEXT,
            "task_group": _TEXT,
            "model": _TEXT,
            "model_revision": _TEXT,
            "params": _TEXT,
            "seed": Value("int64"),
            "width": Value("int32"),
            "height": Value("int32"),
            "regions": List(
                {
                    "kind": _TEXT,
                    "flaw_type": _TEXT,
                    "extent": _TEXT,
                    "polygon": _POLYGON,
                    "source_polygon": _POLYGON,
                    "description": _TEXT,
                    "support": Value("int32"),
                    "probability": Value("float64"),
                }
            ),
            "artifact_map": Image(),
            "failure_map": Image(),
            **scores,
        }
    )


@cache
def arrow_schema_of(config: str) -> pa.Schema:
    """The Arrow schema of a config; its metadata tells `datasets` the features."""
    return features_of(config).arrow_schema


def shard_name(config: str, split: str, index: int, count: int) -> str:
    """The path of a shard within the dataset."""
    return f"data/{FOLDERS[config]}/{split}-{index:05d}-of-{count:05d}.parquet"


def shard_pattern(config: str, split: str) -> str:
    """The glob that finds the shards of a split."""
    return f"data/{FOLDERS[config]}/{split}-*.parquet"
