from hypothesis import given
from hypothesis import strategies as st

from annotation.handed_out import HandedOut, Marks
from editfhf.schema import Assignment, stable_id, to_table

names = st.text(alphabet="abü", max_size=3)
assignments = st.builds(
    Assignment, names, names, st.sampled_from(["ratings", "verify"]), names, names, st.integers(1, 9)
)


@given(st.lists(assignments, max_size=20), names)
def test_items_are_found_as_in_a_dictionary_and_of_several_the_last_counts(rows, other):
    items = HandedOut(to_table("assignments", rows))
    known = {row.item_id: row for row in rows}
    assert {name: items[name] for name in known} == known
    assert (other in items, items.get(other)) == (other in known, known.get(other))
    assert set(items) == set(known)
    assert {items.place_of(name) for name in known} <= set(range(len(rows)))
    assert len({items.place_of(name) for name in known}) == len(known)


def test_an_item_takes_some_sixty_bytes():
    people, edits = 10, 2000
    rows = [
        Assignment(stable_id(str(who), str(what)), stable_id(str(who)), "ratings", stable_id(str(what)), "edit", what)
        for who in range(people)
        for what in range(edits)
    ]
    assert HandedOut(to_table("assignments", rows)).nbytes < 80 * len(rows)


@given(st.integers(1, 50).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.integers(0, n - 1)))))
def test_marks_are_a_set(drawn):
    n, numbers = drawn
    marks = Marks(n)
    for number in numbers:
        marks.add(number)
    assert {number for number in range(n) if number in marks} == set(numbers)
