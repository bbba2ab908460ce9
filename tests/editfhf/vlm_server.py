"""A local server that speaks OpenAI's chat completions about photos, well or badly, as scripted.

    with VlmServer([RATE_LIMITED, says("no JSON")]) as server:
        vlm = EndpointModel("some-model", server.url)

Each request takes the next behaviour of the script; when it is used up, all goes well: the answer names the mean colour
of the photo that arrived, so that one can tell which photo an instruction was written for.
"""

import base64
import io
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image

SOON = {"retry-after-ms": "5"}


@dataclass(frozen=True)
class Received:
    """A request as it arrived."""

    model: str
    colour: tuple[int, int, int]  # the mean of the photo
    size: tuple[int, int]
    prompt: str
    schema: dict[str, Any]
    authorization: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Behaviour:
    """What the server does with one request; `content` None: it answers well."""

    status: int = 200
    content: str | None = None
    refusal: str | None = None
    finish_reason: str = "stop"
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    pause_s: float = 0.0
    echo_key: bool = False


def says(content: str, **more: Any) -> Behaviour:
    return Behaviour(content=content, **more)


def lists(*instructions: tuple[str, str, str]) -> Behaviour:
    """The answer with these instructions: (task, text, target) each."""
    items = [dict(zip(("task", "instruction", "target"), one, strict=True)) for one in instructions]
    return says(json.dumps({"instructions": items}))


def fails(status: int, message: str, code: str | None = None, **headers: str) -> Behaviour:
    body = json.dumps({"error": {"message": message, "type": "error", "code": code}}).encode()
    return Behaviour(status, body=body, headers=tuple({**SOON, **headers}.items()))


OK = Behaviour()
RATE_LIMITED = fails(429, "Rate limit reached.", "rate_limit_exceeded")
QUOTA = fails(429, "You exceeded your current quota.", "insufficient_quota")
SERVER_ERROR = fails(500, "The server had an error.")
BAD_PHOTO = fails(400, "Invalid image.", "invalid_image")
POLICY = fails(400, "Your request was rejected by the safety system.", "content_policy_violation")
REFUSAL = Behaviour(refusal="I cannot help with this photo.")
FILTERED = says("", finish_reason="content_filter")
HANGS = Behaviour(pause_s=3.0)
NOT_JSON = Behaviour(body=b"<html>a proxy</html>")
NO_CHOICES = Behaviour(body=b'{"id": "x", "object": "chat.completion"}')
CUT = says('{"instructions": [{"task": "style_transfer", "instruction": "turn the ph', finish_reason="length")


def good_answer(colour: tuple[int, int, int]) -> str:
    """What the server says of a photo when all goes well; both instructions name its mean colour."""
    items = [
        {"task": "object_add", "instruction": f"add a ball of the colour {colour}", "target": ""},
        {"task": "color_change", "instruction": f"turn the patch of {colour} yellow", "target": "patch"},
    ]
    return json.dumps({"instructions": items})


class VlmServer:
    """`received`: all requests so far; `pause_s`: how long every good answer takes."""

    def __init__(self, script: Sequence[Behaviour] = (), pause_s: float = 0.0) -> None:
        self.script = list(script)
        self.pause_s = pause_s
        self.received: list[Received] = []
        self._lock = threading.Lock()

    def __enter__(self) -> "VlmServer":
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                server._answer(self)

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def colours(self) -> list[tuple[int, int, int]]:
        """Of the photos that were asked about, in order."""
        return [one.colour for one in self.received]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
        request = understand(body, handler.headers.get("authorization", ""))
        with self._lock:
            behaviour = self.script.pop(0) if self.script else OK
            self.received.append(request)
        time.sleep(behaviour.pause_s or self.pause_s)
        reply = behaviour.body if behaviour.body is not None else self._completion(behaviour, request)
        if behaviour.echo_key:
            reply = reply.replace(b"KEY", request.authorization.removeprefix("Bearer ").encode())
        try:
            handler.send_response(404 if handler.path != "/v1/chat/completions" else behaviour.status)
            for name, value in behaviour.headers:
                handler.send_header(name, value)
            handler.send_header("content-type", "application/json")
            handler.send_header("content-length", str(len(reply)))
            handler.end_headers()
            handler.wfile.write(reply)
        except OSError:  # whoever asked has gone
            handler.close_connection = True

    @staticmethod
    def _completion(behaviour: Behaviour, request: Received) -> bytes:
        content = behaviour.content
        if content is None and behaviour.refusal is None:
            content = good_answer(request.colour)
        message = {"role": "assistant", "content": content, "refusal": behaviour.refusal}
        choice = {"index": 0, "message": message, "finish_reason": behaviour.finish_reason}
        completion = {"id": "1", "object": "chat.completion", "created": 1, "model": request.model, "choices": [choice]}
        return json.dumps(completion).encode()


def understand(body: dict[str, Any], authorization: str) -> Received:
    """A request, its photo decoded; what a server that keeps to the protocol would not take is a KeyError here."""
    (message,) = body["messages"]
    picture, text = message["content"]
    kind, _, data = picture["image_url"]["url"].partition(";base64,")
    assert kind == "data:image/jpeg"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        colour = mean_colour(np.asarray(image.convert("RGB")))
        size = image.size
    schema = body["response_format"]["json_schema"]["schema"]
    return Received(body["model"], colour, size, text["text"], schema, authorization, body)


def mean_colour(pixels: np.ndarray) -> tuple[int, int, int]:
    red, green, blue = (round(float(value)) for value in pixels.reshape(-1, 3).mean(axis=0))
    return red, green, blue
