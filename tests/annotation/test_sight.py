"""What simulated people see within an outline, against the truth of a small workspace (`tests.factories`)."""

from annotation.items import verdict_items
from annotation.people import Person
from annotation.sight import SeenPair, SeenRegion, see_region
from annotation.simulate import annotation_of
from editfhf.schema import DIMENSIONS

ARTIFACT = [[[0.5, 0.125], [0.75, 0.125], [0.75, 0.25], [0.5, 0.25]]]
FAILURE = [[[0.125, 0.625], [0.375, 0.625], [0.375, 0.875], [0.125, 0.875]]]
NOTHING = [[[0.8, 0.8], [0.95, 0.8], [0.95, 0.95], [0.8, 0.95]]]


def test_what_is_within_an_outline_is_the_flaw_of_which_most_lies_there(campaign):
    edit = campaign.edits()[0].edit_id

    def seen(polygon):
        flaw = see_region(campaign, "region", edit, polygon).flaw
        return flaw and flaw.flaw_type

    assert seen(ARTIFACT) == "texture_noise"
    assert seen(FAILURE) == "unintended_change"
    assert seen(NOTHING) is None
    within = [[[x / 4 + 0.45, y / 4] for x, y in ((0.4, 0.6), (0.8, 0.6), (0.8, 0.9))]]
    assert seen(within) == "texture_noise"
    only_touched = [[[0.72, 0.2], [0.95, 0.2], [0.95, 0.6], [0.72, 0.6]]]
    assert seen(only_touched) is None


def test_an_answer_to_a_region_or_a_pair_depends_on_person_thing_and_seed_alone():
    person = Person.make(1, 0)
    pair = SeenPair("pair", dict.fromkeys(DIMENSIONS, 90.0), dict.fromkeys(DIMENSIONS, 10.0))
    for look, screen in ((SeenRegion("region", None), "verify"), (pair, "preference")):
        first = annotation_of(person, look, screen, 0)
        assert annotation_of(person, look, screen, 0) == first
        assert annotation_of(Person.make(2, 0), look, screen, 0) != first
        assert first["lead_time"] > 0
    answers = [annotation_of(Person.make(n, 0), SeenRegion("r", None), "verify", 0)["result"] for n in range(1, 30)]
    assert answers.count(verdict_items(None)) > 15
