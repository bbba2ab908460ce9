"""The answer of `models.generateContent`, as far as it matters here (https://ai.google.dev/api/generate-content).

It is read from the body that the client hands over: the client's own record leaves out `finishMessage` and
`blockReasonMessage`, the words of a refusal.
"""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


class Blob(_Wire):
    """Bytes in base64, of either alphabet."""

    data: str = ""


class Part(_Wire):
    """A text or an image; a `thought` is a draft."""

    text: str = ""
    thought: bool = False
    inline_data: Blob = Blob()


class Content(_Wire):
    """The parts, in order."""

    parts: list[Part] = []


class Candidate(_Wire):
    """What the model made, and why it stopped."""

    content: Content = Content()
    finish_reason: str = ""
    finish_message: str = ""


class PromptFeedback(_Wire):
    """Why a request was not worked on."""

    block_reason: str = ""
    block_reason_message: str = ""


class TokenCount(_Wire):
    """Tokens of one kind: TEXT, IMAGE."""

    modality: str = ""
    token_count: int = 0


class Usage(_Wire):
    """The tokens that are charged."""

    prompt_token_count: int | None = None
    candidates_token_count: int = 0
    candidates_tokens_details: list[TokenCount] = []
    thoughts_token_count: int = 0
    tool_use_prompt_token_count: int = 0


class Answer(_Wire):
    """All of it."""

    candidates: list[Candidate] = []
    prompt_feedback: PromptFeedback = PromptFeedback()
    usage_metadata: Usage = Usage()
    model_version: str = ""
