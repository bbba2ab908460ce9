"""Trying again: which attempts at an edit are repeated, after what wait, and what they cost together.

Retries are tenacity's, and those of both clients are switched off. The clients' own would not do: they repeat a 429
whose reason is an empty account, they cannot stop after two attempts that may be billed nor tell what each cost,
google-genai ignores what the server says about when to come back, and neither repeats an answer whose image does not
decode.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime

from tenacity import RetryCallState, RetryError, Retrying, retry_if_exception_type, wait_exponential_jitter

from generators.api.prices import BILLED_ATTEMPTS
from generators.base import EditOutcome

log = logging.getLogger(__name__)
ATTEMPTS = 5
MAX_WAIT_S = 120.0


class TryAgain(Exception):
    """An attempt failed in a way that another may mend.

    Attributes:
        reason: a sentence for the user; holds no key.
        cost_usd: what this attempt cost, or may have cost where no answer came; 0 where it was turned away.
        wait_s: when to come back, as the server said, in seconds from now; None where it did not.
    """

    def __init__(self, reason: str, cost_usd: float = 0.0, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.cost_usd = cost_usd
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an edit is tried.

    Attributes:
        attempts: at most so many, of which at most `BILLED_ATTEMPTS` may cost something.
        max_wait_s: the longest wait between two, also where the server asks for more.
        wait: called with the seconds to wait; tests give their own.
    """

    attempts: int = ATTEMPTS
    max_wait_s: float = MAX_WAIT_S
    wait: Callable[[float], None] = time.sleep


def keep_trying(attempt: Callable[[], EditOutcome], patience: Patience, what: str = "") -> EditOutcome:
    """The outcome of the first attempt that does not raise `TryAgain`, with the cost of all.

    When patience ends, a failure that a later run may repeat, with the last reason.
    """
    faults: list[TryAgain] = []

    def remembered() -> EditOutcome:
        try:
            return attempt()
        except TryAgain as fault:
            faults.append(fault)
            raise

    def enough(state: RetryCallState) -> bool:
        billed = sum(fault.cost_usd > 0 for fault in faults)
        return state.attempt_number >= patience.attempts or billed >= BILLED_ATTEMPTS

    back_off = wait_exponential_jitter(initial=1, max=patience.max_wait_s)

    def next_wait(state: RetryCallState) -> float:
        told = faults[-1].wait_s
        seconds = min(back_off(state) if told is None else told, patience.max_wait_s)
        if not enough(state):
            log.info("%s: %s Again in %.1f s.", what, faults[-1].reason, seconds)
        return seconds

    retrying = Retrying(
        retry=retry_if_exception_type(TryAgain), stop=enough, wait=next_wait, sleep=patience.wait, reraise=False
    )
    try:
        outcome = retrying(remembered)
    except RetryError:
        tries = f" ({len(faults)} attempts)" if len(faults) > 1 else ""
        outcome = EditOutcome("failed", reason=f"{faults[-1].reason}{tries}", retryable=True)
    return replace(outcome, cost_usd=outcome.cost_usd + sum(fault.cost_usd for fault in faults))


def told_wait_s(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """Seconds after which a server wants to be asked again: `Retry-After` in seconds or as a date (RFC 9110, 10.2.3),
    or OpenAI's `retry-after-ms`; None where it says nothing that can be understood."""
    milliseconds, told = headers.get("retry-after-ms"), headers.get("retry-after")
    try:
        if milliseconds is not None:
            return max(0.0, float(milliseconds) / 1000)
        return None if told is None else max(0.0, float(told))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(told or "").timestamp() - now())
    except ValueError:
        return None
