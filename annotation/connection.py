"""HTTP to a Label Studio: the token, trying again, and whatever goes wrong in one sentence."""

import email.utils
import json
import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

# `LabelStudio` beside it adds pandas and two seconds to every command, for exports that we stream instead.
from label_studio_sdk.base_client import LabelStudioBase
from label_studio_sdk.core.api_error import ApiError

from annotation.remote import TOKEN_VARIABLE
from annotation.server import find_server, last_log_line, log_path, token_path
from editfhf.errors import BadInput, JobFailed
from editfhf.workspace import Workspace

log = logging.getLogger(__name__)

TIMEOUT_S = 600  # an import or export of a large project is one request
GET_RETRIES = 4
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0  # 1, 2, 4, 8 s, or as long as the server asks for
DOWNLOAD_BLOCK = 1 << 20
# Too many at once, a server that restarts behind its proxy, SQLite that is locked.
PASSING = {
    httpx.codes.TOO_MANY_REQUESTS, httpx.codes.INTERNAL_SERVER_ERROR, httpx.codes.BAD_GATEWAY,
    httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT,
}  # fmt: skip
Result = TypeVar("Result")


class Connection:
    """A Label Studio server, as one of its users.

    Every method raises `JobFailed` when the server dies or refuses, `BadInput` when the address or token is wrong or
    the thing asked for is gone. Reading is tried again a few times; writing never is: the first try may have been done.

    Args:
        url: without a slash at its end.
        token: a legacy token, or a personal access token, which the SDK exchanges for short-lived ones.
        is_remote: somebody else's server, not that of the workspace.
        say: takes a line for the user: that there is no answer yet, where it is waited for.
    """

    def __init__(
        self,
        url: str,
        token: str,
        workspace: Workspace,
        is_remote: bool = False,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.url, self._say = url, say
        self._workspace, self._is_remote = workspace, is_remote
        # A server elsewhere may stand behind a proxy, with an authority of one's own (SSL_CERT_FILE).
        client = httpx.Client(timeout=TIMEOUT_S, trust_env=is_remote)
        with self._said():
            # The slash: the SDK joins the address of the exchange to it as browsers do.
            sdk = LabelStudioBase(base_url=f"{url}/", api_key=token, max_retries=0, httpx_client=client)
        # The SDK's own HTTP client: it brings the token along, also one that has to be exchanged first.
        self._http = sdk._client_wrapper.httpx_client

    def get(self, path: str, also: int | None = None, **params: Any) -> Any:
        """What the server answers, from JSON; `also`: as in `request`."""
        return self._again(lambda: self._send("GET", path, also, params=params))

    def status(self, path: str) -> int:
        """What the server answers, without the rest."""

        def look() -> int:
            with self._http.stream(path, method="GET", request_options={"max_retries": 0}) as answer:
                if answer.status_code in PASSING - {httpx.codes.INTERNAL_SERVER_ERROR}:
                    answer.read()
                    raise _Refused(answer)
                return int(answer.status_code)

        return self._again(look)

    def request(self, method: str, path: str, also: int | None = None, **arguments: Any) -> Any:
        """Send once; `also`: a status that is no failure besides those of success."""
        with self._said():
            return self._send(method, path, also, **arguments)

    def download(self, path: str, params: dict[str, str], target: Path) -> None:
        """Write an answer to a file, block by block; begun anew where it breaks."""

        def fetch() -> None:
            options = {"max_retries": 0}
            with self._http.stream(path, method="GET", params=params, request_options=options) as answer:
                if answer.status_code != httpx.codes.OK:
                    answer.read()
                    raise _Refused(answer)
                with target.open("wb") as file:
                    for block in answer.iter_bytes(DOWNLOAD_BLOCK):
                        file.write(block)

        self._again(fetch)

    def _send(self, method: str, path: str, also: int | None, **arguments: Any) -> Any:
        # Never again by the SDK: it repeats what we would not.
        answer = self._http.request(path, method=method, request_options={"max_retries": 0}, **arguments)
        if answer.status_code >= httpx.codes.MULTIPLE_CHOICES and answer.status_code != also:
            raise _Refused(answer)
        return answer.json() if answer.content else None

    def _again(self, attempt: Callable[[], Result]) -> Result:
        with self._said():
            for retry in range(GET_RETRIES):
                pause = min(FIRST_PAUSE_S * 2**retry, LONGEST_PAUSE_S)
                try:
                    return attempt()
                except _Refused as refused:
                    if refused.status not in PASSING:
                        raise
                    pause = min(refused.pause_s or pause, LONGEST_PAUSE_S)
                    log.info("%s answered %d, again in %.0f s", self.url, refused.status, pause)
                except ApiError as error:  # of the exchange of tokens
                    if error.status_code not in PASSING:
                        raise
                except httpx.TransportError as error:
                    if _cause(error, ssl.SSLError, socket.gaierror) or self._has_died():
                        raise
                    log.info("%s: %s, again in %.0f s", self.url, error, pause)
                if retry == 0:
                    self._say(f"No answer from {self.url} yet, trying again …")
                time.sleep(pause)
            return attempt()

    def _has_died(self) -> bool:
        return not self._is_remote and find_server(self._workspace) is None

    # In one sentence

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except _Refused as error:
            raise self._refusal(error.status, error.text, error.location) from error
        except ApiError as error:
            raise self._refusal(error.status_code or 0, json.dumps(error.body, default=str)) from error
        except json.JSONDecodeError as error:
            raise BadInput(
                f"{self.url} does not answer as Label Studio does (a web page instead of JSON).",
                mend="Check the address: it ends before /projects or /api.",
            ) from error
        except httpx.InvalidURL as error:
            raise BadInput(f"{self.url} is no address ({error}).", mend="Check it.") from error
        except httpx.HTTPError as error:
            raise self._broken(error) from error

    def _refusal(self, status: int, text: str, location: str = "") -> BadInput | JobFailed:
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            if self._is_remote:
                reason = " (it has expired)" if "expired" in text else ""
                return BadInput(
                    f"Label Studio at {self.url} does not take the token in {TOKEN_VARIABLE}{reason}.",
                    mend="Copy one from its page Account & Settings; a legacy token only where it allows them.",
                )
            return BadInput(
                f"Label Studio at {self.url} does not take the token in {token_path(self._workspace)}.",
                mend="Put the token of one of its users there, or restore the file.",
            )
        if status == httpx.codes.NOT_FOUND:
            return BadInput(
                f"Label Studio at {self.url} no longer has what was asked for: the project or task was deleted.",
                mend="`editfhf annotate push` makes a project again.",
            )
        if httpx.codes.is_redirect(status):
            elsewhere = urlsplit(location)
            return BadInput(
                f"{self.url} sends on to {elsewhere.scheme}://{elsewhere.netloc}" + elsewhere.path[:80] + ".",
                mend="Give the address of Label Studio itself.",
            )
        said = " ".join(text.split())[:300]
        mend = f"Its log is {log_path(self._workspace)}."
        if self._is_remote:
            said = "a web page" if said.startswith("<") else said
            mend = "Run the command again: it goes on." if status in PASSING else "Ask who runs it to look at its log."
        return JobFailed(f"Label Studio at {self.url} answered {status}: {said}", mend=mend)

    def _broken(self, error: httpx.HTTPError) -> BadInput | JobFailed:
        what = str(error).strip() or type(error).__name__
        if tls := _cause(error, ssl.SSLCertVerificationError):
            return BadInput(
                f"The certificate of {self.url} cannot be trusted: {tls.verify_message.rstrip('.')}.",
                mend="Name the certificate of its authority in SSL_CERT_FILE, or have it renewed for this address.",
            )
        if _cause(error, ssl.SSLError):
            return BadInput(f"{self.url} does not speak https ({what}).", mend="Is it http, or another port?")
        if _cause(error, socket.gaierror):
            return BadInput(f"{self.url}: there is no such host.", mend="Check the address, and the network.")
        if self._has_died():
            return JobFailed(
                f"The connection to Label Studio at {self.url} broke: the server has died "
                f"({last_log_line(self._workspace)}).",
                mend=f"Start it with `editfhf annotate serve -w {self._workspace.root}` and run the command again.",
            )
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return JobFailed(f"Nothing answers at {self.url} ({what}).", mend="Is it running, and is the port right?")
        return JobFailed(
            f"The connection to Label Studio at {self.url} broke ({what}).", mend="Run the command again: it goes on."
        )


class _Refused(Exception):
    """A status that is none of success."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(answer.status_code)
        self.status, self.text = answer.status_code, answer.text
        self.location = answer.headers.get("Location", "")
        self.pause_s = _pause_s(answer.headers.get("Retry-After", ""))


def _pause_s(text: str) -> float:
    """`Retry-After` of HTTP: seconds, or a date; 0 when it says nothing."""
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return 0.0


def _cause(error: BaseException | None, *kinds: type[BaseException]) -> Any:
    """The first of these kinds among what led to an error, or None."""
    while error is not None and not isinstance(error, kinds):
        error = error.__cause__ or error.__context__
    return error
