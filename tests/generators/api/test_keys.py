import logging
import traceback

import pytest

from editfhf.errors import EditFHFError
from tests.generators.api import servers
from tests.generators.api.conftest import KEY, Remote
from tests.generators.api.servers import Behaviour

BEHAVIOURS = {name: one for name, one in vars(servers).items() if isinstance(one, Behaviour)}


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_no_fault_brings_the_key_to_light(remote: Remote, name, caplog, capfd):
    """Not in a log at any level, a reason, an error with its traceback, or the model as it prints."""
    caplog.set_level(logging.DEBUG)
    for logger in ("openai", "httpx", "httpcore", "google_genai"):
        caplog.set_level(logging.DEBUG, logger)
    remote.server.behave([BEHAVIOURS[name](words=f"I know your key: {KEY}.")] * 3)
    model = remote.load(timeout_s=0.4, attempts=3)
    shown = [repr(model), str(model)]
    try:
        outcome = model.edit([remote.request()])[0]
        shown += [outcome.reason, repr(outcome)]
    except EditFHFError as error:
        shown += [str(error), repr(error), *traceback.format_exception(error)]
    assert caplog.records, "nothing was logged: the test would see nothing"
    shown += [caplog.text, *(repr(record.__dict__) for record in caplog.records), *capfd.readouterr()]
    # The beginning too: OpenAI repeats that of a key it does not accept.
    assert not [text for text in shown if KEY[:8] in text]
