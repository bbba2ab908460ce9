"""The people of a campaign: who they are on the server, and whether they work, pause, have left or were set aside."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from annotation.pseudonyms import Pseudonyms
from editfhf.errors import BadInput
from editfhf.files import whole_file
from editfhf.workspace import Workspace

State = Literal["active", "paused", "left", "suspended"]
FILE = "people.json"  # mode 0600, like the key of the pseudonyms: it holds e-mail addresses


@dataclass(frozen=True, slots=True)
class Member:
    """One person.

    Attributes:
        number: from 1, never given twice; all that the titles of projects tell of a person.
        email: with which the person signs in to Label Studio.
        since: when the state began, ISO 8601 in UTC.
    """

    number: int
    email: str
    state: State
    since: str


class Roster:
    """The people of one workspace, in the order in which they joined."""

    def __init__(self, workspace: Workspace) -> None:
        self._path = workspace.annotation_dir / FILE
        self._pseudonyms = Pseudonyms.of(workspace)
        self._root = workspace.root
        self.members: list[Member] = []
        if self._path.is_file():
            try:
                self.members = [Member(**row) for row in json.loads(self._path.read_text(encoding="utf-8"))]
            except (ValueError, TypeError) as error:
                raise BadInput(f"{self._path} is damaged.", mend="Restore it from a back-up.") from error

    @property
    def active(self) -> list[Member]:
        """Those who get work."""
        return [one for one in self.members if one.state == "active"]

    def add(self, emails: Iterable[str]) -> list[Member]:
        """Let people join; who is there already stays as he is. Returns those who are new.

        Raises:
            BadInput: no e-mail address.
        """
        known = {one.email for one in self.members}
        number = max((one.number for one in self.members), default=0)
        new: list[Member] = []
        for email in dict.fromkeys(one.strip().lower() for one in emails):
            if email.count("@") != 1 or email.startswith("@") or email.endswith("@") or len(email.split()) != 1:
                raise BadInput(f"{email!r} is no e-mail address.", mend="Name the one that the person signs in with.")
            if email not in known:
                number += 1
                new.append(Member(number, email, "active", _now()))
        self.members += new
        self._write()
        return new

    def set_state(self, name: str, state: State) -> Member:
        """Let a person pause, come back, leave, or be set aside.

        Raises:
            BadInput: nobody is called so.
        """
        member = self.find(name)
        changed = replace(member, state=state, since=_now())
        self.members = [changed if one.number == member.number else one for one in self.members]
        self._write()
        return changed

    def remove(self, name: str) -> Member:
        """Forget a person. The number is not given again while somebody with a higher one is there."""
        member = self.find(name)
        self.members = [one for one in self.members if one.number != member.number]
        self._write()
        return member

    def find(self, name: str) -> Member:
        """By e-mail, by pseudonym (also its beginning, of six digits at least), or by number.

        Raises:
            BadInput: nobody is called so, or several are.
        """
        name = name.strip().lower()
        found = [
            one
            for one in self.members
            if name in (one.email, str(one.number)) or (len(name) >= 6 and self.pseudonym(one).startswith(name))
        ]
        if len(found) != 1:
            what = "Nobody" if not found else "More than one person"
            raise BadInput(
                f"{what} in {self._root} is called {name!r}.", mend="`editfhf annotate people` lists all of them."
            )
        return found[0]

    def pseudonym(self, member: Member) -> str:
        return self._pseudonyms.of_email(member.email)

    def screened(self) -> set[str]:
        """Pseudonyms of those whose answers are set aside."""
        return {self.pseudonym(one) for one in self.members if one.state == "suspended"}

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(self._path, mode=0o600) as temporary:
            temporary.write_text(json.dumps([asdict(one) for one in self.members], indent=1), encoding="utf-8")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
