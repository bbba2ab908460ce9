from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation import campaign, collect, simulate
from annotation.answers import About, parse_annotation
from annotation.client import Client
from annotation.people import Person, rng_of
from annotation.projects import item_of
from annotation.sight import Seen
from annotation.simulate import annotation_of
from annotation.status import status
from editfhf.errors import BadInput
from editfhf.geometry import rasterise
from editfhf.oracle import TrueFlaw
from editfhf.schema import DIMENSIONS
from tests.annotation.conftest import edits_of, only_project, use_settings
from tests.annotation.label_studio_json import annotation, ratings
from tests.annotation.on_server import tasks_on_server

BOX = [[0.2, 0.2], [0.6, 0.2], [0.6, 0.5], [0.2, 0.5]]


def flaw(kind: str = "artifact", flaw_type: str = "texture_noise", extent: str = "region", severity: float = 1.0):
    return TrueFlaw(kind, flaw_type, extent, severity, np.zeros((8, 8), bool), "test", "grain on the wall")


def seen(*flaws, quality: float = 50.0) -> Seen:
    return Seen("edit", (96, 64), dict.fromkeys(DIMENSIONS, quality), list(flaws))


def parsed_answers(what: Seen, people: int = 200):
    for number in range(1, people + 1):
        answer = annotation_of(Person.make(number, 0), what, "together", 0)
        about = About("together", "edit", str(number), "simulated")
        yield parse_annotation(annotation(answer["result"], lead_time=answer["lead_time"]), about)


def test_an_answer_depends_on_seed_person_and_edit_and_on_nothing_else():
    what = seen((flaw(), [BOX]))
    first = annotation_of(Person.make(3, 1), what, "together", 1)
    assert annotation_of(Person.make(3, 1), what, "together", 1) == first
    assert annotation_of(Person.make(3, 2), what, "together", 2) != first
    assert annotation_of(Person.make(4, 1), what, "together", 1) != first
    assert annotation_of(Person.make(3, 1), replace(what, edit_id="other"), "together", 1) != first


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


def on_server(workspace, client: Client) -> dict[str, list[int]]:
    """edit_id → how many answers each of its tasks has, of all people."""
    found: dict[str, list[int]] = {}
    for task in tasks_on_server(workspace):
        found.setdefault(task["edit_id"], []).append(task["answers"])
    return found


@pytest.mark.server
def test_every_edit_is_answered_by_the_configured_number_of_people_and_a_second_run_adds_none(workspace, client):
    campaign.push(workspace, client)
    counts = simulate.simulate(workspace, client)
    assert (counts.annotators, counts.answers, counts.left_out) == (8, 32, 0)
    assert on_server(workspace, client) == {edit.edit_id: [1] * 4 for edit in workspace.edits()}
    assert simulate.simulate(workspace, client).answers == 0
    assert on_server(workspace, client) == {edit.edit_id: [1] * 4 for edit in workspace.edits()}

    collect.pull(workspace, client)
    answers = workspace.read_table("answers").to_pandas()
    assert set(answers.groupby("edit_id").annotator.nunique()) == {4}
    assert set(answers.groupby("annotator").size()) == {4}
    assert set(answers.annotator_kind) == {"simulated"}

    seen = status(workspace)
    assert (seen["tasks"], seen["answers"]) == (32, 32)
    assert seen["annotators"] == answers.groupby("annotator").size().to_dict()
    assert seen["hours_left"] == 0


class KilledError(Exception):
    pass


@pytest.mark.server
@pytest.mark.parametrize("moment", ["before the import", "after the import", "after a deletion"])
def test_killed_at_any_moment_and_run_again_nothing_is_lost_or_doubled(workspace, client, monkeypatch, moment):
    campaign.push(workspace, client)
    with monkeypatch.context() as patch:
        patch.setattr(simulate, "CHUNK", 3)
        campaign.push(workspace, client)
        calls = {"before the import": "import_tasks", "after the import": "import_tasks"}.get(moment, "delete_tasks")
        really, seen_calls = getattr(client, calls), []

        def dying(project, items):
            seen_calls.append(len(items))
            if len(seen_calls) == 2 and moment == "before the import":
                raise KilledError
            done = really(project, items)
            if len(seen_calls) == 2:
                raise KilledError
            return done

        patch.setattr(client, calls, dying)
        with pytest.raises(KilledError):
            simulate.simulate(workspace, client)
    simulate.simulate(workspace, client)
    collect.pull(workspace, client)
    assert on_server(workspace, client) == {edit.edit_id: [1] * 4 for edit in workspace.edits()}
    answers = workspace.read_table("answers").to_pandas()
    assert set(answers.groupby("edit_id").annotator.nunique()) == {4}


@pytest.mark.server
def test_an_import_that_the_server_finished_after_its_sender_was_killed_is_healed(workspace, client):
    simulate.simulate(workspace, client)
    (project, *_), edit_of = collect.pull(workspace, client).projects, edits_of(workspace)
    task = next(iter(client.tasks(project)))
    answers = [
        {"result": answer["result"], "completed_by": answer["completed_by"]} for answer in client.annotations(task.id)
    ]
    client.import_tasks(project, [{"data": task.data, "annotations": answers}, {"data": task.data}])
    edit = edit_of[item_of(task)]
    assert sorted(on_server(workspace, client)[edit]) == [0, 1, 1, 1, 1, 1]
    collect.pull(workspace, client)
    assert on_server(workspace, client)[edit] == [1] * 4


@pytest.mark.server
def test_what_people_answered_before_anybody_was_named_counts(workspace, client):
    campaign.push(workspace, client)
    task = next(iter(client.tasks(only_project(workspace, client))))
    client.add_annotation(task.id, {"result": ratings(), "lead_time": 3.0})
    counts = simulate.simulate(workspace, client)
    assert counts.answers == 8 * 4 - 1
    assert sorted(on_server(workspace, client)[edits_of(workspace)[item_of(task)]]) == [1] * 4
    collect.pull(workspace, client)
    answers = workspace.read_table("answers").to_pandas()
    assert set(answers.groupby("edit_id").annotator.nunique()) == {4}


def test_fewer_people_than_raters_is_said_before_anything_is_done(campaign):
    use_settings(campaign)
    with pytest.raises(BadInput, match="3 annotators cannot give each edit 4 answers"):
        simulate.simulate(campaign, Client("http://127.0.0.1:1", "x", campaign), annotators=3)
