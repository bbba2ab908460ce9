"""A small Hub of models on this machine: what `huggingface_hub` and diffusers ask while they resolve and load weights.

    with HubServer({"someone/tiny": Repository(folder, commit="a" * 40)}) as hub:
        … HF_ENDPOINT=hub.url …

Protocol: https://huggingface.co/docs/hub/api, and what the client library was seen to ask.
"""

import hashlib
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass
class Repository:
    """A repository: its files lie in `folder`; `commit` is what every branch points at now.

    `gate` is None (anyone may read), `terms` (the account has not accepted them) or `private` (the token is missing or
    wrong).
    """

    folder: Path
    commit: str = "a" * 40
    gate: str | None = None

    def files(self) -> dict[str, Path]:
        return {path.relative_to(self.folder).as_posix(): path for path in self.folder.rglob("*") if path.is_file()}


class HubServer:
    """Repositories of models on a port of 127.0.0.1. `asked` has the paths of the requests, in order."""

    def __init__(self, repositories: dict[str, Repository]) -> None:
        self.repositories = repositories
        self.asked: list[str] = []

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


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(path)
        parts = path.strip("/").split("/")
        api = parts[:2] == ["api", "models"]
        rest = parts[2:] if api else parts
        repository = self.hub.repositories.get("/".join(rest[:2]))
        if repository is None or repository.gate == "private":
            self._error(401, "RepoNotFound", "Repository not found")
        elif repository.gate == "terms" and (not api or rest[2:] == ["auth-check"]):
            self._error(403, "GatedRepo", "Access to this model is restricted")
        elif api:
            self._api(repository, "/".join(rest[:2]), rest[2:])
        else:
            self._file(repository, rest[3], "/".join(rest[4:]))

    def _api(self, repository: Repository, name: str, rest: list[str]) -> None:
        if rest == ["auth-check"]:
            return self._json({})
        if rest and rest[0] in ("revision", "tree") and rest[1] not in ("main", repository.commit):
            return self._error(404, "RevisionNotFound", "Invalid rev id")
        if rest and rest[0] == "tree":
            files = [
                {"type": "file", "path": path, "size": file.stat().st_size, "oid": _sha(file)[:40]}
                for path, file in repository.files().items()
            ]
            return self._json(files)
        siblings = [{"rfilename": path} for path in repository.files()]
        self._json({"id": name, "modelId": name, "sha": repository.commit, "private": False, "siblings": siblings})
        return None

    def _file(self, repository: Repository, revision: str, path: str) -> None:
        if revision not in ("main", repository.commit):
            return self._error(404, "RevisionNotFound", "Invalid rev id")
        file = repository.files().get(path)
        if file is None:
            return self._error(404, "EntryNotFound", "Entry not found")
        self._answer(200, file.read_bytes(), {"X-Repo-Commit": repository.commit, "ETag": f'"{_sha(file)}"'})
        return None

    def _json(self, value: Any) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _error(self, status: int, code: str, words: str) -> None:
        body = json.dumps({"error": words}).encode()
        self._answer(status, body, {"X-Error-Code": code, "X-Error-Message": words, "Content-Type": "application/json"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _sha(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
