import atexit
import os
import shutil
import tempfile
from pathlib import Path

import hypothesis
import pytest

# The machine that runs the tests may be busy: no test asserts a time.
hypothesis.settings.register_profile("editfhf", deadline=None)
hypothesis.settings.load_profile("editfhf")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# `datasets` caches what it reads: never in the home of whoever runs the tests.
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="editfhf-tests-")
atexit.register(shutil.rmtree, os.environ["HF_HOME"], ignore_errors=True)
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"

# Folders whose tests share a server: they stay with one of several processes that run tests.
TOGETHER = ("tests/end_to_end", "tests/annotation")
# The longest, in falling order; they start first, so that no process waits for another at the end.
LONGEST = (
    *TOGETHER,
    "tests/refiner/test_benchmark.py",
    "tests/refiner/test_train.py",
    "tests/generators/test_ray_engine.py",
    "tests/generators/models/test_adapters.py",
    "tests/refiner/",
    "tests/generators/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest first."""

    def place(item: pytest.Item) -> int:
        return next((i for i, start in enumerate(LONGEST) if item.nodeid.startswith(start)), len(LONGEST))

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Give a process a file at a time, or all files that share a server."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduler(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return next((folder for folder in TOGETHER if file.startswith(folder)), file)

    return Scheduler(config, log)


@pytest.fixture
def campaign(tmp_path: Path):
    """A workspace with made edits and their truth, no answers."""
    from tests.factories import make_workspace

    return make_workspace(tmp_path / "campaign")
