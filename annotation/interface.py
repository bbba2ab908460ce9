"""The labelling screen: Label Studio's configuration, made from the flaw taxonomy, and the names in its answers."""

from html import escape

from editfhf.flaws import FLAWS, flaw_types_of
from editfhf.schema import REGION_KINDS

# What an annotator reads → what we store.
KIND_LABELS = {"artifact": "Artifact", "editing_failure": "Editing failure"}
KIND_COLOURS = {"artifact": "#e4572e", "editing_failure": "#2e6fe4"}  # apart also for colour-blind eyes

# The five-grade quality scale of ITU-R BT.500; the first character is the score.
GRADES = ("1 Bad", "2 Poor", "3 Fair", "4 Good", "5 Excellent")
SCALE = (1, len(GRADES))
QUESTIONS = {
    "perceptual_quality": "How good does the edited image look by itself?",
    "instruction_following": "How well does the edit do what the instruction asks?",
    "visual_consistency": "How well was kept what should have stayed?",
}

# Names of the controls, as they come back in `from_name`.
IMAGE = "edited"
POLYGONS = "flaw"
REASON = "reason"
TYPE_CONTROLS = {kind: f"{kind}_type" for kind in REGION_KINDS}

# A flaw that has no place to draw: control → (kind, extent, question). Its reason is the control of `reason_of`.
PLACELESS = {
    "whole_artifact": ("artifact", "whole", "Artifact all over the image"),
    "whole_editing_failure": ("editing_failure", "whole", "Editing failure of the image as a whole"),
    "missing_editing_failure": ("editing_failure", "missing", "Something is missing that should be there"),
}

# Height of either image on the screen: at 1366 × 768 the instruction, both images and all ratings are in sight.
IMAGE_HEIGHT = "max(300px, 100vh - 430px)"
# Keys for the five grades: a row of the keyboard for each rating.
RATING_KEYS = ("qwert", "asdfg", "yuiop")


WORD_JOINER = "\u2060"


def reason_of(control: str) -> str:
    """The name of the text field for the reason of a placeless flaw."""
    return f"{control}_reason"


def label_config() -> str:
    """The labelling screen as Label Studio's XML."""
    return f"""<View>
  <View style="position:sticky;top:0;z-index:3;background:var(--color-neutral-background,#fff);padding:2px 0 4px">
    <Header value="Instruction: $instruction" size="5" style="margin:0"/>
  </View>
  <View style="display:flex;gap:12px;width:100%">
    {_image("source", "$source_image", "Source photo")}
    {_image(IMAGE, "$edited_image", "Edited image: draw here")}
  </View>
  <View style="display:flex;gap:24px;align-items:center;margin-top:4px">
    <PolygonLabels name="{POLYGONS}" toName="{IMAGE}" strokeWidth="2" pointSize="small" opacity="0.25">
{_lines(6, (f'<Label value="{KIND_LABELS[kind]}" background="{KIND_COLOURS[kind]}"/>' for kind in REGION_KINDS))}
    </PolygonLabels>
    <Header value="Key 1 or 2, click around the flaw; then click on the region and say what is wrong." size="6"
      style="margin:0;font-size:14px;font-weight:normal"/>
  </View>
  <View visibleWhen="region-selected" style="border-left:4px solid #888;padding-left:10px">
{_lines(4, (_region_types(kind) for kind in REGION_KINDS))}
    <TextArea name="{REASON}" toName="{IMAGE}" perRegion="true" required="true" editable="true" maxSubmissions="1"
      rows="1" requiredMessage="Say for each region what is wrong there." placeholder="What is wrong here?"/>
  </View>
{_lines(2, (_rating(dimension, keys) for dimension, keys in zip(QUESTIONS, RATING_KEYS, strict=True)))}
  <Collapse bordered="true">
    <Panel value="Flaws without a place: all over the image, or something missing">
{_lines(6, (_placeless(control) for control in PLACELESS))}
    </Panel>
  </Collapse>
</View>"""


def _image(name: str, value: str, title: str) -> str:
    return (
        f'<View style="flex:0 0 49%;width:49%"><Header value="{title}" size="6" style="margin:0;font-size:14px"/>'
        f'<Image name="{name}" value="{value}" maxHeight="{IMAGE_HEIGHT}" defaultZoom="fit" zoom="true" '
        'zoomControl="true" crosshair="false"/></View>'
    )


def _region_types(kind: str) -> str:
    return (
        f'<Choices name="{TYPE_CONTROLS[kind]}" toName="{IMAGE}" perRegion="true" required="true" '
        f'choice="single-radio" showInline="true" whenTagName="{POLYGONS}" whenLabelValue="{KIND_LABELS[kind]}" '
        f'visibleWhen="region-selected" requiredMessage="Choose for each region what kind of flaw it is.">'
        f"{_choices(kind)}</Choices>"
    )


def _rating(dimension: str, keys: str) -> str:
    # The page names each radio button by its text, and the browser lets one of a name be on: three scales with the same
    # words would switch each other off. Invisible characters tell them apart; the alias is what is stored.
    mark = WORD_JOINER * list(QUESTIONS).index(dimension)
    grades = "".join(
        f'<Choice value="{grade}{mark}" alias="{grade}" hotkey="{key}"/>'
        for grade, key in zip(GRADES, keys, strict=True)
    )
    return (
        '<View style="display:flex;gap:16px;align-items:center;margin-top:2px">'
        f'<View style="flex:0 0 40%"><Text name="{dimension}_question" value="{escape(QUESTIONS[dimension])}"/></View>'
        f'<Choices name="{dimension}" toName="{IMAGE}" choice="single-radio" showInline="true" required="true" '
        f'requiredMessage="Rate: {escape(QUESTIONS[dimension])}">{grades}</Choices></View>'
    )


def _placeless(control: str) -> str:
    kind, _, question = PLACELESS[control]
    return (
        f'<View style="margin-bottom:6px"><Header value="{question}" size="6" style="margin:0;font-size:14px"/>'
        f'<Choices name="{control}" toName="{IMAGE}" choice="multiple" showInline="true">{_choices(kind)}</Choices>'
        f'<View visibleWhen="choice-selected" whenTagName="{control}">'
        f'<TextArea name="{reason_of(control)}" toName="{IMAGE}" maxSubmissions="1" rows="1" editable="true" '
        f'required="true" requiredMessage="Say what is wrong: {question}." placeholder="What is wrong?"/>'
        "</View></View>"
    )


def _choices(kind: str) -> str:
    return "".join(
        f'<Choice value="{flaw.replace("_", " ")}" alias="{flaw}" hint="{escape(FLAWS[flaw].description)}"/>'
        for flaw in flaw_types_of(kind)
    )


def _lines(indent: int, parts: object) -> str:
    return "\n".join(" " * indent + part for part in parts)  # type: ignore[attr-defined]
