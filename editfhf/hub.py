"""Publishing a dataset or a trained run on the Hugging Face Hub: private unless asked otherwise, only its own files."""

import glob
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from editfhf.errors import BadInput, JobFailed, first_line, hub_faults
from editfhf.manifest import MANIFEST_NAME, Manifest

RUN_NAME = "run.json"
# Of a run (`refiner/runs.py`); never its checkpoints. The first three make it one.
RUN_FILES = (RUN_NAME, "weights.safetensors", "calibration.json", "history.json", "README.md", "curves.png")
NEEDED_RUN_FILES = RUN_FILES[:3]
REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
REFUSED = (401, 403)


@dataclass(frozen=True, slots=True)
class Publication:
    """What would be published: `files` are paths within the folder, with their sizes in bytes."""

    folder: Path
    kind: Literal["dataset", "model"]
    files: dict[str, int]

    @property
    def n_bytes(self) -> int:
        return sum(self.files.values())


def read_publication(folder: Path) -> Publication:
    """The files that belong to the dataset or the run in a folder.

    Raises:
        BadInput: it is neither, or not whole.
    """
    folder = folder.expanduser()
    if (folder / MANIFEST_NAME).is_file():
        listed = Manifest.read(folder).files
        publication = Publication(folder, "dataset", _sizes(folder, [*listed, MANIFEST_NAME]))
        for name, entry in listed.items():
            if publication.files[name] != entry.bytes:
                raise BadInput(
                    f"{folder / name} has {publication.files[name]} bytes, and the manifest says {entry.bytes}.",
                    mend=f"`editfhf validate {folder}` says what else is wrong; build the dataset again.",
                )
        return publication
    if (folder / RUN_NAME).is_file():
        _require_json(folder / RUN_NAME)
        names = [name for name in RUN_FILES if name in NEEDED_RUN_FILES or (folder / name).is_file()]
        return Publication(folder, "model", _sizes(folder, names))
    problem = f"is neither a dataset (no {MANIFEST_NAME}) nor a trained run (no {RUN_NAME})"
    raise BadInput(
        f"{folder} {problem if folder.is_dir() else 'is no folder'}.",
        mend="Name a folder that `editfhf build` or `editfhf train` wrote to the end.",
    )


@contextmanager
def asking_for(name: str) -> Iterator[None]:
    """Around what fetches `user/name` from the Hub: its client says nothing of its own, and a mistyped path is none.

    Raises:
        BadInput: `user` is a folder here, so that a path was meant: said at once, where the Hub is asked for long.
    """
    from huggingface_hub.utils import logging

    if Path(name.partition("/")[0]).is_dir():
        raise BadInput(f"{name} does not exist.", mend="Check the path; no name on the Hub is meant by it.")
    level = logging.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(level)


def require_repository(name: str) -> None:
    """Whether this can be the name of a repository: `user/name`.

    Raises:
        BadInput: it cannot.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
        is_valid = REPOSITORY.fullmatch(name) is not None
    except HFValidationError:
        is_valid = False
    if not is_valid:
        raise BadInput(f"{name!r} is no name of a repository.", mend="Name it as USER/NAME.")


def publish(publication: Publication, repository: str, public: bool = False) -> str:
    """Upload; run again, it goes on where it was broken off. Returns the address on the Hub.

    The token is that of the environment (`HF_TOKEN`) or of `hf auth login`; it is never shown. Of a dataset, files that
    an earlier upload had and this one has not are removed from the Hub, as they would be read with it.

    Args:
        public: everybody may read it; else only its owner. A repository that is public is not written to without.

    Raises:
        BadInput: no token, one that may not write there, or a name that is none.
        JobFailed: the Hub or the network broke it off.
    """
    from huggingface_hub import HfApi, get_token

    require_repository(repository)
    token = get_token()
    if not token:
        raise BadInput("No token for the Hub.", mend="Set HF_TOKEN to one that may write, or run `hf auth login`.")
    api = HfApi(token=token)
    try:
        url = api.create_repo(repository, repo_type=publication.kind, private=not public, exist_ok=True)
        is_private = api.repo_info(repository, repo_type=publication.kind).private
        if not public and not is_private:
            raise BadInput(f"{repository} is there already, and public.", mend="Add --public, or name another.")
        api.upload_folder(
            repo_id=repository,
            folder_path=publication.folder,
            repo_type=publication.kind,
            # Names of files, not patterns, to a function that takes patterns.
            allow_patterns=[glob.escape(name) for name in publication.files],
            delete_patterns=["data/*"] if publication.kind == "dataset" else None,
            commit_message=f"Upload the {'dataset' if publication.kind == 'dataset' else 'run'} by EditFHF",
        )
        if public and is_private:
            api.update_repo_settings(repository, private=False, repo_type=publication.kind)
    # Where one of several files is refused, the client raises a RuntimeError from what it was told.
    except (*hub_faults(), ValueError, RuntimeError) as error:  # type: ignore[misc]
        raise _said(error, repository, token) from error
    return str(url)


def _said(error: Any, repository: str, token: str) -> BadInput | JobFailed:
    error = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in REFUSED:
        return BadInput(
            f"The Hub does not let this token write to {repository} ({status}).",
            mend="Use a token with the right to write there: set HF_TOKEN, or run `hf auth login`.",
        )
    # An HTTP client may quote a header that it cannot send.
    what = first_line(error).replace(token, "…").rstrip(".")
    return JobFailed(f"Publishing to {repository} broke off: {what}.", mend="Run it again: it goes on.")


def _sizes(folder: Path, names: list[str]) -> dict[str, int]:
    sizes = {}
    for name in names:
        path = folder / name
        if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
            raise BadInput(f"{path} is missing, or lies elsewhere.", mend="Copy the whole folder, or make it again.")
        sizes[name] = path.stat().st_size
    return dict(sorted(sizes.items()))


def _require_json(path: Path) -> None:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{path} is damaged ({first_line(error)}).", mend="Train again, or copy it again.") from error
