"""A Label Studio by its address: what is remembered, tokens of both kinds on the real one, and faults on the way."""

import datetime
import ipaddress
import json
import socket
import ssl
import struct
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation import connection, remote, server
from annotation.client import Client, connect
from editfhf.errors import BadInput, EditFHFError, JobFailed
from tests.annotation.conftest import own_server

TOKEN = "secret-token-of-the-test"
ME = json.dumps({"id": 1, "email": "me@example.org"})


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in (remote.URL_VARIABLE, remote.TOKEN_VARIABLE, "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    """How long the client would have waited; it does not."""
    waited: list[float] = []
    monkeypatch.setattr(connection.time, "sleep", waited.append)
    return waited


@contextmanager
def scripted(*script, tls: ssl.SSLContext | None = None):
    """A server that answers as the script says, for ever as its last step: (status, body, headers), "reset", "cut"."""
    asked: list[tuple[str, str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            step = script[min(len(asked), len(script) - 1)]
            asked.append((self.command, self.path, self.headers.get("Authorization", "")))
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if step == "reset":
                now = struct.pack("ii", 1, 0)  # closed with a reset
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
                self.connection.close()
                return
            status, body, *headers = (200, ME) if step == "cut" else step
            self.send_response(status)
            for name, value in headers[0].items() if headers else ():
                self.send_header(name, value)
            length = len(body) + 100 if step == "cut" else len(body)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None: ...
        def handle(self) -> None:
            with suppress(OSError, ValueError):
                super().handle()

    with ThreadingHTTPServer((server.HOST, 0), Handler) as running:
        if tls:
            running.socket = tls.wrap_socket(running.socket, server_side=True)
        running.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=running.serve_forever, daemon=True).start()
        try:
            yield f"{'https' if tls else 'http'}://{server.HOST}:{running.server_address[1]}", asked
        finally:
            running.shutdown()


def use(monkeypatch, url: str, token: str = TOKEN) -> None:
    monkeypatch.setenv(remote.URL_VARIABLE, url)
    monkeypatch.setenv(remote.TOKEN_VARIABLE, token)


# Where it is


def test_the_address_is_remembered_and_the_token_is_not(campaign, monkeypatch):
    assert remote.find_url(campaign) is None
    use(monkeypatch, "https://other.example.org")
    assert remote.remember(campaign, "https://label.example.org/studio/") == "https://label.example.org/studio"
    assert remote.find_url(campaign) == "https://other.example.org"  # said now
    monkeypatch.delenv(remote.URL_VARIABLE)
    assert remote.find_url(campaign) == "https://label.example.org/studio"
    assert not [
        file for file in campaign.root.rglob("*") if file.is_file() and TOKEN in file.read_text(errors="ignore")
    ]
    assert (campaign.annotation_dir / "remote.json").stat().st_mode & 0o777 == 0o600
    remote.settle(campaign, None, has_projects=False)  # handed out on this machine
    assert remote.find_url(campaign) is None


@pytest.mark.parametrize(
    "url",
    ["", "label.example.org", "ftp://x", "http://", "https://x/?a=1", "http://x:99999", "http://[::1", "http://x:0"],
)
def test_what_is_no_address_is_one_sentence(campaign, url):
    with pytest.raises(BadInput, match="no address of a Label Studio"):
        remote.remember(campaign, url)


def test_a_password_in_the_address_is_refused_and_not_repeated(campaign):
    with pytest.raises(BadInput) as caught:
        remote.remember(campaign, "https://me:hunter2@label.example.org")
    assert "hunter2" not in str(caught.value)


@given(st.text(max_size=40))
def test_no_text_breaks_the_check_of_an_address(text):
    try:
        url = remote.check_url(text)
    except BadInput:
        return
    assert remote.check_url(url) == url


def test_a_damaged_file_and_a_missing_token_are_one_sentence(campaign, monkeypatch):
    remote.remember(campaign, "https://label.example.org")
    with pytest.raises(BadInput, match="LABEL_STUDIO_API_KEY is not set"):
        connect(campaign)
    monkeypatch.setenv(remote.TOKEN_VARIABLE, "two words")
    with pytest.raises(BadInput, match="is no token"):
        connect(campaign)
    for text in ("{", "[]", '{"url": 3}', "{}"):
        (campaign.annotation_dir / "remote.json").write_text(text)
        with pytest.raises(BadInput, match="damaged"):
            connect(campaign)


def test_http_to_another_machine_is_warned_of(campaign, monkeypatch, pauses):
    for url, warned in (
        ("http://127.0.0.1:1", False), ("http://localhost:1", False), ("http://[::1]:1", False),
        ("https://label.invalid", False), ("http://label.invalid", True), ("http://127.0.0.1.nip.invalid", True),
    ):  # fmt: skip
        use(monkeypatch, url)
        said: list[str] = []
        with pytest.raises(EditFHFError):
            connect(campaign, said.append)
        assert any("in the clear" in line for line in said) is warned, url


# Faults on the way


def test_reading_is_tried_again_and_waits_longer_each_time(campaign, monkeypatch, pauses):
    faults = [(503, ""), "reset", "cut", (429, "", {"Retry-After": "7"}), (200, ME)]
    with scripted(*faults) as (url, asked):
        use(monkeypatch, url)
        assert connect(campaign).whoami() == "me@example.org"
    assert len(asked) == len(faults) + 1
    assert pauses == [1, 2, 4, 7]
    assert asked[0] == ("GET", "/api/current-user/whoami", f"Token {TOKEN}")


def test_a_pause_that_the_server_asks_for_has_a_bound(campaign, pauses):
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=2)
    when = later.strftime("%a, %d %b %Y %H:%M:%S GMT")
    faults = [(429, "", {"Retry-After": "86400"}), (503, "", {"Retry-After": when}), (502, "", {"Retry-After": "soon"})]
    with scripted(*faults, (200, ME)) as (url, _):
        Client(url, TOKEN, campaign, is_remote=True).whoami()
    assert pauses == [connection.LONGEST_PAUSE_S, connection.LONGEST_PAUSE_S, 4]


def test_reading_ends_and_says_why(campaign, pauses):
    for fault, sentence in (((503, "busy"), "answered 503: busy"), ("reset", "broke"), ((502, "<html>"), "a web page")):
        with scripted(fault) as (url, asked):
            with pytest.raises(JobFailed, match=sentence):
                Client(url, TOKEN, campaign, is_remote=True).whoami()
            assert len(asked) == connection.GET_RETRIES + 1


def test_writing_is_never_done_twice(campaign, pauses):
    for fault in ((503, ""), (429, ""), (409, ""), (500, ""), "reset", "cut"):
        with scripted(fault) as (url, asked):
            with pytest.raises(EditFHFError):
                Client(url, TOKEN, campaign, is_remote=True).import_tasks(1, [{"data": {}}])
            assert len(asked) == 1
    assert pauses == []


def test_an_export_that_breaks_in_the_middle_is_begun_anew(campaign, tmp_path, pauses):
    with scripted("cut", "cut", (200, '[{"id": 1}]')) as (url, asked):
        Client(url, TOKEN, campaign, is_remote=True).export(1, tmp_path / "export.json")
    assert (tmp_path / "export.json").read_text() == '[{"id": 1}]'
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((200, "<!doctype html><title>Sign in</title>"), "does not answer as Label Studio does"),
        ((200, "[]"), "does not answer as Label Studio does"),
        ((404, "<html>nginx</html>"), "does not answer as Label Studio does"),
        ((404, '{"detail": "Not found."}'), "does not answer as Label Studio does"),
        ((401, '{"detail": "Invalid token."}'), "does not take the token in LABEL_STUDIO_API_KEY"),
        ((403, "shut"), "does not take the token in LABEL_STUDIO_API_KEY"),
        (
            (301, "", {"Location": "https://label.example.org/x?secret=1"}),
            r"sends on to https://label\.example\.org/x\. ",
        ),
    ],
)
def test_a_wrong_address_or_token_is_one_sentence_without_the_token(campaign, monkeypatch, pauses, answer, sentence):
    with scripted(answer) as (url, asked):
        use(monkeypatch, url)
        with pytest.raises(BadInput, match=sentence) as caught:
            connect(campaign)
        assert TOKEN not in str(caught.value)
        assert len(asked) == 1


def test_nobody_there_and_no_such_host_are_one_sentence(campaign, monkeypatch, pauses):
    said: list[str] = []
    with socket.socket() as free:
        free.bind((server.HOST, 0))
        url = f"http://{server.HOST}:{free.getsockname()[1]}"
        use(monkeypatch, url)
        with pytest.raises(JobFailed, match="Nothing answers at http"):
            connect(campaign, said.append)
    assert len(pauses) == connection.GET_RETRIES
    assert said == [f"No answer from {url} yet, trying again …"]  # before the first pause, and once
    use(monkeypatch, "https://label.invalid")  # a name that never is (RFC 2606)
    pauses.clear()
    with pytest.raises(BadInput, match="there is no such host"):
        connect(campaign)
    assert pauses == []


# Certificates


def certificate(folder, host: str, days: int = 30):
    """A self-signed certificate and its key, for a host or address; expired where `days` is negative."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        alternative = x509.DNSName(host)
    signed = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=90)).not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem, secret = folder / f"{host}{days}.pem", folder / f"{host}{days}.key"
    pem.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, secret)
    return pem, context


def test_a_certificate_that_is_not_trusted_is_one_sentence_and_a_trusted_one_works(
    campaign, tmp_path, monkeypatch, pauses
):
    for host, days, why in (
        (server.HOST, 30, "self-signed certificate"),
        (server.HOST, -1, "certificate has expired"),
        ("other.example.org", 30, "IP address mismatch"),
    ):
        pem, context = certificate(tmp_path, host, days)
        if "self-signed" not in why:
            monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        with scripted((200, ME), tls=context) as (url, asked):
            use(monkeypatch, url)
            with pytest.raises(BadInput, match=f"certificate of {url} cannot be trusted: .*{why}"):
                connect(campaign)
            assert asked == []
    assert pauses == []
    pem, context = certificate(tmp_path, server.HOST)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with scripted((200, ME), tls=context) as (url, _):
        use(monkeypatch, url)
        assert connect(campaign).url == url


def test_https_to_a_server_that_speaks_http_is_one_sentence(campaign, monkeypatch, pauses):
    with scripted((200, ME)) as (url, _):
        use(monkeypatch, url.replace("http:", "https:"))
        with pytest.raises(BadInput, match="does not speak https"):
            connect(campaign)


# The real one


@own_server
@pytest.mark.server
def test_legacy_and_personal_access_tokens_open_the_real_server(served_workspace, campaign, monkeypatch):
    own = connect(served_workspace)
    own._request("POST", "api/jwt/settings", json={"api_tokens_enabled": True, "legacy_api_tokens_enabled": True})
    personal = own._request("POST", "api/token/")["token"]
    legacy = server.token_path(served_workspace).read_text()
    assert personal.count(".") == 2  # a JWT
    for token in (legacy, personal):
        use(monkeypatch, own.url, token)
        client = connect(campaign)  # another workspace: all it knows is the address
        assert client.whoami() == server.ADMIN
        assert client.users() == own.users()
    try:
        client._request(
            "POST", "api/jwt/settings", json={"api_tokens_enabled": True, "legacy_api_tokens_enabled": False}
        )
        assert connect(campaign).whoami() == server.ADMIN
        use(monkeypatch, own.url, legacy)
        with pytest.raises(BadInput, match="does not take the token in LABEL_STUDIO_API_KEY"):
            connect(campaign)
    finally:
        client._request(
            "POST", "api/jwt/settings", json={"api_tokens_enabled": True, "legacy_api_tokens_enabled": True}
        )
    client._request("POST", "api/token/blacklist/", json={"refresh": personal})
    for token in (personal, f"{personal[:-3]}abc"):
        use(monkeypatch, own.url, token)
        with pytest.raises(BadInput, match="does not take the token in LABEL_STUDIO_API_KEY"):
            connect(campaign)


@own_server
@pytest.mark.server
def test_a_folder_that_the_server_may_not_show_is_one_sentence(served_workspace, tmp_path):
    client = connect(served_workspace)
    project = client.create_project("Folder", "<View><Image name='i' value='$i'/></View>", 1)
    (tmp_path / "images").mkdir()
    with pytest.raises(BadInput, match=f"may not show the images in {tmp_path}/images"):
        client.serve_folder(project, tmp_path / "images")
    client.serve_folder(project, server.served_dir(served_workspace) / "images")
    client.delete_project(project)
