"""All rankings of a workspace, and the files they become."""

import pandas as pd
import pytest

from analysis.rankings import rankings, write_rankings
from analysis.study import analyze_workspace
from editfhf.ledger import Finished
from editfhf.schema import Edit, Preference
from editfhf.workspace import Workspace
from tests.editfhf.answered import WHEN, make_answered


@pytest.fixture
def answered(tmp_path) -> Workspace:
    return make_answered(tmp_path / "campaign", n_sources=6)


def test_every_ranking_of_a_workspace_becomes_a_file(answered):
    careful, broken = answered.edits()[:2]
    chosen = Preference(
        "p", careful.edit_id, broken.edit_id, "", "", "ann", "simulated", "first", "left", 3.0, WHEN
    )  # fmt: skip
    answered.write_table("preferences", [chosen])
    answered.ledger.plan([Edit.plan(careful.source_id, "object_add", "add", "shy", "1", {}, 0)])
    answered.ledger.record([Finished(answered.ledger.edits()[-1].edit_id, "refused", reason="no")])
    study = analyze_workspace(answered)
    found = rankings(answered, study.scores, answered.read_table("ratings").to_pandas())
    write_rankings(answered, found)
    pd.testing.assert_frame_equal(found.leaderboard, study.board)
    assert set(found.task_groups.index.get_level_values("model")) == {careful.model, broken.model}
    assert found.preferences.index[0] == careful.model
    assert found.refusals.loc["shy", ["made", "refused"]].tolist() == [0, 1]
    assert pd.isna(found.refusals.loc["shy", "rank"])  # it was asked for something that nobody else did
    for name in ("leaderboard", "comparisons", "task_groups", "refusals", "preferences"):
        assert len(pd.read_csv(answered.analysis_dir / f"{name}.csv")) == len(getattr(found, name))


def test_what_is_no_longer_there_leaves_no_file(answered):
    study = analyze_workspace(answered)
    ratings = answered.read_table("ratings").to_pandas()
    write_rankings(answered, rankings(answered, study.scores, ratings))
    assert (answered.analysis_dir / "comparisons.csv").is_file()
    assert not (answered.analysis_dir / "preferences.csv").exists()
    nothing = rankings(answered, study.scores[:0], ratings)
    write_rankings(answered, nothing)
    assert not (answered.analysis_dir / "comparisons.csv").exists()
