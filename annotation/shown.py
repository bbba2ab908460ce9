"""What there is to see of each item that is handed out, as the data of a task on the server."""

from collections.abc import Iterable, Mapping
from typing import Any

from annotation.checks import Check
from annotation.marks import ensure_mark
from annotation.offers import Offers
from annotation.pairs import Sides, left_of
from annotation.pseudonyms import Pseudonyms
from annotation.published import PublishedImages
from editfhf.schema import Assignment
from editfhf.workspace import Workspace


class Shown:
    """The tasks of items; an image is published, and a region outlined, when a task is made that shows it."""

    def __init__(self, workspace: Workspace, offers: Offers, checks: Iterable[Check], images: PublishedImages) -> None:
        self._workspace, self._offers, self._images = workspace, offers, images
        self._key = Pseudonyms.of(workspace).key
        self._sides = Sides()
        files = {source.source_id: source.file for source in workspace.sources()}
        self._of = {edit.edit_id: (files[edit.source_id], edit.image, edit.instruction) for edit in offers.edits}
        for check in checks:
            self._of[check.check_id] = (check.source_file, check.edited_file, check.instruction)

    def can_show(self, row: Assignment) -> bool:
        """Whether it is still there: a region may have been drawn anew, a folder of pairs removed."""
        if row.project_type == "verify":
            return row.edit_id in self._offers.lone_regions
        return row.edit_id in (self._offers.all_pairs if row.project_type == "preference" else self._of)

    def note(self, row: Assignment, data: Mapping[str, Any]) -> None:
        """A task with this data is there: of a pair, the next is shown the other way round."""
        pair = self._offers.all_pairs.get(row.edit_id) if row.project_type == "preference" else None
        left = left_of(pair, data, self._key) if pair else None
        if left:
            self._sides.note(row.edit_id, left)

    def data(self, row: Assignment) -> dict[str, str]:
        """What an annotator gets to see, and a name for it that tells nothing. Never the model: a name biases."""
        if row.project_type == "preference":
            pair = self._offers.all_pairs[row.edit_id]
            files = [pair.first_file, pair.second_file]
            left, right = files if self._sides.next(pair.pair_id, row.item_id) == "first" else files[::-1]
            shown = {"source_image": pair.source_file, "first_image": left, "second_image": right}
            instruction = pair.instruction
        else:
            region = self._offers.lone_regions[row.edit_id] if row.project_type == "verify" else None
            source, edited, instruction = self._of[region["edit_id"] if region else row.edit_id]
            shown = {"source_image": source, "edited_image": edited}
            if region:
                mark = ensure_mark(self._workspace, row.edit_id, edited, region["polygon"])
                shown = {"source_image": source, "marked_image": mark}
        addresses = {name: self._images.address(file) for name, file in shown.items()}
        return {"item": row.item_id, **addresses, "instruction": instruction}
