"""From words to what is expected, from maps to regions, and from regions to flaw types and reasons."""

# ruff: noqa: ARG002 (a network that does not look at what it is given)

import numpy as np
import pytest
import torch

from editfhf.flaws import FLAW_TYPES
from editfhf.schema import DIMENSIONS, REGION_KINDS
from refiner.agents import Pair, Perceived
from refiner.lite.calibration import Calibration, PairError
from refiner.lite.expectation import expectations, named_colour, named_place
from refiner.lite.model import LiteModel
from refiner.lite.network import Output
from refiner.lite.planes import PLANE_SIDE
from refiner.lite.reasons import Reason, composed_reason
from refiner.lite.regions import MOST_REGIONS, SMALLEST_REGION, regions_of_map
from refiner.lite.terms import KIND_OF_TYPE, within_kind
from tests.factories import photo
from tests.refiner.small_refiner import record

SIDE = 160
ARTIFACT, FAILURE = (next(flaw.id for flaw in FLAW_TYPES if flaw.kind == kind) for kind in REGION_KINDS)
MISSING = "wrong_count_or_place"


# Words


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("put a hat on the left", (0, 0, 0.5, 1)),
        ("the RIGHT one", (0.5, 0, 1, 1)),
        ("in the upper left, a bird", (0, 0, 0.5, 0.5)),
        ("bottom right corner", (0.5, 0.5, 1, 1)),
        ("blur the background at the top", (0, 0, 1, 0.5)),
        ("in the middle", (0.25, 0.25, 0.75, 0.75)),
        ("swap the left and the right cup", None),  # nowhere is both
        ("a bright copyright sign", None),  # no word for a place
        ("make it red", None),
    ],
)
def test_a_place_is_where_all_its_words_say(text, place):
    assert named_place(text) == place


def test_of_several_colours_the_last_is_the_one_that_is_asked_for():
    blue = [32.30, 79.19, -107.86]  # CIE L*a*b* (D65) of the sRGB primary
    np.testing.assert_allclose(named_colour("from red to blue"), blue, atol=0.05)
    np.testing.assert_allclose(named_colour("Make it BLUE, please."), blue, atol=0.05)
    assert named_colour("a predated bluebell") is None
    for unwanted in ("blue instead of red", "blue rather than green", "instead of red make it blue"):
        np.testing.assert_allclose(named_colour(unwanted), blue, atol=0.05)


def test_the_colour_and_the_place_of_a_text_are_expected_and_told_to_the_network():
    with_colour, without = expectations(["make the left car blue", "make the car new"])
    np.testing.assert_array_equal(with_colour.colour, named_colour("blue"))
    np.testing.assert_allclose(with_colour.vector[-4:], [1, *named_colour("blue") / 100])
    assert with_colour.place == named_place("left")
    assert (without.colour, without.place) == (None, None)
    assert not without.vector[-4:].any()


# Regions


def squares(*values: float, side: int = 12) -> np.ndarray:
    """A map with squares of `side` pixels of these values, each apart from the others."""
    people = np.zeros((SIDE, SIDE), np.float32)
    for number, value in enumerate(values):
        top, left = 4 + 40 * (number // 4), 4 + 40 * (number % 4)
        people[top : top + side, left : left + side] = value
    return people


def test_the_most_certain_region_comes_first_and_a_tenth_of_a_region_is_more_certain_than_it():
    people = squares(0.3, 0.9, 0.6, side=30)
    people[4:7, 84:114] = 0.95  # a tenth of the third, at its rim
    people[44:74, 4:34] = np.linspace(0.5, 0.8, 900).reshape(30, 30)
    regions = regions_of_map(people, 0.25)
    confidences = [confidence for _, confidence in regions]
    assert confidences == sorted(confidences, reverse=True)
    assert confidences == pytest.approx([0.9, 0.77, 0.6, 0.3], abs=0.02)
    left, top, right, bottom = (4 / SIDE, 4 / SIDE, 34 / SIDE, 34 / SIDE)
    corners = np.array(regions[-1][0][0])
    np.testing.assert_allclose([*corners.min(axis=0), *corners.max(axis=0)], [left, top, right, bottom], atol=0.01)
    assert len(regions_of_map(people, 0.4)) == 3
    assert regions_of_map(people, 0.97) == []


def test_specks_are_no_regions_and_of_many_the_most_certain_are_kept():
    speck = int(np.sqrt(SMALLEST_REGION) * SIDE)
    assert regions_of_map(squares(1.0, side=speck), 0.5) == []
    assert len(regions_of_map(squares(1.0, side=speck + 1), 0.5)) == 1
    assert len(regions_of_map(squares(*[1.0] * MOST_REGIONS), 0.5)) == MOST_REGIONS
    people = squares(*[1.0] * (MOST_REGIONS - 1), 0.6)
    people[124:154, 4:34] = 0.7  # larger than the others
    people[124:154, 84:114] = 0.8
    confidences = [confidence for _, confidence in regions_of_map(people, 0.5)]
    assert confidences == pytest.approx([1.0] * (MOST_REGIONS - 1) + [0.8])


# Flaw types and reasons


def test_a_type_of_the_other_kind_is_never_named():
    logits = torch.from_numpy(np.random.default_rng(0).normal(0, 50, (40, len(FLAW_TYPES))))
    kinds = torch.arange(40) % 2
    narrowed = within_kind(logits, kinds)
    for row, kind in enumerate(REGION_KINDS[number] for number in kinds):
        own = [number for number, flaw in enumerate(FLAW_TYPES) if flaw.kind == kind]
        assert int(narrowed[row].argmax()) == max(own, key=lambda number: float(logits[row, number]))
        assert torch.equal(narrowed[row, own], logits[row, own])


class Network:
    """Sees an artifact and a failure, and takes every region for `ARTIFACT` before `FAILURE` before all else."""

    kernel = None

    def eval(self):
        return self

    def name_regions(self, output, masks, owners):
        order = {ARTIFACT: 9.0, FAILURE: 5.0}
        return torch.tensor([[order.get(flaw.id, 0.0) for flaw in FLAW_TYPES]])


def model(retrieve: bool, monkeypatch, whole: float = -9.0) -> LiteModel:
    reasons = [
        Reason(flaw_type=FAILURE, instruction="remove the dog from the grass", text="the dog is still there"),
        Reason(flaw_type=FAILURE, instruction="make the car red", text="the car is still blue"),
    ]
    calibration = Calibration(
        presence=dict.fromkeys(REGION_KINDS, 0.5), threshold={"artifact": 0.4, "editing_failure": 0.7}, whole=0.5,
        missing=[MISSING], std=dict.fromkeys(DIMENSIONS, 5.0), pair_error={"mean": PairError(floor=1, growth=0)},
        reasons=reasons,
    )  # fmt: skip
    output = Output(
        torch.zeros(1, 2, PLANE_SIDE, PLANE_SIDE), torch.zeros(1, 2), torch.zeros(1, 3),
        torch.full((1, len(FLAW_TYPES)), whole), torch.zeros(1, 1, 1, 1), torch.zeros(1, 1),
    )  # fmt: skip
    made = LiteModel(record(), Network(), calibration, retrieve)
    monkeypatch.setattr(made, "_seen", lambda _pair: (output, np.zeros(0)))
    return made


PAIR = Pair(photo(40, 0), photo(40, 1), "make the bus red")
PERCEIVED = Perceived(
    {"artifact": squares(0.5, side=30), "editing_failure": squares(0.0, 0.6, 0.0, 0.8, side=30)},
    dict.fromkeys(REGION_KINDS, 0.9),
)


def test_regions_are_cut_and_named_kind_by_kind(monkeypatch):
    found = model(False, monkeypatch).find_regions(PAIR, PERCEIVED)
    assert [(one.kind, one.flaw_type, one.extent) for one in found] == [
        ("editing_failure", FAILURE, "region"), ("artifact", ARTIFACT, "region"),
    ]  # fmt: skip
    assert [one.confidence for one in found] == pytest.approx([0.8, 0.5])
    assert [one.description for one in found] == [
        composed_reason(one.flaw_type, one.polygon, PAIR.instruction) for one in found
    ]


def test_a_reason_is_what_a_person_wrote_after_the_most_similar_instruction_if_that_is_asked_for(monkeypatch):
    failure, artifact = model(True, monkeypatch).find_regions(PAIR, PERCEIVED)
    assert failure.description == "the car is still blue"
    # Nobody wrote of an artifact.
    assert artifact.description == composed_reason(ARTIFACT, artifact.polygon, PAIR.instruction)


def test_a_flaw_without_a_place_is_found_from_its_own_threshold_on(monkeypatch):
    nothing = Perceived({kind: np.zeros((SIDE, SIDE), np.float32) for kind in REGION_KINDS}, {})
    assert model(False, monkeypatch, whole=-0.01).find_regions(PAIR, nothing) == []
    found = model(False, monkeypatch, whole=0.01).find_regions(PAIR, nothing)
    assert [(one.flaw_type, one.kind, one.polygon) for one in found] == [
        (flaw.id, REGION_KINDS[int(KIND_OF_TYPE[number])], []) for number, flaw in enumerate(FLAW_TYPES)
    ]
    assert {one.flaw_type for one in found if one.extent == "missing"} == {MISSING}
