"""The Label Studio server of a workspace: starts it in the background on loopback, finds it again, stops it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from annotation import database, installation, remote
from editfhf.errors import BadInput, JobFailed
from editfhf.files import whole_file, write_secret
from editfhf.workspace import Workspace

HOST = "127.0.0.1"
DEFAULT_PORT = 8080
ADMIN = "admin@editfhf.local"
# A first start takes some 15 s, on a busy machine a minute; migrations of an old database take longer.
START_LIMIT_S = 300
STOP_LIMIT_S = 15


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server process: `started` (seconds since the epoch) tells it from a later process with the same number."""

    url: str
    pid: int
    started: float


def serve(workspace: Workspace, say: Callable[[str], None], port: int | None = None) -> RunningServer:
    """Start the server of this workspace, or find it running.

    Args:
        say: takes a line for the user about what takes long.
        port: on 127.0.0.1; without one the last of this workspace, or 8080, or any that is free.

    Raises:
        BadInput: the port is in use; the database is damaged, or of a newer Label Studio; the campaign is elsewhere.
        JobFailed: Label Studio cannot be installed, or died at its start; with the last line of its log.
    """
    _require_here(workspace)
    installation.install(say)
    with workspace.lock("annotate serve"):
        running = find_server(workspace)
        if running is None:
            if left := _find_left_behind(workspace):
                say(f"The workspace was moved while its server ran (process {left.pid}): it is started anew.")
                _end(left)
            running = _start(workspace, _choose_port(workspace, port), say)
        elif port is not None and running.url != _url(port):
            raise BadInput(
                f"The server of {workspace.root} is running already, at {running.url}.",
                mend=f"Leave out --port, or stop it first: `editfhf annotate serve -w {workspace.root} --stop`.",
            )
        _wait_until_up(workspace, running, say)
        return running


def stop(workspace: Workspace) -> bool:
    """Stop the server; False when none was running."""
    running = find_server(workspace) or _find_left_behind(workspace)
    if running is None:
        return False
    _end(running)
    return True


def _end(running: RunningServer) -> None:
    with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
        process = psutil.Process(running.pid)
        os.killpg(running.pid, signal.SIGTERM)  # it leads a group of its own
        _, alive = psutil.wait_procs([process], STOP_LIMIT_S)
        if alive:
            os.killpg(running.pid, signal.SIGKILL)
            psutil.wait_procs(alive, STOP_LIMIT_S)


def find_server(workspace: Workspace) -> RunningServer | None:
    """The server of this workspace, if its process lives."""
    state = _read_state(workspace)
    if state is not None and _serves(state.pid, workspace) == state.started:
        return state
    # The command may have been killed after the start of the server and before it was noted.
    for process in psutil.process_iter(["pid", "name"]):
        if "label-studio" in (process.info["name"] or "") or "python" in (process.info["name"] or ""):
            started = _serves(process.pid, workspace)
            port = _port_of(process) if started else None
            if started and port:
                state = RunningServer(_url(port), process.pid, started)
                _write_state(workspace, state)
                return state
    return None


def describe(workspace: Workspace) -> dict[str, Any]:
    """`server` (`running`, `does not answer`, `not running`), its `url`, `pid`, start (`since`) and `log`."""
    running = find_server(workspace)
    row: dict[str, Any] = {"server": "not running", "url": None, "pid": None, "since": None}
    if running is not None:
        since = datetime.fromtimestamp(running.started, UTC).isoformat(timespec="seconds")
        row = {"server": "running" if is_up(running.url) else "does not answer", "url": running.url}
        row |= {"pid": running.pid, "since": since}
    return row | {"log": str(log_path(workspace))}


def credentials(workspace: Workspace) -> tuple[str, str]:
    """The name and password with which a person signs in (file `annotation/credentials.json`)."""
    values = json.loads(credentials_path(workspace).read_text(encoding="utf-8"))
    return values["username"], values["password"]


def credentials_path(workspace: Workspace) -> Path:
    return workspace.annotation_dir / "credentials.json"


def token_path(workspace: Workspace) -> Path:
    return workspace.annotation_dir / "token"


def data_dir(workspace: Workspace) -> Path:
    """Label Studio's own files: its database and its key."""
    return workspace.annotation_dir / "label-studio"


def served_dir(workspace: Workspace) -> Path:
    """All that the server may hand out: images, nothing else. Every signed-in user can read every file below it."""
    return workspace.annotation_dir / "served"


def log_path(workspace: Workspace) -> Path:
    """What the server says since its last start; before that it is in the file `….log.1`."""
    return workspace.annotation_dir / "label-studio.log"


def _start(workspace: Workspace, port: int, say: Callable[[str], None]) -> RunningServer:
    data = data_dir(workspace)
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o700)
    (served_dir(workspace) / "images").mkdir(parents=True, exist_ok=True)
    database.prepare(data, say)
    environment = installation.server_environment(data) | _secrets(workspace) | {
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(served_dir(workspace)),
    }  # fmt: skip
    command = [
        str(installation.program()), "start", "--no-browser", "--internal-host", HOST, "--port", str(port),
        "--log-level", "WARNING",
    ]  # fmt: skip
    path = log_path(workspace)
    if path.exists():
        path.replace(path.with_name(f"{path.name}.1"))  # why the last one died may still be asked
    path.touch(mode=0o600)
    with path.open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=data, env=environment, start_new_session=True
        )
    running = RunningServer(_url(port), process.pid, psutil.Process(process.pid).create_time())
    _write_state(workspace, running)
    return running


def _secrets(workspace: Workspace) -> dict[str, str]:
    """Generated once; they reach the server by its environment: arguments stand in every process list."""
    if not credentials_path(workspace).is_file():
        password = write_secret(workspace.annotation_dir / "password")
        write_secret(credentials_path(workspace), json.dumps({"username": ADMIN, "password": password}))
        (workspace.annotation_dir / "password").unlink()
    if not token_path(workspace).is_file():
        write_secret(token_path(workspace))
    username, password = credentials(workspace)
    return {
        "LABEL_STUDIO_USERNAME": username,
        "LABEL_STUDIO_PASSWORD": password,
        "LABEL_STUDIO_USER_TOKEN": token_path(workspace).read_text(encoding="utf-8"),
    }


def _wait_until_up(workspace: Workspace, running: RunningServer, say: Callable[[str], None]) -> None:
    deadline, told = time.monotonic() + START_LIMIT_S, False
    while True:
        if is_up(running.url):
            return
        if not _alive(running.pid):
            raise JobFailed(
                f"Label Studio died at its start: {last_log_line(workspace)} (log: {log_path(workspace)}).",
                mend="Mend that and run the command again.",
            )
        if time.monotonic() > deadline:
            raise JobFailed(
                f"Label Studio did not answer at {running.url} within {START_LIMIT_S} s (log: {log_path(workspace)}).",
                mend=f"Stop it with `editfhf annotate serve -w {workspace.root} --stop` and try again.",
            )
        if not told:
            say("Starting Label Studio (the first time up to a minute) …")
            told = True
        time.sleep(0.3)


def is_up(url: str) -> bool:
    """Whether a Label Studio answers there."""
    try:
        answer = httpx.get(f"{url}/health", timeout=5, trust_env=False)
        return answer.status_code == 200 and answer.json().get("status") == "UP"
    except (httpx.HTTPError, ValueError, AttributeError):
        return False


def log_lines(workspace: Workspace, most: int) -> list[str]:
    """What the server said last, in so many lines at most.

    Raises:
        BadInput: it was never started.
    """
    path = log_path(workspace)
    if not path.is_file():
        raise BadInput(
            f"{path} does not exist: the server of {workspace.root} was never started.",
            mend=f"Start it with `editfhf annotate serve -w {workspace.root}`.",
        )
    with path.open(encoding="utf-8", errors="replace") as file:
        return [line.rstrip() for line in deque((line for line in file if line.strip()), maxlen=most)]


def last_log_line(workspace: Workspace) -> str:
    """What the server said last."""
    lines = log_lines(workspace, 1) if log_path(workspace).is_file() else []
    return lines[-1].strip() if lines else "it said nothing"


def _require_here(workspace: Workspace) -> None:
    """Whether the campaign's server is that of the workspace: what starts here would stay empty otherwise."""
    url = remote.find_url(workspace)
    running = find_server(workspace)
    if url is not None and (running is None or running.url != url):
        raise BadInput(
            f"The campaign of {workspace.root} has its server at {url}: one on this machine would stay empty.",
            mend=_mend_elsewhere(workspace, url),
        )


def _mend_elsewhere(workspace: Workspace, url: str) -> str:
    if remote.remembered(workspace) != url:
        return f"{remote.URL_VARIABLE} says so: unset it to use the server of this workspace."
    kept = remote.path_of(workspace)
    return (
        f"If {url} was this workspace's own server by another name, remove {kept} and run this again; otherwise use "
        f"the server there (`editfhf annotate push -w {workspace.root}`), or a workspace not pushed to it."
    )


def _choose_port(workspace: Workspace, wished: int | None) -> int:
    if wished is not None:
        if not _is_free(wished):
            raise BadInput(
                f"Port {wished} is in use by another program.",
                mend="Name another, or leave out --port to get a free one.",
            )
        return wished
    for port in (_last_port(workspace), DEFAULT_PORT):
        if port and _is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server itself does: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    # A program that listens on all addresses leaves 127.0.0.1 free to bind on some systems.
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) != 0


def _last_port(workspace: Workspace) -> int | None:
    try:
        return int(json.loads(_state_path(workspace).read_text(encoding="utf-8"))["url"].rsplit(":", 1)[1])
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def _serves(pid: int, workspace: Workspace) -> float | None:
    """When the process started, if it is the server of this workspace."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        ours = process.environ().get("LABEL_STUDIO_BASE_DATA_DIR") == str(data_dir(workspace))
        return process.create_time() if ours else None
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None


def _find_left_behind(workspace: Workspace) -> RunningServer | None:
    """The server that was started before the folder of the workspace was moved: it still writes into its files.

    Not that of a workspace of which this one is a copy: its folder is where it was.
    """
    state = _read_state(workspace)
    if state is None:
        return None
    try:
        process = psutil.Process(state.pid)
        folder = process.environ().get("LABEL_STUDIO_BASE_DATA_DIR")
        if folder is None or process.create_time() != state.started or process.status() == psutil.STATUS_ZOMBIE:
            return None
        ours = not Path(folder).exists() or Path(folder).samefile(data_dir(workspace))
        return state if ours else None
    except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
        return None


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _port_of(process: psutil.Process) -> int | None:
    try:
        arguments = process.cmdline()
        return int(arguments[arguments.index("--port") + 1])
    except (psutil.NoSuchProcess, psutil.AccessDenied, ValueError, IndexError):
        return None


def _url(port: int) -> str:
    return f"http://{HOST}:{port}"


def _state_path(workspace: Workspace) -> Path:
    return workspace.annotation_dir / "server.json"


def _read_state(workspace: Workspace) -> RunningServer | None:
    """What was noted at the start; None where nothing was, or it is damaged."""
    try:
        return RunningServer(**json.loads(_state_path(workspace).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _write_state(workspace: Workspace, running: RunningServer) -> None:
    with whole_file(_state_path(workspace), mode=0o600) as temporary:
        temporary.write_text(json.dumps(asdict(running)))
