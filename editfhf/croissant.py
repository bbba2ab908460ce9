"""`croissant.json`: the dataset described in Croissant 1.0 (MLCommons), for tools that look for files and fields."""

import json
from pathlib import Path
from typing import Any

from editfhf.dataset_schema import FOLDERS, features_of
from editfhf.manifest import Manifest

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES = {
    "string": "sc:Text",
    "float64": "sc:Float",
    "int32": "sc:Integer",
    "int64": "sc:Integer",
    "bool": "sc:Boolean",
}


def write_croissant(folder: Path, manifest: Manifest) -> None:
    """Write `croissant.json` for the files that `manifest.files` lists.

    Fields that hold nested lists (polygons) are left to the Parquet schema: Croissant 1.0 has no type for them.
    """
    parquet = {name: file for name, file in manifest.files.items() if name.endswith(".parquet")}
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": manifest.name,
        "description": "Edited images with opinion scores, flawed regions and reasons (EditFHF). "
        + ("Simulated annotators: a rehearsal, not human feedback." if manifest.simulated_annotators else ""),
        "license": manifest.licence,
        "citeAs": "EditRefiner, arXiv:2605.07457",
        "url": "https://arxiv.org/abs/2605.07457",
        "version": "1.0.0",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": name,
                "name": name,
                "contentUrl": name,
                "encodingFormat": "application/x-parquet",
                "sha256": file.sha256,
            }
            for name, file in parquet.items()
        ],
        "recordSet": [
            _record_set(config, split_file)
            for config, directory in FOLDERS.items()
            for split_file in parquet
            if split_file.startswith(f"data/{directory}/")
        ],
    }
    text = json.dumps(document, indent=1, ensure_ascii=False)
    (folder / "croissant.json").write_text(text + "\n", encoding="utf-8")


def _record_set(config: str, file: str) -> dict[str, Any]:
    name = f"{config}/{Path(file).stem}"
    fields = []
    for column, feature in features_of(config).items():
        kind = type(feature).__name__
        if kind not in ("Value", "Image"):
            continue
        source: dict[str, Any] = {"fileObject": {"@id": file}, "extract": {"column": column}}
        if kind == "Image":
            source["transform"] = {"jsonPath": "bytes"}
        fields.append(
            {
                "@type": "cr:Field",
                "@id": f"{name}/{column}",
                "name": f"{name}/{column}",
                "dataType": "sc:ImageObject" if kind == "Image" else _TYPES[feature.dtype],
                "source": source,
            }
        )
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}
