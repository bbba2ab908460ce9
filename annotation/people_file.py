"""E-mail addresses as the command line gives them: one by one, or in a file."""

from collections.abc import Iterable
from pathlib import Path

from editfhf.errors import BadInput


def addresses(given: Iterable[str]) -> list[str]:
    """Addresses, each of them given itself or on a line of a file (`#` begins a remark).

    Raises:
        BadInput: neither an address nor a text file.
    """
    found: list[str] = []
    for one in given:
        path = Path(one).expanduser()
        if "@" in one and not path.exists():
            found.append(one)
            continue
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(
                f"{one!r} is neither an e-mail address nor a text file.",
                mend="Give one, or a file with one on each line.",
            ) from error
        found += [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]
    return found
