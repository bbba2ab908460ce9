"""Regions alone: drawing flaws may colour a rating."""

from annotation import interface
from annotation.screens import parts

CONFIG = f"""<View>
  {parts.instruction()}
  <View style="display:flex;gap:12px;width:100%">
    {parts.image(interface.SOURCE, "$source_image", "Source photo: draw here what vanished or was not edited")}
    {parts.image(interface.IMAGE, "$edited_image", "Edited image: draw here what is wrong")}
  </View>
  {parts.drawing()}
  <PolygonLabels name="{interface.SOURCE_POLYGONS}" toName="{interface.SOURCE}" strokeWidth="2" pointSize="small"
    opacity="0.25">
    <Label value="{interface.SOURCE_LABEL}" alias="{interface.SOURCE_KIND}" background="#2ea36f" hotkey="3"/>
  </PolygonLabels>
  <View visibleWhen="region-selected" whenTagName="{interface.SOURCE_POLYGONS}">
    <Choices name="{interface.SOURCE_TYPE}" toName="{interface.SOURCE}" perRegion="true" required="true"
      choice="single-radio" showInline="true" requiredMessage="Choose for each region what kind of flaw it is.">
      {parts.flaw_choices(interface.SOURCE_KIND)}
    </Choices>
    <TextArea name="{interface.SOURCE_REASON}" toName="{interface.SOURCE}" perRegion="true" required="true"
      editable="true" maxSubmissions="1" rows="1" requiredMessage="Say for each region what is wrong there."
      placeholder="What vanished, or was not edited?"/>
  </View>
  {parts.without_place()}
  {parts.outcome(interface.NO_FLAW, interface.CANNOT_JUDGE, interface.DISTRESSING)}
</View>"""
