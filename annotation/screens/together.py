"""Regions and ratings at once."""

from annotation import interface
from annotation.screens import parts

CONFIG = f"""<View>
  {parts.instruction()}
  <View style="display:flex;gap:12px;width:100%">
    {parts.image(interface.SOURCE, "$source_image", "Source photo")}
    {parts.image(interface.IMAGE, "$edited_image", "Edited image: draw here")}
  </View>
  {parts.drawing()}
{parts.lines(2, map(parts.rating, interface.QUESTIONS))}
  {parts.without_place()}
  {parts.outcome(interface.CANNOT_JUDGE, interface.DISTRESSING)}
</View>"""
