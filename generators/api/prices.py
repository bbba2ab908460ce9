"""What the two APIs charge: prices per token, and the most that one attempt and one edit can cost.

Two numbers matter. `*_attempt_price` bounds a single attempt, and is what an attempt is counted with when it may have
been billed though no answer came. `*_edit_price` bounds a whole call of `edit` for one request: at most
`BILLED_ATTEMPTS` of its attempts may be billed, so it is that many times the first. A run reserves it before it sends,
and so stops before its budget.
"""

from collections.abc import Mapping
from typing import Any

from editfhf.errors import BadInput

BILLED_ATTEMPTS = 2  # attempts of one edit that may cost something; those turned away (429, 503) cost nothing
MAX_INSTRUCTION_BYTES = 2000  # a byte-level tokenizer makes no more tokens than bytes: this bounds the text's price
MILLION = 1_000_000

# OpenAI, $ per million tokens: https://developers.openai.com/api/docs/models/gpt-image-2.5-sunburst, as quoted on
# 2026-09-08 in theopenco/llmgateway#3985 and 2026-09-15 in Portkey-AI/models#935. Its successor 2.6 costs the same.
GPT_TEXT_IN = 5.00
GPT_IMAGE_IN = 8.00
GPT_IMAGE_OUT = 30.00
# Tokens of the made image by quality at 1024 × 1024, more than at any other size of no more pixels: the calculator of
# https://developers.openai.com/api/docs/guides/image-generation, as copied into the price badge of ComfyUI's
# nodes_openai.py (commit 427f065; divided by its mark-up of 1.43, and by the price above). `auto` may be any. All five
# are ⌈N² (2,000,000 + width × height) / 4,000,000⌉ with N = 16, 24, 48, 64, 96; where the sides differ, N² becomes
# N × (N × shorter / longer, rounded): 5,488 for 1536 × 1024 at N = 96, gpt-image-2's list price of 0.165 $.
GPT_OUTPUT_TOKENS = {"low": 196, "medium": 439, "high": 1756, "xhigh": 3122, "max": 7024, "auto": 7024}
GPT_INPUT_TOKENS = 1536  # of a photo of 1536 × 1024, one per 32 × 32 pixels; of a megapixel 1,024; same source
GPT_MARGIN = 1.25  # the guide calls its numbers estimates

# Google, $ per million tokens: https://ai.google.dev/gemini-api/docs/pricing for gemini-nano-banana-2.1, as quoted on
# its first day in BerriAI/litellm, discussion 44983; a 1K image is 1,120 tokens there (0.0336 $).
GEMINI_IN = 1.50
GEMINI_TEXT_OUT = 7.50  # thinking is charged as text
GEMINI_IMAGE_OUT = 30.00
# Of a photo; measured 1,065 to 1,101 over ten sizes in huggingface.co/datasets/JOHNISKING/image-token-cost.
GEMINI_INPUT_TOKENS = 1120
GEMINI_MARGIN = 1.25


def gpt_attempt_price(params: Mapping[str, Any]) -> float:
    """Dollars that one attempt of `gpt-image` costs at most.

    Raises:
        BadInput: the quality is unknown.
    """
    quality = params.get("quality", "auto")
    if quality not in GPT_OUTPUT_TOKENS:
        raise BadInput(f"gpt-image: unknown quality {quality!r}.", mend=f"One of: {', '.join(GPT_OUTPUT_TOKENS)}.")
    made = GPT_OUTPUT_TOKENS[quality] * GPT_MARGIN * GPT_IMAGE_OUT
    photo = GPT_INPUT_TOKENS * GPT_MARGIN * GPT_IMAGE_IN
    return (made + photo + MAX_INSTRUCTION_BYTES * GPT_TEXT_IN) / MILLION


def gpt_edit_price(params: Mapping[str, Any]) -> float:
    """Dollars that one edit of `gpt-image` costs at most, with the attempts that may be billed twice."""
    return BILLED_ATTEMPTS * gpt_attempt_price(params)


def gemini_attempt_price(params: Mapping[str, Any]) -> float:
    """Dollars that one attempt of `gemini-image` costs at most: every token that it may make, at the price of an image.

    Raises:
        BadInput: `max_output_tokens` is not a whole number above 0.
    """
    tokens = params.get("max_output_tokens")
    if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1:
        raise BadInput(
            f"gemini-image: max_output_tokens is {tokens!r}.",
            mend="Give a whole number above 0: without a limit, no price can be promised.",
        )
    photo = GEMINI_INPUT_TOKENS * GEMINI_MARGIN * GEMINI_IN
    return (tokens * GEMINI_IMAGE_OUT + photo + MAX_INSTRUCTION_BYTES * GEMINI_IN) / MILLION


def gemini_edit_price(params: Mapping[str, Any]) -> float:
    """Dollars that one edit of `gemini-image` costs at most, with the attempts that may be billed twice."""
    return BILLED_ATTEMPTS * gemini_attempt_price(params)
