"""What there is to see of each item that is handed out, as the data of a task on the server."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from annotation.checks import Check
from annotation.entrance import consent_of
from annotation.interface import CONSENT_TEXT
from annotation.marks import ensure_mark
from annotation.offers import Offers
from annotation.pairs import Sides, left_of
from annotation.plate_files import ensure_plate
from annotation.plates import Plate, plates_of
from annotation.pseudonyms import Pseudonyms
from annotation.published import PublishedImages
from annotation.worklist import ADMISSION
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
        if row.role == ADMISSION:
            return True
        if row.project_type == "verify":
            return row.edit_id in self._offers.lone_regions
        return row.edit_id in (self._offers.all_pairs if row.project_type == "preference" else self._of)

    def note(self, row: Assignment, data: Mapping[str, Any]) -> None:
        """A task with this data is there: of a pair, the next is shown the other way round."""
        pair = self._offers.all_pairs.get(row.edit_id) if row.project_type == "preference" else None
        left = left_of(pair, data, self._key) if pair else None
        if left:
            self._sides.note(row.edit_id, left)

    def publish(self, rows: Iterable[Assignment]) -> None:
        """Let the server have the images of all: those of tasks that are there may be missing after a move."""
        shown = [row for row in rows if self.can_show(row)]
        # What is shown at the entrance is each person's own.
        of = {(row.project_type, row.annotator if row.role == ADMISSION else row.edit_id): row for row in shown}
        for row in of.values():
            for file in self._files_of(row):
                self._images.address(file)

    def an_image(self, row: Assignment) -> str:
        """The address of one of the images of an item, which the server must be able to show; "" where it has none."""
        files = self._files_of(row)
        return self._images.address(files[-1]) if files else ""

    def data(self, row: Assignment) -> dict[str, str]:
        """What an annotator gets to see, and a name for it that tells nothing. Never the model: a name biases."""
        if row.role == ADMISSION:
            return {"item": row.item_id, **self._entrance(row)}
        source, *judged = self._files_of(row)
        if row.project_type == "preference":
            is_first_left = self._sides.next(row.edit_id, row.item_id) == "first"
            left, right = judged if is_first_left else reversed(judged)
            shown = {"source_image": source, "first_image": left, "second_image": right}
        else:
            name = "marked_image" if row.project_type == "verify" else "edited_image"
            shown = {"source_image": source, name: judged[0]}
        addresses = {name: self._images.address(file) for name, file in shown.items()}
        return {"item": row.item_id, **addresses, "instruction": self._instruction_of(row)}

    def _files_of(self, row: Assignment) -> tuple[str, ...]:
        """The photo, then what is judged; a region is outlined here, and plates are drawn."""
        if row.role == ADMISSION:
            return tuple(ensure_plate(self._workspace, plate) for plate in self._plates(row))
        if row.project_type == "preference":
            pair = self._offers.all_pairs[row.edit_id]
            return pair.source_file, pair.first_file, pair.second_file
        if row.project_type == "verify":
            region = self._offers.lone_regions[row.edit_id]
            source, edited, _ = self._of[region["edit_id"]]
            return source, ensure_mark(self._workspace, row.edit_id, edited, region["polygon"])
        return self._of[row.edit_id][:2]

    def _plates(self, row: Assignment) -> list[Plate]:
        return plates_of(self._key, row.annotator) if self._workspace.config.annotation.vision_check else []

    def _entrance(self, row: Assignment) -> dict[str, str]:
        """Consent text and plates, at their size in pixels of CSS."""
        settings = self._workspace.config.annotation
        shown = {CONSENT_TEXT: consent_of(self._workspace, settings.vision_check)} if settings.consent else {}
        for plate, file in zip(self._plates(row), self._files_of(row), strict=True):
            address, size = escape(self._images.address(file)), plate.css_size
            shown[plate.control] = f'<img src="{address}" width="{size}" height="{size}" alt="{plate.sort}"/>'
        return shown

    def _instruction_of(self, row: Assignment) -> str:
        if row.project_type == "preference":
            return self._offers.all_pairs[row.edit_id].instruction
        thing = self._offers.lone_regions[row.edit_id]["edit_id"] if row.project_type == "verify" else row.edit_id
        return self._of[thing][2]
