"""One region that somebody drew, outlined in the edited image: is it a flaw, and which?"""

from annotation import interface
from annotation.screens import parts
from editfhf.schema import REGION_KINDS

_TYPES = (
    f'<View visibleWhen="choice-selected" whenTagName="{interface.VERDICT}" '
    f'whenChoiceValue="{interface.VERDICTS[interface.FLAW]}">'
    f'<Choices name="{interface.VERDICT_TYPE}" toName="{interface.IMAGE}" choice="single-radio" showInline="true" '
    'required="true" requiredMessage="Choose what kind of flaw it is.">'
    f"{''.join(map(parts.flaw_choices, REGION_KINDS))}</Choices></View>"
)
_VERDICT = parts.one_of(interface.VERDICT, interface.VERDICTS, "12", "Say whether it is a flaw.")

CONFIG = f"""<View>
  {parts.instruction()}
  <View style="display:flex;gap:12px;width:100%">
    {parts.image(interface.SOURCE, "$source_image", "Source photo")}
    {parts.image(interface.IMAGE, "$marked_image", "Edited image: is there a flaw within the outline?")}
  </View>
  {parts.unless_not_judged(_VERDICT + _TYPES)}
  {parts.outcome(interface.CANNOT_JUDGE, interface.DISTRESSING)}
</View>"""
