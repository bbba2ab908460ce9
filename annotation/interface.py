"""The labelling screen: Label Studio's configuration, made from the flaw taxonomy, and the names in its answers."""

from html import escape

from editfhf.flaws import FLAWS, flaw_types_of
from editfhf.schema import REGION_KINDS

# What an annotator reads → what we store.
KIND_LABELS = {"artifact": "Artifact", "editing_failure": "Editing failure"}
KIND_COLOURS = {"artifact": "#e4572e", "editing_failure": "#2e6fe4"}  # apart also for colour-blind eyes

# Five grades for each question, in words of its own; the first character is the score. Those of quality are the
# absolute category rating of ITU-T P.910.
GRADES = {
    "perceptual_quality": ("1 Bad", "2 Poor", "3 Fair", "4 Good", "5 Excellent"),
    "instruction_following": ("1 Not done", "2 Hardly done", "3 Half done", "4 Mostly done", "5 Fully done"),
    "visual_consistency": ("1 Nothing kept", "2 Little kept", "3 Partly kept", "4 Mostly kept", "5 All kept"),
}
SCALE = (1, 5)
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
# On the photo: what vanished, or what should have been edited and was not.
SOURCE = "source"
SOURCE_POLYGONS = "flaw_in_photo"
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

# Height of either image on the screen: at 1366 × 768 the instruction, both images and all ratings are in sight.
IMAGE_HEIGHT = "max(300px, 100vh - 430px)"
# Keys for the five grades: a row of the keyboard for each rating.
RATING_KEYS = ("qwert", "asdfg", "yuiop")
OUTCOME_KEYS = "nbv"


def reason_of(control: str) -> str:
    """The name of the text field for the reason of a placeless flaw."""
    return f"{control}_reason"


def ratings_screen() -> str:
    """Ratings alone, as Label Studio's XML: quality first, the photo hidden until it is rated (single stimulus)."""
    first, *others = QUESTIONS
    return f"""<View>
  {_instruction()}
  <View style="display:flex;gap:12px;width:100%">
    {_image(IMAGE, "$edited_image", "Edited image")}
    <View style="flex:0 0 49%;width:49%" visibleWhen="choice-selected" whenTagName="{first}">
      {_image(SOURCE, "$source_image", "Source photo", "100%")}
    </View>
  </View>
  {_rating(first, RATING_KEYS[0])}
  <View visibleWhen="choice-selected" whenTagName="{first}">
{_lines(4, (_rating(dimension, keys) for dimension, keys in zip(others, RATING_KEYS[1:], strict=True)))}
  </View>
  {_outcome([CANNOT_JUDGE, DISTRESSING])}
</View>"""


def regions_screen() -> str:
    """Regions alone: drawing flaws may colour a rating."""
    return f"""<View>
  {_instruction()}
  <View style="display:flex;gap:12px;width:100%">
    {_image(SOURCE, "$source_image", "Source photo: draw here what vanished or was not edited")}
    {_image(IMAGE, "$edited_image", "Edited image: draw here what is wrong")}
  </View>
  {_drawing()}
  <PolygonLabels name="{SOURCE_POLYGONS}" toName="{SOURCE}" strokeWidth="2" pointSize="small" opacity="0.25">
    <Label value="In the photo: vanished or not edited" alias="{SOURCE_KIND}" background="#2ea36f" hotkey="3"/>
  </PolygonLabels>
  <View visibleWhen="region-selected" whenTagName="{SOURCE_POLYGONS}">
    <Choices name="{SOURCE_TYPE}" toName="{SOURCE}" perRegion="true" required="true" choice="single-radio"
      showInline="true" requiredMessage="Choose for each region what kind of flaw it is.">
      {_choices(SOURCE_KIND)}
    </Choices>
    <TextArea name="{SOURCE_REASON}" toName="{SOURCE}" perRegion="true" required="true" editable="true"
      maxSubmissions="1" rows="1" requiredMessage="Say for each region what is wrong there."
      placeholder="What vanished, or was not edited?"/>
  </View>
  {_without_place()}
  {_outcome([NO_FLAW, CANNOT_JUDGE, DISTRESSING])}
</View>"""


def together_screen() -> str:
    """Regions and ratings at once."""
    return f"""<View>
  {_instruction()}
  <View style="display:flex;gap:12px;width:100%">
    {_image(SOURCE, "$source_image", "Source photo")}
    {_image(IMAGE, "$edited_image", "Edited image: draw here")}
  </View>
  {_drawing()}
{_lines(2, (_rating(dimension, keys) for dimension, keys in zip(QUESTIONS, RATING_KEYS, strict=True)))}
  {_without_place()}
  {_outcome([CANNOT_JUDGE, DISTRESSING])}
</View>"""


def _instruction() -> str:
    return (
        '<View style="position:sticky;top:0;z-index:3;background:var(--color-neutral-background,#fff);'
        'padding:2px 0 4px">'
        '<Header value="Instruction: $instruction" size="5" style="margin:0"/></View>'
    )


def _drawing() -> str:
    return f"""<View style="display:flex;gap:24px;align-items:center;margin-top:4px">
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
  </View>"""


def _without_place() -> str:
    return f"""<Collapse bordered="true">
    <Panel value="Flaws without a place: all over the image, or something missing">
{_lines(6, (_placeless(control) for control in PLACELESS))}
    </Panel>
  </Collapse>"""


def _outcome(offered: list[str]) -> str:
    choices = "".join(
        f'<Choice value="{OUTCOMES[name]}" alias="{name}" hotkey="{key}"/>'
        for name, key in zip(offered, OUTCOME_KEYS, strict=False)
    )
    return (
        f'<View style="margin-top:4px"><Choices name="{OUTCOME}" toName="{IMAGE}" choice="single-radio" '
        f'showInline="true">{choices}</Choices>'
        f'<View visibleWhen="choice-selected" whenTagName="{OUTCOME}" whenChoiceValue="{OUTCOMES[CANNOT_JUDGE]}">'
        f'<TextArea name="{OUTCOME_REASON}" toName="{IMAGE}" maxSubmissions="1" rows="1" editable="true" '
        f'required="true" requiredMessage="Say why it cannot be judged." placeholder="Why not?"/></View></View>'
    )


def _image(name: str, value: str, title: str, width: str = "49%") -> str:
    # Label Studio has nothing that zooms two images together.
    return (
        f'<View style="flex:0 0 {width};width:{width}"><Header value="{title}" size="6" '
        'style="margin:0;font-size:14px"/>'
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
    # The page names each radio button by its text, and the browser lets one of a name be on: no two may read alike.
    grades = "".join(
        f'<Choice value="{grade}" hotkey="{key}"/>' for grade, key in zip(GRADES[dimension], keys, strict=True)
    )
    # Hidden, it is not demanded: the page looks at the element right above.
    unless = "".join(
        f'<View visibleWhen="choice-unselected" whenTagName="{OUTCOME}" whenChoiceValue="{OUTCOMES[name]}">'
        for name in (CANNOT_JUDGE, DISTRESSING)
    )
    return (
        '<View style="display:flex;gap:16px;align-items:center;margin-top:2px">'
        f'<View style="flex:0 0 40%"><Text name="{dimension}_question" value="{escape(QUESTIONS[dimension])}"/></View>'
        f'{unless}<Choices name="{dimension}" toName="{IMAGE}" choice="single-radio" showInline="true" required="true" '
        f'requiredMessage="Rate: {escape(QUESTIONS[dimension])}">{grades}</Choices></View></View></View>'
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
