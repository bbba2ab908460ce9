"""Procedural editing models: real edits by image operations, with flaws whose truth is known. See README.md here."""

from functools import partial

from generators.base import EditModel, Licence, ModelEntry
from generators.sizes import SizePolicy

REVISION = "1"  # raise it when the pixels of any edit change
MAX_SIDE = 768  # pixels
# The keys of `editors.EDITORS`, written out: to list the models may not cost the import of all editors.
TASKS = (
    "object_add", "object_remove", "object_replace", "object_move", "object_resize", "object_duplicate",
    "object_extract", "color_change", "material_change", "texture_pattern", "shape_change", "accessory_change",
    "makeup_retouch", "background_replace", "weather_change", "season_change", "time_of_day", "lighting_change",
    "sky_replace", "reflection_shadow", "text_add", "text_replace", "text_remove", "text_style", "multi_edit",
    "style_transfer", "colorize", "tone_grading", "depth_of_field", "restoration", "deblur_enhance", "outpaint_zoom",
)  # fmt: skip
DESCRIPTIONS = {
    "careful": "Image operations; mostly flawless, its rare flaws are mild.",
    "hurried": "The same operations; about two edits of three have a flaw, mild to middling.",
    "careless": "The same operations; nearly every edit has a flaw or several, middling to severe.",
    "broken": "The same operations; every edit has one to three severe flaws.",
}


def models() -> list[ModelEntry]:
    """The entries of the four procedural models, for the registry."""
    return [
        ModelEntry(
            id=f"procedural/{name}",
            revision=REVISION,
            family="procedural",
            licence=Licence("the source photo's", outputs="yes", note="An edit is as free as the photo that it shows."),
            description=description,
            load=partial(_load, name),
            tasks=TASKS,
            procedural=True,
            size=SizePolicy(max_pixels=MAX_SIDE * MAX_SIDE, max_aspect=100.0),
            source_params=("subject_box",),
            default_params={"max_side": MAX_SIDE},
        )
        for name, description in DESCRIPTIONS.items()
    ]


def _load(name: str, entry: ModelEntry) -> EditModel:  # noqa: ARG001
    from generators.procedural.model import ProceduralModel

    return ProceduralModel(name)
