"""A small Hub on this machine that takes uploads: what `huggingface_hub` was seen to ask (facts of the protocol:
https://huggingface.co/docs/hub/api), for models and datasets, with one token.

    with HubServer(token="hf_secret") as hub:
        use_hub(monkeypatch, hub.url, token="hf_secret")
"""

import base64
import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from huggingface_hub import constants

SMALL = 1000  # bytes: larger files travel apart from the commit, as "LFS" objects
COMMIT = "c" * 40


@dataclass
class Repository:
    private: bool
    files: dict[str, bytes] = field(default_factory=dict)


class HubServer:
    """Repositories by (kind, name), such as ("dataset", "me/edits"); `asked` has each request's method and path.

    `uploads_left`: how many large files it takes before every further one ends in an error of the server.
    """

    def __init__(self, token: str) -> None:
        self.token = token
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.uploads_left = 1_000_000

    def __enter__(self) -> "HubServer":
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"


def use_hub(monkeypatch: Any, url: str, cache: str, token: str | None) -> None:
    """This process's client asks that server, with that token or with none."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", url)
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    for name, value in (
        ("HF_HUB_OFFLINE", False),
        ("HF_HUB_DISABLE_XET", True),
        ("ENDPOINT", url),
        ("HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}"),
        ("HF_HUB_CACHE", cache),
        ("HF_TOKEN_PATH", f"{cache}/no-token"),
    ):
        monkeypatch.setattr(constants, name, value)
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
    if token is None:
        monkeypatch.delenv("HF_TOKEN", raising=False)
    else:
        monkeypatch.setenv("HF_TOKEN", token)


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._route()

    def do_GET(self) -> None:
        self._route()

    def do_POST(self) -> None:
        self._route()

    def do_PUT(self) -> None:
        self._route()

    def _route(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        self._body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "chunked" in (self.headers.get("Transfer-Encoding") or ""):
            self._body = self._read_chunks()
        parts = path.strip("/").split("/")
        if parts[0] == "lfs":
            return self._put_object(parts[1])
        if self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return self._json({"error": "Invalid username or password."}, 401)
        if parts[:3] == ["api", "repos", "create"]:
            return self._create(json.loads(self._body))
        if parts[:2] == ["api", "validate-yaml"]:
            return self._json({"errors": [], "warnings": []})
        is_api = parts[0] == "api"
        rest = parts[1:] if is_api else parts
        kind = "dataset" if rest[0] == "datasets" else "model"
        if rest[0] in ("datasets", "models"):
            rest = rest[1:]
        name = "/".join(rest[:2]).removesuffix(".git")
        repository = self.hub.repositories.get((kind, name))
        if repository is None:
            return self._json({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
        return self._api(repository, name, rest[2:]) if is_api else self._git(repository, rest[2:])

    def _create(self, asked: dict[str, Any]) -> None:
        key = (asked.get("type") or "model", f"{asked['organization']}/{asked['name']}")
        if asked["organization"] != "me":
            return self._json({"error": "You don't have the rights"}, 403)
        prefix = "datasets/" if key[0] == "dataset" else ""
        answer = {"url": f"{self.hub.url}/{prefix}{key[1]}", "name": key[1]}
        if key in self.hub.repositories:
            return self._json(answer | {"error": "You already created this repo"}, 409)
        self.hub.repositories[key] = Repository(asked["visibility"] == "private")
        return self._json(answer)

    def _api(self, repository: Repository, name: str, rest: list[str]) -> None:
        if rest[:1] == ["preupload"]:
            files = [
                {
                    "path": one["path"],
                    "uploadMode": "regular" if one["size"] <= SMALL else "lfs",
                    "shouldIgnore": False,
                    "oid": None,
                }
                for one in json.loads(self._body)["files"]
            ]
            return self._json({"files": files})
        if rest[:1] == ["commit"]:
            return self._commit(repository)
        if rest[:1] == ["settings"]:
            repository.private = json.loads(self._body)["visibility"] == "private"
            return self._json({})
        if rest[:1] == ["tree"]:
            return self._json([
                {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha256(data).hexdigest()[:40]}
                for path, data in repository.files.items()
            ])  # fmt: skip
        siblings = [{"rfilename": path} for path in repository.files]
        return self._json(
            {"id": name, "modelId": name, "sha": COMMIT, "private": repository.private, "siblings": siblings}
        )

    def _git(self, repository: Repository, rest: list[str]) -> None:
        if rest[:4] == ["info", "lfs", "objects", "batch"]:
            objects = [
                {"oid": one["oid"], "size": one["size"]}
                | (
                    {}  # without actions it counts as already there
                    if one["oid"] in self.hub.objects
                    else {"actions": {"upload": {"href": f"{self.hub.url}/lfs/{one['oid']}"}}}
                )
                for one in json.loads(self._body)["objects"]
            ]
            return self._json({"transfer": "basic", "objects": objects})
        assert rest[0] == "resolve"
        data = repository.files.get("/".join(rest[2:]))
        if data is None:
            return self._json({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"})
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}
        return self._answer(200, data, headers)

    def _put_object(self, oid: str) -> None:
        if self.hub.uploads_left <= 0:
            return self._json({"error": "the disk is full"}, 507)
        self.hub.uploads_left -= 1
        assert hashlib.sha256(self._body).hexdigest() == oid
        self.hub.objects[oid] = self._body
        return self._answer(200, b"", {})

    def _commit(self, repository: Repository) -> None:
        for line in self._body.splitlines():
            one = json.loads(line)
            value = one["value"]
            if one["key"] == "file":
                repository.files[value["path"]] = base64.b64decode(value["content"])
            elif one["key"] == "lfsFile":
                repository.files[value["path"]] = self.hub.objects[value["oid"]]
            elif one["key"] == "deletedFile":
                del repository.files[value["path"]]
        self._json({"commitUrl": f"{self.hub.url}/me/x/commit/{COMMIT}", "commitOid": COMMIT})

    def _read_chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"} | (headers or {}))

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
