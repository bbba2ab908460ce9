"""What was asked, done again by an editing model; an image in the size of another."""

import numpy as np
from PIL import Image

from editfhf.photo_file import source_id_of
from editfhf.schema import stable_id
from generators.base import EditModel, EditRequest
from generators.registry import registered_models
from refiner.agents import Pair
from refiner.lite.expectation import expectations, likely_task


def edited_again(pair: Pair, editor: EditModel, seed: int) -> np.ndarray | None:
    """The whole source photo edited anew, from the words alone.

    Returns:
        uint8, shape (height, width, 3), of the size that the model makes; None where it refused or failed.
    """
    source = Image.fromarray(pair.source)
    entry = registered_models().get(editor.id)
    request = EditRequest(
        edit_id=stable_id(pair.instruction, source_id_of(source)),
        source=source,
        instruction=pair.instruction,
        task=likely_task(expectations([pair.instruction])[0]),
        seed=seed,
        params=dict(entry.default_params) if entry else {},
    )
    image = editor.edit([request])[0].image
    return None if image is None else np.array(image.convert("RGB"))


def resized(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """An image in that size, in pixels: uint8, shape (height, width, 3); the same array where it has it already."""
    if image.shape[:2] == (height, width):
        return image
    return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))
