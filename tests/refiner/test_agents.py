"""When one image counts as better than another: the rule by which repairs are kept."""

import pytest

from editfhf.schema import DIMENSIONS
from refiner.agents import Difference

NOISE = {"instruction_following": 2.0, "visual_consistency": 3.0, "perceptual_quality": 4.0}


def difference(mean: float = 5.0, half_width: float = 4.0, **dimensions: float) -> Difference:
    return Difference(mean, half_width, dict.fromkeys(DIMENSIONS, 9.0) | dimensions, NOISE)


@pytest.mark.parametrize("name", DIMENSIONS)
def test_each_score_may_fall_by_its_own_noise_and_by_no_more(name):
    assert difference(**{name: -NOISE[name]}).improves
    assert difference(**{name: 0.01 - NOISE[name]}).improves
    assert not difference(**{name: -0.01 - NOISE[name]}).improves


def test_a_gain_counts_only_beyond_its_interval():
    assert difference(mean=4.01).improves
    assert not difference(mean=4.0).improves  # the interval reaches to zero
    assert not difference(mean=3.99).improves
    assert not difference(mean=-9.0).improves
    assert not difference(mean=0.0, half_width=0.0).improves
    assert not difference(mean=float("nan")).improves
