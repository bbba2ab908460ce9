"""GPT Image through OpenAI's Images API (`POST /v1/images/edits`), with OpenAI's own client."""

import base64
import re
from collections.abc import Mapping
from typing import Any

import httpx
import openai
from openai.types import ImagesResponse

from editfhf.openai_protocol import EMPTY_ACCOUNT, REFUSALS
from generators.api.attempts import TryAgain, told_wait_s
from generators.api.connection import http_client
from generators.api.pictures import Photo
from generators.api.prices import GPT_IMAGE_IN, GPT_IMAGE_OUT, GPT_TEXT_IN, MILLION, gpt_attempt_price
from generators.api.remote import RemoteModel
from generators.base import EditOutcome, EditRequest, ModelEntry
from generators.sizes import SizePolicy

# The models that take any width and height divisible by 16 (openai 3.54, images.edit, `size`); others know three sizes.
ANY_SIZE = re.compile(r"gpt-image-2(\.5-(sunburst|flare))?(-\d{4}-\d\d-\d\d)?")
STANDARD_SIZES = SizePolicy(fixed=((1024, 1024), (1536, 1024), (1024, 1536)), max_aspect=3.0)


class OpenAIImages(RemoteModel):
    """`images.edit`: a photo and an instruction in, a PNG of the size asked for out. There are no seeds.

    Revisions that take no size but three get the photo with its edges drawn out to the nearest, and their answer is cut
    back.

    Params: `quality` (low, medium, high, xhigh, max, auto), `background` (opaque, transparent, auto), `input_fidelity`
    (low, high; only where the revision knows it, otherwise None).
    """

    company = "OpenAI"

    def __init__(self, entry: ModelEntry, **options: Any) -> None:
        super().__init__(entry, **options)
        if not ANY_SIZE.fullmatch(self.revision):
            self.size = STANDARD_SIZES
        self._client = openai.OpenAI(
            api_key=self._key,
            base_url=self.options.base_url,
            timeout=self.options.timeout_s,
            max_retries=0,  # tenacity's turn: see generators/api/attempts.py
            http_client=http_client(self.options.timeout_s),  # type: ignore[arg-type]
        )

    def attempt_price(self, params: Mapping[str, Any]) -> float:
        return gpt_attempt_price(params)

    def _attempt(self, request: EditRequest, photo: Photo) -> EditOutcome:
        params = {name: value for name, value in request.params.items() if value is not None}
        answer: object
        try:
            answer = self._client.images.edit(
                model=self.revision,
                image=("photo.png", photo.png, "image/png"),
                prompt=request.instruction,
                size="{}x{}".format(*photo.canvas),
                output_format="png",
                n=1,
                **params,
            )
        except openai.APITimeoutError:
            raise self._timed_out(request) from None
        except openai.APIConnectionError as error:
            if isinstance(error.__cause__, httpx.ConnectError):
                raise TryAgain(f"OpenAI cannot be reached at {self._client.base_url.host}.") from None
            raise self._unanswered("the connection broke before the whole answer was there.", request) from None
        except openai.APIStatusError as error:
            answer = error  # looked at below: what is raised from here would show the server's words, key and all
        except (openai.OpenAIError, httpx.HTTPError, ValueError):
            raise self._unanswered("the answer cannot be read.", request) from None
        if isinstance(answer, openai.APIStatusError):
            return self._status(answer, request)
        if not isinstance(answer, ImagesResponse) or not answer.data or not answer.data[0].b64_json:
            raise self._unanswered("the answer holds no image.", request)
        cost = self._cost(answer, request)
        try:
            data = base64.b64decode(answer.data[0].b64_json)
        except ValueError:
            raise TryAgain("OpenAI: the image does not decode (base64).", cost) from None
        return self._picture(data, cost)

    def _status(self, error: openai.APIStatusError, request: EditRequest) -> EditOutcome:
        body = error.body if isinstance(error.body, dict) else {}
        words = self._words(body.get("message") or error.response.reason_phrase)
        if error.code in REFUSALS:
            # Refused on sight costs nothing; an image that was made and then held back may be billed.
            details = body.get("moderation_details")
            stage = details.get("moderation_stage") if isinstance(details, dict) else None
            cost = 0.0 if stage == "input" else self.attempt_price(request.params)
            return EditOutcome("refused", reason=words, cost_usd=cost)
        if error.code in EMPTY_ACCOUNT:
            raise self._used_up("the account is empty", words)
        if error.code == "invalid_api_key":
            raise self._key_refused()
        if error.code == "model_not_found":
            return self._fault(404, words, None, request)
        return self._fault(error.status_code, words, told_wait_s(error.response.headers), request)

    def _cost(self, answer: ImagesResponse, request: EditRequest) -> float:
        usage = answer.usage
        if usage is None or usage.output_tokens is None or usage.input_tokens is None:
            return self.attempt_price(request.params)
        text = usage.input_tokens_details.text_tokens if usage.input_tokens_details else 0
        # Whatever is not said to be text has the higher price of an image.
        images = max(0, usage.input_tokens - text)
        return (text * GPT_TEXT_IN + images * GPT_IMAGE_IN + usage.output_tokens * GPT_IMAGE_OUT) / MILLION
