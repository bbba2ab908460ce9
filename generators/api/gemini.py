"""Gemini's image models through the Gemini API (`models.generateContent`), with Google's own client."""

import base64
import math
import re
from collections.abc import Mapping
from typing import Any

import httpx
from google import genai
from google.genai import errors, types

from editfhf.errors import BadInput, JobFailed
from generators.api import GEMINI_ASPECTS
from generators.api.attempts import TryAgain, told_wait_s
from generators.api.connection import http_client
from generators.api.gemini_answer import Answer, Candidate, Usage
from generators.api.pictures import Photo
from generators.api.prices import GEMINI_IMAGE_OUT, GEMINI_IN, GEMINI_TEXT_OUT, MILLION, gemini_attempt_price
from generators.api.remote import RemoteModel
from generators.base import EditOutcome, EditRequest, ModelEntry

SIZES = ("1K", "2K", "4K")
THINKING = ("minimal", "low", "medium", "high")
REFUSALS = (
    "SAFETY", "IMAGE_SAFETY", "PROHIBITED_CONTENT", "IMAGE_PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "RECITATION",
    "IMAGE_RECITATION", "LANGUAGE", "ESCALATION", "MODEL_ARMOR",
)  # fmt: skip


class GeminiImages(RemoteModel):
    """`generate_content` with a photo and an instruction.

    The model makes images of some aspects only. The photo is sent in the nearest, its edges drawn out to it, and the
    answer is cut back. (An answer of 1K has sides of its own, seen within 3 % of the aspect asked for; it is not
    stretched to it, since whether the model stretched the photo is not known.)

    The seed is passed on; Google promises its best effort with it, not the same bytes.

    Params: `image_size` (1K, 2K, 4K), `thinking_level` (minimal, medium, high), `max_output_tokens` (thoughts, text and
    images together; it bounds the price).
    """

    company = "Google"

    def __init__(self, entry: ModelEntry, **options: Any) -> None:
        super().__init__(entry, **options)
        self._client = genai.Client(
            api_key=self._key,
            vertexai=False,
            http_options=types.HttpOptions(
                base_url=self.options.base_url,
                timeout=math.ceil(self.options.timeout_s * 1000),
                retry_options=types.HttpRetryOptions(attempts=1),  # tenacity's turn: see generators/api/attempts.py
                httpx_client=http_client(self.options.timeout_s),
            ),
        )

    def attempt_price(self, params: Mapping[str, Any]) -> float:
        for name, known in (("image_size", SIZES), ("thinking_level", THINKING)):
            if params.get(name) not in (None, *known):
                raise BadInput(f"gemini-image: unknown {name} {params[name]!r}.", mend=f"One of: {', '.join(known)}.")
        return gemini_attempt_price(params)

    def _attempt(self, request: EditRequest, photo: Photo) -> EditOutcome:
        params = request.params
        level = params.get("thinking_level")
        config = types.GenerateContentConfig(
            response_modalities=["TEXT", "IMAGE"],  # without text, a refusal would come without words
            seed=request.seed % 2**31,
            max_output_tokens=params["max_output_tokens"],
            image_config=types.ImageConfig(
                aspect_ratio=nearest_aspect(*photo.canvas), image_size=params.get("image_size")
            ),
            thinking_config=types.ThinkingConfig(thinking_level=types.ThinkingLevel(level.upper())) if level else None,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            should_return_http_response=True,
        )
        parts = [types.Part.from_bytes(data=photo.png, mime_type="image/png"), types.Part(text=request.instruction)]
        contents = types.Content(role="user", parts=parts)
        turned_away: errors.APIError | None = None
        answer = Answer()
        try:
            called = self._client.models.generate_content(model=self.revision, contents=contents, config=config)
            body = called.sdk_http_response.body if called.sdk_http_response else None
            answer = Answer.model_validate_json(body or "")
        except httpx.ConnectError:
            raise TryAgain("Google cannot be reached.") from None
        except httpx.TimeoutException:
            raise self._timed_out(request) from None
        except httpx.HTTPError:
            raise self._unanswered("the connection broke before the whole answer was there.", request) from None
        except errors.APIError as error:
            turned_away = error  # looked at below: what is raised from here would show the server's words, key and all
        except ValueError:  # no JSON, or of another form
            raise self._unanswered("the answer cannot be read.", request) from None
        return self._status(turned_away, request) if turned_away else self._answer(answer, request)

    def _answer(self, answer: Answer, request: EditRequest) -> EditOutcome:
        cost = self._cost(answer.usage_metadata, request)
        feedback = answer.prompt_feedback
        if feedback.block_reason:
            words = feedback.block_reason_message or f"The request was blocked: {feedback.block_reason}."
            return EditOutcome("refused", reason=self._words(words), cost_usd=cost)
        candidate = answer.candidates[0] if answer.candidates else Candidate()
        # Drafts are thoughts; of the images that are not, the last is the one it means.
        said = [part for part in candidate.content.parts if not part.thought]
        images = [part.inline_data.data for part in said if part.inline_data.data]
        if images:
            try:
                data = base64.b64decode(images[-1].replace("-", "+").replace("_", "/"))
            except ValueError:
                raise TryAgain("Google: the image does not decode (base64).", cost) from None
            return self._picture(data, cost, served_by=self._words(answer.model_version))
        ending = candidate.finish_reason
        words = self._words(" ".join(part.text for part in said if part.text) or candidate.finish_message)
        if ending == "PUP_LIMITED_DISABLED":
            raise JobFailed("Google has limited this account for breaking its policy.", mend="See the account's pages.")
        if ending == "MAX_TOKENS":
            limit = request.params["max_output_tokens"]
            return EditOutcome("failed", reason=f"Google: no image within max_output_tokens ({limit}).", cost_usd=cost)
        if ending in REFUSALS or words:
            return EditOutcome("refused", reason=words or f"No image: {ending}.", cost_usd=cost)
        raise TryAgain(f"Google: the answer holds no image ({ending or 'no reason given'}).", cost)

    def _status(self, error: errors.APIError, request: EditRequest) -> EditOutcome:
        words = self._words(error.message or error.status)
        details = _details(error)
        if any(detail.get("reason") == "API_KEY_INVALID" for detail in details):
            raise self._key_refused()
        if error.code == 429 and _exhausted(details):
            raise self._used_up("the quota is used up", words)
        headers = getattr(error.response, "headers", None) or {}
        wait_s = told_wait_s(headers)
        return self._fault(error.code, words, _told_delay_s(details) if wait_s is None else wait_s, request)

    def _cost(self, usage: Usage, request: EditRequest) -> float:
        if usage.prompt_token_count is None:
            return self.attempt_price(request.params)
        given = usage.prompt_token_count + usage.tool_use_prompt_token_count
        text = sum(one.token_count for one in usage.candidates_tokens_details if one.modality == "TEXT")
        # Whatever is not said to be text has the higher price of an image.
        images = max(0, usage.candidates_token_count - text)
        words = text + usage.thoughts_token_count
        return (given * GEMINI_IN + images * GEMINI_IMAGE_OUT + words * GEMINI_TEXT_OUT) / MILLION


def nearest_aspect(width: int, height: int) -> str:
    """The nearest (in logarithm) of the aspects that the API knows, such as `4:3`."""

    def distance(aspect: str) -> float:
        across, down = aspect.split(":")
        return abs(math.log(int(across) / int(down)) - math.log(width / height))

    return min(GEMINI_ASPECTS, key=distance)


def _details(error: errors.APIError) -> list[dict[str, Any]]:
    """The list `error.details` of an answer (google.rpc.ErrorInfo, RetryInfo, QuotaFailure)."""
    body = error.details if isinstance(error.details, dict) else {}
    inner = body.get("error", body)
    details = inner.get("details") if isinstance(inner, dict) else None
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []


def _told_delay_s(details: list[dict[str, Any]]) -> float | None:
    for detail in details:
        if delay := re.fullmatch(r"(\d+(?:\.\d+)?)s", str(detail.get("retryDelay", ""))):
            return float(delay[1])
    return None


def _exhausted(details: list[dict[str, Any]]) -> bool:
    """Whether what is used up is a day's or the account's quota, not that of a minute."""
    violations = [one for detail in details for one in detail.get("violations") or [] if isinstance(one, dict)]
    return any("PerDay" in str(one.get("quotaId", "")) for one in violations)
