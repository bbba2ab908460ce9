"""The names on the labelling screens: what an annotator reads, and what it is called in an answer."""

from editfhf.schema import REGION_KINDS

# What an annotator reads → what we store.
KIND_LABELS = {"artifact": "Artifact", "editing_failure": "Editing failure"}

# Five grades for each question, in words of its own; the first character is the score. Those of quality are the
# absolute category rating of ITU-T P.910.
GRADES = {
    "perceptual_quality": ("1 Bad", "2 Poor", "3 Fair", "4 Good", "5 Excellent"),
    "instruction_following": ("1 Not done", "2 Hardly done", "3 Half done", "4 Mostly done", "5 Fully done"),
    "visual_consistency": ("1 Nothing kept", "2 Little kept", "3 Partly kept", "4 Mostly kept", "5 All kept"),
}
SCALE = (1, 5)
QUESTIONS = {
    "perceptual_quality": "How good does the edit look by itself?",
    "instruction_following": "How well does the edit do what was asked?",
    "visual_consistency": "How well was the rest kept as it was?",
}

# Names of the controls, as they come back in `from_name`.
IMAGE = "edited"
POLYGONS = "flaw"
REASON = "reason"
TYPE_CONTROLS = {kind: f"{kind}_type" for kind in REGION_KINDS}
# On the photo: what vanished, or what should have been edited and was not.
SOURCE = "source"
SOURCE_POLYGONS = "flaw_in_photo"
SOURCE_LABEL = "In the photo"
SOURCE_KIND = "editing_failure"
SOURCE_TYPE, SOURCE_REASON = "photo_type", "photo_reason"
# Instead of an answer, or as one: alias → what an annotator reads.
OUTCOME, OUTCOME_REASON = "outcome", "outcome_reason"
NO_FLAW, CANNOT_JUDGE, DISTRESSING = "no_flaw", "cannot_judge", "distressing"
OUTCOMES = {NO_FLAW: "No flaw", CANNOT_JUDGE: "I cannot judge this", DISTRESSING: "Distressing: skip"}

# A flaw that has no place to draw: control → (kind, extent, question). Its reason is the control of `reason_of`.
PLACELESS = {
    "whole_artifact": ("artifact", "whole", "Artifact all over the image"),
    "whole_editing_failure": ("editing_failure", "whole", "Editing failure of the image as a whole"),
    "missing_editing_failure": ("editing_failure", "missing", "Something is missing that should be there"),
}

# Of one region that somebody drew: is it a flaw, and which? Alias → what an annotator reads.
VERDICT, VERDICT_TYPE = "verdict", "verdict_type"
FLAW = "flaw"
VERDICTS = {FLAW: "A flaw", NO_FLAW: "Not a flaw"}

# Of two edits of one instruction. Alias → what an annotator reads.
PREFERENCE = "preference"
FIRST, SECOND = "first", "second"
PREFERENCES = {FIRST: "Left is better", "tie": "Both alike", SECOND: "Right is better"}


def shown_of(control: str) -> str:
    """The name of what a plate's question is about."""
    return f"{control}_shown"


def reason_of(control: str) -> str:
    """The name of the text field for the reason of a placeless flaw."""
    return f"{control}_reason"


# Before the first session: alias → what an annotator reads.
CONSENT, CONSENT_TEXT = "consent", "consent_text"
AGREES, DECLINES = "agrees", "declines"
CONSENTS = {AGREES: "I agree", DECLINES: "I do not agree"}
CANNOT_TELL = "cannot_tell"
SIDES = {"up": "Up", "right": "Right", "down": "Down", "left": "Left"}  # to which a ring is open
FIGURES = ("2", "3", "4", "5", "7", "9")  # not 1, 6 and 8: in dots too like a 7, a 5 and a 3 or 9
ACUITY_CONTROLS = tuple(f"acuity_{n}" for n in range(1, 5))
COLOUR_CONTROLS = tuple(f"colour_{n}" for n in range(1, 7))
PLATE_CONTROLS = (*ACUITY_CONTROLS, *COLOUR_CONTROLS)
_SEES_NOTHING = {CANNOT_TELL: "I cannot tell"}
PLATE_ANSWERS: dict[str, dict[str, str]] = {
    **dict.fromkeys(ACUITY_CONTROLS, SIDES | _SEES_NOTHING),
    **{control: {one: one for one in FIGURES} | _SEES_NOTHING for control in COLOUR_CONTROLS},
}
