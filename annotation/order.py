"""In which order a person looks at things, and what is mixed in among them: checks, and repeats of what was seen."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from editfhf.errors import BadInput
from editfhf.schema import stable_id

REPEAT_AFTER = 20  # items at least between an edit and its repeat, where there are as many: it should be forgotten


@dataclass(frozen=True, slots=True)
class Thing:
    """What is handed out: an edit, with what a person's share of it is to be balanced by.

    Attributes:
        photo: edits of one photo are kept apart in a person's order.
    """

    id: str
    photo: str
    model: str
    task: str


def spread(things: Sequence[Thing], seed: int, person: str, before: Sequence[str] = ()) -> list[str]:
    """An order of its own for each person: random, but edits of one photo as far apart as may be.

    Of a photo with m edits, one lies in each m-th part of the whole, always at the same place of the part; the places
    of photos with equally many edits are an even grid, dealt out at random. So from one edit of the photo to the next
    it takes P + Σ max(0, ⌊k Q / m⌋ − 1) steps or more, where P photos have m edits and Q have k, for each other k: all
    photos come by in between where all have equally many.

    Args:
        before: photos of what the person looks at before, in order: what was there lately comes late.
    """
    random = np.random.default_rng(int(stable_id(str(seed), person, "spread"), 16))
    by_photo: defaultdict[str, list[str]] = defaultdict(list)
    for thing in sorted(things, key=lambda one: one.id):
        by_photo[thing.photo].append(thing.id)
    since = {photo: steps for steps, photo in reversed(list(enumerate(reversed(before), start=1)))}
    photos_with = Counter(map(len, by_photo.values()))
    grids = {m: iter(random.permutation(n)) for m, n in sorted(photos_with.items())}
    placed = []
    for photo in sorted(by_photo):
        ids = by_photo[photo]
        m = len(ids)
        start = (next(grids[m]) + random.random()) / photos_with[m]
        # As long after the last one before as between two of these, as far as the first part goes.
        earliest = max(0.0, 1 - since[photo] * m / len(things)) if photo in since else 0.0
        start = earliest + (1 - earliest) * start
        placed += [((part + start) / m, ids[one]) for part, one in enumerate(random.permutation(m))]
    return [thing_id for _, thing_id in sorted(placed)]


def with_checks_and_repeats(
    order: Sequence[str], check_ids: Sequence[str], checks: float, repeats: float, qualification: int, seed: int
) -> list[tuple[str, str]]:
    """What a person looks at, in order, with what is mixed in: (thing, role).

    Of each stretch of edits that is due one check, it stands at a random place: the share holds in every part, and no
    place tells. The same for repeats. What was mixed in stays where it is when an order of 40 edits or more grows.

    Args:
        order: edits. check_ids: what may be used, each once.
        checks, repeats: share of all items but the qualification, 0..0.5 each, less than 1 together.
        qualification: how many checks come before anything else.

    Returns:
        Roles as in `editfhf.schema.Assignment`. A repeat comes `REPEAT_AFTER` edits or more behind its first showing,
        or half of all edits where there are fewer than twice as many; a list of fewer than four has none. No check
        comes before the first edit: it would be known by its place.

    Raises:
        BadInput: checks and repeats leave no room for edits.
    """
    if not (checks >= 0 and repeats >= 0 and checks + repeats < 1):
        raise BadInput(
            f"Shares of {checks:g} for checks and {repeats:g} for repeats leave no room for edits.",
            mend="Lower checks or repeats in editfhf.yaml; 0.05 each is usual.",
        )
    first, rest = check_ids[:qualification], check_ids[qualification:]
    n, edits = len(order), 1 - checks - repeats
    placed = [(float(place), thing, "edit") for place, thing in enumerate(order)]
    places = _places(n, checks / edits, seed, "checks")[: len(rest)]
    placed += [(place, check, "check") for (place, _), check in zip(places, rest, strict=False)]
    apart = min(REPEAT_AFTER, n // 2)
    # What would come too early comes later, within as many edits again: the share holds all the same.
    due = [
        (place if place >= apart else apart * (1 + place / apart), pick)
        for place, pick in _places(n if n >= 4 else 0, repeats / edits, seed, "repeats")
    ]
    left: list[str] = []
    shown = 0
    for place, pick in sorted(due):
        while shown <= place - apart:
            left.append(order[shown])
            shown += 1
        if left:
            placed.append((place, left.pop(int(pick * len(left))), "repeat"))
    return [(check, "qualification") for check in first] + [(thing, role) for _, thing, role in sorted(placed)]


def _places(n: int, each: float, seed: int, purpose: str) -> list[tuple[float, float]]:
    """Where to mix in `each` for every one of n edits: one at a random place of each stretch that is due one.

    Returns:
        Places in 0..n (2.5: behind the third edit), rising; with each, a random number in 0..1. Those of a longer
        order begin with those of a shorter.
    """
    if each <= 0:
        return []
    random = np.random.default_rng(int(stable_id(str(seed), purpose), 16))
    drawn = random.random((int(n * each) + 1, 2))
    stretches = np.arange(len(drawn)) + drawn[:, 0]
    within = stretches < n * each
    return list(zip((stretches[within] / each).tolist(), drawn[within, 1].tolist(), strict=True))
