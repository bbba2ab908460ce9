"""The people of a campaign: who they are on the server, and whether they work, pause, have left or were set aside."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from annotation.erased import erased
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
        otherwise: the state of somebody who is suspended, once that is undone.
    """

    number: int
    email: str
    state: State
    since: str
    otherwise: State = "active"


class Roster:
    """The people of one workspace, in the order in which they joined."""

    def __init__(self, workspace: Workspace) -> None:
        self._path = workspace.annotation_dir / FILE
        self._pseudonyms = Pseudonyms.of(workspace)
        self._root = workspace.root
        self._workspace = workspace
        self.members: list[Member] = []
        self._highest = 0  # that was ever given: a newcomer never gets the projects of somebody who was erased
        if self._path.is_file():
            try:
                content = json.loads(self._path.read_text(encoding="utf-8"))
                rows = content["people"] if isinstance(content, dict) else content  # a list, as earlier versions wrote
                self.members = [Member(**row) for row in rows]
                self._highest = int(content["highest"]) if isinstance(content, dict) else 0
            except (ValueError, TypeError, KeyError) as error:
                raise BadInput(f"{self._path} is damaged.", mend="Restore it from a back-up.") from error

    @property
    def active(self) -> list[Member]:
        """Those who get work."""
        return [one for one in self.members if one.state == "active"]

    def add(self, emails: Iterable[str]) -> list[Member]:
        """Let people join; who is there already stays as he is. Returns those who are new.

        Raises:
            BadInput: no e-mail address, or that of somebody who was erased; then nobody joined.
        """
        known, gone = {one.email for one in self.members}, erased(self._workspace)
        number = self.highest
        new: list[Member] = []
        for email in dict.fromkeys(one.strip().lower() for one in emails):
            if not is_email(email):
                raise BadInput(f"{email!r} is no e-mail address.", mend="Name the one that the person signs in with.")
            if email not in known:
                if self._pseudonyms.of_email(email) in gone:
                    raise BadInput(
                        f"{email} was erased: no answer given under that address is taken any more.",
                        mend="Whoever comes back takes part under another address.",
                    )
                number += 1
                new.append(Member(number, email, "active", _now()))
        self.members += new
        self._write()
        return new

    def set_state(self, name: str, state: State) -> Member:
        """Let a person pause, come back, leave, or be set aside. Who is set aside stays so, and is what is said here
        once that is undone (`take_back`).

        Raises:
            BadInput: nobody is called so.
        """
        member = self.find(name)
        if member.state != "suspended":
            return self._put(replace(member, state=state, since=_now(), otherwise=_before(member, state)))
        return self._put(member if state == "suspended" else replace(member, otherwise=state))

    def take_back(self, name: str) -> Member:
        """Let somebody who was set aside be what that person was before, or became since.

        Raises:
            BadInput: nobody is called so, or that person is not set aside.
        """
        member = self.find(name)
        if member.state != "suspended":
            raise BadInput(
                f"{name} is not suspended ({member.state}).",
                mend="`editfhf annotate people` shows who is; `push` hands out what is still to be handed out.",
            )
        return self._put(replace(member, state=member.otherwise, since=_now()))

    def put_back(self, member: Member) -> None:
        """Let a person be as read before."""
        self._put(member)

    def _put(self, changed: Member) -> Member:
        self.members = [changed if one.number == changed.number else one for one in self.members]
        self._write()
        return changed

    def remove(self, name: str) -> Member:
        """Forget a person. The number is never given again."""
        member, self._highest = self.find(name), self.highest
        self.members = [one for one in self.members if one.number != member.number]
        self._write()
        return member

    def called(self, name: str) -> list[Member]:
        """Everybody whom `find` could mean."""
        name = name.strip().lower()
        return [
            one
            for one in self.members
            if name in (one.email, str(one.number)) or (len(name) >= 6 and self.pseudonym(one).startswith(name))
        ]

    def find(self, name: str) -> Member:
        """By e-mail, by pseudonym (also its beginning, of six digits at least), or by number.

        Raises:
            BadInput: nobody is called so, or several are.
        """
        found, name = self.called(name), name.strip().lower()
        if len(found) != 1:
            what = "Nobody" if not found else "More than one person"
            raise BadInput(
                f"{what} in {self._root} is called {name!r}.", mend="`editfhf annotate people` lists all of them."
            )
        return found[0]

    @property
    def highest(self) -> int:
        """The highest number that was ever given; 0: none was."""
        return max([self._highest, *(one.number for one in self.members)])

    def pseudonym(self, member: Member) -> str:
        return self._pseudonyms.of_email(member.email)

    def screened(self) -> set[str]:
        """Pseudonyms of those whose answers are set aside."""
        return {self.pseudonym(one) for one in self.members if one.state == "suspended"}

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(self._path, mode=0o600) as temporary:
            content = {"highest": self.highest, "people": [asdict(one) for one in self.members]}
            temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")


def is_email(text: str) -> bool:
    """Whether it may be an address: what stands on both sides of one @."""
    name, at, host = text.partition("@")
    return bool(name and at and host) and "@" not in host and len(text.split()) == 1


def numbers_of(workspace: Workspace) -> dict[str, int]:
    """Pseudonym → the number that `annotate people` shows, which tells nothing of anybody outside."""
    roster = Roster(workspace)
    return {roster.pseudonym(member): member.number for member in roster.members}


def _before(member: Member, state: State) -> State:
    return member.state if state == "suspended" else "active"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
