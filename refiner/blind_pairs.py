"""`editfhf pairs`: edits before and after refining, for people to choose from without knowing which is which.

The folder is described in `editfhf.blind_pairs`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from editfhf.blind_pairs import COLUMNS, HAND_OUT, IMAGES, KEY_FILE, PAIRS_FILE, Key, KeyOfEdit
from editfhf.errors import BadInput, JobFailed
from editfhf.files import whole_folder
from refiner.agents import Pair
from refiner.data import open_samples
from refiner.inputs import pixels_hash
from refiner.measures.loop import to_refine
from refiner.scoring import write_rows
from refiner.trace import RefineTrace


@dataclass(frozen=True, slots=True)
class PairCounts:
    """How many edits were refined, of how many a pair was written, and how many refining left as they were."""

    edits: int
    pairs: int
    left_as_they_were: int


def write_pairs(
    dataset: str,
    refine: Callable[[Pair], RefineTrace],
    out: Path,
    run: str,
    editor: str,
    limit: int | None = None,
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> PairCounts:
    """Refine the split `test`, and write a pair of images for each edit that refining changes; whole or not at all.

    Args:
        dataset: a folder that `editfhf build` wrote, or a name on the Hub.
        refine: `Refiner.refine_pair`.
        run, editor: whose images these are (`refiner.runs.version_of`), for the key.
        limit: refine so many edits at most: those that `benchmark` with this limit and seed refines.
        seed: of the sides and of the names of the files, too.
        on_progress: is told (edits done, edits in all).

    Raises:
        BadInput: no such dataset, or `out` is there and not empty, or cannot be written.
        JobFailed: no edit was changed.
    """
    samples = to_refine(open_samples(dataset, "test"), [editor], limit, seed)
    require_free(out)
    with whole_folder(out) as temporary:
        (temporary / HAND_OUT / IMAGES).mkdir(parents=True)
        random = np.random.default_rng(seed)
        edits: list[KeyOfEdit] = []
        rows: list[dict[str, str]] = []
        on_progress(0, len(samples))
        for done, sample in enumerate(samples, start=1):
            pair = sample.pair()
            after = refine(pair).best
            name = "" if np.array_equal(pair.edited, after) else f"pair-{len(rows) + 1:03}"
            side = ("left", "right")[random.integers(2)] if name else ""
            hashes = {"before_sha256": pixels_hash(pair.edited), "after_sha256": pixels_hash(after)}
            edits.append(KeyOfEdit.model_validate({"edit_id": sample.edit_id, "pair": name, "after": side, **hashes}))
            if name:
                rows.append(_row(temporary / HAND_OUT, name, pair, after, side, random))
            on_progress(done, len(samples))
        if not rows:
            raise JobFailed(
                f"Refining changed none of the {len(samples)} edits, so there is nothing to choose between.",
                mend="Take more edits, another dataset or another run.",
            )
        write_rows(temporary / HAND_OUT / PAIRS_FILE, rows, COLUMNS)
        key = Key(dataset=Path(dataset).resolve().name, run=run, editor=editor, seed=seed, edits=edits)
        (temporary / KEY_FILE).write_text(key.model_dump_json(indent=1) + "\n", encoding="utf-8")
        require_free(out)  # still: refining takes long, and what is there would be replaced
    return PairCounts(len(samples), len(rows), len(samples) - len(rows))


def require_free(out: Path) -> None:
    """Whether pairs can be written there: asked before the work.

    Raises:
        BadInput: it is there and not an empty folder.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise BadInput(
            f"{out} is there already.", mend="Choose another folder with -o: people may have filled this one."
        )


def _row(
    hand_out: Path, name: str, pair: Pair, after: np.ndarray, side: str, random: np.random.Generator
) -> dict[str, str]:
    """Write the three images of a pair; returns its row of the table."""
    left, right = (after, pair.edited) if side == "left" else (pair.edited, after)
    row = {"pair": name, "instruction": pair.instruction, "preferred": ""}
    for column, image in (("source", pair.source), ("left", left), ("right", right)):
        row[column] = f"{IMAGES}/{random.bytes(8).hex()}.png"
        Image.fromarray(image).save(hand_out / row[column], "png")
    return row
