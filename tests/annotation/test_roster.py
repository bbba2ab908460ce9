import json

import pytest

from annotation.people_file import addresses
from annotation.roster import Roster
from editfhf.errors import BadInput


def test_who_joins_twice_is_one_person_and_keeps_the_number(campaign):
    first = Roster(campaign).add(["Ann@Example.org ", "bob@example.org"])
    assert [(one.number, one.email) for one in first] == [(1, "ann@example.org"), (2, "bob@example.org")]
    again = Roster(campaign)
    assert [one.number for one in again.add(["cid@example.org", "ANN@example.org"])] == [3]
    assert [one.number for one in Roster(campaign).members] == [1, 2, 3]


def test_a_person_is_found_by_address_number_or_pseudonym_and_states_are_kept(campaign):
    roster = Roster(campaign)
    ann, _ = roster.add(["ann@example.org", "bob@example.org"])
    pseudonym = roster.pseudonym(ann)
    for name in ("ann@example.org", " ANN@example.org", "1", pseudonym, pseudonym[:8]):
        assert roster.find(name) == ann
    roster.set_state(pseudonym, "paused")
    assert [one.email for one in Roster(campaign).active] == ["bob@example.org"]
    roster.set_state("1", "suspended")
    assert Roster(campaign).screened() == {pseudonym}


def test_a_number_is_never_given_twice_and_the_file_of_earlier_versions_is_read(campaign):
    roster = Roster(campaign)
    roster.add(["ann@example.org", "bob@example.org"])
    roster.remove("2")
    assert [one.number for one in Roster(campaign).add(["cid@example.org"])] == [3]
    path = campaign.annotation_dir / "people.json"
    rows = json.loads(path.read_text())["people"]
    path.write_text(json.dumps([{name: row[name] for name in ("number", "email", "state", "since")} for row in rows]))
    assert [one.number for one in Roster(campaign).add(["dan@example.org"])] == [4]


@pytest.mark.parametrize("name", ["nobody@example.org", "7", "", "ffffff"])
def test_who_is_not_there_is_said(campaign, name):
    Roster(campaign).add(["ann@example.org"])
    with pytest.raises(BadInput, match=r"Nobody in .* is called"):
        Roster(campaign).find(name)


@pytest.mark.parametrize("wrong", ["ann", "@example.org", "ann@", "a@b@c", "ann smith@example.org"])
def test_what_is_no_address_is_refused_and_nobody_joins(campaign, wrong):
    with pytest.raises(BadInput, match="no e-mail address"):
        Roster(campaign).add(["ok@example.org", wrong])
    assert Roster(campaign).members == []


def test_the_list_of_people_is_readable_by_its_owner_alone_and_a_damaged_one_is_said(campaign):
    Roster(campaign).add(["ann@example.org"])
    path = campaign.annotation_dir / "people.json"
    assert path.stat().st_mode & 0o077 == 0
    path.write_text('[{"number": 1')
    with pytest.raises(BadInput, match=r"people\.json is damaged"):
        Roster(campaign)


def test_addresses_come_one_by_one_or_in_a_file(tmp_path):
    (tmp_path / "people.txt").write_text("# our students\nann@example.org  # Monday\n\nbob@example.org\n")
    assert addresses([str(tmp_path / "people.txt"), "cid@example.org"]) == [
        "ann@example.org", "bob@example.org", "cid@example.org",
    ]  # fmt: skip
    (tmp_path / "list.csv").write_text("# students\nann@example.org\nName,E-Mail\n")
    with pytest.raises(BadInput, match=r"list\.csv: line 3: 'Name,E-Mail' is no e-mail address"):
        addresses([str(tmp_path / "list.csv")])
    with pytest.raises(BadInput, match="neither an e-mail address nor a text file"):
        addresses(["people.csv"])
