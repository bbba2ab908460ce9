"""Label Studio's JSON export, read task by task: a list of gigabytes is never held whole."""

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from annotation.answers import author_of
from editfhf.errors import JobFailed

BLOCK = 1 << 20  # characters read at a time
# What a task of an export says of people beside their answers: not needed, and not kept of a file with erased people.
ABOUT_PEOPLE = ("drafts", "updated_by", "comment_authors", "predictions")


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


def write_without(path: Path, target: Path, users: Collection[int], items: Collection[str] = ()) -> None:
    """Write an export anew without the answers of some people, and without what tasks say of people beside them.

    Args:
        items: ids of items (see `editfhf.schema.Assignment`), of which the whole tasks are left out.
    """
    with target.open("w", encoding="utf-8") as file:
        file.write("[")
        kept_tasks = (task for task in read_export(path) if item_in(task.get("data")) not in items)
        for number, task in enumerate(kept_tasks):
            rest = {name: value for name, value in task.items() if name not in ABOUT_PEOPLE}
            kept = [one for one in annotations_of(task) if author_of(one) not in users]
            file.write(("," if number else "") + json.dumps(rest | {"annotations": kept}))
        file.write("]")


def answers_of(path: Path, users: Collection[int], items: Collection[str] = ()) -> int:
    """How many answers in an export are by these people, or to these items."""
    return sum(
        author_of(one) in users or item_in(task.get("data")) in items
        for task in read_export(path)
        for one in annotations_of(task)
    )


def item_in(data: Any) -> str:
    """What the data of a task (decoded JSON of any shape) is about: `Assignment.item_id`; "" for a task not ours."""
    return str(data.get("item", "")) if isinstance(data, dict) else ""


def annotations_of(task: Mapping[str, Any]) -> list[Any]:
    """The answers on a task, as the export has them (decoded JSON of any shape)."""
    annotations = task.get("annotations")
    return annotations if isinstance(annotations, list) else []


def names_anyone(path: Path, emails: Collection[str]) -> bool:
    """Whether one of these addresses stands anywhere in a file; drafts name their authors so."""
    wanted = [email.lower().encode() for email in emails]
    longest, tail = max((len(one) for one in wanted), default=0), b""
    with path.open("rb") as file:
        while wanted and (block := file.read(BLOCK)):
            text = (tail + block).lower()
            if any(one in text for one in wanted):
                return True
            tail = text[-longest:]
    return False


def _not_an_export(path: Path) -> JobFailed:
    return JobFailed(
        f"{path} is not a whole export of Label Studio: the connection broke or the server failed.",
        mend="Pull again: `editfhf annotate pull`.",
    )
