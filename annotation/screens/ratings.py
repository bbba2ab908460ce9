"""Ratings alone: quality first, the photo hidden until it is rated (single stimulus, ACR of ITU-T P.910)."""

from annotation import interface
from annotation.screens import parts

FIRST, *OTHERS = interface.QUESTIONS

CONFIG = f"""<View>
  {parts.instruction()}
  <View style="display:flex;gap:12px;width:100%">
    {parts.image(interface.IMAGE, "$edited_image", "Edited image")}
    <View style="flex:0 0 49%;width:49%" visibleWhen="choice-selected" whenTagName="{FIRST}">
      {parts.image(interface.SOURCE, "$source_image", "Source photo", "100%")}
    </View>
  </View>
  {parts.rating(FIRST)}
  <View visibleWhen="choice-selected" whenTagName="{FIRST}">
{parts.lines(4, map(parts.rating, OTHERS))}
  </View>
  {parts.outcome(interface.CANNOT_JUDGE, interface.DISTRESSING)}
</View>"""
