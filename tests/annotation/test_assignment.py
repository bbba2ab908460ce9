from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from annotation.assignment import assign, item_id
from annotation.order import REPEAT_AFTER, Thing, spread, with_checks_and_repeats
from editfhf.errors import BadInput


def things_of(n: int, models: int = 2, of_a_photo: int = 4) -> list[Thing]:
    return [
        Thing(f"thing {i:03}", f"photo {i // of_a_photo}", f"model {i % models}", f"task {i % 3}") for i in range(n)
    ]


def people_of(n: int) -> list[str]:
    return [f"person {i:02}" for i in range(n)]


def raters_in(todo) -> dict[str, list[str]]:
    """Thing → who is to look at it."""
    raters = defaultdict(list)
    for person, ids in todo.items():
        for thing in ids:
            raters[thing].append(person)
    return raters


def loads_of(todo) -> list[int]:
    return sorted(map(len, todo.values()))


@st.composite
def campaigns(draw):
    """(things, people, raters, seed)"""
    people = people_of(draw(st.integers(1, 9)))
    raters = draw(st.integers(1, len(people)))
    return things_of(draw(st.integers(1, 30)), draw(st.integers(1, 4))), people, raters, draw(st.integers(0, 99))


@given(campaigns())
def test_each_thing_gets_so_many_different_people_and_loads_differ_by_one_at_most(campaign):
    things, people, raters, seed = campaign
    todo = assign(things, people, raters, seed)
    assert set(todo) == set(people)
    given_to = raters_in(todo)
    assert set(given_to) == {thing.id for thing in things}
    assert all(len(those) == len(set(those)) == raters for those in given_to.values())
    loads = loads_of(todo)
    assert loads[-1] - loads[0] <= 1


@given(campaigns(), st.randoms(use_true_random=False))
def test_the_same_input_gives_the_same_and_the_order_of_the_things_does_not_matter(campaign, random):
    things, people, raters, seed = campaign
    shuffled = random.sample(things, len(things))
    assert assign(things, people, raters, seed) == assign(shuffled, people, raters, seed)


def test_another_seed_gives_another_assignment():
    things, people = things_of(20), people_of(4)
    assert raters_in(assign(things, people, 2, 0)) != raters_in(assign(things, people, 2, 1))


@given(campaigns(), st.data())
def test_what_is_done_counts_whoever_did_it_and_is_not_asked_again(campaign, data):
    things, people, raters, seed = campaign
    ids = [thing.id for thing in things]
    done = data.draw(st.sets(st.tuples(st.sampled_from(ids), st.sampled_from([*people, "left 1", "left 2"]))))
    todo = assign(things, people, raters, seed, done)
    given_to = raters_in(todo)
    for thing in ids:
        did = {person for one, person in done if one == thing}
        assert not did & set(given_to[thing])
        assert len(given_to[thing]) == len(set(given_to[thing])) == max(0, raters - len(did))
    assert set(todo) == set(people)  # who left has none


@given(campaigns(), st.data())
def test_whatever_was_kept_each_thing_is_looked_at_as_often_as_it_needs(campaign, data):
    things, people, raters, seed = campaign
    ids = [thing.id for thing in things]
    done = data.draw(st.sets(st.tuples(st.sampled_from(ids), st.sampled_from([*people, "left"])), max_size=20))
    kept = {person: data.draw(st.lists(st.sampled_from(ids), unique=True)) for person in [*people, "left", "also left"]}
    todo = assign(things, people, raters, seed, done, kept)
    given_to = raters_in(todo)
    need = {thing: max(0, raters - len({who for one, who in done if one == thing})) for thing in ids}
    assert set(todo) == set(people)
    for thing in ids:
        assert len(given_to[thing]) == len(set(given_to[thing])) == need[thing]
        assert not {who for one, who in done if one == thing} & set(given_to[thing])


@given(campaigns(), st.data())
def test_nobody_keeps_more_than_an_even_share(campaign, data):
    things, people, _, seed = campaign
    ids = [thing.id for thing in things]
    kept = {person: data.draw(st.lists(st.sampled_from(ids), unique=True)) for person in people}
    loads = loads_of(assign(things, people, 1, seed, (), kept))
    assert loads[-1] - loads[0] <= 1


@given(campaigns())
def test_nothing_moves_while_nobody_comes_or_goes(campaign):
    things, people, raters, seed = campaign
    before = assign(things, people, raters, seed)
    assert assign(things, people, raters, seed, (), before) == before


@settings(max_examples=50)
@given(campaigns(), st.data())
def test_nothing_moves_either_when_some_of_it_was_done_evenly(campaign, data):
    things, people, raters, seed = campaign
    before = assign(things, people, raters, seed)
    n = data.draw(st.integers(0, loads_of(before)[0]))
    done = {(thing, person) for person, ids in before.items() for thing in ids[:n]}
    left = {person: ids[n:] for person, ids in before.items()}
    assert assign(things, people, raters, seed, done, left) == left


@pytest.mark.parametrize(
    ("n", "people", "raters"), [(100, 10, 1), (100, 16, 15), (60, 4, 4), (60, 5, 4), (60, 3, 2), (12, 10, 5)]
)
@pytest.mark.parametrize("newcomers", [1, 2])
def test_newcomers_get_a_fair_share_and_nothing_is_given_to_those_who_were_there(n, people, raters, newcomers):
    things, old, new = things_of(n), people_of(people), [f"new {i}" for i in range(newcomers)]
    before = assign(things, old, raters, 0)
    after = assign(things, old + new, raters, 0, (), before)
    fair = n * raters // (people + newcomers)
    assert all(abs(len(after[person]) - fair) <= 1 for person in after)
    gained = sum(len(set(after[person]) - set(before[person])) for person in old)
    assert gained <= n * raters * 0.02
    for person in old:  # what stays, stays in its order
        stayed = [thing for thing in before[person] if thing in after[person]]
        assert after[person][: len(stayed)] == stayed


def test_what_a_person_who_left_did_not_do_goes_to_the_others():
    things, people = things_of(40), people_of(5)
    before = assign(things, people, 3, 0)
    gone, *stay = people
    done = {(thing, gone) for thing in before[gone][:7]}
    after = assign(things, stay, 3, 0, done, before)
    assert gone not in after
    for person in stay:
        assert after[person][: len(before[person])] == before[person]
    assert sum(map(len, after.values())) == 40 * 3 - 7


def test_a_thing_that_is_no_longer_wanted_or_needs_fewer_is_not_kept():
    things, people = things_of(20), people_of(4)
    before = assign(things, people, 3, 0)
    after = assign(things[:10], people, 2, 0, (), before)
    assert {len(those) for those in raters_in(after).values()} == {2}
    assert set(raters_in(after)) == {thing.id for thing in things[:10]}
    assert loads_of(after) == [5, 5, 5, 5]


def test_fewer_people_than_a_thing_needs_is_bad_input_but_who_has_left_counts_where_it_is_done():
    things = things_of(3)
    with pytest.raises(BadInput, match="needs 3 different people, and there are 2"):
        assign(things, people_of(2), 3, 0)
    done = {(thing.id, "left") for thing in things}
    assert {len(those) for those in raters_in(assign(things, people_of(2), 3, 0, done)).values()} == {2}


def least_greatest_load(need, people, done) -> int:
    """The smallest number that nobody has to exceed, by a maximum flow: source → thing → person → sink."""
    things = sorted(need)
    nodes = 2 + len(things) + len(people)
    for most in range(len(things) + 1):
        capacity = np.zeros((nodes, nodes), np.int32)
        for row, thing in enumerate(things, start=2):
            capacity[0, row] = need[thing]
            for column, person in enumerate(people, start=2 + len(things)):
                capacity[row, column] = (thing, person) not in done
                capacity[column, 1] = most
        if maximum_flow(csr_array(capacity), 0, 1).flow_value == sum(need.values()):
            return most
    raise AssertionError("cannot be shared out")


@settings(max_examples=60, deadline=None)
@given(campaigns(), st.data())
def test_nobody_has_more_than_the_fairest_share_that_there_is(campaign, data):
    things, people, raters, seed = campaign
    before = assign(things, people, raters, seed)
    did = {person: data.draw(st.integers(0, len(ids))) for person, ids in before.items()}
    done = {(thing, person) for person, ids in before.items() for thing in ids[: did[person]]}
    kept = data.draw(st.sampled_from([None, {person: ids[did[person] :] for person, ids in before.items()}]))
    now = [*people, *data.draw(st.sampled_from([[], ["new"]]))]
    need = {thing.id: raters - sum(one == thing.id for one, _ in done) for thing in things}
    assert loads_of(assign(things, now, raters, seed, done, kept))[-1] == least_greatest_load(need, now, done)


@settings(max_examples=60, deadline=None)
@given(campaigns(), st.data())
def test_what_was_made_even_once_does_not_move_again(campaign, data):
    things, people, raters, seed = campaign
    ids = [thing.id for thing in things]
    done = data.draw(st.sets(st.tuples(st.sampled_from(ids), st.sampled_from(people))))
    kept = {person: data.draw(st.lists(st.sampled_from(ids), unique=True)) for person in people}
    once = assign(things, people, raters, seed, done, kept)
    assert assign(things, people, raters, seed, done, once) == once


def most_kept(things, people, raters, before) -> int:
    """How much of `before` can stay where loads are even: a transport problem, whose optimum is whole."""
    share, spare = divmod(len(things) * raters, len(people))
    has = np.array([[thing.id in before.get(person, ()) for person in people] for thing in things], float)
    of_thing = np.kron(np.eye(len(things)), np.ones(len(people)))
    of_person = np.kron(np.ones(len(things)), np.eye(len(people)))
    found = linprog(
        -has.ravel(), A_eq=of_thing, b_eq=np.full(len(things), raters), bounds=(0, 1),
        A_ub=np.vstack([of_person, -of_person]),
        b_ub=np.concatenate([np.full(len(people), share + bool(spare)), np.full(len(people), -share)]),
    )  # fmt: skip
    return round(-found.fun)


@settings(max_examples=60, deadline=None)
@given(campaigns(), st.data())
def test_no_more_moves_than_the_shares_of_newcomers_ask_for(campaign, data):
    things, people, raters, seed = campaign
    before = assign(things, people, raters, seed)
    gone = data.draw(st.sets(st.sampled_from(people), max_size=len(people) - raters))
    stay = [person for person in people if person not in gone]
    now = [*stay, *(f"new {i}" for i in range(data.draw(st.integers(0, 3))))]
    after = assign(things, now, raters, seed, (), before)
    moved = sum(len(set(before[person]) - set(after[person])) for person in stay)
    assert moved == sum(len(before[person]) for person in stay) - most_kept(things, now, raters, before)


@pytest.mark.parametrize(("people", "raters", "models"), [(6, 2, 3), (10, 3, 4), (5, 4, 2)])
def test_each_person_sees_every_model_about_equally_often(people, raters, models):
    things = things_of(120, models)
    model_of = {thing.id: thing.model for thing in things}
    for ids in assign(things, people_of(people), raters, 0).values():
        seen = Counter(model_of[thing] for thing in ids)
        assert len(seen) == models
        assert max(seen.values()) - min(seen.values()) <= 0.25 * len(ids) / models


def test_models_and_tasks_are_shared_out_in_proportion_and_newcomers_get_their_part():
    things = [Thing(f"{i:04}", f"photo {i // 12}", f"model {i % 12}", f"task {i // 12 % 10}") for i in range(1200)]
    model_of, task_of = ({thing.id: getattr(thing, name) for thing in things} for name in ("model", "task"))
    people = people_of(20)
    before = assign(things, people, 5, 1)
    done = {(thing, person) for person, ids in before.items() for thing in ids[:100]}
    kept = {person: ids[100:] for person, ids in before.items()}
    after = assign(things, [*people, "new"], 5, 1, done, kept)
    seen = {person: [*before[person][:100], *after[person]] for person in people}
    for ids in (*before.values(), *seen.values(), after["new"]):
        for of_thing in (model_of, task_of):
            counts = Counter(of_thing[thing] for thing in ids)
            even = len(ids) / len(set(of_thing.values()))
            assert len(counts) == len(set(of_thing.values()))
            assert all(abs(count - even) <= 3 for count in counts.values())


@given(st.integers(1, 12), st.integers(1, 8), st.integers(0, 99))
def test_of_the_edits_of_a_photo_one_lies_in_each_part_of_the_whole(photos, of_each, seed):
    things = things_of(photos * of_each, of_a_photo=of_each)
    photo_of = {thing.id: thing.photo for thing in things}
    order = spread(things, seed, "somebody")
    assert sorted(order) == sorted(photo_of)
    assert order == spread(things[::-1], seed, "somebody")
    for part in range(of_each):
        inside = order[part * photos : (part + 1) * photos]
        assert len({photo_of[thing] for thing in inside}) == photos


def steps_between(order, photo_of) -> dict[str, list[int]]:
    """Photo → from each of its edits to the next, how many steps."""
    places = defaultdict(list)
    for place, thing in enumerate(order):
        places[photo_of[thing]].append(place)
    return {photo: [later - place for place, later in pairwise(those)] for photo, those in places.items()}


@given(st.lists(st.integers(1, 9), min_size=1, max_size=40), st.integers(0, 99))
def test_edits_of_a_photo_are_as_far_apart_as_promised(counts, seed):
    things = [Thing(f"{p} {i}", f"photo {p}", "m", "t") for p, count in enumerate(counts) for i in range(count)]
    photos_with = Counter(counts)
    steps = steps_between(spread(things, seed, "somebody"), {thing.id: thing.photo for thing in things})
    for photo, count in enumerate(counts):
        others = sum(max(0, k * n // count - 1) for k, n in photos_with.items() if k != count)
        assert all(step >= photos_with[count] + others for step in steps[f"photo {photo}"])


def test_what_was_looked_at_lately_comes_late():
    things = things_of(60, of_a_photo=3)
    lately = [f"photo {i}" for i in range(5)]
    for seed in range(50):
        order = spread(things, seed, "somebody", ["photo 19", *["other"] * 30, *lately])
        photos = [f"photo {int(one.removeprefix('thing ')) // 3}" for one in order]
        first = {photo: photos.index(photo) for photo in lately}
        # Alone each photo would come first within 20; these were seen up to 5 steps before.
        assert min(first.values()) >= 8


def test_each_person_and_each_seed_has_an_order_of_its_own():
    things = things_of(40)
    orders = [spread(things, seed, person) for seed in (0, 1) for person in ("a", "b")]
    assert len({tuple(order) for order in orders}) == 4


ROLES = ("edit", "repeat", "check", "qualification")


@given(
    n=st.integers(0, 120), n_checks=st.integers(0, 30), checks=st.floats(0, 0.45), repeats=st.floats(0, 0.45),
    qualification=st.integers(0, 5), seed=st.integers(0, 2**64),
)  # fmt: skip
def test_what_is_mixed_in_leaves_the_edits_in_their_order(n, n_checks, checks, repeats, qualification, seed):
    order, known = [f"edit {i}" for i in range(n)], [f"check {i}" for i in range(n_checks)]
    mixed = with_checks_and_repeats(order, known, checks, repeats, qualification, seed)
    assert mixed == with_checks_and_repeats(order, known, checks, repeats, qualification, seed)
    by_role = {role: [thing for thing, one in mixed if one == role] for role in ROLES}
    assert sum(map(len, by_role.values())) == len(mixed)
    assert by_role["edit"] == order
    assert (
        mixed[:qualification] == [(check, "qualification") for check in known[:qualification]]
        or n_checks == 0
        or (mixed[:n_checks] == [(check, "qualification") for check in known])
    )
    asked = by_role["check"] + by_role["qualification"]
    assert len(asked) == len(set(asked))
    assert set(by_role["check"]) <= set(known[qualification:])
    assert len(by_role["repeat"]) == len(set(by_role["repeat"]))
    assert n >= 4 or not by_role["repeat"]
    edits_before = 0
    shown_after: dict[str, int] = {}
    for thing, role in mixed:
        if role == "edit":
            shown_after[thing] = edits_before
            edits_before += 1
        elif role == "repeat":
            # Counted from the first showing, itself included.
            assert edits_before - shown_after[thing] >= min(REPEAT_AFTER, n // 2)


@given(
    n=st.integers(40, 150), more=st.integers(1, 100), checks=st.floats(0, 0.4), repeats=st.floats(0, 0.4),
    seed=st.integers(0, 2**64),
)  # fmt: skip
def test_what_is_at_the_front_stays_when_the_order_grows(n, more, checks, repeats, seed):
    order, known = [f"edit {i}" for i in range(n + more)], [f"check {i}" for i in range(200)]
    short = with_checks_and_repeats(order[:n], known, checks, repeats, 2, seed)
    long = with_checks_and_repeats(order, known, checks, repeats, 2, seed)
    assert long[: len(short)] == short


def test_no_period_tells_a_check_or_a_repeat():
    """The gaps between two of a kind spread as widely as those of a random place in each stretch do."""
    order, known = [f"edit {i}" for i in range(2000)], [f"check {i}" for i in range(200)]
    mixed = with_checks_and_repeats(order, known, 0.05, 0.05, 0, 7)
    for role in ("check", "repeat"):
        places = [place for place, (_, one) in enumerate(mixed) if one == role]
        gaps = np.diff(places)
        assert len(places) == pytest.approx(0.05 * len(mixed), rel=0.05)
        # The difference of two numbers out of 0..1 has a standard deviation of √(1/6), in stretches.
        assert gaps.std() / gaps.mean() == pytest.approx(np.sqrt(1 / 6), abs=0.1)
        shares = [sum(place // (len(mixed) // 4) == quarter for place in places) for quarter in range(4)]
        assert max(shares) - min(shares) <= 4


def test_shares_that_leave_no_room_for_edits_are_bad_input():
    with pytest.raises(BadInput, match="no room for edits"):
        with_checks_and_repeats(["edit"], ["check"], 0.5, 0.5, 0, 0)


def test_shares_hold_over_many_short_lists():
    drawn = Counter()
    for seed in range(400):
        order, known = [f"edit {i}" for i in range(30)], [f"check {i}" for i in range(20)]
        drawn.update(role for _, role in with_checks_and_repeats(order, known, 0.05, 0.1, 0, seed))
    total = drawn.total()
    assert drawn["check"] / total == pytest.approx(0.05, abs=0.005)
    assert drawn["repeat"] / total == pytest.approx(0.1, abs=0.005)


def test_checks_lie_anywhere_between_the_edits():
    """Early and late alike: nobody can expect them."""
    places = []
    for seed in range(400):
        mixed = with_checks_and_repeats([f"edit {i}" for i in range(40)], [f"c{i}" for i in range(9)], 0.1, 0, 0, seed)
        assert mixed[0][1] == "edit"
        places += [place / len(mixed) for place, (_, role) in enumerate(mixed) if role == "check"]
    quarters = Counter(int(place * 4) for place in places)
    assert all(quarters[quarter] / len(places) == pytest.approx(0.25, abs=0.05) for quarter in range(4))


ARGUMENTS = ("key", "person", "ratings", "thing", "edit", 1)


def test_an_item_id_differs_with_every_argument_and_is_the_same_for_the_same():
    changed = [("other", *ARGUMENTS[1:])]
    changed += [(*ARGUMENTS[:place], "other", *ARGUMENTS[place + 1 :]) for place in range(1, 5)]
    changed += [(*ARGUMENTS[:5], 2)]
    changed += [("key", "personratings", "", "thing", "edit", 1), ("key", "person", "ratingsthing", "", "edit", 1)]
    ids = {item_id(*arguments) for arguments in [ARGUMENTS, *changed]}
    assert len(ids) == len(changed) + 1
    assert item_id(*ARGUMENTS) == item_id(*ARGUMENTS)
    assert all(len(one) == 16 and int(one, 16) >= 0 for one in ids)
