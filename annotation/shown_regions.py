"""Which edit each region is of that was ever handed out for a verdict.

A verdict counts by what was shown: whoever drew the region may have drawn it anew since, or have been erased.
"""

import json
from collections.abc import Mapping

from annotation.marks import FOLDER
from editfhf.errors import BadInput
from editfhf.files import whole_file
from editfhf.workspace import Workspace

FILE = "regions.json"  # beside the images of the regions


def remember(workspace: Workspace, edit_of: Mapping[str, str]) -> None:
    """Add regions (id → edit id), before anybody is shown them; none is ever taken out."""
    known = recall(workspace)
    if edit_of.items() <= known.items():
        return
    path = workspace.annotation_dir / FOLDER / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(known | dict(edit_of)), encoding="utf-8")


def recall(workspace: Workspace) -> dict[str, str]:
    """Region id → edit id.

    Raises:
        BadInput: the file is damaged.
    """
    path = workspace.annotation_dir / FOLDER / FILE
    if not path.is_file():
        return {}
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return {str(region): str(edit) for region, edit in known.items()}
    except (ValueError, AttributeError) as error:
        raise BadInput(f"{path} is damaged.", mend="Remove it and run `editfhf annotate push`.") from error
