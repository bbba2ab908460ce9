from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.cost import ASSUMED_S
from annotation.progress import Person, reckon
from editfhf.schema import Assignment

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
EACH = {"ratings": 2, "regions": 1}
PACE_COLUMNS = ["project_type", "annotator", "annotator_kind", "lead_time_s", "submitted_at", "screened"]


def row(person, edit, screen="ratings", role="edit"):
    return Assignment(f"{screen} {person} {edit} {role}", person, screen, edit, role, 1)


def given_to(rows):
    return {one.item_id: 1 for one in rows}


def answers(*rows):
    """(screen, person, seconds, days ago)."""
    table = [
        (screen, person, "human", seconds, (NOW - timedelta(days=ago)).isoformat(), False)
        for screen, person, seconds, ago in rows
    ]
    return pd.DataFrame(table, columns=PACE_COLUMNS)


def active(*names):
    return {name: Person("active", "human") for name in names}


def test_an_edit_is_complete_when_all_its_people_answered_it_and_checks_are_work_but_no_edits():
    rows = [row(person, edit) for person in ("ann", "bob") for edit in ("one", "two")] + [row("ann", "c", role="check")]
    progress = reckon(rows, given_to([rows[0], rows[2], rows[4]]), active("ann", "bob"), answers(), EACH, NOW)
    (screen,) = progress.screens  # nobody was handed regions
    assert (screen.done, screen.asked, screen.complete, screen.edits) == (3, 5, 1, 2)
    assert screen.share == pytest.approx(3 / 5)
    assert [(one.annotator, one.done, one.asked) for one in progress.people] == [("ann", 2, 3), ("bob", 1, 2)]


def test_answers_set_aside_complete_nothing_and_leave_no_work():
    rows = [row("ann", "one"), row("bob", "one"), row("eve", "one")]
    people = active("ann", "eve") | {"bob": Person("suspended", "human")}
    progress = reckon(rows, given_to(rows[:2]), people, answers(), EACH, NOW)
    (screen,) = progress.screens
    assert (screen.done, screen.asked, screen.complete) == (1, 2, 0)
    states = {one.annotator: (one.state, one.done, one.hours_left > 0) for one in progress.people}
    assert states == {"ann": ("active", 1, False), "bob": ("suspended", 1, False), "eve": ("active", 0, True)}


def test_hours_left_are_those_of_each_persons_own_pace_then_the_others_then_the_assumed():
    rows = [row(person, edit) for person in ("slow", "new") for edit in "abc"] + [row("new", "a", "regions")]
    pulled = answers(*[("ratings", "slow", 90.0, 1)] * 20, *[("ratings", "gone", 30.0, 1)] * 20)
    progress = reckon(rows, {}, active("slow", "new"), pulled, EACH, NOW)
    left = {(one.screen, one.annotator): one.hours_left * 3600 for one in progress.people if one.asked}
    assert left["ratings", "slow"] == pytest.approx(3 * 90)
    assert left["ratings", "new"] == pytest.approx(3 * 60)  # the mean of 90 and 30
    assert left["regions", "new"] == pytest.approx(ASSUMED_S["regions"])
    assert [one.measured for one in progress.screens] == [True, False]
    assert progress.hours_left * 3600 == pytest.approx(sum(left.values()))


def test_a_persons_hours_add_up_by_the_mean_and_what_is_usual_is_the_median():
    pulled = answers(*[("ratings", "ann", 10.0, 1)] * 3, *[("ratings", "ann", 40.0, 1)] * 2)
    (ann,) = reckon([row("ann", "a"), row("ann", "b")], {}, active("ann"), pulled, EACH, NOW).people
    assert (ann.median_s, ann.hours_left * 3600) == (10, pytest.approx(2 * 22))


def test_days_left_are_at_the_pace_of_the_last_week():
    rows = [row("ann", str(number)) for number in range(100)]
    done = given_to(rows[:40])

    def days(*pulled):
        return reckon(rows, done, active("ann"), answers(*pulled), EACH, NOW).days_left

    # 60 to do. 40 in four days: ten a day. With work before the week, 40 in seven days.
    assert days(*[("ratings", "ann", 30.0, 4)] * 40) == pytest.approx(6)
    assert days(*[("ratings", "ann", 30.0, 3)] * 40, ("ratings", "ann", 30.0, 20)) == pytest.approx(60 / 40 * 7)
    # An hour of work is not a twenty-fourth of a day of it.
    assert days(*[("ratings", "ann", 30.0, 1 / 24)] * 40) == pytest.approx(60 / 40)
    assert days(*[("ratings", "ann", 30.0, 8)] * 40) is None
    assert days() is None


def test_days_are_not_foretold_before_somebody_has_worked_some_time():
    rows = [row(name, str(number)) for name in ("ann", "bob") for number in range(100)]

    def of(*pulled):
        return reckon(rows, {}, active("ann", "bob"), answers(*pulled), EACH, NOW)

    few = [("ratings", name, 30.0, 0.01) for name in ("ann", "bob")] * 19
    assert of(*few).days_left is None
    assert "nobody has given 20 answers" in of(*few).no_days
    enough = of(*few, ("ratings", "ann", 30.0, 0.02))
    assert enough.days_left is not None
    assert enough.no_days == ""
    assert "nobody answered in the last week" in of(*[("ratings", "ann", 30.0, 8)] * 40).no_days
    # Whoever was only let in has answered something.
    assert "nobody answered" not in of(("admission", "ann", 90.0, 0.01)).no_days


def test_while_nobody_is_named_everybody_is_asked_for_everything():
    rows = [row("", "one"), row("", "two")]
    pulled = answers(*[("ratings", "guest", 10.0, 1)] * 20)
    # Label Studio lets an edit have an answer too many: it makes up for no other.
    progress = reckon(rows, {rows[0].item_id: 3, rows[1].item_id: 1}, {}, pulled, EACH, NOW)
    (screen,) = progress.screens
    assert (screen.done, screen.asked, screen.complete, screen.edits) == (3, 4, 1, 2)
    assert screen.hours_left * 3600 == pytest.approx(10)
    (guest,) = progress.people
    assert (guest.annotator, guest.done, guest.asked, guest.state) == ("guest", 20, None, "not named")
    # Named later, what whoever came answered counts, and what they left open is nobody's.
    progress = reckon(
        [*rows, row("ann", "two")], {rows[0].item_id: 2, rows[1].item_id: 1}, active("ann"), pulled, EACH, NOW
    )
    assert (progress.screens[0].done, progress.screens[0].asked, progress.screens[0].complete) == (3, 4, 1)


def test_a_campaign_of_nothing_has_nothing_left():
    progress = reckon([], {}, {}, answers(), EACH, NOW)
    assert (progress.screens, progress.people, progress.hours_left, progress.days_left) == ([], [], 0, 0)


@given(st.sets(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.booleans())))
def test_shares_are_shares_and_people_add_up_to_screens(items):
    rows = [row(person, edit) for person, edit, _ in {(person, edit, 0) for person, edit, _ in items}]
    done = {row(person, edit).item_id for person, edit, answered in items if answered}
    progress = reckon(rows, dict.fromkeys(done, 1), active(*"abc"), answers(), EACH, NOW)
    for screen in progress.screens:
        assert 0 <= screen.share <= 1
        assert screen.done == len(done) == sum(one.done for one in progress.people)
        assert screen.asked == len(rows) == sum(one.asked for one in progress.people)
        assert screen.complete <= screen.edits
    assert (progress.hours_left == 0) == (len(done) == len(rows))
