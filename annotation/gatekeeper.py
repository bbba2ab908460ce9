"""The service behind nginx: asks Label Studio who a session belongs to, and lets pass what `annotation.wall` allows.

nginx asks it about each page and image (`/wall/check`), and sends it every call of the API: those it passes on itself,
with the fields and rows that are allowed. It listens on loopback; whoever calls it there is asked for his session, too.
"""

import argparse
import html
import json
import logging
import sys
import threading
import time
from collections.abc import Mapping
from http.cookiejar import Cookie, CookieJar
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from annotation import wall
from annotation.wall import Person, Reach
from editfhf.errors import BadInput

log = logging.getLogger("wall")

HOST = "127.0.0.1"
SESSION_MEMORY_S = 10  # whom a session belongs to need not be asked for each of a screen's thirty requests
REMEMBERED = 10_000
BODY_LIMIT = 64 << 20  # bytes; an administrator's import is the largest
TIMEOUT_S = 600
# By these Label Studio tells who asks. nginx leaves out the cookie where a token comes along: one of them alone counts.
IDENTITY = ("Cookie", "Authorization")
PASSED_ON = (*IDENTITY, "Accept", "Accept-Language", "Content-Type", "Host", "Referer", "Origin", "User-Agent",
             "X-CSRFToken", "X-Forwarded-For", "X-Forwarded-Proto")  # fmt: skip
PASSED_BACK = ("Content-Type", "Set-Cookie", "Location", "Content-Disposition", "Cache-Control", "Vary", "ETag",
               "Last-Modified", "Content-Length")  # fmt: skip


class _NoCookies(CookieJar):
    """Label Studio renews the session in its answers: of one person's nothing may go with the next one's request."""

    def extract_cookies(self, response: object, request: object) -> None:
        pass

    def set_cookie(self, cookie: Cookie) -> None:
        pass


class Gatekeeper:
    """What the service knows: the file of who may reach what, and for some seconds whose session is whose."""

    def __init__(self, file: Path, label_studio: str) -> None:
        self.file = file
        self.http = httpx.Client(
            base_url=label_studio, timeout=TIMEOUT_S, trust_env=False, follow_redirects=False, cookies=_NoCookies()
        )
        self._reach, self._stamp = Reach(), (0, 0)
        self._sessions: dict[tuple[str, ...], tuple[float, Person]] = {}
        self._lock = threading.Lock()

    def reach(self) -> Reach:
        """The newest file; while it is missing or damaged nobody reaches anything."""
        with self._lock:
            try:
                status = self.file.stat()
                stamp = (status.st_mtime_ns, status.st_ino)
                if stamp != self._stamp:
                    self._reach, self._stamp = wall.read(self.file), stamp
            except (OSError, BadInput) as error:
                log.error("%s", error)
                self._reach, self._stamp = Reach(), (0, 0)
            return self._reach

    def person(self, identity: Mapping[str, str]) -> Person | None:
        """Whose session or token this is; None: nobody's."""
        key = tuple(identity.get(name, "") for name in IDENTITY)
        if not any(key):
            return None
        now = time.monotonic()
        with self._lock:
            known = self._sessions.get(key)
            if known and known[0] > now:
                return known[1]
        row = self.ask("/api/current-user/whoami", identity)
        if not row or not isinstance(row.get("id"), int) or not row.get("email"):
            return None
        person = Person(row["id"], row["email"])
        with self._lock:
            if len(self._sessions) >= REMEMBERED:
                self._sessions.clear()
            self._sessions[key] = (now + SESSION_MEMORY_S, person)
        return person

    def ask(self, path: str, identity: Mapping[str, str]) -> dict[str, Any] | None:
        """A record of Label Studio, as the person himself may see it."""
        answer = self.http.get(path, headers=dict(identity))
        try:
            value = answer.json() if answer.status_code == httpx.codes.OK else None
        except ValueError:
            return None
        return value if isinstance(value, dict) else None


class _Records:
    """Asks Label Studio about things by their number, as the person who sent the request."""

    def __init__(self, gatekeeper: Gatekeeper, identity: Mapping[str, str]) -> None:
        self._gatekeeper, self._identity = gatekeeper, identity

    def view(self, number: int) -> dict[str, Any] | None:
        return self._gatekeeper.ask(f"/api/dm/views/{number}/", self._identity)

    def annotation(self, number: int) -> dict[str, Any] | None:
        return self._gatekeeper.ask(f"/api/annotations/{number}/", self._identity)

    def draft(self, number: int) -> dict[str, Any] | None:
        return self._gatekeeper.ask(f"/api/drafts/{number}/", self._identity)


class _Handler(BaseHTTPRequestHandler):
    gatekeeper: Gatekeeper
    server_version, sys_version = "wall", ""

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = do_GET  # noqa: N815

    def _answer(self) -> None:
        try:
            self._identity = {name: self.headers[name] for name in IDENTITY if self.headers[name]}
            person = self.gatekeeper.person(self._identity)
            if not self.path.isascii():
                self._say(400, "The address is not one.")
            elif self.path == "/wall/check":
                target = self.headers.get("X-Original-URI", "")
                self._say(self._status(person, self.headers.get("X-Original-Method", ""), target))
            elif self.path == "/wall/home":
                self._home(person)
            else:
                self._pass(person)
        except httpx.HTTPError as error:
            log.error("Label Studio does not answer: %s", error)
            self._say(502, "Label Studio does not answer.")

    def _status(self, person: Person | None, method: str, target: str) -> int:
        if person is None:
            return 401
        reach = self.gatekeeper.reach()
        records = _Records(self.gatekeeper, self._identity)
        if reach.is_admin(person) or wall.find_route(reach, person, method, target, records):
            return 204
        self._note(person, method, target)
        return 403

    def _pass(self, person: Person | None) -> None:
        """Send a call of the API on, and its answer back."""
        if not self.path.startswith("/api/"):
            return self._say(404, "There is no such page.")
        length = self.headers.get("Content-Length") or "0"
        if self.headers.get("Transfer-Encoding") or not length.isdecimal() or int(length) > BODY_LIMIT:
            return self._say(413, "The request is too large.")
        body = self.rfile.read(int(length))
        if person is None:
            return self._say(401, "Please sign in.")
        reach = self.gatekeeper.reach()
        headers = [(name, self.headers[name]) for name in PASSED_ON if self.headers[name]]
        if reach.is_admin(person):
            return self._forward(headers, body, None)
        route = wall.find_route(reach, person, self.command, self.path, _Records(self.gatekeeper, self._identity))
        clean = wall.clean_body(reach, person, route, body) if route else None
        if clean is None:
            self._note(person, self.command, self.path)
            return self._say(403, "This is not for you.")
        headers = [(name, value) for name, value in headers if name != "Content-Type"]
        return self._forward([*headers, ("Content-Type", "application/json")] if clean else headers, clean, person)

    def _forward(self, headers: list[tuple[str, str]], body: bytes, person: Person | None) -> None:
        """`person`: whose answer is filtered; None: an administrator's is not."""
        headers = [*headers, ("Accept-Encoding", "identity")]
        # As it was judged, byte for byte.
        url = self.gatekeeper.http.base_url.copy_with(raw_path=self.path.encode("ascii"))
        with self.gatekeeper.http.stream(self.command, url, headers=headers, content=body or None) as answer:
            back = [(name, value) for name in PASSED_BACK for value in answer.headers.get_list(name)]
            if person is None or answer.status_code >= httpx.codes.MULTIPLE_CHOICES:
                self._send(answer.status_code, back)
                if self.command != "HEAD":
                    for block in answer.iter_raw():
                        self.wfile.write(block)
                return
            text = answer.read()
            if "json" in answer.headers.get("Content-Type", "") and text:
                text = json.dumps(wall.filter_answer(person, self.path, json.loads(text))).encode()
            back = [(name, value) for name, value in back if name != "Content-Length"]
            self._send(answer.status_code, [*back, ("Content-Length", str(len(text)))])
            if self.command != "HEAD":
                self.wfile.write(text)

    def _home(self, person: Person | None) -> None:
        """A person's own projects; an administrator goes to Label Studio's page."""
        if person is None:
            return self._send(302, [("Location", "/user/login/?next=/")])
        if self.gatekeeper.reach().is_admin(person):
            return self._send(302, [("Location", "/projects/")])
        own = sorted(self.gatekeeper.reach().projects(person))
        names = {number: (self.gatekeeper.ask(f"/api/projects/{number}", self._identity) or {}) for number in own}
        items = "".join(
            f'<li><a href="/projects/{number}/data?labeling=1">{html.escape(str(row.get("title", number)))}</a></li>'
            for number, row in names.items()
        )
        text = f"<ul>{items}</ul>" if items else "<p>There is no work for you yet. Please ask the organiser.</p>"
        page = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Your work</title></head>'
            f'<body><h1>Your work</h1>{text}<p><a href="/logout">Sign out</a></p></body></html>'
        )
        return self._say(200, page, "text/html; charset=utf-8")

    def _say(self, status: int, text: str = "", kind: str = "text/plain; charset=utf-8") -> None:
        data = text.encode()
        self._send(status, [("Content-Type", kind), ("Content-Length", str(len(data)))])
        if self.command != "HEAD" and data:
            self.wfile.write(data)

    def _send(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()

    def _note(self, person: Person, method: str, target: str) -> None:
        # By number: the log names nobody, and no query, in which a token could stand.
        path = target.partition("?")[0][:200].encode("unicode_escape").decode()
        log.warning("shut: user %d %s %s", person.id, method, path)

    def log_message(self, format: str, *args: Any) -> None:
        """nginx keeps the access log."""


def serve(file: Path, label_studio: str, port: int) -> ThreadingHTTPServer:
    """A server of the gatekeeper on 127.0.0.1, not yet running: call its `serve_forever`."""
    handler = type("Handler", (_Handler,), {"gatekeeper": Gatekeeper(file, label_studio)})
    server = ThreadingHTTPServer((HOST, port), handler)
    server.daemon_threads = True
    return server


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m annotation.gatekeeper", description="The service of the wall.")
    parser.add_argument("--file", type=Path, required=True, help="wall.json")
    parser.add_argument("--label-studio", required=True, help="its address on this machine")
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    serve(asked.file, asked.label_studio, asked.port).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
