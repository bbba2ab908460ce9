"""Consent, eyes and the qualification round, from the rules to a whole campaign on the real Label Studio."""

import json
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation import campaign, collect, membership, simulate
from annotation.answers import About, parse_annotation
from annotation.campaign import read_assignments
from annotation.checks import passes
from annotation.client import Client
from annotation.entrance import Standing, consent_of, recorded, standing_of, standings
from annotation.guidelines import CONSENT, EYES_KEPT, SILENT_CONSENT, guidelines
from annotation.handed_out import HandedOut
from annotation.harvest import Harvest, Known
from annotation.interface import AGREES, CANNOT_TELL, DECLINES, PLATE_CONTROLS
from annotation.items import admission_items
from annotation.plates import plates_of
from annotation.projects import Place, Projects
from annotation.pseudonyms import Pseudonyms
from annotation.quality import assess_workspace
from annotation.roster import Roster
from annotation.screens import SCREENS, screen_of
from annotation.status import status
from annotation.worklist import ADMISSION, EDIT, QUALIFICATION
from editfhf.config import AnnotationConfig
from editfhf.errors import BadInput
from editfhf.schema import Admission, Assignment, to_table
from tests.annotation.conftest import N_EDITS, use_settings
from tests.annotation.label_studio_json import annotation
from tests.annotation.on_server import tasks_on_server

KEY = "a key"
SETTINGS = AnnotationConfig(qualification=4)
ITEM = Assignment("item", Pseudonyms(KEY).of_email("ann@example.org"), ADMISSION, "text", ADMISSION, 1)
PLATES = plates_of(KEY, ITEM.annotator)
TRUTH = {plate.control: plate.answer for plate in PLATES}


def answered(consented: bool = True, acuity: int = 4, colour: int = 6) -> Admission:
    return Admission("text", "ann", "human", consented, acuity, 4, colour, 6, 90.0, "2026-11-25T10:00:00+00:00")


def standing(admission: Admission | None, right: str = "1111", settings=SETTINGS, **changes) -> Standing:
    """`right`: of the four qualification items those answered so far, 1 for right."""
    facts = {"is_asked": True, "has_begun": False} | changes
    qualified = [one == "1" for one in right]
    return standing_of(settings, facts["is_asked"], facts["has_begun"], admission, 4, qualified)


@pytest.mark.parametrize(
    ("admission", "right", "expected"),
    [
        (None, "", "waits for admission: consent and vision check not answered; 0 of 4 qualification items answered"),
        (None, "1111", "waits for admission: consent and vision check not answered"),
        (answered(), "111", "waits for admission: 3 of 4 qualification items answered"),
        (answered(), "0111", ""),
        (answered(), "0101", "not admitted: 2 of 4 checks right"),
        (answered(acuity=3), "1111", ""),
        (answered(acuity=2), "", "not admitted: 2 of 4 rings read right"),
        (answered(acuity=0), "0000", "not admitted: 0 of 4 rings read right; 0 of 4 checks right"),
        (answered(colour=5), "1111", ""),
        (answered(colour=2), "1111", "2 of 6 figures in coloured dots read right"),
        (answered(consented=False), "1111", "not admitted: does not agree"),
    ],
)
def test_who_may_begin_and_why_not(admission, right, expected):
    assert standing(admission, right).words == expected


def test_colours_keep_somebody_out_only_where_the_campaign_says_so():
    assert standing(answered(colour=4)).state == "admitted"
    assert standing(answered(colour=4), settings=AnnotationConfig(colour_vision="required")).state == "refused"


def test_who_has_begun_is_held_back_by_nothing_but_a_no():
    assert standing(None, "", has_begun=True) == Standing("admitted")
    assert standing(answered(acuity=1), "", has_begun=True).state == "admitted"
    assert standing(answered(consented=False), has_begun=True).state == "refused"


@given(st.integers(0, 4), st.integers(0, 6), st.lists(st.booleans(), max_size=4), st.booleans())
def test_more_right_answers_never_keep_anybody_out(acuity, colour, qualified, required):
    settings = AnnotationConfig(qualification=4, colour_vision="required" if required else "watch")
    rank = ["refused", "waits", "admitted"]

    def state(a, c, q):
        return rank.index(standing_of(settings, True, False, answered(True, a, c), 4, q).state)

    here = state(acuity, colour, qualified)
    assert state(min(4, acuity + 1), colour, qualified) >= here
    assert state(acuity, min(6, colour + 1), qualified) >= here
    assert state(acuity, colour, [True] * len(qualified)) >= here


def harvest(said, shown=("consent_text", *PLATE_CONTROLS), **changes) -> dict[str, pa.Table]:
    kept = {}
    items = HandedOut(to_table("assignments", [ITEM]))
    reader = Harvest(3, Known(items, {}, set(), {1: "ann@example.org"}, Pseudonyms(KEY)), kept.__setitem__)
    answer = annotation(admission_items(said), **changes)
    reader.add({"id": 5, "data": {"item": "item", **dict.fromkeys(shown, "…")}, "annotations": [answer]})
    reader.finish()
    return kept


def row_of(kept) -> Admission:
    (row,) = kept["admissions"].to_pylist()
    return Admission(**row)


def test_what_is_read_on_the_plates_is_counted_against_what_they_show():
    row = row_of(harvest({"consent": AGREES} | TRUTH))
    assert (row.consented, row.acuity_right, row.acuity_of, row.colour_right, row.colour_of) == (True, 4, 4, 6, 6)
    wrong = TRUTH | {"acuity_2": CANNOT_TELL, "colour_1": CANNOT_TELL, "colour_6": CANNOT_TELL}
    row = row_of(harvest({"consent": AGREES} | wrong))
    assert (row.acuity_right, row.acuity_of, row.colour_right, row.colour_of) == (3, 4, 4, 6)
    assert (row.consent_text, row.annotator, row.annotator_kind) == ("text", ITEM.annotator, "human")


def test_who_declines_or_skips_has_not_agreed_and_of_what_was_not_shown_nothing_is_missing():
    for reader in (harvest({"consent": DECLINES}), harvest({}, was_cancelled=True), harvest(TRUTH)):
        row = row_of(reader)
        assert (row.consented, row.acuity_of, row.colour_of) == (False, 0, 0)
    row = row_of(harvest({"consent": AGREES}, shown=["consent_text"]))
    assert (row.consented, row.acuity_of, row.colour_of) == (True, 0, 0)
    row = row_of(harvest(TRUTH, shown=PLATE_CONTROLS))
    assert (row.consented, row.acuity_right, row.colour_right) == (True, 4, 6)


def test_an_answer_that_no_screen_gives_is_refused_and_kept():
    tables = harvest({"consent": "perhaps"})
    assert "admissions" not in tables
    (refused,) = tables["refused_answers"].to_pylist()
    assert "is no answer to it" in refused["reason"]
    assert json.loads(refused["raw"])["result"]


@pytest.mark.parametrize(("consent", "vision"), [(True, True), (True, False), (False, True)])
def test_the_screen_asks_for_what_the_settings_ask_for(consent, vision):
    config = screen_of("admission", AnnotationConfig(consent=consent, vision_check=vision)).label_config
    assert ("$consent_text" in config, "$acuity_1" in config) == (consent, vision)
    assert screen_of("ratings", SETTINGS) == SCREENS["ratings"]


def test_where_people_are_asked_no_guideline_says_that_beginning_is_agreeing():
    assert SILENT_CONSENT in guidelines("ratings")
    # The text that people agree to stands on every screen; only that of the entrance has rings and dots.
    for screen in ("ratings", "regions", "verify"):
        text = guidelines(screen, lambda name: name, f"{CONSENT} {EYES_KEPT}", asks_consent=True, checks_vision=True)
        assert "rings and dots of the vision check" in text
        assert "dots below" not in text
    asked = guidelines("ratings", lambda name: name, "Line <one>\nline two", asks_consent=True, checks_vision=True)
    assert SILENT_CONSENT not in asked
    assert "Line &lt;one&gt;<br/>line two" in asked
    assert "The dots" not in asked


def test_the_consent_text_is_ours_the_settings_or_a_file_of_the_workspace(campaign):
    assert consent_of(campaign, False) == CONSENT
    assert consent_of(campaign, True) == f"{CONSENT} {EYES_KEPT}"
    use_settings(campaign, consent_text="'We pay 15 an hour.'")
    assert consent_of(campaign, True) == "We pay 15 an hour."
    use_settings(campaign, consent_text="consent.txt")
    with pytest.raises(BadInput, match=r"consent\.txt, which cannot be read"):
        consent_of(campaign, True)
    (campaign.root / "consent.txt").write_text("Two lines\nof text.\n")
    assert consent_of(campaign, True) == "Two lines\nof text."
    use_settings(campaign, consent_text="../elsewhere.txt")
    with pytest.raises(BadInput, match="outside the workspace"):
        consent_of(campaign, True)


def roles_on_server(workspace) -> dict[str, Counter]:
    found: dict[str, Counter] = {}
    for task in tasks_on_server(workspace):
        found.setdefault(task["annotator"], Counter())[task["role"]] += 1
    return found


ENTRANCE = {
    "screens": "[ratings, regions]", "raters_per_edit": 2, "drawers_per_edit": 1, "qualification": 4, "checks": 0.1,
    "consent": "true", "vision_check": "true", "simulated_admission": "true",
}  # fmt: skip


@pytest.mark.server
def test_only_who_passed_gets_edits_and_who_did_not_is_named(workspace, client):
    use_settings(workspace, **ENTRANCE)
    counts = simulate.simulate(workspace, client, annotators=3, mix="random=0.34", seed=1)
    assert counts.not_admitted == 1
    collect.pull(workspace, client)
    found = standings(workspace, read_assignments(workspace))
    (refused,) = (name for name, one in found.items() if one.state == "refused")
    assert Counter(one.state for one in found.values()) == {"admitted": 2, "refused": 1}
    on_server = roles_on_server(workspace)
    assert on_server.pop(refused) == {ADMISSION: 1, QUALIFICATION: 8}
    assert all(roles[ADMISSION] == 1 and roles[QUALIFICATION] == 8 for roles in on_server.values())
    assert sum(roles[EDIT] for roles in on_server.values()) == 3 * N_EDITS  # two raters and one who draws
    # Nothing is lost: each edit was answered by as many as it needs, all of them admitted.
    answers = workspace.read_table("answers").to_pylist()
    assert Counter((row["project_type"], row["edit_id"]) for row in answers) == {
        (screen, edit.edit_id): n for edit in workspace.edits() for screen, n in (("ratings", 2), ("regions", 1))
    }
    assert {row["annotator"] for row in answers} == set(on_server)
    assert workspace.read_table("refused_answers").num_rows == 0
    named = {row["annotator"]: row for row in assess_workspace(workspace)}
    assert named[refused]["verdict"] == "not admitted"
    assert named[refused]["reasons"].startswith("not admitted: ")
    (row,) = status(workspace)["admission"]
    assert (row["annotator"], row["admission"], row["kind"]) == (refused, "refused", "simulated")
    again = campaign.push(workspace, client)
    assert (again.tasks, again.withdrawn, again.waiting, again.not_admitted) == (0, 0, 0, 1)


@pytest.mark.server
def test_what_is_held_back_is_kept_for_each_until_it_is_theirs_or_they_are_refused(workspace, client):
    use_settings(workspace, **ENTRANCE | {"simulated_admission": "false", "qualification": 1, "screens": "[ratings]"})
    roster = Roster(workspace)
    people = [roster.pseudonym(one) for one in roster.add(["ann@x.org", "bob@x.org", "eve@x.org"])]
    counts = campaign.push(workspace, client)
    assert (counts.waiting, counts.tasks) == (3, 6)
    first = [row for row in read_assignments(workspace) if row.role == EDIT]
    assert Counter(row.edit_id for row in first) == dict.fromkeys((edit.edit_id for edit in workspace.edits()), 2)
    assert campaign.push(workspace, client).tasks == 0
    assert [row for row in read_assignments(workspace) if row.role == EDIT] == first
    ann, bob, eve = people
    enter(workspace, client, 1, ann)
    enter(workspace, client, 3, eve, consent=DECLINES)
    pulled = collect.pull(workspace, client)
    assert (pulled.admitted, pulled.not_admitted) == ([ann], [eve])
    counts = campaign.push(workspace, client)
    assert (counts.people, counts.waiting, counts.not_admitted) == (2, 1, 1)
    roles = roles_on_server(workspace)
    # Two are left of whom each edit needs two.
    assert (roles[ann][EDIT], roles[bob][EDIT], roles[eve][EDIT]) == (N_EDITS, 0, 0)
    mine = {row.item_id for row in first if row.annotator == ann}
    assert mine <= {row.item_id for row in read_assignments(workspace) if row.annotator == ann}
    roster = Roster(workspace)
    roster.set_state("bob@x.org", "left")
    with pytest.raises(BadInput, match=r"there are 1\. 1 more were not admitted"):
        campaign.push(workspace, client)
    erased = membership.erase(workspace, client, eve)
    assert erased.rows["admissions"] == 1
    assert set(recorded(workspace)) == {ann}
    left = {path.name for path in (workspace.annotation_dir / "plates").iterdir()}
    assert left == {plate.file for one in (ann, bob) for plate in plates_of(Pseudonyms.of(workspace).key, one)}


@pytest.mark.server
def test_what_is_asked_may_change_in_the_middle_and_what_was_answered_stays(workspace, client):
    few = {"screens": "[ratings]", "raters_per_edit": 1, "consent": "true", "consent_text": "'We pay 15 an hour.'"}
    use_settings(workspace, **few)
    roster = Roster(workspace)
    ann, bob = (roster.pseudonym(one) for one in roster.add(["ann@x.org", "bob@x.org"]))
    campaign.push(workspace, client)
    enter(workspace, client, 1, ann)
    use_settings(workspace, **few, vision_check="true")
    counts = campaign.push(workspace, client)
    assert (counts.waiting, counts.tasks, counts.withdrawn) == (2, 1, 1)
    enter(workspace, client, 2, bob)
    pulled = collect.pull(workspace, client)
    assert (pulled.refused, pulled.altered, sorted(pulled.admitted)) == (0, [], sorted([ann, bob]))
    assert [recorded(workspace)[one].acuity_of for one in (ann, bob)] == [0, 4]
    counts = campaign.push(workspace, client)
    assert (counts.tasks, counts.waiting) == (N_EDITS, 0)
    (text,) = (workspace.annotation_dir / "consent").iterdir()
    assert text.read_text() == "We pay 15 an hour."


def enter(workspace, client: Client, number: int, name: str, consent: str = AGREES) -> None:
    """Somebody answers, all of it right, what comes before the first edit."""
    email = Roster(workspace).find(str(number)).email
    users = {address: user for user, address in client.users().items()}
    user = users.get(email) or client.create_user(email, email.split("@")[0], "Somebody")
    known, rows = Projects(workspace, client).known, {row.item_id: row for row in read_assignments(workspace)}
    (task,) = client.tasks(known[Place("admission", number)])
    truth = {plate.control: plate.answer for plate in plates_of(Pseudonyms.of(workspace).key, name)}
    said = {"consent": consent} | (truth if consent == AGREES else {})
    client.add_annotation(task.id, {"result": admission_items(said), "completed_by": user, "lead_time": 80.0})
    for task in client.tasks(known[Place("ratings", number)]) if Place("ratings", number) in known else ():
        check = campaign.checks_of(workspace)[rows[task.data["item"]].edit_id]
        grades = {name: check.honest.get(name, (3, 3))[0] for name in simulate.DIMENSIONS}
        assert passes(check, grades, [], "answered")
        result = [simulate.rating_item(name, grade) for name, grade in grades.items()]
        client.add_annotation(task.id, {"result": result, "completed_by": user, "lead_time": 9.0})


def test_the_answers_of_the_screen_come_back_as_they_were_given():
    said = {"consent": AGREES} | TRUTH
    parsed = parse_annotation(annotation(admission_items(said)), About("admission", "text", "ann", "human"))
    assert (parsed.said, parsed.refusals) == (said, [])
