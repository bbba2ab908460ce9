"""Vision-language models that can be asked about photos: on this machine, or behind an OpenAI-compatible endpoint."""

import base64
import io
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from PIL import Image

from editfhf.config import CONFIG_NAME, InstructConfig
from editfhf.errors import BadInput, JobFailed
from editfhf.openai_protocol import EMPTY_ACCOUNT, REFUSALS, clean_words, read_key

KEY_VARIABLE = "OPENAI_API_KEY"
# Sent where no key is set: servers on one's own machine take any, and the client insists on one.
NO_KEY = "none"
OPENAI_HOST = "api.openai.com"
REQUESTS_AT_ONCE = 4
TIMEOUT_S = 180.0
CONNECT_TIMEOUT_S = 10.0  # of the first look whether the server is there
RETRIES = 4  # of a request; the client waits as long as the server says, at most a minute or so
JPEG_QUALITY = 92  # of 100: no loss that matters to somebody who says what is on the photo, a tenth of a PNG
KEPT = "The answers so far are kept: run the same again later."


class Refused(Exception):
    """The model saw the photo and would not answer. Asking again gives the same."""


class Unanswered(Exception):
    """No answer came about this photo (an overloaded server, a time-out); a later run may get one."""


class VisionLanguageModel(Protocol):
    """Somebody who looks at images and answers in words.

    Attributes:
        name: as its maker or its server calls it.
        concurrency: how many threads may ask at once.
    """

    name: str
    concurrency: int

    def ask(self, images: Sequence[Image.Image], prompt: str, schema: dict[str, Any]) -> str:
        """The answer, word for word: JSON of this schema, if the model does what it was asked to.

        Raises:
            Refused, Unanswered: about these images; another question may be answered.
            BadInput, JobFailed: no question can be answered.
        """
        ...


def open_vlm(
    settings: InstructConfig, model: str = "", base_url: str = "", settings_file: str | Path = CONFIG_NAME
) -> VisionLanguageModel:
    """The model of the settings, or the one named here. Nothing is loaded, and nobody asked, before the first question.

    Args:
        model: a repository of the Hub, a folder, or the name that the server knows.
        base_url: of an OpenAI-compatible server, such as http://localhost:8000/v1; without one, the model runs here.
        settings_file: where the settings stand, for messages.

    Raises:
        BadInput: not a URL, or no key for OpenAI's own server.
    """
    model = model or settings.vlm_model
    given_by = "--vlm-url" if base_url else f"instruct.vlm_base_url in {settings_file}"
    base_url = base_url or settings.vlm_base_url
    if base_url:
        return EndpointModel(model, base_url, settings.vlm_params, given_by=given_by)
    from editfhf.vlm_local import LocalModel

    return LocalModel(model)


class EndpointModel:
    """A model behind any server that speaks OpenAI's chat completions with images and JSON schemas (vLLM, SGLang …).

    The key comes from the environment variable OPENAI_API_KEY alone.

    Args:
        params: more fields of each request.
        given_by: the option or setting that names the server, for messages.
    """

    concurrency = REQUESTS_AT_ONCE

    def __init__(
        self,
        name: str,
        base_url: str,
        params: Mapping[str, Any] | None = None,
        timeout_s: float = TIMEOUT_S,
        retries: int = RETRIES,
        given_by: str = "",
    ) -> None:
        self.name = name
        self._given_by = f" ({given_by})" if given_by else ""
        self._url, self._params = base_url, dict(params or {})
        self._timeout_s, self._retries = timeout_s, retries
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput(
                f"{base_url!r} {self._given_by} is not the URL of a server.", mend="Such as http://localhost:8000/v1."
            )
        self._host = parts.hostname
        self._key = read_key(KEY_VARIABLE) or NO_KEY
        if self._key == NO_KEY and self._host == OPENAI_HOST:
            raise BadInput(f"{OPENAI_HOST} needs a key.", mend=f"`export {KEY_VARIABLE}=…` before the run.")

    @cached_property
    def _client(self) -> Any:
        try:
            import openai
        except ImportError:
            raise BadInput(
                "Asking a server needs the package openai.", mend="Run `pip install 'editfhf[api]'`."
            ) from None
        self._require_server()
        return openai.OpenAI(api_key=self._key, base_url=self._url, timeout=self._timeout_s, max_retries=self._retries)

    def _require_server(self) -> None:
        """One look whether anybody is there: the client would try a wrong address again and again, photo by photo."""
        import httpx

        try:
            httpx.head(self._url, timeout=CONNECT_TIMEOUT_S)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise JobFailed(
                f"{self._url}{self._given_by} cannot be reached.",
                mend="Start the server there, or correct the address.",
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL):
            pass  # somebody is there, and will be asked properly

    def ask(self, images: Sequence[Image.Image], prompt: str, schema: dict[str, Any]) -> str:
        client = self._client
        import openai

        pictures = [{"type": "image_url", "image_url": {"url": _data_url(image)}} for image in images]
        try:
            completion = client.chat.completions.create(
                model=self.name,
                messages=[{"role": "user", "content": [*pictures, {"type": "text", "text": prompt}]}],
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "strict": True, "schema": schema},
                },
                extra_body=self._params,
            )
        except openai.APITimeoutError:
            raise Unanswered(f"{self._host} gave no answer within {self._timeout_s:g} s.") from None
        except openai.APIConnectionError:
            raise Unanswered(f"{self._url} cannot be reached any more, or broke the connection.") from None
        except openai.APIStatusError as error:
            fault: Exception = self._fault(error)
        except (openai.OpenAIError, ValueError):
            raise Unanswered(f"{self._host}: the answer cannot be read.") from None
        else:
            return self._words_of(completion)
        # Outside the handler: nothing of the server's own words, key and all, hangs on what is raised.
        raise fault

    def _words_of(self, completion: Any) -> str:
        """What a completion says; servers may leave out whatever the protocol has."""
        choices: Any = getattr(completion, "choices", None)
        message = getattr(choices[0], "message", None) if isinstance(choices, list) and choices else None
        if message is None:
            raise Unanswered(f"{self._host}: the answer holds no message.")
        refusal = getattr(message, "refusal", None)
        if refusal or getattr(choices[0], "finish_reason", None) == "content_filter":
            raise Refused(self._clean(refusal or "the content filter held the answer back."))
        if not isinstance(message.content, str):
            raise Unanswered(f"{self._host}: the answer holds no words.")
        return message.content

    def _fault(self, error: Any) -> Exception:
        """What a status other than 200 means for this photo, or for the whole run."""
        status, code = error.status_code, error.code
        body = error.body if isinstance(error.body, dict) else {}
        words = self._clean(body.get("message") or error.response.reason_phrase or f"status {status}")
        if code in REFUSALS:
            return Refused(words)
        if code in EMPTY_ACCOUNT:
            return JobFailed(
                f"{self._host}: the account is empty: {words}.",
                mend="The answers so far are kept: fill it, then run the same again.",
            )
        if status in (401, 403):
            given = "no key" if self._key == NO_KEY else f"the key in {KEY_VARIABLE}"
            return BadInput(
                f"{self._host} does not accept {given} ({status}): {words}.",
                mend=f"Set {KEY_VARIABLE} to one it knows.",
            )
        if status == 404:
            return BadInput(
                f"{self._host} has no model {self.name!r}, or nothing at that path: {words}.",
                mend="Check `--vlm-model` and `--vlm-url` (most end in /v1).",
            )
        if status == 429:
            return JobFailed(
                f"{self._host} wants fewer requests: {words}.",
                mend=KEPT,
            )
        return Unanswered(f"{self._host} ({status}): {words}")

    def _clean(self, words: object) -> str:
        """What a server said, to be followed by a full stop."""
        return clean_words(words, "" if self._key == NO_KEY else self._key).rstrip(".")


def _data_url(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "jpeg", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
