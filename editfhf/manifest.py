"""`manifest.json`: what a built dataset says about itself, for programs."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from editfhf.dataset_schema import FOLDERS
from editfhf.errors import BadInput
from editfhf.schema import SPLITS

MANIFEST_NAME = "manifest.json"
FORMAT_VERSION = 1


class FileEntry(BaseModel):
    """One file of the dataset: its content, and its size in bytes."""

    model_config = ConfigDict(strict=True)

    sha256: str
    bytes: int


class Statistics(BaseModel):
    """What the card tells about the opinions. Scores are on 0..100, None where there are none."""

    model_config = ConfigDict(strict=True)

    rated_edits: int
    consensus_regions: dict[str, int]
    mean_scores: dict[str, float | None]


class Manifest(BaseModel):
    """The manifest of a dataset.

    Attributes:
        rows: config → split → number of rows.
        photos: split → number of clean photos; source_licences: licence → number of clean photos.
        annotators: `human` and `simulated` → how many gave an answer, a rating or a region.
        models, tasks: id → number of edits. procedural_models: those of them that are no editing models.
        derived_sources: source_id of a photo that was made worse on purpose → that of its clean photo.
        files: path → content, for every file but the manifest itself.
    """

    model_config = ConfigDict(strict=True)

    format: int = FORMAT_VERSION
    toolkit: str
    command: str
    name: str
    licence: str
    seed: int
    split_shares: dict[str, float]
    rows: dict[str, dict[str, int]]
    photos: dict[str, int]
    annotators: dict[str, int]
    models: dict[str, int]
    procedural_models: list[str]
    tasks: dict[str, int]
    source_licences: dict[str, int]
    derived_sources: dict[str, str]
    statistics: Statistics
    files: dict[str, FileEntry] = {}

    @model_validator(mode="after")
    def _counts_every_split(self) -> "Manifest":
        for config in FOLDERS:
            if set(self.rows.get(config, {})) != set(SPLITS):
                raise ValueError(f"rows: {config}: a count for each of {', '.join(SPLITS)} is expected")
        return self

    @property
    def n_edits(self) -> int:
        return sum(self.rows["default"].values())

    def filled_splits(self, config: str) -> list[str]:
        """The splits of a config that have rows: only these have files."""
        return [split for split in SPLITS if self.rows[config][split]]

    @property
    def filled_configs(self) -> list[str]:
        return [config for config in FOLDERS if self.filled_splits(config)]

    @property
    def simulated_annotators(self) -> int:
        return self.annotators.get("simulated", 0)

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """The manifest of the dataset in `folder`.

        Raises:
            BadInput: the folder or its manifest is not there; the manifest is damaged or of another program.
        """
        path = folder / MANIFEST_NAME
        if not path.is_file():
            problem = "does not exist"
            if folder.exists():
                problem = "is not a dataset (it has no manifest.json)" if folder.is_dir() else "is a file, not a folder"
            raise BadInput(f"{folder} {problem}.", mend="Name a folder that `editfhf build` wrote.")
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            # Asked first: a dataset of another version lacks what this one expects, and that is not damage.
            if (
                isinstance(values, dict)
                and isinstance(values.get("format"), int)
                and values["format"] != FORMAT_VERSION
            ):
                raise BadInput(
                    f"{path}: format {values['format']}; this toolkit reads {FORMAT_VERSION}.",
                    mend="Use the toolkit that `toolkit` in that file names, or build the dataset again.",
                )
            return cls.model_validate(values)
        except ValidationError as error:
            problem = _first_problem(error)
        except (OSError, ValueError, RecursionError) as error:
            problem = str(error)
        raise BadInput(f"{path} is damaged or not of a dataset: {problem}.", mend="Build the dataset again.")

    def write(self, folder: Path) -> None:
        text = json.dumps(self.model_dump(), indent=1, ensure_ascii=False)
        (folder / MANIFEST_NAME).write_text(text + "\n", encoding="utf-8")


def files_of_any_version(folder: Path) -> set[str] | None:
    """The files of a dataset that any version of this toolkit built; None when it is something else."""
    try:
        values = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(values, dict) or not str(values.get("toolkit")).startswith("editfhf "):
        return None
    return set(values["files"]) if isinstance(values.get("files"), dict) else None


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else first["msg"]
