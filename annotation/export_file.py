"""Label Studio's JSON export, read task by task: a list of gigabytes is never held whole."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from editfhf.errors import JobFailed

BLOCK = 1 << 20  # characters read at a time


def read_export(path: Path) -> Iterator[dict[str, Any]]:
    """The tasks of a JSON export, one after the other.

    Raises:
        JobFailed: it is cut short or is not a list of objects.
    """
    decoder = json.JSONDecoder()
    with path.open(encoding="utf-8") as file:
        text, position = file.read(BLOCK).lstrip(), 1
        if not text.startswith("["):
            raise _not_an_export(path)
        while True:
            while position < len(text) and text[position] in ", \t\r\n":
                position += 1
            if text[position : position + 1] == "]":
                return
            try:
                task, position = decoder.raw_decode(text, position)
            except ValueError:
                more = file.read(BLOCK)
                if not more:
                    raise _not_an_export(path) from None
                text, position = text[position:] + more, 0
                continue
            if not isinstance(task, dict):
                raise _not_an_export(path)
            yield task


def _not_an_export(path: Path) -> JobFailed:
    return JobFailed(
        f"{path} is not a whole export of Label Studio: the connection broke or the server failed.",
        mend="Pull again: `editfhf annotate pull`.",
    )
