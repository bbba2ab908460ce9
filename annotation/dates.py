"""Whether the times of answers can be: they are the server's, whose clock may be wrong, as may ours."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

TOLERANCE = timedelta(minutes=5)  # between the clocks of two machines that nobody looks after


def count_misdated(answers: Path, since: str, now: datetime | None = None) -> int:
    """How many of the answers in a file are dated before or after they can have been given.

    Args:
        answers: Parquet with `submitted_at` (ISO 8601 in UTC).
        since: when their project was made, by our clock; "": not known.
        now: by our clock; of this moment without it.
    """
    given = pq.read_table(answers, columns=["submitted_at"])["submitted_at"]
    latest = ((now or datetime.now(UTC)) + TOLERANCE).isoformat()
    earliest = (datetime.fromisoformat(since) - TOLERANCE).isoformat() if since else ""
    # As texts: all are in UTC and of one form.
    outside = pc.or_(pc.less(given, earliest), pc.greater(given, latest))
    return int(pc.sum(outside).as_py() or 0)
