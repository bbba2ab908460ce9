"""What an editing model is: requests in, outcomes out; the same for diffusion models, APIs and procedural editors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from generators.sizes import SizePolicy

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
        seed: the same request with the same seed gives the same bytes, in whatever order.
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

    Attributes:
        image: the edit, RGB, of the size that `ModelEntry.size.fit` says for the photo (an API's may be of another, of
            nearly the photo's aspect); None unless the status is `image`.
        reason: the refusal in the model's words, or why it failed; "" for an image.
        retryable: a failure that another try may mend (a server that hangs), as against one that it will not.
        cost_usd: what the request cost, also where it was refused.
        truth: what a procedural editor knows about its own flaws; other models have none.
        served_by: the version that answered, where a model behind an API says so.
    """

    status: Literal["image", "refused", "failed"]
    image: "Image.Image | None" = None
    reason: str = ""
    retryable: bool = False
    cost_usd: float = 0.0
    truth: "Truth | None" = None
    served_by: str = ""


class EditModel(Protocol):
    """A text-guided image editing model, loaded and ready."""

    id: str
    revision: str

    def edit(self, requests: Sequence[EditRequest]) -> list[EditOutcome]:
        """Edit; one outcome for each request, in order. What one item does wrong is an outcome, not an exception.

        The runner passes at most `ModelEntry.max_batch` requests, all with the same parameters.

        Raises:
            BadInput: no edit can succeed as things are set: a wrong key, a parameter that the model does not know.
            JobFailed: no further edit can succeed for now: an empty account.
            MemoryError, torch.OutOfMemoryError: too many at once; nothing of the call is kept.
        """
        ...


@dataclass(frozen=True, slots=True)
class Figure:
    """A number about a model, and where it is from: a page, a paper, or how it was calculated."""

    value: float
    basis: str


@dataclass(frozen=True, slots=True)
class Licence:
    """Terms of a model.

    Attributes:
        name: SPDX, or the name its authors gave it.
        outputs: may edited images be redistributed: `yes`, `no` or `unclear`.
        note: what the terms say about outputs, in a sentence, or where to read them.
    """

    name: str
    outputs: Literal["yes", "no", "unclear"] = "unclear"
    note: str = ""


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """What the registry knows about a model before it is loaded.

    Attributes:
        id: such as `instruct-pix2pix`.
        revision: version of weights or code, part of every edit's id. For a model on the Hub a branch or tag, which is
            resolved to a commit when edits are planned (`generators/revisions.py`).
        description: one sentence.
        load: called as `load(entry, **options)`; the options are listed in `generators/registry.py`.
        family: the pipeline class, API or set of editors behind it.
        repository: of the weights on the Hub; "" where there are none.
        more_repositories: others that are needed too, such as a LoRA's; their commits are parts of the revision.
        gated: the Hub gives the weights only to an account that accepted their terms.
        tasks: the task ids it can do; empty for all 43.
        procedural: made by hand-written image operations: marked so in every table, never to be taken for a TIE model.
        size: what sizes of image it takes and makes.
        source_params: fields of `Source` that are passed as parameters too (and so are part of the edit's id).
        default_params: what it is run with unless the configuration says otherwise; `params_source` recommends them.
        load_params: which of the parameters are given to `load` (they change pixels, but not from edit to edit).
        max_batch: how many different photos fit in one call; 1 where the pipeline would mix them.
        batch_tolerance: how far a batch may differ from one by one, in steps of 255 (kernels round differently).
        concurrency: how many calls may go on at the same time (above 1 only for models that run elsewhere).
        memory_gb, weights_gb, seconds_per_image: on the GPU, on disk, and of GPU time (on the GPU that the basis names;
            ours: an H100); None where nothing is needed.
        price_usd: what one edit costs at most, by the default parameters; None where nothing is paid.
        price: dollars at most for other parameters; default: `price_usd`, whatever the parameters.
        key_variable: the environment variable that holds the API key.
        extra: the extra of this package that it needs.
    """

    id: str
    revision: str
    description: str
    load: Callable[..., "EditModel"]
    family: str = ""
    repository: str = ""
    more_repositories: tuple[str, ...] = ()
    gated: bool = False
    licence: Licence = field(default_factory=lambda: Licence("unknown"))
    tasks: tuple[str, ...] = ()
    procedural: bool = False
    size: SizePolicy = field(default_factory=SizePolicy)
    source_params: tuple[str, ...] = ()
    default_params: Mapping[str, Any] = field(default_factory=dict)
    params_source: str = ""
    load_params: tuple[str, ...] = ()
    max_batch: int = 1
    batch_tolerance: int = 0
    concurrency: int = 1
    memory_gb: Figure | None = None
    weights_gb: Figure | None = None
    seconds_per_image: Figure | None = None
    price_usd: Figure | None = None
    price: Callable[[Mapping[str, Any]], float] | None = None
    key_variable: str = ""
    extra: str = ""

    @property
    def needs_gpu(self) -> bool:
        return self.memory_gb is not None

    @property
    def takes_revision(self) -> bool:
        """`load` is told which revision to load; others have only the one of their code."""
        return bool(self.repository or self.key_variable)

    def highest_price(self, params: Mapping[str, Any]) -> float:
        """Dollars that one edit with these parameters costs at most; 0 where nothing is paid."""
        if self.price is not None:
            return self.price(params)
        return self.price_usd.value if self.price_usd else 0.0
