"""Whether the times of answers can be: they are the server's, whose clock may be wrong, as may ours."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.compute as pc

from annotation.batches import read_batches

TOLERANCE = timedelta(minutes=5)  # between the clocks of two machines that nobody looks after


def count_misdated(answers: Path, since: str, now: datetime | None = None) -> int:
    """How many of the answers in a file are dated before or after they can have been given.

    Args:
        answers: Parquet with `submitted_at` (ISO 8601 in UTC).
        since: when their project was made, by our clock; "": not known.
        now: by our clock; of this moment without it.
    """
    latest = ((now or datetime.now(UTC)) + TOLERANCE).isoformat()
    earliest = (datetime.fromisoformat(since) - TOLERANCE).isoformat() if since else ""
    outside = 0
    for batch in read_batches(answers, ["submitted_at"]):
        given = batch["submitted_at"]  # as texts: all are in UTC and of one form
        outside += pc.sum(pc.or_(pc.less(given, earliest), pc.greater(given, latest))).as_py() or 0
    return outside
