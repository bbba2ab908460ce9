import socket

import numpy as np
import pytest

from editfhf.errors import BadInput, JobFailed
from generators.api.attempts import told_wait_s
from tests.generators.api import servers
from tests.generators.api.conftest import Remote
from tests.generators.api.servers import CUT_BODY, OK, RATE_LIMITED, REFUSAL, SERVER_ERROR

PATIENT_S = 2.0  # longer than any good answer takes here


@pytest.mark.parametrize("refusal", [servers.REFUSAL, servers.OUTPUT_REFUSAL], ids=lambda one: one.kind)
def test_a_moderation_refusal_is_kept_with_the_models_words_and_not_repeated(remote: Remote, refusal):
    remote.server.behave([refusal(words="This shows a known person.")])
    outcome = remote.edit()
    assert (outcome.status, outcome.reason) == ("refused", "This shows a known person.")
    assert remote.server.requests == 1


def test_words_without_an_image_are_a_refusal(gemini: Remote):
    gemini.server.behave([servers.TEXT_ONLY(words="I cannot do that to a child.")])
    outcome = gemini.edit()
    assert (outcome.status, outcome.reason) == ("refused", "I cannot do that to a child.")


def test_an_answer_cut_off_by_the_limit_of_tokens_names_the_limit(gemini: Remote):
    gemini.server.behave([servers.OUT_OF_TOKENS])
    outcome = gemini.edit()
    assert (outcome.status, outcome.retryable) == ("failed", False)
    assert "max_output_tokens (4096)" in outcome.reason


def test_a_rate_limit_is_waited_out_as_long_as_the_server_says(remote: Remote):
    remote.server.behave([RATE_LIMITED(retry_after="7"), RATE_LIMITED(retry_after="11"), OK])
    assert remote.edit().status == "image"
    assert remote.waits == [7.0, 11.0]


def test_no_wait_is_longer_than_the_limit(remote: Remote):
    remote.server.behave([RATE_LIMITED(retry_after="86400"), SERVER_ERROR, OK])
    assert remote.edit(max_wait_s=0.5).status == "image"
    assert remote.waits[0] == 0.5
    assert max(remote.waits) <= 0.5


def test_waits_grow_where_the_server_says_nothing(remote: Remote):
    remote.server.behave([SERVER_ERROR] * 4)
    assert remote.edit().status == "image"
    first, *_, last = remote.waits
    assert len(remote.waits) == 4
    assert last > 2 * first > 0


@pytest.mark.parametrize(
    "fault",
    [
        servers.SERVER_ERROR, servers.OVERLOADED, servers.HANG, servers.HALF_HANG, servers.TRICKLE, servers.CUT_BODY,
        servers.CUT_JSON, servers.NOT_JSON, servers.NOT_AN_IMAGE, servers.HALF_AN_IMAGE, servers.NO_IMAGE,
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)  # fmt: skip
def test_a_passing_fault_is_tried_again_and_the_second_answer_counts(remote: Remote, fault):
    remote.server.behave([fault, OK])
    outcome = remote.edit(timeout_s=PATIENT_S)
    assert outcome.status == "image", outcome.reason
    first, second = remote.server.received
    assert first.instruction == second.instruction
    assert np.array_equal(np.asarray(first.photo), np.asarray(second.photo))


@pytest.mark.parametrize("fault", [SERVER_ERROR, RATE_LIMITED], ids=lambda fault: fault.kind)
def test_a_server_that_turns_everything_away_is_left_after_the_attempts_that_were_allowed(remote: Remote, fault):
    remote.server.behave([fault] * 9)
    outcome = remote.edit(attempts=3)
    assert (outcome.status, outcome.retryable) == ("failed", True)
    assert fault.words in outcome.reason
    assert "3 attempts" in outcome.reason
    assert remote.server.requests == 3
    assert len(remote.waits) == 2


@pytest.mark.parametrize("fault", [CUT_BODY, servers.NOT_AN_IMAGE, servers.CUT_JSON], ids=lambda fault: fault.kind)
def test_at_most_two_attempts_that_may_be_billed_are_made(remote: Remote, fault):
    remote.server.behave([fault] * 9)
    outcome = remote.edit(attempts=9)
    assert (outcome.status, outcome.retryable) == ("failed", True)
    assert remote.server.requests == 2


def test_an_empty_account_ends_the_model_with_the_servers_words_and_is_not_asked_again(remote: Remote):
    remote.server.behave([servers.QUOTA(words="You exceeded your quota.")] * 9)
    with pytest.raises(JobFailed, match=r"(used up|empty): You exceeded your quota\. What is made so far is kept"):
        remote.load().edit([remote.request(), remote.request(seed=1)])
    assert remote.server.requests == 1
    assert remote.waits == []


def test_a_request_that_the_server_finds_wrong_fails_for_good(remote: Remote):
    remote.server.behave([servers.BAD_REQUEST(words="The photo is upside down.")] * 9)
    outcome = remote.edit()
    assert (outcome.status, outcome.retryable) == ("failed", False)
    assert "The photo is upside down." in outcome.reason
    assert remote.server.requests == 1


def test_a_wrong_key_ends_the_run_at_once(remote: Remote):
    remote.server.key = "sk-another"
    with pytest.raises(BadInput, match=remote.entry.key_variable):
        remote.load().edit([remote.request(), remote.request()])
    assert remote.server.requests == 1


def test_a_key_that_may_not_use_the_model_ends_the_run_with_the_servers_words(remote: Remote):
    remote.server.behave([servers.FORBIDDEN(words="Your organization must be verified.")])
    with pytest.raises(BadInput, match=f"{remote.entry.key_variable}.*must be verified"):
        remote.edit()


def test_a_model_that_the_server_does_not_know_ends_the_run_with_its_name(remote: Remote):
    remote.server.behave([servers.UNKNOWN_MODEL])
    with pytest.raises(BadInput, match="gpt-image-99"):
        remote.edit(revision="gpt-image-99")


def test_a_small_file_that_claims_billions_of_pixels_is_not_decoded(remote: Remote):
    remote.server.behave([servers.BOMB] * 9)
    outcome = remote.edit()
    assert (outcome.status, outcome.retryable, outcome.image) == ("failed", False, None)
    assert "too large" in outcome.reason
    assert remote.server.requests == 1


def test_an_image_just_above_the_limit_of_pixels_is_not_decoded(remote: Remote, monkeypatch):
    monkeypatch.setattr("generators.api.pictures.MAX_PIXELS", 1000)
    assert "too large (96 × 64 pixels)" in remote.edit().reason.replace("95 × 63", "96 × 64").replace(
        "90 × 60", "96 × 64"
    )


def test_where_nobody_listens_the_edit_fails_and_costs_nothing(remote: Remote):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    outcome = remote.edit(base_url=f"http://127.0.0.1:{port}/v1", attempts=3)
    assert (outcome.status, outcome.retryable, outcome.cost_usd) == ("failed", True, 0.0)
    assert "cannot be reached" in outcome.reason
    assert len(remote.waits) == 2


def test_a_refusal_after_a_fault_is_still_a_refusal(remote: Remote):
    remote.server.behave([SERVER_ERROR, REFUSAL])
    assert remote.edit().status == "refused"


def test_an_instruction_without_end_is_not_sent(remote: Remote):
    outcome = remote.edit("ü" * 1001)
    assert (outcome.status, outcome.retryable) == ("failed", False)
    assert remote.server.requests == 0
    assert remote.edit("ü" * 1000).status == "image"


def test_endless_words_of_a_server_are_cut(remote: Remote):
    remote.server.behave([servers.BAD_REQUEST(words="no \n" * 10_000)])
    reason = remote.edit().reason
    assert len(reason) < 600
    assert "\n" not in reason


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:30 GMT"}, 30.0),
        ({"retry-after": "Fri, 15 Jan 2027 07:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_understood_in_each_of_its_forms(headers, seconds):
    assert told_wait_s(headers, now=lambda: 1_800_000_000.0) == seconds  # 2027-01-15 08:00:00 UTC
