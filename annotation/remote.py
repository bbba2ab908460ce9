"""A Label Studio that somebody else runs: where it is, and the token that opens it."""

import ipaddress
import json
import os
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from editfhf.errors import BadInput
from editfhf.files import whole_file
from editfhf.workspace import Workspace

URL_VARIABLE = "LABEL_STUDIO_URL"
TOKEN_VARIABLE = "LABEL_STUDIO_API_KEY"  # the names that Label Studio's own SDK uses


def remember(workspace: Workspace, url: str) -> str:
    """Let the campaign of this workspace run on the server at `url`; returns it as it is kept. Never the token.

    Raises:
        BadInput: no address of a server.
    """
    clean = check_url(url)
    workspace.annotation_dir.mkdir(parents=True, exist_ok=True)
    with whole_file(path_of(workspace), mode=0o600) as temporary:
        temporary.write_text(json.dumps({"url": clean}), encoding="utf-8")
    return clean


def settle(workspace: Workspace, url: str | None, has_projects: bool) -> None:
    """Before anything is handed out: the campaign goes on where it was begun, and its server is remembered.

    A server that has the campaign's projects is its server, by whatever address.

    Args:
        url: of the server that is about to get work; None: that of the workspace.
        has_projects: whether it has any of this campaign.

    Raises:
        BadInput: the campaign was handed out on another server.
    """
    before = remembered(workspace)
    was_pushed = (workspace.annotation_dir / "projects.json").is_file()
    if was_pushed and not has_projects and url != before:
        here = f"the Label Studio of {workspace.root}"
        raise BadInput(
            f"The campaign of {workspace.root} was handed out on {before or here}; {url or here} has nothing of it.",
            mend=f"Leave out --url and unset {URL_VARIABLE}; if the server has moved, its database has to move along.",
        )
    if url is None:
        path_of(workspace).unlink(missing_ok=True)
    elif url != before:
        remember(workspace, url)


def find_url(workspace: Workspace, url: str | None = None) -> str | None:
    """Where the campaign's server is: as `url` or `LABEL_STUDIO_URL` says, or as the last push remembered; None: here.

    Raises:
        BadInput: what is said or remembered is no address.
    """
    said = (url or os.environ.get(URL_VARIABLE, "")).strip()
    return check_url(said) if said else remembered(workspace)


def remembered(workspace: Workspace) -> str | None:
    """The address that the last push remembered; None: it was the server of the workspace, or there was no push.

    Raises:
        BadInput: the file is damaged.
    """
    path = path_of(workspace)
    if not path.is_file():
        return None
    try:
        return check_url(json.loads(path.read_text(encoding="utf-8"))["url"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{path} is damaged.", mend="Remove it, and say where the server is with --url.") from error


def token(url: str) -> str:
    """The token from the environment: it is written nowhere.

    Raises:
        BadInput: there is none.
    """
    said = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not said:
        raise BadInput(
            f"{TOKEN_VARIABLE} is not set: the token that opens Label Studio at {url}.",
            mend="Copy one from its page Account & Settings (an access token, or a legacy one).",
        )
    if not said.isascii() or len(said.split()) != 1:
        raise BadInput(f"{TOKEN_VARIABLE} is no token.", mend="Copy it again, without anything around it.")
    return said


def check_url(url: str) -> str:
    """The address of a server, without a slash at its end.

    Raises:
        BadInput: not http or https, no host, or with a name, a password or a query in it.
    """
    mend = "Such as https://label.example.org."
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadInput(f"{url!r} is no address of a Label Studio.", mend=mend) from error
    if parts.username is not None or parts.password is not None:
        # Not repeated: it may hold a password.
        raise BadInput(
            "The address of Label Studio holds a name or a password.", mend=f"Put a token in {TOKEN_VARIABLE}."
        )
    if parts.scheme not in ("http", "https") or not host or port == 0 or parts.query or parts.fragment:
        raise BadInput(f"{url!r} is no address of a Label Studio.", mend=mend)
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def warning(url: str) -> str:
    """What to tell the user about this address; "" when there is nothing to tell."""
    if urlsplit(url).scheme == "https" or is_loopback(url):
        return ""
    return f"{url} is not encrypted: the token and all answers cross the network in the clear. Use https."


def is_loopback(url: str) -> bool:
    """Whether the address never leaves this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def path_of(workspace: Workspace) -> Path:
    """Where the address is remembered; no such file: the server is that of the workspace."""
    return workspace.annotation_dir / "remote.json"
