from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation import campaign, collect, simulate
from annotation.answers import parse_annotation
from annotation.client import Client
from annotation.people import Person, rng_of
from annotation.simulate import Seen, annotation_of, assign
from annotation.status import status
from editfhf.errors import BadInput
from editfhf.geometry import rasterise
from editfhf.oracle import TrueFlaw
from editfhf.schema import DIMENSIONS
from tests.annotation.label_studio_json import annotation, ratings

BOX = [[0.2, 0.2], [0.6, 0.2], [0.6, 0.5], [0.2, 0.5]]
EDIT_IDS = st.lists(st.text("0123456789abcdef", min_size=4, max_size=4), unique=True, max_size=40)


def flaw(kind: str = "artifact", flaw_type: str = "texture_noise", extent: str = "region", severity: float = 1.0):
    return TrueFlaw(kind, flaw_type, extent, severity, np.zeros((8, 8), bool), "test", "grain on the wall")


def seen(*flaws, quality: float = 50.0) -> Seen:
    return Seen("edit", (96, 64), dict.fromkeys(DIMENSIONS, quality), list(flaws))


def parsed_answers(what: Seen, people: int = 200):
    for number in range(1, people + 1):
        answer = annotation_of(Person.make(number, 0), what, 0)
        yield parse_annotation(
            annotation(answer["result"], lead_time=answer["lead_time"]), "edit", str(number), "simulated"
        )


def test_an_answer_depends_on_seed_person_and_edit_and_on_nothing_else():
    what = seen((flaw(), [BOX]))
    first = annotation_of(Person.make(3, 1), what, 1)
    assert annotation_of(Person.make(3, 1), what, 1) == first
    assert annotation_of(Person.make(3, 2), what, 2) != first
    assert annotation_of(Person.make(4, 1), what, 1) != first
    assert annotation_of(Person.make(3, 1), replace(what, edit_id="other"), 1) != first


def test_whatever_simulated_people_answer_could_have_come_from_the_labelling_screen():
    what = seen(
        (flaw(), [BOX, [[0, 0], [0.02, 0], [0.02, 0.02]]]),
        (flaw("editing_failure", "wrong_style", "whole"), []),
        (flaw("editing_failure", "not_edited", "missing"), []),
        (flaw("artifact", "blur_or_ghosting", "missing"), []),
    )
    found = Counter()
    for parsed in parsed_answers(what):
        assert not parsed.refusals
        found.update((region.kind, region.extent) for region in parsed.regions)
    assert set(found) == {
        ("artifact", "region"), ("artifact", "whole"), ("editing_failure", "region"),
        ("editing_failure", "whole"), ("editing_failure", "missing"),
    }  # fmt: skip


def test_the_better_an_edit_the_better_its_grades():
    means = [
        np.mean([rating.score for parsed in parsed_answers(seen(quality=quality), 100) for rating in parsed.ratings])
        for quality in (0, 25, 50, 75, 100)
    ]
    assert means == sorted(means)
    assert means[2] == pytest.approx(3, abs=0.2)
    assert means[0] < 1.6
    assert means[-1] > 4.4


def test_the_worse_a_flaw_the_more_people_see_it():
    shares = []
    for severity in (0.1, 0.4, 0.9):
        found = [parsed.regions for parsed in parsed_answers(seen((flaw(severity=severity), [BOX])), 150)]
        shares.append(
            np.mean([any("rain on the wall" in region.description for region in regions) for regions in found])
        )
    assert shares == sorted(shares)
    assert shares[0] < 0.4 < 0.7 < shares[2] < 1


def test_people_draw_near_the_flaw_each_in_their_own_way():
    truth = rasterise([BOX], 400, 400)
    drawn = [rasterise([Person.make(number, 0).draw(BOX, rng_of(number))], 400, 400) for number in range(1, 60)]
    overlaps = [(mask & truth).sum() / (mask | truth).sum() for mask in drawn]
    assert min(overlaps) > 0.6
    assert len({round(overlap, 3) for overlap in overlaps}) > 30
    assert np.mean([mask.sum() > truth.sum() for mask in drawn]) > 0.5  # too generous rather than too tight


@given(st.floats(0, 0.99), st.floats(0, 0.99), st.floats(0.0005, 0.01), st.integers(0, 10**6))
def test_however_small_a_flaw_and_near_the_edge_the_drawing_lies_within_the_image(left, top, side, number):
    outline = [[left, top], [left + side, top], [left + side, top + side]]
    points = np.array(Person.make(number, 0).draw(outline, rng_of(number)))
    assert len(points) >= 3
    assert points.min() >= 0
    assert points.max() <= 1


@given(EDIT_IDS, st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_every_edit_gets_its_raters_and_everybody_about_as_much_work(edit_ids, raters, spare, seed):
    users = range(1, raters + spare + 1)
    assigned = assign(edit_ids, {}, users, raters, seed)
    assert all(len(set(assigned[edit_id])) == raters for edit_id in edit_ids)
    load = Counter(user for chosen in assigned.values() for user in chosen)
    assert max(load.values(), default=0) - min(load[user] for user in users) <= 1


@given(EDIT_IDS, st.integers(0, 40), st.integers(0, 99))
def test_an_interrupted_assignment_goes_on_as_if_it_had_not_been(edit_ids, stopped_at, seed):
    whole = assign(edit_ids, {}, range(1, 7), 3, seed)
    answered = {edit_id: set(whole[edit_id]) for edit_id in edit_ids[:stopped_at]}
    rest = assign(edit_ids, answered, range(1, 7), 3, seed)
    assert {edit_id: answered.get(edit_id, set()) | set(rest[edit_id]) for edit_id in edit_ids} == {
        edit_id: set(users) for edit_id, users in whole.items()
    }


def on_server(workspace, client: Client) -> dict[str, list[int]]:
    """edit_id → how many answers each of its tasks has."""
    found: dict[str, list[int]] = {}
    for task in client.tasks(campaign.project_of(workspace, client)):
        found.setdefault(task.edit_id, []).append(task.answers)
    return found


@pytest.mark.server
def test_every_edit_is_answered_by_the_configured_number_of_people_and_a_second_run_adds_none(workspace, client):
    campaign.push(workspace, client)
    counts = simulate.simulate(workspace, client)
    assert (counts.annotators, counts.answers, counts.left_out) == (8, 32, 0)
    assert on_server(workspace, client) == {edit.edit_id: [4] for edit in workspace.edits()}
    assert simulate.simulate(workspace, client).answers == 0
    assert on_server(workspace, client) == {edit.edit_id: [4] for edit in workspace.edits()}

    collect.pull(workspace, client)
    answers = workspace.read_table("answers").to_pandas()
    assert set(answers.groupby("edit_id").annotator.nunique()) == {4}
    assert set(answers.groupby("annotator").size()) == {4}
    assert set(answers.annotator_kind) == {"simulated"}

    seen = status(workspace)
    assert (seen["tasks"], seen["answers"]) == (8, 32)
    assert seen["annotators"] == answers.groupby("annotator").size().to_dict()


class KilledError(Exception):
    pass


@pytest.mark.server
@pytest.mark.parametrize("moment", ["before the import", "after the import", "after a deletion"])
def test_killed_at_any_moment_and_run_again_nothing_is_lost_or_doubled(workspace, client, monkeypatch, moment):
    campaign.push(workspace, client)
    with monkeypatch.context() as patch:
        patch.setattr(simulate, "CHUNK", 3)
        calls = {"before the import": "import_tasks", "after the import": "import_tasks"}.get(moment, "delete_tasks")
        really, seen_calls = getattr(client, calls), []

        def dying(project, items):
            seen_calls.append(len(items))
            if len(seen_calls) == 2 and moment == "before the import":
                raise KilledError
            really(project, items)
            if len(seen_calls) == 2:
                raise KilledError

        patch.setattr(client, calls, dying)
        with pytest.raises(KilledError):
            simulate.simulate(workspace, client)
    simulate.simulate(workspace, client)
    collect.pull(workspace, client)
    assert on_server(workspace, client) == {edit.edit_id: [4] for edit in workspace.edits()}
    answers = workspace.read_table("answers").to_pandas()
    assert set(answers.groupby("edit_id").annotator.nunique()) == {4}


@pytest.mark.server
def test_an_import_that_the_server_finished_after_its_sender_was_killed_is_healed(workspace, client):
    campaign.push(workspace, client)
    project = campaign.project_of(workspace, client)
    simulate.simulate(workspace, client)
    task = next(iter(client.tasks(project)))
    answers = [
        {"result": answer["result"], "completed_by": answer["completed_by"]} for answer in client.annotations(task.id)
    ]
    client.import_tasks(project, [{"data": task.data, "annotations": answers}, {"data": task.data}])
    assert on_server(workspace, client)[task.edit_id] == [4, 4, 0]
    collect.pull(workspace, client)
    assert on_server(workspace, client)[task.edit_id] == [4]


@pytest.mark.server
def test_tasks_that_people_have_answered_get_only_the_missing_answers(workspace, client):
    campaign.push(workspace, client)
    task = next(iter(client.tasks(campaign.project_of(workspace, client))))
    client.add_annotation(task.id, {"result": ratings(), "lead_time": 3.0})
    counts = simulate.simulate(workspace, client)
    assert counts.answers == 8 * 4 - 1
    assert [annotation["completed_by"] for annotation in client.annotations(task.id)].count(1) == 1
    assert on_server(workspace, client)[task.edit_id] == [4]


def test_fewer_people_than_raters_is_said_before_anything_is_done(campaign):
    with pytest.raises(BadInput, match="3 annotators cannot give each edit 4 answers"):
        simulate.simulate(campaign, Client("http://127.0.0.1:1", "x", campaign), annotators=3)
