"""Where edited images lie: a folder, or anything that fsspec reaches (`s3://bucket/campaign`)."""

import hashlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from editfhf.errors import BadInput, JobFailed, first_line
from editfhf.files import whole_file


class ImageStore:
    """Images by the hash of their bytes. What lies elsewhere is fetched once, into a cache, when a path is asked for.

    Args:
        folder: of the images; of the cache where they lie elsewhere.
        url: of the images when they lie elsewhere: `protocol://…`, as fsspec knows it.
        options: for its file system, such as `endpoint_url`. Keys come from the environment.

    Raises:
        BadInput: the protocol is unknown or its package is missing, access is denied, the bucket does not exist.
        JobFailed: the store cannot be reached (from any method).
    """

    def __init__(self, folder: Path, url: str = "", options: Mapping[str, Any] | None = None) -> None:
        self.folder = folder
        self.url = url.rstrip("/")
        self._options = dict(options or {})
        self._opened: tuple[Any, str] | None = None

    def put(self, data: bytes, extension: str) -> str:
        """Store bytes whole or not at all; returns their name, such as `ab/abcd….png`."""
        digest = hashlib.sha256(data).hexdigest()
        name = f"{digest[:2]}/{digest}.{extension}"
        if not self.url:
            path = self.folder / name
            # A file of another size was cut by something else than us: it is written again.
            if not path.is_file() or path.stat().st_size != len(data):
                path.parent.mkdir(parents=True, exist_ok=True)
                with whole_file(path) as temporary:
                    temporary.write_bytes(data)
            return name
        with self._remote() as (files, root):
            files.pipe_file(f"{root}/{name}", data)
        return name

    def names(self) -> set[str]:
        """The names of all images that are there."""
        if not self.url:
            return {f"{path.parent.name}/{path.name}" for path in self.folder.glob("??/[!.]*")}
        with self._remote() as (files, root):
            files.invalidate_cache()
            try:
                return {"/".join(path.split("/")[-2:]) for path in files.find(root)}
            except FileNotFoundError:
                return set()

    def path_of(self, name: str) -> Path:
        """The image as a local file; it does not exist when the store lacks it.

        Raises:
            BadInput: what the store gave is not what was stored under this name.
        """
        path = self.folder / name
        if self.url and not path.is_file():
            with self._remote() as (files, root):
                try:
                    data = files.cat_file(f"{root}/{name}")
                except FileNotFoundError:
                    return path
            if hashlib.sha256(data).hexdigest() != path.stem:
                raise BadInput(f"{self.url}/{name} is damaged.", mend="Delete it there and run `editfhf generate`.")
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as temporary:
                temporary.write_bytes(data)
        return path

    @contextmanager
    def _remote(self) -> Iterator[tuple[Any, str]]:
        import fsspec

        protocol = self.url.partition("://")[0]
        try:
            if self._opened is None:
                self._opened = fsspec.core.url_to_fs(self.url, **self._options)
            yield self._opened
        except (ImportError, ValueError) as error:
            raise BadInput(
                f"storage.images is {self.url!r}: {_sentence(error)}",
                mend=f"Install what fsspec needs for {protocol}:// (s3: `pip install 'editfhf[s3]'`).",
            ) from error
        except PermissionError as error:
            raise BadInput(
                f"{self.url} denies access: {_sentence(error)}",
                mend="Check the keys in the environment (AWS_ACCESS_KEY_ID …) and the rights of their account.",
            ) from error
        except FileNotFoundError as error:
            if error.args and "bucket" in str(error).lower():
                raise BadInput(
                    f"{self.url}: {_sentence(error)}", mend="Make the bucket, or correct the name."
                ) from error
            raise
        except _faults_of_clients() as error:
            raise JobFailed(
                f"{self.url} cannot be reached: {_sentence(error)}",
                mend="Check the network, then run the same command again: nothing is lost.",
            ) from error


def _faults_of_clients() -> tuple[type[Exception], ...]:
    """What the clients behind fsspec raise; boto's own are no OSErrors."""
    boto = sys.modules.get("botocore.exceptions")
    return (OSError, boto.BotoCoreError) if boto else (OSError,)


def _sentence(error: Exception) -> str:
    text = first_line(error)
    return text if text.endswith(".") else f"{text}."
