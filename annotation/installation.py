"""Label Studio in an environment of its own: its 90 pins fight ours."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import filelock
import platformdirs

from editfhf.errors import JobFailed

VERSION = "1.23.2"
GUNICORN_VERSION = "23.0.0"
HOME_VARIABLE = "EDITFHF_LABEL_STUDIO_HOME"
# Written last, so that an installation which was killed is told from a whole one and made again.
COMPLETE = "editfhf-complete"
STARTED = "editfhf-started"
FRESH_DATABASE = "fresh/label_studio.sqlite3"


def home() -> Path:
    """The folder of the environment: `EDITFHF_LABEL_STUDIO_HOME`, or beside the user's other application data."""
    override = os.environ.get(HOME_VARIABLE)
    return (
        Path(override).expanduser()
        if override
        else Path(platformdirs.user_data_dir("editfhf")) / f"label-studio-{VERSION}"
    )


def program() -> Path:
    """The `label-studio` program."""
    return home() / "bin" / "label-studio"


def source() -> Path:
    """The folder of Label Studio's own code: its WSGI application is found from there.

    Raises:
        JobFailed: the installation has none.
    """
    for folder in home().glob("lib/python3*/site-packages/label_studio"):
        return folder
    raise JobFailed(f"{home()} holds no Label Studio.", mend="Remove the folder and run the command again.")


def install(say: Callable[[str], None]) -> None:
    """Install Label Studio where it is missing or half installed. Two installations at once wait for one another.

    Args:
        say: takes a line for the user about what takes long.

    Raises:
        JobFailed: the environment cannot be made, or pip failed; with its last line.
    """
    folder = home()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder.with_name(f"{folder.name}.lock")):
        if is_installed():
            return
        if (folder / STARTED).exists():
            shutil.rmtree(folder)  # killed half way: pip would take half a package for a whole one
        say(f"Installing Label Studio {VERSION} into {folder} (1 GB, a minute or more) …")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / STARTED).touch()
        _run([sys.executable, "-m", "venv", str(folder)], "make a Python environment")
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, f"label-studio=={VERSION}"], "install Label Studio")
        say("Preparing its database …")
        _make_fresh_database()
        (folder / COMPLETE).write_text(VERSION)
        (folder / STARTED).unlink()


def install_gunicorn(say: Callable[[str], None]) -> Path:
    """Add gunicorn (the server program for a team) to Label Studio's environment where it is missing; returns it.

    Raises:
        JobFailed: pip failed; with its last line.
    """
    gunicorn = home() / "bin" / "gunicorn"
    with filelock.FileLock(home().with_name(f"{home().name}.lock")):
        if not gunicorn.is_file():
            say(f"Installing gunicorn {GUNICORN_VERSION} into {home()} …")
            pip = [str(home() / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            _run([*pip, f"gunicorn=={GUNICORN_VERSION}"], "install gunicorn")
    return gunicorn


def is_installed() -> bool:
    return (home() / COMPLETE).is_file() and program().is_file()


def copy_fresh_database(folder: Path) -> None:
    """Give a new data folder an empty database that needs no migration (they take most of a first start)."""
    target, fresh = folder / "label_studio.sqlite3", home() / FRESH_DATABASE
    if not target.exists() and fresh.is_file():
        temporary = target.with_suffix(".tmp")
        shutil.copyfile(fresh, temporary)
        temporary.replace(target)


def server_environment(data: Path) -> dict[str, str]:
    """The environment variables of any Label Studio process: nothing of ours leaks in, nothing goes out."""
    return {
        "PATH": f"{home() / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(data),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "PYTHONUNBUFFERED": "1",
        "LABEL_STUDIO_BASE_DATA_DIR": str(data),
        "COLLECT_ANALYTICS": "False",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "LATEST_VERSION_CHECK": "False",
    }


def _make_fresh_database() -> None:
    fresh = home() / FRESH_DATABASE
    shutil.rmtree(fresh.parent, ignore_errors=True)
    fresh.parent.mkdir(parents=True)
    # Any command of Label Studio brings its database up to date first.
    _run([str(program()), "version"], "prepare Label Studio's database", server_environment(fresh.parent))


def _run(command: list[str], purpose: str, environment: dict[str, str] | None = None) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    except (subprocess.CalledProcessError, OSError) as error:
        output = getattr(error, "stderr", "") or getattr(error, "stdout", "") or str(error)
        lines = output.strip().splitlines() or [str(error)]
        raise JobFailed(
            f"Could not {purpose} in {home()}: {lines[-1].strip()}",
            mend="Mend that (network, disk, Debian's python3-venv) and run the command again.",
        ) from error
