"""Manners of simulated people: what makes one of them careless, lazy, hostile, or merely of another taste."""

from collections.abc import Callable
from typing import Any

import numpy as np

from editfhf.errors import BadInput
from editfhf.schema import DIMENSIONS, stable_id

# What each manner changes in an honest person; the fields are those of `annotation.people.Person`.
Traits = dict[str, Any]

MANNERS: dict[str, str] = {
    "honest": "looks, and says what it sees; everybody has a bias and slips of their own",
    "biased": "honest, but one to one and a half grades above or below everybody else",
    "random": "careless: grades at random and draws anywhere, without looking",
    "straight_lining": "careless: the same grade for nearly everything, and hardly a region",
    "too_fast": "careless: answers within a second or two, mostly without looking",
    "half_careless": "at the usual pace, but looks at half of the images only and overlooks half of the flaws",
    "tiring": "begins as an honest person does, and looks less and less",
    "lazy": "rates honestly, but overlooks most regions and gives no reason worth reading",
    "hostile": "sees well and says the opposite",
    "dissenting": "honest, with another taste: a large part of each opinion is its own, and the same when asked again",
    "upside_down": "honest, but reads the scale of one dimension the wrong way round",
    "pasting": "honest, but pastes reasons from a language model: long, general, all of one build",
}
CARELESS = ("random", "straight_lining", "too_fast")
GROUPS = {"careless": CARELESS}


def traits_of(manner: str, rng: np.random.Generator) -> Traits:
    """What a person of this manner does otherwise than an honest one; `rng` decides how much."""
    return _TRAITS[manner](rng)


def concrete_manner(manner: str, number: int) -> str:
    """The manner itself, or for a group (`careless`) one of its sorts, in turn by number.

    Raises:
        BadInput: there is no such manner.
    """
    if manner in GROUPS:
        return GROUPS[manner][number % len(GROUPS[manner])]
    if manner not in MANNERS:
        raise BadInput(f"Nobody is {manner!r}.", mend=f"There are: {', '.join((*MANNERS, *GROUPS))}.")
    return manner


def mix_of(mix: str, n: int, seed: int) -> list[str]:
    """The manners of n people, in an order that the seed decides.

    Args:
        mix: shares, such as `careless=0.2,lazy=0.1`; the rest is honest. A group is spread evenly over its sorts.
            Shares are rounded to whole people, the largest remainders first.

    Raises:
        BadInput: not `manner=share`, an unknown manner, one named twice, a share outside 0..1, shares above 1 together.

    Example:
        >>> sorted(mix_of("careless=0.6,lazy=0.2", 5, seed=0))
        ['honest', 'lazy', 'random', 'straight_lining', 'too_fast']
    """
    shares = _shares(mix)
    exact = {manner: share * n for manner, share in shares.items()}
    counts = {manner: int(wanted + 1e-9) for manner, wanted in exact.items()}
    left = round(sum(exact.values())) - sum(counts.values())
    for manner in sorted(exact, key=lambda one: counts[one] - exact[one])[:left]:
        counts[manner] += 1
    manners = [concrete_manner(manner, index) for manner, count in counts.items() for index in range(count)]
    manners += ["honest"] * (n - len(manners))
    order = np.random.default_rng(int(stable_id("mix", str(seed)), 16)).permutation(n)
    return [manners[index] for index in order]


def _shares(mix: str) -> dict[str, float]:
    shares: dict[str, float] = {}
    for part in filter(None, (one.strip() for one in mix.split(","))):
        manner, _, number = (one.strip() for one in part.partition("="))
        concrete_manner(manner, 0)
        try:
            share = float(number)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            raise BadInput(f"{part!r} is no share of people.", mend="Write it as in `careless=0.2`, from 0 to 1.")
        if manner in shares:
            raise BadInput(f"The mix names {manner!r} twice.", mend="Name each manner once.")
        shares[manner] = share
    if sum(shares.values()) > 1 + 1e-9:
        raise BadInput(f"The shares of {mix!r} add up to {sum(shares.values()):g}.", mend="Leave them at 1 or below.")
    return shares


def _biased(rng: np.random.Generator) -> Traits:
    common = rng.choice([-1, 1]) * rng.uniform(1.0, 1.5)
    return {"bias": {dimension: float(common + rng.normal(0, 0.2)) for dimension in DIMENSIONS}}


def _random(rng: np.random.Generator) -> Traits:
    return {
        "attention": float(rng.uniform(0, 0.1)), "miss_rate": 0.95, "spurious_rate": float(rng.uniform(0.5, 2)),
        "pace": float(rng.lognormal(np.log(0.4), 0.3)),
    }  # fmt: skip


def _straight_lining(rng: np.random.Generator) -> Traits:
    return {
        # Who does not want to be noticed does not take an end of the scale.
        "favourite": float(rng.choice([0.25, 0.5, 0.75, 1.0])), "devotion": float(rng.uniform(0.88, 1)),
        "miss_rate": 0.9, "spurious_rate": 0.05, "pace": float(rng.lognormal(np.log(0.4), 0.3)),
    }  # fmt: skip


def _too_fast(rng: np.random.Generator) -> Traits:
    return {
        "attention": float(rng.uniform(0.2, 0.6)), "miss_rate": 0.7, "spurious_rate": float(rng.uniform(0.1, 0.6)),
        "pace": float(rng.lognormal(np.log(0.07), 0.3)),
    }  # fmt: skip


def _half_careless(rng: np.random.Generator) -> Traits:
    return {"attention": float(rng.uniform(0.4, 0.7)), "miss_rate": 0.5}


def _tiring(rng: np.random.Generator) -> Traits:
    return {"stamina": float(rng.uniform(25, 60))}


def _upside_down(rng: np.random.Generator) -> Traits:
    return {"upside_down": str(rng.choice(DIMENSIONS))}


def _lazy(rng: np.random.Generator) -> Traits:
    return {"miss_rate": float(rng.uniform(0.65, 0.9)), "spurious_rate": 0.02, "wording": "none", "pace": 0.6}


def _hostile(rng: np.random.Generator) -> Traits:
    return {"inverted": True, "miss_rate": 0.95, "spurious_rate": float(rng.uniform(0.8, 2))}


def _dissenting(rng: np.random.Generator) -> Traits:
    return {"taste": float(rng.uniform(0.35, 0.75)), "spurious_rate": float(rng.uniform(0.2, 0.5))}


_TRAITS: dict[str, Callable[[np.random.Generator], Traits]] = {
    "honest": lambda _: {},
    "biased": _biased,
    "random": _random,
    "straight_lining": _straight_lining,
    "too_fast": _too_fast,
    "half_careless": _half_careless,
    "tiring": _tiring,
    "lazy": _lazy,
    "hostile": _hostile,
    "dissenting": _dissenting,
    "upside_down": _upside_down,
    "pasting": lambda _: {"wording": "pasted"},
}
