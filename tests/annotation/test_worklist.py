from collections import Counter, defaultdict
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.order import Thing
from annotation.worklist import (
    CHECK,
    EDIT,
    KNOWN_ANSWER,
    QUALIFICATION,
    REPEAT,
    Design,
    for_everybody,
    most_checks,
    renew,
    seen_elsewhere,
    things_of,
)
from editfhf.config import AnnotationConfig
from editfhf.errors import BadInput
from editfhf.schema import Edit

CHECKS = [f"check {i:02}" for i in range(12)]
DESIGN = Design("ratings", raters=2, checks=0.1, repeats=0.1, qualification=2, seed=0, key="secret")


def world(n: int) -> list[Thing]:
    return [Thing(f"edit {i:03}", f"photo {i // 4}", f"model {i % 2}", f"task {i % 4 // 2}") for i in range(n)]


class Campaign:
    """What happens on the server, without one: who is there, what was answered, whose answers were set aside."""

    def __init__(self, n: int, people: list[str], design: Design = DESIGN) -> None:
        self.things, self.people, self.design = world(n), list(people), design
        self.answered: set[str] = set()
        self.aside: set[str] = set()
        self.rows = []
        self.renew()

    def renew(self) -> None:
        self.rows = renew(self.rows, self.things, self.people, self.done(), self.answered, CHECKS, self.design)

    def done(self) -> set[tuple[str, str]]:
        rows = (row for row in self.rows if row.item_id in self.answered and row.role == EDIT)
        return {(row.edit_id, row.annotator) for row in rows if row.annotator not in self.aside}

    def of(self, person: str):
        return [row for row in self.rows if row.annotator == person]

    def open_of(self, person: str):
        return [row for row in self.of(person) if row.item_id not in self.answered]

    def answer(self, person: str, n: int) -> None:
        self.answered |= {row.item_id for row in self.open_of(person)[:n]}

    def leave(self, person: str, set_aside: bool = False) -> None:
        self.people.remove(person)
        if set_aside:
            self.aside.add(person)

    def check(self) -> None:
        """What holds at any time."""
        names = [row.item_id for row in self.rows]
        assert len(names) == len(set(names))
        raters = defaultdict(list)
        for edit, person in self.done():
            raters[edit].append(person)
        for person in {row.annotator for row in self.rows}:
            own = self.of(person)
            assert [row.position for row in own] == sorted({row.position for row in own})
            assert person in self.people or not self.open_of(person)
            known = Counter(row.edit_id for row in own if row.role in KNOWN_ANSWER)
            assert set(known.values()) <= {1}
            shown = set()
            for row in own:
                assert row.role != REPEAT or row.edit_id in shown
                shown |= {row.edit_id} if row.role == EDIT else set()
            for row in self.open_of(person):
                if row.role == EDIT:
                    raters[row.edit_id].append(person)
        for thing in self.things:
            those = raters[thing.id]
            assert len(those) == len(set(those)) == self.design.raters


def test_at_first_each_edit_is_handed_out_so_often_with_all_that_is_mixed_in():
    campaign = Campaign(60, ["a", "b", "c"])
    campaign.check()
    for person in campaign.people:
        own = campaign.of(person)
        assert [row.position for row in own] == list(range(1, len(own) + 1))
        assert [row.role for row in own[:3]] == [QUALIFICATION, QUALIFICATION, EDIT]
        roles = Counter(row.role for row in own)
        assert roles[EDIT] == 40
        assert roles[QUALIFICATION] == 2
        assert 4 <= roles[CHECK] <= 6
        assert 4 <= roles[REPEAT] <= 6
    strange = {tuple(row.edit_id for row in campaign.of(person) if row.role in KNOWN_ANSWER) for person in "abc"}
    assert len(strange) == 3


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 30),
    st.lists(st.tuples(st.sampled_from(["answer", "join", "leave", "suspend", "more"]), st.integers(0, 9)), max_size=8),
)
def test_whatever_happens_each_edit_is_looked_at_so_often_and_what_is_answered_stays(n, events):
    campaign = Campaign(n, ["a", "b", "c"])
    campaign.check()
    for number, (event, size) in enumerate(events):
        person = campaign.people[size % len(campaign.people)]
        if event == "answer":
            campaign.answer(person, size)
        elif event == "join":
            campaign.people.append(f"new {number}")
        elif event == "more":
            campaign.things = world(len(campaign.things) + size)
        elif len(campaign.people) > 3:
            campaign.leave(person, set_aside=event == "suspend")
        past = [row for row in campaign.rows if row.item_id in campaign.answered]
        before = {row.item_id: row for row in campaign.rows}
        last = Counter()
        for row in campaign.rows:
            last[row.annotator] = max(last[row.annotator], row.position)
        campaign.renew()
        campaign.check()
        assert set(past) <= set(campaign.rows)
        for row in campaign.rows:  # what stays, stays where it was; what is new comes behind
            assert before.get(row.item_id) == row or row.position > last[row.annotator]
        for _ in range(3):  # where those who had done much could not take their share at once
            again = list(campaign.rows)
            campaign.renew()
        campaign.check()
        assert campaign.rows == again


def test_who_joins_gets_a_fair_share_behind_a_qualification_and_nobody_else_gets_anything():
    campaign = Campaign(60, ["a", "b", "c"])
    campaign.answer("a", 10)
    campaign.renew()
    before = {person: campaign.of(person) for person in "abc"}
    campaign.people.append("d")
    campaign.renew()
    campaign.check()
    left = {person: sum(row.role == EDIT for row in campaign.open_of(person)) for person in "abcd"}
    assert max(left.values()) - min(left.values()) <= 1
    assert [row.role for row in campaign.of("d")[:3]] == [QUALIFICATION, QUALIFICATION, EDIT]
    for person in "abc":
        assert set(campaign.of(person)) <= set(before[person])


def test_what_who_leaves_has_not_done_is_handed_on_without_another_qualification():
    campaign = Campaign(40, ["a", "b", "c"])
    campaign.answer("c", 15)
    did = [row for row in campaign.of("c") if row.item_id in campaign.answered]
    undone = sum(row.role == EDIT for row in campaign.open_of("c"))
    before = {person: campaign.of(person) for person in "ab"}
    campaign.leave("c")
    campaign.renew()
    campaign.check()
    assert campaign.of("c") == did
    gained = [row for person in "ab" for row in campaign.of(person) if row not in before[person]]
    assert sum(row.role == EDIT for row in gained) == undone
    assert not [row for row in gained if row.role == QUALIFICATION]
    for person in "ab":
        assert set(before[person]) <= set(campaign.of(person))


def test_what_is_set_aside_is_done_again_by_others():
    campaign = Campaign(40, ["a", "b", "c"])
    campaign.answer("c", 15)
    edits = {row.edit_id for row in campaign.of("c") if row.item_id in campaign.answered and row.role == EDIT}
    campaign.leave("c", set_aside=True)
    campaign.renew()
    campaign.check()
    for person in "ab":
        assert edits <= {row.edit_id for row in campaign.of(person) if row.role == EDIT}


def test_a_repeat_goes_with_the_edit_that_it_repeats():
    campaign = Campaign(60, ["a", "b", "c"], replace(DESIGN, repeats=0.4))
    assert sum(row.role == REPEAT for row in campaign.rows) == 60
    campaign.answer("a", 12)
    campaign.things = world(30)
    campaign.renew()
    campaign.check()
    repeated = {row.edit_id for row in campaign.rows if row.role == REPEAT}
    assert repeated
    assert repeated <= {row.edit_id for row in campaign.rows if row.role == EDIT}


def test_an_item_has_no_name_twice_when_an_answer_vanishes_from_the_server():
    campaign = Campaign(4, ["a", "b"], replace(DESIGN, checks=0, repeats=0, qualification=0))
    (first, *_) = campaign.of("a")
    campaign.answered = {first.item_id}
    # Brought to nothing, and asked again: a second item for the same edit.
    campaign.rows = renew(campaign.rows, campaign.things, ["a", "b"], (), campaign.answered, (), campaign.design)
    (second,) = [row for row in campaign.of("a") if row.edit_id == first.edit_id and row != first]
    # The first answer is deleted while the second counts; then that one is brought to nothing as well.
    campaign.answered = {second.item_id}
    for done in ({(second.edit_id, "a")}, set()):
        campaign.rows = renew(campaign.rows, campaign.things, ["a", "b"], done, campaign.answered, (), campaign.design)
        assert len({row.item_id for row in campaign.rows}) == len(campaign.rows)


def test_things_are_never_handed_to_who_is_barred_from_them_whoever_joins_or_leaves():
    things, people = world(40), ["a", "b", "c", "d"]
    design = replace(DESIGN, checks=0, repeats=0, qualification=0, raters=2)
    barred = {(thing.id, people[number % 4]) for number, thing in enumerate(things)}
    rows = renew([], things, people, (), (), (), design, barred)
    for there in (people, [*people, "e"], ["a", "b", "d", "e"]):
        answered = {row.item_id for row in rows if row.position <= 3}
        done = {(row.edit_id, row.annotator) for row in rows if row.item_id in answered}
        rows = renew(rows, things, there, done, answered, (), design, barred)
        assert not barred & {(row.edit_id, row.annotator) for row in rows}
        assert set(Counter(row.edit_id for row in rows).values()) == {2}
        left = Counter(row.annotator for row in rows if row.item_id not in answered)
        assert max(left.values()) - min(left[person] for person in there) <= 1
    assert renew(rows, things, there, done, answered, (), design, barred) == rows


def test_who_is_barred_is_nobody_to_ask():
    said = r"^Each edit on the screen ratings needs 2 .* there are 1\. Let 1 more join .* or lower raters_per_edit in"
    with pytest.raises(BadInput, match=said):
        renew([], world(3), ["a", "b"], (), (), (), DESIGN, {("edit 000", "b")})


def test_of_regions_and_pairs_there_are_neither_checks_nor_repeats():
    given = AnnotationConfig(
        verifiers_per_region=2, judges_per_pair=9, checks=0.1, repeats=0.2, qualification=4, seed=5
    )
    assert Design.of(given, "verify", "k") == Design("verify", 2, 0.0, 0.0, 0, 5, "k")
    assert Design.of(given, "preference", "k") == Design("preference", 9, 0.0, 0.0, 0, 5, "k")


def test_too_few_people_is_bad_input():
    with pytest.raises(BadInput, match="needs 2 different people"):
        Campaign(3, ["a"])


@pytest.mark.parametrize(("n", "people"), [(1, 2), (30, 3), (100, 7)])
def test_no_more_checks_are_used_than_are_made(n, people):
    for seed in range(10):
        design = replace(DESIGN, seed=seed)
        plenty = [f"check {i}" for i in range(500)]
        rows = renew([], world(n), [f"p{i}" for i in range(people)], (), (), plenty, design)
        used = Counter(row.annotator for row in rows if row.role in KNOWN_ANSWER)
        assert max(used.values()) <= most_checks(n, people, design)


def test_while_nobody_is_named_each_edit_is_there_once_and_answered_ones_stay():
    things = world(20)
    rows = for_everybody([], things, (), DESIGN)
    assert {row.edit_id for row in rows} == {thing.id for thing in things}
    assert len({row.item_id for row in rows}) == 20
    assert {(row.annotator, row.role) for row in rows} == {("", EDIT)}
    assert for_everybody(rows, things[::-1], (), DESIGN) == rows
    fewer = for_everybody(rows, things[:5], [rows[9].item_id], DESIGN)
    assert {row.edit_id for row in fewer} == {thing.id for thing in things[:5]} | {rows[9].edit_id}


def test_the_settings_make_the_design_and_regions_are_not_asked_for_again():
    given = AnnotationConfig(raters_per_edit=7, drawers_per_edit=3, checks=0.1, repeats=0.2, qualification=4, seed=5)
    assert Design.of(given, "ratings", "k") == Design("ratings", 7, 0.1, 0.2, 4, 5, "k")
    assert Design.of(given, "regions", "k") == Design("regions", 3, 0.1, 0.0, 4, 5, "k")
    assert Design.of(given, "together", "k") == Design("together", 3, 0.1, 0.2, 4, 5, "k")


def test_edits_become_things_of_the_photo_that_they_were_made_from():
    edit = Edit.plan("source", "object_remove", "remove it", "model", "1", {}, 0)
    assert things_of([edit], {"source": "photo"}) == [Thing(edit.edit_id, "photo", "model", "object_remove")]


def shared_share(rows, others) -> float:
    """Of the things handed out, those that the same person has among the others."""
    seen = {(row.edit_id, row.annotator) for row in others if row.role == EDIT}
    own = [(row.edit_id, row.annotator) for row in rows if row.role == EDIT]
    return sum(pair in seen for pair in own) / len(own)


@pytest.mark.parametrize(
    ("people", "raters", "drawers", "most", "by_chance"), [(30, 12, 4, 0.02, 0.4), (100, 15, 4, 0.01, 0.15)]
)
def test_hardly_anybody_draws_on_an_edit_that_the_same_person_rates(people, raters, drawers, most, by_chance):
    names, things = [f"person {i:03}" for i in range(people)], world(400)
    rating, drawing = replace(DESIGN, raters=raters), replace(DESIGN, project_type="regions", raters=drawers, repeats=0)
    rated = renew([], things, names, set(), set(), CHECKS, rating)
    apart = seen_elsewhere("regions", rated, [])
    drawn = renew([], things, names, set(), set(), CHECKS, drawing, (), apart)
    assert shared_share(drawn, rated) <= most
    alone = renew([], things, names, set(), set(), CHECKS, drawing)
    assert shared_share(alone, rated) == pytest.approx(by_chance, abs=0.05)
    loads = Counter(row.annotator for row in drawn if row.role == EDIT)
    assert max(loads.values()) - min(loads.values()) <= 1
    # What was handed out without it stays where it is.
    assert renew(alone, things, names, set(), set(), CHECKS, drawing, (), apart) == alone


def test_where_everybody_rates_everything_the_same_people_draw():
    names, things = [f"person {i}" for i in range(4)], world(20)
    rated = renew([], things, names, set(), set(), CHECKS, replace(DESIGN, raters=4))
    drawing = replace(DESIGN, project_type="regions")
    drawn = renew([], things, names, set(), set(), CHECKS, drawing, (), seen_elsewhere("regions", rated, []))
    assert Counter(row.edit_id for row in drawn if row.role == EDIT) == {thing.id: 2 for thing in things}
    assert shared_share(drawn, rated) == 1


def test_what_is_seen_elsewhere_is_what_was_renewed_or_else_what_there_was():
    old, new = (renew([], world(8), names, set(), set(), CHECKS, DESIGN) for names in (["ann", "bob"], ["cid", "dan"]))
    assert {person for _, person in seen_elsewhere("regions", new, old)} == {"cid", "dan"}
    assert {person for _, person in seen_elsewhere("regions", [], old)} == {"ann", "bob"}
    assert seen_elsewhere("ratings", new, old) == set()
    assert seen_elsewhere("verify", new, old) == set()


def test_screens_of_one_seed_are_dealt_and_ordered_each_by_itself():
    names, things = [f"person {i}" for i in range(10)], world(200)
    rated, drawn = (
        renew([], things, names, set(), set(), CHECKS, replace(DESIGN, project_type=name, raters=3, repeats=0))
        for name in ("ratings", "regions")
    )
    assert shared_share(drawn, rated) == pytest.approx(0.3, abs=0.06)  # as by chance
    first, second = ([row.edit_id for row in rows if row.annotator == names[0]] for rows in (rated, drawn))
    both = [edit for edit in first if edit in set(second)]
    assert both != [edit for edit in second if edit in set(first)]


def test_the_qualification_keeps_its_length_over_a_pause():
    campaign = Campaign(8, ["a", "b"], replace(DESIGN, checks=0, repeats=0, qualification=4))
    assert [row.role for row in campaign.of("a")][:4] == [QUALIFICATION] * 4
    campaign.answer("a", 1)
    campaign.people.append("c")
    campaign.people.remove("a")
    campaign.renew()
    campaign.people.append("a")
    campaign.renew()
    assert sum(row.role == QUALIFICATION for row in campaign.of("a")) == 4
    campaign.check()
