"""What a person does by mistake with the refiner's commands: one sentence at once, and nothing of theirs is lost."""

import logging
import re
from pathlib import Path

import pytest

from editfhf import cli
from refiner import commands, runs
from tests.refiner.small_refiner import small_refiner, write_pairs

PAIR = ["--source", "in/images/photo 0.png", "--edited", "in/images/edited 0.png", "--instruction", "make it red"]


open_run = commands._open


@pytest.fixture
def sheet(tmp_path, monkeypatch):
    """Two pairs, and a run that must not be opened."""

    def opened(*_):
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(commands, "_open", opened)
    monkeypatch.setattr(runs, "version_of", lambda _run: "run@1234")
    monkeypatch.chdir(tmp_path)
    return write_pairs(tmp_path / "in", 2)


def files() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def require_refusal(arguments, message, capsys):
    """Exit code 2 and one sentence, before the model is loaded; every file is as it was."""
    before = files()
    assert cli.run(arguments) == 2
    said = capsys.readouterr().err
    assert re.search(re.escape(message), said)
    assert said.count("\n") == 1
    assert files() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["refine", *PAIR, "-o", "in/images/photo 0.png"], "photo 0.png would be written over in/images/photo 0.png"),
        (["refine", *PAIR, "-o", "in/../in/images/edited 0.png"], "over in/images/edited 0.png, which is read"),
        (["refine", *PAIR, "-o", "link.png"], "link.png would be written over in/images/edited 0.png"),
        (["score", "in/pairs.csv", "-o", "in/pairs.csv"], "in/pairs.csv would be written over in/pairs.csv"),
        (["score", "in/pairs.csv", "-o", "in/images/edited 1.png"], "edited 1.png would be written over"),
        (["score", "in/pairs.csv", "-o", "in"], "in cannot be written: it is a folder"),
        (["refine", "--batch", "in", "-o", "best.png"], "best.png is no folder, and a batch fills one"),
        (["refine", "--batch", "in", "-o", "in/pairs.csv"], "in/pairs.csv is no folder"),
    ],
)
def test_what_is_read_is_never_written_over(sheet, capsys, arguments, message):
    Path("link.png").symlink_to("in/images/edited 0.png")
    require_refusal(arguments, message, capsys)


def test_a_trace_folder_that_holds_the_image_to_refine_is_not_replaced(sheet, monkeypatch, capsys):
    monkeypatch.setattr(commands, "_open", lambda *_: small_refiner())
    assert cli.run(["refine", *PAIR, "-o", "out"]) == 0
    capsys.readouterr()
    again = [*PAIR[:3], "out/best.png", *PAIR[4:], "-o", "out"]
    require_refusal(["refine", *again], "out would be written over out/best.png", capsys)


@pytest.fixture
def no_hub(monkeypatch):
    """The Hub is not there, and asking it for anything but a whole name is a mistake."""

    def asked(*_args, **_kwargs):
        assert not logging.getLogger("huggingface_hub.utils._http").isEnabledFor(logging.WARNING)
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", asked)
    monkeypatch.setattr("datasets.load_dataset", asked)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["refine", "--batch", "in", "--worst", "3"], "--split and --worst need a dataset; in/pairs.csv is a CSV file"),
        (["refine", "--batch", "in/pairs.csv", "--split", "train"], "--split and --worst need a dataset"),
        (["refine", *PAIR, "--worst", "3"], "--split and --worst need a dataset. One pair"),
        (["refine", *PAIR, "--split", "test"], "--split and --worst need a dataset. One pair"),
        (["score", "in/images/photo 0.png"], "in/images/photo 0.png is an image, not a CSV file"),
        (["refine", "--batch", "in/images/photo 0.png"], "in/images/photo 0.png is an image, not a CSV file"),
        (["refine", "--batch", "ws"], "ws holds no CSV file and no dataset. Name the dataset below it: ws/dataset."),
    ],
)
def test_an_option_or_a_file_of_another_use_is_one_sentence(sheet, capsys, arguments, message):
    Path("ws/dataset").mkdir(parents=True)
    Path("ws/dataset/manifest.json").write_text("{}")
    require_refusal(arguments, message, capsys)


@pytest.mark.parametrize("option", ["--run", "--batch"])
@pytest.mark.parametrize(
    ("name", "message"),
    [("in/datset", "in/datset does not exist"), ("someone/run", "the Hub does not give it: no network")],
)
def test_a_mistyped_path_is_not_asked_of_the_hub_whose_client_keeps_quiet(
    sheet, no_hub, monkeypatch, capsys, option, name, message
):
    monkeypatch.setattr(commands, "_open", open_run)
    arguments = {"--run": ["score", "in/pairs.csv", "--run", name], "--batch": ["refine", "--batch", name]}[option]
    require_refusal(arguments, message, capsys)


def test_a_run_folder_that_cannot_be_written_is_one_sentence(sheet, monkeypatch, capsys):
    require_refusal(["train", "-o", "in/pairs.csv"], "in/pairs.csv cannot be written (File exists)", capsys)
    require_refusal(["train", "-o", "in/pairs.csv/run"], "pairs.csv/run cannot be written (Not a directory)", capsys)

    def denied(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("filelock.FileLock.acquire", denied)
    require_refusal(["train", "-o", "run"], "run cannot be written (Permission denied)", capsys)
