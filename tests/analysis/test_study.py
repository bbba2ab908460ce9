"""`analyze` on a workspace: what it writes, the report that people read, and what `validate` recomputes from it."""

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.report import write_report
from analysis.study import analyze_workspace
from editfhf.dataset_schema import arrow_schema_of
from editfhf.errors import BadInput
from editfhf.export import build_dataset
from editfhf.validate import validate_dataset
from editfhf.workspace import Workspace
from tests.editfhf.answered import make_answered


@pytest.fixture
def answered(tmp_path) -> Workspace:
    return make_answered(tmp_path / "campaign", n_sources=4)


class Tags(HTMLParser):
    """Every tag of a page, and every address it would fetch."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href", "xlink:href")]


def report_of(workspace: Workspace) -> str:
    return write_report(workspace, analyze_workspace(workspace)).read_text(encoding="utf-8")


def test_analyze_twice_writes_the_same(answered):
    def files() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in answered.analysis_dir.rglob("*") if path.is_file()}

    page = report_of(answered)
    before = files()
    assert report_of(answered) == page
    assert files() == before


def test_maps_are_there_for_inspected_edits_and_no_others(answered):
    stale = answered.analysis_dir / "maps" / "0000000000000000_artifact.png"
    stale.write_bytes(b"old")
    analyze_workspace(answered)
    inspected = set(answered.read_table("answers")["edit_id"].to_pylist())
    names = {path.name for path in (answered.analysis_dir / "maps").iterdir()}
    assert names == {f"{edit_id}_{kind}.png" for edit_id in inspected for kind in ("artifact", "failure")}


def test_without_answers_the_next_command_is_named(campaign):
    with pytest.raises(BadInput, match="editfhf annotate pull"):
        analyze_workspace(campaign)


def test_answers_about_edits_that_are_gone_are_counted(answered):
    rows = answered.read_table("answers").to_pylist()
    answered.write_table("answers", [*rows, {**rows[0], "edit_id": "f" * 16}])
    assert analyze_workspace(answered).unknown_edits == 1


def test_the_report_needs_nothing_else_and_says_it_is_a_rehearsal(answered):
    page = report_of(answered)
    tags = Tags(page)
    assert "A rehearsal, not human feedback." in page
    assert "script" not in tags.tags
    assert "img" in tags.tags
    assert all(address.startswith(("data:", "#")) for address in tags.addresses)
    assert not re.search(r"url\((?!#)", page)


def test_the_banner_is_gone_when_people_judged_real_models(answered):
    for name in ("answers", "ratings", "regions"):
        table = answered.read_table(name)
        kind = pa.array(["human"] * table.num_rows)
        answered.write_table(name, table.set_column(table.column_names.index("annotator_kind"), "annotator_kind", kind))
    assert "A rehearsal" in report_of(answered)  # the models are procedural still
    answered.ledger._connection.execute("UPDATE edits SET model = replace(model, 'procedural/', 'lab/')")
    answered.ledger._connection.commit()
    assert "A rehearsal" not in report_of(answered)


def test_what_people_wrote_never_becomes_markup(answered):
    rows = answered.read_table("regions").to_pylist()
    answered.write_table("regions", [{**row, "description": "<script>alert(1)</script>"} for row in rows])
    page = report_of(answered)
    assert "script" not in Tags(page).tags
    assert "&lt;script&gt;" in page


def test_validate_finds_the_analysis_to_follow_from_the_answers(answered, tmp_path):
    analyze_workspace(answered)
    build_dataset(answered, tmp_path / "dataset")
    results = validate_dataset(tmp_path / "dataset")
    assert {result.name for result in results} >= {
        "opinion scores follow from the ratings", "consensus and maps follow from the regions",
    }  # fmt: skip
    assert [dataclasses.asdict(result) for result in results if not result.passed] == []


@pytest.mark.parametrize(
    ("field", "check"),
    [
        ("visual_consistency", "opinion scores follow from the ratings"),
        ("visual_consistency_n", "opinion scores follow from the ratings"),
        ("regions", "consensus and maps follow from the regions"),
        ("artifact_map", "consensus and maps follow from the regions"),
    ],
)
def test_validate_notices_opinions_that_do_not_follow(answered, tmp_path, field, check):
    analyze_workspace(answered)
    build_dataset(answered, tmp_path / "dataset")
    path = next((tmp_path / "dataset/data/edits").glob("train-*"))
    rows = pq.read_table(path).to_pylist()
    other = next(row for row in rows if row["regions"])
    wrong = {"visual_consistency": 99.0, "visual_consistency_n": 7, "regions": [], "artifact_map": other["failure_map"]}
    other[field] = wrong[field]
    pq.write_table(pa.Table.from_pylist(rows, schema=arrow_schema_of("default")), path)
    failures = {result.name: result.failures for result in validate_dataset(tmp_path / "dataset")}[check]
    assert any(other["edit_id"] in failure and Path(path).name in failure for failure in failures)
