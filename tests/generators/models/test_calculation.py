"""The registry's calculated seconds rest on FLOP that torch counted."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.generators.models.test_adapters import ENTRIES

ROOT = Path(__file__).parents[3]
SAME = {"magicbrush": "instruct-pix2pix"}  # models that differ by their weights only


@pytest.fixture(scope="module")
def tflop() -> dict[str, float]:
    """What benchmarks/flop_counts.py prints, by model."""
    script = [sys.executable, str(ROOT / "benchmarks/flop_counts.py")]
    printed = subprocess.run(script, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return {name: float(count) for name, count in re.findall(r"^(\S+) +[\d.]+ B +([\d.]+)$", printed, re.MULTILINE)}


@pytest.mark.parametrize("model_id", sorted(ENTRIES))
def test_the_seconds_of_a_model_are_those_of_the_flop_that_torch_counts(model_id, tflop):
    figure = ENTRIES[model_id].seconds_per_image
    told, steps, passes, share = re.search(
        r"on an H100; .*: ([\d.]+) TFLOP .* × (\d+) steps × (\d) pass\w* at (\d+)% of 989", figure.basis
    ).groups()
    assert float(told) == pytest.approx(tflop[SAME.get(model_id, model_id)], rel=0.01)
    assert int(steps) == ENTRIES[model_id].default_params["steps"]
    assert figure.value == pytest.approx(float(told) * int(steps) * int(passes) / (989 * int(share) / 100), abs=0.06)
