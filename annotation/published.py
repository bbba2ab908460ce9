"""Images that the server may hand out, under names that tell nothing: not what they show, not that one is a check."""

import hmac
import shutil
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from annotation.pseudonyms import Pseudonyms
from annotation.server import served_dir
from editfhf.files import whole_file
from editfhf.workspace import Workspace

FOLDER = "images"  # a storage of Label Studio cannot be the document root itself


class PublishedImages:
    """Images of one workspace as addresses within its server.

    Names are keyed hashes, so that a photo, an edit of it and a check look alike in an address.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._key = Pseudonyms.of(workspace).key.encode()
        self.folder = served_dir(workspace) / FOLDER
        self.folder.mkdir(parents=True, exist_ok=True)
        self._there = {path.name for path in self.folder.iterdir()}

    def address(self, file: str) -> str:
        """Let the server hand out one image; `file` is relative to the workspace.

        A hard link costs no disk; where links do not work, a copy.
        """
        name = _name_of(self._key, file)
        if name not in self._there:
            self._publish(file, self.folder / name)
            self._there.add(name)
        return _address_of(name)

    def withdraw(self, file: str) -> None:
        """The server hands out that image no more."""
        name = _name_of(self._key, file)
        (self.folder / name).unlink(missing_ok=True)
        self._there.discard(name)

    def _publish(self, file: str, target: Path) -> None:
        try:
            target.hardlink_to(self._workspace.path_of(file))
        except FileExistsError:
            pass
        except OSError:
            with whole_file(target) as temporary:
                shutil.copyfile(self._workspace.path_of(file), temporary)


def address_of(key: str, file: str) -> str:
    """The address under which an image is handed out, whether it is or not; `key`: that of the pseudonyms."""
    return _address_of(_name_of(key.encode(), file))


def _name_of(key: bytes, file: str) -> str:
    return hmac.new(key, file.encode(), sha256).hexdigest()[:32] + Path(file).suffix.lower()


def _address_of(name: str) -> str:
    return f"/data/local-files/?d={quote(f'{FOLDER}/{name}')}"
