"""The wall's file, from a campaign on the real Label Studio."""

import pytest

from annotation import admission, campaign, server, wall
from annotation.projects import Projects
from annotation.roster import Roster
from annotation.wall import Person
from tests.annotation.conftest import N_EDITS, use_settings

ANN, BOB = Person(1, "ann@example.org"), Person(2, "bob@example.org")


@pytest.mark.server
def test_each_is_let_to_the_own_projects_and_tasks_and_nobody_who_pauses(workspace, client):
    use_settings(workspace, screens="[ratings, regions]", raters_per_edit=1, drawers_per_edit=1)
    roster = Roster(workspace)
    roster.add([ANN.email, BOB.email])
    campaign.push(workspace, client)
    path = admission.admit(workspace, client)
    assert path.stat().st_mode & 0o777 == 0o600
    reach = wall.read(path)
    known = Projects(workspace, client).known
    for number, person in enumerate((ANN, BOB), start=1):
        own = {project for place, project in known.items() if place.number == number}
        assert reach.projects(person) == own
        assert len(own) == 2
        for project in own:
            assert all(reach.has_task(person, task.id) for task in client.tasks(project))
    assert len(reach.tasks) == 2 * N_EDITS  # each edit is rated by one and drawn on by one
    assert not any(reach.has_task(ANN, task) and reach.has_task(BOB, task) for task in reach.tasks)
    assert reach.is_admin(Person(3, server.ADMIN))
    roster.set_state(BOB.email, "paused")
    reach = wall.read(admission.admit(workspace, client))
    assert reach.projects(BOB) == frozenset()
    assert len(reach.projects(ANN)) == 2
