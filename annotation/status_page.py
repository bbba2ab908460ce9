"""What people read of a campaign's status in a terminal: a bar for each screen, a line for each person."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

BAR = 20  # characters
OVER_PHOTOS = "95 % over photos, the same people"
BLOCKED = "Answered by somebody else, so not shown to its person; push opens it again"
Table = tuple[str, Sequence[dict[str, Any]] | dict[str, Any]]


def tables_of(status: Mapping[str, Any], numbers: Mapping[str, int] = MappingProxyType({})) -> list[Table]:
    """The tables that say what `annotation.status.status` returns, each with its title; empty ones are left out.

    Args:
        numbers: pseudonym → the number in `annotate people`, which stands beside it.
    """
    simulated = status["simulated"]
    head = {
        "server": status["server"],
        "answers pulled": status["pulled_at"] or "never",
        "done": f"{status['answers']:,} of {status['tasks']:,} answers",
        "left": left_in_words(status["hours_left"], status["days_left"], status["no_days"]),
    }
    if status["drafts"]:
        head["begun"] = f"{status['drafts']:,} answers are drafts, not submitted"
    if status["refused"]:
        head["refused"] = f"{status['refused']:,} answers, not counted as given: `editfhf annotate refused` says why"
    if simulated:
        head["SIMULATED"] = f"{simulated} of {len(status['annotators'])} people are simulated by a program"
    screens = [
        {
            "screen": row["screen"], "": bar(row["share"]), "done": f"{row['done']:,} of {row['asked']:,}",
            "share": f"{row['share']:.0%}",
            "complete": f"{row['complete']:,} of {row['edits']:,}" if row["edits"] else "",
            "people each": row["people_each"],
            "seconds": f"{row['seconds']:.0f}" if row["measured"] else f"{row['seconds']:.0f} (assumed)",
            "hours left": f"{row['hours_left']:.1f}",
        }
        for row in status["screens"]
    ]  # fmt: skip
    people = [
        {
            "screen": row["screen"], **named(row["annotator"], numbers), "kind": row["kind"], "state": row["state"],
            "done": f"{row['done']:,}" + ("" if row["asked"] is None else f" of {row['asked']:,}"),
            "drafts": row["drafts"], "refused": row["refused"], "median s": row["median_s"],
            "last seen": minute(row["last_seen"]), "hours left": row["hours_left"],
        }
        for row in status["progress"]
    ]  # fmt: skip
    agreement = [
        {
            "about": row["about"].replace("_", " "), "measure": row["measure"], "value": row["value"],
            OVER_PHOTOS: interval(row), "edits": row["edits"], "people": row["people"],
        }
        for row in status["agreement"]
    ]  # fmt: skip
    admission = [named(row["annotator"], numbers) | row for row in status["admission"]]
    # Whose tasks are blocked, and by whom.
    blocked = [
        {
            "screen": row["screen"], **named(row["annotator"], numbers), "tasks": row["tasks"],
            "answered by": ", ".join(in_words(name, numbers) for name in row["by"]),
        }
        for row in status["blocked"]
    ]  # fmt: skip
    # People last: they are many, and a terminal shows what comes first.
    tables: list[Table] = [
        ("", head), ("By screen", screens), (BLOCKED, blocked), ("Admission", admission),
        ("Agreement so far", agreement), ("By person", people),
    ]  # fmt: skip
    return [(title, rows) for title, rows in tables if rows]


def bar(share: float) -> str:
    """`███░░`: full only where all is done."""
    full = int(min(max(share, 0.0), 1.0) * BAR)
    return "█" * full + "░" * (BAR - full)


def named(annotator: str, numbers: Mapping[str, int]) -> dict[str, Any]:
    """The columns that say who it is, of somebody with a number or without one."""
    return {"number": numbers.get(annotator), "annotator": annotator}


def in_words(annotator: str, numbers: Mapping[str, int]) -> str:
    """`3 (02fd9af112d42f00)`: number and pseudonym of one person within a sentence or a list."""
    if not annotator:
        return "somebody unknown"
    return f"{numbers[annotator]} ({annotator})" if annotator in numbers else annotator


def left_in_words(hours: float, days: float | None, no_days: str = "") -> str:
    """Hours of all people together, and days at the pace of the last week; or `no_days`, why these are not known."""
    if hours <= 0:
        return "nothing"
    at_pace = no_days if days is None else f"{days:,.1f} days at the pace of the last week"
    return f"{hours:,.1f} hours of all people together; {at_pace}"


def interval(row: Mapping[str, Any]) -> str:
    """`0.61 to 0.82`, or "" where there is none."""
    return "" if row["low"] is None else f"{row['low']:.2f} to {row['high']:.2f}"


def minute(when: str) -> str:
    """A moment without its seconds; times are in UTC."""
    return when[:16].replace("T", " ")
