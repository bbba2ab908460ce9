"""Regions alone: drawing flaws may colour a rating."""

from annotation import interface
from annotation.screens import parts

CONFIG = f"""<View>
  {parts.instruction()}
  <View style="display:flex;gap:12px;width:100%">
    {parts.image(interface.SOURCE, "$source_image", "Source photo: draw here what vanished or was not edited")}
    {parts.image(interface.IMAGE, "$edited_image", "Edited image: draw here what is wrong")}
  </View>
  {parts.drawing(on_photo=True)}
  {parts.without_place()}
  {parts.outcome(interface.NO_FLAW, interface.CANNOT_JUDGE, interface.DISTRESSING)}
</View>"""
