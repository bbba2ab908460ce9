"""The ledger: it keeps what was made and paid, says what is wrong with it, and is read without being touched."""

import sqlite3

import pytest

from editfhf import ledger as ledger_module
from editfhf.errors import BadInput, JobFailed
from editfhf.ledger import Finished, Ledger
from editfhf.schema import Edit


def edits(n: int, model: str = "m") -> list[Edit]:
    return [Edit.plan(f"{number:016x}", "deblur", "sharpen", model, "1", {}, 0) for number in range(n)]


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    made = Ledger(tmp_path / "ledger.sqlite")
    made.plan(edits(4))
    return made


@pytest.fixture
def ids() -> list[str]:
    return [edit.edit_id for edit in edits(4)]


def test_a_ledger_that_another_process_holds_is_no_damage(ledger, monkeypatch, ids):
    monkeypatch.setattr(ledger_module, "LOCK_WAIT_S", 0.05)
    holder = sqlite3.connect(ledger.path)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(JobFailed, match=r"another process holds the ledger.*Nothing is lost") as told:
        Ledger(ledger.path).record([Finished(ids[0], "done")])
    assert "move" not in str(told.value).lower()
    holder.rollback()
    ledger.record([Finished(ids[0], "done")])


def test_a_ledger_that_cannot_be_written_is_no_damage(ledger, ids):
    with pytest.raises(JobFailed, match=r"cannot be read or written just now.*Nothing is lost"):
        Ledger(ledger.path, read_only=True).record([Finished(ids[0], "done")])


@pytest.mark.parametrize("read_only", [False, True])
def test_a_damaged_ledger_is_to_be_recovered_and_never_left_out(tmp_path, read_only):
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"no database at all, and quite long enough to look at" * 100)
    with pytest.raises(BadInput, match=r"Keep it: .* made, and paid, again\. `sqlite3 ledger.sqlite .recover") as told:
        Ledger(path, read_only).statuses()
    assert "move" not in str(told.value).lower()


def test_looking_at_a_ledger_that_is_not_there_makes_none(tmp_path):
    absent = Ledger(tmp_path / "ledger.sqlite")
    assert (absent.statuses(), absent.finished(), absent.attempted(), absent.spent_usd()) == ({}, [], [], 0)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_sees_what_was_written_last_and_touches_nothing(ledger, ids, tmp_path):
    ledger.record([Finished(ids[0], "refused", reason="no")])
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    assert "ledger.sqlite-wal" in before  # what was written last is in the log only
    assert Ledger(ledger.path, read_only=True).reasons() == {ids[0]: "no"}
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()} == before


def test_a_new_plan_forgets_what_nobody_attempted_and_keeps_the_rest(ledger, ids):
    ledger.record([Finished(ids[0], "failed", reason="why")])
    ledger.reserve([ids[1]], 1.0)
    other = edits(1, "other")
    ledger.replan(other)
    assert set(ledger.statuses()) == {ids[0], ids[1], other[0].edit_id}
    assert [source_id for source_id, *_ in ledger.attempted()] == [edit.source_id for edit in edits(2)]


# Money


def test_an_edit_costs_what_all_its_attempts_cost(ledger, ids):
    for cost in (0.2, 0.3):
        ledger.reserve([ids[0]], 1.0)
        assert ledger.spent_usd() >= 1.0
        ledger.record([Finished(ids[0], "failed", retryable=True, cost_usd=cost)])
    assert ledger.spent_usd() == pytest.approx(0.5)
    assert ledger.finished()[0].cost_usd == pytest.approx(0.5)


def test_what_was_under_way_when_a_worker_died_is_spent_and_reserved_again(ledger, ids):
    ledger.reserve(ids[:2], 1.0)
    assert ledger.count_kill(ids[:2]) == 0
    assert ledger.spent_usd() == pytest.approx(4.0)
    assert ledger.count_kill(ids[:1]) == 1
    assert ledger.spent_usd() == pytest.approx(5.0)
    ledger.record([Finished(one, "done", cost_usd=0.25) for one in ids[:2]])
    assert ledger.spent_usd() == pytest.approx(3.0 + 0.5)


def test_what_a_run_that_died_had_reserved_is_spent_beside_what_the_next_attempt_costs(ledger, ids):
    ledger.reserve(ids[:2], 1.0)
    ledger.settle()
    ledger.reserve(ids[:1], 1.0)
    ledger.record([Finished(ids[0], "done", cost_usd=0.25)])
    assert ledger.spent_usd() == pytest.approx(1.0 + 1.0 + 0.25)


def test_payments_that_are_joined_twice_or_in_pieces_are_there_once(ledger, ids, tmp_path):
    part = Ledger(tmp_path / "part.sqlite")
    part.plan(edits(4))
    part.reserve(ids[:2], 1.0)
    ledger.record([Finished(ids[0], "failed", cost_usd=0.5)])
    ledger.add_payments(part.payments())
    ledger.add_payments(part.payments())
    assert ledger.spent_usd() == pytest.approx(2.5)
    part.record([Finished(ids[0], "done", cost_usd=0.25)])
    ledger.add_payments(part.payments())
    assert ledger.spent_usd() == pytest.approx(0.5 + 0.25 + 1.0)


def test_a_ledger_of_an_earlier_version_keeps_what_it_spent(tmp_path, ledger, ids):
    with sqlite3.connect(ledger.path) as connection:
        connection.execute("DROP TABLE payments")
        connection.execute("ALTER TABLE edits ADD COLUMN cost_usd REAL NOT NULL DEFAULT 0.5")
        connection.execute("ALTER TABLE edits ADD COLUMN reserved_usd REAL NOT NULL DEFAULT 0")
    assert Ledger(ledger.path).spent_usd() == pytest.approx(2.0)
