"""Reading a built dataset back, from a folder or from the Hub."""

import glob
import re
from collections.abc import Mapping
from pathlib import Path

import datasets

from editfhf.dataset_schema import FOLDERS, features_of
from editfhf.errors import BadInput, first_line, hub_faults
from editfhf.hub import asking_for
from editfhf.manifest import Manifest
from editfhf.schema import SPLITS


def load(path_or_repo: str, config: str = "default") -> datasets.DatasetDict:
    """The splits `train`, `validation` and `test` of one config of a dataset; one that has no rows is there, empty.

    Args:
        path_or_repo: a folder that `editfhf build` wrote, or `user/name` on the Hub.
        config: `default` (a row per edited image), `ratings`, `regions` or `answers`.

    Raises:
        BadInput: no such folder or dataset, unknown config.
    """
    if config not in FOLDERS:
        raise BadInput(f"Unknown config {config!r}.", mend=f"There are {', '.join(FOLDERS)}.")
    folder = Path(path_or_repo).expanduser()
    if folder.exists():
        manifest = Manifest.read(folder)
        if config not in manifest.filled_configs:
            return _with_all_splits({}, config)
        resolved = str(folder.resolve())
        if glob.escape(resolved) != resolved:
            raise BadInput(
                f"{resolved}: `datasets` takes * ? and [ in a path for a pattern.", mend="Rename the folder."
            )
        try:
            return _with_all_splits(datasets.load_dataset(resolved, config), config)
        except datasets.exceptions.DatasetsError as error:
            raise BadInput(
                f"{folder}: config {config} cannot be read: {_cause(error)}.",
                mend=f"`editfhf validate {folder}` says what is wrong with it.",
            ) from error
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", path_or_repo):
        raise BadInput(f"{path_or_repo} is neither a folder nor a name on the Hub.", mend="Name it as `user/name`.")
    try:
        with asking_for(path_or_repo):
            return _with_all_splits(datasets.load_dataset(path_or_repo, config), config)
    except (*hub_faults(), ValueError, datasets.exceptions.DatasetsError) as error:
        # Not found, no network, no such config there: the libraries below raise a different class for each.
        raise BadInput(
            f"{path_or_repo} is not a folder here, and the Hub does not give it: {_cause(error)}.",
            mend="Check the name, the network and your login.",
        ) from error


def _with_all_splits(loaded: Mapping[str, datasets.Dataset], config: str) -> datasets.DatasetDict:
    features = features_of(config)
    nothing: dict[str, list[None]] = {name: [] for name in features}
    return datasets.DatasetDict(
        {split: loaded.get(split) or datasets.Dataset.from_dict(nothing, features=features) for split in SPLITS}
    )


def _cause(error: BaseException) -> str:
    """The first line of what went wrong first."""
    while error.__cause__:
        error = error.__cause__
    return first_line(error).rstrip(".")
