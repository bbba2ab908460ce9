"""E-mail addresses as the command line gives them: one by one, or in a file."""

from collections.abc import Iterable
from pathlib import Path

from annotation.roster import is_email
from editfhf.errors import BadInput


def addresses(given: Iterable[str]) -> list[str]:
    """Addresses, each of them given itself or on a line of a file (`#` begins a remark).

    Raises:
        BadInput: neither an address nor a text file, or a line of one is no address.
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
        for number, line in enumerate(lines, start=1):
            address = line.split("#")[0].strip()
            if address and not is_email(address):
                raise BadInput(
                    f"{path}: line {number}: {address!r} is no e-mail address; nobody joined.",
                    mend="The file has one address on each line, no header and nothing else; # begins a remark.",
                )
            found += [address] if address else []
    return found
