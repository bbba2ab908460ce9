"""The rehearsal of generators/README.md, with its first task: every adapter, from the photo to a validated dataset."""

from collections import Counter

import editfhf
from generators.registry import registered_models
from tests.generators import rehearsal


def test_every_model_makes_edits_that_end_in_a_valid_dataset(tmp_path, monkeypatch):
    for variable in ("OPENAI_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(variable, raising=False)  # so that it is as before at the end
        monkeypatch.setenv(variable, "")
    rehearsal.rehearse(tmp_path, tasks=1)
    models = {entry.id for entry in registered_models().values() if not entry.procedural}
    edits = [row for split in editfhf.load(str(tmp_path / "dataset")).values() for row in split]
    assert Counter(row["model"] for row in edits) == dict.fromkeys(models, 1)
