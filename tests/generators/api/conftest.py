"""Both adapters, talking through their real clients to a server on this machine."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from PIL import Image

from generators.api import models
from generators.base import EditModel, EditOutcome, EditRequest, ModelEntry
from generators.sizes import SizePolicy
from tests.factories import photo
from tests.generators.api.servers import EditingServers

KEY = "sk-RECOGNISABLE-0123456789abcdefghijkl"
# Small pictures, so that encoding them takes no time; the real sizes have a test of their own.
SMALL = {
    "gpt-image": SizePolicy(multiple=16, max_pixels=96 * 64, min_pixels=96 * 64, max_aspect=3.0),
    "gemini-image": SizePolicy(
        fixed=(
            (64, 64), (64, 96), (96, 64), (72, 96), (96, 72), (64, 80), (80, 64), (54, 96), (96, 54), (84, 36),
            (32, 128), (128, 32),
        ),
    ),
}  # fmt: skip


@dataclass
class Remote:
    """An adapter and the server it talks to; `waits` are the seconds it wanted to wait between attempts."""

    entry: ModelEntry
    server: EditingServers
    waits: list[float] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.server.openai_url if self.entry.id == "gpt-image" else self.server.gemini_url

    def load(self, **options: Any) -> EditModel:
        return self.entry.load(self.entry, **{"base_url": self.url, "wait": self.waits.append, **options})

    def request(self, instruction: str = "make it blue", seed: int = 0, side: int = 90, **params: Any) -> EditRequest:
        picture = Image.fromarray(photo(side, seed=seed)).resize((side, side * 2 // 3))
        return EditRequest(
            f"edit {seed}", picture, instruction, "color_change", seed, {**self.entry.default_params, **params}
        )

    def edit(self, instruction: str = "make it blue", **options: Any) -> EditOutcome:
        return self.load(**options).edit([self.request(instruction)])[0]


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, KEY)
    for name in ("OPENAI_BASE_URL", "GOOGLE_GEMINI_BASE_URL", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[EditingServers]:
    with EditingServers(key=KEY) as running:
        yield running


def remote_of(model_id: str, server: EditingServers) -> Remote:
    entry = next(entry for entry in models() if entry.id == model_id)
    return Remote(replace(entry, size=SMALL[model_id]), server)


@pytest.fixture
def gpt(server: EditingServers) -> Remote:
    return remote_of("gpt-image", server)


@pytest.fixture
def gemini(server: EditingServers) -> Remote:
    return remote_of("gemini-image", server)


@pytest.fixture(params=["gpt-image", "gemini-image"])
def remote(request: pytest.FixtureRequest, server: EditingServers) -> Remote:
    return remote_of(request.param, server)
