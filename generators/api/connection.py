"""What both adapters need to reach their server: options, the key, an HTTP client with a time limit."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import httpx

from editfhf import openai_protocol
from editfhf.errors import BadInput
from generators.api.attempts import ATTEMPTS, MAX_WAIT_S, Patience
from generators.base import ModelEntry

CONNECT_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Options:
    """What `load_model` takes for an API.

    Attributes:
        base_url: the server; default: the client library's own, with its environment variable.
        timeout_s: the longest that one attempt may take, from sending to the last byte of the answer.
        attempts, max_wait_s, wait: see `Patience`.
        revision: the API's name of the model; default: the one of the registry entry.
    """

    base_url: str | None = None
    timeout_s: float = 180.0
    attempts: int = ATTEMPTS
    max_wait_s: float = MAX_WAIT_S
    wait: Callable[[float], None] = time.sleep
    revision: str = ""

    @property
    def patience(self) -> Patience:
        return Patience(self.attempts, self.max_wait_s, self.wait)


def read_options(entry: ModelEntry, given: Mapping[str, Any]) -> Options:
    """Options as given, checked.

    Raises:
        BadInput: an option is unknown or out of its range.
    """
    known = [field.name for field in fields(Options)]
    for name in given:
        if name not in known:
            raise BadInput(f"{entry.id}: unknown option {name!r}.", mend=f"Known: {', '.join(known)}.")
    options = Options(**given)
    for name in ("timeout_s", "attempts"):
        value = getattr(options, name)
        if not isinstance(value, int | float) or value <= 0:
            raise BadInput(f"{entry.id}: {name} is {value!r}.", mend="Give a number above 0.")
    return options


def read_key(entry: ModelEntry) -> str:
    """The API key from the environment.

    Raises:
        BadInput: it is missing, or cannot be sent; the sentence names the variable and never shows the value.
    """
    key = openai_protocol.read_key(entry.key_variable)
    if not key:
        raise BadInput(
            f"{entry.id} needs an API key, and the environment variable {entry.key_variable} is not set.",
            mend=f"`export {entry.key_variable}=…` before the run.",
        )
    return key


def http_client(timeout_s: float) -> httpx.Client:
    """A client whose answers are whole within `timeout_s`, or end in `httpx.ReadTimeout`.

    httpx itself limits only the pause between two packets: a server that sends a byte now and then could hold a run for
    ever. Redirects are not followed, since the key would travel along.
    """

    def start(request: httpx.Request) -> None:
        request.extensions = {**request.extensions, "deadline": time.monotonic() + timeout_s}

    def watch(response: httpx.Response) -> None:
        request = response.request
        deadline = request.extensions["deadline"]
        # httpcore reads this when the body begins: a pause in the middle may last only what is left.
        request.extensions["timeout"]["read"] = max(0.001, deadline - time.monotonic())
        if isinstance(response.stream, httpx.SyncByteStream):
            response.stream = _TimedStream(response.stream, request, deadline)

    return httpx.Client(
        timeout=httpx.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s)),
        event_hooks={"request": [start], "response": [watch]},
        follow_redirects=False,
    )


class _TimedStream(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, request: httpx.Request, deadline: float) -> None:
        self._stream, self._request, self._deadline = stream, request, deadline

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            if time.monotonic() > self._deadline:
                raise httpx.ReadTimeout("the answer took too long", request=self._request)
            yield chunk

    def close(self) -> None:
        self._stream.close()
