"""What the procedural editors really broke: the truth behind a rehearsal, `WS/oracle/`.

Only simulated annotators and benchmarks may read it (a test holds that); it never enters a dataset or a feature.
"""

import json
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from editfhf.errors import BadInput


@dataclass(frozen=True, slots=True)
class TrueFlaw:
    """One flaw as it was made.

    Attributes:
        kind: `artifact` or `editing_failure`; flaw_type: of the taxonomy; extent: region, whole or missing.
        severity: 0 (nobody sees it) to 1 (ruins the picture).
        mask: bool, shape (height, width) of the edited image; all False for `whole` and `missing`.
        operator: the name of the flaw operator that made it.
        description: a sentence such as an attentive annotator would write.
        source_mask: bool, shape of the edited image: where in the source the thing was that vanished, or None.
    """

    kind: str
    flaw_type: str
    extent: str
    severity: float
    mask: np.ndarray
    operator: str
    description: str
    source_mask: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """The truth about one procedural edit.

    Attributes:
        flawless: uint8, shape (height, width, 3): the same edit without any flaw.
        keep: bool, shape (height, width): the region that had to stay as it was in `before`.
        before: uint8, shape (height, width, 3): the source photo in the frame of the edited image.
        flaws: what was broken, in the order in which it was.
    """

    flawless: np.ndarray
    keep: np.ndarray
    before: np.ndarray
    flaws: list[TrueFlaw] = field(default_factory=list)


def write(folder: Path, truth: Truth) -> None:
    """Store the truth of one edit as `folder` (PNG masks and images, `flaws.json`), whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".", suffix=".tmp", dir=folder.parent))
    try:
        _save(temporary / "flawless.png", truth.flawless)
        _save(temporary / "before.png", truth.before)
        _save(temporary / "keep.png", truth.keep)
        rows = []
        for index, flaw in enumerate(truth.flaws):
            _save(temporary / f"flaw_{index}.png", flaw.mask)
            if flaw.source_mask is not None:
                _save(temporary / f"flaw_{index}_source.png", flaw.source_mask)
            rows.append(
                {
                    "kind": flaw.kind,
                    "flaw_type": flaw.flaw_type,
                    "extent": flaw.extent,
                    "severity": flaw.severity,
                    "operator": flaw.operator,
                    "description": flaw.description,
                }
            )
        (temporary / "flaws.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read(folder: Path) -> Truth:
    """The truth of one edit.

    Raises:
        BadInput: there is none: the edit was not made by a procedural editor.
    """
    if not (folder / "flaws.json").is_file():
        raise BadInput(f"{folder} holds no truth.", mend="Only edits by `procedural/…` models have one.")
    flaws = []
    for index, row in enumerate(json.loads((folder / "flaws.json").read_text(encoding="utf-8"))):
        source_mask = folder / f"flaw_{index}_source.png"
        flaws.append(
            TrueFlaw(
                **row,
                mask=_load_mask(folder / f"flaw_{index}.png"),
                source_mask=_load_mask(source_mask) if source_mask.is_file() else None,
            )
        )
    return Truth(
        _load_image(folder / "flawless.png"), _load_mask(folder / "keep.png"), _load_image(folder / "before.png"), flaws
    )


def _save(path: Path, array: np.ndarray) -> None:
    Image.fromarray(array.astype(np.uint8) * 255 if array.dtype == bool else array).save(path, compress_level=1)


def _load_image(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _load_mask(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("L")) > 127
