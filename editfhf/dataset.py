"""Reading a built dataset back, from a folder or from the Hub."""

import re
from pathlib import Path

import datasets

from editfhf.dataset_schema import FOLDERS
from editfhf.errors import BadInput


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
    if folder.is_dir():
        if not (folder / "manifest.json").is_file():
            raise BadInput(f"{folder} is not a dataset (it has no manifest.json).", mend="Make one: `editfhf build`.")
        return datasets.load_dataset(str(folder.resolve()), config)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", path_or_repo):
        raise BadInput(f"{path_or_repo} is neither a folder nor a name on the Hub.", mend="Name it as `user/name`.")
    try:
        return datasets.load_dataset(path_or_repo, config)
    except (datasets.exceptions.DatasetNotFoundError, ConnectionError) as error:
        raise BadInput(
            f"{path_or_repo} is not a folder here, and the Hub does not give it: {error}",
            mend="Check the name, the network and your login.",
        ) from error
