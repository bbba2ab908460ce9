"""What people read before they begin: Label Studio shows it as the project's instructions."""

from html import escape

from annotation.interface import KIND_LABELS, QUESTIONS
from editfhf.flaws import FLAWS
from editfhf.schema import RATING_TYPES, REGION_KINDS, REGION_TYPES

CONSENT = (
    "You take part of your own will and may stop at any time. Your answers are stored under a name that tells nothing "
    "of you, and may be published so. You may ask for them to be removed."
)
EYES = (
    "Sit an arm's length from a screen of 13 inches or more, in even light, with your glasses on if you wear any. If "
    "you know that you see colours otherwise than most people, say so to whoever runs this campaign before you begin."
)


def guidelines(project_type: str) -> str:
    """HTML for one kind of screen, with every flaw type where flaws are drawn."""
    parts = [_section("Before you begin", f"<p>{escape(CONSENT)}</p><p>{escape(EYES)}</p>")]
    if project_type in RATING_TYPES:
        questions = "".join(f"<li>{escape(question)}</li>" for question in QUESTIONS.values())
        first = "The photo appears when you have rated the image by itself." if project_type == "ratings" else ""
        parts.append(_section("Rate", f"<p>Three questions, five grades each. {first}</p><ol>{questions}</ol>"))
    if project_type in REGION_TYPES:
        parts.append(_section("Mark", _HOW_TO_MARK + "".join(_flaws_of(kind) for kind in REGION_KINDS)))
    parts.append(_section("If you cannot", f"<p>{escape(_ELSE)}</p>"))
    return "".join(parts)


_HOW_TO_MARK = (
    "<p>Draw around every flaw, as close as you can in a few clicks; then click on the region, choose what it is, and "
    "say in your own words what is wrong there. What has no place goes into the panel below the images. An image "
    "without a flaw is an answer, too.</p>"
)
_ELSE = (
    "Choose “I cannot judge this” and say why, or “Distressing: skip” for a picture that you do not want to look at. "
    "After half an hour, take a break."
)


def _flaws_of(kind: str) -> str:
    rows = "".join(
        f"<li><b>{escape(flaw.id.replace('_', ' '))}</b>: {escape(flaw.description)}</li>"
        for flaw in FLAWS.values()
        if flaw.kind == kind
    )
    return f"<h4>{escape(KIND_LABELS[kind])}</h4><ul>{rows}</ul>"


def _section(title: str, body: str) -> str:
    return f"<h3>{escape(title)}</h3>{body}"
