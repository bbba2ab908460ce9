"""The 43 editing tasks, read from `tasks.yaml` at first use, and the templates that instructions are made from."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any, Generic, TypeVar

import yaml

from editfhf.errors import BadInput

Value = TypeVar("Value")
FREE_SLOT = "subject"  # named by the photo; every other slot has a vocabulary
SHORTEST_PART = 3  # letters of a name that are enough to guess at the rest
MOST_SUGGESTIONS = 3


@dataclass(frozen=True, slots=True)
class Task:
    """One editing task.

    Attributes:
        id, group: such as `object_remove` and `object`.
        scope: where a correct edit may change pixels: `local` (a region), `global`, or `frame` (the frame itself).
        needs: what must be in the photo: `any`, `object`, `objects`, `person`, `outdoor`, `surface`, `text`.
        derived: the degradation that makes its source from a clean photo ("" for a photo as it is).
        example: an instruction, for people.
        templates: instructions with {slots}; none when somebody has to look at the photo to write one.
    """

    id: str
    group: str
    scope: str
    needs: str
    derived: str
    example: str
    templates: tuple[str, ...]


class _ReadOnce(Mapping[str, Value], Generic[Value]):
    """A mapping that is read when somebody first looks into it: importing this module stays cheap."""

    def __init__(self, read: Callable[[], dict[str, Value]]) -> None:
        self._read = read

    @cached_property
    def _values(self) -> dict[str, Value]:
        return self._read()

    def __getitem__(self, key: str) -> Value:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@lru_cache(maxsize=1)
def _document() -> dict[str, Any]:
    return dict(yaml.safe_load(files(__package__).joinpath("tasks.yaml").read_text(encoding="utf-8")))


def _read_tasks() -> dict[str, Task]:
    defaults: dict[str, Any] = {"derived": "", "templates": []}
    entries = [{**defaults, **entry} for entry in _document()["tasks"]]
    return {entry["id"]: Task(**{**entry, "templates": tuple(entry["templates"])}) for entry in entries}


TASKS: Mapping[str, Task] = _ReadOnce(_read_tasks)
SLOTS: Mapping[str, tuple[str, ...]] = _ReadOnce(
    lambda: {name: tuple(values) for name, values in _document()["slots"].items()}
)


def require_task(task_id: str, where: str = "") -> Task:
    """The task of this id; `where` (such as a file and line) begins the sentence when there is none.

    Raises:
        BadInput: unknown; the closest known id is named.
    """
    if task_id in TASKS:
        return TASKS[task_id]
    raise BadInput(
        f"{where}unknown task {task_id!r}.", mend=f"{did_you_mean(task_id, TASKS)}`editfhf tasks` lists all 43."
    )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`Did you mean 'deblur_enhance'? `, for what was typed as `blur`; "" where nothing is near."""
    known = list(known)
    wanted = name.casefold()
    close = difflib.get_close_matches(name, known, 1)
    # A part of a name (blur, flux2) or more than it (deblur_enhance_faces): three letters at least say something.
    if not close and len(wanted) >= SHORTEST_PART:
        close = [one for one in known if wanted in one.casefold() or one.casefold() in wanted][:MOST_SUGGESTIONS]
    return f"Did you mean {' or '.join(map(repr, close))}? " if close else ""


def slots_of(template: str) -> list[str]:
    """The names of the slots of a template, in their order."""
    return re.findall(r"{(\w+)}", template)


def fill_template(template: str, words: Mapping[str, str]) -> str:
    """A template with its slots filled; `a` before a word that begins with a vowel becomes `an`.

    Example:
        >>> fill_template("add a {colour} ball", {"colour": "orange"})
        'add an orange ball'
    """
    sentence = ""
    for index, piece in enumerate(re.split(r"{(\w+)}", template)):
        word = words[piece] if index % 2 else piece
        if index % 2 and word[:1].casefold() in set("aeiou"):
            sentence = re.sub(r"\ba $", "an ", sentence)
        sentence += word
    return sentence


def parse_slots(task_id: str, text: str) -> dict[str, str] | None:
    """What an instruction says, slot by slot: the inverse of filling a template of the task.

    {subject} may be any text, the others must be of the vocabulary. Case, a full stop and the spaces around and within
    the sentence do not matter; values are returned as the vocabulary spells them.

    Returns:
        None when the instruction follows no template of the task.

    Example:
        >>> parse_slots("color_change", "Turn the cup yellow.")
        {'subject': 'cup', 'colour': 'yellow'}
    """
    sentence = " ".join(text.split()).removesuffix(".").rstrip()
    for pattern in _patterns(task_id):
        match = pattern.fullmatch(sentence)
        if match:
            return {name: _canonical(name, value) for name, value in match.groupdict().items()}
    return None


@lru_cache(maxsize=64)
def _patterns(task_id: str) -> tuple[re.Pattern[str], ...]:
    patterns = []
    for template in TASKS[task_id].templates:
        pieces = re.split(r"{(\w+)}", template)
        parts = [
            _slot_pattern(piece) if index % 2 else re.sub(r"\ba\\ $", r"an?\\ ", re.escape(piece))
            for index, piece in enumerate(pieces)
        ]
        patterns.append(re.compile("".join(parts), re.IGNORECASE | re.ASCII))
    return tuple(patterns)


def _slot_pattern(name: str) -> str:
    if name == FREE_SLOT:
        return rf"(?P<{name}>\S(?:.*\S)?)"
    return rf"(?P<{name}>{'|'.join(sorted(map(re.escape, SLOTS[name]), key=len, reverse=True))})"


def _canonical(name: str, value: str) -> str:
    if name == FREE_SLOT:
        return value
    return next(known for known in SLOTS[name] if known.casefold() == value.casefold())
