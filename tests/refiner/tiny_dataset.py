"""A built dataset that is small and can be learned: broken edits have two coloured boxes, which three people mark."""

from collections.abc import Callable
from pathlib import Path

from analysis.study import analyze_workspace
from editfhf.export import build_dataset
from editfhf.schema import DIMENSIONS, Answer, Edit, Rating, Region, stable_id
from editfhf.workspace import Workspace
from tests.factories import make_workspace

PEOPLE = ("ann", "bob", "cleo")
# Where `tests.factories` puts its flaws: left, top, right, bottom in 0..1.
BOXES = {
    "artifact": ("texture_noise", (0.5, 0.125, 0.75, 0.25)),
    "editing_failure": ("unintended_change", (0.125, 0.625, 0.375, 0.875)),
}
WHEN = "2026-01-02T03:04:05+00:00"


def tiny_dataset(root: Path, n_sources: int = 16, kinds: tuple[str, ...] = tuple(BOXES)) -> Path:
    """Four edits of each photo; the two of `procedural/broken` have flaws that everybody marks."""
    workspace = make_workspace(root / "campaign", n_sources, side=64)
    answer(workspace, lambda edit: kinds if edit.model.endswith("broken") else ())
    analyze_workspace(workspace)
    build_dataset(workspace, root / "dataset")
    return root / "dataset"


def answer(workspace: Workspace, marked: Callable[[Edit], tuple[str, ...]]) -> None:
    """Everybody marks the boxes of these kinds, and gives 2 where there are any, else 4 or 5."""
    answers, ratings, regions = [], [], []
    for number, edit in enumerate(workspace.edits()):
        kinds = marked(edit)
        for place, person in enumerate(PEOPLE):
            outcome = "answered" if kinds else "no_flaw"
            answers.append(Answer(edit.edit_id, person, "simulated", "together", outcome, "", 30.0, WHEN))
            # Who only rates has not looked for flaws, and is in no share of those who did.
            rater = f"only rates {place}"
            answers.append(Answer(edit.edit_id, rater, "simulated", "ratings", "answered", "", 9.0, WHEN))
            score = 2.0 if kinds else 4.0 + (number + place) % 2
            ratings += [
                Rating(edit.edit_id, person, "simulated", name, score, 1, 5, "s", number, 30.0, WHEN)
                for name in DIMENSIONS
            ]
            for kind in kinds:
                flaw_type, (left, top, right, bottom) = BOXES[kind]
                box = [[[left, top], [right, top], [right, bottom], [left, bottom]]]
                regions.append(
                    Region(
                        edit.edit_id, person, "simulated", stable_id(edit.edit_id, person, kind), kind, flaw_type,
                        "region", box, [], f"a {flaw_type} box", False, 30.0, WHEN,
                    )
                )  # fmt: skip
    for name, rows in (("answers", answers), ("ratings", ratings), ("regions", regions)):
        workspace.write_table(name, rows)
