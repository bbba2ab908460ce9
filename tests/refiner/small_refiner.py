"""A refiner without weights, which knows what is wrong: magenta is an artifact, and pixels lose points for it."""

# ruff: noqa: ARG002 (agents that do not look at everything that they are given)

import time
from pathlib import Path

import numpy as np
from PIL import Image

from editfhf.schema import DIMENSIONS
from refiner.agents import Difference, FoundRegion, Pair, Perceived, RepairStep, Scores
from refiner.refiner import Refiner
from refiner.runs import FORMAT, RunRecord, TrainConfig
from tests.factories import photo

MAGENTA = (255, 0, 255)
BOX = [[[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]]]


class SmallModel:
    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay
        self.record = record()

    def perceive(self, pair: Pair) -> Perceived:
        time.sleep(self.delay)
        seen = _is_magenta(pair.edited).astype(np.float32)
        return Perceived(
            {"artifact": seen, "editing_failure": np.zeros_like(seen)},
            {"artifact": float(seen.any()), "editing_failure": 0.0},
        )

    def find_regions(self, pair: Pair, perceived: Perceived) -> list[FoundRegion]:
        if not perceived.maps["artifact"].any():
            return []
        return [FoundRegion("artifact", "colour_cast", "region", BOX, "a magenta box", 0.9)]

    def plan(self, pair: Pair, regions: list[FoundRegion]) -> list[RepairStep]:
        return [RepairStep("restore_source", (BOX,), "a magenta box")]

    def evaluate(self, pair: Pair) -> Scores:
        value = 100 - 80 * float(_is_magenta(pair.edited).mean())
        return Scores(dict.fromkeys(DIMENSIONS, value), dict.fromkeys(DIMENSIONS, 6.5))

    def compare(self, before: Pair, after: Pair) -> Difference:
        rise = self.evaluate(after).mean - self.evaluate(before).mean
        return Difference(rise, 1.0, dict.fromkeys(DIMENSIONS, rise), dict.fromkeys(DIMENSIONS, 2.0))


class SmallAction:
    def act(self, pair: Pair, step: RepairStep) -> np.ndarray:
        return np.where(_is_magenta(pair.edited)[..., None], pair.source, pair.edited)


def small_refiner(delay: float = 0.0) -> Refiner:
    """Repairs magenta boxes; `delay` in seconds for each look."""
    return Refiner(SmallModel(delay), SmallAction(), record())


def record() -> RunRecord:
    return RunRecord(
        format=FORMAT, version="0", config=TrainConfig(), dataset="d", dataset_fingerprint="f", n_train=1000,
        n_validation=100, simulated=True, procedural=False, models=[], tasks=[], best_epoch=0, metrics={}, seconds=0.0,
    )  # fmt: skip


def write_pairs(folder: Path, n_pairs: int, clean: tuple[int, ...] = (), rows: tuple[str, ...] = ()) -> Path:
    """`pairs.csv` with images beside it: each edited image but the clean ones has a magenta box."""
    (folder / "images").mkdir(parents=True)
    lines = ["source,edited,instruction"]
    for number in range(n_pairs):
        pixels = photo(48, number)
        Image.fromarray(pixels).save(folder / f"images/photo {number}.png")
        edited = pixels.copy()
        edited[:4, :4] = 0
        if number not in clean:
            edited[12:36, 12:36] = MAGENTA
        Image.fromarray(edited).save(folder / f"images/edited {number}.png")
        lines.append(f"images/photo {number}.png,images/edited {number}.png,make it <b>{number}</b> times as red")
    (folder / "pairs.csv").write_text("\n".join([*lines, *rows]) + "\n", encoding="utf-8")
    return folder / "pairs.csv"


def _is_magenta(pixels: np.ndarray) -> np.ndarray:
    return (pixels == MAGENTA).all(axis=2)
