"""`editfhf train`: one loop for every backend: epochs, validation, the best kept, and going on after a kill.

A backend brings a `Trainee`: it knows its network, losses and metrics, and nothing of the loop.
"""

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import filelock
import numpy as np

from editfhf import __version__
from editfhf.errors import BadInput, JobFailed
from editfhf.files import remove_leftovers
from refiner.data import fingerprint, open_samples, people_of, require_trainable
from refiner.runs import (
    CALIBRATION_FILE,
    FORMAT,
    HISTORY_FILE,
    RUN_FILE,
    RunRecord,
    TrainConfig,
    read_json,
    read_weights,
    sha256_of_parts,
    write_json,
    write_weights,
)
from refiner.threads import THREADS, fixed_threads

CHECKPOINT, LOCK = "checkpoint", ".lock"
Tensors = dict[str, np.ndarray]
Report = Callable[[str, int, int, Mapping[str, float]], None]


class Trainee(Protocol):
    """What a backend trains. Tensors go out and in by name, as NumPy arrays."""

    def batches(self, epoch: int) -> Iterable[Any]:
        """The batches of an epoch (from 0): the same for the same seed, whatever came before."""
        ...

    def learn(self, batch: Any, progress: float) -> dict[str, float]:
        """One step on a batch; returns its losses by name. `progress` is the share of all steps that are done, 0..1."""
        ...

    def validate(self) -> dict[str, float]:
        """Metrics on the validation split; `selection` is the one to make large."""
        ...

    def weights(self) -> Tensors: ...

    def state(self) -> Tensors:
        """Weights and all that the optimiser remembers."""
        ...

    def restore(self, state: Tensors) -> None: ...

    def load(self, weights: Tensors) -> None: ...

    def calibrate(self) -> dict[str, Any]:
        """Thresholds and errors of the loaded weights on the validation split, as JSON."""
        ...


def train(
    dataset: str,
    out: Path,
    config: TrainConfig = TrainConfig(),
    only: Collection[str] | None = None,
    report: Report = lambda _what, _done, _total, _values: None,
    cache: Path | None = None,
) -> RunRecord:
    """Train a run, or go on with one that was interrupted; the result is the same.

    Args:
        dataset: a folder that `editfhf build` wrote, or a name on the Hub.
        out: the run folder.
        only: edit ids to train and validate on; default: all of these splits.
        report: told (what is going on, done, of how many, values to show).
        cache: where features of images are kept; default: the user's cache folder.

    Raises:
        BadInput: the dataset is too small, lacks a kind of region or holds NaN; `out` is of another configuration, or
            cannot be written.
        JobFailed: the loss became NaN.
    """
    out = out.expanduser().resolve()
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(out / LOCK).acquire(timeout=0)
    except filelock.Timeout as error:
        raise BadInput(
            f"{out} is being trained by another process.", mend="Wait for it, or name another folder."
        ) from error
    except OSError as error:
        raise BadInput(f"{out} cannot be written ({error.strerror}).", mend="Name another folder with -o.") from error
    try:
        with lock, fixed_threads(THREADS):
            return _train(dataset, out, config, only, report, cache)
    except BadInput:
        if [one.name for one in out.iterdir()] == [LOCK]:  # nothing was begun: no empty run is left
            (out / LOCK).unlink()
            out.rmdir()
        raise


def _train(
    dataset: str, out: Path, config: TrainConfig, only: Collection[str] | None, report: Report, cache: Path | None
) -> RunRecord:
    from refiner.lite.trainee import LiteTrainee

    remove_leftovers(out)
    begin = time.monotonic()
    samples = {split: open_samples(dataset, split, only) for split in ("train", "validation")}
    require_trainable(dataset, samples["train"], samples["validation"])
    kinds = people_of(dataset)
    digest = fingerprint(chain(samples["train"], samples["validation"]))
    _require_same(out, config, digest)
    if (out / RUN_FILE).is_file():
        return RunRecord.model_validate(read_json(out, RUN_FILE))
    trainee: Trainee = LiteTrainee(config, samples["train"], samples["validation"], cache, report)
    history = _epochs(out, config, trainee, report, time.monotonic() - begin)
    best = max(history, key=lambda row: row["selection"])
    trainee.load(read_weights(out / CHECKPOINT, "best.safetensors"))
    write_weights(out, trainee.weights())
    write_json(out, CALIBRATION_FILE, trainee.calibrate())
    write_json(out, HISTORY_FILE, history)
    record = RunRecord(
        format=FORMAT,
        version=__version__,
        config=config,
        # A path is of this machine, and a run may be published.
        dataset=Path(dataset).resolve().name if Path(dataset).exists() else dataset,
        dataset_fingerprint=digest,
        n_train=len(samples["train"]),
        n_validation=len(samples["validation"]),
        simulated="simulated" in kinds,
        procedural=any(one.model.startswith("procedural/") for one in samples["train"]),
        models=sorted({one.model for one in samples["train"]}),
        tasks=sorted({one.task for one in samples["train"]}),
        best_epoch=int(best["epoch"]),
        metrics={name: value for name, value in best.items() if name.startswith("validation") or name == "selection"},
        seconds=round(sum(row["seconds"] for row in history) + history[0]["preparation_seconds"], 1),
        sha256=sha256_of_parts(out),
    )
    from refiner.run_page import write_pages

    write_pages(out, record, history)
    write_json(out, RUN_FILE, record.model_dump(mode="json"))
    return record


def _epochs(
    out: Path, config: TrainConfig, trainee: Trainee, report: Report, preparation: float
) -> list[dict[str, float]]:
    """Train until the last epoch or until it gets no better; every epoch ends in a checkpoint."""
    folder = out / CHECKPOINT
    folder.mkdir(exist_ok=True)
    history: list[dict[str, float]] = _resume(folder, trainee)
    while len(history) < config.epochs and not _is_stuck(history, config.patience):
        epoch, start = len(history), time.monotonic()
        losses = _one_epoch(trainee, epoch, config.epochs, report)
        metrics = trainee.validate()
        row = {
            "epoch": float(epoch),
            **{f"loss {name}": value for name, value in losses.items()},
            **{name if name == "selection" else f"validation {name}": value for name, value in metrics.items()},
            "seconds": round(time.monotonic() - start, 2),
            "preparation_seconds": round(preparation, 2),
        }
        if epoch == 0 or row["selection"] > max(one["selection"] for one in history):
            write_weights(folder, trainee.weights(), "best.safetensors")
        history.append(row)
        # The state names its epoch, and the history is written last: a kill between the two repeats one epoch.
        write_weights(folder, trainee.state(), f"epoch-{epoch}.safetensors")
        write_json(folder, HISTORY_FILE, history)
        for old in folder.glob("epoch-*.safetensors"):
            if old.name != f"epoch-{epoch}.safetensors":
                old.unlink()
        report("Epoch", epoch + 1, config.epochs, row)
    return history


def _one_epoch(trainee: Trainee, epoch: int, epochs: int, report: Report) -> dict[str, float]:
    """The mean of each loss over the batches of an epoch."""
    sums: dict[str, float] = {}
    batches = list(trainee.batches(epoch))
    for number, batch in enumerate(batches):
        losses = trainee.learn(batch, (epoch + number / len(batches)) / epochs)
        for name, value in losses.items():
            if not math.isfinite(value):
                raise JobFailed(
                    f"The loss {name} became {value} in epoch {epoch + 1}.",
                    mend="Lower --learning-rate into a new run folder; the data were checked and are finite.",
                )
            sums[name] = sums.get(name, 0.0) + value
        report("Training", number + 1, len(batches), losses)
    return {name: value / len(batches) for name, value in sums.items()}


def _resume(folder: Path, trainee: Trainee) -> list[dict[str, float]]:
    if not (folder / HISTORY_FILE).is_file():
        return []
    history: list[dict[str, float]] = read_json(folder, HISTORY_FILE)
    trainee.restore(read_weights(folder, f"epoch-{len(history) - 1}.safetensors"))
    return history


def _is_stuck(history: list[dict[str, float]], patience: int) -> bool:
    if not history:
        return False
    best = max(range(len(history)), key=lambda number: history[number]["selection"])
    return len(history) - 1 - best >= patience


def _require_same(out: Path, config: TrainConfig, digest: str) -> None:
    """A folder holds one run: going on with another configuration or dataset would be neither."""
    wanted = {
        "configuration": config.model_dump(mode="json"),
        "dataset": digest,
        "version of EditFHF": f"{__version__}, format {FORMAT}",
    }
    if (out / "config.json").is_file():
        begun = read_json(out, "config.json")
        other = next((name for name in wanted if not isinstance(begun, dict) or begun.get(name) != wanted[name]), None)
        if other:
            raise BadInput(f"{out} was begun with another {other}.", mend="Name a new folder, or remove that one.")
        return
    strange = sorted(path.name for path in out.iterdir() if path.name != ".lock")
    if strange:
        raise BadInput(f"{out} is not empty (it holds {strange[0]}) and is no run.", mend="Name a new folder.")
    write_json(out, "config.json", wanted)
