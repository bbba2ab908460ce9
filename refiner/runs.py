"""A run folder: what was trained, on what, how, how well. Written whole, and refused in one sentence where it is not.

```
RUN/
  run.json               format, configuration, dataset, metrics; written last: a run without it is half made
  weights.safetensors    the trained parameters
  calibration.json       thresholds and errors on the validation split
  history.json           losses and metrics by epoch; curves.png shows them
  README.md              the model card
  config.json            what the folder was begun with; checkpoint/: where an interrupted run goes on
```
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from editfhf.errors import BadInput, first_line, hub_faults
from editfhf.files import whole_file
from editfhf.hub import asking_for

FORMAT = 2  # of the folder; raise it when an older program could not read it
RUN_FILE, WEIGHTS_FILE, CALIBRATION_FILE, HISTORY_FILE = (
    "run.json", "weights.safetensors", "calibration.json", "history.json",
)  # fmt: skip
README_FILE = "README.md"  # a dataset has one, too
FILES = (RUN_FILE, WEIGHTS_FILE, CALIBRATION_FILE, HISTORY_FILE, README_FILE, "curves.png")
# Rules of thumb: with 74 and 5 edits, a run ordered the edits of unseen photos hardly better than by chance.
ENOUGH_TRAIN, ENOUGH_VALIDATION = 400, 50
Agent = Literal["perception", "reasoning", "evaluation"]
AGENTS: tuple[Agent, ...] = ("perception", "reasoning", "evaluation")


class TrainConfig(BaseModel):
    """How a run is trained. The same configuration, dataset and machine give the same weights.

    Attributes:
        agents: which are trained; the others of the run stay unusable.
        patience: epochs without a better validation before it stops.
        backbone: `random` is an ablation. use_instruction, use_source: False in ablations.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    backend: Literal["lite"] = "lite"
    seed: int = 0
    agents: tuple[Agent, ...] = AGENTS
    epochs: int = Field(default=10, ge=1, le=1000)
    patience: int = Field(default=6, ge=1)
    batch_size: int = Field(default=16, ge=2, le=1024)
    learning_rate: float = Field(default=5e-3, gt=0, le=1)
    weight_decay: float = Field(default=0.05, ge=0, lt=1)
    channels: int = Field(default=32, ge=8, le=512)
    backbone: Literal["pretrained", "random"] = "pretrained"
    use_instruction: bool = True
    use_source: bool = True


class RunRecord(BaseModel):
    """`run.json`.

    Attributes:
        dataset: the name of its folder, or of its repository; dataset_fingerprint: of the samples that were used.
        simulated, procedural: whether any of the people were simulated, any of the edits procedural.
        metrics: of the best epoch, on the validation split.
        models, tasks: of the training edits, so that whoever measures knows what was seen.
        sha256: of the weights and the calibration, by file, in hex; runs of earlier versions have none.
    """

    model_config = ConfigDict(extra="forbid")

    format: int
    version: str
    config: TrainConfig
    dataset: str
    dataset_fingerprint: str
    n_train: int
    n_validation: int
    simulated: bool
    procedural: bool
    models: list[str]
    tasks: list[str]
    best_epoch: int
    metrics: dict[str, float]
    seconds: float
    sha256: dict[str, str] = {}

    @property
    def too_few(self) -> str:
        """A sentence where it has learned from so little that its numbers say little; "" where it has not."""
        if self.n_train >= ENOUGH_TRAIN and self.n_validation >= ENOUGH_VALIDATION:
            return ""
        return (
            f"It learned from {self.n_train} edits and was calibrated on {self.n_validation}: too few to trust its "
            f"scores, their errors or its repairs ({ENOUGH_TRAIN} and {ENOUGH_VALIDATION} are the least; "
            "docs/refiner.md is about a thousand)."
        )


def read_run(folder: Path) -> RunRecord:
    """What a run folder says of itself.

    Raises:
        BadInput: no run, half written, damaged, or of another version.
    """
    path = folder / RUN_FILE
    if not folder.is_dir():
        raise BadInput(f"{folder} does not exist.", mend="Train one: `editfhf train --dataset DIR -o RUN`.")
    if not path.is_file():
        half = any((folder / name).exists() for name in (*FILES, "checkpoint") if name != README_FILE)
        raise BadInput(
            f"{folder} is {'a run that was not finished' if half else 'no run'} (it has no {RUN_FILE}).",
            mend="Run the same `editfhf train` again: it goes on." if half else "Name a folder that `train` wrote.",
        )
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read: {first_line(error)}.", mend="Train again.") from error
    found = values.get("format") if isinstance(values, dict) else None
    if found != FORMAT:
        raise BadInput(
            f"{path} is of format {found!r}; this version reads format {FORMAT}.",
            mend="Use the version of EditFHF that trained it, or train again.",
        )
    try:
        return RunRecord.model_validate(values)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise BadInput(f"{path}: {where}: {error.errors()[0]['msg']}.", mend="Train again.") from error


def sha256_of_parts(folder: Path) -> dict[str, str]:
    """The sha-256 of the weights and of the calibration of a run, by file, in hex.

    Raises:
        BadInput: one is missing.
    """
    return {name: hashlib.sha256(_bytes_of(folder / name)).hexdigest() for name in (WEIGHTS_FILE, CALIBRATION_FILE)}


def require_own_parts(folder: Path, record: RunRecord) -> None:
    """Whether the weights and the calibration are those that were written with this `run.json`.

    Raises:
        BadInput: one is missing, damaged, or of another run.
    """
    found = sha256_of_parts(folder)
    for name, digest in record.sha256.items():
        if found.get(name) != digest:
            raise BadInput(f"{folder / name} does not belong to this {RUN_FILE}.", mend="Copy the whole run again.")


def read_weights(folder: Path, name: str = WEIGHTS_FILE) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file.

    Raises:
        BadInput: missing or damaged.
    """
    path = folder / name
    try:
        return dict(load_file(path))
    except FileNotFoundError as error:
        raise BadInput(f"{path} is missing.", mend="Train again, or copy the whole run.") from error
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise BadInput(f"{path} is damaged: {first_line(error)}.", mend="Train again, or copy it again.") from error


def write_weights(folder: Path, tensors: dict[str, np.ndarray], name: str = WEIGHTS_FILE) -> None:
    """Tensors as safetensors, whole or not at all."""
    with whole_file(folder / name) as temporary:
        save_file({key: np.ascontiguousarray(value) for key, value in tensors.items()}, temporary)


def read_json(folder: Path, name: str) -> Any:
    """A JSON file of a run.

    Raises:
        BadInput: missing or damaged.
    """
    try:
        return json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{folder / name} cannot be read: {first_line(error)}.", mend="Train again.") from error


def write_json(folder: Path, name: str, value: Any) -> None:
    """A JSON file of a run, whole or not at all. NaN is refused (ValueError)."""
    with whole_file(folder / name) as temporary:
        temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8")


def run_folder(path_or_repo: str) -> Path:
    """The folder of a run: as it is named here, or fetched from the Hub.

    Raises:
        BadInput: neither a folder nor something that the Hub gives.
    """
    folder = Path(path_or_repo).expanduser()
    if folder.exists() or path_or_repo.count("/") != 1 or path_or_repo.startswith((".", "/", "~")):
        return folder
    from huggingface_hub import snapshot_download

    try:
        with asking_for(path_or_repo):
            return Path(snapshot_download(path_or_repo, allow_patterns=list(FILES)))
    except (*hub_faults(), ValueError) as error:  # type: ignore[misc]
        raise BadInput(
            f"{path_or_repo} is not a folder here, and the Hub does not give it: {first_line(error)}.",
            mend="Check the name, the network and your login.",
        ) from error


def version_of(path_or_repo: str) -> str:
    """The name of a run and what is in it, as `name@` and 12 hex digits: whose scores, regions and repairs these are.

    Raises:
        BadInput: there is no run, or it is not whole.
    """
    folder = run_folder(path_or_repo)
    require_own_parts(folder, read_run(folder))
    digest = hashlib.sha256()
    for name in (RUN_FILE, WEIGHTS_FILE, CALIBRATION_FILE):
        digest.update(_bytes_of(folder / name))
    name = folder.resolve().name if Path(path_or_repo).expanduser().exists() else path_or_repo
    return f"{name}@{digest.hexdigest()[:12]}"


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} is missing.", mend="Train again, or copy the whole run.") from error
