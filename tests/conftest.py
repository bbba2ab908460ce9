import os
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
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"


@pytest.fixture
def campaign(tmp_path: Path):
    """A workspace with made edits and their truth, no answers."""
    from tests.factories import make_workspace

    return make_workspace(tmp_path / "campaign")
