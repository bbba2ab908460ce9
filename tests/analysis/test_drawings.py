"""Whose drawings count, how people vote on a region, and the report of an unusual campaign."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis.checks import check_consensus
from analysis.drawings import Drawings
from analysis.leaderboard import leaderboard
from analysis.maps import SMOOTHING_SHARE, mark_map
from analysis.mos import estimate_mos, mos_by_dimension
from analysis.regions import find_consensus
from analysis.report import write_report
from analysis.study import analyze_workspace, board_records, model_rows
from editfhf.cli import run
from editfhf.errors import BadInput
from editfhf.export import build_dataset
from editfhf.geometry import to_shape
from editfhf.ledger import Finished
from editfhf.schema import DIMENSIONS, to_table
from tests.analysis.test_regions import box, region
from tests.editfhf.answered import make_answered

WHEN = "2026-01-02T03:04:05+00:00"


def answer(edit_id, person, outcome="answered", kind="human"):
    return {
        "edit_id": edit_id, "annotator": person, "annotator_kind": kind, "project_type": "together", "outcome": outcome,
        "reason": "", "lead_time_s": 1.0, "submitted_at": WHEN, "screened": False, "screen": "",
    }  # fmt: skip


def drawn(edit_id, person, polygon, **options):
    rest = {
        "edit_id": edit_id,
        "annotator_kind": "human",
        "assisted": False,
        "lead_time_s": 1.0,
        "submitted_at": WHEN,
        "screen": "",
    }
    return region(person, polygon, **options) | rest


@pytest.mark.parametrize("outcome", ["cannot_judge", "skipped", None])
def test_what_somebody_drew_who_did_not_inspect_the_edit_is_in_no_share(outcome):
    answers = [answer("e", "ann"), answer("e", "bob", "no_flaw")] + ([answer("e", "cem", outcome)] if outcome else [])
    regions = [drawn("e", "ann", box(0.1, 0.1, 0.4, 0.4)), drawn("e", "cem", box(0.6, 0.6, 0.9, 0.9))]
    consensus = Drawings(to_table("answers", answers), to_table("regions", regions)).consensus("e", 100, 100)
    assert [row["support"] for row in consensus.regions] == [1]
    assert consensus.maps["artifact"][25, 25] == 128  # one of the two who looked
    assert not consensus.maps["artifact"][70:80, 70:80].any()


def test_each_edit_has_its_own_drawings_whatever_the_order_of_the_table():
    answers = to_table("answers", [answer(edit, person) for edit in "abc" for person in "xy"])
    rows = [
        drawn(edit, person, box(0.1 * number, 0.1, 0.5, 0.5)) for number, edit in enumerate("abc") for person in "xy"
    ]
    shuffled = [rows[index] for index in np.random.default_rng(1).permutation(len(rows))]
    drawings = Drawings(answers, to_table("regions", shuffled[:-1]))
    found = {edit: sorted(row["region_id"] for row in drawings.of(edit)) for edit in "abcd"}
    left_out = shuffled[-1]["region_id"]
    for edit in "abc":
        assert found[edit] == sorted(
            r["region_id"] for r in rows if r["edit_id"] == edit and r["region_id"] != left_out
        )
    assert found["d"] == []
    assert drawings.consensus("d", 10, 10) is None


def test_one_person_with_many_drawings_has_one_vote_on_the_flaw_type():
    one_person = [region("a", box(0.2, 0.2, 0.5, 0.5 + 0.002 * n), flaw="texture_noise", text=str(n)) for n in range(3)]
    two_others = [region(person, box(0.2, 0.2, 0.5, 0.5), flaw="blur_or_ghosting") for person in "bc"]
    (found,) = find_consensus(one_person + two_others, 3, 200, 200).regions
    assert (found["flaw_type"], found["support"]) == ("blur_or_ghosting", 3)


def test_a_flaw_as_small_as_a_thousandth_of_the_image_keeps_its_shape():
    speck = box(0.5, 0.5, 0.501, 0.503)
    (found,) = find_consensus([region(person, speck) for person in "abc"], 3, 1000, 1000).regions
    there, truth = to_shape(found["polygon"]), to_shape(speck)
    assert there.intersection(truth).area / there.union(truth).area > 0.95


def test_who_drew_what_changes_no_region_only_the_drawings_count():
    shapes = [box(0.1, 0.1, 0.4, 0.4), box(0.12, 0.1, 0.42, 0.4), box(0.1, 0.13, 0.4, 0.43), box(0.6, 0.6, 0.8, 0.8)]
    texts = ["one", "two", "three", "four"]

    def regions_with(names):
        rows = [region(name, shape, text=text) for name, shape, text in zip(names, shapes, texts, strict=True)]
        return find_consensus(rows, 4, 300, 200).regions

    assert regions_with("abcd") == regions_with("dcba") == regions_with("bdac")


def test_two_drawings_of_one_person_that_overlap_are_one_region():
    rows = [region("a", box(0.1, 0.1, 0.5, 0.5), text="l"), region("a", box(0.15, 0.1, 0.55, 0.5), text="r")]
    (found,) = find_consensus(rows, 3, 100, 100).regions
    assert to_shape(found["polygon"]).area == pytest.approx(0.45 * 0.4)
    assert found["support"] == 1


def test_a_map_is_the_smoothed_count_of_pixels_by_hand():
    side = 80
    rows = [region("a", box(0.25, 0.25, 0.75, 0.75)), region("b", box(0.5, 0.25, 0.75, 0.5))]
    share = np.zeros((side, side))
    share[20:60, 20:60] += 0.25  # a, of four people
    share[20:40, 40:60] += 0.25  # b
    # A Gaussian written out as a sum, edges repeated.
    sigma = SMOOTHING_SHARE * np.hypot(side, side)
    reach = np.arange(-8, 9)
    weights = np.exp(-(reach**2) / (2 * sigma**2))
    weights /= weights.sum()
    for axis in (0, 1):
        padded = np.pad(share, [(8, 8) if axis == one else (0, 0) for one in (0, 1)], mode="edge")
        share = sum(w * np.take(padded, np.arange(side) + 8 + d, axis) for d, w in zip(reach, weights, strict=True))
    found = mark_map(rows, 4, side, side)
    assert np.abs(found - 255 * share).max() <= 1.5


def test_sources_made_from_one_photo_are_drawn_together():
    rng = np.random.default_rng(0)
    rows = [
        {"source_id": f"{photo}-{copy}", "photo": str(photo), "task": "t", "model": model, "dimension": name,
         "mos": 50.0 + effect}
        for photo, effect in enumerate(rng.normal(0, 10, 20)) for copy in range(5)
        for model in "ab" for name in DIMENSIONS
    ]  # fmt: skip
    together, apart = leaderboard(pd.DataFrame(rows)), leaderboard(pd.DataFrame(rows).drop(columns="photo"))
    width = {
        name: (board["overall_high"] - board["overall_low"]).iloc[0] for name, board in (("t", together), ("a", apart))
    }
    assert width["t"] / width["a"] == pytest.approx(5**0.5, rel=0.25)  # five copies are no five photos


def test_a_single_photo_gives_means_and_no_interval():
    rows = [
        {"source_id": "s", "task": t, "model": m, "dimension": d, "mos": 50.0}
        for t in "ab"
        for m in "xy"
        for d in DIMENSIONS
    ]
    board = leaderboard(pd.DataFrame(rows))
    assert board["overall"].tolist() == [50.0, 50.0]
    assert board["overall_low"].isna().all()
    assert "no interval" in next(model_rows(board))["overall"]
    json.dumps(board_records(board), allow_nan=False)


@pytest.mark.parametrize("row", [("a", "x", "three"), (None, "x", 3.0), ("a", None, 3.0)])
def test_ratings_of_nothing_by_nobody_or_in_words_are_refused(row):
    with pytest.raises(BadInput, match=r"not a finite number|names no stimulus or no subject"):
        estimate_mos(pd.DataFrame([row, ("b", "y", 2.0)], columns=["stimulus", "subject", "score"]))


def test_a_scale_without_width_is_refused():
    row = {"edit_id": "e", "annotator": "a", "dimension": "d", "score": 1.0, "scale_min": 1.0, "scale_max": 1.0}
    with pytest.raises(BadInput, match="scale"):
        mos_by_dimension(pd.DataFrame([row | {"check": False, "screened": False}]))


@pytest.mark.parametrize("outcome", ["no_flaw", "cannot_judge"])
def test_a_campaign_without_ratings_still_has_a_report(campaign, outcome):
    campaign.write_table("answers", [answer(edit.edit_id, "ann", outcome) for edit in campaign.edits()[:3]])
    page = write_report(campaign, analyze_workspace(campaign)).read_text(encoding="utf-8")
    assert "nothing fair to rank" in page
    maps = list((campaign.analysis_dir / "maps").iterdir())
    assert len(maps) == (6 if outcome == "no_flaw" else 0)


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        (("human", "human"), "people judged, but not the work of editing models"),
        (("human", "simulated"), "not all of this is human feedback"),
        (("simulated", "simulated"), "A rehearsal, not human feedback"),
    ],
)
def test_the_banner_says_no_more_and_no_less_than_is_true(campaign, kinds, words):
    edit_id = campaign.edits()[0].edit_id
    rows = [answer(edit_id, person, kind=kind) for person, kind in zip("xy", kinds, strict=True)]
    campaign.write_table("answers", rows)
    page = write_report(campaign, analyze_workspace(campaign)).read_text(encoding="utf-8")
    banner = page.split('class="banner"')[1].split("</div>")[0]
    assert words in banner
    assert ("not human feedback" in banner) == (set(kinds) == {"simulated"})
    assert "procedural/careful" in banner


def test_refused_edits_and_refused_answers_are_told_apart_and_escaped(tmp_path):
    workspace = make_answered(tmp_path / "campaign", n_sources=2)
    gone = workspace.edits()[-1].edit_id
    workspace.ledger.record([Finished(gone, "refused", reason="<b>I cannot do that</b>")])
    page = write_report(workspace, analyze_workspace(workspace)).read_text(encoding="utf-8")
    assert "<td>edit refused</td><td>&lt;b&gt;I cannot do that&lt;/b&gt;</td>" in page


def test_an_image_that_is_gone_is_named(tmp_path):
    workspace = make_answered(tmp_path / "campaign", n_sources=2)
    edit = workspace.edits()[0]
    workspace.path_of(edit.image).unlink()
    study = analyze_workspace(workspace)
    with pytest.raises(BadInput, match="cannot be read"):
        write_report(workspace, study)


def test_analyze_names_the_edits_that_are_gone_and_prints_json(tmp_path, capsys):
    workspace = make_answered(tmp_path / "campaign", n_sources=2)
    workspace.write_table("answers", [*workspace.read_table("answers").to_pylist(), answer("f" * 16, "ann")])
    assert run(["analyze", "-w", str(workspace.root), "--json"]) == 0
    printed = capsys.readouterr()
    assert [row["rank"] for row in json.loads(printed.out)] == [1, 2]
    assert "f" * 16 in printed.err


def test_validate_takes_a_ring_that_begins_elsewhere_for_the_same_region(tmp_path, monkeypatch):
    workspace = make_answered(tmp_path / "campaign", n_sources=2)
    analyze_workspace(workspace)
    rows = workspace.read_table("consensus").to_pylist()
    turned = [{**row, "polygon": [ring[2:] + ring[:2] for ring in row["polygon"]]} for row in rows]
    assert turned != rows
    workspace.write_table("consensus", turned)
    build_dataset(workspace, tmp_path / "same")
    assert list(check_consensus(tmp_path / "same")) == []
    shrunk = [{**row, "polygon": [[[0.9 * x, y] for x, y in ring] for ring in row["polygon"]]} for row in rows]
    workspace.write_table("consensus", shrunk)
    build_dataset(workspace, tmp_path / "other")
    assert len(list(check_consensus(tmp_path / "other"))) == len({row["edit_id"] for row in rows})


@pytest.mark.parametrize("change", [{"project_type": "ratings"}, {"screened": True}])
def test_who_only_rated_or_was_set_aside_has_inspected_nothing(change):
    answers = to_table("answers", [answer("e", "ann"), answer("e", "bob") | change])
    drawings = Drawings(answers, to_table("regions", [drawn("e", "bob", box(0.1, 0.1, 0.5, 0.5))]))
    assert (drawings.n_inspected("e"), drawings.of("e")) == (1, [])
