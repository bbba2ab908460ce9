"""The flaw taxonomy: what can be wrong with an edit, in words that annotators see."""

from dataclasses import dataclass

from editfhf.schema import RegionKind


@dataclass(frozen=True, slots=True)
class FlawType:
    """One kind of flaw. An `artifact` is wrong whatever was asked, an `editing_failure` given what was asked."""

    id: str
    kind: RegionKind
    description: str


FLAW_TYPES = (
    FlawType("distorted_object", "artifact", "a thing is bent, melted or torn out of its shape"),
    FlawType("malformed_anatomy", "artifact", "a face, hand, limb or animal body is wrong"),
    FlawType("garbled_text", "artifact", "letters that are not letters, or unreadable writing"),
    FlawType("texture_noise", "artifact", "grain, blotches or a pattern that does not belong to the surface"),
    FlawType("blur_or_ghosting", "artifact", "smeared, doubled or out of focus where it should be sharp"),
    FlawType("seam_or_boundary", "artifact", "a visible border, halo or cut-out edge"),
    FlawType("lighting_shadow_mismatch", "artifact", "light or shadow disagrees with the rest of the scene"),
    FlawType("perspective_scale", "artifact", "the size or angle does not fit the scene"),
    FlawType("color_bleed", "artifact", "a colour runs over into what lies beside it"),
    FlawType("implausible_physics", "artifact", "something floats, intersects or could not stand so"),
    FlawType("not_edited", "editing_failure", "what was asked was not done at all"),
    FlawType("partly_edited", "editing_failure", "what was asked was done only in part"),
    FlawType("wrong_target", "editing_failure", "something else was edited than what was meant"),
    FlawType(
        "wrong_attribute", "editing_failure", "the right thing was edited, but to the wrong colour, form or state"
    ),
    FlawType("wrong_count_or_place", "editing_failure", "the wrong number, or in the wrong place"),
    FlawType("over_edited", "editing_failure", "the edit is far stronger than was asked"),
    FlawType("unintended_change", "editing_failure", "something changed that should have stayed as it was"),
    FlawType("identity_lost", "editing_failure", "a person, animal or thing is no longer recognisably the same"),
    FlawType("wrong_text", "editing_failure", "the text does not say what was asked"),
    FlawType("wrong_style", "editing_failure", "the style is not the one that was asked for"),
)
FLAWS = {flaw.id: flaw for flaw in FLAW_TYPES}


def flaw_types_of(kind: str) -> list[str]:
    """The flaw type ids of one region kind, in the order of the taxonomy."""
    return [flaw.id for flaw in FLAW_TYPES if flaw.kind == kind]
