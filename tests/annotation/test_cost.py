import json
import statistics
from collections import defaultdict
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.checks import MOST_CHECKS
from annotation.cost import FEWEST_MEASURED, measured_seconds, plan_campaign, plan_workspace
from annotation.order import Thing
from annotation.roster import Roster
from annotation.worklist import Design, most_checks, renew
from editfhf import cli
from editfhf.config import AnnotationConfig
from editfhf.errors import BadInput
from editfhf.schema import Admission, Answer
from tests.factories import make_workspace

SETTINGS = AnnotationConfig(
    raters_per_edit=15, drawers_per_edit=4, checks=0.05, repeats=0.05, session_minutes=30, wage_per_hour=12,
    consent=False, vision_check=False,
)  # fmt: skip


def test_the_plan_of_a_hundred_edits_is_that_of_a_calculation_by_hand():
    ratings, regions = plan_campaign(100, SETTINGS)
    assert ratings.as_row() == {
        "screen": "ratings", "of_edits": 1500, "answers": 1667, "seconds": 30, "measured": False,
        "hours": 13.9, "sessions": 28, "people": 15, "cost": 166.7, "overhead": 0.1, "assumes": "30 s an answer",
    }  # fmt: skip  # 1500 / 0.9 = 1666.7; 1667 × 30 s = 13.892 h
    assert regions.as_row() == {
        "screen": "regions", "of_edits": 400, "answers": 421, "seconds": 120, "measured": False,
        "hours": 14.0, "sessions": 29, "people": 4, "cost": 168.4, "overhead": 0.05, "assumes": "120 s an answer",
    }  # fmt: skip  # no repeats: 400 / 0.95 = 421.1; 421 × 120 s = 14.033 h


def test_what_was_measured_stands_before_what_was_assumed_and_qualification_comes_on_top():
    settings = SETTINGS.model_copy(update={"screens": ["together"], "qualification": 3})
    (plan,) = plan_campaign(100, settings, {"together": 90.0})
    assert (plan.answers, plan.seconds, plan.measured, plan.people) == (444 + 12, 90, True, 4)
    assert (plan.hours, plan.sessions, plan.cost) == (11.4, 23, 136.8)


def test_no_edits_is_bad_input():
    with pytest.raises(BadInput, match="no edits"):
        plan_campaign(0, SETTINGS)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ratings", "regions"]), st.sampled_from("abc"), st.sampled_from([0.0, 1.5, 8.0, 9000.0])
        ),
        max_size=90,
    )
)
def test_measured_seconds_are_those_of_a_plain_loop(rows):
    by_screen = defaultdict(lambda: defaultdict(list))
    for screen, person, seconds in rows:
        if seconds:
            by_screen[screen][person].append(seconds)

    def mean(seconds):
        most = 5 * statistics.median(seconds)
        return statistics.mean(min(one, most) for one in seconds)

    expected = {
        screen: statistics.mean(map(mean, people.values()))
        for screen, people in by_screen.items()
        if sum(map(len, people.values())) >= FEWEST_MEASURED
    }
    table = pd.DataFrame(rows, columns=["project_type", "annotator", "lead_time_s"])
    assert measured_seconds(table.astype({"lead_time_s": float})) == pytest.approx(expected)


def test_a_workspace_is_planned_for_its_made_edits_at_the_pace_of_its_people(tmp_path):
    workspace = make_workspace(tmp_path, n_sources=3)
    assert [plan.of_edits for plan in plan_workspace(workspace)] == [12 * 15, 12 * 4, 0]
    answer = Answer("edit", "a", "human", "ratings", "answered", "", 9.0, "2026-11-23T00:00:00+00:00")
    rows = [answer] * FEWEST_MEASURED + [replace(answer, annotator="b", lead_time_s=13.0)]
    workspace.write_table("answers", rows)
    ratings, regions, admission = plan_workspace(workspace, n_edits=10)
    assert (ratings.of_edits, ratings.seconds, ratings.measured) == (150, 11.0, True)
    assert (regions.seconds, regions.measured) == (120.0, False)
    assert (admission.seconds, admission.measured) == (120.0, False)
    entered = Admission("text", "a", "human", True, 4, 4, 6, 6, 70.0, "2026-11-23T00:00:00+00:00")
    people = [replace(entered, annotator=str(number)) for number in range(FEWEST_MEASURED)]
    workspace.write_table("admissions", people + [replace(entered, annotator_kind="simulated", lead_time_s=1.0)] * 40)
    assert (plan_workspace(workspace)[2].seconds, plan_workspace(workspace)[2].measured) == (70.0, True)


@pytest.mark.parametrize(("n_people", "people"), [(None, 15), (40, 40)])
def test_each_person_is_paid_for_the_admission_once(n_people, people):
    settings = SETTINGS.model_copy(update={"consent": True, "wage_per_hour": 15.0})
    *screens, admission = plan_campaign(100, settings, n_people=n_people)
    assert [plan.screen for plan in screens] == ["ratings", "regions"]
    assert (admission.screen, admission.of_edits, admission.answers, admission.people) == (
        "admission",
        0,
        people,
        people,
    )
    assert (admission.hours, admission.cost) == (round(people / 30, 1), people * 0.5)  # two minutes each


def test_the_pace_of_simulated_people_and_of_those_set_aside_is_nobodys(tmp_path):
    workspace = make_workspace(tmp_path, n_sources=3)
    person = Answer("edit", "a", "human", "ratings", "answered", "", 20.0, "2026-11-23T00:00:00+00:00")
    simulated = replace(person, annotator="b", annotator_kind="simulated", lead_time_s=1.0)
    hasty = replace(person, annotator="c", lead_time_s=1.0, screened=True)
    workspace.write_table("answers", [simulated] * FEWEST_MEASURED + [hasty] * FEWEST_MEASURED)
    assert not plan_workspace(workspace)[0].measured
    workspace.write_table("answers", [simulated, hasty] * FEWEST_MEASURED + [person] * FEWEST_MEASURED)
    assert (plan_workspace(workspace)[0].seconds, plan_workspace(workspace)[0].measured) == (20.0, True)


@given(st.integers(1, 20_000), st.floats(0.5, 52), st.floats(0.5, 40))
def test_so_many_people_are_done_in_time_and_one_fewer_are_not(n_edits, weeks, hours_a_week):
    for plan in plan_campaign(n_edits, SETTINGS):
        people = plan.people_for(weeks, hours_a_week)
        assert people * weeks * hours_a_week >= plan.hours * (1 - 1e-9)
        assert people == plan.people or (people - 1) * weeks * hours_a_week < plan.hours
        assert people >= plan.people


def test_the_command_says_how_many_people_are_done_in_so_many_weeks(tmp_path, capsys):
    workspace = make_workspace(tmp_path, n_sources=3)
    command = ["annotate", "plan", "-w", str(workspace.root), "--edits", "15000", "--json"]
    assert cli.run(command) == 0
    assert not any("people_in_time" in row for row in json.loads(capsys.readouterr().out))
    assert cli.run([*command, "--weeks", "6", "--hours-a-week", "8"]) == 0
    for row in json.loads(capsys.readouterr().out)[:2]:  # without the admission, which takes everybody two minutes
        assert (row["people_in_time"] - 1) * 48 < row["hours"] <= row["people_in_time"] * 48
    assert cli.run([*command, "--weeks", "0"]) == 2
    assert "leave no time" in capsys.readouterr().err


def test_time_adds_up_by_the_mean_and_a_tab_left_open_counts_as_five_usual_answers():
    # Skewed as lead times are: the median of 10 s would promise half of the time that it takes.
    seconds = [10.0] * 15 + [30.0] * 9 + [40_000.0]
    rows = pd.DataFrame({"project_type": "ratings", "annotator": "a", "lead_time_s": seconds})
    assert measured_seconds(rows)["ratings"] == pytest.approx((15 * 10 + 9 * 30 + 50) / 25)


def test_so_many_people_take_so_long_and_too_few_are_said(tmp_path, capsys):
    workspace = make_workspace(tmp_path, n_sources=3)
    command = ["annotate", "plan", "-w", str(workspace.root), "--edits", "1000", "--people", "12"]
    assert cli.run([*command, "--hours-a-week", "5", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)[:2]  # without the admission
    for row in rows:
        assert row["weeks"] == pytest.approx(row["hours"] / 60, abs=0.006)
    assert [row["people_lacking"] for row in rows] == [3, 0]
    assert cli.run(command) == 0
    shown = capsys.readouterr()
    assert "weeks for all screens together" not in shown.out  # 12 cannot do it
    assert "The screen ratings needs 15 different people, and 12 are too few: let 3 more join, or lower" in shown.err
    assert "raters_per_edit in editfhf.yaml" in shown.err
    assert cli.run([*command[:-1], "20"]) == 0
    weeks = sum(row["hours"] for row in rows) / 200
    assert f"20 people at 10 hours a week each: {weeks:.1f} weeks for all screens together." in capsys.readouterr().out
    assert cli.run([*command[:-3], "10", "--people", "15"]) == 0
    assert ": 1 working day for all screens" in capsys.readouterr().out
    Roster(workspace).add(["ann@example.org"])
    assert cli.run(command[:-2]) == 0
    assert "1 is too few" in capsys.readouterr().err


@pytest.mark.parametrize("also", [[], ["--people", "2"], ["--weeks", "3"]])
def test_hours_that_nobody_works_are_bad_input_whatever_else_is_asked(tmp_path, capsys, also):
    workspace = make_workspace(tmp_path, n_sources=1)
    for hours in ("0", "-1", "nan", "100.5", "300"):
        command = ["annotate", "plan", "-w", str(workspace.root), "--edits", "10", *also, "--hours-a-week", hours]
        assert cli.run(command) == 2
        assert f"Nobody works {hours} hours a week" in capsys.readouterr().err
    assert cli.run([*command[:-1], "100"]) == 0


def test_who_adds_fewer_people_than_a_screen_needs_is_told_at_once(tmp_path, capsys):
    workspace = make_workspace(tmp_path, n_sources=1)
    command = ["annotate", "people", "-w", str(workspace.root)]
    assert cli.run([*command, "--add", "ann@example.org"]) == 0
    said = capsys.readouterr().err
    assert "The screen ratings needs 15 different people, and 1 is too few: let 14 more join" in said
    assert "The screen regions needs 4 different people, and 1 is too few" in said
    assert cli.run([*command, *(f"--add={number}@example.org" for number in range(3))]) == 0
    said = capsys.readouterr().err
    assert "and 4 are too few: let 11 more join" in said
    assert "The screen regions" not in said


def test_what_nobody_measured_is_said_with_the_row():
    settings = SETTINGS.model_copy(update={"screens": ["verify", "ratings"]})
    verify, ratings = plan_campaign(100, settings)
    assert verify.assumes == "2 regions of an edit that one person alone draws, 10 s an answer"
    verify, ratings = plan_campaign(100, settings, {"ratings": 9.0}, {"verify": 40})
    assert (verify.assumes, ratings.assumes) == ("10 s an answer", "")


def test_no_time_is_bad_input():
    (plan, _) = plan_campaign(100, SETTINGS)
    with pytest.raises(BadInput, match="no time"):
        plan.people_for(0, 10)
    with pytest.raises(BadInput, match="Nobody works 0 hours a week"):
        plan.people_for(2, 0)


def test_what_checks_and_repeats_take_is_said_and_may_not_be_all():
    ratings, regions = plan_campaign(1000, SETTINGS)
    assert ratings.overhead == pytest.approx(0.1, abs=1e-3)
    assert regions.overhead == pytest.approx(0.05, abs=1e-3)
    with pytest.raises(BadInput, match="no room for edits"):
        plan_campaign(1000, SETTINGS.model_copy(update={"checks": 0.5, "repeats": 0.5}))


@pytest.mark.parametrize(
    ("checks", "qualification", "n_people"), [(0.05, 0, 3), (0.05, 5, 6), (0.2, 4, 3), (0.0, 50, 3)]
)
def test_with_known_people_the_plan_counts_what_will_be_handed_out(checks, qualification, n_people):
    settings = AnnotationConfig(
        screens=["regions"], drawers_per_edit=2, checks=checks, repeats=0.0, qualification=qualification,
        consent=False, vision_check=False,
    )  # fmt: skip
    things = [Thing(f"edit {number}", f"photo {number}", "model", "task") for number in range(1500)]
    design = Design.of(settings, "regions", "key")
    n_checks = min(most_checks(len(things), n_people, design), MOST_CHECKS)
    rows = renew(
        [], things, [f"person {n}" for n in range(n_people)], (), (), [f"c{n}" for n in range(n_checks)], design
    )
    (plan,) = plan_campaign(len(things), settings, n_people=n_people)
    assert abs(plan.answers - len(rows)) <= n_people  # a part of a check more or less for each
    (unknown,) = plan_campaign(len(things), settings)
    assert unknown.answers >= plan.answers - qualification * n_people


def test_a_workspace_is_planned_for_the_people_that_it_has(tmp_path):
    workspace = make_workspace(tmp_path, n_sources=3)
    share = plan_workspace(workspace, 15_000)[0]
    Roster(workspace).add(f"{number}@example.org" for number in range(15))
    few = plan_workspace(workspace, 15_000)[0]
    # 15,000 edits each: 40 checks each, not 833.
    assert share.answers - few.answers == pytest.approx(15 * (15_000 * 0.05 / 0.9 - 40), abs=1)
