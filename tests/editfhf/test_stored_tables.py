import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from editfhf.dataset_schema import RAW_CONFIGS, arrow_schema_of
from editfhf.errors import BadInput
from editfhf.schema import TABLES, as_of_today
from tests.editfhf.answered import make_answered

WITH_SCREEN = ("ratings", "regions", "answers", "verdicts", "preferences")


def test_tables_of_an_earlier_version_are_read_with_what_it_did_not_know(tmp_path):
    workspace = make_answered(tmp_path / "old")
    for name in ("ratings", "regions", "answers"):
        path = workspace.table_path(name)
        today = pq.read_table(path)
        pq.write_table(today.drop_columns("screen"), path)
        assert workspace.read_table(name).equals(today)
        assert set(workspace.read_table(name)["screen"].to_pylist()) == {""}
    path = workspace.table_path("ratings")
    pq.write_table(pq.read_table(path).drop_columns("score"), path)
    with pytest.raises(BadInput, match=r"ratings.parquet cannot be read"):
        workspace.read_table("ratings")


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_of_today_stays_as_it_is_and_is_read_in_any_order_of_columns(name):
    empty = TABLES[name].empty_table()
    assert as_of_today(name, empty).schema == TABLES[name]
    assert as_of_today(name, empty.select(list(reversed(empty.column_names)))).schema == TABLES[name]


def test_columns_that_are_missing_get_the_default_of_their_record():
    old = pa.table({"project": [1], "task": [2], "annotation": [3]})
    for name in ("edit_id", "annotator", "part", "reason", "raw"):
        old = old.append_column(name, pa.array(["x"]))
    (row,) = as_of_today("refused_answers", old).to_pylist()
    assert (row["project"], row["reason"], row["project_type"], row["taken"]) == (1, "x", "", False)


def test_the_screen_stands_beside_every_answer_and_in_no_dataset():
    for name in WITH_SCREEN:
        assert TABLES[name].field("screen").type == pa.string()
    for config in RAW_CONFIGS:
        assert [one for one in TABLES[config].names if one != "screen"] == arrow_schema_of(config).names
