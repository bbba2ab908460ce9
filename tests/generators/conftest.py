import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from editfhf.instructions import write_instructions
from editfhf.sources import import_sources
from editfhf.workspace import Workspace
from generators import registry
from tests.factories import photo

ROOT = Path(__file__).parent.parent.parent
PLUGIN = Path(__file__).parent / "plugin"
N_PHOTOS = 5
TASKS = "[object_add, text_add, style_transfer]"


def install_plugin(patch: pytest.MonkeyPatch) -> None:
    """The models of plugin/: here, and in every process that is started."""
    patch.syspath_prepend(str(PLUGIN))
    paths = [str(PLUGIN), str(ROOT), os.environ.get("PYTHONPATH", "")]
    patch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))


@pytest.fixture
def plugin(monkeypatch):
    install_plugin(monkeypatch)
    registry.registered_models.cache_clear()
    yield
    registry.registered_models.cache_clear()
    sys.modules.pop("shifting_models", None)


@pytest.fixture
def make_campaign(tmp_path_factory, plugin):
    """Makes workspaces of five photos, three tasks and two models of plugin/, with settings of the caller's."""

    def make(models: str = "[test/one, test/three]", more: str = "", photos: int = N_PHOTOS) -> Workspace:
        folder = tmp_path_factory.mktemp("campaign")
        (folder / "photos").mkdir()
        for number in range(photos):
            Image.fromarray(photo(96, seed=number)).save(folder / f"photos/{number}.png")
        root = folder / "campaign"
        root.mkdir()
        (root / "editfhf.yaml").write_text(f"generate:\n  models: {models}\n  tasks: {TASKS}\n  repeats: 0.0\n{more}")
        workspace = Workspace.open(root)
        import_sources(workspace, folder / "photos")
        write_instructions(workspace)
        return workspace

    return make


@pytest.fixture
def workspace(make_campaign) -> Workspace:
    return make_campaign()


def reword(workspace: Workspace, *words: str, task: str = "object_add") -> None:
    """Put each word, in brackets, in front of another instruction of a task: an order to the models of plugin/."""
    lines = workspace.instructions_path.read_text(encoding="utf-8").splitlines(keepends=True)
    places = [number for number, line in enumerate(lines) if f",{task}," in line]
    for number, word in zip(places, words, strict=False):
        lines[number] = lines[number].replace(f",{task},", f",{task},[{word}] ")
    edited = workspace.root / "edited.csv"
    edited.write_text("".join(lines), encoding="utf-8")
    write_instructions(workspace, str(edited))
