"""The command line as a user meets it: help, exit codes, one sentence for what went wrong."""

import io
import json
import re
import subprocess
import sys

import pytest
import typer
from rich.console import Console
from typer.core import TyperGroup

from editfhf import cli, console
from editfhf.errors import BadInput, JobFailed

HEAVY = {"numpy", "pandas", "pyarrow", "scipy", "cv2", "matplotlib", "datasets", "label_studio_sdk", "torch", "shapely"}


def commands(group, path=()):
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL_COMMANDS = list(commands(cli.build_group()))


def editfhf(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "editfhf", *arguments], capture_output=True, text=True, timeout=120, **options
    )


def test_help_loads_nothing_heavy():
    code = "import sys; from editfhf import cli; cli.run(['--help']); print(sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    loaded = {name.strip("[]' ").split(".")[0] for name in done.stderr.split(",")}
    assert "typer" in loaded
    assert not loaded & HEAVY


def test_the_commands_of_every_wing_are_there():
    names = {" ".join(path) for path, _ in ALL_COMMANDS}
    assert names >= {
        "demo", "init", "tasks", "models", "flaws", "instruct", "generate", "annotate serve", "annotate push",
        "annotate simulate", "annotate pull", "analyze", "build", "validate",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "command"), ALL_COMMANDS, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_every_command_shows_an_example_of_itself(path, command, capsys):
    assert cli.run([*path, "--help"]) == 0
    assert f"Example: editfhf {' '.join(path)}" in " ".join(capsys.readouterr().out.split())
    assert command.help


def test_a_guess_at_a_mistyped_command_ends_with_its_own_mark(capsys):
    assert cli.run(["generat"]) == 2
    assert "Did you mean 'generate'? `editfhf --help` shows how." in capsys.readouterr().err


def test_long_work_without_a_terminal_says_a_line_every_half_minute(capsys, monkeypatch):
    clock = iter([0.0, 1.0, 29.0, 31.0, 40.0, 62.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    with console.progress("Generating") as report:
        for done in (0, 28, 30, 39, 60):
            report(done, 120)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [
        "Generating: 30 of 120, about 2 min left", "Generating: 60 of 120, about 1 min left",
    ]  # fmt: skip


@pytest.mark.parametrize(("done", "is_told"), [(4, False), (5, True), (9, True)])
def test_a_bar_tells_no_time_left_from_the_first_items_which_hold_the_loading(monkeypatch, done, is_told):
    screen = io.StringIO()
    monkeypatch.setattr(console, "_console", lambda **_: Console(file=screen, force_terminal=True, width=100))
    with console.progress("Scoring") as report:
        for number in range(done + 1):
            report(number, 100)
    last = screen.getvalue().rpartition("Scoring")[2]
    assert f"{done}/100" in last
    assert bool(re.search(r"\d:\d\d:\d\d", last)) == is_told


@pytest.mark.parametrize("name", ["tasks", "models", "flaws"])
def test_a_table_can_be_had_as_json(name, capsys):
    assert cli.run([name, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == {"tasks": 43, "flaws": 20, "models": 12 + 4}[name]


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["generate", "--no-such-option"],
        ["generate", "--limit", "many"],
        ["generate", "-w", "/no/such/folder"],
        ["build", "-w", "/no/such/folder", "-o", "out"],
        ["validate", "/no/such/folder"],
        ["annotate", "push", "-w", "/no/such/folder"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(arguments, capsys):
    assert cli.run(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("editfhf: ")
    assert len(error.strip().splitlines()) == 1
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("error", "code"),
    [(BadInput("a b.", mend="c."), 2), (JobFailed("a."), 1), (KeyboardInterrupt(), 1), (ValueError("x"), 1)],
)
def test_what_a_command_raises_decides_the_exit_code(error, code, monkeypatch, capsys):
    app = typer.Typer()

    @app.command()
    def fail() -> None:
        raise error

    @app.callback()
    def root() -> None: ...

    monkeypatch.setattr(cli, "build_group", lambda: typer.main.get_command(app))
    assert cli.run(["fail"]) == code
    captured = capsys.readouterr().err
    assert len(captured.strip().splitlines()) == 1
    with pytest.raises(type(error)) if isinstance(error, Exception) else pytest.raises(AssertionError):
        assert cli.run(["fail", "--debug"]) != code


def test_the_program_itself_ends_with_the_code(tmp_path):
    assert editfhf("--version").stdout.startswith("editfhf ")
    done = editfhf("generate", "-w", str(tmp_path))
    assert done.returncode == 2
    assert "editfhf init" in done.stderr
