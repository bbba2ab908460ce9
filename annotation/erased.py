"""Who was forgotten: nothing may bring their answers back, be it a restored server or an old export.

```
annotation/erased.json   keyed hashes, nothing else: pseudonyms, items that were theirs, `of_account`; mode 0600
```
"""

import json
from collections.abc import Mapping

from annotation.pseudonyms import Pseudonyms
from editfhf.errors import BadInput
from editfhf.files import whole_file
from editfhf.workspace import Workspace

FILE = "erased.json"


def erased(workspace: Workspace) -> set[str]:
    """What tells those who were erased: their pseudonyms, the ids of their items, and `of_account`.

    Raises:
        BadInput: the file is damaged.
    """
    path = workspace.annotation_dir / FILE
    if not path.is_file():
        return set()
    try:
        return {str(name) for name in json.loads(path.read_text(encoding="utf-8"))}
    except (ValueError, TypeError) as error:
        mend = "Restore it, or an import or a pull brings erased people back."
        raise BadInput(f"{path} is damaged.", mend=mend) from error


def note_erased(workspace: Workspace, *hashes: str) -> None:
    """Let nothing bring a person's answers back."""
    names = sorted(erased(workspace).union(hashes))
    with whole_file(workspace.annotation_dir / FILE, mode=0o600) as temporary:
        temporary.write_text(json.dumps(names), encoding="utf-8")


def of_account(workspace: Workspace, user: int) -> str:
    """What tells somebody by the number on the campaign's own server, which is all that an export of it tells."""
    return Pseudonyms.of(workspace).of_email(f"user-{user}@campaign")


def erased_users(workspace: Workspace, emails: Mapping[int, str]) -> dict[int, str]:
    """Those of a server's users (number → e-mail) who were erased."""
    gone, pseudonyms = erased(workspace), Pseudonyms.of(workspace)
    return {user: email for user, email in emails.items() if gone and pseudonyms.of_email(email) in gone}
