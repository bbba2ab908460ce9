"""How often and how badly each of the four procedural models fails."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from generators.procedural.compositing import dilate
from generators.procedural.finishing import SMALLEST_FLAW, finish, visible_difference
from generators.procedural.flaw_operators import FlawOperator
from generators.procedural.flaw_operators.scene import Flawed, FlawScene

# Operators that leave nothing to see are drawn again, so often at most.
MOST_TRIES = 12


@dataclass(frozen=True)
class Profile:
    """Flaws of one model.

    Attributes:
        counts: the chance of 0, 1, 2 … flaws in an edit; sums to 1.
        severity: lowest and highest severity that is drawn (evenly between).
        misses: how much likelier editing failures are, against artifacts, than their weights say.
    """

    counts: tuple[float, ...]
    severity: tuple[float, float]
    misses: float = 1.0


PROFILES: dict[str, Profile] = {
    "careful": Profile((0.70, 0.26, 0.04), (0.02, 0.25), misses=0.5),
    "hurried": Profile((0.36, 0.50, 0.14), (0.12, 0.45), misses=0.6),
    "careless": Profile((0.04, 0.32, 0.46, 0.18), (0.40, 0.75), misses=1.1),
    "broken": Profile((0.0, 0.05, 0.35, 0.60), (0.70, 1.0), misses=1.8),
}


@dataclass(frozen=True)
class MadeFlaw:
    """A flaw as it shows in the finished image; `mask` (bool) is what visibly differs because of it."""

    operator: FlawOperator
    made: Flawed
    severity: float
    mask: np.ndarray


def spoil(
    scene: FlawScene,
    flawless: np.ndarray,
    profile: Profile,
    operators: Mapping[str, FlawOperator],
    rng: np.random.Generator,
) -> tuple[np.ndarray, list[MadeFlaw]]:
    """Draw flaws from the profile and make them, the one that does the edit anew first.

    Args:
        scene: the edit without a flaw; flawless: its finished image (uint8).

    Returns:
        The finished image (uint8), and the flaws that can be seen in it, in the order in which they were made.
    """
    wanted = int(rng.choice(len(profile.counts), p=profile.counts))
    if wanted == 0:
        return flawless, []
    digest = scene.context.photo.digest
    image, finished = scene.draft.image, flawless
    flaws: list[MadeFlaw] = []
    waiting = {name: operator for name, operator in operators.items() if operator.suits(scene)}
    plan = draw_operators(waiting, wanted, rng, profile.misses)
    for _ in range(MOST_TRIES):
        if not plan:
            break
        operator = plan.pop(0)
        waiting.pop(operator.name)
        severity = float(rng.uniform(*profile.severity))
        made = operator.apply(scene, image, rng, severity) if operator.suits(scene) else None
        spoilt = finished if made is None else finish(made.image, digest)
        mask = visible_difference(spoilt, finished)
        if made is None or mask.mean() < SMALLEST_FLAW:
            plan += draw_operators({k: v for k, v in waiting.items() if not v.replaces_edit and v not in plan}, 1, rng)
            continue
        image, finished = made.image, spoilt
        if operator.flaw_type in ("not_edited", "wrong_target"):
            scene = scene.left_out()
        elif made.redrawn is not None:
            scene = scene.redone(made.redrawn)
        flaws.append(MadeFlaw(operator, made, severity if made.severity is None else made.severity, mask))
    return finished, _still_visible(flaws, finished, flawless)


def draw_operators(
    operators: Mapping[str, FlawOperator], count: int, rng: np.random.Generator, misses: float = 1.0
) -> list[FlawOperator]:
    """Some operators by their weights, no flaw type twice, at most one that does the edit anew, and that one first."""
    left = list(operators.values())
    drawn: list[FlawOperator] = []
    while left and len(drawn) < count:
        weights = np.array([one.weight * (misses if one.kind == "editing_failure" else 1) for one in left])
        pick = left[int(rng.choice(len(left), p=weights / weights.sum()))]
        drawn.append(pick)
        left = [
            one for one in left if one.flaw_type != pick.flaw_type and not (pick.replaces_edit and one.replaces_edit)
        ]
    return sorted(drawn, key=lambda one: not one.replaces_edit)


def _still_visible(flaws: list[MadeFlaw], finished: np.ndarray, flawless: np.ndarray) -> list[MadeFlaw]:
    """What later flaws have covered up or undone no longer counts."""
    if not flaws:
        return []
    differs = dilate(visible_difference(finished, flawless), 1)
    kept = []
    for flaw in flaws:
        mask = flaw.mask & differs
        if mask.mean() >= SMALLEST_FLAW:
            kept.append(MadeFlaw(flaw.operator, flaw.made, flaw.severity, mask))
    return kept
