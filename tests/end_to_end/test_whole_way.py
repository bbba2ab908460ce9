"""The whole way on a folder of the user's own: photos in; edits, a labelled campaign, a dataset and a report out."""

import json
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pytest

import editfhf
from editfhf import cli
from editfhf.oracle import read as read_truth
from editfhf.schema import DIMENSIONS
from editfhf.true_quality import true_quality
from editfhf.workspace import Workspace
from tests.end_to_end.holiday_folder import BAD_FILES, make_folder

pytestmark = pytest.mark.server
EDITS = 64


def run(*arguments: object) -> None:
    assert cli.run([str(argument) for argument in arguments]) == 0


@pytest.fixture(scope="module")
def way(tmp_path_factory) -> Path:
    """Every command of the way, once, on a folder that is not the sample."""
    root = tmp_path_factory.mktemp("way")
    photos = make_folder(root / "my holiday photos")
    workspace = root / "a campaign"
    run("init", workspace, "--sources", photos)
    run("instruct", "-w", workspace)
    run("generate", "-w", workspace, "--limit", EDITS)
    run("annotate", "serve", "-w", workspace)
    try:
        run("annotate", "push", "-w", workspace)
        run("annotate", "simulate", "-w", workspace)
        run("annotate", "pull", "-w", workspace)
    finally:
        run("annotate", "serve", "-w", workspace, "--stop")
    run("analyze", "-w", workspace)
    run("build", "-w", workspace, "-o", root / "dataset")
    return root


def test_bad_photos_are_set_aside_with_a_reason_and_the_rest_goes_on(way):
    workspace = Workspace.open(way / "a campaign")
    set_aside = {row["file"]: row["reason"] for row in workspace.read_table("sources_set_aside").to_pylist()}
    assert set(BAD_FILES) == {Path(file).name for file in set_aside}
    assert all(set_aside.values())
    assert len([source for source in workspace.sources() if not source.derived_from]) == 8


def test_every_edit_was_rated_by_as_many_people_as_the_settings_say(way):
    workspace = Workspace.open(way / "a campaign")
    answers = workspace.read_table("answers").to_pandas()
    edits = workspace.edits()
    assert len(edits) > EDITS * 0.8
    settings = workspace.config.annotation
    for screen, people in (("ratings", settings.raters_per_edit), ("regions", settings.drawers_per_edit)):
        own = answers[answers.project_type == screen]
        assert set(own.groupby("edit_id").annotator.nunique()) == {people}
        assert not own.duplicated(["edit_id", "annotator"]).any()
    assert set(answers.edit_id) == {edit.edit_id for edit in edits}
    assert set(answers.annotator_kind) == {"simulated"}


def test_the_dataset_loads_in_every_config_and_passes_its_own_validation(way):
    run("validate", way / "dataset")
    workspace = Workspace.open(way / "a campaign")
    loaded = editfhf.load(str(way / "dataset"))
    rows = [row for split in loaded.values() for row in split]
    assert len(rows) == len(workspace.edits())
    assert rows[0]["edited_image"].size == (rows[0]["width"], rows[0]["height"])
    ratings = datasets.load_dataset(str(way / "dataset"), "ratings")
    assert sum(len(split) for split in ratings.values()) == workspace.read_table("ratings").num_rows
    for split in loaded.values():
        others = {row["source_id"] for other in loaded.values() if other is not split for row in other}
        assert not others & set(split["source_id"])


def test_opinion_follows_the_true_quality(way):
    workspace = Workspace.open(way / "a campaign")
    truth = {
        edit.edit_id: true_quality(workspace.read_image(edit.image), read_truth(workspace.oracle_dir / edit.edit_id))
        for edit in workspace.edits()
    }
    mos = workspace.read_table("mos").to_pandas().pivot_table(index="edit_id", columns="dimension", values="mos")
    true = pd.DataFrame(truth).T.loc[mos.index]
    for dimension in DIMENSIONS:
        assert np.corrcoef(mos[dimension].rank(), true[dimension].rank())[0, 1] > 0.5


def test_the_report_says_that_it_is_a_rehearsal_and_needs_no_network(way):
    page = (way / "a campaign" / "analysis" / "report.html").read_text(encoding="utf-8")
    assert "simulated" in page.lower()
    assert 'src="http' not in page


def test_every_table_of_the_way_can_be_had_as_json(way, capsys):
    assert cli.run(["generate", "-w", str(way / "a campaign"), "--limit", str(EDITS), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["made"] == 0
    assert cli.run(["analyze", "-w", str(way / "a campaign"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)
