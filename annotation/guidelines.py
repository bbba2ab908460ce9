"""What people read before they begin: Label Studio shows it as the project's instructions."""

from collections.abc import Callable
from html import escape

from annotation.examples import EXAMPLES, PLATE, PLATE_NUMBER, file_of
from annotation.interface import KIND_LABELS, OUTCOMES, QUESTIONS
from editfhf.flaws import FLAWS, flaw_types_of
from editfhf.schema import RATING_TYPES, REGION_KINDS, REGION_TYPES

CONSENT = (
    "You take part of your own will and may stop at any time. Your answers are stored under a name that tells nothing "
    "of you, and may be published so. You may ask for them to be removed."
)
# Part of the text that people agree to, which each screen shows again: it says "the", not "these" or "below".
EYES_KEPT = "How many rings and dots of the vision check you read right is stored, too, and never published."
SILENT_CONSENT = "By labelling the first image you agree."  # where nobody is asked
EYES = (
    "Sit an arm's length from a screen of 13 inches or more, in even light, with your glasses on if you wear any: you "
    "should read this text there without effort."
)
COLOURS = "If you know that you see colours otherwise than most people, say so to whoever runs this campaign."
_PLATE_QUESTION = "Which number do the dots show? The answer stands at the end of this text."
_PLATE_ANSWER = (
    f"The dots at the top show a {PLATE_NUMBER}. If you read something else, say so to whoever runs this campaign "
    "before you begin; it is no medical test."
)


def guidelines(
    project_type: str,
    url_of: Callable[[str], str] | None = None,
    consent: str = CONSENT,
    asks_consent: bool = False,
    checks_vision: bool = False,
) -> str:
    """HTML for one kind of screen; with every flaw type where flaws are drawn or judged.

    Label Studio takes away styles, and shows neither margins nor list marks: empty lines and marks are written out.

    Args:
        url_of: the address of a file that `annotation.examples.write_examples` wrote, by its name; Label Studio shows
            served pictures only, none that is written into the text. Without it there are none.
        consent: what people agree to. asks_consent, checks_vision: they do so on the screen `admission`, where they
            also read plates; else by beginning, and the plate stands here.
    """
    if project_type == "admission":
        return _section("Before you begin", _ADMISSION)
    plate_of = None if checks_vision else url_of
    parts = [_section("Before you begin", _before(plate_of, consent, asks_consent, checks_vision))]
    if project_type in RATING_TYPES:
        questions = "".join(f"<p>{n}. {escape(question)}</p>" for n, question in enumerate(QUESTIONS.values(), start=1))
        first = "The photo appears when you have rated the image by itself." if project_type == "ratings" else ""
        parts.append(_section("Rate", f"<p>Three questions, five grades each. {first}</p>{questions}"))
    if project_type in REGION_TYPES:
        parts.append(_section("Mark", _HOW_TO_MARK + _flaws(url_of)))
    if project_type == "verify":
        parts.append(_section("Is it a flaw?", _HOW_TO_VERIFY + _flaws(url_of)))
    if project_type == "preference":
        parts.append(_section("Which is better?", _HOW_TO_PREFER))
    parts.append(_section("If you cannot", f"<p>{escape(_ELSE)}</p>"))
    if plate_of is not None:
        parts.append(_section("The dots", f"<p>{escape(_PLATE_ANSWER)}</p>"))
    return "<br/>".join(parts)


_HOW_TO_MARK = (
    "<p>Draw around every flaw, as close as you can in a few clicks; then click on the region, choose what it is, and "
    "say in your own words what is wrong there. What has no place goes into the panel below the images. An image "
    "without a flaw is an answer, too.</p>"
)
_HOW_TO_VERIFY = (
    "<p>Somebody has outlined a place in the edited image. Say whether there is a flaw within, and which. Outlines may "
    "be wrong: trust your own eyes.</p>"
)
_HOW_TO_PREFER = (
    "<p>Left and right are two edits of the photo between them. Say which you would rather have been given for the "
    "instruction: think of how it looks, of what was asked, and of what should have stayed. Say that both are "
    "alike only when you cannot tell.</p>"
)
_ELSE = (
    f"Choose “{OUTCOMES['cannot_judge']}” and say why, or “{OUTCOMES['distressing']}” for a picture that you do not "
    "want to look at. Each choice has a key, which stands beside it. Fold the panel on the right away to make the "
    "images larger. After half an hour, take a break."
)


_ADMISSION = (
    "<p>A few questions come first: whether you take part, and how well you see what is on your screen. It takes two "
    "minutes. There may also be some images to try. When all of this was read, you get the images that are yours: look "
    "again later. You may change your answers until then. Skip means that you do not agree.</p>"
)


def _before(url_of: Callable[[str], str] | None, consent: str, is_asked: bool, checks_vision: bool) -> str:
    words = consent if is_asked else f"{consent} {SILENT_CONSENT}"
    text = f"<p>{'<br/>'.join(map(escape, words.splitlines()))}</p><br/><p>{escape(EYES)}</p>"
    if checks_vision:
        return text
    if url_of is None:
        return f"{text}<p>{escape(COLOURS)}</p>"
    return f"{text}<p>{_picture(url_of, PLATE, 'coloured dots')}</p><p>{escape(_PLATE_QUESTION)}</p>"


def _flaws(url_of: Callable[[str], str] | None) -> str:
    lead = "" if url_of is None else "<p>Left the photo, right the edit.</p>"
    return lead + "".join(
        f"<br/><h4>{escape(KIND_LABELS[kind])}</h4>{''.join(_flaw(name, url_of) for name in flaw_types_of(kind))}"
        for kind in REGION_KINDS
    )


def _flaw(name: str, url_of: Callable[[str], str] | None) -> str:
    words = f"<b>{escape(name.replace('_', ' '))}</b>: {escape(FLAWS[name].description)}"
    example = EXAMPLES.get(name)
    if url_of is None or example is None:
        return f"<p>• {words}</p>"
    asked = escape(f"“{example.asked}”")
    return f"<p>• {words}</p><p>{_picture(url_of, name, asked)}<br/>{asked}</p>"


def _picture(url_of: Callable[[str], str], name: str, said: str) -> str:
    return f'<img src="{escape(url_of(file_of(name)))}" alt="{said}"/>'


def _section(title: str, body: str) -> str:
    return f"<h3>{escape(title)}</h3>{body}"
