"""What an editing model is: requests in, outcomes out; the same for diffusion models, APIs and procedural editors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:  # the command line imports this module, and must not wait for numpy
    from PIL import Image

    from editfhf.oracle import Truth


@dataclass(frozen=True, slots=True)
class EditRequest:
    """One edit to make.

    Attributes:
        edit_id: the id in the ledger; a model may not let its pixels depend on it.
        source: RGB photo.
        instruction: what to do, in words.
        task: one of the 43 task ids; diffusion models ignore it.
        seed: the same request with the same seed gives the same bytes, in whatever order and batch.
        params: the model's parameters as planned (part of the edit's id).
    """

    edit_id: str
    source: "Image.Image"
    instruction: str
    task: str
    seed: int
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EditOutcome:
    """What came of a request: an image, a refusal in the model's words, or a failure with its reason.

    `truth` is what a procedural editor knows about its own flaws; other models have none.
    """

    status: Literal["image", "refused", "failed"]
    image: "Image.Image | None" = None
    reason: str = ""
    truth: "Truth | None" = None


class EditModel(Protocol):
    """A text-guided image editing model, loaded and ready."""

    id: str
    revision: str

    def edit(self, requests: Sequence[EditRequest]) -> list[EditOutcome]:
        """Edit; one outcome for each request, in order. What one item does wrong is an outcome, not an exception."""
        ...


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """What the registry knows about a model before it is loaded.

    Attributes:
        id: such as `procedural/careful`.
        revision: pinned version of weights or code; part of every edit's id.
        licence: of the outputs, SPDX where there is one.
        tasks: the task ids it can do; empty for all 43.
        procedural: made by hand-written image operations: marked so in every table, never to be taken for a TIE model.
        max_side: the longer side of its images, in pixels, at most.
        source_params: fields of `Source` that are passed as parameters too (and so are part of the edit's id).
        default_params: what it is run with unless the configuration says otherwise.
    """

    id: str
    revision: str
    licence: str
    description: str
    load: Callable[..., "EditModel"]
    tasks: tuple[str, ...] = ()
    procedural: bool = False
    max_side: int = 1024
    source_params: tuple[str, ...] = ()
    default_params: Mapping[str, Any] = field(default_factory=dict)
