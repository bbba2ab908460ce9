from pathlib import Path

import pytest

from refiner.data import read_samples
from refiner.refiner import Refiner
from refiner.runs import TrainConfig
from refiner.train import train
from tests.refiner.tiny_dataset import tiny_dataset

QUICK = TrainConfig(epochs=10, patience=10, batch_size=8, channels=16)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory) -> Path:
    return tiny_dataset(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def feature_cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="session")
def run(dataset, feature_cache, tmp_path_factory) -> Path:
    """A run that really learned."""
    out = tmp_path_factory.mktemp("runs") / "run"
    train(str(dataset), out, QUICK, cache=feature_cache)
    return out


@pytest.fixture(scope="session")
def refiner(run) -> Refiner:
    return Refiner.from_run(run)


@pytest.fixture(scope="session")
def test_samples(dataset):
    return read_samples(str(dataset), "test")
