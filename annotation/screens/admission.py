"""Before the first session: consent, then plates to try the eyes on, which show when somebody agrees."""

from annotation import interface
from annotation.interface import CONSENT, CONSENT_TEXT
from annotation.screens import parts

_CONSENT = f"""<Header value="1. Do you agree?" size="4"/>
  <Text name="{CONSENT_TEXT}" value="${CONSENT_TEXT}"/>
  <Choices name="{CONSENT}" toName="{CONSENT_TEXT}" choice="single-radio" showInline="true" required="true"
    requiredMessage="Say whether you agree.">{parts.choices(interface.CONSENTS)}</Choices>"""
_DECLINED = f"""<View visibleWhen="choice-selected" whenTagName="{CONSENT}"
    whenChoiceValue="{interface.CONSENTS[interface.DECLINES]}">
    <Header value="Then there is nothing more to do: press Submit. You get no images." size="6"
      style="font-size:14px"/>
  </View>"""


def _plates(number: int) -> str:
    """Both sorts of plates; `number`: of the first question."""
    return f"""<Header value="{number}. To which side is each ring open?" size="4"/>
  <Header value="Sit as you will when you work, an arm's length from the screen, at 100 % zoom, with your glasses on if
    you wear any." size="6" style="margin:0;font-size:14px;font-weight:normal"/>
  {_row(interface.ACUITY_CONTROLS, "Say of each ring to which side it is open.", 170)}
  <Header value="{number + 1}. Which figure do the dots show?" size="4"/>
  {_row(interface.COLOUR_CONTROLS, "Say of each circle of dots which figure it shows.", 240)}"""


def _row(controls: tuple[str, ...], demand: str, width: int) -> str:
    """Plates beside each other, each with its answers below; `width` of each in pixels of CSS."""
    cells = "".join(_plate(name, demand, width) for name in controls)
    return f'<View style="display:flex;flex-wrap:wrap;gap:16px">{cells}</View>'


def _plate(name: str, demand: str, width: int) -> str:
    # Not radio buttons: the page names each by its text, and the browser lets one of a name be on.
    return f"""<View style="flex:0 0 {width}px;width:{width}px">
    <HyperText name="{interface.shown_of(name)}" value="${name}" inline="true"/>
    <Choices name="{name}" toName="{interface.shown_of(name)}" required="true" requiredMessage="{demand}"
      showInline="true">{parts.choices(interface.PLATE_ANSWERS[name])}</Choices>
  </View>"""


CONSENT_CONFIG = f"<View>{_CONSENT}{_DECLINED}</View>"
VISION_CONFIG = f"<View>{_plates(1)}</View>"
CONFIG = f"""<View>
  {_CONSENT}{_DECLINED}
  <View visibleWhen="choice-selected" whenTagName="{CONSENT}"
    whenChoiceValue="{interface.CONSENTS[interface.AGREES]}">
  {_plates(2)}
  </View>
</View>"""
