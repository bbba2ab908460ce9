from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.manners import CARELESS, GROUPS, MANNERS, mix_of
from annotation.people import Person, rng_of
from editfhf.errors import BadInput
from editfhf.flaws import FLAWS
from editfhf.schema import DIMENSIONS

DIMENSION = DIMENSIONS[0]
QUALITIES = np.linspace(1, 99, 150)


def grades_of(person: Person, nth: int = 1) -> np.ndarray:
    return np.array([person.rate(DIMENSION, quality, rng_of(nth, quality)) for quality in QUALITIES])


def people_of(manner: str, n: int = 12) -> list[Person]:
    return [Person.make(number, 0, manner) for number in range(1, n + 1)]


def median_over_people(manner: str, measure) -> float:
    return float(np.median([measure(person) for person in people_of(manner)]))


def follows_quality(person: Person) -> float:
    grades = grades_of(person)
    return float(np.corrcoef(grades, QUALITIES)[0, 1]) if grades.std() else 0.0


def follows_itself(person: Person) -> float:
    return float(np.corrcoef(grades_of(person, 1), grades_of(person, 2))[0, 1])


@given(st.sampled_from([*MANNERS, *GROUPS]), st.integers(1, 500), st.integers(0, 99))
def test_a_person_is_the_same_for_the_same_number_seed_and_manner(manner, number, seed):
    assert Person.make(number, seed, manner) == Person.make(number, seed, manner)
    assert Person.make(number, seed, manner) != Person.make(number, seed + 1, manner)


@given(st.sampled_from(list(MANNERS)), st.integers(1, 500), st.floats(0, 100), st.sampled_from([(1, 5), (0, 100)]))
def test_every_grade_lies_on_the_scale(manner, number, quality, scale):
    grade = Person.make(number, 3, manner).rate(DIMENSION, quality, rng_of(number, quality), scale)
    assert scale[0] <= grade <= scale[1]


def test_grades_follow_quality_in_honest_people_not_in_careless_ones_and_backwards_in_hostile_ones():
    assert median_over_people("honest", follows_quality) > 0.75
    assert abs(median_over_people("random", follows_quality)) < 0.2
    assert abs(median_over_people("straight_lining", follows_quality)) < 0.25
    assert 0 < median_over_people("too_fast", follows_quality) < 0.6
    assert median_over_people("hostile", follows_quality) < -0.75


def test_a_dissenter_agrees_with_himself_far_more_than_with_the_truth():
    assert median_over_people("dissenting", follows_itself) > median_over_people("dissenting", follows_quality) + 0.15
    assert median_over_people("dissenting", follows_itself) > 0.6
    assert abs(median_over_people("random", follows_itself)) < 0.25


def test_whoever_is_honest_finds_nothing_good_in_an_image_without_any_quality():
    for manner in ("honest", "dissenting", "lazy", "pasting"):
        grades = [person.rate(DIMENSION, 0.0, rng_of(person.number)) for person in people_of(manner, 60)]
        assert np.mean(np.array(grades) <= 3) > 0.95, manner


def test_a_biased_person_is_at_least_a_grade_off_and_no_less_consistent():
    for person in people_of("biased"):
        twin = Person.make(person.number, 0)
        assert abs(np.mean(list(person.bias.values()))) > 0.7
        assert person.inconsistency == twin.inconsistency


def test_lazy_people_and_careless_ones_overlook_what_honest_ones_see():
    seen = {
        manner: np.mean(
            [person.notices(0.9, rng_of(person.number, i)) for person in people_of(manner) for i in range(50)]
        )
        for manner in MANNERS
    }
    assert min(seen[manner] for manner in ("honest", "biased", "dissenting", "pasting")) > 0.7
    assert max(seen[manner] for manner in ("lazy", "hostile", *CARELESS)) < 0.4


def test_only_the_fast_ones_answer_within_a_few_seconds():
    for manner in MANNERS:
        seconds = np.median([person.seconds(0, rng_of(person.number)) for person in people_of(manner)])
        assert (seconds < 3) == (manner == "too_fast"), manner


def test_reasons_are_short_scraps_from_the_lazy_and_long_frames_from_those_who_paste():
    def words(manner: str) -> list[int]:
        rng = rng_of(manner)
        texts = [person.word("grain on the wall", "texture_noise", rng) for person in people_of(manner, 100)]
        return [len(text.split()) for text in texts]

    assert np.median(words("lazy")) <= 2
    assert 3 <= np.median(words("honest")) <= 12
    assert min(words("pasting")) >= 20


@given(st.integers(0, 60), st.integers(0, 9), st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_mix_has_everybodys_share_to_within_a_person_and_the_rest_honest(n, seed, careless, lazy):
    manners = mix_of(f"careless={careless!r}, lazy={lazy!r}", n, seed)
    counts = Counter(manners)
    assert len(manners) == n
    assert abs(sum(counts[manner] for manner in CARELESS) - careless * n) <= 1
    assert abs(counts["lazy"] - lazy * n) <= 1
    assert max(counts[manner] for manner in CARELESS) - min(counts[manner] for manner in CARELESS) <= 1
    assert set(counts) <= {"honest", "lazy", *CARELESS}
    assert manners == mix_of(f"careless={careless!r}, lazy={lazy!r}", n, seed)


def test_an_empty_mix_is_all_honest():
    assert mix_of("", 7, 0) == ["honest"] * 7


@pytest.mark.parametrize(
    ("mix", "says"),
    [
        ("careles=0.2", "Nobody is 'careles'"), ("careless", "no share"), ("careless=much", "no share"),
        ("careless=nan", "no share"), ("careless=-0.1", "no share"), ("careless=1.2", "no share"),
        ("careless=0.6,lazy=0.6", "add up to 1.2"), ("lazy=0.1,lazy=0.1", "twice"), ("=0.2", "Nobody is ''"),
    ],
)  # fmt: skip
def test_a_mix_that_makes_no_sense_is_refused(mix, says):
    with pytest.raises(BadInput, match=says):
        mix_of(mix, 10, 0)


def share_called_flaws(manner: str, flaw_type: str | None, severity: float = 0.8) -> float:
    said = [
        person.verify(flaw_type, severity, rng_of("verify", nth, person.number)) for person in people_of(manner)
        for nth in range(60)
    ]  # fmt: skip
    assert set(said) <= {None, *FLAWS}
    return float(np.mean([one is not None for one in said]))


def test_who_looks_tells_a_flaw_from_none_who_does_not_look_cannot_and_hostile_people_turn_it_round():
    assert share_called_flaws("honest", "texture_noise") > 0.9
    assert share_called_flaws("honest", None) < 0.25
    assert share_called_flaws("honest", "texture_noise", severity=0.05) < 0.5
    assert abs(share_called_flaws("random", "texture_noise") - share_called_flaws("random", None)) < 0.15
    assert share_called_flaws("straight_lining", None) > 0.8
    assert share_called_flaws("lazy", "texture_noise") < share_called_flaws("honest", "texture_noise") - 0.2
    assert share_called_flaws("hostile", "texture_noise") < 0.3 < 0.7 < share_called_flaws("hostile", None)


def choices(manner: str, left: float, right: float) -> Counter[str]:
    both = (dict.fromkeys(DIMENSIONS, left), dict.fromkeys(DIMENSIONS, right))
    return Counter(
        person.prefer(*both, rng_of("prefer", nth, person.number)) for person in people_of(manner) for nth in range(60)
    )


def test_the_better_of_two_images_is_preferred_on_whatever_side_and_hardly_any_of_two_alike():
    for manner in ("honest", "biased", "lazy"):
        better_left, better_right = choices(manner, 80, 30), choices(manner, 30, 80)
        assert better_left["first"] == pytest.approx(better_right["second"], abs=40)
        assert better_left["first"] > 600
        alike = choices(manner, 50, 50)
        assert abs(alike["first"] - alike["second"]) < 100
        assert alike["tie"] > better_left["tie"]
    assert choices("hostile", 80, 30)["second"] > 600
    assert choices("straight_lining", 30, 80)["first"] > 550
    assert set(choices("random", 80, 30)) == {"first", "second", "tie"}


def test_who_tires_begins_as_an_honest_person_and_ends_looking_at_little():
    def rested(person: Person) -> float:
        return follows_quality(person.after(0))

    def tired(person: Person) -> float:
        return follows_quality(person.after(200))

    assert median_over_people("tiring", rested) > 0.75
    assert abs(median_over_people("tiring", tired)) < 0.25
    person = Person.make(3, 0)
    assert person.after(10_000) == person


def test_who_reads_one_scale_upside_down_reads_the_others_as_everybody_does():
    def follows(person: Person, dimension: str) -> float:
        grades = [person.rate(dimension, quality, rng_of(dimension, quality)) for quality in QUALITIES]
        return float(np.corrcoef(grades, QUALITIES)[0, 1])

    for person in people_of("upside_down"):
        for dimension in DIMENSIONS:
            assert (follows(person, dimension) < -0.5) == (dimension == person.upside_down)
