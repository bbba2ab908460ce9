from annotation.all_answers import all_answers
from annotation.cost import FEWEST_MEASURED
from annotation.roster import Roster
from annotation.status import progress_in_tables
from editfhf.schema import Answer, Assignment, CheckAnswer, Preference, Verdict
from tests.annotation.conftest import use_settings

WHEN = "2026-11-23T10:00:00+00:00"


def test_every_answer_is_there_once_and_checks_where_they_are_asked_for(campaign):
    campaign.write_table("answers", [Answer("e", "ann", "human", "ratings", "answered", "", 9.0, WHEN)])
    campaign.write_table("verdicts", [Verdict("r", "f", "ann", "human", "no_flaw", "", 5.0, WHEN)])
    campaign.write_table(
        "preferences", [Preference("p", "g", "h", "", "", "bob", "human", "skipped", "first", 4.0, WHEN)]
    )
    campaign.write_table("check_answers", [CheckAnswer("c", "bob", "human", "ratings", "check", True, "{}", 3.0, WHEN)])
    rows = all_answers(campaign)
    assert list(zip(rows.edit_id, rows.project_type, rows.outcome, strict=True)) == [
        ("e", "ratings", "answered"), ("f", "verify", "answered"), ("g", "preference", "skipped"),
    ]  # fmt: skip
    both = all_answers(campaign, with_checks=True)
    assert both[:3].equals(rows)
    assert (both.edit_id[3], both.project_type[3], both.annotator[3], both.lead_time_s[3]) == ("c", "ratings", "bob", 3)


def test_the_haste_of_a_suspended_person_at_checks_is_nobodys_pace(campaign):
    use_settings(campaign, screens="[ratings]", raters_per_edit=1)
    roster = Roster(campaign)
    ann, hasty = (roster.pseudonym(one) for one in roster.add(["ann@example.org", "hasty@example.org"]))
    slow = CheckAnswer("c", ann, "human", "ratings", "check", True, "{}", 30.0, WHEN)
    quick = CheckAnswer("c", hasty, "human", "ratings", "check", False, "{}", 1.0, WHEN)
    campaign.write_table("check_answers", [slow] * FEWEST_MEASURED + [quick] * FEWEST_MEASURED)
    campaign.write_table("assignments", [Assignment("i", ann, "ratings", "e", "edit", 1)])
    roster.set_state("hasty@example.org", "suspended")
    assert set(all_answers(campaign, with_checks=True).groupby("annotator").screened.all().items()) == {
        (ann, False), (hasty, True),
    }  # fmt: skip
    (screen,) = progress_in_tables(campaign).screens
    assert (screen.seconds, screen.measured) == (30.0, True)
