"""A model behind an API: requests one by one, faults as outcomes, an end to the run where no edit could succeed."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from editfhf.errors import BadInput, JobFailed
from editfhf.openai_protocol import clean_words
from generators.api.attempts import TryAgain, keep_trying
from generators.api.connection import Options, read_key, read_options
from generators.api.pictures import OversizedImage, Photo, UnreadableImage, decode_answer, encode_photo
from generators.api.prices import BILLED_ATTEMPTS, MAX_INSTRUCTION_BYTES
from generators.base import EditOutcome, EditRequest, ModelEntry
from generators.sizes import SizePolicy

log = logging.getLogger(__name__)
# The request was worked on when somebody in between gave up: it may be billed.
UNANSWERED = (408, 499, 502, 504, 520, 522, 524)


class RemoteModel(ABC):
    """What the adapters share. `edit` may be called from several threads at the same time.

    Of the attempts at one edit at most `prices.BILLED_ATTEMPTS` may be billed: those that brought an answer, and those
    that were sent and brought none or half of one. The latter count with the highest price of an attempt, so that the
    dollars recorded are never too few.
    """

    company: str

    def __init__(self, entry: ModelEntry, **options: Any) -> None:
        self.entry = entry
        self.id = entry.id
        self.options: Options = read_options(entry, options)
        self.revision = self.options.revision or entry.revision
        if self.revision != entry.revision:
            log.warning("%s: dollars are counted at the prices of %s", self.revision, entry.revision)
        self.size: SizePolicy = entry.size
        self._key = read_key(entry)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.revision}>"

    def edit(self, requests: Sequence[EditRequest]) -> list[EditOutcome]:
        """Edit, one by one; an outcome for each request, in order.

        Raises:
            BadInput: no edit can succeed: the key or the model's name is not accepted, a parameter is unknown.
            JobFailed: no further edit can succeed for now: the account is empty, the day's quota is used up.
        """
        return [self._edit(request) for request in requests]

    @abstractmethod
    def attempt_price(self, params: Mapping[str, Any]) -> float:
        """Dollars that one attempt costs at most.

        Raises:
            BadInput: a parameter has a value that the API does not know.
        """

    @abstractmethod
    def _attempt(self, request: EditRequest, photo: Photo) -> EditOutcome:
        """Ask once. Raises `TryAgain` where another attempt may help, BadInput and JobFailed where none will for any
        edit."""

    def _edit(self, request: EditRequest) -> EditOutcome:
        for name in request.params:
            if name not in self.entry.default_params:
                known = ", ".join(self.entry.default_params)
                raise BadInput(f"{self.id}: unknown parameter {name!r}.", mend=f"Known: {known}.")
        highest = self.attempt_price(request.params)
        if len(request.instruction.encode()) > MAX_INSTRUCTION_BYTES:
            return EditOutcome("failed", reason=f"The instruction is longer than {MAX_INSTRUCTION_BYTES} bytes.")
        photo = encode_photo(self.size, request.source)
        what = f"{self.id} {request.edit_id}"
        outcome = keep_trying(lambda: self._attempt(request, photo), self.options.patience, what)
        if outcome.cost_usd > highest * BILLED_ATTEMPTS:
            log.warning("%s cost %.4f $, more than was thought possible", request.edit_id, outcome.cost_usd)
        return replace(outcome, image=photo.framing.cut(outcome.image)) if outcome.image else outcome

    def _words(self, text: object) -> str:
        return clean_words(text, self._key)

    def _unanswered(self, why: str, request: EditRequest) -> TryAgain:
        """No answer came, or half of one: it may be billed all the same."""
        return TryAgain(f"{self.company}: {why}", cost_usd=self.attempt_price(request.params))

    def _timed_out(self, request: EditRequest) -> TryAgain:
        return self._unanswered(f"no whole answer within {self.options.timeout_s:g} s.", request)

    def _picture(self, data: bytes, cost_usd: float, served_by: str = "") -> EditOutcome:
        """The image of an answer as an outcome."""
        try:
            return EditOutcome("image", decode_answer(data), cost_usd=cost_usd, served_by=served_by)
        except UnreadableImage as error:
            raise TryAgain(f"{self.company}: the image does not decode ({error}).", cost_usd) from None
        except OversizedImage as error:
            reason = f"{self.company}: the image is too large ({error})."
            return EditOutcome("failed", reason=reason, cost_usd=cost_usd)

    def _key_refused(self, words: str = "") -> BadInput:
        said = f" It says: {words}" if words else ""
        return BadInput(
            f"{self.company} does not accept the key in {self.entry.key_variable}.{said}",
            mend="Check the key and what its account may use.",
        )

    def _used_up(self, what: str, words: str) -> JobFailed:
        return JobFailed(
            f"{self.company}: {what}: {words.rstrip('.')}.",
            mend="What is made so far is kept: see to the account, then run the same again.",
        )

    def _fault(self, status: int, words: str, wait_s: float | None, request: EditRequest) -> EditOutcome:
        """What an HTTP status means that is neither a refusal nor an empty account.

        Raises:
            TryAgain, BadInput: as `_attempt`.
        """
        if status == 401:
            raise self._key_refused()  # what the server says may show a part of the key
        if status == 403:
            raise self._key_refused(words)
        if status == 404:
            raise BadInput(
                f"{self.company} knows no model {self.revision!r}. It says: {words}",
                mend="Give another with `revision`, or see whether the server is the right one.",
            )
        if status in UNANSWERED:
            raise self._unanswered(f"HTTP {status}: {words}", request)
        if status in (409, 425, 429) or status >= 500:
            raise TryAgain(f"{self.company}: HTTP {status}: {words}", wait_s=wait_s)
        return EditOutcome("failed", reason=f"{self.company}: HTTP {status}: {words}")
