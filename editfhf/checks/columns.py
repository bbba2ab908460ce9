"""Checks of the columns of a dataset: files, names and types, and that nothing is missing in them."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from editfhf.checks.rows import read_groups, shards
from editfhf.dataset_schema import FOLDERS, arrow_schema_of, shard_name
from editfhf.errors import first_line
from editfhf.manifest import Manifest
from editfhf.schema import DIMENSIONS, SPLITS

# Null where nobody has given an opinion; images are looked at by the check of images.
MAY_BE_NULL = {f"{dimension}{suffix}" for dimension in DIMENSIONS for suffix in ("", "_std", "_ci95")}


def check_schemas(folder: Path) -> Iterator[str]:
    """Every split with rows has all its files, with exactly the columns and types of the schema, in their order."""
    manifest = Manifest.read(folder)
    for config in FOLDERS:
        expected = arrow_schema_of(config)
        found: dict[str, list[Path]] = {split: [] for split in SPLITS}
        for split, path in shards(folder, config):
            found[split].append(path)
        for split, paths in found.items():
            if bool(paths) != (split in manifest.filled_splits(config)):
                problem = "a file" if paths else "no file"
                rows = manifest.rows[config][split]
                yield f"data/{FOLDERS[config]}: {problem} for split {split}, which has {rows} rows by the manifest"
            names = [shard_name(config, split, index, len(paths)) for index in range(len(paths))]
            for path in paths:
                if path.relative_to(folder).as_posix() not in names:
                    yield f"{path.name} in data/{FOLDERS[config]}: not one of the {len(paths)} files of split {split}"
                yield from _check_schema(path, f"{path.name} in data/{FOLDERS[config]}", expected)


def _check_schema(path: Path, where: str, expected: pa.Schema) -> Iterator[str]:
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        yield f"{where}: not a whole Parquet file: {first_line(error)}"
        return
    if schema.names != expected.names:
        missing = [name for name in expected.names if name not in schema.names]
        strange = [name for name in schema.names if name not in expected.names]
        problems = [f"lacks {', '.join(missing)}"] if missing else []
        problems += [f"has {', '.join(strange)} besides"] if strange else []
        yield f"{where}: columns differ from the schema ({'; '.join(problems) or 'their order'})"
        return
    for field, wanted in zip(schema, expected, strict=True):
        if field.type != wanted.type:
            yield f"{where}: {field.name} is {field.type}, not {wanted.type}"
    if (schema.metadata or {}).get(b"huggingface") != expected.metadata[b"huggingface"]:
        yield f"{where}: the features for `datasets` are missing or differ"


def check_nulls(folder: Path) -> Iterator[str]:
    """Nothing is null but scores and maps of an edit on which nobody has given an opinion."""
    for config in FOLDERS:
        schema = arrow_schema_of(config)
        columns = [one.name for one in schema if one.name not in MAY_BE_NULL and not pa.types.is_struct(one.type)]
        for _, path in shards(folder, config):
            for table in read_groups(path, columns):
                for name in columns:
                    for chunk in table[name].chunks:
                        for place in _null_places(chunk, name):
                            yield f"{path.name} in data/{FOLDERS[config]}: {place} is null"


def _null_places(array: pa.Array, name: str) -> Iterator[str]:
    if array.null_count:
        row = pc.indices_nonzero(array.is_null())[0].as_py()
        yield f"{name} of row {row} of its row group"
    elif pa.types.is_list(array.type):
        if array.flatten().null_count or pa.types.is_nested(array.type.value_type):
            yield from _null_places(array.flatten(), f"a value in {name}")
    elif pa.types.is_struct(array.type):
        for index, field in enumerate(array.type):
            yield from _null_places(array.field(index), f"{name}.{field.name}")
