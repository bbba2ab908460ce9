"""A small Hub on this machine: what `huggingface_hub`, diffusers and transformers were seen to ask while they resolve,
load and publish (facts of the protocol: https://huggingface.co/docs/hub/api).

    with HubServer({"someone/tiny": Repository.of(folder)}) as hub:
        use_hub(monkeypatch, hub.url, tmp_path / "cache")
"""

import base64
import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from huggingface_hub import constants

SMALL = 1000  # bytes: larger files travel apart from the commit, as "LFS" objects


@dataclass
class Repository:
    """A repository: `files` by their path in it; `commit` is what every branch points at now.

    `private` is how it is shown to others. `gate` is None (whoever has the server's token may read), `terms` (the
    account has not accepted them) or `private` (the token is missing or wrong).
    """

    files: dict[str, bytes] = field(default_factory=dict)
    commit: str = "c" * 40
    private: bool = False
    gate: str | None = None

    @classmethod
    def of(cls, folder: Path, commit: str = "a" * 40) -> "Repository":
        return cls(files_of(folder), commit)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class HubServer:
    """Repositories by name (a dataset's is `datasets/me/edits`) on a port of 127.0.0.1.

    Args:
        token: without it nothing is given or taken; None: nobody is asked for one.

    `asked` has each request's method and path. `objects` are the large files that came. `uploads_left`: how many of
    those it takes before every further one ends in an error of the server.
    """

    def __init__(self, repositories: dict[str, Repository] | None = None, token: str | None = None) -> None:
        self.repositories = {} if repositories is None else repositories
        self.token = token
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


def use_hub(monkeypatch: Any, url: str, cache: Path, token: str | None = None) -> None:
    """The clients of this process and of those that it starts ask that server, with that token or with none."""
    for name in ("HF_HUB_OFFLINE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (
        ("HF_ENDPOINT", url),
        ("HF_HUB_CACHE", str(cache)),
        ("HF_HUB_DISABLE_XET", "1"),
        ("HF_HUB_DISABLE_PROGRESS_BARS", "1"),
        ("HF_TOKEN", token),
    ):
        if value is not None:
            monkeypatch.setenv(name, value)
    for name, value in (
        ("HF_HUB_OFFLINE", False),
        ("HF_HUB_DISABLE_XET", True),
        ("ENDPOINT", url),
        ("HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}"),
        ("HF_HUB_CACHE", str(cache)),
        ("HF_TOKEN_PATH", f"{cache}/no-token"),
    ):
        monkeypatch.setattr(constants, name, value)


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
        self._body = self._read_body()
        parts = path.strip("/").split("/")
        if parts[0] == "lfs":
            return self._put_object(parts[1])
        if self.hub.token is not None and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return self._error(401, "", "Invalid username or password.")
        if parts[:3] == ["api", "repos", "create"]:
            return self._create(json.loads(self._body))
        if parts[:2] == ["api", "validate-yaml"]:
            return self._json({"errors": [], "warnings": []})
        is_api = parts[0] == "api"
        rest = parts[1:] if is_api else parts
        rest = rest[1:] if rest[0] == "models" else rest
        n = 3 if rest[0] == "datasets" else 2
        name, rest = "/".join(rest[:n]).removesuffix(".git"), rest[n:]
        repository = self.hub.repositories.get(name)
        if repository is None or repository.gate == "private":
            return self._error(404 if repository is None else 401, "RepoNotFound", "Repository not found")
        if repository.gate == "terms" and (not is_api or rest == ["auth-check"]):
            return self._error(403, "GatedRepo", "Access to this model is restricted")
        if is_api:
            return self._api(repository, name.removeprefix("datasets/"), rest)
        if rest[0] == "resolve":
            return self._file(repository, rest[1], "/".join(rest[2:]))
        assert rest == ["info", "lfs", "objects", "batch"]
        return self._uploads()

    def _create(self, asked: dict[str, Any]) -> None:
        if asked["organization"] != "me":
            return self._error(403, "", "You don't have the rights")
        name = f"{asked['organization']}/{asked['name']}"
        key = f"datasets/{name}" if asked.get("type") == "dataset" else name
        answer = {"url": f"{self.hub.url}/{key}", "name": name}
        if key in self.hub.repositories:
            return self._json(answer | {"error": "You already created this repo"}, 409)
        self.hub.repositories[key] = Repository(private=asked["visibility"] == "private")
        return self._json(answer)

    def _api(self, repository: Repository, name: str, rest: list[str]) -> None:
        what = rest[0] if rest else ""
        if what == "preupload":
            return self._json({"files": [_upload_mode(one) for one in json.loads(self._body)["files"]]})
        if what == "commit":
            return self._commit(repository)
        if what == "settings":
            repository.private = json.loads(self._body)["visibility"] == "private"
            return self._json({})
        if what == "auth-check":
            return self._json({})
        if what in ("revision", "tree") and rest[1] not in ("main", repository.commit):
            return self._error(404, "RevisionNotFound", "Invalid rev id")
        if what == "tree":
            return self._json([
                {"type": "file", "path": path, "size": len(data), "oid": _sha(data)[:40]}
                for path, data in repository.files.items()
            ])  # fmt: skip
        siblings = [{"rfilename": path} for path in repository.files]
        about = {"id": name, "modelId": name, "sha": repository.commit, "private": repository.private}
        return self._json(about | {"siblings": siblings})

    def _file(self, repository: Repository, revision: str, path: str) -> None:
        if revision not in ("main", repository.commit):
            return self._error(404, "RevisionNotFound", "Invalid rev id")
        data = repository.files.get(path)
        if data is None:
            return self._error(404, "EntryNotFound", "Entry not found")
        return self._answer(200, data, {"X-Repo-Commit": repository.commit, "ETag": f'"{_sha(data)}"'})

    def _uploads(self) -> None:
        """Where the large files go; one without `actions` counts as already there."""
        objects = []
        for one in json.loads(self._body)["objects"]:
            there = {"oid": one["oid"], "size": one["size"]}
            upload = {"actions": {"upload": {"href": f"{self.hub.url}/lfs/{one['oid']}"}}}
            objects.append(there if one["oid"] in self.hub.objects else there | upload)
        self._json({"transfer": "basic", "objects": objects})

    def _put_object(self, oid: str) -> None:
        if self.hub.uploads_left <= 0:
            return self._json({"error": "the disk is full"}, 507)
        self.hub.uploads_left -= 1
        assert _sha(self._body) == oid
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
        commit = repository.commit
        self._json({"commitUrl": f"{self.hub.url}/me/x/commit/{commit}", "commitOid": commit})

    def _read_body(self) -> bytes:
        if "chunked" not in (self.headers.get("Transfer-Encoding") or ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"} | (headers or {}))

    def _error(self, status: int, code: str, words: str) -> None:
        self._json({"error": words}, status, {"X-Error-Code": code, "X-Error-Message": words} if code else {})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _upload_mode(asked: dict[str, Any]) -> dict[str, Any]:
    mode = "regular" if asked["size"] <= SMALL else "lfs"
    return {"path": asked["path"], "uploadMode": mode, "shouldIgnore": False, "oid": None}


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
