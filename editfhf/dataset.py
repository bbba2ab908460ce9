"""Reading a built dataset back, from a folder or from the Hub."""

import re
from pathlib import Path

import datasets
import httpx

from editfhf.dataset_schema import FOLDERS
from editfhf.errors import BadInput
from editfhf.manifest import Manifest


def load(path_or_repo: str, config: str = "default") -> datasets.DatasetDict:
    """The splits `train`, `validation` and `test` of one config of a dataset.

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
        Manifest.read(folder)
        try:
            return datasets.load_dataset(str(folder.resolve()), config)
        except datasets.exceptions.DatasetsError as error:
            raise BadInput(
                f"{folder}: config {config} cannot be read: {_cause(error)}.",
                mend=f"`editfhf validate {folder}` says what is wrong with it.",
            ) from error
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", path_or_repo):
        raise BadInput(f"{path_or_repo} is neither a folder nor a name on the Hub.", mend="Name it as `user/name`.")
    try:
        return datasets.load_dataset(path_or_repo, config)
    except (OSError, ValueError, httpx.HTTPError, datasets.exceptions.DatasetsError) as error:
        # Not found, no network, no such config there: the libraries below raise a different class for each.
        raise BadInput(
            f"{path_or_repo} is not a folder here, and the Hub does not give it: {_cause(error)}.",
            mend="Check the name, the network and your login.",
        ) from error


def _cause(error: BaseException) -> str:
    """The first line of what went wrong first."""
    while error.__cause__:
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
