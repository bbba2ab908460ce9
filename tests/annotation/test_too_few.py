"""Of whom too little is known no verdict is given."""

import pytest

from annotation.quality import assess_workspace
from editfhf.schema import CheckAnswer
from tests.editfhf.answered import make_answered


def test_of_whom_too_little_is_known_nothing_good_is_said_and_they_come_last(campaign_of_two):
    rows = assess_workspace(campaign_of_two)
    assert [(row["verdict"], row["reasons"]) for row in rows][-1] == ("too few", "too few answers to say anything")
    assert [row["verdict"] for row in rows].count("too few") == 1


@pytest.fixture
def campaign_of_two(tmp_path):
    """One who passed checks, and one with three answers."""
    workspace = make_answered(tmp_path / "two", n_sources=4)
    answers = workspace.read_table("answers").to_pylist()
    known, stranger = sorted({row["annotator"] for row in answers})
    few = [row for row in answers if row["annotator"] == stranger][:3]
    workspace.write_table("answers", [*(row for row in answers if row["annotator"] == known), *few])
    workspace.write_table("ratings", [])
    workspace.write_table("regions", [])
    workspace.write_table("check_answers", [
        CheckAnswer(f"c{n}", known, "human", "together", "check", True, "{}", 20.0, few[0]["submitted_at"])
        for n in range(4)
    ])  # fmt: skip
    return workspace
