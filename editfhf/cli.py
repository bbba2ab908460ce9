"""`editfhf`: finds the commands that the installed packages bring, runs one, and says in one sentence what went wrong.

Each package registers a Typer app under the entry-point group `editfhf.commands`. The modules named there import what
is heavy inside their functions, so that `editfhf --help` stays under half a second.
"""

import logging
import os
import sys
from importlib.metadata import entry_points

import typer
from typer.core import TyperGroup

from editfhf import __version__, console
from editfhf.errors import EditFHFError

# Typer carries its own copy of click and does not name the class of all usage errors.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]

INTERRUPTED = 130  # what Typer makes of Ctrl-C

COMMAND_ORDER = (
    "demo", "doctor", "init", "tasks", "models", "flaws", "instruct", "plan", "generate", "merge", "annotate", "review",
    "analyze", "build", "validate", "convert", "browse", "import", "publish", "train", "benchmark", "pairs", "score",
    "refine", "predict",
)  # fmt: skip


def build_group() -> TyperGroup:
    """The command group with every command that the installed packages register, in the order of a campaign."""
    app = typer.Typer(
        name="editfhf",
        help="Collect fine-grained human feedback on edited images, build the dataset, train a refiner on it.",
        epilog="Start with: editfhf demo",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def root(
        version: bool = typer.Option(
            False, "--version", help="Print the version and exit.", is_eager=True, callback=_print_version
        ),
        debug: bool = typer.Option(False, "--debug", help="Show tracebacks and diagnostics."),
    ) -> None: ...

    for point in sorted(entry_points(group="editfhf.commands"), key=lambda point: point.name):
        try:
            app.add_typer(point.load())
        except ImportError as error:  # a package that is half installed must not take the others with it
            console.note(f"editfhf: the commands of {point.value} are left out: {error}.")
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    position = {name: index for index, name in enumerate(COMMAND_ORDER)}
    group.commands = dict(
        sorted(group.commands.items(), key=lambda item: (position.get(item[0], len(position)), item[0]))
    )
    return group


def run(arguments: list[str]) -> int:
    """Run one command line in this process; returns the exit code: 0 done, 1 failed, 2 wrong usage or bad input."""
    # `--debug` may stand anywhere: a user adds it to the end of the line that has just failed.
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    logging.basicConfig(level=logging.DEBUG if debug else logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    try:
        result = build_group().main(arguments, prog_name="editfhf", standalone_mode=False)
        if result == INTERRUPTED:
            raise KeyboardInterrupt
        return result if isinstance(result, int) else 0
    except EditFHFError as error:
        if debug:
            raise
        return _say(str(error), error.exit_code)
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # its message is the help itself
            print(error, file=sys.stderr)
            return 2
        context = getattr(error, "ctx", None)
        usage = f" `{context.command_path} --help` shows how." if context else ""
        message = error.format_message().rstrip()  # type: ignore[attr-defined]
        return _say(message + ("" if message.endswith((".", "?", "!")) else ".") + usage, 2)
    except typer.Exit as error:
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return _say("Stopped. What was done is kept: the same command goes on from here.", 1)
    except BrokenPipeError:
        # The reader (head, less) has gone; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            raise
        return _say(
            f"Unexpected {type(error).__name__}: {error}. Add --debug for the traceback, and please report it.", 1
        )


def main() -> None:
    """Entry point of the `editfhf` program."""
    sys.exit(run(sys.argv[1:]))


def _print_version(wanted: bool) -> None:
    if wanted:
        console.say(f"editfhf {__version__}")
        raise typer.Exit


def _say(sentence: str, code: int) -> int:
    print(f"editfhf: {' '.join(sentence.split())}", file=sys.stderr)
    return code
