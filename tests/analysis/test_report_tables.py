"""The tables of the report: what they say beside pandas, as files and on the page, and how large the page can be."""

import dataclasses

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy.stats import binomtest

from analysis import gallery, shown
from analysis.flaw_shares import flaw_shares
from analysis.mos import DEFAULT, estimate_mos
from analysis.report import write_report
from analysis.study import Study, analyze_workspace
from analysis.tables import report_tables, write_tables
from editfhf.flaws import FLAW_TYPES
from editfhf.ledger import Finished
from editfhf.schema import DIMENSIONS, Preference
from editfhf.workspace import Workspace
from tests.analysis.page_tables import PageTables
from tests.editfhf.answered import WHEN, make_answered


@pytest.fixture(scope="module")
def answered(tmp_path_factory) -> Workspace:
    """Six photos by two models, rated by two people of one taste each, with a refusal and choices between edits."""
    workspace = make_answered(tmp_path_factory.mktemp("report") / "campaign", n_sources=6)
    rng = np.random.default_rng(0)
    ratings = workspace.read_table("ratings").to_pandas()
    ratings["score"] = rng.integers(1, 6, len(ratings)).astype(float)
    workspace.write_table("ratings", ratings.to_dict("records"))
    edits = workspace.edits()
    choices = [
        Preference(f"p{number}", one.edit_id, other.edit_id, "", "", "ann", "simulated", "first", "left", 3.0, WHEN)
        for number, (one, other) in enumerate(zip(edits[::2], edits[1::2], strict=True))
    ]
    workspace.write_table("preferences", choices)
    workspace.ledger.record([Finished(edits[-1].edit_id, "refused", reason="=no; <b>never</b>")])
    return workspace


@pytest.fixture(scope="module")
def study(answered) -> Study:
    return analyze_workspace(answered)


@pytest.fixture(scope="module")
def page(answered, study) -> dict[str, list[list[str]]]:
    return PageTables(write_report(answered, study).read_text(encoding="utf-8")).tables


def number(text: str) -> float:
    """The first number of a cell; NaN for a dash."""
    return np.nan if text == "–" else float(text.split()[0].replace("−", "-").replace(",", ""))


def test_every_table_is_the_same_as_csv_and_as_parquet(answered, study):
    tables = report_tables(answered, study)
    write_tables(answered, tables)
    folder = answered.analysis_dir / "tables"
    told = {name for name, table in tables.items() if len(table)}
    assert told >= {"leaderboard", "agreement", "raters", "flaw_types", "refusals", "preferences", "reasons"}
    assert {path.name for path in folder.iterdir()} == {f"{name}.{end}" for name in told for end in ("csv", "parquet")}
    for name in told:
        parquet = pq.read_table(folder / f"{name}.parquet").to_pandas()
        csv = pd.read_csv(folder / f"{name}.csv", keep_default_na=False, na_values=[""])
        assert list(csv.columns) == list(parquet.columns) == list(tables[name].columns)
        for column in parquet:
            if pd.api.types.is_numeric_dtype(parquet[column]):
                np.testing.assert_allclose(csv[column].to_numpy(float), parquet[column].to_numpy(float), rtol=1e-14)
            else:
                assert csv[column].fillna("").astype(str).tolist() == parquet[column].fillna("").astype(str).tolist()


def test_a_table_that_is_gone_leaves_no_file(answered, study):
    tables = report_tables(answered, study)
    write_tables(answered, tables | {"preferences": pd.DataFrame()})
    assert not list((answered.analysis_dir / "tables").glob("preferences.*"))
    write_tables(answered, tables)
    assert len(list((answered.analysis_dir / "tables").glob("preferences.*"))) == 2


def test_the_page_shows_the_numbers_of_the_files(answered, page):
    folder = answered.analysis_dir / "tables"
    board = pd.read_csv(folder / "leaderboard.csv")
    assert [row[0] for row in page["table-leaderboard"][1:]] == board["model"].tolist()
    for row, (_, stored) in zip(page["table-leaderboard"][1:], board.iterrows(), strict=True):
        assert int(row[1]) == stored["rank"]
        for cell, name in zip(row[4:], ["overall", *DIMENSIONS], strict=True):
            words = cell.replace("−", "-").replace(" to ", " ").split()
            expected = [stored[name], stored[f"{name}_low"], stored[f"{name}_high"]]
            assert [float(word) for word in words] == pytest.approx(expected, abs=0.051)
    refused = pd.read_csv(folder / "refusals.csv")
    assert [[int(cell) for cell in row[1:4]] for row in page["table-refusals"][1:]] == refused[
        ["made", "refused", "failed"]
    ].to_numpy().tolist()
    choices = pd.read_csv(folder / "preferences.csv")
    strengths = [number(row[2]) for row in page["table-preferences"][1:]]
    assert strengths == pytest.approx(choices["strength"].tolist(), abs=0.0051)
    agreement = pd.read_csv(folder / "agreement.csv", keep_default_na=False)
    own = agreement[agreement["of"] == "all"]
    assert [row[1] for row in page["table-agreement"][1:]] == own["measure"].tolist()
    assert [number(row[2]) for row in page["table-agreement"][1:]] == pytest.approx(
        pd.to_numeric(own["value"]).tolist(), abs=0.0051, nan_ok=True
    )


def test_scores_and_raters_are_those_of_one_estimate_for_each_dimension(answered, page):
    """Beside pandas: the raw table, put on 0..100, in `estimate_mos`."""
    ratings = pd.read_parquet(answered.table_path("ratings"))
    made = [edit.edit_id for edit in answered.edits()]
    ratings = ratings[ratings["edit_id"].isin(made)]
    raters = pd.read_csv(answered.analysis_dir / "tables/raters.csv").set_index(["dimension", "annotator"])
    scores = pd.read_csv(answered.analysis_dir / "tables/opinion_scores.csv").set_index(["dimension", "edit_id"])
    for dimension in DIMENSIONS:
        own = ratings[ratings["dimension"] == dimension]
        table = pd.DataFrame(
            {"stimulus": own["edit_id"], "subject": own["annotator"], "score": (own["score"] - 1) / 4 * 100}
        )
        estimate = estimate_mos(table, DEFAULT)
        for column in ("bias", "inconsistency", "n"):
            expected = estimate.subjects[column]
            assert raters.loc[dimension].loc[expected.index, column].tolist() == pytest.approx(expected.tolist())
        assert scores.loc[dimension].loc[estimate.stimuli.index, "mos"].tolist() == pytest.approx(
            estimate.stimuli["mos"].clip(0, 100).tolist()  # less bias, a score may leave the scale
        )
    for row in page["table-raters"][1:]:
        assert "SIMULATED" in row[0]
        assert int(row[1]) == 3 * len(ratings["edit_id"].unique())
        for cell, dimension in zip(row[2:], DIMENSIONS, strict=True):
            bias, inconsistency = (number(part) for part in cell.split(","))
            told = raters.loc[(dimension, row[0].split()[0])]
            assert [bias, inconsistency] == pytest.approx([told["bias"], told["inconsistency"]], abs=0.051)


def test_shares_of_flaws_are_those_of_counting_by_hand():
    model_of = {f"e{n}": "ab"[n % 2] for n in range(20)}
    rows = [
        {"edit_id": f"e{n}", "flaw_type": flaw, "probability": probability}
        for n, flaw, probability in (
            (0, "wrong_text", 0.9), (0, "wrong_text", 0.8), (2, "wrong_text", 0.5), (1, "wrong_text", 0.4),
            (1, "not_edited", 1.0),
        )
    ]  # fmt: skip
    inspected = {f"e{n}" for n in range(17)}
    table = flaw_shares(rows, model_of, inspected).set_index(["flaw_type", "model"])
    assert len(table) == 3 * len(FLAW_TYPES)
    for key, regions, k, n in (
        (("wrong_text", "a"), 3, 2, 9),
        (("wrong_text", "b"), 0, 0, 8),
        (("not_edited", ""), 1, 1, 17),
    ):
        row = table.loc[key]
        assert (row["regions"], row["edits_with"], row["edits"]) == (regions, k, n)
        exact = binomtest(k, n).proportion_ci(0.95, "exact")
        assert (row["share"], row["low"], row["high"]) == pytest.approx((k / n, exact.low, exact.high))
    assert table.index[0] == ("wrong_text", "")  # the most frequent first
    assert flaw_shares(rows, model_of, []).empty


def test_a_bar_of_the_distributions_is_a_count_of_edits(answered, study):
    table = report_tables(answered, study)["distributions"]
    for name in DIMENSIONS:
        own = table[table["dimension"] == name]
        mos = study.scores.loc[study.scores["dimension"] == name, "mos"]
        assert own["edits"].sum() == len(mos)
        assert own.loc[own["from"] == 0, "edits"].item() == (mos < 5).sum()
        assert own.loc[own["from"] == 95, "edits"].item() == (mos >= 95).sum()


def test_a_campaign_of_any_size_has_a_small_page_that_says_what_it_left_out(answered, study, monkeypatch):
    """500 models, 5,000 people, 3,000 reasons of 10,000 letters."""
    tables = report_tables(answered, study)
    rng = np.random.default_rng(0)

    def many(name: str, column: str, n: int) -> pd.DataFrame:
        first = tables[name][tables[name][column] == tables[name][column].iloc[-1]]
        copies = pd.concat([first] * n, ignore_index=True)
        copies[column] = np.repeat([f"{name}-{number:05}" for number in range(n)], len(first))
        return copies

    large = tables | {
        name: many(name, "model", 500)
        for name in ("leaderboard", "refusals", "preferences", "task_groups", "model_by_task", "flaw_types")
    }
    of_all = tables["flaw_types"][tables["flaw_types"]["model"] == ""]
    large["flaw_types"] = pd.concat([of_all, large["flaw_types"]]).assign(edits_with=1)
    large["raters"] = many("raters", "annotator", 5000)
    large["reasons"] = pd.DataFrame(
        {"what": "answer refused", "reason": [f"{n} " + "x" * 10_000 for n in range(3000)], "count": 1}
    )
    large["comparisons"] = pd.concat([tables["comparisons"]] * 20_000, ignore_index=True)
    monkeypatch.setattr("analysis.report.report_tables", lambda *_: large)
    monkeypatch.setattr("analysis.report.write_tables", lambda *_: None)
    noise = rng.integers(0, 256, (1500, 2000, 3), dtype=np.uint8)
    monkeypatch.setattr(Workspace, "read_image", lambda *_: noise)
    told = [{"edit_id": edit_id, "description": "y" * 10_000} for edit_id in study.inspected for _ in range(100)]
    consensus = [study.consensus[0] | one for one in told]
    page = write_report(answered, dataclasses.replace(study, consensus=consensus)).read_text(encoding="utf-8")
    assert len(page) < 6_000_000
    tables_shown = PageTables(page).tables
    assert all(len(rows) <= 1 + shown.PEOPLE for rows in tables_shown.values())
    for words in (
        "24 of 500 models are shown", "60 of 5,000 people are shown", "8 of 3,000 reasons are shown",
        "12 of 500 models are shown", "pairs are shown", "less probable regions",
    ):  # fmt: skip
        assert words in page
    assert len(gallery.data_uri(noise)) < 1.4 * gallery.MOST_BYTES


def test_no_name_of_a_model_person_or_reason_becomes_markup(answered, study, monkeypatch):
    evil = "<script>alert(1)</script>\"'&"
    frame = report_tables(answered, study)
    for name, table in frame.items():
        frame[name] = table.assign(**{column: evil for column in ("reason", "measure") if column in table})
        for column in ("model", "better", "annotator", "task_group", "task"):
            if column in table:
                names = table[column].astype(str)
                frame[name][column] = names.where(names == "", evil + names)  # "": all models
    monkeypatch.setattr("analysis.report.report_tables", lambda *_: frame)
    monkeypatch.setattr("analysis.report.write_tables", lambda *_: None)
    evil_edits = [dataclasses.replace(edit, instruction=evil, model=evil) for edit in answered.edits()]
    monkeypatch.setattr(Workspace, "edits", lambda _: evil_edits)
    page = write_report(answered, study).read_text(encoding="utf-8")
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 20
