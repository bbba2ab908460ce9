import json
from dataclasses import replace

from annotation.refusals import in_general, lost_answers, refused
from annotation.roster import Roster
from editfhf import cli
from editfhf.schema import RefusedAnswer

ONE = RefusedAnswer(1, 11, 21, "e1", "ann", "", "this workspace has no edit 'e1'", "{}", "ratings", False)


def test_reasons_are_counted_by_screen_the_commonest_first_and_an_answer_refused_in_parts_is_one(campaign, capsys):
    again = replace(ONE, task=12, annotation=22, edit_id="e2", reason="this workspace has no edit 'e2'")
    late = "the rating is missing"
    part = replace(ONE, annotator="bob", part="rating perceptual_quality", reason=late, taken=False, annotation=23)
    other_part = replace(part, part="rating visual_consistency")
    kept = replace(ONE, project_type="regions", part="region x", reason="the flaw type is missing", taken=True)
    nobodys = replace(ONE, annotation=25, annotator="", reason="nobody on the server has given this answer")
    campaign.write_table("refused_answers", [kept, ONE, part, again, other_part, nobodys])

    assert [(row.reason, row.project_type, row.n, row.lost, row.people) for row in refused(campaign)] == [
        (late, "ratings", 2, 1, 1),
        ("this workspace has no edit …", "ratings", 2, 2, 1),
        ("nobody on the server has given this answer", "ratings", 1, 1, 0),
        ("the flaw type is missing", "regions", 1, 0, 1),
    ]
    assert [row.by for row in refused(campaign)] == [("bob",), ("ann",), (), ("ann",)]
    assert sorted(row["annotation"] for row in lost_answers(campaign)) == [21, 22, 23, 25]

    assert cli.run(["annotate", "refused", "-w", str(campaign.root)]) == 0
    printed = capsys.readouterr()
    assert "this workspace has no edit …" in printed.out
    assert str(campaign.table_path("refused_answers")) in printed.err
    campaign.write_table("refused_answers", [ONE])
    assert refused(campaign)[0].reason == ONE.reason  # word for word where it is always the same


def test_before_any_pull_nothing_is_said_to_have_been_taken(campaign, capsys):
    command = ["annotate", "refused", "-w", str(campaign.root)]
    assert cli.run(command) == 0
    assert "editfhf annotate pull" in capsys.readouterr().out
    campaign.write_table("refused_answers", [])
    assert cli.run(command) == 0
    said = capsys.readouterr().out
    assert "were taken" in said
    assert "pull" not in said


def test_who_gave_what_was_refused_is_named_by_number_and_pseudonym_never_by_address(campaign, capsys):
    roster = Roster(campaign)
    _, bob = roster.add(["ann@example.org", "bob@example.org"])
    campaign.write_table("refused_answers", [replace(ONE, annotator=roster.pseudonym(bob))])
    command = ["annotate", "refused", "-w", str(campaign.root)]
    assert cli.run(command) == 0
    said = "".join(capsys.readouterr().out.split())
    assert f"2({roster.pseudonym(bob)})" in said
    assert "example.org" not in said
    assert cli.run([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["by"] == [roster.pseudonym(bob)]


def test_where_nothing_was_refused_nothing_is_listed(campaign, capsys):
    assert cli.run(["annotate", "refused", "-w", str(campaign.root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_reason_in_general_terms_says_what_is_wrong_and_not_with_which():
    assert in_general("'grain' is no flaw type of kind 'Artifact'") == "… is no flaw type of kind …"
    assert in_general('"it\'s" is not one of 1 Bad, 2 Poor') == "… is not one of 1 Bad, 2 Poor"
    assert in_general("this was another person's to answer") == "this was another person's to answer"
