"""The procedural editing models: one set of editors, four profiles of failing."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from editfhf.oracle import TrueFlaw, Truth
from editfhf.tasks import parse_slots
from generators.base import EditOutcome, EditRequest
from generators.procedural import MAX_SIDE, REVISION
from generators.procedural.compositing import dilate
from generators.procedural.context import CannotEditError, EditContext, EditDraft, Photo, rng_of
from generators.procedural.editors import EDITORS
from generators.procedural.finishing import SMALLEST_FLAW, finish, visible_difference
from generators.procedural.flaw_operators import FlawOperator, flaw_operators
from generators.procedural.flaw_operators.scene import FlawScene
from generators.procedural.profiles import PROFILES, MadeFlaw, Profile, spoil

REMEMBERED_PHOTOS = 24


class ProceduralModel:
    """Edits by hand-written image operations, with flaws whose truth is known.

    The flawless edit depends on source, task, instruction and seed alone, and is the same for all four models; which
    flaws it gets depends on the model too.
    """

    revision = REVISION

    def __init__(
        self, name: str, profile: Profile | None = None, operators: Mapping[str, FlawOperator] | None = None
    ) -> None:
        self.id = f"procedural/{name}"
        self.profile = profile or PROFILES[name]
        self.operators = operators or flaw_operators()

    def edit(self, requests: Sequence[EditRequest]) -> list[EditOutcome]:
        """Edit; an instruction that is not understood or a photo that lacks what is needed is refused."""
        return [self._edit(request) for request in requests]

    def _edit(self, request: EditRequest) -> EditOutcome:
        if request.task not in EDITORS:
            return EditOutcome("refused", reason=f"No procedural editor does the task {request.task}.")
        slots = parse_slots(request.task, request.instruction)
        if slots is None:
            return EditOutcome("refused", reason="The instruction follows no template of this task.")
        photo = _photo_of(request.source, request.params)
        context = EditContext(request.task, slots, photo, request.seed)
        editor = EDITORS[request.task]
        try:
            draft = editor.draw(context)
        except CannotEditError as error:
            return EditOutcome("refused", reason=str(error))
        flawless = finish(draft.image, photo.digest)
        differs = visible_difference(flawless, finish(draft.before, photo.digest))
        if differs.mean() < SMALLEST_FLAW:
            return EditOutcome("refused", reason="The photo already looks as the instruction asks.")
        rng = rng_of(self.id, request.task, request.instruction, request.seed, photo.digest)
        scene = FlawScene(context, editor, draft, differs)
        image, flaws = spoil(scene, flawless, self.profile, self.operators, rng)
        truth = Truth(flawless, _keep(draft, differs), draft.before, [_true_flaw(flaw) for flaw in flaws])
        return EditOutcome("image", Image.fromarray(image), truth=truth)


def reduced(source: Image.Image, max_side: int) -> np.ndarray:
    """The photo with its longer side reduced to `max_side` pixels (Lanczos); never enlarged: uint8 RGB."""
    image = source.convert("RGB")
    scale = max_side / max(image.size)
    if scale < 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(image)


def _photo_of(source: Image.Image, params: Mapping[str, Any]) -> Photo:
    pixels = reduced(source, int(params.get("max_side", MAX_SIDE)))
    box = params.get("subject_box")
    return _remembered(pixels.tobytes(), pixels.shape, tuple(float(side) for side in box) if box else None)


@lru_cache(maxsize=REMEMBERED_PHOTOS)
def _remembered(pixels: bytes, shape: tuple[int, ...], box: tuple[float, float, float, float] | None) -> Photo:
    """What was worked out about a photo serves its other edits, those by other models too."""
    return Photo(np.frombuffer(pixels, np.uint8).reshape(shape), box)


def _keep(draft: EditDraft, differs: np.ndarray) -> np.ndarray:
    """What had to stay as it was, without the pixels that even the flawless edit changes."""
    keep = ~dilate(draft.changed, 2) if draft.keep is None else draft.keep
    return keep & ~dilate(differs, 2)


def _true_flaw(flaw: MadeFlaw) -> TrueFlaw:
    made, operator = flaw.made, flaw.operator
    return TrueFlaw(
        kind=operator.kind,
        flaw_type=operator.flaw_type,
        extent=made.extent,
        severity=round(flaw.severity, 4),
        mask=flaw.mask if made.extent == "region" else np.zeros_like(flaw.mask),
        operator=operator.name,
        description=made.description,
        source_mask=made.source_mask,
    )
