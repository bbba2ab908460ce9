"""A run of the generators: whatever happens to it, each planned edit ends up once, whole, and the same."""

import hashlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from editfhf.errors import BadInput
from editfhf.instructions import write_instructions
from editfhf.workspace import Workspace
from generators import registry, runner
from tests.factories import photo
from tests.generators.shifting_model import entries

MODELS = "models: [test/one, test/three]"
N_PHOTOS = 5


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Workspace:
    monkeypatch.setattr(registry, "registered_models", entries)
    return make(tmp_path)


def make(tmp_path: Path) -> Workspace:
    from editfhf.sources import import_sources

    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(N_PHOTOS):
        Image.fromarray(photo(96, seed=number)).save(photos / f"{number}.png")
    root = tmp_path / "campaign"
    root.mkdir()
    (root / "editfhf.yaml").write_text(f"generate:\n  {MODELS}\n  tasks: [object_add, text_add, style_transfer]\n")
    workspace = Workspace.open(root)
    import_sources(workspace, photos)
    write_instructions(workspace)
    return workspace


def state(workspace: Workspace) -> dict[str, str]:
    """edit_id → hash of the bytes on disk."""
    return {
        edit.edit_id: hashlib.sha256(workspace.path_of(edit.image).read_bytes()).hexdigest()
        for edit in workspace.edits()
    }


def test_a_run_makes_everything_and_a_second_run_nothing(workspace):
    first = runner.generate(workspace)
    assert first.made == N_PHOTOS * 3 * 2
    before = state(workspace)
    second = runner.generate(workspace)
    assert (second.made, second.already_made) == (0, first.made)
    assert state(workspace) == before


def test_images_are_named_by_the_hash_of_their_bytes(workspace):
    runner.generate(workspace, limit=4)
    for edit in workspace.edits():
        assert Path(edit.image).stem == hashlib.sha256(workspace.path_of(edit.image).read_bytes()).hexdigest()
        assert workspace.read_image(edit.image).shape == (edit.height, edit.width, 3)


def test_the_same_limit_is_the_same_subset_and_a_larger_one_contains_it(workspace):
    runner.generate(workspace, limit=6)
    six = state(workspace)
    assert runner.generate(workspace, limit=6).made == 0
    runner.generate(workspace, limit=12)
    twelve = state(workspace)
    assert (len(six), len(twelve)) == (6, 12)
    assert six.items() <= twelve.items()


def test_an_image_that_was_deleted_is_made_again(workspace):
    runner.generate(workspace, limit=3)
    before = state(workspace)
    victim = workspace.edits()[1]
    workspace.path_of(victim.image).unlink()
    assert runner.generate(workspace, limit=3).made == 1
    assert state(workspace) == before


def test_what_one_edit_does_wrong_is_a_row_with_its_reason(workspace):
    lines = workspace.instructions_path.read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if "object_add" in line]
    edited = workspace.instructions_path.read_text(encoding="utf-8")
    for row, word in zip(rows[:2], ("refuse", "crash"), strict=True):
        edited = edited.replace(row, row.replace("add a", f"{word} a"))
    given_back = workspace.root / "edited.csv"
    given_back.write_text(edited, encoding="utf-8")
    write_instructions(workspace, str(given_back))

    counts = runner.generate(workspace)
    assert (counts.refused, counts.failed, counts.made) == (2, 2, N_PHOTOS * 3 * 2 - 4)
    assert set(workspace.ledger.reasons().values()) == {"I would rather not.", "RuntimeError: out of luck"}
    assert runner.generate(workspace).set_aside == 4
    assert runner.generate(workspace, retry="failed").failed == 2


def test_an_edit_does_not_depend_on_the_order_in_which_edits_are_made(workspace, tmp_path_factory, monkeypatch):
    runner.generate(workspace)
    other = make(tmp_path_factory.mktemp("other"))
    runner.generate(other, models=["test/three"])
    runner.generate(other, tasks=["text_add"])
    runner.generate(other)
    assert state(other) == state(workspace)


def test_a_second_run_at_the_same_time_says_so(workspace):
    with workspace.lock("generate"), pytest.raises(BadInput, match="Another `editfhf generate` is running"):
        runner.generate(Workspace.open(workspace.root))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"models": ["test/on"]}, "Unknown model 'test/on'.*Did you mean 'test/one'"),
        ({"tasks": ["text_ad"]}, "text_add"),
        ({"retry": "everything"}, "only `failed` or `refused`"),
    ],
)
def test_wrong_names_are_told_with_the_closest(workspace, options, message):
    with pytest.raises(BadInput, match=message):
        runner.generate(workspace, **options)


def test_killed_at_any_moment_nothing_is_lost_torn_or_doubled(tmp_path, monkeypatch, tmp_path_factory):
    workspace = make(tmp_path)
    program = Path(__file__).with_name("shifting_model.py")
    moments = random.Random(7)
    root = Path(__file__).parent.parent.parent
    for _ in range(6):
        run = subprocess.Popen([sys.executable, "-m", f"tests.generators.{program.stem}", workspace.root], cwd=root)
        deadline = time.monotonic() + 30
        before = len(list(workspace.images_dir.rglob("*.png")))
        while run.poll() is None and time.monotonic() < deadline:
            # Killed only once it works: a kill during the imports would prove nothing.
            if len(list(workspace.images_dir.rglob("*.png"))) > before:
                time.sleep(moments.uniform(0, 0.05))
                break
            time.sleep(0.002)
        run.send_signal(signal.SIGKILL)
        run.wait()
        for file in workspace.images_dir.rglob("*.png"):
            if not file.name.startswith("."):
                assert np.asarray(Image.open(file)).size
    monkeypatch.setattr(registry, "registered_models", lambda: entries(seconds=0.02))
    counts = runner.generate(Workspace.open(workspace.root))
    assert counts.already_made > 0
    unbroken = make(tmp_path_factory.mktemp("unbroken"))
    runner.generate(unbroken)
    assert state(Workspace.open(workspace.root)) == state(unbroken)
    stored = {path.stem for path in workspace.images_dir.rglob("*.png") if not path.name.startswith(".")}
    assert stored == {Path(edit.image).stem for edit in workspace.edits()}
