"""`editfhf refine` on one pair: the trace into a folder, or the best image alone into a file."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from editfhf.errors import BadInput
from editfhf.files import require_apart, whole_file
from editfhf.schema import DIMENSIONS
from refiner.agents import Pair
from refiner.pairs import IMAGE_SUFFIXES
from refiner.refiner import Refiner
from refiner.scoring import DECIMALS
from refiner.trace import BEST_FILE, PAGE_FILE, TRACE_FILE


def require_writable(out: Path, inputs: Iterable[Path] = ()) -> None:
    """Whether the result can go there: asked before the work.

    Args:
        inputs: the files of the pair.

    Raises:
        BadInput: an image file other than PNG, a folder that holds something else, a file where a folder should be, or
            one of the inputs.
    """
    suffix = out.suffix.casefold()
    if suffix in IMAGE_SUFFIXES[1:]:
        raise BadInput(f"{out}: the best image is written as PNG.", mend=f"Name it {out.with_suffix('.png').name}.")
    if suffix == IMAGE_SUFFIXES[0]:
        if out.is_dir() or not out.parent.is_dir() or not os.access(out.parent, os.W_OK | os.X_OK):
            raise BadInput(
                f"{out} cannot be written.",
                mend="Name a .png file in a folder that is there and that you may write to.",
            )
    elif out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / TRACE_FILE).is_file()):
        raise BadInput(f"{out} holds something other than a trace.", mend="Choose another folder with -o.")
    require_apart(out, inputs)


def refine_into(
    refiner: Refiner,
    pair: Pair,
    out: Path,
    max_iterations: int = 4,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> dict[str, Any]:
    """Refine a pair that was checked, and write what came of it.

    Args:
        out: a folder for the trace (`RefineTrace.save`), or a `.png` file for the best image alone.
        on_progress: is told (iterations done, iterations at most).

    Returns:
        before and after (the mean of the three scores, then each of them), accepted_steps, stopped, seconds, the path
        of the best_image and of the page ("" without a folder), and the note.

    Raises:
        BadInput: it cannot be written, or the run lacks an agent.
    """
    require_writable(out)
    on_progress(0, max_iterations)
    trace = refiner.refine_pair(pair, max_iterations, lambda step: on_progress(step.iteration, max_iterations))
    if out.suffix.casefold() == IMAGE_SUFFIXES[0]:
        with whole_file(out) as temporary:
            Image.fromarray(trace.best).save(temporary, "png")
        best, page = out, ""
    else:
        trace.save(out)
        best, page = out / BEST_FILE, str(out / PAGE_FILE)
    row: dict[str, Any] = {}
    for name, scores in (("before", trace.scores[0]), ("after", trace.scores[trace.best_index])):
        row[name] = round(scores.mean, DECIMALS)
        row |= {f"{name}_{one}": round(scores.values[one], DECIMALS) for one in DIMENSIONS}
    return {
        **row,
        "accepted_steps": sum(step.accepted for step in trace.steps),
        "stopped": trace.stopped,
        "seconds": round(sum(sum(step.seconds.values()) for step in trace.steps), 3),
        "best_image": str(best),
        "page": page,
        "note": trace.note,
    }
