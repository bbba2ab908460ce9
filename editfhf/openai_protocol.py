"""What is the same wherever an API of OpenAI's kind is asked: codes of its errors, the key, the words of a server."""

import os

from editfhf.errors import BadInput

# `error.code` of an answer: https://developers.openai.com/api/docs/guides/error-codes; Azure has `content_filter`.
EMPTY_ACCOUNT = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
REFUSALS = ("content_policy_violation", "moderation_blocked", "content_filter")
LONGEST_WORDS = 500  # characters kept of what a server says


def read_key(variable: str) -> str:
    """The API key that an environment variable holds; "" where it is not set.

    Raises:
        BadInput: it cannot be sent; the sentence names the variable and never shows the value.
    """
    key = os.environ.get(variable, "").strip()
    if not key.isascii() or (key and not key.isprintable()) or " " in key:
        # The client would say so with the key in its message.
        raise BadInput(
            f"{variable} does not hold a key: there are spaces or letters in it that none has.",
            mend="Copy the key again.",
        )
    return key


def clean_words(text: object, key: str) -> str:
    """What a server said, in one line of bounded length and without the key ("" for none)."""
    said = str(text or "")
    words = " ".join((said.replace(key, "[key]") if key else said).split())
    return words if len(words) <= LONGEST_WORDS else words[: LONGEST_WORDS - 1] + "…"
