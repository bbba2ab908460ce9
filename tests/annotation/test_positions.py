"""Beside a plain reckoning with Python's sort."""

from dataclasses import asdict, replace
from itertools import groupby

import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from annotation import batches
from annotation.positions import add_positions, positions
from editfhf.schema import Rating, to_table

RATING = Rating("", "a", "human", "one", 3.0, 1.0, 5.0, "2026-11-02", 0, 1.0, "")


@st.composite
def ratings(draw) -> list[Rating]:
    """Of few people, days, times and edits, so that they often meet; the fraction of a second may be absent."""
    rows = []
    for _ in range(draw(st.integers(0, 12))):
        day = draw(st.sampled_from(["2026-11-02", "2026-11-03"]))
        at = f"{day}T{draw(st.sampled_from(['12:00:00', '12:00:00.500000', '12:00:01', '09:30:00.000001']))}+00:00"
        who, edit = draw(st.sampled_from("ab")), draw(st.sampled_from(["00ff", "0a00", "ff00"]))
        again = draw(st.booleans())
        rows += [
            Rating(edit, who, "human", dimension, 3.0, 1.0, 5.0, day, 0, 1.0, at, repeat=again)
            for dimension in draw(st.sampled_from([["one"], ["one", "two", "three"]]))
        ]
    return rows


def by_sorting(rows: list[Rating]) -> list[int]:
    found = {}
    answers = sorted({(row.annotator, row.session, row.submitted_at, row.edit_id, row.repeat) for row in rows})
    for _, session in groupby(answers, key=lambda one: one[:2]):
        found |= {answer: place for place, answer in enumerate(session, start=1)}
    return [found[row.annotator, row.session, row.submitted_at, row.edit_id, row.repeat] for row in rows]


@given(rows=ratings(), size=st.integers(1, 7))
def test_a_position_is_the_place_in_the_session_however_the_rows_are_cut(rows, size):
    parts = [to_table("ratings", rows[start : start + size]) for start in range(0, len(rows), size)]
    assert positions(parts).tolist() == by_sorting(rows)


def test_positions_are_added_to_a_file_whose_rows_stay_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "ROWS", 2)
    rows = [
        replace(RATING, edit_id=f"{n % 3:016x}", submitted_at=f"2026-11-02T{n:02}:00:00+00:00", score=float(n))
        for n in (5, 3, 4, 1, 2)
    ]
    pq.write_table(to_table("ratings", rows), tmp_path / "before.parquet")
    add_positions(tmp_path / "before.parquet", tmp_path / "after.parquet")
    after = pq.read_table(tmp_path / "after.parquet").to_pylist()
    assert [row["position"] for row in after] == [5, 3, 4, 1, 2]
    assert [row | {"position": 0} for row in after] == [asdict(row) for row in rows]
