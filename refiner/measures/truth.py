"""What was really broken on the edits of a rehearsal: the only place of the refiner that reads it, to measure."""

from pathlib import Path

import numpy as np

from editfhf import oracle
from editfhf.errors import BadInput
from editfhf.schema import REGION_KINDS
from editfhf.true_quality import true_quality


class TruthOfEdit:
    """The truth about one edit."""

    def __init__(self, truth: oracle.Truth) -> None:
        self._truth = truth

    @property
    def is_flawed(self) -> bool:
        return bool(self._truth.flaws)

    def masks(self, height: int, width: int) -> dict[str, np.ndarray] | None:
        """Kind → bool, shape (height, width): every flaw of the kind that has a place; None where the sizes differ."""
        if self._truth.keep.shape != (height, width):
            return None
        masks = {kind: np.zeros((height, width), bool) for kind in REGION_KINDS}
        for flaw in self._truth.flaws:
            masks[flaw.kind] |= flaw.mask
        return masks

    def quality(self, image: np.ndarray) -> dict[str, float]:
        """The three true qualities of an image of this edit, 0..100."""
        return true_quality(image, self._truth)


class Truths:
    """The truths of a workspace.

    Args:
        workspace: the folder that the rehearsal was made in.

    Raises:
        BadInput: it holds no truth.
    """

    def __init__(self, workspace: Path) -> None:
        self._folder = workspace.expanduser() / "oracle"
        if not self._folder.is_dir():
            raise BadInput(
                f"{workspace} holds no truth (no folder oracle/).",
                mend="Name the workspace of a rehearsal with procedural editors, or leave --oracle out.",
            )

    def of(self, edit_id: str) -> TruthOfEdit | None:
        """None for an edit of another editor."""
        folder = self._folder / edit_id
        return TruthOfEdit(oracle.read(folder)) if (folder / "flaws.json").is_file() else None
