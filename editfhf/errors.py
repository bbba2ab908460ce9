"""The two ways in which a command of EditFHF ends badly. `cli.py` alone catches them."""

import sys


class EditFHFError(Exception):
    """A sentence for the user: what is wrong and where, and in `mend` how to set it right."""

    exit_code = 1

    def __init__(self, what: str, mend: str = "") -> None:
        super().__init__(f"{what} {mend}".strip())
        self.what = what
        self.mend = mend

    def __reduce__(self) -> tuple[type["EditFHFError"], tuple[str, str]]:
        # A worker's error travels to the run that started it.
        return type(self), (self.what, self.mend)


class BadInput(EditFHFError):
    """Wrong usage or bad input: nothing was done that has to be undone. Exit code 2."""

    exit_code = 2


class JobFailed(EditFHFError):
    """The job, or an item of it, failed; what was done before is kept. Exit code 1."""

    exit_code = 1


def first_line(error: BaseException) -> str:
    """What an error of somebody else's code says, for one of our sentences: its first line, or else its class."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def hub_faults() -> tuple[type[Exception], ...]:
    """What a call of the Hub raises: its own errors, and those of the HTTP client below (httpx, lately httpx2)."""
    from huggingface_hub.errors import HfHubHTTPError

    clients = [sys.modules[name] for name in ("httpx", "httpx2") if name in sys.modules]
    return (HfHubHTTPError, OSError, *(client.HTTPError for client in clients))
