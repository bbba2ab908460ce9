# ruff: noqa: ARG002 (agents that do not look at what they are given)

import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from editfhf.errors import BadInput
from editfhf.schema import TABLES
from editfhf.splits import split_workspace
from editfhf.workspace import Workspace
from refiner.agents import FoundRegion
from refiner.prediction import predict_regions
from tests.factories import make_workspace
from tests.refiner.small_refiner import BOX, SmallModel, small_refiner

SLOW_PREDICTION = """
import sys
from editfhf.workspace import Workspace
from refiner.prediction import predict_regions
from tests.refiner.test_prediction import all_flawed
predict_regions(all_flawed(delay=0.05), Workspace.open(sys.argv[1]), "run@1")
"""


class EverythingFlawed(SmallModel):
    """Finds one region on every image, whatever it shows."""

    seen = 0

    def find_regions(self, pair, perceived):
        self.seen += 1
        return [FoundRegion("artifact", "texture_noise", "region", BOX, "“grain” on it", 0.75)]


def all_flawed(delay: float = 0.0):
    refiner = small_refiner()
    refiner.model = EverythingFlawed(delay)
    return refiner


def test_every_edit_but_those_of_test_photos_gets_its_regions_in_the_table(tmp_path):
    workspace = make_workspace(tmp_path / "ws", n_sources=10, side=48)
    counts = predict_regions(all_flawed(), workspace, "run@1")
    split_of = split_workspace(workspace)
    in_test = {edit.edit_id for edit in workspace.edits() if split_of[edit.source_id] == "test"}
    assert in_test
    rows = workspace.read_table("predictions").to_pylist()
    assert {row["edit_id"] for row in rows} == {edit.edit_id for edit in workspace.edits()} - in_test
    assert (counts.in_test, counts.edits, counts.regions, counts.clean) == (len(in_test), len(rows), len(rows), 0)
    assert rows[0] | {"edit_id": ""} == {
        "edit_id": "", "model": "run@1", "kind": "artifact", "flaw_type": "texture_noise", "extent": "region",
        "polygon": BOX, "description": "“grain” on it", "confidence": 0.75,
    }  # fmt: skip


def test_a_photo_that_was_put_into_test_earlier_or_made_from_one_is_left_out(campaign):
    photo, derived, *rest = campaign.sources()
    campaign.write_table("sources", [photo, replace(derived, derived_from=photo.source_id), *rest])
    campaign.write_table("splits", [{"source_id": photo.source_id, "split": "test"}])
    predict_regions(all_flawed(), campaign, "run@1")
    shown = {row["edit_id"] for row in campaign.read_table("predictions").to_pylist()}
    sources = {edit.source_id for edit in campaign.edits() if edit.edit_id in shown}
    assert sources
    assert not sources & {photo.source_id, derived.source_id}


def test_an_edit_without_flaws_is_counted_and_has_no_row(campaign):
    counts = predict_regions(small_refiner(), campaign, "run@1")
    assert counts.clean == counts.edits > 0
    assert campaign.read_table("predictions").schema.names == TABLES["predictions"].names
    assert campaign.read_table("predictions").num_rows == 0


def test_a_second_run_takes_the_place_of_the_first(campaign):
    predict_regions(all_flawed(), campaign, "run@1")
    predict_regions(all_flawed(), campaign, "run@2")
    assert set(campaign.read_table("predictions")["model"].to_pylist()) == {"run@2"}


def test_an_image_that_cannot_be_read_is_set_aside_with_its_reason(campaign):
    split_of = split_workspace(campaign)
    edit = next(edit for edit in campaign.edits() if split_of[edit.source_id] != "test")
    campaign.path_of(edit.image).write_bytes(b"no image")
    counts = predict_regions(all_flawed(), campaign, "run@1")
    same_image = [one for one in campaign.edits() if one.image == edit.image]
    assert counts.set_aside == len(same_image)
    assert counts.reasons[0].startswith(f"{same_image[0].edit_id}: ")
    assert "not an image" in counts.reasons[0]


def test_killed_in_the_middle_it_goes_on_and_ends_as_if_it_had_not_been(tmp_path):
    workspace = make_workspace(tmp_path / "ws", n_sources=6, side=48)
    partial = workspace.table_path("predictions").with_name("predictions.partial.jsonl")
    process = subprocess.Popen([sys.executable, "-c", SLOW_PREDICTION, str(workspace.root)])
    while process.poll() is None and (not partial.exists() or partial.read_bytes().count(b"\n") < 4):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not workspace.has_table("predictions")
    with partial.open("a") as file:
        file.write('{"model": "run@1", "edit_')  # a line that was cut off
    refiner = all_flawed()
    counts = predict_regions(refiner, workspace, "run@1")
    assert refiner.model.seen <= counts.edits - 4
    assert not partial.exists()
    again = Workspace.open(workspace.root)
    broken = again.read_table("predictions")
    predict_regions(all_flawed(), again, "run@1")
    assert again.read_table("predictions").equals(broken)


def test_what_another_model_had_found_when_it_was_killed_is_dropped(campaign):
    edit = campaign.edits()[0]
    partial = campaign.table_path("predictions").with_name("predictions.partial.jsonl")
    partial.write_text(f'{{"model": "other", "edit_id": "{edit.edit_id}", "image": "{edit.image}", "regions": [1]}}\n')
    predict_regions(all_flawed(), campaign, "run@1")
    assert set(campaign.read_table("predictions")["model"].to_pylist()) == {"run@1"}


def test_a_workspace_without_edits_is_told_to_generate(tmp_path):
    (tmp_path / "editfhf.yaml").write_text("")
    with pytest.raises(BadInput, match="editfhf generate"):
        predict_regions(all_flawed(), Workspace.open(tmp_path), "run@1")
