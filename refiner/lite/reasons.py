"""Words for a flaw: composed from its type, place and what was asked, or taken from what people wrote in training."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from pydantic import BaseModel, ConfigDict

from editfhf.flaws import FLAWS
from editfhf.geometry import to_shape
from editfhf.schema import Polygon
from refiner.data import Sample
from refiner.lite.backbone import sentence_embeddings

MOST_REASONS = 400  # of the training split, kept to retrieve from
LOW, HIGH = 0.38, 0.62  # shares of width and height between which is the middle


class Reason(BaseModel):
    """One that a person gave, to be found again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    flaw_type: str
    instruction: str
    text: str


def composed_reason(flaw_type: str, polygon: Polygon, instruction: str) -> str:
    """What the type means, where it is, and for an editing failure what was asked."""
    flaw = FLAWS[flaw_type]
    sentence = f"{flaw.description} {place_of(polygon)}".strip()
    if flaw.kind == "editing_failure":
        sentence += f' (asked: "{instruction.rstrip(".")}")'
    return sentence[:1].upper() + sentence[1:] + "."


def retrieved_reason(flaw_type: str, instruction: str, reasons: Sequence[Reason]) -> str | None:
    """What a person wrote about a flaw of this type after the most similar instruction; None where nobody did."""
    same = tuple(one for one in reasons if one.flaw_type == flaw_type)
    if not same:
        return None
    likeness = _embedded(tuple(one.instruction for one in same)) @ sentence_embeddings([instruction])[0]
    return same[int(np.argmax(likeness))].text


def reasons_of(samples: Sequence[Sample], at_most: int) -> list[Reason]:
    """The consensus reasons of the training split, evenly over flaw types, those of most people first."""
    by_type: dict[str, list[tuple[int, str, Reason]]] = {}
    for sample in samples:
        for region in sample.regions:
            if region["description"]:
                reason = Reason(
                    flaw_type=region["flaw_type"], instruction=sample.instruction, text=region["description"]
                )
                by_type.setdefault(region["flaw_type"], []).append((-region["support"], sample.edit_id, reason))
    each = max(1, at_most // max(1, len(by_type)))
    return [
        reason for _, rows in sorted(by_type.items()) for _, _, reason in sorted(rows, key=lambda row: row[:2])[:each]
    ]


def place_of(polygon: Polygon) -> str:
    """Where on the image a region lies: "in the upper left"; "" for a region without a place."""
    if not polygon:
        return ""
    centre = to_shape(polygon).centroid
    vertical = "upper" if centre.y < LOW else "lower" if centre.y > HIGH else ""
    horizontal = "left" if centre.x < LOW else "right" if centre.x > HIGH else ""
    words = " ".join(word for word in (vertical, horizontal) if word)
    if not words:
        return "in the middle"
    return f"in the {words}" if horizontal else f"in the {words} part"


@lru_cache(maxsize=64)
def _embedded(sentences: tuple[str, ...]) -> np.ndarray:
    return sentence_embeddings(sentences)
