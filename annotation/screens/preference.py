"""Two edits of one instruction, blind: which is better? Who makes the tasks shuffles the sides."""

from annotation import interface
from annotation.screens import parts

_HEIGHT = "max(300px, 100vh - 300px)"  # nothing but three buttons stands below
_PREFERENCE = parts.one_of(
    interface.PREFERENCE, interface.PREFERENCES, "123", "Say which edit is better.", interface.FIRST
)

CONFIG = f"""<View>
  {parts.instruction()}
  <View style="display:flex;gap:8px;width:100%">
    {parts.image(interface.FIRST, "$first_image", "Left edit", "38%", _HEIGHT)}
    {parts.image(interface.SOURCE, "$source_image", "Source photo", "22%", _HEIGHT)}
    {parts.image(interface.SECOND, "$second_image", "Right edit", "38%", _HEIGHT)}
  </View>
  {parts.unless_not_judged(_PREFERENCE)}
  {parts.outcome(interface.CANNOT_JUDGE, interface.DISTRESSING, image_name=interface.FIRST)}
</View>"""
