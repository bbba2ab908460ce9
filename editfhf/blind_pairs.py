"""A folder of image pairs to choose from blindly: written by the refiner, answered by people, in Label Studio or not.

```
DIR/
  key.json       which side is which, and what both images were; not for those who choose
  hand-out/      for each person
    pairs.csv    pair, instruction, source, left, right, and preferred, to be filled with left, right or tie
    images/      PNG files whose names say nothing
  NAME.csv …     filled copies of pairs.csv, one for each person
```
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from editfhf.errors import BadInput, first_line

KEY_FILE, PAIRS_FILE = "key.json", "pairs.csv"
HAND_OUT, IMAGES = "hand-out", "images"
COLUMNS = ("pair", "instruction", "source", "left", "right", "preferred")
CHOICES = ("left", "right", "tie")


class KeyOfEdit(BaseModel):
    """One edit that was refined.

    Attributes:
        pair: its name in `pairs.csv`; "" where refining changed nothing, so that nobody had to be asked.
        after: the side of the image after refining.
        before_sha256, after_sha256: of the pixels of both images (`refiner.inputs.pixels_hash`).
    """

    model_config = ConfigDict(extra="forbid")

    edit_id: str
    pair: str
    after: Literal["left", "right", ""]
    before_sha256: str
    after_sha256: str


class Key(BaseModel):
    """`key.json`: which side is which, of which run, with which editor."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1  # raise it when an older program could not read the key
    dataset: str
    run: str
    editor: str
    seed: int
    edits: list[KeyOfEdit]


def read_key(path: Path) -> Key:
    """The key of a folder of pairs.

    Raises:
        BadInput: it is not there, cannot be read or is damaged.
    """
    try:
        return Key.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BadInput(f"{path} is not there.", mend="Name the folder that `editfhf pairs` wrote.") from error
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise BadInput(f"{path} is damaged: {where}: {error.errors()[0]['msg']}.", mend="Copy it again.") from error
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {first_line(error)}.", mend="Copy it again.") from error
