"""A local server that speaks OpenAI's Images API and the Gemini API, well or badly, as scripted.

    with EditingServers() as server:
        server.behave([RATE_LIMITED(retry_after="1"), SERVER_ERROR, OK])
        model = load_model("gpt-image", base_url=server.openai_url)

Each request takes the next behaviour of the script; when it is used up, all goes well: the answer is `framed(photo,
instruction)`, so that an answer tells which request it belongs to. What arrived is in `server.received`.
"""

import base64
import hashlib
import io
import json
import re
import struct
import threading
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image

QUALITIES = ("low", "medium", "high", "xhigh", "max", "auto")
OPENAI_FIELDS = {"model", "image", "prompt", "size", "quality", "background", "output_format", "n", "input_fidelity"}
ASPECTS = {"1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9", "1:4", "4:1", "1:8", "8:1"}
# Usage that the server reports, whatever the photo: the tests know what it must cost.
OPENAI_USAGE = {"text": 40, "image": 1024, "output": 1756}
GEMINI_USAGE = {"prompt": 1100, "image": 1120, "text": 10, "thoughts": 200}


@dataclass(frozen=True)
class Behaviour:
    """What the server does with one request. Called with changes, it gives a changed copy: `REFUSAL(words="No.")`."""

    kind: str
    words: str = ""
    status: int = 200
    retry_after: str = ""
    stage: str = ""

    def __call__(self, **changes: Any) -> "Behaviour":
        return replace(self, **changes)


OK = Behaviour("ok")
REFUSAL = Behaviour("refusal", "Your request was rejected by the safety system.", 400)  # before anything is made
OUTPUT_REFUSAL = Behaviour("output_refusal", "The image was held back.", 400)  # when it was made already
TEXT_ONLY = Behaviour("text_only", "I would rather not edit this photo.")  # Gemini: words and no image
NO_IMAGE = Behaviour("no_image")  # an answer with neither
OUT_OF_TOKENS = Behaviour("out_of_tokens")  # Gemini: finishReason MAX_TOKENS
RATE_LIMITED = Behaviour("rate_limited", "Rate limit reached.", 429)
QUOTA = Behaviour("quota", "You exceeded your current quota.", 429)
SERVER_ERROR = Behaviour("error", "The server had an error.", 500)
OVERLOADED = Behaviour("error", "The model is overloaded.", 503)
BAD_REQUEST = Behaviour("error", "The prompt is too long.", 400)
UNKNOWN_MODEL = Behaviour("error", "The model does not exist.", 404)
FORBIDDEN = Behaviour("error", "Your organization must be verified.", 403)
WRONG_KEY = Behaviour("wrong_key", status=401)
HANG = Behaviour("hang")  # takes the request and never answers
HALF_HANG = Behaviour("half_hang")  # stops in the middle of the answer
TRICKLE = Behaviour("trickle")  # answers well, but a byte at a time
CUT_BODY = Behaviour("cut_body")  # closes the connection in the middle of the answer
CUT_JSON = Behaviour("cut_json")  # half of the answer, as if it were the whole
NOT_JSON = Behaviour("not_json")  # a proxy's page
NOT_AN_IMAGE = Behaviour("not_an_image")
HALF_AN_IMAGE = Behaviour("half_an_image")
BOMB = Behaviour("bomb")  # a small file that claims 3,600 million pixels


@dataclass(frozen=True)
class Received:
    """A request as it arrived and was understood."""

    api: str
    model: str
    instruction: str
    photo: Image.Image
    fields: dict[str, Any] = field(default_factory=dict)


class Malformed(Exception):
    """The real server would answer 400 to this request."""


def framed(photo: Image.Image, instruction: str) -> Image.Image:
    """The photo with a frame whose colour is a hash of the instruction."""
    pixels = np.asarray(photo.convert("RGB")).copy()
    width = max(1, min(photo.size) // 16)
    colour = list(hashlib.sha256(instruction.encode()).digest()[:3])
    inside = pixels[width:-width, width:-width].copy()
    pixels[:] = colour
    pixels[width:-width, width:-width] = inside
    return Image.fromarray(pixels)


class EditingServers:
    """Both APIs on one port of 127.0.0.1.

    Attributes:
        key: what must arrive as the key; "": any.
        received: the requests that were understood, in the order of their arrival.
        requests: how many came at all.
        openai_url, gemini_url: for `base_url`, or OPENAI_BASE_URL and GOOGLE_GEMINI_BASE_URL.
    """

    def __init__(self, key: str = "") -> None:
        self.key = key
        self.received: list[Received] = []
        self.requests = 0
        self.closing = threading.Event()
        self._script: list[Behaviour] = []
        self._lock = threading.Lock()

    def __enter__(self) -> "EditingServers":
        handler = type("Handler", (_Handler,), {"servers": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def gemini_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def openai_url(self) -> str:
        return f"{self.gemini_url}/v1"

    def behave(self, script: Sequence[Behaviour]) -> None:
        """What to do with the next requests, one each; after them all goes well again."""
        with self._lock:
            self._script = list(script)

    def next_behaviour(self) -> Behaviour:
        with self._lock:
            self.requests += 1
            return self._script.pop(0) if self._script else OK

    def record(self, received: Received) -> None:
        with self._lock:
            self.received.append(received)


class _Handler(BaseHTTPRequestHandler):
    servers: EditingServers
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        behaviour = self.servers.next_behaviour()
        if self.path == "/v1/images/edits":
            speech: _Speech = _OpenAI(self.headers.get("Authorization", "").removeprefix("Bearer "))
        elif called := re.fullmatch(r"/v1(?:beta)?/models/([\w.-]+):generateContent", self.path):
            speech = _Gemini(self.headers.get("x-goog-api-key", ""))
            speech.model = called[1]
        else:
            self._send(404, {"error": {"message": f"No such path: {self.path}"}})
            return
        if not speech.key or self.servers.key not in ("", speech.key):
            behaviour = WRONG_KEY
        try:
            received = speech.understand(self.headers.get("Content-Type", ""), body)
        except Malformed as error:
            self._send(400, speech.error(Behaviour("error", str(error), 400)))
            return
        self.servers.record(received)
        try:
            self._answer(speech, received, behaviour)
        except OSError:  # the client did not wait
            self.close_connection = True

    def _answer(self, speech: "_Speech", received: Received, behaviour: Behaviour) -> None:
        if behaviour.kind == "hang":
            self.servers.closing.wait(60)
            self.close_connection = True
            return
        if behaviour.kind in ("rate_limited", "quota", "error", "wrong_key"):
            self._send(speech.status(behaviour), speech.error(behaviour), speech.headers(behaviour))
            return
        image = png(framed(received.photo, received.instruction))
        if behaviour.kind == "not_an_image":
            image = b"This is not an image."
        elif behaviour.kind == "half_an_image":
            image = image[: len(image) // 2]
        elif behaviour.kind == "bomb":
            image = bomb()
        status, answer = speech.answer(behaviour, image)
        self._send(status, answer, how=behaviour.kind)

    def _send(self, status: int, answer: Any, headers: dict[str, str] | None = None, how: str = "") -> None:
        body = json.dumps(answer).encode()
        if how == "trickle":
            body = b" " * 100 + body
        elif how == "cut_json":
            body = body[: len(body) // 2]
        elif how == "not_json":
            body = b"<html>Bad luck</html>"
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if how == "not_json" else "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if how in ("cut_body", "half_hang"):
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            if how == "half_hang":
                self.servers.closing.wait(60)
            self.close_connection = True
            return
        if how == "trickle":
            for _ in range(100):
                self.wfile.write(b" ")
                self.wfile.flush()
                time.sleep(0.06)
            self.wfile.write(body[100:])
            return
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class _Speech:
    """One of the two protocols, for one request."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.model = ""

    def understand(self, content_type: str, body: bytes) -> Received:
        raise NotImplementedError

    def status(self, behaviour: Behaviour) -> int:
        return behaviour.status

    def headers(self, behaviour: Behaviour) -> dict[str, str]:  # noqa: ARG002
        return {}

    def error(self, behaviour: Behaviour) -> Any:
        raise NotImplementedError

    def answer(self, behaviour: Behaviour, image: bytes) -> tuple[int, Any]:
        raise NotImplementedError


class _OpenAI(_Speech):
    def understand(self, content_type: str, body: bytes) -> Received:
        fields = _form(content_type, body)
        photos = [value for name, value in fields.items() if name in ("image", "image[]")]
        texts = {name: value.decode() for name, value in fields.items() if name not in ("image", "image[]")}
        for name in ("model", "prompt"):
            if not texts.get(name):
                raise Malformed(f"Missing required parameter: '{name}'.")
        for name in texts:
            if name not in OPENAI_FIELDS:
                raise Malformed(f"Unknown parameter: '{name}'.")
        if texts.get("quality", "auto") not in QUALITIES:
            raise Malformed(f"Invalid value: '{texts['quality']}'.")
        if len(photos) != 1:
            raise Malformed("Missing required parameter: 'image'.")
        photo = _decoded(photos[0])
        if texts.get("size", "auto") != f"{photo.width}x{photo.height}":
            raise Malformed(f"This server wants the photo at the size asked for, and got {photo.size}.")
        return Received("openai", texts["model"], texts["prompt"], photo, texts)

    def headers(self, behaviour: Behaviour) -> dict[str, str]:
        return {"Retry-After": behaviour.retry_after} if behaviour.retry_after else {}

    def error(self, behaviour: Behaviour) -> Any:
        code: str | None = {"rate_limited": "rate_limit_exceeded", "quota": "insufficient_quota"}.get(behaviour.kind)
        words = behaviour.words
        if behaviour.kind == "wrong_key":
            code, words = "invalid_api_key", f"Incorrect API key provided: {self.key[:8]}****{self.key[-4:]}."
        if behaviour.status == 404:
            code = "model_not_found"
        return {"error": {"message": words, "type": "error", "param": None, "code": code}}

    def answer(self, behaviour: Behaviour, image: bytes) -> tuple[int, Any]:
        if behaviour.kind in ("refusal", "output_refusal"):
            stage = "input" if behaviour.kind == "refusal" else "output"
            error = {"message": behaviour.words, "type": "image_generation_user_error", "code": "moderation_blocked"}
            return 400, {"error": {**error, "param": None, "moderation_details": {"moderation_stage": stage}}}
        usage = {
            "input_tokens": OPENAI_USAGE["text"] + OPENAI_USAGE["image"],
            "input_tokens_details": {"text_tokens": OPENAI_USAGE["text"], "image_tokens": OPENAI_USAGE["image"]},
            "output_tokens": OPENAI_USAGE["output"],
            "total_tokens": sum(OPENAI_USAGE.values()),
        }
        data = [] if behaviour.kind == "no_image" else [{"b64_json": base64.b64encode(image).decode()}]
        return 200, {"created": 1_800_000_000, "output_format": "png", "data": data, "usage": usage}


class _Gemini(_Speech):
    def understand(self, content_type: str, body: bytes) -> Received:
        if content_type.split(";")[0] != "application/json":
            raise Malformed(f"Unsupported content type: {content_type}.")
        asked = json.loads(body)
        parts = [part for content in asked["contents"] for part in content["parts"]]
        photos = [_from_base64(part["inlineData"]["data"]) for part in parts if "inlineData" in part]
        texts = [part["text"] for part in parts if "text" in part]
        config = asked.get("generationConfig", {})
        image = config.get("imageConfig", {})
        if len(photos) != 1 or len(texts) != 1:
            raise Malformed("This server wants one photo and one text.")
        if image.get("aspectRatio", "1:1") not in ASPECTS or image.get("imageSize", "1K") not in ("1K", "2K", "4K"):
            raise Malformed(f"Invalid imageConfig: {image}.")
        photo = _decoded(photos[0])
        across, down = (int(side) for side in image["aspectRatio"].split(":"))
        if photo.width * down != photo.height * across:
            raise Malformed(f"This server wants the photo in the aspect asked for, and got {photo.size}.")
        if "IMAGE" not in config.get("responseModalities", []):
            raise Malformed("responseModalities lacks IMAGE.")
        if not -(2**31) <= config.get("seed", 0) < 2**31:
            raise Malformed("seed is not an int32.")
        return Received("gemini", self.model, texts[0], photo, config)

    def status(self, behaviour: Behaviour) -> int:
        return 400 if behaviour.kind == "wrong_key" else behaviour.status

    def error(self, behaviour: Behaviour) -> Any:
        status = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}
        details: list[dict[str, Any]] = []
        words = behaviour.words
        if behaviour.kind == "wrong_key":
            words = "API key not valid. Please pass a valid API key."
            details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
        if behaviour.status == 429:
            quota = "GenerateRequestsPerDayPerProject" if behaviour.kind == "quota" else "RequestsPerMinute"
            details = [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota}]}]
        if behaviour.retry_after:  # Google says it in the body
            delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{behaviour.retry_after}s"}
            details.append(delay)
        code = self.status(behaviour)
        return {"error": {"code": code, "message": words, "status": status.get(code, "INTERNAL"), "details": details}}

    def answer(self, behaviour: Behaviour, image: bytes) -> tuple[int, Any]:
        answer: dict[str, Any] = {"modelVersion": f"{self.model}-10-2026", "responseId": "1"}
        usage: dict[str, Any] = {"promptTokenCount": GEMINI_USAGE["prompt"]}
        if behaviour.kind == "refusal":
            answer["promptFeedback"] = {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": behaviour.words}
            return 200, {**answer, "usageMetadata": usage}
        usage["thoughtsTokenCount"] = GEMINI_USAGE["thoughts"]
        ending = {"output_refusal": "IMAGE_SAFETY", "no_image": "NO_IMAGE", "out_of_tokens": "MAX_TOKENS"}
        candidate: dict[str, Any] = {"index": 0, "finishReason": ending.get(behaviour.kind, "STOP")}
        candidate["content"] = {"role": "model", "parts": []}
        if behaviour.kind == "output_refusal":
            candidate["finishMessage"] = behaviour.words
        elif behaviour.kind == "text_only":
            candidate["content"]["parts"] = [{"text": behaviour.words}]
        elif behaviour.kind not in ending:
            draft = base64.b64encode(png(Image.new("RGB", (8, 8), "red"))).decode()
            data = base64.b64encode(image).decode()
            candidate["content"]["parts"] = [
                {"thought": True, "inlineData": {"mimeType": "image/png", "data": draft}},
                {"text": "Here is your photo."},
                {"inlineData": {"mimeType": "image/png", "data": data}},
            ]
            made = {"IMAGE": GEMINI_USAGE["image"], "TEXT": GEMINI_USAGE["text"]}
            usage["candidatesTokenCount"] = sum(made.values())
            usage["candidatesTokensDetails"] = [{"modality": key, "tokenCount": made[key]} for key in made]
        return 200, {**answer, "candidates": [candidate], "usageMetadata": usage}


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()


def bomb(side: int = 60_000) -> bytes:
    """A PNG of some hundred bytes that claims side × side pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    lines = zlib.compress(bytes(10_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


def _form(content_type: str, body: bytes) -> dict[str, bytes]:
    """The fields of multipart/form-data (RFC 7578)."""
    if not content_type.startswith("multipart/form-data") or "boundary=" not in content_type:
        raise Malformed(f"Unsupported content type: {content_type}.")
    boundary = content_type.split("boundary=")[1].strip('"').encode()
    fields = {}
    for piece in body.split(b"--" + boundary)[1:-1]:
        head, _, value = piece.partition(b"\r\n\r\n")
        name = head.split(b'name="')[1].split(b'"')[0].decode()
        fields[name] = value.removesuffix(b"\r\n")
    return fields


def _from_base64(text: str) -> bytes:
    """Google takes both alphabets of RFC 4648, and its client sends the one for URLs."""
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except ValueError as error:
        raise Malformed("Base64 decoding failed.") from error


def _decoded(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=["PNG"]).convert("RGB")
    except (OSError, SyntaxError) as error:
        raise Malformed("Invalid image file.") from error
