"""Ratings of simulated campaigns with known truth: photos, edits, people with a bias and a taste for models, noise."""

import numpy as np
import pandas as pd

from editfhf.schema import DIMENSIONS

MEANS = (50.0, 50.0, 55.0, 60.0)
# Standard deviations, on 0..100.
PHOTO, PAIR, EDIT, ASPECT, BIAS, TASTE, NOISE = 8.0, 5.0, 8.0, 3.0, 8.0, 3.0, 12.0


def rated_campaign(
    rng: np.random.Generator,
    n_photos: int = 40,
    n_tasks: int = 2,
    n_people: int = 15,
    each: int = 15,
    means: tuple[float, ...] = MEANS,
    taste: float = TASTE,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ratings as in the table of that name, and the edits (edit_id, source_id, task, model).

    Every photo has every task by every model; `each` people, chosen at random, rate an edit in all dimensions.
    """
    shape = n_photos, n_tasks, len(means)
    quality = (
        np.array(means)
        + rng.normal(0, PHOTO, (n_photos, 1, 1))
        + rng.normal(0, PAIR, (n_photos, n_tasks, 1))
        + rng.normal(0, EDIT, shape)
    )[..., None] + rng.normal(0, ASPECT, (*shape, len(DIMENSIONS)))
    photo, task, model = (axis.ravel() for axis in np.indices(shape))
    n = len(photo)
    edits = pd.DataFrame({
        "edit_id": np.char.add("e", np.char.zfill(np.arange(n).astype(str), 6)),
        "source_id": np.char.add("s", np.char.zfill(photo.astype(str), 5)),
        "task": np.char.add("t", task.astype(str)),
        "model": np.char.add("m", model.astype(str)),
    })  # fmt: skip
    people = np.argsort(rng.random((n, n_people)), axis=1)[:, :each]
    own = rng.normal(0, BIAS, (n_people, 1)) + rng.normal(0, taste, (n_people, len(means)))
    quality = quality.reshape(n, len(DIMENSIONS))
    names = np.char.add("p", np.char.zfill(people.astype(str), 4)).ravel()
    tables = [
        pd.DataFrame({
            "edit_id": np.repeat(edits["edit_id"].to_numpy(), each), "annotator": names, "dimension": dimension,
            "score": (quality[:, [d]] + own[people, model[:, None]] + rng.normal(0, NOISE, people.shape)).ravel(),
        })
        for d, dimension in enumerate(DIMENSIONS)
    ]  # fmt: skip
    ratings = pd.concat(tables, ignore_index=True)
    return ratings.assign(scale_min=0.0, scale_max=100.0, check=False, screened=False), edits
