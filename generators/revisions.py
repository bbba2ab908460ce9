"""Which version of its weights a model is run with: resolved to a commit when edits are planned, and then kept.

The commit is part of every edit's id, so a branch that moves on the Hub cannot change an edit under its id.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from editfhf.errors import BadInput, first_line, hub_faults
from editfhf.files import whole_file
from editfhf.workspace import Workspace
from generators.base import ModelEntry

KEPT = "models.json"  # in the workspace: model id → revision
UNKNOWN = "unknown"  # stands for a revision that nobody could name; no edit is made with it
WHOLLY_HASHED = 16 * 2**20  # bytes; of larger files both ends and the size are hashed


class HubSilent(BadInput):
    """The Hub gave no answer at all: no network, or none that leads there."""


def planned_revisions(
    workspace: Workspace,
    entries: Sequence[ModelEntry],
    ask_hub: bool = True,
    unresolved: dict[str, BadInput] | None = None,
) -> dict[str, str]:
    """Model id → the revision that its edits are planned with.

    What the settings say (`generate.revisions`, or a folder of weights in `generate.options`) comes first, then what
    an earlier plan resolved, then the Hub is asked; its answer is kept in the workspace.

    Args:
        ask_hub: False where others may write to the workspace at the same time: then an earlier plan must have asked.
        unresolved: gets by model why the Hub names no revision of it; that model's revision is then `UNKNOWN`.

    Raises:
        BadInput: it may not be asked and no earlier plan did; the Hub cannot be reached, does not know the repository,
            or wants its terms accepted (unless `unresolved` takes it); the settings name the commit of one repository
            where a model has two.
    """
    config = workspace.config.generate
    path = workspace.root / KEPT
    kept = _read_kept(path)
    # What was kept when the model was loaded from fewer repositories no longer says which commits it is made of.
    complete = {entry.id for entry in entries if _n_commits(kept.get(entry.id, "")) == len(repositories_of(entry))}
    found: dict[str, str] = {}
    silence = ""
    for entry in entries:
        weights = config.options.get(entry.id, {}).get("weights")
        if entry.id in config.revisions:
            found[entry.id] = config.revisions[entry.id]
            if weights is None:
                _require_all_commits(entry, found[entry.id])
        elif weights is not None:
            found[entry.id] = folder_revision(entry, weights)
        elif not entry.repository:
            found[entry.id] = entry.revision
        elif entry.id not in complete and not ask_hub:
            raise BadInput(
                f"{path} does not say with which revision {entry.id} is planned, and shares may not each ask the Hub.",
                mend=f"Run `editfhf plan -w {workspace.root}` first.",
            )
        elif entry.id in complete:
            found[entry.id] = kept[entry.id]
        else:
            try:
                if silence:  # one wait for it is enough
                    raise _no_answer(entry, entry.repository, silence)
                found[entry.id] = kept[entry.id] = hub_revision(entry)
            except BadInput as fault:
                if unresolved is None:
                    raise
                unresolved[entry.id] = fault
                found[entry.id] = UNKNOWN
                silence = first_line(fault.__cause__) if isinstance(fault, HubSilent) and fault.__cause__ else silence
    if kept != _read_kept(path):
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n")
    return found


def repositories_of(entry: ModelEntry) -> tuple[str, ...]:
    """The repositories of the Hub that a model is loaded from, in the order of the commits in its revision."""
    return (entry.repository, *entry.more_repositories) if entry.repository else ()


def hub_revision(entry: ModelEntry) -> str:
    """The commits of a model's repositories that the Hub names now, joined by `+`.

    Raises:
        BadInput: as `explain_hub_fault` says.
    """
    from huggingface_hub import HfApi

    commits = []
    for repository in repositories_of(entry):
        revision = entry.revision if repository == entry.repository else None
        try:
            commits.append(str(HfApi().model_info(repository, revision=revision, timeout=30).sha))
        except hub_faults() as error:
            raise explain_hub_fault(entry, error, repository) from error
    return "+".join(commits)


def folder_revision(entry: ModelEntry, weights: str) -> str:
    """`folder-` and 16 hex digits of a sha-256 over the names, sizes and contents of the files in a folder of weights.

    Of a file above 16 MiB only the first and last 8 MiB are read: 40 GB take seconds, and a training run that wrote
    other weights of the same size still changes both ends.

    Raises:
        BadInput: there is no such folder, or nothing is in it.
    """
    folder = Path(weights).expanduser()
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    if not files:
        raise BadInput(
            f"{entry.id}: the folder of its weights, {folder}, does not exist or is empty.",
            mend="Correct `weights` under generate.options.",
        )
    digest = hashlib.sha256()
    for path in files:
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder).as_posix()}\0{size}\0".encode())
        with path.open("rb") as file:
            digest.update(file.read(size if size <= WHOLLY_HASHED else WHOLLY_HASHED // 2))
            if size > WHOLLY_HASHED:
                file.seek(-WHOLLY_HASHED // 2, 2)
                digest.update(file.read())
    return f"folder-{digest.hexdigest()[:16]}"


def explain_hub_fault(entry: ModelEntry, error: BaseException, repository: str = "") -> BadInput:
    """What the Hub's answer, or its silence, means for the user, in one sentence.

    Args:
        repository: which was asked; default: the model's first.
    """
    from huggingface_hub import errors

    response = getattr(error, "response", None)
    cause: BaseException | None = error
    while cause is not None and response is None:  # diffusers wraps the Hub's own errors in OSError
        cause = cause.__cause__ or cause.__context__
        response = getattr(cause, "response", None)
    code = getattr(response, "status_code", None)
    repository = repository or entry.repository
    page = f"https://huggingface.co/{repository}"
    if isinstance(cause, errors.GatedRepoError) or code == 403:
        return BadInput(
            f"{entry.id}: {repository} is given only to accounts that accepted its terms.",
            mend=f"Accept them on {page}, then set HF_TOKEN (or run `hf auth login`).",
        )
    if isinstance(cause, errors.RevisionNotFoundError):
        return BadInput(
            f"{entry.id}: {repository} has no such revision{_named(entry, repository)}.",
            mend="Correct it under generate.revisions.",
        )
    if code == 401 or isinstance(cause, errors.RepositoryNotFoundError):
        return BadInput(
            f"{entry.id}: the Hub does not show {repository} to you (not there, or no valid token).",
            mend="Set HF_TOKEN to a token of an account that may read it (or run `hf auth login`).",
        )
    if code is None:
        return _no_answer(entry, repository, first_line(error))
    return BadInput(
        f"{entry.id}: {repository} cannot be had from the Hub: {first_line(error).rstrip('.')}.",
        mend="Try again later.",
    )


def why_unknown(fault: BadInput) -> str:
    """The mark of a model whose revision the Hub did not name, for a table."""
    return f"revision unknown: {'no network' if isinstance(fault, HubSilent) else 'the Hub does not name it'}"


def _no_answer(entry: ModelEntry, repository: str, words: str) -> HubSilent:
    return HubSilent(
        f"{entry.id}: {repository} cannot be had from the Hub: {words.rstrip('.')}.",
        mend=f"Check the network, or name a commit under generate.revisions and a folder of weights under "
        f"generate.options: {{{entry.id}: {{weights: FOLDER}}}}.",
    )


def _is_here(repository: str, commit: str) -> bool:
    """Whether the cache holds files of this commit: which is fetched first differs from model to model."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(repository, revision=commit, local_files_only=True))
    except LocalEntryNotFoundError:
        return False
    return any(folder.iterdir())


def _require_all_commits(entry: ModelEntry, revision: str) -> None:
    repositories = repositories_of(entry)
    if len(repositories) > 1 and _n_commits(revision) != len(repositories):
        raise BadInput(
            f"generate.revisions: {entry.id} is loaded from {' and '.join(repositories)}, and {revision!r} is not a "
            "commit of each.",
            mend="Give them in this order, joined by +, or leave the model out there: `editfhf plan` resolves them.",
        )


def _n_commits(revision: str) -> int:
    return len([commit for commit in revision.split("+") if commit])


def _named(entry: ModelEntry, repository: str) -> str:
    return f" {entry.revision!r}" if repository == entry.repository else ""


def _read_kept(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        kept = None
    if not isinstance(kept, dict) or not all(isinstance(value, str) for value in kept.values()):
        raise BadInput(
            f"{path} is damaged.", mend="Remove it: the Hub is asked again, and a model that moved gets new ids."
        )
    return kept


def hub_access(entry: ModelEntry, revision: str) -> BadInput | None:
    """What keeps this machine from loading a model's weights: None when they are here, or the Hub will give them."""
    from huggingface_hub import HfApi

    for repository, commit in zip(repositories_of(entry), revision.split("+"), strict=False):
        if _is_here(repository, commit):
            continue
        try:
            HfApi().auth_check(repository)
        except hub_faults() as error:
            return explain_hub_fault(entry, error, repository)
    return None
