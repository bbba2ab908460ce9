"""All procedural editors by task id: look here for the one that does a task."""

from generators.procedural import attributes, objects, scenes, styles, texts
from generators.procedural.context import Editor

EDITORS: dict[str, Editor] = {
    **objects.EDITORS,
    **attributes.EDITORS,
    **scenes.EDITORS,
    **texts.EDITORS,
    **styles.EDITORS,
}
