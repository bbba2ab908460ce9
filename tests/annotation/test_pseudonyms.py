import re

from annotation.pseudonyms import Pseudonyms, annotator_kind


def test_a_pseudonym_is_the_same_for_a_person_and_tells_nothing_without_the_key():
    ours, others = Pseudonyms("a"), Pseudonyms("b")
    assert ours.of_email("Ann@example.org ") == ours.of_email("ann@example.org")
    assert ours.of_email("ann@example.org") != ours.of_email("bob@example.org")
    assert ours.of_email("ann@example.org") != others.of_email("ann@example.org")
    assert re.fullmatch("[0-9a-f]{16}", ours.of_email("ann@example.org"))


def test_the_key_is_made_once_and_only_its_owner_can_read_it(campaign):
    first = Pseudonyms.of(campaign).of_email("ann@example.org")
    assert Pseudonyms.of(campaign).of_email("ann@example.org") == first
    assert (campaign.annotation_dir / "pseudonym.key").stat().st_mode & 0o777 == 0o600


def test_only_addresses_that_no_person_can_have_are_simulated():
    assert annotator_kind("simulated-01@editfhf.invalid") == "simulated"
    assert annotator_kind("ann@example.org") == "human"
    assert annotator_kind("ann@noteditfhf.invalid") == "human"
