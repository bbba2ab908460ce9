"""Two images of one photo and instruction, between which people choose blindly: which pairs, and on which sides."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any, Literal

from annotation.order import Thing
from annotation.published import address_of
from editfhf.schema import Edit, stable_id

Which = Literal["first", "second"]
Models = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images to choose between; files are relative to the workspace.

    Attributes:
        edit_id, other_edit_id, first_sha256, second_sha256: as in `editfhf.schema.Preference`.
        models: whose images these are, as what shares are balanced by.
        folder, name: of a pair before and after refining: which folder of pairs, and its name there; "" otherwise.
        after: its side in that folder's sheet.
    """

    pair_id: str
    edit_id: str
    other_edit_id: str
    source_file: str
    first_file: str
    second_file: str
    instruction: str
    photo: str
    models: Models
    task: str
    first_sha256: str = ""
    second_sha256: str = ""
    folder: str = ""
    name: str = ""
    after: str = ""

    def as_thing(self) -> Thing:
        return Thing(self.pair_id, self.photo, " and ".join(self.models), self.task)


def pairs_of_models(
    edits: Sequence[Edit],
    files: Mapping[str, str],
    photo_of: Mapping[str, str],
    handed_out: Collection[str] = (),
    every: bool = False,
) -> Iterator[Pair]:
    """Every pair of two models' edits of one photo and instruction; each model once, with the edit planned first.

    Of two models whose pair is handed out, that of other edits of theirs stays it: an edit that failed at first, and
    whose repeat stood in for it, may have been made since.

    Which is the first of a pair is by lot (a hash), so that `first` favours no model. Edits with the same image are no
    pair: there is nothing to choose.

    Args:
        files: source id → file of the photo; photo_of: source id → the photo that it was made from. What is not among
            them is "" in the pair.
        handed_out: ids of pairs that somebody has, or had.
        every: with every edit of a model, as may have been handed out while the one planned first had failed.
    """
    groups: defaultdict[tuple[str, str, str], dict[str, list[Edit]]] = defaultdict(lambda: defaultdict(list))
    for edit in edits:
        if not edit.parent_edit_id:
            groups[edit.source_id, edit.task, edit.instruction][edit.model].append(edit)
    for of_model in groups.values():
        for ones, others in combinations(of_model.values(), 2):
            possible = [_in_order(one, other) for one, other in product(ones, others)]
            chosen = possible if every else [pair for pair in possible if _pair_id(*pair) in handed_out]
            for first, second in chosen or possible[:1]:
                if first.image == second.image:
                    continue
                yield Pair(
                    _pair_id(first, second), first.edit_id, second.edit_id,
                    files.get(first.source_id, ""), first.image, second.image, first.instruction,
                    photo_of.get(first.source_id, ""), tuple(sorted((first.model, second.model))), first.task,
                )  # fmt: skip


def _in_order(one: Edit, other: Edit) -> tuple[Edit, Edit]:
    """The first and the second of a pair."""
    first, second = sorted((one, other), key=lambda edit: stable_id("side", edit.edit_id))
    return first, second


def _pair_id(first: Edit, second: Edit) -> str:
    return stable_id("pair", first.edit_id, second.edit_id)


def choose_pairs(pairs: Sequence[Pair], number: int, seed: int, kept: Collection[str] = ()) -> list[Pair]:
    """So many of the pairs at most, as many of each two models as there are; which, by lot.

    Two models after two others get one more pair, round by round; in the last, whoever of the models has fewest comes
    first. A larger number adds pairs, and changes none.

    Args:
        kept: ids of pairs that are handed out already: they are taken before others of their two models.
    """
    waiting: defaultdict[Models, list[Pair]] = defaultdict(list)
    # From the end, so that what comes last is taken first.
    for pair in sorted(pairs, key=lambda one: (one.pair_id in kept, stable_id(str(seed), one.pair_id))):
        waiting[pair.models].append(pair)
    chosen: list[Pair] = []
    of_model: Counter[str] = Counter()
    while waiting and len(chosen) < number:
        left = sorted(waiting, key=lambda models: stable_id(str(seed), *models))
        while left and len(chosen) < number:
            models = min(left, key=lambda one: sum(of_model[model] for model in one))
            left.remove(models)
            chosen.append(waiting[models].pop())
            of_model.update(models)
            if not waiting[models]:
                del waiting[models]
    return chosen


class Sides:
    """Which image of a pair is shown on the left: of each pair, each as often as the other, or once more; by lot."""

    def __init__(self) -> None:
        self._shown: Counter[tuple[str, Which]] = Counter()

    def note(self, pair_id: str, left: Which) -> None:
        """Somebody is shown the pair so already."""
        self._shown[pair_id, left] += 1

    def next(self, pair_id: str, item: str) -> Which:
        """How to show it next, and noted.

        Args:
            item: `Assignment.item_id`, a keyed hash: it decides where both were shown as often.
        """
        more = self._shown[pair_id, "first"] - self._shown[pair_id, "second"]
        by_lot: Which = "first" if int(item, 16) % 2 else "second"
        left: Which = by_lot if more == 0 else "second" if more > 0 else "first"
        self.note(pair_id, left)
        return left


def left_of(pair: Pair, data: Mapping[str, Any], key: str) -> Which | None:
    """Which image a task shows on the left; None where it shows others.

    Args:
        data: of the task; key: that of the pseudonyms, under which images are published.
    """
    shown = (data.get("first_image"), data.get("second_image"))
    first, second = address_of(key, pair.first_file), address_of(key, pair.second_file)
    return "first" if shown == (first, second) else "second" if shown == (second, first) else None
