"""Procedural editing models: real edits by image operations, with flaws whose truth is known. See README.md here."""

from functools import partial

from generators.base import EditModel, ModelEntry

DESCRIPTIONS = {
    "careful": "Image operations; mostly flawless, its rare flaws are mild.",
    "hurried": "The same operations; about two edits of three have a flaw, mild to middling.",
    "careless": "The same operations; nearly every edit has a flaw or several, middling to severe.",
    "broken": "The same operations; every edit has one to three severe flaws.",
}


def models() -> list[ModelEntry]:
    """The entries of the four procedural models, for the registry."""
    # Imported here: the four names cost nothing until somebody asks for them.
    from generators.procedural.editors import EDITORS
    from generators.procedural.model import MAX_SIDE, REVISION

    return [
        ModelEntry(
            id=f"procedural/{name}",
            revision=REVISION,
            licence="the source photo's",
            description=description,
            load=partial(_load, name),
            tasks=tuple(EDITORS),
            procedural=True,
            max_side=MAX_SIDE,
            source_params=("subject_box",),
            default_params={"max_side": MAX_SIDE},
        )
        for name, description in DESCRIPTIONS.items()
    ]


def _load(name: str) -> EditModel:
    from generators.procedural.model import ProceduralModel

    return ProceduralModel(name)
