"""Whose answers those on the server are: a task in a person's own project is done when that person has answered it.

Label Studio counts anybody's: whoever comes into another's project (nothing but the wall keeps people out) closes the
task to its person. What others said there is refused by `pull` and stays; `push` opens the task again, by one answer
more (`maximum_annotations`) for that project.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from annotation.answers import author_of
from annotation.client import Client, ServerTask
from annotation.projects import Place
from annotation.pseudonyms import Pseudonyms
from annotation.roster import Member


@dataclass(frozen=True, slots=True)
class Blocked:
    """Tasks of one person on one kind of screen that Label Studio does not show, since only others answered them.

    Attributes:
        annotator: whose they are (pseudonym). by: pseudonyms of who answered; "" is somebody without an account.
    """

    screen: str
    annotator: str
    tasks: int
    by: tuple[str, ...]

    def as_row(self) -> dict[str, Any]:
        return asdict(self) | {"by": list(self.by)}


def answered_by_others(
    client: Client,
    projects: Mapping[Place, int],
    there: Mapping[Place, Sequence[ServerTask]],
    members: Iterable[Member],
    emails: Mapping[int, str],
) -> dict[Place, list[ServerTask]]:
    """The tasks in people's own projects that have answers, none of them their person's. In what is shared, or was
    somebody's who is no longer known, every answer is as good as another.

    Args:
        projects: their numbers. there: their tasks. emails: of the server's users, by their numbers.
    """
    user_of = {email.lower(): user for user, email in emails.items()}
    account = {member.number: user_of.get(member.email) for member in members}
    found: dict[Place, list[ServerTask]] = {}
    for place, tasks in there.items():
        answered = [task for task in tasks if task.answers]
        if not answered or place.number not in account:
            continue
        user = account[place.number]
        own = set(client.tasks_answered_by(projects[place], user)) if user is not None else set()
        others_alone = [task for task in answered if task.id not in own]
        if others_alone:
            found[place] = others_alone
    return found


def overlap_of(others_alone: Iterable[ServerTask]) -> int:
    """How many answers close a task of a person's own project, so that what only others answered is shown to this
    person: one more than the most that such a task has; 1 where there is none."""
    return 1 + max((task.answers for task in others_alone), default=0)


def blocked(
    client: Client,
    place: Place,
    annotator: str,
    others_alone: Sequence[ServerTask],
    pseudonyms: Pseudonyms,
    emails: Mapping[int, str],
) -> Blocked:
    """Who stands in the way of a person; arguments as in `answered_by_others`."""
    users = {author_of(one) for task in others_alone for one in client.annotations(task.id)}
    said = {emails.get(user, "") if user is not None else "" for user in users}
    by = sorted({pseudonyms.of_email(email) if email else "" for email in said})
    return Blocked(place.project_type, annotator, len(others_alone), tuple(by))
