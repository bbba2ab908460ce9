"""The plates of a workspace as files: drawn when they are shown, gone with the person whose they are."""

from annotation.plates import Plate, plates_of
from annotation.pseudonyms import Pseudonyms
from annotation.published import PublishedImages
from editfhf.files import whole_file
from editfhf.workspace import Workspace

FOLDER = "plates"


def ensure_plate(workspace: Workspace, plate: Plate) -> str:
    """Draw a plate where it is not there yet; returns its file, relative to the workspace."""
    path = workspace.annotation_dir / FOLDER / plate.file
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            plate.picture().save(temporary, "png")
    return path.relative_to(workspace.root).as_posix()


def remove_plates(workspace: Workspace, annotator: str) -> None:
    """What was drawn for one person is there no more, nor on the server."""
    images = PublishedImages(workspace)
    for plate in plates_of(Pseudonyms.of(workspace).key, annotator):
        path = workspace.annotation_dir / FOLDER / plate.file
        if path.is_file():
            images.withdraw(path.relative_to(workspace.root).as_posix())
            path.unlink()
