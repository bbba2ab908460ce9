"""What the labelling screens are put together from, as Label Studio's XML."""

from collections.abc import Iterable, Mapping
from html import escape

from annotation import interface
from editfhf.flaws import FLAWS, flaw_types_of
from editfhf.schema import REGION_KINDS

KIND_COLOURS = {"artifact": "#e4572e", "editing_failure": "#2e6fe4"}  # apart also for colour-blind eyes
PHOTO_COLOUR = "#2ea36f"
LABEL_KEYS = "123"
# Height of the images on the screen: at 1366 × 768 the instruction, both images and all ratings are in sight.
IMAGE_HEIGHT = "max(300px, 100vh - 430px)"
# Keys for the five grades: a row of the keyboard for each rating.
RATING_KEYS = dict(zip(interface.QUESTIONS, ("qwert", "asdfg", "yuiop"), strict=True))
# Not v: it is Label Studio's own, for the tool that moves.
OUTCOME_KEYS = {interface.NO_FLAW: "n", interface.CANNOT_JUDGE: "b", interface.DISTRESSING: "m"}


def instruction() -> str:
    """The editing instruction, in sight however far the page is scrolled."""
    return (
        '<View style="position:sticky;top:0;z-index:3;background:var(--color-neutral-background,#fff);'
        'padding:2px 0 4px">'
        '<Header value="Instruction: $instruction" size="5" style="margin:0"/></View>'
    )


def image(name: str, value: str, title: str, width: str = "49%", height: str = IMAGE_HEIGHT) -> str:
    """An image with its zoom. Label Studio has nothing that zooms two images together."""
    return (
        f'<View style="flex:0 0 {width};width:{width}"><Header value="{title}" size="6" '
        'style="margin:0;font-size:14px"/>'
        f'<Image name="{name}" value="{value}" maxHeight="{height}" defaultZoom="fit" zoom="true" '
        'zoomControl="true" crosshair="false"/></View>'
    )


def drawing(on_photo: bool = False) -> str:
    """Polygons on the edited image, with the flaw type and the reason of the one that is chosen; the same on the photo.

    Args:
        on_photo: whether something may be drawn there.
    """
    kinds = "".join(
        f'<Label value="{interface.KIND_LABELS[kind]}" background="{KIND_COLOURS[kind]}" hotkey="{key}"/>'
        for kind, key in zip(REGION_KINDS, LABEL_KEYS, strict=False)
    )
    missing = (
        f'<Label value="{interface.SOURCE_LABEL}" alias="{interface.SOURCE_KIND}" background="{PHOTO_COLOUR}" '
        f'hotkey="{LABEL_KEYS[-1]}"/>'
    )
    labels = _polygons(interface.POLYGONS, interface.IMAGE, kinds)
    details = _details(
        interface.POLYGONS, "".join(map(_region_types, REGION_KINDS)), interface.REASON, interface.IMAGE,
        "What is wrong here?",
    )  # fmt: skip
    if on_photo:
        labels += _polygons(interface.SOURCE_POLYGONS, interface.SOURCE, missing)
        details += _details(
            interface.SOURCE_POLYGONS, _source_types(), interface.SOURCE_REASON, interface.SOURCE,
            "What vanished, or was not edited?",
        )  # fmt: skip
    return f"""<View style="display:flex;gap:16px;align-items:center;margin-top:4px">
    {labels}
    <Header value="Press a key, click around the flaw, then click on the region and say what is wrong." size="6"
      style="margin:0;font-size:14px;font-weight:normal"/>
  </View>
  {details}"""


def without_place() -> str:
    """A panel for flaws that are everywhere, and for what is missing."""
    return f"""<Collapse bordered="true">
    <Panel value="Flaws without a place: all over the image, or something missing">
{lines(6, (_placeless(control) for control in interface.PLACELESS))}
    </Panel>
  </Collapse>"""


def rating(dimension: str) -> str:
    """A question with its five grades, demanded unless the person cannot judge or will not look."""
    # The page names each radio button by its text, and the browser lets one of a name be on: no two may read alike.
    grades = "".join(
        f'<Choice value="{grade}" hotkey="{key}"/>'
        for grade, key in zip(interface.GRADES[dimension], RATING_KEYS[dimension], strict=True)
    )
    question = escape(interface.QUESTIONS[dimension])
    controls = (
        f'<Choices name="{dimension}" toName="{interface.IMAGE}" choice="single-radio" showInline="true" '
        f'required="true" requiredMessage="Rate: {question}">{grades}</Choices>'
    )
    return (
        '<View style="display:flex;gap:16px;align-items:center;margin-top:2px">'
        f'<View style="flex:0 0 32%"><Text name="{dimension}_question" value="{question}"/></View>'
        f"{unless_not_judged(controls)}</View>"
    )


def one_of(name: str, options: Mapping[str, str], keys: str, demand: str, image_name: str = interface.IMAGE) -> str:
    """A question of which one answer must be given.

    Args:
        options: alias → what an annotator reads; keys: one for each.
        demand: what the screen says where the answer is missing.
    """
    choices = "".join(
        f'<Choice value="{text}" alias="{alias}" hotkey="{key}"/>'
        for (alias, text), key in zip(options.items(), keys, strict=True)
    )
    return (
        f'<Choices name="{name}" toName="{image_name}" choice="single-radio" showInline="true" required="true" '
        f'requiredMessage="{demand}">{choices}</Choices>'
    )


def outcome(*offered: str, image_name: str = interface.IMAGE) -> str:
    """What may be said instead of an answer, or as one: `interface.NO_FLAW`, `CANNOT_JUDGE`, `DISTRESSING`."""
    choices = "".join(
        f'<Choice value="{interface.OUTCOMES[name]}" alias="{name}" hotkey="{OUTCOME_KEYS[name]}"/>' for name in offered
    )
    return (
        f'<View style="margin-top:4px"><Choices name="{interface.OUTCOME}" toName="{image_name}" choice="single-radio" '
        f'showInline="true">{choices}</Choices>'
        f'<View visibleWhen="choice-selected" whenTagName="{interface.OUTCOME}" '
        f'whenChoiceValue="{interface.OUTCOMES[interface.CANNOT_JUDGE]}">'
        f'<TextArea name="{interface.OUTCOME_REASON}" toName="{image_name}" maxSubmissions="1" rows="1" '
        'editable="true" required="true" requiredMessage="Say why it cannot be judged." placeholder="Why not?"/>'
        "</View></View>"
    )


def unless_not_judged(controls: str) -> str:
    """Controls that go away when the person cannot judge or will not look: what is hidden is not demanded."""
    opened = "".join(
        f'<View visibleWhen="choice-unselected" whenTagName="{interface.OUTCOME}" '
        f'whenChoiceValue="{interface.OUTCOMES[name]}">'
        for name in (interface.CANNOT_JUDGE, interface.DISTRESSING)
    )
    return f"{opened}{controls}</View></View>"


def choices(answers: Mapping[str, str]) -> str:
    """Answers without keys; alias → what an annotator reads."""
    return "".join(f'<Choice value="{text}" alias="{alias}"/>' for alias, text in answers.items())


def flaw_choices(kind: str) -> str:
    """The flaw types of one kind, each with its description as a hint."""
    return "".join(
        f'<Choice value="{flaw.replace("_", " ")}" alias="{flaw}" hint="{escape(FLAWS[flaw].description)}"/>'
        for flaw in flaw_types_of(kind)
    )


def lines(indent: int, parts: Iterable[str]) -> str:
    return "\n".join(" " * indent + part for part in parts)


def _polygons(name: str, image_name: str, labels: str) -> str:
    return (
        f'<PolygonLabels name="{name}" toName="{image_name}" strokeWidth="2" pointSize="small" opacity="0.25">'
        f"{labels}</PolygonLabels>"
    )


def _details(polygons: str, types: str, reason: str, image_name: str, asked: str) -> str:
    words = (
        f'<TextArea name="{reason}" toName="{image_name}" perRegion="true" required="true" editable="true" '
        'maxSubmissions="1" rows="1" requiredMessage="Say for each region what is wrong there." '
        f'placeholder="{asked}"/>'
    )
    return (
        f'<View visibleWhen="region-selected" whenTagName="{polygons}" '
        f'style="border-left:4px solid #888;padding-left:10px">{types}{words}</View>'
    )


def _source_types() -> str:
    return (
        f'<Choices name="{interface.SOURCE_TYPE}" toName="{interface.SOURCE}" perRegion="true" required="true" '
        'choice="single-radio" showInline="true" requiredMessage="Choose for each region what kind of flaw it is.">'
        f"{flaw_choices(interface.SOURCE_KIND)}</Choices>"
    )


def _region_types(kind: str) -> str:
    return (
        f'<Choices name="{interface.TYPE_CONTROLS[kind]}" toName="{interface.IMAGE}" perRegion="true" required="true" '
        f'choice="single-radio" showInline="true" whenTagName="{interface.POLYGONS}" '
        f'whenLabelValue="{interface.KIND_LABELS[kind]}" visibleWhen="region-selected" '
        f'requiredMessage="Choose for each region what kind of flaw it is.">{flaw_choices(kind)}</Choices>'
    )


def _placeless(control: str) -> str:
    kind, _, question = interface.PLACELESS[control]
    words = (
        f'<TextArea name="{interface.reason_of(control)}" toName="{interface.IMAGE}" maxSubmissions="1" rows="1" '
        f'editable="true" required="true" requiredMessage="Say what is wrong: {question}." '
        'placeholder="What is wrong?"/>'
    )
    return (
        f'<View style="margin-bottom:6px"><Header value="{question}" size="6" style="margin:0;font-size:14px"/>'
        f'<Choices name="{control}" toName="{interface.IMAGE}" choice="multiple" showInline="true">'
        f"{flaw_choices(kind)}</Choices>"
        f'<View visibleWhen="choice-selected" whenTagName="{control}">{unless_not_judged(words)}</View></View>'
    )
