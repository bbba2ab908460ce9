from hypothesis import given
from hypothesis import strategies as st

from editfhf.console import spans


def test_numbers_are_said_in_few_words():
    assert spans([3, 1, 2, 7, 9, 8, 12, 13]) == "1–3, 7–9, 12, 13"
    assert spans([]) == ""
    assert spans(range(1, 30)) == "1–29"


@given(st.sets(st.integers(0, 60)))
def test_all_of_them_are_in_the_words(numbers):
    said: set[int] = set()
    for part in spans(numbers).split(", ") if numbers else ():
        first, _, last = part.partition("–")
        said |= set(range(int(first), int(last or first) + 1))
    assert said == numbers
