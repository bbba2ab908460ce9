import math
import random

import pytest
from hypothesis import given
from hypothesis.strategies import floats, integers

from editfhf.errors import BadInput
from generators.api import models
from generators.api.prices import (
    BILLED_ATTEMPTS,
    GPT_INPUT_TOKENS,
    GPT_OUTPUT_TOKENS,
    gemini_attempt_price,
    gpt_attempt_price,
)
from tests.generators.api import servers
from tests.generators.api.conftest import Remote
from tests.generators.api.servers import CUT_BODY, OK, RATE_LIMITED, SERVER_ERROR

# By hand from the price lists: 40 tokens of text at 5 $ a million, 1,024 of the photo at 8 $, 1,756 made at 30 $; and
# 1,100 at 1.50 $, 1,120 at 30 $, 10 of text and 200 of thoughts at 7.50 $.
ONE_ANSWER = {"gpt-image": 0.061072, "gemini-image": 0.036825}
ATTEMPT = {"gpt-image": gpt_attempt_price, "gemini-image": gemini_attempt_price}
QUICK = [
    servers.OK, servers.REFUSAL, servers.OUTPUT_REFUSAL, servers.NO_IMAGE, servers.RATE_LIMITED, servers.SERVER_ERROR,
    servers.BAD_REQUEST, servers.CUT_BODY, servers.CUT_JSON, servers.NOT_JSON,
    servers.NOT_AN_IMAGE, servers.HALF_AN_IMAGE, servers.BOMB,
]  # fmt: skip


def attempt_price(remote: Remote) -> float:
    return ATTEMPT[remote.entry.id](remote.entry.default_params)


def test_an_edit_costs_what_the_usage_says_at_the_prices_of_the_list(remote: Remote):
    assert remote.edit().cost_usd == pytest.approx(ONE_ANSWER[remote.entry.id], abs=1e-9)


def test_attempts_that_were_turned_away_cost_nothing(remote: Remote):
    remote.server.behave([RATE_LIMITED, SERVER_ERROR, OK])
    assert remote.edit().cost_usd == pytest.approx(ONE_ANSWER[remote.entry.id], abs=1e-9)


def test_an_attempt_without_an_answer_counts_with_the_most_it_can_have_cost(remote: Remote):
    remote.server.behave([CUT_BODY, OK])
    assert remote.edit().cost_usd == pytest.approx(attempt_price(remote) + ONE_ANSWER[remote.entry.id], abs=1e-9)


def test_a_time_out_counts_too(remote: Remote):
    remote.server.behave([servers.HANG, servers.HANG])
    assert remote.edit(timeout_s=0.3).cost_usd == pytest.approx(2 * attempt_price(remote))


def test_an_image_that_does_not_decode_was_paid_for(remote: Remote):
    remote.server.behave([servers.NOT_AN_IMAGE, OK])
    assert remote.edit().cost_usd == pytest.approx(2 * ONE_ANSWER[remote.entry.id], abs=1e-9)


def test_a_refusal_before_anything_is_made_costs_no_image(remote: Remote):
    remote.server.behave([servers.REFUSAL])
    assert remote.edit().cost_usd == pytest.approx({"gpt-image": 0.0, "gemini-image": 1100 * 1.5e-6}[remote.entry.id])


def test_an_image_that_was_made_and_held_back_counts(gpt: Remote):
    gpt.server.behave([servers.OUTPUT_REFUSAL])
    assert gpt.edit().cost_usd == pytest.approx(attempt_price(gpt))


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_an_edit_never_costs_more_than_its_highest_price(remote: Remote, seed: int):
    remote.server.behave(random.Random(seed).choices(QUICK, k=9))
    outcome = remote.edit(attempts=9)
    assert 0 <= outcome.cost_usd <= remote.entry.highest_price(remote.entry.default_params) + 1e-12


def test_the_highest_price_holds_all_attempts_that_may_be_billed(remote: Remote):
    assert remote.entry.highest_price(remote.entry.default_params) == pytest.approx(
        BILLED_ATTEMPTS * attempt_price(remote)
    )
    assert remote.entry.price_usd is not None
    assert remote.entry.price_usd.value == remote.entry.highest_price(remote.entry.default_params)


def test_a_better_quality_never_has_a_lower_bound(gpt: Remote):
    steps = ["low", "medium", "high", "xhigh", "max"]
    prices = [gpt.entry.highest_price({"quality": step}) for step in steps]
    assert prices == sorted(set(prices))
    assert gpt.entry.highest_price({"quality": "auto"}) == prices[-1]


PATCHES = {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96}  # along the longer side, by quality


def made_tokens(width: int, height: int, patches: int) -> int:
    """What the calculator in OpenAI's guide says, as generators/api/prices.py quotes it."""
    across = round(patches * min(width, height) / max(width, height))
    return math.ceil(patches * across * (2_000_000 + width * height) / 4_000_000)


def test_the_table_of_tokens_is_what_the_calculator_says_for_a_square():
    assert {step: made_tokens(1024, 1024, patches) for step, patches in PATCHES.items()} == {
        step: tokens for step, tokens in GPT_OUTPUT_TOKENS.items() if step != "auto"
    }


@given(shorter=integers(64, 4000), aspect=floats(1.0, 3.0))
def test_no_size_that_gpt_image_is_asked_for_has_more_tokens_than_its_price_counts(shorter, aspect):
    entry = next(entry for entry in models() if entry.id == "gpt-image")
    width, height = entry.size.fit(round(shorter * aspect), shorter)
    for step, patches in PATCHES.items():
        assert made_tokens(width, height, patches) <= GPT_OUTPUT_TOKENS[step]
    assert math.ceil(width / 32) * math.ceil(height / 32) <= GPT_INPUT_TOKENS


def test_more_tokens_allowed_have_a_higher_bound(gemini: Remote):
    assert gemini.entry.highest_price({"max_output_tokens": 8192}) > gemini.entry.highest_price(
        {"max_output_tokens": 4096}
    )


@pytest.mark.parametrize(
    ("model", "params"),
    [
        ("gpt-image", {"quality": "splendid"}),
        ("gemini-image", {"max_output_tokens": None}),
        ("gemini-image", {"max_output_tokens": -1}),
        ("gemini-image", {"image_size": "9K"}),
        ("gemini-image", {"thinking_level": "deep"}),
    ],
)
def test_a_parameter_without_a_price_is_refused_before_anything_is_sent(gpt: Remote, gemini: Remote, model, params):
    remote = {"gpt-image": gpt, "gemini-image": gemini}[model]
    with pytest.raises(BadInput, match=str(next(iter(params)))):
        remote.load().edit([remote.request(**params)])
    assert remote.server.requests == 0
